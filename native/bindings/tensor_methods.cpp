// Attributes of Tensor, and the methods that deal in Python objects rather than tensors.

#include <cstring>

#include "autograd/engine.h"
#include "bindings/autograd.h"
#include "bindings/indexing.h"
#include "bindings/module.h"
#include "bindings/overrides.h"
#include "bindings/python.h"
#include "bindings/storage.h"
#include "bindings/types.h"
#include "ops/functions.h"

namespace ondol::python {
namespace {

using Getter = PyObject* (*)(const Tensor&);

/// The getter of an attribute; `name` is its name, for overrides.
template <Getter function, Attribute kind = Attribute::Form>
PyObject* get(PyObject* self, void* name) {
  return guarded([&]() -> PyObject* {
    if (may_be_overridden())
      if (Override result = overridden_get(static_cast<const char*>(name), self, kind)) return *result;
    return function(unwrap(self));
  });
}
template <Getter function>
constexpr getter content = get<function, Attribute::Content>;

/// Before its memory is given away, to be written by who need not count it (see Storage::expose).
const Tensor& exposed(const Tensor& t) {
  t.storage()->expose();
  return t;
}

PyObject* shape(const Tensor& t) { return to_size(t.sizes()); }
PyObject* dtype(const Tensor& t) { return from_dtype(t.dtype()).release(); }
PyObject* device(const Tensor&) { return cpu_device().release(); }
PyObject* layout(const Tensor&) { return strided_layout().release(); }
PyObject* ndim(const Tensor& t) { return PyLong_FromLongLong(t.ndim()); }
PyObject* item_bytes(const Tensor& t) { return PyLong_FromSize_t(item_size(t.dtype())); }
PyObject* all_bytes(const Tensor& t) {
  return PyLong_FromLongLong(t.numel() * static_cast<int64_t>(item_size(t.dtype())));
}
PyObject* version(const Tensor& t) {
  if (t.impl()->inference) runtime_error("Inference tensors do not track version counter.");
  return PyLong_FromUnsignedLong(t.version());
}
PyObject* output_number(const Tensor& t) { return PyLong_FromUnsignedLong(t.impl()->output_index); }
PyObject* is_leaf(const Tensor& t) { return PyBool_FromLong(t.is_leaf()); }
PyObject* requires_grad(const Tensor& t) { return PyBool_FromLong(t.requires_grad()); }
PyObject* always_false(const Tensor&) { Py_RETURN_FALSE; }
PyObject* always_true(const Tensor&) { Py_RETURN_TRUE; }
PyObject* base(const Tensor& t) { return t.is_view() ? wrap(Tensor(t.impl()->base)) : Py_NewRef(Py_None); }
PyObject* retains_grad(const Tensor& t) {
  return PyBool_FromLong(!t.is_leaf() && t.impl()->autograd && t.impl()->autograd->retains_grad);
}
PyObject* name(const Tensor& t) {
  if (!t.impl()->autograd || t.impl()->autograd->name.empty()) Py_RETURN_NONE;
  return PyUnicode_FromString(t.impl()->autograd->name.c_str());
}
PyObject* transposed(const Tensor& t) {
  Dims dims;
  for (int64_t i = t.ndim() - 1; i >= 0; --i) dims.push_back(i);
  return wrap(permute(t, dims));
}
Tensor matrix_transposed(const Tensor& t) {
  if (t.ndim() < 2)
    runtime_error("tensor.mT is only supported on matrices or batches of matrices. Got ", t.ndim(), "-D tensor.");
  return transpose(t, -2, -1);
}
PyObject* mT(const Tensor& t) { return wrap(matrix_transposed(t)); }
PyObject* H(const Tensor& t) {
  if (t.ndim() != 0 && t.ndim() != 2)
    runtime_error("tensor.H is only supported on matrices (2-D tensors). Got ", t.ndim(), "-D tensor.");
  return wrap(t.ndim() == 0 ? conj(t) : conj(matrix_transposed(t)));
}
PyObject* mH(const Tensor& t) { return wrap(conj(matrix_transposed(t))); }
PyObject* real_part(const Tensor& t) { return wrap(real(t)); }
PyObject* imaginary_part(const Tensor& t) { return wrap(imag(t)); }
PyObject* grad(const Tensor& t) { return t.impl()->autograd ? wrap(t.impl()->autograd->grad) : Py_NewRef(Py_None); }
PyObject* grad_fn(const Tensor& t) { return wrap_node(t.grad_fn()); }

/// The same memory without history and with a version counter of its own.
PyObject* data(const Tensor& t) {
  Tensor plain = detach(exposed(t));
  plain.impl()->own_version = Ref<VersionCounter>(new VersionCounter);
  return wrap(plain);
}

int set_requires_grad(PyObject* self, PyObject* value, void*) {
  return guarded_int([&]() -> int {
    if (may_be_overridden())
      if (Override result = overridden_set("requires_grad", self, value ? value : Py_None)) return checked(*result), 0;
    if (!value || !PyBool_Check(value)) runtime_error("requires_grad must be a bool");
    mark_requires_grad(unwrap(self), value == Py_True);
    return 0;
  });
}

int set_grad(PyObject* self, PyObject* value, void*) {
  return guarded_int([&]() -> int {
    if (may_be_overridden())
      if (Override result = overridden_set("grad", self, value ? value : Py_None)) return checked(*result), 0;
    Tensor tensor = unwrap(self);
    if (!value || value == Py_None) {
      if (tensor.impl()->autograd) tensor.impl()->autograd->grad = Tensor();
      return 0;
    }
    if (!is_tensor(value))
      type_error("assigned grad expected to be a Tensor or None but got grad of type ", Py_TYPE(value)->tp_name);
    Tensor gradient = unwrap(value);
    if (gradient.is_same(tensor)) runtime_error("can't assign Variable as its own grad");
    const AutogradState& state = autograd_state(tensor);
    Dtype expected = state.grad_dtype.value_or(tensor.dtype());
    if (gradient.dtype() != expected && !state.any_grad_dtype)
      runtime_error("assigned grad has data of a different type: expected ", name(expected), ", got ",
                    name(gradient.dtype()));
    if (gradient.sizes() != tensor.sizes())
      runtime_error("assigned grad has data of a different size: expected ", tensor.sizes(), ", got ",
                    gradient.sizes());
    autograd_state(tensor).grad = gradient;
    return 0;
  });
}

/// The dtype that backward converts the gradient of a leaf to; None if it stays what it is.
PyObject* get_grad_dtype(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    Tensor tensor = unwrap(self);
    if (!tensor.is_leaf()) runtime_error("grad_dtype can only be accessed on leaf tensors.");
    const AutogradState* state = tensor.impl()->autograd.get();
    if (state && state->any_grad_dtype) return Py_NewRef(Py_None);
    return from_dtype(state ? state->grad_dtype.value_or(tensor.dtype()) : tensor.dtype()).release();
  });
}
int set_grad_dtype(PyObject* self, PyObject* value, void*) {
  return guarded_int([&] {
    Tensor tensor = unwrap(self);
    if (!value || (value != Py_None && !is_dtype(value))) type_error("grad_dtype must be a torch.dtype or None");
    if (!tensor.is_leaf()) runtime_error("grad_dtype can only be set on leaf tensors.");
    AutogradState& state = autograd_state(tensor);
    const bool any = value == Py_None;
    const Dtype dtype = any ? tensor.dtype() : to_dtype(value);
    if (state.grad.defined() && !any && state.grad.dtype() != dtype)
      runtime_error("Cannot set grad_dtype to '", name(dtype), "' because there is already a gradient of dtype '",
                    name(state.grad.dtype()), "'. Set .grad to None first.");
    state.any_grad_dtype = any;
    state.grad_dtype = any ? std::nullopt : std::optional(dtype);
    if (state.accumulator) {
      state.accumulator->outputs[0].dtype = dtype;
      state.accumulator->outputs[0].any_dtype = any;
    }
    return 0;
  });
}

