// The Python type Tensor: its life, and its operators. Methods that operations provide are added in operations.cpp, the
// rest in tensor_methods.cpp.

#include <Python.h>
#include <structmember.h>

#include <array>

#include "autograd/node.h"
#include "bindings/autocast.h"
#include "bindings/indexing.h"
#include "bindings/module.h"
#include "bindings/overrides.h"
#include "bindings/python.h"
#include "bindings/types.h"
#include "ops/functions.h"
#include "ops/registry.h"

namespace ondol::python {

PyTypeObject* tensor_type = nullptr;
PyTypeObject* size_type = nullptr;

namespace {

TensorObject* cast(PyObject* object) { return reinterpret_cast<TensorObject*>(object); }

/// Objects of Tensor itself that were freed, for the next ones.
constexpr size_t kMostFreeObjects = 256;
std::array<PyObject*, kMostFreeObjects> free_objects;
size_t free_object_count = 0;

PyObject* new_object(PyTypeObject* type) {
  if (type != tensor_type || free_object_count == 0) return checked(type->tp_alloc(type, 0)).release();
  PyObject* object = PyObject_Init(free_objects[--free_object_count], type);
  cast(object)->dict = nullptr;
  cast(object)->weak_references = nullptr;
  PyObject_GC_Track(object);
  return object;
}

void free_object(PyTypeObject* type, PyObject* object) {
  if (type == tensor_type && free_object_count < kMostFreeObjects)
    free_objects[free_object_count++] = object;
  else
    type->tp_free(object);
}

PyObject* allocate(PyTypeObject* type, const Tensor& tensor) {
  if (type != tensor_type) note_subclass(type);
  PyObject* object = new_object(type);
  new (&cast(object)->impl) Ref<TensorImpl>(tensor.ref());
  tensor.impl()->python = object;
  return object;
}

/// Whether losing the object would lose more than a handle: attributes, or a class such as Parameter.
bool holds_more_than_a_tensor(PyObject* self) {
  PyObject* dict = cast(self)->dict;
  return Py_TYPE(self) != tensor_type || (dict && PyDict_GET_SIZE(dict) > 0);
}

/// Called when nothing in Python refers to the object any more. If the tensor lives on, it takes the object over:
/// ownership turns round, and `wrap` turns it back. Meanwhile neither weak references nor the collector see the object.
bool outlived_by_tensor(PyObject* self) {
  TensorImpl* impl = cast(self)->impl.get();
  if (!impl || impl->python != self || impl->owners() == 1 || !holds_more_than_a_tensor(self)) return false;
  PyObject_GC_UnTrack(self);
  Py_SET_REFCNT(self, 1);
  if (cast(self)->weak_references) PyObject_ClearWeakRefs(self);
  impl->owns_python = true;
  cast(self)->impl = Ref<TensorImpl>();
  return true;
}

PyObject* wake(TensorImpl* impl) {
  auto* object = static_cast<PyObject*>(impl->python);
  impl->owns_python = false;
  cast(object)->impl = Ref<TensorImpl>(impl);
  PyObject_GC_Track(object);
  return object;
}

void deallocate(PyObject* self) {
  if (outlived_by_tensor(self)) return;
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  // First of all: what runs below may ask for the Python object of this tensor, and must not get the dying one.
  if (TensorImpl* impl = cast(self)->impl.get(); impl && impl->python == self) impl->python = nullptr;
  if (cast(self)->weak_references) PyObject_ClearWeakRefs(self);
  Py_CLEAR(cast(self)->dict);
  // Dropping the last reference to a graph may run Python code, which must not see or lose an exception that is on its
  // way.
  if (PyErr_Occurred()) {
    PyObject *error_type, *error, *traceback;
    PyErr_Fetch(&error_type, &error, &traceback);
    cast(self)->impl.~Ref<TensorImpl>();
    PyErr_Restore(error_type, error, traceback);
  } else {
    cast(self)->impl.~Ref<TensorImpl>();
  }
  free_object(type, self);
  Py_DECREF(type);
}

/// Python's deallocation of instances of classes written in Python; ends in a call of the function below, which stands
/// in its place.
destructor deallocate_instance = nullptr;

void deallocate_subclass(PyObject* self) {
  if (cast(self)->dying) return deallocate(self);
  if (outlived_by_tensor(self)) return;
  cast(self)->dying = true;
  deallocate_instance(self);
}

/// Runs for every class that derives from Tensor.
PyObject* init_subclass(PyObject* cls, PyObject*) {
  auto* type = reinterpret_cast<PyTypeObject*>(cls);
  // Instances with __slots__ must be taken apart by Python alone: their objects do not outlive their last reference.
  bool slots = type->tp_basicsize != tensor_type->tp_basicsize;
  if (type->tp_dealloc != deallocate_subclass && type->tp_dealloc != deallocate && !slots) {
    deallocate_instance = type->tp_dealloc;
    type->tp_dealloc = deallocate_subclass;
  }
  Py_RETURN_NONE;
}

/// The hooks of a leaf, if nobody but its Python object owns it.
AutogradState* own_hooks(PyObject* self) {
  TensorImpl* impl = cast(self)->impl.get();
  return impl && impl->owners() == 1 ? impl->autograd.get() : nullptr;
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(cast(self)->dict);
  Py_VISIT(Py_TYPE(self));
  if (AutogradState* state = own_hooks(self)) {
    Py_VISIT(static_cast<PyObject*>(state->backward_hooks));
    for (const Node::TensorHook& entry : state->hooks) Py_VISIT(static_cast<PyObject*>(entry.hook->python_object()));
    for (const auto& hook : state->post_hooks) Py_VISIT(static_cast<PyObject*>(hook->python_object()));
  }
  return 0;
}

int clear(PyObject* self) {
  Py_CLEAR(cast(self)->dict);
  if (AutogradState* state = own_hooks(self)) {
    auto hooks = std::move(state->hooks);  // dropped at the end: that may run Python code
    auto post_hooks = std::move(state->post_hooks);
    Object dict = Object::steal(static_cast<PyObject*>(std::exchange(state->backward_hooks, nullptr)));
    state->hooks.clear();
    state->post_hooks.clear();
  }
  return 0;
}

/// Tensor(...): PyTorch's legacy constructor, from sizes or from data.
PyObject* construct(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    Object device = Object::share(kwargs ? PyDict_GetItemString(kwargs, "device") : nullptr);
    if (kwargs && PyDict_Size(kwargs) > (device ? 1 : 0))
      type_error("Tensor() takes sizes or data and a device; for dtype and requires_grad use torch.tensor(...)");
    if (device && device.get() != Py_None) {
      if (!is_device(device.get())) type_error("Tensor(): argument 'device' must be torch.device or str");
      check_device(to_device(device.get()));
    }
    Py_ssize_t count = PyTuple_Size(args);
    PyObject* first = count ? PyTuple_GET_ITEM(args, 0) : nullptr;
    Tensor made;
    if (count == 1 && is_tensor(first)) {
      made = alias_of(unwrap(first));
    } else if (count == 0) {
      made = empty({0}, default_dtype());
    } else if (count == 1 && !PyLong_Check(first) && Py_TYPE(first) != size_type) {
      if (is_number(first) && !PyIndex_Check(first))
        type_error("new(): data must be a sequence (got ", Py_TYPE(first)->tp_name, ")");
      made = tensor_from_data(first, default_dtype());
    } else {
      made = empty(count == 1 ? to_dims(first, "size") : to_dims(args, "size"), default_dtype());
    }
    return type == tensor_type ? wrap(made) : wrap_as(type, made.impl()->python ? alias_of(made) : made);
  });
}

