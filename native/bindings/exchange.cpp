// Memory shared with NumPy and, by DLPack, with anyone.

#include "bindings/exchange.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <cstring>

#include "autograd/node.h"
#include "bindings/module.h"
#include "bindings/types.h"
#include "ops/functions.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace ondol::python {
namespace {

struct NumpyType {
  const char* code;  // as in __array_interface__: kind and bytes
  Dtype dtype;
};
constexpr NumpyType kNumpyTypes[] = {{"b1", Dtype::Bool}, {"u1", Dtype::U8},  {"i1", Dtype::I8},    {"i2", Dtype::I16},
                                     {"i4", Dtype::I32},  {"i8", Dtype::I64}, {"f2", Dtype::F16},   {"f4", Dtype::F32},
                                     {"f8", Dtype::F64},  {"c8", Dtype::C64}, {"c16", Dtype::C128}, {"u2", Dtype::U16},
                                     {"u4", Dtype::U32},  {"u8", Dtype::U64}};

std::optional<Dtype> from_code(const std::string& code) {
  for (const NumpyType& type : kNumpyTypes)
    if (code == type.code) return type.dtype;
  return std::nullopt;
}

const char* to_code(Dtype dtype) {
  for (const NumpyType& type : kNumpyTypes)
    if (type.dtype == dtype) return type.code;
  type_error("Got unsupported ScalarType ", torch_name(dtype), ": NumPy has no ", name(dtype),
             "; convert with .float() first");
}

/// What an address must be a multiple of: a complex number is two real ones.
int64_t alignment(Dtype dtype) { return static_cast<int64_t>(item_size(to_real(dtype))); }

Tensor checked_numpy_source(nb::handle object, bool force) {
  Tensor tensor = to_tensor(object.ptr(), "numpy()");
  if (tensor.requires_grad()) {
    if (!force)
      runtime_error(
          "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead: "
          "NumPy's arrays record no gradients.");
    tensor = detach(tensor);
  }
  return tensor;
}

/// An array on the memory of the tensor, which it keeps alive.
nb::object to_numpy(nb::handle self, bool force) {
  Tensor tensor = checked_numpy_source(self, force);
  nb::object numpy = nb::module_::import_("numpy");
  nb::object dtype = numpy.attr("dtype")(to_code(tensor.dtype()));
  nb::object shape = nb::steal(to_tuple(tensor.sizes()));
  tensor.storage()->pin();
  if (tensor.numel() == 0) return numpy.attr("ndarray")(shape, dtype);  // its strides may be beyond counting in bytes
  nb::list strides;
  auto bytes = static_cast<int64_t>(item_size(tensor.dtype()));
  for (int64_t i = 0; i < tensor.ndim(); ++i)  // the stride of a single element says nothing, and may be huge
    strides.append(tensor.sizes()[i] > 1 ? tensor.strides()[i] * bytes : bytes);
  nb::object owner = nb::steal(wrap(tensor));
  nb::object buffer = owner.attr("untyped_storage")();
  size_t offset = static_cast<size_t>(tensor.bytes() - static_cast<char*>(tensor.storage()->data()));
  return numpy.attr("ndarray")(shape, dtype, buffer, offset, nb::tuple(strides));
}

nb::object array_protocol(nb::handle self, nb::handle dtype, nb::handle copy) {
  nb::object array = to_numpy(self, false);
  if (!dtype.is_none()) array = array.attr("astype")(dtype, "copy"_a = false);
  if (!copy.is_none() && nb::cast<bool>(copy)) array = array.attr("copy")();
  return array;
}

Tensor from_numpy(nb::handle array) {
  if (!is_array(array.ptr())) type_error("expected np.ndarray (got ", Py_TYPE(array.ptr())->tp_name, ")");
  return tensor_from_array(array.ptr());
}

Tensor from_buffer(nb::handle buffer, nb::handle dtype_object, int64_t count, int64_t offset, bool requires_grad) {
  Dtype dtype = to_dtype(dtype_object.ptr());
  auto* view = new Py_buffer;
  if (PyObject_GetBuffer(buffer.ptr(), view, PyBUF_WRITABLE) < 0) {
    PyErr_Clear();
    if (PyObject_GetBuffer(buffer.ptr(), view, PyBUF_SIMPLE) < 0) {
      delete view;
      PyErr_Clear();
      value_error("object does not implement Python buffer protocol");
    }
  }
  Ref<Storage> storage = Storage::borrow(
      view->buf, static_cast<size_t>(view->len),
      [view] {
        PyBuffer_Release(view);
        delete view;
      },
      !view->readonly);
  auto item = static_cast<int64_t>(item_size(dtype)), length = static_cast<int64_t>(storage->bytes());
  if (length == 0) value_error("both buffer length (0) and count (", count, ") must not be 0");
  if (offset < 0 || offset >= length)
    value_error("offset (", offset, " bytes) must be non-negative and no greater than buffer length (", length,
                " bytes) minus 1");
  if (count < 0) {
    if ((length - offset) % item != 0)
      value_error("buffer length (", length - offset, " bytes) after offset (", offset,
                  " bytes) must be a multiple of element size (", item, ")");
    count = (length - offset) / item;
  }
  if (count == 0) value_error("both buffer length (", length, ") and count (0) must not be 0");
  if (count > (length - offset) / item)
    value_error("requested buffer length (", count, " * ", item, " bytes) after offset (", offset,
                " bytes) must not be greater than actual buffer length (", length, " bytes)");
  if (reinterpret_cast<uintptr_t>(storage->data()) % static_cast<uintptr_t>(alignment(dtype)) || offset % item) {
    Tensor copy = empty({count}, dtype);  // elements that are not aligned are not for tensors
    std::memcpy(copy.bytes(), static_cast<char*>(storage->data()) + offset, static_cast<size_t>(count * item));
    return copy;
  }
  Tensor tensor = view_of_storage(storage, {count}, {1}, offset / item, dtype);
  if (requires_grad) tensor.impl()->requires_grad = true;
  return tensor;
}

// DLPack (version 0.8 of the C structures, unversioned capsules).

struct DLDevice {
  int32_t type, id;
};
struct DLDataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};

