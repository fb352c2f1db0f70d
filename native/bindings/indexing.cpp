// What stands between the brackets of tensor[...].

#include "bindings/indexing.h"

#include "autograd/node.h"
#include "bindings/exchange.h"
#include "ops/functions.h"

namespace ondol::python {
namespace {

bool is_mask(const Tensor& tensor) { return tensor.dtype() == Dtype::Bool || tensor.dtype() == Dtype::U8; }

/// Whether it stands for a tensor of positions.
bool is_index_sequence(PyObject* object) {
  if (PyLong_Check(object) || PySlice_Check(object) || object == Py_None || object == Py_Ellipsis) return false;
  if (PyList_Check(object) || PyTuple_Check(object) || PyRange_Check(object) || is_array(object)) return true;
  return !PyIndex_Check(object) && PyObject_HasAttrString(object, "__array_interface__");
}

/// A list with anything but numbers in it counts as a tuple of indices, as it did in old NumPy; long lists do not.
bool is_tuple_of_indices(PyObject* object) {
  constexpr Py_ssize_t kLongest = 31;
  if (PyTuple_Check(object)) return true;
  if (!PyList_Check(object) || PyList_GET_SIZE(object) > kLongest) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(object); ++i) {
    PyObject* item = PyList_GET_ITEM(object, i);
    if (item == Py_None || item == Py_Ellipsis || is_tensor(item) || PySlice_Check(item) || is_index_sequence(item))
      return true;
  }
  return false;
}

int64_t slice_bound(PyObject* object) {
  if (Py_TYPE(object) == tensor_type) return item(unwrap(object)).to_int();
  Object integer = Object::steal(PyNumber_Index(object));
  if (!integer) {
    PyErr_Clear();
    type_error("slice indices must be integers or None or have an __index__ method, not ", Py_TYPE(object)->tp_name);
  }
  // Bounds beyond 64 bits mean the end, as in Python.
  int overflow;
  int64_t value = PyLong_AsLongLongAndOverflow(integer.get(), &overflow);
  return overflow > 0 ? INT64_MAX : overflow < 0 ? INT64_MIN + 1 : value;
}

Tensor apply_slice(const Tensor& tensor, int64_t dim, PyObject* object) {
  auto* slice_object = reinterpret_cast<PySliceObject*>(object);
  auto bound = [](PyObject* value) { return value == Py_None ? std::optional<int64_t>() : slice_bound(value); };
  int64_t step = slice_object->step == Py_None ? 1 : slice_bound(slice_object->step);
  if (step <= 0)
    value_error("step must be greater than zero: slices with negative steps are not supported, use flip()");
  auto start = bound(slice_object->start), stop = bound(slice_object->stop);
  if (!start && !stop && step == 1) return tensor;
  return slice(tensor, dim, start, stop, step);
}

/// The basic part applied, the tensors of positions left over.
struct Parsed {
  Tensor view;
  std::vector<Tensor> indices;
  bool advanced = false;

  void put(int64_t dim, const Tensor& index) {
    if (static_cast<int64_t>(indices.size()) <= dim) indices.resize(dim + 1);
    indices[dim] = index;
    advanced = true;
  }
};

/// How many dimensions of the tensor an item takes.
int64_t dimensions_taken(PyObject* item) {
  if (item == Py_None || item == Py_Ellipsis || PyBool_Check(item)) return 0;
  if (is_tensor(item)) {
    Tensor tensor = unwrap(item);
    return is_mask(tensor) ? tensor.ndim() : 1;
  }
  return 1;
}

Parsed parse(const Tensor& self, PyObject* index) {
  Object items = is_tuple_of_indices(index) ? checked(PySequence_Tuple(index)) : checked(PyTuple_Pack(1, index));
  Py_ssize_t count = PyTuple_GET_SIZE(items.get());
  std::vector<Object> converted;  // lists and arrays as tensors
  int64_t taken = 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* item = PyTuple_GET_ITEM(items.get(), i);
    if (!is_tensor(item) && is_index_sequence(item)) {
      Tensor tensor = tensor_from_data(item, std::nullopt);
      if (tensor.numel() == 0 && is_floating(tensor.dtype())) tensor = to_dtype(tensor, Dtype::I64);  // an empty list
      converted.push_back(checked(wrap(tensor)));
    } else {
      converted.push_back(Object::share(item));
    }
    taken += dimensions_taken(converted.back().get());
  }
  if (taken > self.ndim())
    index_error("too many indices for tensor of dimension ", self.ndim(), ": there are ", taken,
                ", the tensor has shape ", self.sizes());