/// `p.data = x`: the tensor keeps its place in every list and graph, and looks at other memory.
int set_data(PyObject* self, PyObject* value, void*) {
  return guarded_int([&]() -> int {
    if (may_be_overridden())
      if (Override result = overridden_set("data", self, value ? value : Py_None)) return checked(*result), 0;
    if (!value || !is_tensor(value))
      type_error("Variable data has to be a tensor, but got ", value ? Py_TYPE(value)->tp_name : "NoneType");
    Tensor tensor = unwrap(self), source = unwrap(value);
    if (tensor.requires_grad() && !is_differentiable(source.dtype()))
      runtime_error("data set to a tensor that requires gradients must be floating point or complex dtype, not ",
                    name(source.dtype()));
    TensorImpl* impl = tensor.impl();
    uint32_t version = tensor.version();
    if (!impl->own_version) {
      impl->own_version = Ref<VersionCounter>(new VersionCounter);
      impl->own_version->version = version;
    }
    impl->storage = source.storage();
    impl->dtype = source.dtype();
    impl->set_geometry(source.sizes(), source.strides(), source.impl()->offset);
    impl->base = Ref<TensorImpl>();
    if (impl->autograd && impl->autograd->accumulator) {  // what it accumulates now has another shape
      impl->autograd->accumulator->outputs[0] = {impl->sizes, impl->dtype};
    }
    return 0;
  });
}