DLDataType to_dlpack_type(Dtype dtype) {
  auto bits = static_cast<uint8_t>(8 * item_size(dtype));
  if (dtype == Dtype::Bool) return {6, 8, 1};
  if (dtype == Dtype::BF16) return {4, 16, 1};
  if (is_unsigned(dtype)) return {1, bits, 1};
  if (dtype == Dtype::F8E4M3) return {10, 8, 1};
  if (dtype == Dtype::F8E5M2) return {12, 8, 1};
  return {static_cast<uint8_t>(is_complex(dtype) ? 5 : is_floating(dtype) ? 2 : 0), bits, 1};
}

Dtype from_dlpack_type(DLDataType type) {
  for (int i = 0; i < kDtypeCount; ++i) {
    DLDataType candidate = to_dlpack_type(static_cast<Dtype>(i));
    if (candidate.code == type.code && candidate.bits == type.bits && type.lanes == 1) return static_cast<Dtype>(i);
  }
  runtime_error("Unsupported DLPack dtype: code ", static_cast<int>(type.code), ", bits ", static_cast<int>(type.bits));
}

struct Exported {
  Tensor tensor;
  Dims shape, strides;
  DLManagedTensor managed;
};

nb::object to_dlpack(nb::handle self, nb::args, nb::kwargs) {
  Tensor tensor = to_tensor(self.ptr(), "__dlpack__()");
  if (tensor.requires_grad())
    raise(ErrorKind::Runtime, "Can't export tensors that require gradient, use tensor.detach()");
  tensor.storage()->pin();
  auto* exported = new Exported{tensor, tensor.sizes(), tensor.strides(), {}};
  exported->managed.tensor = {tensor.bytes(),
                              {1, 0},
                              static_cast<int32_t>(tensor.ndim()),
                              to_dlpack_type(tensor.dtype()),
                              exported->shape.data(),
                              exported->strides.data(),
                              0};
  exported->managed.context = exported;
  exported->managed.deleter = [](DLManagedTensor* managed) {
    PyGILState_STATE state = PyGILState_Ensure();
    delete static_cast<Exported*>(managed->context);
    PyGILState_Release(state);
  };
  PyObject* capsule = PyCapsule_New(&exported->managed, "dltensor", [](PyObject* object) {
    if (!PyCapsule_IsValid(object, "dltensor")) return;  // somebody took it over
    auto* managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(object, "dltensor"));
    managed->deleter(managed);
  });
  if (!capsule) throw PythonError();
  return nb::steal(capsule);
}

