#pragma once

// Autocast: operations that convert their floating-point arguments first. Which ones do, and to what, stands in
// ondol/_autocast.py; what is on or off, and the converted weights, belong to each thread.

#include "base/thread_local.h"
#include "bindings/python.h"
#include "ops/registry.h"

namespace ondol::python {

/// To which dtype an operation converts its arguments while autocast is on.
enum class AutocastPolicy : uint8_t {
  None,            // to none
  LowerPrecision,  // to that of the context
  Float32,
  Widest,  // to float32 if one of the tensors has it, else to that of the context
  State,   // to that of the parameter hx, which a recurrent layer's results have
};

struct Autocast {
  ONDOL_THREAD_LOCAL bool enabled = false;
  ONDOL_THREAD_LOCAL bool keeps_weights = true;
  ONDOL_THREAD_LOCAL Dtype dtype = Dtype::BF16;
  ONDOL_THREAD_LOCAL int nesting = 0;
};

/// Converts the tensors among the arguments of a call. float64, complex and integer tensors stay as they are.
void autocast_arguments(AutocastPolicy policy, const Schema& schema, Value* values);

}  // namespace ondol::python