// Operators. Either operand may be a tensor; what is neither tensor nor number is left to its own reflected operator.

bool to_operand(PyObject* object, Tensor& operand) {
  if (is_tensor(object)) {
    operand = unwrap(object);
    return true;
  }
  if (!is_number(object)) return false;
  operand = wrapped_number(to_scalar(object));
  return true;
}

using BinaryFunction = Tensor (*)(const Tensor&, const Tensor&);

/// Tensor's methods are what an override gets to see: `add`, or `__radd__` if the tensor stands on the right.
Override overridden_binary(const char* name, const char* reflected, PyObject* a, PyObject* b) {
  return is_tensor(a) ? overridden_method(name, {a, b}) : overridden_method(reflected, {b, a});
}

template <BinaryFunction function, Name name, Name reflected>
PyObject* binary(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    if (may_be_overridden())
      if (Override result = overridden_binary(name.text, reflected.text, a, b)) return *result;
    Tensor left, right;
    if (!to_operand(a, left) || !to_operand(b, right)) {
      // By an object that is no tensor; a reflected operator is its own.
      if (is_tensor(a))
        if (Override result = overridden_binary(name.text, reflected.text, a, b)) return *result;
      return Py_NewRef(Py_NotImplemented);
    }
    return wrap(function(left, right));
  });
}

