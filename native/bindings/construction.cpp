// Tensors from Python data: tensor(), as_tensor(), and what they share.

#include <nanobind/nanobind.h>

#include "autograd/node.h"
#include "bindings/autograd.h"
#include "bindings/exchange.h"
#include "bindings/indexing.h"
#include "bindings/module.h"
#include "bindings/overrides.h"
#include "bindings/types.h"
#include "ops/functions.h"
#include "tensor/pointwise.h"

namespace nb = nanobind;

namespace ondol::python {
namespace {

constexpr int64_t kMaxDepth = 64;

bool is_sequence(PyObject* object) {
  return (PyList_Check(object) || PyTuple_Check(object) || PyRange_Check(object) ||
          (PySequence_Check(object) && !is_tensor(object))) &&
         !PyUnicode_Check(object) && !PyBytes_Check(object) && !is_number(object);
}

/// What kind of numbers nested data holds.
struct Inference {
  int category = -1;           // highest category of plain numbers
  std::optional<Dtype> typed;  // promoted dtype of tensors and NumPy scalars among them

  void number(Category of_number) { category = std::max(category, static_cast<int>(of_number)); }
  void dtype(Dtype dtype) { typed = typed ? promote(*typed, dtype) : dtype; }
  Dtype result() const {
    std::optional<Dtype> plain;
    if (category >= 0) {
      constexpr Dtype integral[] = {Dtype::Bool, Dtype::I64};
      plain = category < 2 ? integral[category] : category == 2 ? default_dtype() : to_complex(default_dtype());
    }
    if (typed && plain) return promote(*typed, *plain);
    return typed ? *typed : plain.value_or(default_dtype());
  }
};

class Reader {
 public:
  /// Walks the first elements for the shape, then everything for values.
  Tensor read(PyObject* data, std::optional<Dtype> dtype) {
    requested_ = dtype.has_value();
    find_shape(data);
    infer(data, 0);
    Dtype target = target_ = dtype.value_or(inference_.result());
    Category kind = std::max(category(inference_.result()), category(target));
    values_dtype_ = kind <= Category::Integral ? Dtype::I64 : kind == Category::Floating ? Dtype::F64 : Dtype::C128;
    if (is_complex(inference_.result()) && !is_complex(target))
      type_error("must be real number, not complex: the data does not fit into ", name(target));
    Tensor values = empty(shape_, values_dtype_);
    position_ = values.bytes();
    write(data, 0);
    return ondol::to_dtype(values, target);
  }

 private:
  void find_shape(PyObject* data) {
    Object current = Object::share(data);
    while (true) {
      if (is_tensor(current.get())) {
        for (int64_t size : unwrap(current.get()).sizes()) shape_.push_back(size);
        return;
      }
      if (is_number(current.get())) return;
      if (!is_sequence(current.get())) refuse(current.get(), shape_.empty());
      Py_ssize_t size = PySequence_Size(current.get());
      if (size < 0) throw PythonError();
      shape_.push_back(size);
      if (shape_.ssize() > kMaxDepth) value_error("too many dimensions '", Py_TYPE(data)->tp_name, "'");
      if (size == 0) return;
      current = checked(PySequence_GetItem(current.get(), 0));
    }
  }

  /// Raises what torch.tensor raises for an object that is no number.
  [[noreturn]] void refuse(PyObject* object, bool alone) const {
    const char* type = Py_TYPE(object)->tp_name;
    bool text = PyUnicode_Check(object) || PyBytes_Check(object);
    if (text && alone) type_error("new(): invalid data type '", type, "'");
    if (text) value_error("too many dimensions '", type, "'");
    if (requested_) type_error("must be real number, not ", type);
    runtime_error("Could not infer dtype of ", type);
  }

