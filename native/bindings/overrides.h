#pragma once

// __torch_function__: how classes and modes take calls of the library over. A class takes part by having the method;
// modes stand on a stack of each thread. What costs time is done only while there is a reason to: `may_be_overridden`.

#include <initializer_list>
#include <optional>

#include "bindings/arguments.h"
#include "bindings/python.h"

namespace ondol::python {

/// How many modes are active, plus one from when the first object of an overriding class was made. The interpreter lock
/// guards it.
extern int override_reasons;
inline bool may_be_overridden() { return __builtin_expect(override_reasons != 0, 0); }

/// To be told of every object of a subclass of Tensor.
void note_subclass(PyTypeObject* type);

/// A new reference to what an override made of the call, null if it raised; nothing if nobody took the call over.
using Override = std::optional<PyObject*>;

/// A call of `function` with these arguments.
Override overridden(PyObject* function, const Arguments& arguments);
/// A call of the function that Tensor, or the module, has under this name.
Override overridden_method(const char* name, std::initializer_list<PyObject*> arguments);
Override overridden_function(const char* name, PyObject* argument, PyObject* keywords);

/// What an attribute tells: about the form of the tensor, or something that is, or knows, tensors.
enum class Attribute { Form, Content };
/// Reading (`__get__`) or writing (`__set__`) an attribute. Classes that inherit Tensor's own __torch_function__, or
/// say
/// `_form_is_own = True`, are not asked about their form.
Override overridden_get(const char* name, PyObject* self, Attribute kind);
Override overridden_set(const char* name, PyObject* self, PyObject* value);

/// A method that tells about the form of the tensor; `args` (without self) and `kwargs` may be null.
Override overridden_form(const char* name, PyObject* self, PyObject* args = nullptr, PyObject* kwargs = nullptr);

/// Text as a template argument.
template <size_t N>
struct Name {
  char text[N];
  constexpr Name(const char (&characters)[N]) { std::copy_n(characters, N, text); }
};

/// A method of Tensor without keywords that can be overridden.
template <Name name, PyCFunction function>
PyObject* overridable(PyObject* self, PyObject* argument) {
  if (may_be_overridden())
    if (Override result =
            argument ? overridden_method(name.text, {self, argument}) : overridden_method(name.text, {self}))
      return *result;
  return function(self, argument);
}

/// The same for a method without arguments that tells about the form.
template <Name name, PyCFunction function>
PyObject* overridable_form(PyObject* self, PyObject* argument) {
  if (may_be_overridden())
    if (Override result = overridden_form(name.text, self)) return *result;
  return function(self, argument);
}

}  // namespace ondol::python
