#pragma once

#include <optional>

#include "bindings/python.h"

namespace ondol::python {

/// Whether the object is a NumPy array, or says that it can be seen as one.
bool is_array(PyObject* object);
/// A tensor on the memory of the array.
Tensor tensor_from_array(PyObject* array);
/// The dtype of a NumPy scalar; nothing for Python's own numbers.
std::optional<Dtype> numpy_scalar_dtype(PyObject* object);

}  // namespace ondol::python
