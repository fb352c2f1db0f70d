#pragma once

#include "autograd/node.h"
#include "bindings/python.h"

namespace ondol::python {

/// The Python object of a node: None if there is none.
PyObject* wrap_node(const Ref<Node>& node);
/// The node of such an object; TypeError for anything else.
Node* unwrap_node(PyObject* object);

/// `x.requires_grad = on`, with PyTorch's errors.
void mark_requires_grad(const Tensor& tensor, bool on);

/// Makes the values of a dict (handle id -> callable) the hooks of a tensor's gradient; null takes them away.
void assign_backward_hooks(const Tensor& tensor, PyObject* hooks);

// Parts of the submodule _native.autograd.
void add_nodes(PyObject* module);
void add_custom_functions(PyObject* module);

}  // namespace ondol::python
