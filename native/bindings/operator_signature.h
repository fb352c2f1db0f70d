#pragma once

#include <string>

#include "ops/registry.h"

namespace ondol::python {

/// What inspect.signature reads (`__text_signature__`): one signature for all overloads, `(input, dim=None,
/// keepdim=False)`. Takes the overload with the most parameters; what another overload does without may be left out.
std::string text_signature(const Operation& operation, bool in_place);

/// The text of help(): each overload as Python writes it, and the forms that the operation has.
std::string documentation(const Operation& operation, bool in_place);

}  // namespace ondol::python