using UnaryFunction = Tensor (*)(const Tensor&);
template <UnaryFunction function, Name name>
PyObject* unary(PyObject* self) {
  return guarded([&]() -> PyObject* {
    if (may_be_overridden())
      if (Override result = overridden_method(name.text, {self})) return *result;
    return wrap(function(unwrap(self)));
  });
}

template <BinaryFunction function, Name name>
PyObject* in_place(PyObject* self, PyObject* other) {
  return guarded([&]() -> PyObject* {
    if (may_be_overridden())
      if (Override result = overridden_method(name.text, {self, other})) return *result;
    Tensor operand, target = unwrap(self);
    if (!to_operand(other, operand)) return Py_NewRef(Py_NotImplemented);
    check_in_place(target, "in-place operator");
    Tensor result;
    if (needs_gradient(target, operand)) {
      Original original(target);
      result = function(original.tensor, operand);
      original.keep_apart();
    } else {
      ResultTarget place(target);
      result = function(target, operand);
    }
    finish_in_place(target, result, "in-place operator");
    return Py_NewRef(self);
  });
}

Tensor plus(const Tensor& a, const Tensor& b) { return add(a, b, 1); }
Tensor minus(const Tensor& a, const Tensor& b) { return sub(a, b, 1); }
Tensor true_divide(const Tensor& a, const Tensor& b) { return div(a, b, std::nullopt); }
Tensor invert(const Tensor& a) { return bitwise_not(a); }

PyObject* power(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None) return Py_NewRef(Py_NotImplemented);
  return binary<pow, "pow", "__rpow__">(a, b);
}
PyObject* in_place_power(PyObject* a, PyObject* b, PyObject*) { return in_place<pow, "pow_">(a, b); }
PyObject* matrix_multiply(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    bool plain = is_tensor(a) && is_tensor(b);
    if (may_be_overridden() || (!plain && is_tensor(a)))
      if (Override result = overridden_binary("matmul", "__rmatmul__", a, b)) return *result;
    if (!plain) return Py_NewRef(Py_NotImplemented);
    if (Autocast::enabled) {
      Object method = checked(PyObject_GetAttrString(reinterpret_cast<PyObject*>(tensor_type), "matmul"));
      return PyObject_CallFunctionObjArgs(method.get(), a, b, nullptr);
    }
    return wrap(matmul(unwrap(a), unwrap(b)));
  });
}
PyObject* absolute(PyObject* self) { return unary<abs, "abs">(self); }
PyObject* positive(PyObject* self) { return Py_NewRef(self); }

PyObject* compare(PyObject* a, PyObject* b, int op) {
  switch (op) {
    case Py_LT:
      return binary<lt, "lt", "gt">(a, b);
    case Py_LE:
      return binary<le, "le", "ge">(a, b);
    case Py_EQ:
      return binary<eq, "eq", "eq">(a, b);
    case Py_NE:
      return binary<ne, "ne", "ne">(a, b);
    case Py_GT:
      return binary<gt, "gt", "lt">(a, b);
    default:
      return binary<ge, "ge", "le">(a, b);
  }
}

