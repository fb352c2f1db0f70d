// The protocol __torch_function__(func, types, args, kwargs) of PyTorch: who is asked, in which order.

#include "bindings/overrides.h"

#include <nanobind/nanobind.h>

#include <algorithm>

#include "base/thread_local.h"
#include "bindings/module.h"

namespace nb = nanobind;

namespace ondol::python {

int override_reasons = 0;

namespace {

/// How much of the protocol a thread has switched off.
enum Disabled : int { kNothing, kSubclasses, kEverything };

struct ThreadState {
  ONDOL_THREAD_LOCAL int disabled = kNothing;
  ONDOL_THREAD_LOCAL PyObject* modes = nullptr;  // a list, the innermost last; owned
};

PyObject* protocol_name = nullptr;  // "__torch_function__"
PyObject* disabled_protocol = nullptr;
PyObject* native_module = nullptr;

constexpr int kDeepestNesting = 8;  // of the lists that are searched for overriding objects

bool has_modes() {
  return ThreadState::disabled != kEverything && ThreadState::modes && PyList_GET_SIZE(ThreadState::modes) > 0;
}

/// The class's __torch_function__ (borrowed), or null if it has none or has switched it off.
PyObject* protocol_of(PyTypeObject* type) {
  if (type == tensor_type || type == &PyLong_Type || type == &PyFloat_Type || type == &PyBool_Type ||
      type == &PyUnicode_Type || type == &_PyNone_Type || type == &PySlice_Type)
    return nullptr;
  PyObject* found = _PyType_Lookup(type, protocol_name);
  return found == disabled_protocol ? nullptr : found;
}

/// Those that are to be asked, each class once: subclasses before their bases, else in the order of the arguments.
struct Overriding {
  std::vector<PyObject*> objects;  // borrowed

  void consider(PyObject* object, int depth) {
    if (PyTuple_Check(object) || PyList_Check(object)) {
      if (depth == kDeepestNesting) return;
      for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i)
        consider(PySequence_Fast_GET_ITEM(object, i), depth + 1);
      return;
    }
    PyTypeObject* type = Py_TYPE(object);
    if (!protocol_of(type)) return;
    auto place = objects.end();
    for (auto known = objects.begin(); known != objects.end(); ++known) {
      if (Py_TYPE(*known) == type) return;
      if (place == objects.end() && PyType_IsSubtype(type, Py_TYPE(*known))) place = known;
    }
    objects.insert(place, object);
  }
};

/// Asks one of them. False if it answers NotImplemented.
bool ask(PyObject* who, PyObject* function, PyObject* types, PyObject* args, PyObject* kwargs, PyObject*& result) {
  Object handler = checked(PyObject_GetAttr(who, protocol_name));
  result = PyObject_CallFunctionObjArgs(handler.get(), function, types, args, kwargs, nullptr);
  if (result != Py_NotImplemented) return true;
  Py_DECREF(result);
  return false;
}

/// Off the stack while its handler runs, so that what that calls reaches the next one.
class InnermostMode {
 public:
  InnermostMode() {
    PyObject* stack = ThreadState::modes;
    Py_ssize_t last = PyList_GET_SIZE(stack) - 1;
    mode_ = Object::share(PyList_GET_ITEM(stack, last));
    if (PyList_SetSlice(stack, last, last + 1, nullptr) < 0) throw PythonError();
  }
  ~InnermostMode() {
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyList_Append(ThreadState::modes, mode_.get());
    PyErr_Restore(type, error, traceback);
  }
  PyObject* get() const { return mode_.get(); }

