#pragma once

#include "kernels/cpu/level.h"
#include "kernels/cpu/softmax.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// The part of the softmax family that stands in softmax_cross_entropy.cpp.
void fill_cross_entropy(SoftmaxKernels& k);

}  // namespace ondol::kernel::ONDOL_LEVEL