int truth(PyObject* self) {
  return guarded_int([&]() -> int {
    if (may_be_overridden())
      if (Override result = overridden_method("__bool__", {self})) return PyObject_IsTrue(checked(*result).get());
    Tensor tensor = unwrap(self);
    if (tensor.numel() == 0) runtime_error("Boolean value of Tensor with no values is ambiguous");
    if (tensor.numel() > 1)
      runtime_error("Boolean value of Tensor with more than one value is ambiguous; use .any() or .all() on shape ",
                    tensor.sizes());
    return item(tensor).to_bool();
  });
}

Scalar only_element(PyObject* self) {
  Tensor tensor = unwrap(self);
  if (tensor.numel() != 1)
    value_error("only one element tensors can be converted to Python scalars, this one has shape ", tensor.sizes());
  return item(tensor);
}

PyObject* to_float(PyObject* self) {
  return guarded([&]() -> PyObject* {
    if (may_be_overridden())
      if (Override result = overridden_method("__float__", {self})) return *result;
    return PyFloat_FromDouble(only_element(self).to_double());
  });
}
PyObject* to_integer(PyObject* self) {
  return guarded([&]() -> PyObject* {
    if (may_be_overridden())
      if (Override result = overridden_method("__int__", {self})) return *result;
    Scalar value = only_element(self);
    return value.is_integral() ? PyLong_FromLongLong(value.to_int()) : PyLong_FromDouble(value.to_double());
  });
}
PyObject* to_index(PyObject* self) {
  return guarded([&]() -> PyObject* {
    if (may_be_overridden())
      if (Override result = overridden_method("__index__", {self})) return *result;
    Tensor tensor = unwrap(self);
    if (!is_integral(tensor.dtype()) || tensor.numel() != 1)
      type_error("only integer tensors of a single element can be converted to an index");
    return PyLong_FromLongLong(item(tensor).to_int());
  });
}

Py_ssize_t length(PyObject* self) {
  Tensor tensor = unwrap(self);
  if (tensor.ndim() == 0) {
    PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor");
    return -1;
  }
  return tensor.sizes()[0];
}
PyObject* subscript(PyObject* self, PyObject* index) {
  return guarded([&]() -> PyObject* {
    if (may_be_overridden())
      if (Override result = overridden_method("__getitem__", {self, index})) return *result;
    return wrap(get_item(unwrap(self), index));
  });
}
int assign_subscript(PyObject* self, PyObject* index, PyObject* value) {
  return guarded_int([&]() -> int {
    if (!value) type_error("Tensor does not support deleting items");
    if (may_be_overridden())
      if (Override result = overridden_method("__setitem__", {self, index, value})) return checked(*result), 0;
    Tensor tensor = unwrap(self);
    set_item(tensor, index, value);
    return 0;
  });
}

Py_hash_t hash(PyObject* self) { return _Py_HashPointer(self); }

PyObject* get_dict(PyObject* self, void* context) { return PyObject_GenericGetDict(self, context); }

PyMemberDef members[] = {{"__dictoffset__", T_PYSSIZET, offsetof(TensorObject, dict), READONLY, nullptr},
                         {"__weaklistoffset__", T_PYSSIZET, offsetof(TensorObject, weak_references), READONLY, nullptr},
                         {nullptr, 0, 0, 0, nullptr}};
PyMethodDef class_methods[] = {
    {"__init_subclass__", reinterpret_cast<PyCFunction>(init_subclass), METH_CLASS | METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};
PyGetSetDef dict_property[] = {{"__dict__", get_dict, PyObject_GenericSetDict, nullptr, nullptr},
                               {nullptr, nullptr, nullptr, nullptr, nullptr}};

template <class F>
PyType_Slot slot(int id, F* function) {
  return {id, reinterpret_cast<void*>(function)};
}

}  // namespace

PyObject* wrap(const Tensor& tensor) {
  if (!tensor.defined()) return Py_NewRef(Py_None);
  if (auto* existing = static_cast<PyObject*>(tensor.impl()->python))
    return tensor.impl()->owns_python ? wake(tensor.impl()) : Py_NewRef(existing);
  return allocate(tensor_type, tensor);
}

