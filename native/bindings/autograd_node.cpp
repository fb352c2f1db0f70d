// How Python sees a node of the graph: an object whose class is named for the operation, as in <MulBackward0 object at
// 0x...>.

#include <nanobind/nanobind.h>

#include <Python.h>
#include <structmember.h>

#include <map>

#include "autograd/engine.h"
#include "bindings/autograd.h"

namespace nb = nanobind;

namespace ondol::python {
namespace {

struct NodeObject {
  PyObject_HEAD Ref<Node> node;
  PyObject* dict;
};

NodeObject* cast(PyObject* object) { return reinterpret_cast<NodeObject*>(object); }

PyTypeObject* node_type = nullptr;

void deallocate(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (cast(self)->node->python == self) cast(self)->node->python = nullptr;
  Py_CLEAR(cast(self)->dict);
  cast(self)->node.~Ref<Node>();
  type->tp_free(self);
  Py_DECREF(type);
}
int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(cast(self)->dict);
  Py_VISIT(Py_TYPE(self));
  return 0;
}
int clear(PyObject* self) {
  Py_CLEAR(cast(self)->dict);
  return 0;
}

PyObject* represent(PyObject* self) {
  return guarded([&] {
    return PyUnicode_FromFormat("<%s object at %p>", cast(self)->node->name().c_str(), static_cast<void*>(self));
  });
}

PyObject* name_of(PyObject* self, PyObject*) { return PyUnicode_FromString(cast(self)->node->name().c_str()); }

PyObject* next_functions(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    const auto& edges = cast(self)->node->edges;
    Object tuple = checked(PyTuple_New(static_cast<Py_ssize_t>(edges.size())));
    for (size_t i = 0; i < edges.size(); ++i) {
      Object node = checked(wrap_node(edges[i].node));
      PyTuple_SET_ITEM(tuple.get(), i, checked(Py_BuildValue("(OI)", node.get(), edges[i].input)).release());
    }
    return tuple.release();
  });
}

PyObject* variable(PyObject* self, void*) {
  auto* accumulate = dynamic_cast<AccumulateGrad*>(cast(self)->node.get());
  if (!accumulate) {
    PyErr_Format(PyExc_AttributeError, "'%s' object has no attribute 'variable'", Py_TYPE(self)->tp_name);
    return nullptr;
  }
  return guarded([&] { return wrap(accumulate->variable); });
}

PyObject* sequence_number(PyObject* self, PyObject*) { return PyLong_FromUnsignedLongLong(cast(self)->node->sequence); }

PyObject* metadata(PyObject* self, void*) { return PyObject_GenericGetDict(self, nullptr); }

Object to_tuple_of(const std::vector<Tensor>& tensors) {
  Object tuple = checked(PyTuple_New(static_cast<Py_ssize_t>(tensors.size())));
  for (size_t i = 0; i < tensors.size(); ++i) PyTuple_SET_ITEM(tuple.get(), i, wrap(tensors[i]));
  return tuple;
}

/// What a hook returned takes the place of the gradients it was shown.
void replace(std::vector<Tensor>& gradients, PyObject* result) {
  if (result == Py_None) return;
  Object tuple = PyTuple_Check(result) ? Object::share(result) : checked(PyTuple_Pack(1, result));
  if (PyTuple_GET_SIZE(tuple.get()) != static_cast<Py_ssize_t>(gradients.size()))
    runtime_error("hook has returned an incorrect number of values (got ", PyTuple_GET_SIZE(tuple.get()),
                  ", but expected ", gradients.size(), ")");
  for (size_t i = 0; i < gradients.size(); ++i) {
    PyObject* item = PyTuple_GET_ITEM(tuple.get(), i);
    if (item == Py_None) {
      gradients[i] = Tensor();
      continue;
    }
    if (!is_tensor(item)) type_error("expected Tensor or None, but hook returned '", Py_TYPE(item)->tp_name, "'");
    gradients[i] = unwrap(item);
  }
}

/// The hooks of one node, in a dict so that a handle can take one out.
class NodeHooks final : public GradientHook {
 public:
  NodeHooks(PyObject* dict, bool before) : dict_(Object::share(dict)), before_(before) {}

  void before(std::vector<Tensor>& incoming) override {
    if (!before_) return;
    for_each([&](PyObject* hook) {
      replace(incoming, checked(PyObject_CallOneArg(hook, to_tuple_of(incoming).get())).get());
    });
  }
  void after(std::vector<Tensor>& outgoing, const std::vector<Tensor>& incoming) override {
    if (before_) return;
    for_each([&](PyObject* hook) {
      Object out = to_tuple_of(outgoing), in = to_tuple_of(incoming);
      replace(outgoing, checked(PyObject_CallFunctionObjArgs(hook, out.get(), in.get(), nullptr)).get());
    });
  }

 private:
  template <class F>
  void for_each(F&& call) {
    Object values = checked(PyObject_CallMethod(dict_.get(), "values", nullptr));
    Object list = checked(PySequence_List(values.get()));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list.get()); ++i) call(PyList_GET_ITEM(list.get(), i));
  }

  Object dict_;
  bool before_;
};