  /// The value of a number; an int beyond 64 bits is a float if that is what is asked for.
  Scalar value_of(PyObject* number) const {
    int overflow = 0;
    if (PyLong_Check(number)) (void)PyLong_AsLongLongAndOverflow(number, &overflow);
    if (!overflow) return to_scalar(number);
    if (target_ == Dtype::U64 && overflow > 0) {
      uint64_t value = PyLong_AsUnsignedLongLong(number);
      if (PyErr_Occurred()) throw PythonError();
      return Scalar::of_unsigned(value);
    }
    if (values_dtype_ == Dtype::I64) value_error("Overflow when unpacking long long: an int does not fit in 64 bits");
    double real = PyLong_AsDouble(number);
    if (real == -1 && PyErr_Occurred()) throw PythonError();
    return Scalar(real);
  }

  void check_length(PyObject* data, Py_ssize_t size, int64_t dim) {
    if (dim >= shape_.ssize()) type_error("expected a number at dim ", dim, " but got ", Py_TYPE(data)->tp_name);
    if (size != shape_[dim])
      value_error("expected sequence of length ", shape_[dim], " at dim ", dim, " (got ", size,
                  "): lists within a list must be of one length, as the first; pad the shorter ones");
  }

  template <class F>
  void each(PyObject* data, int64_t dim, F&& f) {
    Object items = Object::steal(PySequence_Fast(data, "expected a sequence"));
    if (!items) throw PythonError();
    Py_ssize_t size = PySequence_Fast_GET_SIZE(items.get());
    check_length(data, size, dim);
    for (Py_ssize_t i = 0; i < size; ++i) {
      if (PySequence_Fast_GET_SIZE(items.get()) != size) value_error("the sequence changed while it was read");
      Object item = Object::share(PySequence_Fast_GET_ITEM(items.get(), i));
      f(item.get());
    }
  }

  void infer(PyObject* data, int64_t dim) {
    if (is_tensor(data)) {
      Tensor tensor = unwrap(data);
      Dims rest(shape_.begin() + std::min(dim, shape_.ssize()), shape_.end());
      if (tensor.sizes() != rest)
        value_error("expected a tensor of shape ", rest, " at dim ", dim, " (got ", tensor.sizes(), ")");
      inference_.dtype(tensor.dtype());
    } else if (is_number(data)) {
      if (dim != shape_.ssize()) type_error("expected a sequence at dim ", dim, " but got ", Py_TYPE(data)->tp_name);
      if (std::optional<Dtype> dtype = numpy_scalar_dtype(data))
        inference_.dtype(*dtype);
      else
        inference_.number(category_of(data));
    } else if (is_sequence(data)) {
      each(data, dim, [&](PyObject* item) { infer(item, dim + 1); });
    } else {
      refuse(data, false);
    }
  }

  static Category category_of(PyObject* number) {
    if (PyBool_Check(number)) return Category::Bool;
    if (PyLong_Check(number)) return Category::Integral;
    return to_scalar(number).category();
  }

  void write(PyObject* data, int64_t dim) {
    if (is_tensor(data)) {
      Tensor tensor = unwrap(data), converted = contiguous(ondol::to_dtype(detach(tensor), values_dtype_));
      size_t bytes = static_cast<size_t>(converted.numel()) * item_size(values_dtype_);
      std::copy_n(converted.bytes(), bytes, position_);
      position_ += bytes;
    } else if (is_number(data)) {
      Scalar value = value_of(data);
      if (is_integral(target_)) check_fits(value, target_);
      if (values_dtype_ == Dtype::I64)
        put(value.beyond_int64() ? static_cast<int64_t>(value.bits()) : value.to_int());
      else if (values_dtype_ == Dtype::F64)
        put(value.to_double());
      else
        put(value.to_complex());
    } else {
      each(data, dim, [&](PyObject* item) { write(item, dim + 1); });
    }
  }
  template <class T>
  void put(T value) {
    *reinterpret_cast<T*>(position_) = value;
    position_ += sizeof(T);
  }

