#include "base/box_muller.h"

#include <cmath>
#include <numbers>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ondol::random {
namespace {

// Logarithm, sine and cosine of four floats at once, which every processor with 16-byte vectors has. Within about two
// units in the last place over the arguments that occur here.

typedef float Floats __attribute__((vector_size(16)));
typedef float UnalignedFloats __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t Integers __attribute__((vector_size(16)));
constexpr int kLanes = 4;

Floats to_floats(Integers x) { return __builtin_convertvector(x, Floats); }

Floats square_root(Floats x) {
#if defined(__x86_64__)
  return _mm_sqrt_ps(x);
#else
  for (int i = 0; i < kLanes; ++i) x[i] = std::sqrt(x[i]);
  return x;
#endif
}

/// log x for normal x > 0. With x = 2^e m, m in [1/sqrt 2, sqrt 2): e log 2 + 2 artanh s, s = (m - 1) / (m + 1), |s| <
/// 0.172.
Floats logarithm(Floats x) {
  const Integers bits = reinterpret_cast<Integers>(x);
  const Integers exponent = (bits - 0x3f3504f3) >> 23;  // 0x3f3504f3: 1 / sqrt 2
  const Floats m = reinterpret_cast<Floats>(bits - (exponent << 23));
  const Floats s = (m - 1) / (m + 1), s2 = s * s;
  const Floats tail = s2 * (1 / 3.f + s2 * (1 / 5.f + s2 * (1 / 7.f + s2 * (1 / 9.f))));
  return to_floats(exponent) * std::numbers::ln2_v<float> + 2 * (s + s * tail);
}

struct SineCosine {
  Floats sine, cosine;
};
/// Of x in [0, 2 pi]: subtracts the nearest quarter turn in three parts (Cody & Waite 1980), then Taylor series up to
/// pi / 4.
SineCosine sine_cosine(Floats x) {
  constexpr double quarter_turn = std::numbers::pi / 2;
  constexpr float high = 1.5703125f;  // eight bits: multiples are exact
  constexpr float middle = static_cast<float>(static_cast<int>((quarter_turn - high) * 0x1p22)) * 0x1p-22f;
  constexpr float low = static_cast<float>(quarter_turn - high - middle);
  const Integers quarter = __builtin_convertvector(x * static_cast<float>(1 / quarter_turn) + 0.5f, Integers);
  const Floats turns = to_floats(quarter);
  const Floats r = ((x - turns * high) - turns * middle) - turns * low, r2 = r * r;
  const Floats sine = r + r * r2 * (-1 / 6.f + r2 * (1 / 120.f + r2 * (-1 / 5040.f + r2 * (1 / 362880.f))));
  const Floats cosine =
      1 + r2 * (-0.5f + r2 * (1 / 24.f + r2 * (-1 / 720.f + r2 * (1 / 40320.f - r2 * (1 / 3628800.f)))));
  // A quarter turn makes the cosine a sine, and the sine minus the cosine.
  const Integers odd = -(quarter & 1);
  const Integers s = reinterpret_cast<Integers>(sine), c = reinterpret_cast<Integers>(cosine);
  const Integers sine_sign = (quarter & 2) << 30, cosine_sign = ((quarter + 1) & 2) << 30;
  return {reinterpret_cast<Floats>(((s & ~odd) | (c & odd)) ^ sine_sign),
          reinterpret_cast<Floats>(((c & ~odd) | (s & odd)) ^ cosine_sign)};
}

}  // namespace

void box_muller(float* data, int64_t blocks, float mean, float std) {
  for (int64_t block = 0; block < blocks; ++block, data += 16) {
    for (int j = 0; j < 8; j += kLanes) {
      UnalignedFloats& first = *reinterpret_cast<UnalignedFloats*>(data + j);
      UnalignedFloats& second = *reinterpret_cast<UnalignedFloats*>(data + 8 + j);
      const Floats radius = square_root(-2 * logarithm(1 - first));  // 1 - u is in (0, 1]
      // The angle is rounded to a float as PyTorch rounds it: its sine and cosine tell.
      const auto [sine, cosine] = sine_cosine(static_cast<float>(2 * std::numbers::pi) * second);
      first = radius * cosine * std + mean;
      second = radius * sine * std + mean;
    }
  }
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