 private:
  Object mode_;
};

[[noreturn]] void raise_nobody_answered(PyObject* function, const Overriding& overriding) {
  std::string asked;
  for (PyObject* object : overriding.objects)
    asked += std::string(asked.empty() ? "" : ", ") + Py_TYPE(object)->tp_name;
  Object shown = checked(PyObject_Repr(function));
  type_error("Multiple dispatch failed for ", PyUnicode_AsUTF8(shown.get()),
             "; all __torch_function__ handlers returned NotImplemented: those of ", asked.empty() ? "a mode" : asked);
}

Object types_of(const Overriding& overriding) {
  Object types = checked(PyTuple_New(static_cast<Py_ssize_t>(overriding.objects.size())));
  for (size_t i = 0; i < overriding.objects.size(); ++i)
    PyTuple_SET_ITEM(types.get(), i, Py_NewRef(Py_TYPE(overriding.objects[i])));
  return types;
}

Override dispatch(PyObject* function, const Overriding& overriding, PyObject* args, PyObject* kwargs) {
  bool modes = has_modes();
  if (!modes && overriding.objects.empty()) return std::nullopt;
  Object types = types_of(overriding);
  PyObject* result;
  if (modes) {
    InnermostMode mode;
    if (ask(mode.get(), function, types.get(), args, kwargs, result)) return result;
  }
  for (PyObject* object : overriding.objects)
    if (ask(object, function, types.get(), args, kwargs, result)) return result;
  raise_nobody_answered(function, overriding);
}

Overriding find(PyObject* args, PyObject* kwargs) {
  Overriding overriding;
  if (ThreadState::disabled != kNothing) return overriding;
  if (args) overriding.consider(args, 0);
  PyObject *key, *value;
  Py_ssize_t position = 0;
  while (kwargs && PyDict_Next(kwargs, &position, &key, &value)) overriding.consider(value, 0);
  return overriding;
}

Object tuple_of(std::initializer_list<PyObject*> objects) {
  Object tuple = checked(PyTuple_New(static_cast<Py_ssize_t>(objects.size())));
  Py_ssize_t i = 0;
  for (PyObject* object : objects) PyTuple_SET_ITEM(tuple.get(), i++, Py_NewRef(object));
  return tuple;
}

Override overridden_attribute(const char* name, const char* access, std::initializer_list<PyObject*> arguments) {
  Object args = tuple_of(arguments);
  Overriding overriding = find(args.get(), nullptr);
  if (overriding.objects.empty() && !has_modes()) return std::nullopt;
  Object descriptor = checked(PyObject_GetAttrString(reinterpret_cast<PyObject*>(tensor_type), name));
  Object function = checked(PyObject_GetAttrString(descriptor.get(), access));
  Object none = checked(PyDict_New());
  return dispatch(function.get(), overriding, args.get(), none.get());
}

/// Whether nobody is to be asked about the form of a tensor.
bool tells_own_form(PyObject* self) {
  if (has_modes()) return false;
  static PyObject* own = PyUnicode_InternFromString("_form_is_own");
  PyObject* protocol = protocol_of(Py_TYPE(self));
  return !protocol || protocol == _PyType_Lookup(tensor_type, protocol_name) || _PyType_Lookup(Py_TYPE(self), own);
}

/// func(*args, **kwargs) with the protocol off: what a class has for __torch_function__ that takes no part in it.
PyObject* call_disabled(PyObject*, PyObject* arguments) {
  PyObject *function, *types, *args = nullptr, *kwargs = nullptr;
  if (!PyArg_ParseTuple(arguments, "OO|OO", &function, &types, &args, &kwargs)) return nullptr;
  int before = std::exchange(ThreadState::disabled, std::max<int>(ThreadState::disabled, kSubclasses));
  Object none = Object::steal(args ? nullptr : PyTuple_New(0));
  PyObject* result = PyObject_Call(function, args ? args : none.get(), kwargs && kwargs != Py_None ? kwargs : nullptr);
  ThreadState::disabled = before;
  return result;
}

PyMethodDef disabled_definition = {"_disabled_torch_function_impl", call_disabled, METH_VARARGS,
                                   "As a class's __torch_function__: the class takes no part in the protocol."};

}  // namespace

void note_subclass(PyTypeObject* type) {
  static bool noted = false;
  if (noted || !protocol_of(type)) return;
  noted = true;
  ++override_reasons;
}

Override overridden(PyObject* function, const Arguments& arguments) {
  Py_ssize_t keywords = arguments.keywords ? PyTuple_GET_SIZE(arguments.keywords) : 0;
  Overriding overriding;
  if (ThreadState::disabled == kNothing)
    for (Py_ssize_t i = 0; i < arguments.positional + keywords; ++i) overriding.consider(arguments.values[i], 0);
  if (overriding.objects.empty() && !has_modes()) return std::nullopt;
  Object args = checked(PyTuple_New(arguments.positional)), kwargs = checked(PyDict_New());
  for (Py_ssize_t i = 0; i < arguments.positional; ++i) PyTuple_SET_ITEM(args.get(), i, Py_NewRef(arguments.values[i]));
  for (Py_ssize_t i = 0; i < keywords; ++i)
    if (PyDict_SetItem(kwargs.get(), PyTuple_GET_ITEM(arguments.keywords, i),
                       arguments.values[arguments.positional + i]) < 0)
      throw PythonError();
  return dispatch(function, overriding, args.get(), kwargs.get());
}