PyObject* get_backward_hooks(PyObject* self, void*) {
  TensorImpl* impl = unwrap(self).impl();
  auto* hooks = impl->autograd ? static_cast<PyObject*>(impl->autograd->backward_hooks) : nullptr;
  return Py_NewRef(hooks ? hooks : Py_None);
}
int set_backward_hooks(PyObject* self, PyObject* value, void*) {
  return guarded_int([&] {
    assign_backward_hooks(unwrap(self), value == Py_None ? nullptr : value);
    return 0;
  });
}

void* named(const char* name) { return const_cast<char*>(name); }

PyGetSetDef attributes[] = {
    {"shape", get<shape>, nullptr, "The sizes, as a torch.Size.", named("shape")},
    {"dtype", get<dtype>, nullptr, "The type of the elements.", named("dtype")},
    {"device", get<device>, nullptr, "Where it lives: always the CPU.", named("device")},
    {"layout", get<layout>, nullptr, "Always torch.strided.", named("layout")},
    {"ndim", get<ndim>, nullptr, "The number of dimensions.", named("ndim")},
    {"itemsize", get<item_bytes>, nullptr, "Bytes of one element.", named("itemsize")},
    {"nbytes", get<all_bytes>, nullptr, "Bytes of all elements.", named("nbytes")},
    {"_version", content<version>, nullptr, "How often it was changed in place.", named("_version")},
    {"output_nr", content<output_number>, nullptr, "Which output of grad_fn it is.", named("output_nr")},
    {"is_leaf", content<is_leaf>, nullptr, "Whether it was made by the user rather than by a recorded operation.",
     named("is_leaf")},
    {"requires_grad", content<requires_grad>, set_requires_grad, "Whether operations on it are recorded.",
     named("requires_grad")},
    {"retains_grad", content<retains_grad>, nullptr, "Whether a non-leaf keeps its gradient in .grad.",
     named("retains_grad")},
    {"grad", content<grad>, set_grad, "The gradient that backward accumulated, or None.", named("grad")},
    {"grad_dtype", get_grad_dtype, set_grad_dtype, "The dtype of the gradient of a leaf, None if it may be any.",
     nullptr},
    {"grad_fn", content<grad_fn>, nullptr, "The node of the graph that made it, or None.", named("grad_fn")},
    {"data", content<data>, set_data, "The same memory without history.", named("data")},
    {"_base", content<base>, nullptr, "Of a view: the tensor that owns the memory.", named("_base")},
    {"name", get<name>, nullptr, "None, unless a name was given.", named("name")},
    {"T", content<transposed>, nullptr, "All dimensions reversed.", named("T")},
    {"mT", content<mT>, nullptr, "The last two dimensions swapped.", named("mT")},
    {"H", content<H>, nullptr, "The conjugate transpose of a matrix.", named("H")},
    {"mH", content<mH>, nullptr, "The conjugate transpose of the last two dimensions.", named("mH")},
    {"real", content<real_part>, nullptr, "The real part, a view.", named("real")},
    {"imag", content<imaginary_part>, nullptr, "The imaginary part, a view.", named("imag")},
    {"_backward_hooks", get_backward_hooks, set_backward_hooks, "The hooks of register_hook, or None.", nullptr},
    {"is_cpu", get<always_true>, nullptr, nullptr, named("is_cpu")},
    {"is_cuda", get<always_false>, nullptr, nullptr, named("is_cuda")},
    {"is_sparse", get<always_false>, nullptr, nullptr, named("is_sparse")},
    {"is_sparse_csr", get<always_false>, nullptr, nullptr, named("is_sparse_csr")},
    {"is_quantized", get<always_false>, nullptr, nullptr, named("is_quantized")},
    {"is_mkldnn", get<always_false>, nullptr, nullptr, named("is_mkldnn")},
    {"is_meta", get<always_false>, nullptr, nullptr, named("is_meta")},
    {"is_nested", get<always_false>, nullptr, nullptr, named("is_nested")},
    {"is_mps", get<always_false>, nullptr, nullptr, named("is_mps")},
    {"is_xpu", get<always_false>, nullptr, nullptr, named("is_xpu")},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

// Methods.

PyObject* dim(PyObject* self, PyObject*) { return PyLong_FromLongLong(unwrap(self).ndim()); }
PyObject* numel(PyObject* self, PyObject*) { return PyLong_FromLongLong(unwrap(self).numel()); }
PyObject* element_size(PyObject* self, PyObject*) { return item_bytes(unwrap(self)); }
PyObject* data_ptr(PyObject* self, PyObject*) {
  Tensor tensor = unwrap(self);
  exposed(tensor);
  return PyLong_FromVoidPtr(tensor.numel() ? tensor.bytes() : nullptr);
}
PyObject* storage_offset(PyObject* self, PyObject*) { return PyLong_FromLongLong(unwrap(self).impl()->offset); }
PyObject* untyped_storage(PyObject* self, PyObject*) {
  return guarded([&] { return wrap_storage(exposed(unwrap(self)).storage()).release(); });
}
PyObject* is_floating_point(PyObject* self, PyObject*) { return PyBool_FromLong(is_floating(unwrap(self).dtype())); }
PyObject* is_complex_dtype(PyObject* self, PyObject*) { return PyBool_FromLong(is_complex(unwrap(self).dtype())); }
PyObject* is_inference(PyObject* self, PyObject*) { return PyBool_FromLong(unwrap(self).impl()->inference); }
PyObject* is_view(PyObject* self, PyObject*) { return PyBool_FromLong(unwrap(self).is_view()); }
PyObject* is_signed(PyObject* self, PyObject*) {
  Dtype d = unwrap(self).dtype();
  return PyBool_FromLong(!is_unsigned(d) && d != Dtype::Bool);
}
PyObject* get_device(PyObject*, PyObject*) { return PyLong_FromLong(-1); }

/// size() or size(dim); stride() or stride(dim).
template <Name name, const Dims& (*dims_of)(const Tensor&), PyObject* (*whole)(const Dims&)>
PyObject* one_or_all(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    if (may_be_overridden())
      if (Override result = overridden_form(name.text, self, args, kwargs)) return *result;
    static const char* names[] = {"dim", nullptr};
    PyObject* dim = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", const_cast<char**>(names), &dim)) throw PythonError();
    Tensor tensor = unwrap(self);
    const Dims& dims = dims_of(tensor);
    if (dim == Py_None) return whole(dims);
    int64_t index = to_int(dim, "size(): argument 'dim'");
    if (dims.empty()) index_error("Dimension specified as ", index, " but tensor has no dimensions");
    return PyLong_FromLongLong(dims[wrap_dim(index, tensor.ndim())]);
  });
}
const Dims& sizes_of(const Tensor& t) { return t.sizes(); }
const Dims& strides_of(const Tensor& t) { return t.strides(); }