Tensor take_capsule(PyObject* capsule) {
  if (!PyCapsule_IsValid(capsule, "dltensor"))
    runtime_error("from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once.");
  auto* managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule, "dltensor"));
  const DLTensor& source = managed->tensor;
  if (source.device.type != 1)
    runtime_error("from_dlpack: ondol takes CPU memory, got device type ", source.device.type);
  if (source.ndim < 0 || source.ndim > 64) runtime_error("from_dlpack: ", source.ndim, " dimensions");
  Dtype dtype = from_dlpack_type(source.dtype);
  Dims sizes(source.shape, source.shape + source.ndim);
  Dims strides = source.strides ? Dims(source.strides, source.strides + source.ndim) : contiguous_strides(sizes);
  int64_t last = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] < 0 || strides[i] < 0) runtime_error("from_dlpack: negative sizes or strides are not supported");
    if (sizes[i] > 0) last += (sizes[i] - 1) * strides[i];
  }
  size_t bytes = count_elements(sizes) ? static_cast<size_t>(last + 1) * item_size(dtype) : 0;
  if (bytes &&
      (reinterpret_cast<uintptr_t>(source.data) + source.byte_offset) % static_cast<uintptr_t>(alignment(dtype)))
    runtime_error("from_dlpack: the memory is not aligned to its element size");
  PyCapsule_SetName(capsule, "used_dltensor");
  Ref<Storage> storage = Storage::borrow(static_cast<char*>(source.data) + source.byte_offset, bytes, [managed] {
    if (managed->deleter) managed->deleter(managed);
  });
  return view_of_storage(storage, sizes, strides, 0, dtype);
}

nb::object from_dlpack(nb::handle source, nb::handle, nb::handle copy) {
  Tensor tensor;
  if (PyCapsule_CheckExact(source.ptr())) {
    tensor = take_capsule(source.ptr());
  } else {
    if (!nb::hasattr(source, "__dlpack__"))
      type_error("from_dlpack(): expected an object with __dlpack__ or a capsule, got ",
                 Py_TYPE(source.ptr())->tp_name);
    tensor = take_capsule(nb::object(source.attr("__dlpack__")()).ptr());
  }
  if (!copy.is_none() && nb::cast<bool>(copy)) tensor = clone(tensor);
  return nb::steal(wrap(tensor));
}

}  // namespace

bool is_array(PyObject* object) {
  // The class or a base of it (memmap, matrix), by name, so that NumPy need not be imported to ask.
  PyObject* bases = Py_TYPE(object)->tp_mro;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(bases); ++i)
    if (std::strcmp(reinterpret_cast<PyTypeObject*>(PyTuple_GET_ITEM(bases, i))->tp_name, "numpy.ndarray") == 0)
      return true;
  return false;
}

