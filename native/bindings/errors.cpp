#include <new>
#include <stdexcept>

#include "base/error.h"
#include "base/memory.h"
#include "bindings/module.h"
#include "bindings/python.h"

#include <nanobind/nanobind.h>

namespace ondol::python {
namespace {

PyObject* shape_error_type = nullptr;
PyObject* out_of_memory_type = nullptr;

PyObject* type_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Value:
      return PyExc_ValueError;
    case ErrorKind::Type:
      return PyExc_TypeError;
    case ErrorKind::Index:
      return PyExc_IndexError;
    case ErrorKind::NotImplemented:
      return PyExc_NotImplementedError;
    case ErrorKind::Attribute:
      return PyExc_AttributeError;
    case ErrorKind::Overflow:
      return PyExc_OverflowError;
    case ErrorKind::Assertion:
      return PyExc_AssertionError;
    case ErrorKind::Shape:
      return shape_error_type;
    case ErrorKind::OutOfMemory:
      return out_of_memory_type;
    default:
      return PyExc_RuntimeError;
  }
}

constexpr const char* kNoWorkingMemory =
    "Memory for the work of an operation could not be had: its sizes are too large.";

}  // namespace

void set_python_error() noexcept {
  try {
    throw;
  } catch (const PythonError&) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_SystemError, "an error was reported without a Python exception");
  } catch (nanobind::python_error& error) {
    error.restore();
  } catch (const Error& error) {
    PyErr_SetString(type_of(error.kind), error.what());
  } catch (const OutOfMemoryError& error) {
    PyErr_SetString(out_of_memory_type, error.what());
  } catch (const std::bad_alloc&) {
    PyErr_SetString(out_of_memory_type, kNoWorkingMemory);
  } catch (const std::length_error&) {  // of a std::vector longer than any can be
    PyErr_SetString(out_of_memory_type, kNoWorkingMemory);
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
}

void add_errors(PyObject* module) {
  Object bases = checked(PyTuple_Pack(2, PyExc_RuntimeError, PyExc_ValueError));
  shape_error_type = PyErr_NewExceptionWithDoc("ondol.ShapeError",
                                               "Sizes that do not fit an operation. Caught as RuntimeError, "
                                               "which PyTorch raises, and as ValueError.",
                                               bases.get(), nullptr);
  out_of_memory_type = PyErr_NewExceptionWithDoc("ondol.OutOfMemoryError", "Memory for a tensor could not be had.",
                                                 PyExc_RuntimeError, nullptr);
  if (PyModule_AddObjectRef(module, "ShapeError", shape_error_type) < 0 ||
      PyModule_AddObjectRef(module, "OutOfMemoryError", out_of_memory_type) < 0)
    throw PythonError();
  // Functions bound by nanobind raise through its translators: the same types there.
  nanobind::register_exception_translator([](const std::exception_ptr& pointer, void*) {
    try {
      std::rethrow_exception(pointer);
    } catch (const Error&) {
      set_python_error();
    } catch (const OutOfMemoryError&) {
      set_python_error();
    } catch (const PythonError&) {
      set_python_error();
    } catch (const std::bad_alloc&) {
      set_python_error();
    } catch (const std::length_error&) {
      set_python_error();
    }
  });
}

}  // namespace ondol::python