PyObject* is_contiguous(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    if (may_be_overridden())
      if (Override result = overridden_form("is_contiguous", self, args, kwargs)) return *result;
    static const char* names[] = {"memory_format", nullptr};
    PyObject* format = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", const_cast<char**>(names), &format)) throw PythonError();
    if (format && !is_memory_format(format))
      type_error("is_contiguous(): argument 'memory_format' must be torch.memory_format");
    return PyBool_FromLong(unwrap(self).is_contiguous(format ? to_memory_format(format) : MemoryFormat::Contiguous));
  });
}

PyObject* item_method(PyObject* self, PyObject*) {
  return guarded([&] { return to_python(item(unwrap(self))); });
}

/// The numbers at `position`, which moves on: those of dimension `dim` and behind.
PyObject* nested_list(const Tensor& tensor, int64_t dim, const char*& position) {
  if (dim == tensor.ndim()) {
    const char* at = std::exchange(position, position + item_size(tensor.dtype()));
    switch (tensor.dtype()) {
      case Dtype::Bool:
        return PyBool_FromLong(*at != 0);
      case Dtype::I64:
        return PyLong_FromLongLong(*reinterpret_cast<const int64_t*>(at));
      case Dtype::U64:
        return PyLong_FromUnsignedLongLong(*reinterpret_cast<const uint64_t*>(at));
      case Dtype::F64:
        return PyFloat_FromDouble(*reinterpret_cast<const double*>(at));
      default: {
        const auto& value = *reinterpret_cast<const c128*>(at);
        return PyComplex_FromDoubles(value.real(), value.imag());
      }
    }
  }
  int64_t size = tensor.sizes()[dim];
  Object list = checked(PyList_New(size));
  for (int64_t i = 0; i < size; ++i) {
    PyObject* entry = nested_list(tensor, dim + 1, position);
    if (!entry) throw PythonError();
    PyList_SET_ITEM(list.get(), i, entry);
  }
  return list.release();
}
/// The widest dtype of the same kind: what Python's numbers are.
Dtype widest(Dtype dtype) {
  if (dtype == Dtype::U64) return dtype;
  constexpr Dtype by_category[] = {Dtype::Bool, Dtype::I64, Dtype::F64, Dtype::C128};
  return by_category[static_cast<int>(category(dtype))];
}
PyObject* tolist(PyObject* self, PyObject*) {
  return guarded([&] {
    Tensor source = detach(unwrap(self));
    Tensor numbers = contiguous(to_dtype(source, widest(source.dtype())));
    const char* position = numbers.bytes();
    return nested_list(numbers, 0, position);
  });
}

