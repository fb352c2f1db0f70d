// The operations of the registry as Python callables: functions of the module and methods of Tensor.
//
// A callable serves as both: a type with Py_TPFLAGS_METHOD_DESCRIPTOR is called with self as first argument, without a
// bound method in between.

#include <Python.h>
#include <structmember.h>

#include <algorithm>
#include <map>

#include "bindings/arguments.h"
#include "bindings/autocast.h"
#include "bindings/module.h"
#include "bindings/operator_signature.h"
#include "bindings/overrides.h"
#include "bindings/python.h"
#include "ops/functions.h"
#include "ops/in_place.h"

namespace ondol::python {
namespace {

struct OperatorObject {
  PyObject_HEAD vectorcallfunc call;
  const Operation* operation;
  std::vector<Signature>* signatures;
  PyTypeObject* result_type;  // a named tuple, or null
  bool in_place;              // the form `name_`
  AutocastPolicy autocast;
  PyObject* name;
  PyObject* module;
};

OperatorObject* cast(PyObject* object) { return reinterpret_cast<OperatorObject*>(object); }

/// The operations of which PyTorch does not convert what they write to out=.
bool keeps_dtype_of_out(std::string_view name) {
  constexpr std::string_view names[] = {"aminmax", "complex", "gather", "multinomial", "polar"};
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

/// Raises unless the result may be written into the tensor given as out=.
void check_out(const Tensor& out, const Tensor& result, const char* name) {
  if (!result.defined()) runtime_error(name, "(): the result is None, which cannot be written into out=");
  if (out.is_same(result)) return;
  check_writable(out, name);
  if (needs_gradient(out, result))
    runtime_error(name,
                  "(): functions with out=... arguments don't support automatic differentiation, but one of the "
                  "arguments requires grad.");
  if (result.dtype() != out.dtype() && keeps_dtype_of_out(name))
    runtime_error(name, "(): Expected out tensor to have dtype ", ondol::name(result.dtype()), ", but got ",
                  ondol::name(out.dtype()), " instead");
  if (!can_cast(result.dtype(), out.dtype())) refuse_cast(result.dtype(), out.dtype());
}

/// Copies a result into the tensor given as out=, which takes its shape.
void write_out(Tensor out, const Tensor& result) {
  if (out.is_same(result)) return;
  if (out.sizes() != result.sizes()) resize_(out, result.sizes());
  copy_elements(result, out);
  out.bump_version();
}

/// The addresses between which write_out will write.
std::pair<const char*, const char*> range_to_write(const Tensor& out, const Tensor& result) {
  if (result.numel() == 0) return {};
  if (out.sizes() == result.sizes()) return memory_range(out);
  return {out.bytes(), out.bytes() + result.numel() * static_cast<int64_t>(item_size(out.dtype()))};
}

PyObject* write_outs(PyObject* out, const std::vector<Tensor>& results, const char* name) {
  if (!PyTuple_Check(out) && !PyList_Check(out))
    type_error(name, "(): argument 'out' must be a tuple of ", results.size(), " Tensors");
  if (PySequence_Fast_GET_SIZE(out) != static_cast<Py_ssize_t>(results.size()))
    type_error(name, "(): argument 'out' must have ", results.size(), " Tensors, not ", PySequence_Fast_GET_SIZE(out));
  for (size_t i = 0; i < results.size(); ++i)
    if (!is_tensor(PySequence_Fast_GET_ITEM(out, i))) type_error(name, "(): argument 'out' must hold Tensors");
  auto place = [&](size_t i) { return unwrap(PySequence_Fast_GET_ITEM(out, i)); };
  for (size_t i = 0; i < results.size(); ++i) {  // all before the first is written
    check_out(place(i), results[i], name);
    const auto [first, last] = range_to_write(place(i), results[i]);
    for (size_t j = 0; j < i; ++j) {
      const auto [other_first, other_last] = range_to_write(place(j), results[j]);
      if (first < other_last && other_first < last) runtime_error(name, "(): the tensors given as out= share memory");
    }
  }
  for (size_t i = 0; i < results.size(); ++i) write_out(place(i), results[i]);
  return Py_NewRef(out);
}

PyObject* wrap_all(const OperatorObject* self, const std::vector<Tensor>& tensors) {
  Object tuple = self->result_type ? checked(PyStructSequence_New(self->result_type))
                                   : checked(PyTuple_New(static_cast<Py_ssize_t>(tensors.size())));
  for (size_t i = 0; i < tensors.size(); ++i) {
    PyObject* item = wrap(tensors[i]);
    if (self->result_type)
      PyStructSequence_SetItem(tuple.get(), i, item);
    else
      PyTuple_SET_ITEM(tuple.get(), i, item);
  }
  return tuple.release();
}

PyObject* to_python(const OperatorObject* self, const Value& result, const Common& common) {
  if (const Tensor* tensor = std::get_if<Tensor>(&result)) {
    if (common.out) {
      if (!is_tensor(common.out))
        type_error(self->operation->name, "(): argument 'out' must be Tensor, not ", Py_TYPE(common.out)->tp_name);
      check_out(unwrap(common.out), *tensor, self->operation->name.c_str());
      write_out(unwrap(common.out), *tensor);
      return Py_NewRef(common.out);
    }
    if (common.requires_grad) {
      if (!is_differentiable(tensor->dtype()))
        runtime_error("Only Tensors of floating point and complex dtype can require gradients");
      tensor->impl()->requires_grad = true;
    }
    return wrap(*tensor);
  }
  if (const auto* tensors = std::get_if<std::vector<Tensor>>(&result)) {
    if (common.out) return write_outs(common.out, *tensors, self->operation->name.c_str());
    return wrap_all(self, *tensors);
  }
  if (const auto* dims = std::get_if<Dims>(&result)) return to_size(*dims);
  if (const auto* scalar = std::get_if<Scalar>(&result)) return python::to_python(*scalar);
  if (const auto* real = std::get_if<double>(&result)) return PyFloat_FromDouble(*real);
  if (const auto* integer = std::get_if<int64_t>(&result)) return PyLong_FromLongLong(*integer);
  if (const auto* truth = std::get_if<bool>(&result)) return PyBool_FromLong(*truth);
  if (const auto* dtype = std::get_if<Dtype>(&result)) return from_dtype(*dtype).release();
  return Py_NewRef(Py_None);
}

bool any_needs_gradient(Value* values, int count) {
  if (!GradMode::enabled()) return false;
  for (int i = 0; i < count; ++i) {
    if (const auto* tensor = std::get_if<Tensor>(&values[i]); tensor && tensor->requires_grad()) return true;
    if (const auto* tensors = std::get_if<std::vector<Tensor>>(&values[i]); tensors && needs_gradient(*tensors))
      return true;
  }
  return false;
}

PyObject* run_in_place(const Overload& overload, Value* values) {
  Tensor tensor = std::get<Tensor>(values[0]);
  std::string name = overload.schema.name + "_";
  check_in_place(tensor, name.c_str());
  Value result;
  bool recorded = any_needs_gradient(values, static_cast<int>(overload.schema.parameters.size()));
  if (recorded) {
    Original original(tensor);
    values[0] = original.tensor;
    {
      std::optional<ResultTarget> place;
      if (overload.variants & kOverInput) place.emplace(original.tensor);
      overload.call(overload.function, values, result);
    }
    values[0] = std::monostate();
    if (const Tensor& made = std::get<Tensor>(result); made.storage() == tensor.storage()) {
      finish_over_input(tensor, made);
      return wrap(tensor);
    }
    original.keep_apart();
  } else if (overload.variants & kInPlace) {
    ResultTarget place(tensor);
    overload.call(overload.function, values, result);
  } else {
    InPlaceTarget changing(tensor);  // what the operation saves of it is saved as it was
    overload.call(overload.function, values, result);
  }
  finish_in_place(tensor, std::get<Tensor>(result), name.c_str());
  return wrap(tensor);
}

PyObject* run(OperatorObject* self, const Signature& signature, Value* values, const Common& common) {
  const Overload& overload = *signature.overload;
  if (common.out && (self->in_place || (overload.variants & kMutating)))
    type_error(overload.schema.name, "_() changes its first argument and takes no keyword argument 'out'");
  if (self->in_place && !(overload.variants & kMutating)) return run_in_place(overload, values);
  if (overload.variants & kMutating) check_in_place(std::get<Tensor>(values[0]), overload.schema.name.c_str());
  Value result;
  overload.call(overload.function, values, result);
  return to_python(self, result, common);
}

std::string all_signatures(const OperatorObject* self) {
  std::string list;
  for (const Signature& signature : *self->signatures) list += "\n * " + signature.overload->schema.text;
  return list;
}

PyObject* call_operator(PyObject* callable, PyObject* const* args, size_t nargsf, PyObject* keywords) {
  OperatorObject* self = cast(callable);
  Arguments arguments{args, PyVectorcall_NARGS(nargsf), keywords};
  return guarded([&]() -> PyObject* {
    if (may_be_overridden())
      if (Override result = overridden(callable, arguments)) return *result;
    std::string why;
    bool only = self->signatures->size() == 1;
    for (const Signature& signature : *self->signatures) {
      Values values(signature);
      Common common;
      if (python::bind(signature, arguments, values.data(), common, only ? &why : nullptr)) {
        if (self->autocast != AutocastPolicy::None && Autocast::enabled && !common.out)
          autocast_arguments(self->autocast, signature.overload->schema, values.data());
        return run(self, signature, values.data(), common);
      }
    }
    if (Override result = overridden(callable, arguments)) return *result;  // by an object that is no tensor
    if (only) type_error(why);
    type_error(self->operation->name, "() received an invalid combination of arguments - got ", describe(arguments),
               ", but expected one of:", all_signatures(self));
  });
}

PyObject* get_bound(PyObject* self, PyObject* instance, PyObject*) {
  if (!instance || instance == Py_None) return Py_NewRef(self);
  return PyMethod_New(self, instance);
}

PyObject* represent(PyObject* self) {
  return PyUnicode_FromFormat("<built-in method %U of type object>", cast(self)->name);
}

PyObject* to_string(const std::string& text) {
  return PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
}
PyObject* get_documentation(PyObject* self, void*) {
  return guarded([&] { return to_string(documentation(*cast(self)->operation, cast(self)->in_place)); });
}
PyObject* get_text_signature(PyObject* self, void*) {
  return guarded([&] { return to_string(text_signature(*cast(self)->operation, cast(self)->in_place)); });
}

PyObject* schemas(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    Object list = checked(PyList_New(0));
    for (const Signature& signature : *cast(self)->signatures) {
      const std::string& text = signature.overload->schema.text;
      Object item = checked(PyUnicode_FromStringAndSize(text.data(), text.size()));
      if (PyList_Append(list.get(), item.get()) < 0) throw PythonError();
    }
    return list.release();
  });
}

/// Pickles by name: a function is found in its module, what is only a method is found in Tensor.
PyObject* reduce(PyObject* self, PyObject*) {
  const OperatorObject* operation = cast(self);
  if (operation->operation->variants & kFunction) return Py_NewRef(operation->name);
  PyObject* getattr = PyDict_GetItemString(PyEval_GetBuiltins(), "getattr");  // borrowed
  return Py_BuildValue("O(OO)", getattr, tensor_type, operation->name);
}

PyMemberDef members[] = {{"__vectorcalloffset__", T_PYSSIZET, offsetof(OperatorObject, call), READONLY, nullptr},
                         {"__name__", T_OBJECT, offsetof(OperatorObject, name), READONLY, nullptr},
                         {"__qualname__", T_OBJECT, offsetof(OperatorObject, name), READONLY, nullptr},
                         {"__module__", T_OBJECT, offsetof(OperatorObject, module), 0, nullptr},
                         {"_autocast", T_UBYTE, offsetof(OperatorObject, autocast), 0, nullptr},
                         {nullptr, 0, 0, 0, nullptr}};
PyGetSetDef properties[] = {{"__doc__", get_documentation, nullptr, nullptr, nullptr},
                            {"__text_signature__", get_text_signature, nullptr, nullptr, nullptr},
                            {"schemas", schemas, nullptr, nullptr, nullptr},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef methods[] = {{"__reduce__", reduce, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};

template <class F>
PyType_Slot slot(int id, F* function) {
  return {id, reinterpret_cast<void*>(function)};
}

PyTypeObject* operator_type() {
  static PyType_Slot slots[] = {slot(Py_tp_call, PyVectorcall_Call),
                                slot(Py_tp_descr_get, get_bound),
                                slot(Py_tp_repr, represent),
                                {Py_tp_members, members},
                                {Py_tp_getset, properties},
                                {Py_tp_methods, methods},
                                {0, nullptr}};
  static PyType_Spec spec = {"ondol._native.Operator", sizeof(OperatorObject), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR, slots};
  static auto* type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)).release());
  return type;
}

