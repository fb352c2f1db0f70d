#pragma once

#include <string_view>

#include "ops/functions.h"

namespace ondol {

/// What becomes of the losses of the elements.
enum class Reduction { None, Mean, Sum };

/// The word that programs give; ValueError if it is none of the three.
Reduction parse_reduction(std::string_view word);

}  // namespace ondol
