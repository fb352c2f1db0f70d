#pragma once

#include "base/random.h"
#include "bindings/python.h"

namespace ondol::python {

/// The generator in a torch.Generator object; null if it is not one.
Generator* to_generator(PyObject* object);

}  // namespace ondol::python