  Parsed parsed{self, {}, false};
  int64_t dim = 0;
  for (const Object& held : converted) {
    PyObject* item = held.get();
    if (item == Py_Ellipsis) {
      dim += self.ndim() - taken;
      taken = self.ndim();  // a second ellipsis stands for nothing
    } else if (item == Py_None) {
      parsed.view = unsqueeze(parsed.view, dim++);
    } else if (PyBool_Check(item)) {
      parsed.view = unsqueeze(parsed.view, dim);
      parsed.put(dim++, item == Py_True ? zeros({1}, Dtype::I64) : zeros({0}, Dtype::I64));
    } else if (PySlice_Check(item)) {
      parsed.view = apply_slice(parsed.view, dim++, item);
    } else if (is_tensor(item)) {
      Tensor tensor = unwrap(item);
      if (is_mask(tensor) && tensor.ndim() == 0) {
        parsed.view = unsqueeze(parsed.view, dim);
        parsed.put(dim++, python::item(tensor).to_bool() ? zeros({1}, Dtype::I64) : zeros({0}, Dtype::I64));
      } else if (is_mask(tensor)) {
        Tensor positions = nonzero(tensor);
        for (int64_t d = 0; d < tensor.ndim(); ++d) {
          if (tensor.sizes()[d] != parsed.view.sizes()[dim])
            index_error("The shape of the mask ", tensor.sizes(), " at index ", d,
                        " does not match the shape of the indexed tensor ", parsed.view.sizes(), " at index ", dim,
                        ": a mask has an element for each element of the dimensions it indexes");
          parsed.put(dim++, select(positions, 1, d));
        }
      } else if (tensor.ndim() == 0 && is_integral(tensor.dtype())) {
        parsed.view = select(parsed.view, dim, python::item(tensor).to_int());
      } else {
        parsed.put(dim++, tensor);
      }
    } else if (PyIndex_Check(item)) {
      parsed.view = select(parsed.view, dim, to_int(item, "index"));
    } else {
      index_error(
          "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got ",
          Py_TYPE(item)->tp_name, ")");
    }
  }
  return parsed;
}

/// Leading ones of a value do not count: x[0] = value of shape [1, n].
Tensor without_leading_ones(const Tensor& value, int64_t ndim) {
  Tensor stripped = value;
  while (stripped.ndim() > ndim && stripped.sizes()[0] == 1) stripped = squeeze(stripped, 0);
  return stripped;
}

}  // namespace

Tensor get_item(const Tensor& tensor, PyObject* index) {
  if (PyLong_CheckExact(index)) {
    if (tensor.ndim() == 0)
      index_error(
          "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a "
          "0-dim tensor to a number");
    return select(tensor, 0, to_int(index, "index"));
  }
  if (is_tensor(index)) {  // a mask of the whole shape needs no positions
    Tensor mask = unwrap(index);
    if (mask.dtype() == Dtype::Bool && mask.ndim() > 0 && mask.sizes() == tensor.sizes())
      return index_by_mask(tensor, mask);
  }
  Parsed parsed = parse(tensor, index);
  if (parsed.advanced) return ondol::index(parsed.view, parsed.indices);
  return parsed.view.is_same(tensor) ? alias_with_history(tensor) : parsed.view;
}

void set_item(Tensor& tensor, PyObject* index, PyObject* value_object) {
  Tensor value;
  if (is_tensor(value_object))
    value = unwrap(value_object);
  else if (is_number(value_object))
    value = wrapped_number(to_scalar(value_object));
  else
    value = tensor_from_data(value_object, tensor.dtype());
  Parsed parsed = parse(tensor, index);
  if (value.impl()->wrapped_number) check_fits(element(value), tensor.dtype());
  if (parsed.advanced) {
    Tensor typed =
        value.dtype() == tensor.dtype() || !value.impl()->wrapped_number ? value : to_dtype(value, tensor.dtype());
    index_put_(parsed.view, parsed.indices, without_leading_ones(typed, INT64_MAX));
  } else {
    check_in_place(parsed.view, "__setitem__");
    copy_(parsed.view, without_leading_ones(value, parsed.view.ndim()));
  }
}

Tensor alias_of(const Tensor& tensor) { return alias_with_history(tensor); }

}  // namespace ondol::python
