#pragma once

#include <Python.h>

namespace ondol::python {

// Each file of this folder adds its part to the module; module.cpp calls them in this order.
void add_errors(PyObject* module);
void add_types(PyObject* module);  // dtype, device, layout, memory_format
void add_storage(PyObject* module);
void add_generator(PyObject* module);
void add_tensor_type(PyObject* module);
void add_tensor_methods(PyObject* module);
void add_construction(PyObject* module);  // tensor(), from_numpy(), ...
void add_exchange(PyObject* module);      // NumPy and DLPack
void add_autograd(PyObject* module);
void add_overrides(PyObject* module);  // __torch_function__
void add_autocast(PyObject* module);
void add_transforms(PyObject* module);  // what func and vmap ask of tensors and graphs
void add_operations(PyObject* module);  // what the registry holds
void add_runtime(PyObject* module);     // threads, memory, versions

}  // namespace ondol::python
