// Python numbers, sequences of integers, Size.

#include <cstring>

#include "bindings/python.h"
#include "ops/functions.h"

namespace ondol::python {

static bool is_numpy_scalar(PyObject* object) {
  // numpy.generic, asked by its module so that NumPy need not be imported here; arrays are of numpy.ndarray.
  PyTypeObject* type = Py_TYPE(object);
  return type->tp_as_number && std::strncmp(type->tp_name, "numpy.", 6) == 0 &&
         std::strcmp(type->tp_name, "numpy.ndarray") != 0 && PyObject_HasAttrString(object, "item");
}

Tensor to_tensor(PyObject* object, const char* what) {
  if (!is_tensor(object)) type_error(what, ": expected a Tensor, not ", Py_TYPE(object)->tp_name);
  return unwrap(object);
}

bool is_number(PyObject* object) {
  return PyFloat_Check(object) || PyLong_Check(object) || PyComplex_Check(object) || is_numpy_scalar(object);
}

Scalar to_scalar(PyObject* number) {
  if (PyFloat_Check(number)) return Scalar(PyFloat_AS_DOUBLE(number));
  if (PyBool_Check(number)) return Scalar(number == Py_True);
  if (PyLong_Check(number)) {
    int overflow = 0;
    int64_t value = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow) raise(ErrorKind::Overflow, "int too large to convert to a 64-bit integer");
    if (value == -1 && PyErr_Occurred()) throw PythonError();
    return Scalar(value);
  }
  if (PyComplex_Check(number)) return Scalar(c128(PyComplex_RealAsDouble(number), PyComplex_ImagAsDouble(number)));
  Object plain = checked(PyObject_CallMethod(number, "item", nullptr));
  if (PyFloat_Check(plain.get()) || PyLong_Check(plain.get()) || PyComplex_Check(plain.get()))
    return to_scalar(plain.get());
  type_error("expected a number, not ", Py_TYPE(number)->tp_name);
}

static int64_t to_int(PyObject* object, const char* what, ErrorKind if_too_large) {
  if (!PyLong_Check(object) && (PyFloat_Check(object) || !PyIndex_Check(object)))
    type_error(what, " must be an int, not ", Py_TYPE(object)->tp_name);
  Object integer = checked(PyNumber_Index(object));
  int overflow;
  int64_t value = PyLong_AsLongLongAndOverflow(integer.get(), &overflow);
  if (overflow) raise(if_too_large, "Overflow when unpacking long long: ", what, " does not fit in 64 bits");
  return value;
}

int64_t to_int(PyObject* object, const char* what) { return to_int(object, what, ErrorKind::Value); }

Dims to_dims(PyObject* object, const char* what) {
  if (!PyList_Check(object) && !PyTuple_Check(object)) return {to_int(object, what)};
  Dims dims;
  Py_ssize_t count = PySequence_Fast_GET_SIZE(object);
  for (Py_ssize_t i = 0; i < count; ++i)
    dims.push_back(to_int(PySequence_Fast_GET_ITEM(object, i), what, ErrorKind::Type));
  return dims;
}

PyObject* to_tuple(const Dims& dims) {
  Object tuple = checked(PyTuple_New(dims.ssize()));
  for (size_t i = 0; i < dims.size(); ++i)
    PyTuple_SET_ITEM(tuple.get(), i, checked(PyLong_FromLongLong(dims[i])).release());
  return tuple.release();
}

PyObject* to_size(const Dims& dims) {
  if (!size_type) return to_tuple(dims);
  Object size = checked(size_type->tp_alloc(size_type, dims.ssize()));
  for (size_t i = 0; i < dims.size(); ++i)
    PyTuple_SET_ITEM(size.get(), i, checked(PyLong_FromLongLong(dims[i])).release());
  return size.release();
}

PyObject* to_python(const Scalar& scalar) {
  switch (scalar.category()) {
    case Category::Bool:
      return PyBool_FromLong(scalar.to_bool());
    case Category::Integral:
      return scalar.beyond_int64() ? PyLong_FromUnsignedLongLong(scalar.bits()) : PyLong_FromLongLong(scalar.to_int());
    case Category::Floating:
      return PyFloat_FromDouble(scalar.to_double());
    default:
      return PyComplex_FromDoubles(scalar.to_complex().real(), scalar.to_complex().imag());
  }
}

Scalar item(const Tensor& tensor) {
  if (tensor.numel() != 1)
    runtime_error("a Tensor with ", tensor.numel(), " elements cannot be converted to Scalar: it has shape ",
                  tensor.sizes(), "; use .tolist() for all of them, or reduce or index it first");
  return element(tensor);
}

}  // namespace ondol::python
