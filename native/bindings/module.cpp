#include "bindings/module.h"

#include <nanobind/nanobind.h>

#include "tensor/launch.h"

NB_MODULE(_native, m) {
  using namespace ondol;
  nanobind::set_leak_warnings(false);  // tensors in module globals outlive the interpreter's shutdown
  WithoutInterpreter::unlock = []() -> void* { return PyEval_SaveThread(); };
  WithoutInterpreter::lock = [](void* state) { PyEval_RestoreThread(static_cast<PyThreadState*>(state)); };
  PyObject* module = m.ptr();
  python::add_errors(module);
  python::add_types(module);
  python::add_storage(module);
  python::add_generator(module);
  python::add_overrides(module);
  python::add_autocast(module);
  python::add_tensor_type(module);
  python::add_tensor_methods(module);
  python::add_construction(module);
  python::add_exchange(module);
  python::add_autograd(module);
  python::add_transforms(module);
  python::add_operations(module);
  python::add_runtime(module);
}
