#pragma once

#include "kernels/cpu/level.h"

namespace ondol::kernel::ONDOL_LEVEL {

// Of sizes, which are not negative.
constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t smaller_of(int64_t a, int64_t b) { return a < b ? a : b; }

}  // namespace ondol::kernel::ONDOL_LEVEL
