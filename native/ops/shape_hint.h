#pragma once

#include <string>

#include "tensor/dims.h"

namespace ondol {

/// For an error about a dimension `axis` that should have `wanted` elements: where these may be instead, as a line of
/// its own; empty if no other dimension (but that of the batch) has so many.
std::string moved_hint(const Dims& sizes, int64_t axis, int64_t wanted);

/// For an error about a last dimension that should have `wanted` elements: from where on flattening gives them.
std::string flattened_hint(const Dims& sizes, int64_t wanted);

}  // namespace ondol