PyObject* detach_method(PyObject* self, PyObject*) {
  return guarded([&] { return wrap(detach(exposed(unwrap(self)))); });
}
PyObject* detach_in_place(PyObject* self, PyObject*) {
  return guarded([&] {
    TensorImpl* impl = unwrap(self).impl();
    if (impl->base) runtime_error("Can't detach views in-place. Use detach() instead.");
    move_to(impl, Ref<Node>(), 0);
    impl->requires_grad = false;
    return Py_NewRef(self);
  });
}
PyObject* requires_grad_in_place(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    static const char* names[] = {"requires_grad", nullptr};
    int on = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|p", const_cast<char**>(names), &on)) throw PythonError();
    if (may_be_overridden())
      if (Override result = overridden_method("requires_grad_", {self, on ? Py_True : Py_False})) return *result;
    mark_requires_grad(unwrap(self), on);
    return Py_NewRef(self);
  });
}

PyObject* is_same_memory(PyObject* self, PyObject* other) {
  return guarded([&] {
    if (!is_tensor(other)) type_error("is_set_to(): argument must be Tensor");
    Tensor a = unwrap(self), b = unwrap(other);
    return PyBool_FromLong(a.storage() == b.storage() && a.impl()->offset == b.impl()->offset &&
                           a.sizes() == b.sizes() && a.strides() == b.strides());
  });
}

/// Tensor._make_subclass(cls, data, requires_grad=False): the same memory as an object of a subclass, without history.
PyObject* make_subclass(PyObject*, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    static const char* names[] = {"cls", "data", "requires_grad", nullptr};
    PyObject *cls, *source;
    int on = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|p", const_cast<char**>(names), &cls, &source, &on))
      throw PythonError();
    if (!PyType_Check(cls) || !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(cls), tensor_type))
      type_error("cls must be a subclass of Tensor");
    if (!is_tensor(source))
      type_error("_make_subclass(): argument 'data' must be Tensor, not ", Py_TYPE(source)->tp_name);
    Tensor tensor = detach(unwrap(source));
    tensor.impl()->own_version = Ref<VersionCounter>(new VersionCounter);
    if (on) mark_requires_grad(tensor, true);
    return wrap_as(reinterpret_cast<PyTypeObject*>(cls), tensor);
  });
}

/// _become(cls): the object changes its class, as `x.__class__ = cls` would, which Python refuses between Tensor itself
/// and a class written in Python although both lie alike in memory.
PyObject* become(PyObject* self, PyObject* cls) {
  return guarded([&]() -> PyObject* {
    auto* type = reinterpret_cast<PyTypeObject*>(cls);
    if (!PyType_Check(cls) || !PyType_IsSubtype(type, tensor_type)) type_error("_become() takes a subclass of Tensor");
    PyTypeObject* before = Py_TYPE(self);
    if (type->tp_basicsize != before->tp_basicsize) type_error("the classes differ in layout");
    note_subclass(type);
    Py_INCREF(type);
    Py_SET_TYPE(self, type);
    Py_DECREF(before);
    Py_RETURN_NONE;
  });
}

