#include "base/box_muller.h"

#include <bit>
#include <cmath>
#include <numbers>

#include "base/vectorize.h"

namespace ondol::random {
namespace {

// Logarithm, sine and cosine without branches, for loops that vectorise. Within about two units in the last place over
// the arguments that occur here.

/// log x for normal x > 0. With x = 2^e m, m in [1/sqrt 2, sqrt 2): e log 2 + 2 artanh s, s = (m - 1) / (m + 1), |s| <
/// 0.172.
[[gnu::always_inline]] inline float logarithm(float x) {
  const int32_t bits = std::bit_cast<int32_t>(x);
  const int32_t exponent = (bits - 0x3f3504f3) >> 23;  // 0x3f3504f3: 1 / sqrt 2
  const float m = std::bit_cast<float>(bits - (exponent << 23));
  const float s = (m - 1) / (m + 1), s2 = s * s;
  const float tail = s2 * (1 / 3.f + s2 * (1 / 5.f + s2 * (1 / 7.f + s2 * (1 / 9.f))));
  return static_cast<float>(exponent) * std::numbers::ln2_v<float> + 2 * (s + s * tail);
}

struct SineCosine {
  float sine, cosine;
};
/// Of x in [0, 2 pi]: subtracts the nearest quarter turn (in two parts, Cody & Waite 1980), then Taylor series up to pi
/// / 4.
[[gnu::always_inline]] inline SineCosine sine_cosine(float x) {
  const int32_t quarter = static_cast<int32_t>(x * static_cast<float>(2 / std::numbers::pi) + 0.5f);
  constexpr float high = 1.5703125f;  // eight bits of pi / 2: multiples are exact
  constexpr float middle = static_cast<float>(static_cast<int>((std::numbers::pi / 2 - high) * 0x1p22)) * 0x1p-22f;
  constexpr float low = static_cast<float>(std::numbers::pi / 2 - high - middle);
  const float turns = static_cast<float>(quarter);
  const float r = ((x - turns * high) - turns * middle) - turns * low, r2 = r * r;
  const float sine = r + r * r2 * (-1 / 6.f + r2 * (1 / 120.f + r2 * (-1 / 5040.f + r2 * (1 / 362880.f))));
  const float cosine =
      1 + r2 * (-0.5f + r2 * (1 / 24.f + r2 * (-1 / 720.f + r2 * (1 / 40320.f - r2 * (1 / 3628800.f)))));
  // A quarter turn makes sine the cosine, and cosine minus the sine.
  const uint32_t odd = -static_cast<uint32_t>(quarter & 1);
  const uint32_t s = std::bit_cast<uint32_t>(sine), c = std::bit_cast<uint32_t>(cosine);
  const uint32_t sine_sign = static_cast<uint32_t>(quarter & 2) << 30;
  const uint32_t cosine_sign = static_cast<uint32_t>((quarter + 1) & 2) << 30;
  return {std::bit_cast<float>(((s & ~odd) | (c & odd)) ^ sine_sign),
          std::bit_cast<float>(((c & ~odd) | (s & odd)) ^ cosine_sign)};
}

[[gnu::always_inline]] inline void transform(float* data, int64_t blocks, float mean, float std) {
  for (int64_t block = 0; block < blocks; ++block, data += 16) {
    for (int j = 0; j < 8; ++j) {
      const float radius = __builtin_sqrtf(-2 * logarithm(1 - data[j]));  // 1 - u is in (0, 1]
      // The angle is rounded to a float as PyTorch rounds it: its sine and cosine tell.
      const auto [sine, cosine] = sine_cosine(static_cast<float>(2 * std::numbers::pi) * data[j + 8]);
      data[j] = radius * cosine * std + mean;
      data[j + 8] = radius * sine * std + mean;
    }
  }
}

ONDOL_VECTORIZE void transform_plain(float* data, int64_t blocks, float mean, float std) {
  transform(data, blocks, mean, std);
}
ONDOL_VECTORIZE ONDOL_WIDE void transform_wide(float* data, int64_t blocks, float mean, float std) {
  transform(data, blocks, mean, std);
}

}  // namespace

void box_muller(float* data, int64_t blocks, float mean, float std) {
  wide_vectors() ? transform_wide(data, blocks, mean, std) : transform_plain(data, blocks, mean, std);
}

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
