#pragma once

#include "kernels/cpu/level.h"
#include "kernels/cpu/recurrent.h"

namespace ondol::kernel::ONDOL_LEVEL {

// What RecurrentKernels holds.
template <class T>
void recurrent_forward(const RecurrentForward<T>& a);
template <class T>
void recurrent_backward(const RecurrentBackward<T>& a);

}  // namespace ondol::kernel::ONDOL_LEVEL