std::optional<Dtype> numpy_scalar_dtype(PyObject* object) {
  if (PyLong_CheckExact(object) || PyFloat_CheckExact(object) || PyBool_Check(object) || PyComplex_CheckExact(object))
    return std::nullopt;
  Object dtype = Object::steal(PyObject_GetAttrString(object, "dtype"));
  if (!dtype) {
    PyErr_Clear();
    return std::nullopt;
  }
  return from_code(nb::cast<std::string>(nb::handle(dtype.get()).attr("str")).substr(1));
}

Tensor tensor_from_array(PyObject* array_object) {
  nb::handle array(array_object);
  std::string code = nb::cast<std::string>(array.attr("dtype").attr("str"));
  if (code[0] == '>')
    value_error(
        "given numpy array has byte order different from the native byte order. Conversion between byte orders is "
        "currently not supported.");
  std::optional<Dtype> dtype = from_code(code.substr(1));
  if (!dtype)
    type_error(
        "can't convert np.ndarray of type numpy.", nb::str(array.attr("dtype")).c_str(),
        ". The only supported types are: float64, "
        "float32, float16, complex64, complex128, int64, int32, int16, int8, uint8, uint16, uint32, uint64, and bool.");
  auto item = static_cast<int64_t>(item_size(*dtype));
  Dims sizes = to_dims(nb::object(array.attr("shape")).ptr(), "shape"),
       bytes = to_dims(nb::object(array.attr("strides")).ptr(), "strides"), strides;
  int64_t last = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] < 0 && sizes[i] > 1)
      value_error(
          "At least one stride in the given numpy array is negative, and tensors with negative strides are not "
          "currently supported. (You can "
          "probably work around this by making a copy of your array with array.copy().)");
    if (bytes[i] % item && sizes[i] > 1)
      value_error(
          "given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate the "
          "memory.");
    strides.push_back(sizes[i] > 1 ? bytes[i] / item : 1);
    if (sizes[i] > 0) last += (sizes[i] - 1) * strides[i];
  }
  auto address = nb::cast<uintptr_t>(nb::object(array.attr("ctypes").attr("data")));
  bool writable = nb::cast<bool>(nb::object(array.attr("flags").attr("writeable")));
  size_t length = count_elements(sizes) ? static_cast<size_t>((last + 1) * item) : 0;
  PyObject* owner = Py_NewRef(array_object);
  Ref<Storage> storage =
      Storage::borrow(reinterpret_cast<void*>(address), length, [owner] { Py_DECREF(owner); }, writable);
  if (length && address % static_cast<uintptr_t>(alignment(*dtype)))
    value_error("given numpy array is not aligned to its element size; make a copy with array.copy()");
  return view_of_storage(storage, sizes, strides, 0, *dtype);
}

void add_exchange(PyObject* module) {
  auto m = nb::borrow<nb::module_>(module);
  m.def(
      "from_numpy", [](nb::handle array) { return nb::steal(wrap(from_numpy(array))); }, nb::arg("ndarray"),
      "from_numpy(ndarray): a tensor on the same memory.");
  m.def(
      "frombuffer",
      [](nb::handle buffer, nb::handle dtype, int64_t count, int64_t offset, bool requires_grad) {
        return nb::steal(wrap(from_buffer(buffer, dtype, count, offset, requires_grad)));
      },
      nb::arg("buffer"), nb::kw_only(), nb::arg("dtype"), nb::arg("count") = -1, nb::arg("offset") = 0,
      nb::arg("requires_grad") = false);
  m.def("from_dlpack", from_dlpack, nb::arg("ext_tensor"), nb::kw_only(), nb::arg("device") = nb::none(),
        nb::arg("copy") = nb::none());
  m.def("_to_numpy", to_numpy, nb::arg("tensor"), nb::arg("force"));
  m.def("_array_protocol", array_protocol, nb::arg("tensor"), nb::arg("dtype").none(), nb::arg("copy").none());
  m.def("_to_dlpack", to_dlpack);
}

}  // namespace ondol::python
