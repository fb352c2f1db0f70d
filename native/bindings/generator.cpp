// torch.Generator, and the default one behind manual_seed.

#include "bindings/generator.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>

#include <cstring>

#include "bindings/module.h"
#include "bindings/types.h"

namespace nb = nanobind;

namespace ondol::python {
namespace {

/// A generator of its own, or (null) the default one.
struct GeneratorObject {
  std::shared_ptr<Generator> own;
  Generator& get() const { return own ? *own : default_generator(); }
};

nb::object state_of(const Generator& generator) {
  Tensor state = empty({static_cast<int64_t>(Generator::kStateBytes)}, Dtype::U8);
  generator.get_state(state.data<uint8_t>());
  return nb::steal(wrap(state));
}

void restore_state(Generator& generator, nb::handle object) {
  if (!is_tensor(object.ptr()))
    type_error("set_state expects a torch.ByteTensor, not ", Py_TYPE(object.ptr())->tp_name);
  Tensor state = unwrap(object.ptr());
  if (state.dtype() != Dtype::U8 || !state.is_contiguous())
    type_error("expected a contiguous torch.ByteTensor, but got ", name(state.dtype()));
  generator.set_state(state.data<uint8_t>(), static_cast<size_t>(state.numel()));
}

uint64_t seed_from(nb::handle number) {
  // Negative seeds count from the top of the 64-bit range, as in PyTorch.
  Object integer = checked(PyNumber_Index(number.ptr()));
  int overflow = 0;
  int64_t value = PyLong_AsLongLongAndOverflow(integer.get(), &overflow);
  if (!overflow) return static_cast<uint64_t>(value);
  uint64_t large = PyLong_AsUnsignedLongLong(integer.get());
  if (PyErr_Occurred()) {
    PyErr_Clear();
    value_error("Overflow when unpacking long: the seed must lie in [-2**63, 2**64)");
  }
  return large;
}

}  // namespace

Generator* to_generator(PyObject* object) {
  if (!nb::isinstance<GeneratorObject>(nb::handle(object))) return nullptr;
  return &nb::inst_ptr<GeneratorObject>(object)->get();
}

void add_generator(PyObject* module) {
  auto m = nb::borrow<nb::module_>(module);
  nb::class_<GeneratorObject>(m, "Generator")
      .def(
          "__init__",
          [](GeneratorObject* self, nb::handle device) {
            if (!device.is_none()) check_device(to_device(device.ptr()));
            new (self) GeneratorObject{std::make_shared<Generator>()};
          },
          nb::arg("device") = nb::none())
      .def(
          "manual_seed",
          [](nb::handle self, nb::handle seed) {
            nb::inst_ptr<GeneratorObject>(self)->get().set_seed(seed_from(seed));
            return nb::borrow(self);
          },
          nb::arg("seed"))
      .def("seed", [](GeneratorObject& self) { return self.get().seed_from_entropy(); })
      .def("initial_seed", [](GeneratorObject& self) { return self.get().initial_seed(); })
      .def("get_state", [](GeneratorObject& self) { return state_of(self.get()); })
      .def(
          "set_state",
          [](nb::handle self, nb::handle state) {
            restore_state(nb::inst_ptr<GeneratorObject>(self)->get(), state);
            return nb::borrow(self);
          },
          nb::arg("new_state"))
      .def("clone_state",
           [](GeneratorObject& self) {
             GeneratorObject copy{std::make_shared<Generator>()};
             char state[Generator::kStateBytes];
             self.get().get_state(state);
             copy.own->set_state(state, sizeof state);
             return copy;
           })
      .def("__reduce__",
           [](nb::handle self) {
             nb::object rebuild = nb::module_::import_("ondol.random").attr("_rebuild_generator");
             return nb::make_tuple(rebuild, nb::make_tuple(self.attr("get_state")()));
           })
      .def_prop_ro("device", [](GeneratorObject&) { return nb::steal(cpu_device().release()); });
  m.attr("default_generator") = nb::cast(GeneratorObject{nullptr});
}

}  // namespace ondol::python