PyObject* add_hook(PyObject* self, PyObject* hook, bool before) {
  return guarded([&]() -> PyObject* {
    nb::object handle_class = nb::module_::import_("ondol.utils.hooks").attr("RemovableHandle");
    nb::object dict = nb::module_::import_("collections").attr("OrderedDict")();
    nb::object handle = handle_class(dict);
    dict[handle.attr("id")] = nb::borrow(hook);
    cast(self)->node->hooks.push_back(std::make_unique<NodeHooks>(dict.ptr(), before));
    return handle.release().ptr();
  });
}
PyObject* register_hook(PyObject* self, PyObject* hook) { return add_hook(self, hook, false); }
PyObject* register_prehook(PyObject* self, PyObject* hook) { return add_hook(self, hook, true); }

/// What the node itself does not have, a custom function may have put into its ctx.
PyObject* attribute(PyObject* self, PyObject* name) {
  PyObject* value = PyObject_GenericGetAttr(self, name);
  auto* context = static_cast<PyObject*>(cast(self)->node->python_context());
  if (value || !context || !PyErr_ExceptionMatches(PyExc_AttributeError)) return value;
  PyErr_Clear();
  return PyObject_GetAttr(context, name);
}

PyMethodDef methods[] = {
    {"name", name_of, METH_NOARGS, "The name of the node's class."},
    {"_sequence_nr", sequence_number, METH_NOARGS, "Its place in the order of recording."},
    {"register_hook", register_hook, METH_O, "hook(grad_inputs, grad_outputs) after the node ran."},
    {"register_prehook", register_prehook, METH_O, "hook(grad_outputs) before the node runs."},
    {nullptr, nullptr, 0, nullptr}};
PyGetSetDef properties[] = {{"next_functions", next_functions, nullptr, "The nodes that its gradients go to.", nullptr},
                            {"variable", variable, nullptr, "Of AccumulateGrad: the leaf.", nullptr},
                            {"metadata", metadata, nullptr, "A dict for notes.", nullptr},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMemberDef members[] = {{"__dictoffset__", T_PYSSIZET, offsetof(NodeObject, dict), READONLY, nullptr},
                         {nullptr, 0, 0, 0, nullptr}};

/// The class for nodes of one name, made when the first is shown.
PyTypeObject* class_for(const std::string& name) {
  static std::map<std::string, PyTypeObject*> classes;
  PyTypeObject*& type = classes[name];
  if (!type) {
    auto* full_name = new std::string("ondol.autograd.graph." + name);  // types keep a pointer to their name
    PyType_Slot slots[] = {{Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                           {Py_tp_clear, reinterpret_cast<void*>(clear)},
                           {0, nullptr}};
    PyType_Spec spec = {full_name->c_str(), sizeof(NodeObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
    Object bases = checked(PyTuple_Pack(1, node_type));
    type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpecWithBases(&spec, bases.get())).release());
  }
  return type;
}

}  // namespace

PyObject* wrap_node(const Ref<Node>& node) {
  if (!node) return Py_NewRef(Py_None);
  if (auto* existing = static_cast<PyObject*>(node->python)) return Py_NewRef(existing);
  PyTypeObject* type = class_for(node->name());
  PyObject* object = type->tp_alloc(type, 0);
  if (!object) throw PythonError();
  new (&cast(object)->node) Ref<Node>(node);
  node->python = object;
  return object;
}

Node* unwrap_node(PyObject* object) {
  if (!PyObject_TypeCheck(object, node_type))
    type_error("expected a node of the graph, not ", Py_TYPE(object)->tp_name);
  return cast(object)->node.get();
}

void add_nodes(PyObject* module) {
  PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
                         {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                         {Py_tp_clear, reinterpret_cast<void*>(clear)},
                         {Py_tp_getattro, reinterpret_cast<void*>(attribute)},
                         {Py_tp_repr, reinterpret_cast<void*>(represent)},
                         {Py_tp_methods, methods},
                         {Py_tp_getset, properties},
                         {Py_tp_members, members},
                         {0, nullptr}};
  PyType_Spec spec = {"ondol.autograd.graph.Node", sizeof(NodeObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                      slots};
  node_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)).release());
  if (PyModule_AddObjectRef(module, "Node", reinterpret_cast<PyObject*>(node_type)) < 0) throw PythonError();

  // Anomaly mode: each node keeps the stack of its forward call, shown when its derivative fails.
  AnomalyMode::remember = [](Node& node) {
    nb::object stack = nb::module_::import_("traceback").attr("format_stack")();
    node.anomaly_trace = stack.release().ptr();
  };
  AnomalyMode::report = [](Node& node) {
    if (!node.anomaly_trace) return;
    nb::object text = nb::str("").attr("join")(nb::borrow(static_cast<PyObject*>(node.anomaly_trace)));
    nb::object message = nb::str("Error detected in {}. Traceback of forward call that caused the error:\n{}")
                             .attr("format")(nb::str(node.name().c_str()), text);
    PyErr_WarnEx(PyExc_UserWarning, nb::cast<nb::str>(message).c_str(), 1);
  };
}

}  // namespace ondol::python
