// dtype, device, layout, memory_format: small objects with one instance a value, shown under torch's names.

#include "bindings/types.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <array>

#include "bindings/module.h"

namespace nb = nanobind;

namespace ondol::python {
namespace {

struct DtypeObject {
  Dtype dtype;
};
struct Layout {
  std::string name;
};
struct MemoryFormatObject {
  MemoryFormat format;
  std::string name;
};

// Living as long as the process: operations hand them out without asking.
std::array<PyObject*, kDtypeCount> dtype_objects;
std::array<PyObject*, 4> format_objects;
PyObject* strided_object = nullptr;
PyObject* cpu_object = nullptr;
PyTypeObject* dtype_object_type = nullptr;

const char* const kKnownDevices[] = {"cpu",    "cuda", "meta", "mps", "xpu",    "xla",
                                     "mkldnn", "hpu",  "mtia", "ipu", "vulkan", "privateuseone"};

Device parse_device(const std::string& text) {
  Device device;
  size_t colon = text.find(':');
  device.type = text.substr(0, colon);
  bool known = std::find(std::begin(kKnownDevices), std::end(kKnownDevices), device.type) != std::end(kKnownDevices);
  if (!known) runtime_error("Expected one of cpu, cuda, mps, meta, ... device type at start of device string: ", text);
  if (colon != std::string::npos) {
    std::string index = text.substr(colon + 1);
    bool digits = !index.empty() && index.size() < 6 && std::all_of(index.begin(), index.end(), ::isdigit);
    if (!digits) runtime_error("Invalid device string: '", text, "'");
    device.index = std::stoi(index);
  }
  return device;
}

std::string shown(const Device& device) {
  return device.index < 0 ? device.type : text(device.type, ':', device.index);
}

/// What dtype.to_complex() says: unlike in arithmetic, half precision stays half.
Dtype complex_of(Dtype dtype) {
  if (is_float8(dtype)) runtime_error("Unknown Complex ScalarType for ", torch_name(dtype));
  return dtype == Dtype::F16 || dtype == Dtype::C32 ? Dtype::C32 : to_complex(dtype);
}

void add_dtypes(nb::module_& m) {
  auto type = nb::class_<DtypeObject>(m, "dtype", nb::is_final());
  type.def_prop_ro("is_floating_point", [](const DtypeObject& d) { return is_floating(d.dtype); })
      .def_prop_ro("is_complex", [](const DtypeObject& d) { return is_complex(d.dtype); })
      .def_prop_ro("is_signed", [](const DtypeObject& d) { return !is_unsigned(d.dtype) && d.dtype != Dtype::Bool; })
      .def_prop_ro("itemsize", [](const DtypeObject& d) { return item_size(d.dtype); })
      .def("to_real", [](const DtypeObject& d) { return nb::steal(from_dtype(to_real(d.dtype)).release()); })
      .def("to_complex", [](const DtypeObject& d) { return nb::steal(from_dtype(complex_of(d.dtype)).release()); })
      .def("__repr__", [](const DtypeObject& d) { return text("torch.", name(d.dtype)); })
      .def("__reduce__", [](const DtypeObject& d) { return std::string(name(d.dtype)); })
      .def("__hash__", [](const DtypeObject& d) { return static_cast<int>(d.dtype) + 1; })
      .def("__deepcopy__", [](nb::handle self, nb::handle) { return nb::borrow(self); })
      .def("__copy__", [](nb::handle self) { return nb::borrow(self); });
  dtype_object_type = reinterpret_cast<PyTypeObject*>(type.ptr());
  for (int i = 0; i < kDtypeCount; ++i) {
    nb::object object = nb::cast(DtypeObject{static_cast<Dtype>(i)});
    m.attr(name(static_cast<Dtype>(i))) = object;
    dtype_objects[i] = object.release().ptr();
  }
  constexpr std::pair<const char*, Dtype> aliases[] = {
      {"float", Dtype::F32},  {"double", Dtype::F64},   {"half", Dtype::F16},
      {"short", Dtype::I16},  {"int", Dtype::I32},      {"long", Dtype::I64},
      {"cfloat", Dtype::C64}, {"cdouble", Dtype::C128}, {"chalf", Dtype::C32}};
  for (auto [alias, dtype] : aliases) m.attr(alias) = nb::borrow(dtype_objects[static_cast<int>(dtype)]);
}

void add_device(nb::module_& m) {
  nb::class_<Device>(m, "device")
      .def(
          "__init__",
          [](Device* self, nb::object type, std::optional<int> index) {
            Device device;
            if (nb::isinstance<Device>(type)) {
              device = nb::cast<Device>(type);
            } else if (nb::isinstance<nb::int_>(type)) {
              device = Device{"cuda", nb::cast<int>(type)};
            } else if (nb::isinstance<nb::str>(type)) {
              device = parse_device(nb::cast<std::string>(type));
            } else {
              type_error("device(): argument 'type' must be str, int or torch.device, not ",
                         Py_TYPE(type.ptr())->tp_name);
            }
            if (index) {
              if (device.index >= 0)
                runtime_error("type (string) must not include an index because index was passed explicitly: ",
                              shown(device));
              if (*index < 0) runtime_error("Device index must not be negative");
              device.index = *index;
            }
            new (self) Device(std::move(device));
          },
          nb::arg("type"), nb::arg("index") = nb::none())
      .def_ro("type", &Device::type)
      .def_prop_ro("index", [](const Device& d) { return d.index < 0 ? nb::none() : nb::object(nb::int_(d.index)); })
      .def("__repr__",
           [](const Device& d) {
             return d.index < 0 ? text("device(type='", d.type, "')")
                                : text("device(type='", d.type, "', index=", d.index, ")");
           })
      .def("__str__", shown)
      .def("__eq__",
           [](const Device& a, nb::handle b) { return nb::isinstance<Device>(b) && a == nb::cast<Device>(b); })
      .def("__ne__",
           [](const Device& a, nb::handle b) { return !(nb::isinstance<Device>(b) && a == nb::cast<Device>(b)); })
      .def("__hash__",
           [](const Device& d) { return std::hash<std::string>{}(d.type) ^ static_cast<size_t>(d.index + 1); })
      .def("__reduce__",
           [](const Device& d) {
             nb::object type = nb::module_::import_("ondol").attr("device");
             return d.index < 0 ? nb::make_tuple(type, nb::make_tuple(d.type))
                                : nb::make_tuple(type, nb::make_tuple(d.type, d.index));
           })
      .def("__deepcopy__", [](const Device& d, nb::handle) { return d; })
      .def("__enter__", [](nb::handle self) { return nb::borrow(self); })
      .def("__exit__", [](nb::handle, nb::args) {});
  cpu_object = nb::cast(Device{"cpu", -1}).release().ptr();
}

void add_formats(nb::module_& m) {
  nb::class_<Layout>(m, "layout")
      .def("__repr__", [](const Layout& l) { return "torch." + l.name; })
      .def("__reduce__", [](const Layout& l) { return l.name; });
  for (const char* layout : {"strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged"})
    m.attr(layout) = nb::cast(Layout{layout});
  strided_object = nb::object(m.attr("strided")).release().ptr();

  nb::class_<MemoryFormatObject>(m, "memory_format")
      .def("__repr__", [](const MemoryFormatObject& f) { return "torch." + f.name; })
      .def("__reduce__", [](const MemoryFormatObject& f) { return f.name; });
  constexpr std::pair<const char*, MemoryFormat> formats[] = {{"contiguous_format", MemoryFormat::Contiguous},
                                                              {"preserve_format", MemoryFormat::Preserve},
                                                              {"channels_last", MemoryFormat::ChannelsLast},
                                                              {"channels_last_3d", MemoryFormat::ChannelsLast3d}};
  for (auto [name, format] : formats) {
    nb::object object = nb::cast(MemoryFormatObject{format, name});
    m.attr(name) = object;
    format_objects[static_cast<int>(format)] = object.release().ptr();
  }
}

}  // namespace

Object from_dtype(Dtype dtype) { return Object::share(dtype_objects[static_cast<int>(dtype)]); }

bool is_dtype(PyObject* object) {
  if (Py_TYPE(object) == dtype_object_type) return true;
  return object == reinterpret_cast<PyObject*>(&PyFloat_Type) || object == reinterpret_cast<PyObject*>(&PyLong_Type) ||
         object == reinterpret_cast<PyObject*>(&PyBool_Type) || object == reinterpret_cast<PyObject*>(&PyComplex_Type);
}

Dtype to_dtype(PyObject* object) {
  if (Py_TYPE(object) == dtype_object_type) return nb::inst_ptr<DtypeObject>(object)->dtype;
  if (object == reinterpret_cast<PyObject*>(&PyFloat_Type)) return Dtype::F64;
  if (object == reinterpret_cast<PyObject*>(&PyLong_Type)) return Dtype::I64;
  if (object == reinterpret_cast<PyObject*>(&PyBool_Type)) return Dtype::Bool;
  if (object == reinterpret_cast<PyObject*>(&PyComplex_Type)) return Dtype::C128;
  type_error("dtype must be a torch.dtype, not ", Py_TYPE(object)->tp_name);
}

bool is_device(PyObject* object) { return nb::isinstance<Device>(nb::handle(object)) || PyUnicode_Check(object); }

Device to_device(PyObject* object) {
  if (PyUnicode_Check(object)) return parse_device(nb::cast<std::string>(nb::handle(object)));
  if (PyLong_Check(object)) return {"cuda", static_cast<int>(PyLong_AsLong(object))};
  return nb::cast<Device>(nb::handle(object));
}

void check_device(const Device& device) {
  if (device.type == "cpu") return;
  if (device.type == "cuda")
    raise(ErrorKind::Assertion,
          "Torch not compiled with CUDA enabled: ondol computes on the CPU and has no kernels for '", shown(device),
          "'; use device 'cpu', or ask torch.cuda.is_available() first");
  not_implemented("ondol computes on the CPU and has no kernels for device '", shown(device), "'; use device 'cpu'");
}

Object cpu_device() { return Object::share(cpu_object); }
bool is_layout(PyObject* object) { return nb::isinstance<Layout>(nb::handle(object)); }
bool is_memory_format(PyObject* object) { return nb::isinstance<MemoryFormatObject>(nb::handle(object)); }
MemoryFormat to_memory_format(PyObject* object) { return nb::inst_ptr<MemoryFormatObject>(object)->format; }
Object from_memory_format(MemoryFormat format) { return Object::share(format_objects[static_cast<int>(format)]); }
Object strided_layout() { return Object::share(strided_object); }

void add_types(PyObject* module) {
  auto m = nb::borrow<nb::module_>(module);
  add_dtypes(m);
  add_device(m);
  add_formats(m);
}

}  // namespace ondol::python
