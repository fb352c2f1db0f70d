#pragma once

#include <optional>

#include "bindings/python.h"

namespace ondol::python {

/// tensor[index] and tensor[index] = value: integers, slices, None, ..., booleans, masks, integer tensors and lists, in
/// any mixture.
Tensor get_item(const Tensor& tensor, PyObject* index);
void set_item(Tensor& tensor, PyObject* index, PyObject* value);

/// A tensor from nested sequences, numbers, arrays or tensors; without a dtype it is inferred as torch.tensor does.
Tensor tensor_from_data(PyObject* data, std::optional<Dtype> dtype);
/// The same window and history: what `Tensor(other)` gives.
Tensor alias_of(const Tensor& tensor);

}  // namespace ondol::python
