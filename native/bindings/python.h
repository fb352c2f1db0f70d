#pragma once

// The meeting place of Python objects and tensors: wrapping, unwrapping, errors.

#include <Python.h>

#include <exception>
#include <utility>

#include "tensor/tensor.h"

namespace ondol::python {

/// An owned reference to a Python object; null if the call that made it failed.
class Object {
 public:
  Object() = default;
  static Object steal(PyObject* object) { return Object(object); }
  static Object share(PyObject* object) { return Object(Py_XNewRef(object)); }
  Object(const Object& other) : object_(Py_XNewRef(other.object_)) {}
  Object(Object&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Object& operator=(Object other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Object() { Py_XDECREF(object_); }

  PyObject* get() const { return object_; }
  PyObject* release() { return std::exchange(object_, nullptr); }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  explicit Object(PyObject* object) : object_(object) {}
  PyObject* object_ = nullptr;
};

/// Python's error indicator is set; carries nothing, for the indicator holds it all.
struct PythonError : std::exception {
  const char* what() const noexcept override { return "a Python exception is set"; }
};

/// Owns a new reference; throws PythonError if it is null.
inline Object checked(PyObject* object) {
  if (!object) throw PythonError();
  return Object::steal(object);
}

/// Sets Python's error indicator from the exception that is being handled.
void set_python_error() noexcept;

/// Runs a body that returns a new reference; exceptions become Python's.
template <class Body>
PyObject* guarded(Body&& body) noexcept {
  try {
    return body();
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}
/// The same for slots that return an int, -1 on failure.
template <class Body>
int guarded_int(Body&& body) noexcept {
  try {
    return body();
  } catch (...) {
    set_python_error();
    return -1;
  }
}

struct TensorObject {
  PyObject_HEAD Ref<TensorImpl> impl;
  PyObject* dict;
  PyObject* weak_references;
  bool dying;  // of a subclass: Python's part of the deallocation has begun
};

extern PyTypeObject* tensor_type;
extern PyTypeObject* size_type;  // ondol.Size, a subclass of tuple written in Python

inline bool is_tensor(PyObject* object) {
  return Py_TYPE(object) == tensor_type || PyType_IsSubtype(Py_TYPE(object), tensor_type);
}
/// The tensor of an object that is_tensor.
inline Tensor unwrap(PyObject* object) { return Tensor(reinterpret_cast<TensorObject*>(object)->impl); }
/// The tensor of any object; TypeError naming `what` if it is none.
Tensor to_tensor(PyObject* object, const char* what);
/// The Python object of a tensor: the one that it has already, or a new one. None if undefined.
PyObject* wrap(const Tensor& tensor);
/// A new object of a subclass for the tensor, which must not have one yet.
PyObject* wrap_as(PyTypeObject* type, const Tensor& tensor);

PyObject* to_size(const Dims& dims);
PyObject* to_tuple(const Dims& dims);
PyObject* to_python(const Scalar& scalar);
/// The value of a tensor with one element.
Scalar item(const Tensor& tensor);

/// Whether the object is a number: bool, int, float, complex or NumPy's.
bool is_number(PyObject* object);
Scalar to_scalar(PyObject* number);
/// An integer (int or anything with __index__); throws TypeError naming `what`.
int64_t to_int(PyObject* object, const char* what);
/// A list or tuple of integers, or one integer.
Dims to_dims(PyObject* object, const char* what);

Object from_dtype(Dtype dtype);
bool is_dtype(PyObject* object);
Dtype to_dtype(PyObject* object);

}  // namespace ondol::python