template <class F>
PyCFunction method(F* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}
constexpr int kKeywords = METH_VARARGS | METH_KEYWORDS;

PyMethodDef methods[] = {
    {"dim", overridable_form<"dim", dim>, METH_NOARGS, "dim() -> int: the number of dimensions."},
    {"ndimension", overridable_form<"ndimension", dim>, METH_NOARGS, "Alias of dim()."},
    {"numel", overridable_form<"numel", numel>, METH_NOARGS, "numel() -> int: the number of elements."},
    {"nelement", overridable_form<"nelement", numel>, METH_NOARGS, "Alias of numel()."},
    {"element_size", overridable_form<"element_size", element_size>, METH_NOARGS,
     "element_size() -> int: bytes of one element."},
    {"data_ptr", overridable<"data_ptr", data_ptr>, METH_NOARGS,
     "data_ptr() -> int: the address of the first element."},
    {"storage_offset", overridable_form<"storage_offset", storage_offset>, METH_NOARGS,
     "storage_offset() -> int: where it starts in its storage, in elements."},
    {"untyped_storage", overridable<"untyped_storage", untyped_storage>, METH_NOARGS,
     "untyped_storage() -> UntypedStorage: the memory behind it."},
    {"is_floating_point", overridable_form<"is_floating_point", is_floating_point>, METH_NOARGS,
     "Whether the dtype is a floating one."},
    {"is_complex", overridable_form<"is_complex", is_complex_dtype>, METH_NOARGS,
     "Whether the dtype is a complex one."},
    {"is_signed", overridable_form<"is_signed", is_signed>, METH_NOARGS, "Whether the dtype is signed."},
    {"is_inference", is_inference, METH_NOARGS, "Whether it was made under inference_mode."},
    {"_is_view", is_view, METH_NOARGS, "Whether it is a view of another tensor."},
    {"get_device", overridable_form<"get_device", get_device>, METH_NOARGS, "-1: on the CPU."},
    {"size", method(one_or_all<"size", sizes_of, to_size>), kKeywords, "size(dim=None) -> Size or int."},
    {"stride", method(one_or_all<"stride", strides_of, to_tuple>), kKeywords, "stride(dim=None) -> tuple or int."},
    {"is_contiguous", method(is_contiguous), kKeywords,
     "is_contiguous(memory_format=torch.contiguous_format) -> bool."},
    {"item", overridable<"item", item_method>, METH_NOARGS,
     "item() -> number: the value of a tensor with one element."},
    {"tolist", overridable<"tolist", tolist>, METH_NOARGS, "tolist() -> nested list of numbers."},
    {"detach", overridable<"detach", detach_method>, METH_NOARGS,
     "detach() -> Tensor: the same memory without history."},
    {"detach_", overridable<"detach_", detach_in_place>, METH_NOARGS, "Forgets its own history."},
    {"requires_grad_", method(requires_grad_in_place), kKeywords, "requires_grad_(requires_grad=True) -> self."},
    {"is_set_to", overridable<"is_set_to", is_same_memory>, METH_O,
     "Whether both look at the same memory in the same way."},
    {"_become", become, METH_O, nullptr},
    {"_make_subclass", method(make_subclass), kKeywords | METH_STATIC, nullptr},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void add_tensor_methods(PyObject*) {
  auto* type = reinterpret_cast<PyObject*>(tensor_type);
  auto add = [&](const char* name, PyObject* descriptor) {
    if (!descriptor || PyObject_SetAttrString(type, name, Object::steal(descriptor).get()) < 0) throw PythonError();
  };
  for (PyGetSetDef* attribute = attributes; attribute->name; ++attribute)
    add(attribute->name, PyDescr_NewGetSet(tensor_type, attribute));
  for (PyMethodDef* definition = methods; definition->ml_name; ++definition) {
    if (definition->ml_flags & METH_STATIC) {
      Object function = checked(PyCFunction_NewEx(definition, nullptr, nullptr));
      add(definition->ml_name, PyStaticMethod_New(function.get()));
    } else {
      add(definition->ml_name, PyDescr_NewMethod(tensor_type, definition));
    }
  }
}

}  // namespace ondol::python
