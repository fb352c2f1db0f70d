#include "base/box_muller.h"

#include <bit>
#include <cmath>
#include <numbers>

#include "base/processor.h"

namespace ondol::random {
namespace {

// PyTorch's vector code evaluates the single-precision functions of the Cephes library (Moshier 1989: logf.c, sinf.c)
// in the form of Pommier's sse_mathfun (2007), with fused multiply-adds. So does this, without branches, so that loops
// over it become vector code.

#define ALWAYS_INLINE inline __attribute__((always_inline))

ALWAYS_INLINE float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
template <class... Rest>
ALWAYS_INLINE float polynomial(float x, float value, Rest... coefficients) {
  ((value = fused(value, x, coefficients)), ...);
  return value;
}

/// Of normal x > 0. With x = 2^e m, m in [1/sqrt 2, sqrt 2): e log 2 + log m, log 2 in two parts.
ALWAYS_INLINE float logarithm(float x) {
  const auto bits = std::bit_cast<int32_t>(x);
  float e = static_cast<float>((bits >> 23) - 126);
  float m = std::bit_cast<float>((bits & 0x007fffff) | 0x3f000000);
  const bool small = m < 0.707106781186547524f;
  e -= small ? 1.f : 0.f;
  m = (m - 1) + (small ? m : 0.f);
  const float square = m * m;
  const float cubic =
      polynomial(m, 7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f,
                 -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f) *
      m;
  const float tail = fused(-0.5f, square, fused(cubic, square, e * -2.12194440e-4f));
  return fused(e, 0.693359375f, m + tail);
}

struct SineCosine {
  float sine, cosine;
};
/// Of x in [0, 2 pi]: subtracts the nearest even number of eighth turns in three parts (Cody & Waite 1980), and looks
/// at the octant for the signs and for which is which.
ALWAYS_INLINE SineCosine sine_cosine(float x) {
  const int32_t octant = (static_cast<int32_t>(x * 1.27323954473516f) + 1) & ~1;
  const auto turns = static_cast<float>(octant);
  x = fused(turns, -3.77489497744594108e-8f, fused(turns, -2.4187564849853515625e-4f, fused(turns, -0.78515625f, x)));
  const float square = x * x;
  const float quartic =
      polynomial(square, 2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f) * square;
  const float even = fused(quartic, square, square * -0.5f) + 1;
  const float cubic = polynomial(square, -1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f) * square;
  const float odd = fused(cubic, x, x);
  const bool plain = (octant & 2) == 0;
  const int32_t sine_sign = (octant & 4) << 29, cosine_sign = (~(octant - 2) & 4) << 29;
  return {std::bit_cast<float>(std::bit_cast<int32_t>(plain ? odd : even) ^ sine_sign),
          std::bit_cast<float>(std::bit_cast<int32_t>(plain ? even : odd) ^ cosine_sign)};
}

ALWAYS_INLINE void transform(float* data, int64_t blocks, float mean, float std) {
  for (int64_t block = 0; block < blocks; ++block, data += 16) {
    float first[8], second[8];
    for (int j = 0; j < 8; ++j) {
      const float radius = __builtin_sqrtf(-2 * logarithm(1 - data[j]));  // 1 - u is in (0, 1]
      // The angle is rounded to a float as PyTorch rounds it: its sine and cosine tell.
      const auto [sine, cosine] = sine_cosine(static_cast<float>(2 * std::numbers::pi) * data[8 + j]);
      first[j] = fused(radius * cosine, std, mean);
      second[j] = fused(radius * sine, std, mean);
    }
    for (int j = 0; j < 8; ++j) data[j] = first[j], data[8 + j] = second[j];
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void transform_v3(float* data, int64_t blocks, float mean, float std) {
  transform(data, blocks, mean, std);
}
#endif

}  // namespace

void box_muller(float* data, int64_t blocks, float mean, float std) {
#if defined(__x86_64__)
  if (processor().v3) return transform_v3(data, blocks, mean, std);
#endif
  transform(data, blocks, mean, std);
}

/// PyTorch has no vector code for doubles: the C library's functions.
void box_muller(double* data, int64_t blocks, double mean, double std) {
  for (int64_t block = 0; block < blocks; ++block, data += 16) {
    for (int j = 0; j < 8; ++j) {
      const double radius = std::sqrt(-2 * std::log(1 - data[j]));
      const double angle = 2 * std::numbers::pi * data[j + 8];
      data[j] = std::fma(radius * std::cos(angle), std, mean);
      data[j + 8] = std::fma(radius * std::sin(angle), std, mean);
    }
  }
}

}  // namespace ondol::random