PyObject* wrap_as(PyTypeObject* type, const Tensor& tensor) {
  if (tensor.impl()->python) runtime_error("the tensor has a Python object already");
  return allocate(type, tensor);
}

void add_tensor_type(PyObject* module) {
  PyType_Slot slots[] = {slot(Py_tp_dealloc, deallocate),
                         slot(Py_tp_traverse, traverse),
                         slot(Py_tp_clear, clear),
                         slot(Py_tp_new, construct),
                         slot(Py_tp_hash, hash),
                         slot(Py_tp_richcompare, compare),
                         {Py_tp_members, members},
                         {Py_tp_getset, dict_property},
                         {Py_tp_methods, class_methods},
                         slot(Py_nb_add, binary<plus, "add", "__radd__">),
                         slot(Py_nb_subtract, binary<minus, "sub", "__rsub__">),
                         slot(Py_nb_multiply, binary<mul, "mul", "__rmul__">),
                         slot(Py_nb_true_divide, binary<true_divide, "div", "__rtruediv__">),
                         slot(Py_nb_floor_divide, binary<floor_divide, "floor_divide", "__rfloordiv__">),
                         slot(Py_nb_remainder, binary<remainder, "remainder", "__rmod__">),
                         slot(Py_nb_power, power),
                         slot(Py_nb_matrix_multiply, matrix_multiply),
                         slot(Py_nb_negative, unary<neg, "neg">),
                         slot(Py_nb_positive, positive),
                         slot(Py_nb_absolute, absolute),
                         slot(Py_nb_invert, unary<invert, "bitwise_not">),
                         slot(Py_nb_and, binary<bitwise_and, "__and__", "__rand__">),
                         slot(Py_nb_or, binary<bitwise_or, "__or__", "__ror__">),
                         slot(Py_nb_xor, binary<bitwise_xor, "__xor__", "__rxor__">),
                         slot(Py_nb_lshift, binary<bitwise_left_shift, "__lshift__", "__rlshift__">),
                         slot(Py_nb_rshift, binary<bitwise_right_shift, "__rshift__", "__rrshift__">),
                         slot(Py_nb_inplace_add, in_place<plus, "add_">),
                         slot(Py_nb_inplace_subtract, in_place<minus, "sub_">),
                         slot(Py_nb_inplace_multiply, in_place<mul, "mul_">),
                         slot(Py_nb_inplace_true_divide, in_place<true_divide, "div_">),
                         slot(Py_nb_inplace_floor_divide, in_place<floor_divide, "floor_divide_">),
                         slot(Py_nb_inplace_remainder, in_place<remainder, "remainder_">),
                         slot(Py_nb_inplace_power, in_place_power),
                         slot(Py_nb_inplace_and, in_place<bitwise_and, "__iand__">),
                         slot(Py_nb_inplace_or, in_place<bitwise_or, "__ior__">),
                         slot(Py_nb_inplace_xor, in_place<bitwise_xor, "__ixor__">),
                         slot(Py_nb_inplace_lshift, in_place<bitwise_left_shift, "__ilshift__">),
                         slot(Py_nb_inplace_rshift, in_place<bitwise_right_shift, "__irshift__">),
                         slot(Py_nb_bool, truth),
                         slot(Py_nb_float, to_float),
                         slot(Py_nb_int, to_integer),
                         slot(Py_nb_index, to_index),
                         slot(Py_mp_length, length),
                         slot(Py_mp_subscript, subscript),
                         slot(Py_mp_ass_subscript, assign_subscript),
                         {0, nullptr}};
  PyType_Spec spec = {"ondol.Tensor", sizeof(TensorObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  TensorImpl::release_python = [](void* object) { Py_DECREF(static_cast<PyObject*>(object)); };
  tensor_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)).release());
  if (PyModule_AddObjectRef(module, "Tensor", reinterpret_cast<PyObject*>(tensor_type)) < 0) throw PythonError();
}

}  // namespace ondol::python
