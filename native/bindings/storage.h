#pragma once

#include "bindings/python.h"
#include "tensor/storage.h"

namespace ondol::python {

Object wrap_storage(const Ref<Storage>& storage);

}  // namespace ondol::python