/// torch.return_types.max and the like, for schemas whose results have names.
PyTypeObject* named_result(const Operation& operation, PyObject* return_types) {
  const std::vector<std::string>* names = nullptr;
  for (const Overload& overload : operation.overloads)
    if (!overload.schema.result_names.empty()) names = &overload.schema.result_names;
  if (!names) return nullptr;
  auto* kept = new std::vector<PyStructSequence_Field>;
  for (const std::string& name : *names) kept->push_back({name.c_str(), nullptr});
  kept->push_back({nullptr, nullptr});
  auto* full_name = new std::string("torch.return_types." + operation.name);
  PyStructSequence_Desc description{full_name->c_str(), nullptr, kept->data(), static_cast<int>(names->size())};
  PyTypeObject* type = PyStructSequence_NewType(&description);
  if (!type) throw PythonError();
  if (PyObject_SetAttrString(return_types, operation.name.c_str(), reinterpret_cast<PyObject*>(type)) < 0)
    throw PythonError();
  return type;
}

Object make_operator(const Operation& operation, bool in_place, PyTypeObject* result_type, const char* module) {
  OperatorObject* object = PyObject_New(OperatorObject, operator_type());
  if (!object) throw PythonError();
  Object owner = Object::steal(reinterpret_cast<PyObject*>(object));
  object->call = call_operator;
  object->operation = &operation;
  object->signatures = new std::vector<Signature>;
  for (const Overload& overload : operation.overloads)
    if (!in_place || (overload.variants & (kInPlace | kInPlaceByCopy))) object->signatures->emplace_back(overload);
  object->result_type = result_type;
  object->in_place = in_place;
  object->autocast = AutocastPolicy::None;
  object->name = checked(PyUnicode_FromString((operation.name + (in_place ? "_" : "")).c_str())).release();
  object->module = checked(PyUnicode_FromString(module)).release();
  return owner;
}

