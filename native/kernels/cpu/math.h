#pragma once

// Mathematics on vectors, for V = Vec<float> or Vec<double>: at most about 2 units in the last place off, with C's
// results for infinities, NaN, signed zeros and denormal numbers.

#include "kernels/cpu/math_basic.h"
#include "kernels/cpu/math_exponential.h"
#include "kernels/cpu/math_special.h"
#include "kernels/cpu/math_trigonometry.h"
