// Threads, memory, the matrix library, default dtype.

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "base/blas.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/processor.h"
#include "bindings/module.h"
#include "bindings/python.h"
#include "tensor/pointwise.h"

namespace nb = nanobind;

namespace ondol::python {

void add_runtime(PyObject* module) {
  auto m = nb::borrow<nb::module_>(module);
  m.def("get_num_threads", num_threads, "The number of threads that work on one operation.");
  m.def(
      "set_num_threads",
      [](int n) {
        if (n < 1) runtime_error("set_num_threads expects a positive integer, not ", n);
        set_num_threads(n);
      },
      nb::arg("num"));
  m.def("empty_cache", empty_cache, "Gives memory that is kept for reuse back to the system.");
  m.def(
      "memory_stats",
      [] {
        MemoryStats stats = memory_stats();
        nb::dict result;
        result["allocated_bytes"] = stats.allocated;
        result["reserved_bytes"] = stats.reserved;
        result["peak_bytes"] = stats.peak;
        return result;
      },
      "Bytes in use, in use or kept, and in use at most.");
  m.def("reset_peak_memory_stats", reset_peak_memory);
  m.def(
      "set_memory_cache_limit",
      [](int64_t bytes) {
        if (bytes < 0) value_error("the limit must not be negative, got ", bytes);
        set_cache_limit(static_cast<size_t>(bytes));
      },
      nb::arg("bytes"));
  m.def("load_blas", [](const std::string& path) { blas::load(path); }, nb::arg("path"));
  m.def("blas_description", [] { return blas::description(); });
  m.def(
      "cpu_level", [] { return std::string(kernel_level()); },
      "The instruction set that kernels are compiled for: v2, v3, v4, generic.");
  m.def("get_default_dtype", [] { return nb::steal(from_dtype(default_dtype()).release()); });
  m.def(
      "set_default_dtype",
      [](nb::handle dtype) {
        if (!is_dtype(dtype.ptr())) type_error("invalid dtype object: ", Py_TYPE(dtype.ptr())->tp_name);
        set_default_dtype(to_dtype(dtype.ptr()));
      },
      nb::arg("d"));
  m.def(
      "promote_types",
      [](nb::handle a, nb::handle b) {
        if (!is_dtype(a.ptr()) || !is_dtype(b.ptr())) type_error("promote_types() takes two dtypes");
        return nb::steal(from_dtype(promote(to_dtype(a.ptr()), to_dtype(b.ptr()))).release());
      },
      nb::arg("type1"), nb::arg("type2"));
  m.def(
      "can_cast",
      [](nb::handle from, nb::handle to) {
        if (!is_dtype(from.ptr()) || !is_dtype(to.ptr())) type_error("can_cast() takes two dtypes");
        return can_cast(to_dtype(from.ptr()), to_dtype(to.ptr()));
      },
      nb::arg("from_"), nb::arg("to"));
  m.def("_register_size", [](nb::handle type) {
    if (!PyType_Check(type.ptr()) || !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(type.ptr()), &PyTuple_Type))
      type_error("Size must be a subclass of tuple");
    size_type = reinterpret_cast<PyTypeObject*>(type.inc_ref().ptr());
  });
}

}  // namespace ondol::python