Object submodule(PyObject* module, const char* name) {
  std::string full = std::string("ondol._native.") + name;
  Object made = checked(PyModule_New(full.c_str()));
  if (PyModule_AddObjectRef(module, name, made.get()) < 0) throw PythonError();
  return made;
}

void set(PyObject* target, const std::string& name, const Object& value) {
  if (PyObject_SetAttrString(target, name.c_str(), value.get()) < 0) throw PythonError();
}

}  // namespace

void add_operations(PyObject* module) {
  Object nn = submodule(module, "nn"), optim = submodule(module, "optim"), linalg = submodule(module, "linalg"),
         return_types = submodule(module, "return_types");
  auto* type = reinterpret_cast<PyObject*>(tensor_type);
  for (const Operation& operation : Registry::instance().operations()) {
    PyObject* scope = operation.scope == "nn"       ? nn.get()
                      : operation.scope == "optim"  ? optim.get()
                      : operation.scope == "linalg" ? linalg.get()
                                                    : module;
    const char* module_name = operation.scope == "nn"       ? "ondol._native.nn"
                              : operation.scope == "optim"  ? "ondol._native.optim"
                              : operation.scope == "linalg" ? "ondol._native.linalg"
                                                            : "ondol";
    PyTypeObject* result_type = named_result(operation, return_types.get());
    Object callable = make_operator(operation, false, result_type, module_name);
    if (operation.variants & kFunction) set(scope, operation.name, callable);
    if (operation.variants & kMethod) set(type, operation.name, callable);
    if (operation.variants & (kInPlace | kInPlaceByCopy)) {
      Object changing = make_operator(operation, true, nullptr, module_name);
      if (operation.variants & kMethod) set(type, operation.name + "_", changing);
      set(scope, operation.name + "_", changing);
    }
  }
}

}  // namespace ondol::python
