#pragma once

#include <string>

#include "bindings/python.h"

namespace ondol::python {

/// torch.device: ondol computes on "cpu"; other names are known so that they can be refused by name.
struct Device {
  std::string type;
  int index = -1;
  friend bool operator==(const Device&, const Device&) = default;
};

bool is_device(PyObject* object);
/// From a device, or a string such as "cpu" or "cuda:1"; throws on an unknown name.
Device to_device(PyObject* object);
/// Throws, saying what is missing, unless the device is the processor.
void check_device(const Device& device);
Object cpu_device();

bool is_layout(PyObject* object);
bool is_memory_format(PyObject* object);
MemoryFormat to_memory_format(PyObject* object);
Object from_memory_format(MemoryFormat format);
Object strided_layout();

}  // namespace ondol::python