  Dims shape_;
  Inference inference_;
  bool requested_ = false;           // whether the caller named a dtype
  Dtype target_ = Dtype::F32;        // of the result
  Dtype values_dtype_ = Dtype::F64;  // that the values are gathered in
  char* position_ = nullptr;
};

struct Request {
  std::optional<Dtype> dtype;
  bool requires_grad;
};
Request read_request(nb::handle dtype, nb::handle device, bool requires_grad) {
  if (!device.is_none()) {
    if (!is_device(device.ptr()) && !PyLong_Check(device.ptr()))
      type_error("device must be torch.device or str, not ", Py_TYPE(device.ptr())->tp_name);
    check_device(to_device(device.ptr()));
  }
  if (!dtype.is_none() && !is_dtype(dtype.ptr()))
    type_error("tensor(): argument 'dtype' must be torch.dtype, not ", Py_TYPE(dtype.ptr())->tp_name);
  return {dtype.is_none() ? std::nullopt : std::optional(to_dtype(dtype.ptr())), requires_grad};
}

nb::object finish(const Tensor& tensor, const Request& request) {
  if (request.requires_grad) mark_requires_grad(tensor, true);
  return nb::steal(wrap(tensor));
}

nb::object make_tensor(nb::handle data, nb::handle dtype, nb::handle device, bool requires_grad, bool) {
  if (may_be_overridden()) {
    nb::dict keywords;
    keywords["dtype"] = dtype, keywords["device"] = device, keywords["requires_grad"] = requires_grad;
    if (Override result = overridden_function("tensor", data.ptr(), keywords.ptr()))
      return nb::steal(checked(*result).release());
  }
  Request request = read_request(dtype, device, requires_grad);
  Tensor made;
  if (is_tensor(data.ptr())) {
    PyErr_WarnEx(PyExc_UserWarning,
                 "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
                 "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
                 1);
    Tensor source = detach(unwrap(data.ptr()));
    made = clone(ondol::to_dtype(source, request.dtype.value_or(source.dtype())));
  } else {
    made = tensor_from_data(data.ptr(), request.dtype);
  }
  return finish(made, request);
}

/// Shares memory with tensors and arrays where nothing has to change.
nb::object as_tensor(nb::handle data, nb::handle dtype, nb::handle device) {
  if (may_be_overridden()) {
    nb::dict keywords;
    keywords["dtype"] = dtype, keywords["device"] = device;
    if (Override result = overridden_function("as_tensor", data.ptr(), keywords.ptr()))
      return nb::steal(checked(*result).release());
  }
  Request request = read_request(dtype, device, false);
  if (is_tensor(data.ptr())) {
    if (!request.dtype || *request.dtype == unwrap(data.ptr()).dtype()) return nb::borrow(data);
    return nb::steal(wrap(ondol::to_dtype(unwrap(data.ptr()), *request.dtype)));
  }
  if (is_array(data.ptr())) {
    Tensor shared = tensor_from_array(data.ptr());
    return nb::steal(wrap(request.dtype ? ondol::to_dtype(shared, *request.dtype) : shared));
  }
  return nb::steal(wrap(tensor_from_data(data.ptr(), request.dtype)));
}

}  // namespace

Tensor tensor_from_data(PyObject* data, std::optional<Dtype> dtype) {
  NoGrad silent;
  if (is_array(data)) {
    Tensor copy = clone(tensor_from_array(data));
    return dtype ? ondol::to_dtype(copy, *dtype) : copy;
  }
  return Reader().read(data, dtype);
}

void add_construction(PyObject* module) {
  auto m = nb::borrow<nb::module_>(module);
  m.def("tensor", make_tensor, nb::arg("data").none(), nb::kw_only(), nb::arg("dtype") = nb::none(),
        nb::arg("device") = nb::none(), nb::arg("requires_grad") = false, nb::arg("pin_memory") = false,
        "tensor(data, *, dtype=None, device=None, requires_grad=False): a new tensor with a copy of nested numbers, an "
        "array or a tensor.");
  m.def("as_tensor", as_tensor, nb::arg("data"), nb::arg("dtype") = nb::none(), nb::arg("device") = nb::none(),
        "as_tensor(data, dtype=None, device=None): as tensor(), without copying what is a tensor or array already.");
}

}  // namespace ondol::python