Override overridden_method(const char* name, std::initializer_list<PyObject*> arguments) {
  Object args = tuple_of(arguments);
  Overriding overriding = find(args.get(), nullptr);
  if (overriding.objects.empty() && !has_modes()) return std::nullopt;
  Object function = checked(PyObject_GetAttrString(reinterpret_cast<PyObject*>(tensor_type), name));
  Object none = checked(PyDict_New());
  return dispatch(function.get(), overriding, args.get(), none.get());
}

Override overridden_function(const char* name, PyObject* argument, PyObject* keywords) {
  Object args = tuple_of({argument});
  Overriding overriding = find(args.get(), keywords);
  if (overriding.objects.empty() && !has_modes()) return std::nullopt;
  Object function = checked(PyObject_GetAttrString(native_module, name));
  return dispatch(function.get(), overriding, args.get(), keywords);
}

Override overridden_get(const char* name, PyObject* self, Attribute kind) {
  if (kind == Attribute::Form && tells_own_form(self)) return std::nullopt;
  return overridden_attribute(name, "__get__", {self});
}

Override overridden_form(const char* name, PyObject* self, PyObject* args, PyObject* kwargs) {
  if (tells_own_form(self)) return std::nullopt;
  Object all = tuple_of({self});
  if (args) all = checked(PySequence_Concat(all.get(), args));
  Overriding overriding = find(all.get(), nullptr);
  if (overriding.objects.empty() && !has_modes()) return std::nullopt;
  Object function = checked(PyObject_GetAttrString(reinterpret_cast<PyObject*>(tensor_type), name));
  Object none = checked(PyDict_New());
  return dispatch(function.get(), overriding, all.get(), kwargs ? kwargs : none.get());
}

Override overridden_set(const char* name, PyObject* self, PyObject* value) {
  return overridden_attribute(name, "__set__", {self, value});
}

void add_overrides(PyObject* module) {
  native_module = module;
  protocol_name = PyUnicode_InternFromString("__torch_function__");
  disabled_protocol = checked(PyCFunction_NewEx(&disabled_definition, nullptr, nullptr)).release();
  auto m = nb::borrow<nb::module_>(module).def_submodule("_overrides");
  m.attr("_disabled_torch_function_impl") = nb::borrow(disabled_protocol);
  m.def(
      "set_disabled", [](int level) { return std::exchange(ThreadState::disabled, level); },
      "0: nothing, 1: the protocol of classes, 2: that of modes too; gives what was set before. Of this thread.");
  m.def("disabled", [] { return ThreadState::disabled; });
  m.def("push_mode", [](nb::handle mode) {
    if (!ThreadState::modes) ThreadState::modes = checked(PyList_New(0)).release();
    if (PyList_Append(ThreadState::modes, mode.ptr()) < 0) throw PythonError();
    ++override_reasons;
  });
  m.def("pop_mode", [] {
    Py_ssize_t count = ThreadState::modes ? PyList_GET_SIZE(ThreadState::modes) : 0;
    if (count == 0) runtime_error("no TorchFunctionMode is active on this thread");
    nb::object mode = nb::borrow(PyList_GET_ITEM(ThreadState::modes, count - 1));
    if (PyList_SetSlice(ThreadState::modes, count - 1, count, nullptr) < 0) throw PythonError();
    --override_reasons;
    return mode;
  });
  m.def("modes",
        [] { return ThreadState::modes ? nb::steal(PyList_AsTuple(ThreadState::modes)) : nb::object(nb::tuple()); });
  m.def(
      "overriding",
      [](nb::tuple arguments) {
        nb::list found;
        for (PyObject* object : find(arguments.ptr(), nullptr).objects) found.append(nb::borrow(object));
        return found;
      },
      "Those of the arguments, and of what the lists among them hold, that are to be asked, in order.");
  m.def(
      "has_override",
      [](nb::tuple arguments) { return has_modes() || !find(arguments.ptr(), nullptr).objects.empty(); },
      "Whether a call with these arguments is to be handed over.");
  m.def(
      "dispatch",
      [](nb::handle function, nb::tuple relevant, nb::tuple args, nb::dict kwargs) {
        Override result = dispatch(function.ptr(), find(relevant.ptr(), nullptr), args.ptr(), kwargs.ptr());
        if (!result) runtime_error("no argument has a __torch_function__");
        if (!*result) throw PythonError();
        return nb::steal(*result);
      },
      "Hands a call over; `relevant` are the arguments that may override it.");
}

}  // namespace ondol::python
