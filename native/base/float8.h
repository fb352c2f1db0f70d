#pragma once

// Conversions between float and the two 8-bit formats: to nearest, ties to even; a NaN stays a NaN. Forced inline for
// the reason given in half.h.

#include "base/half.h"

namespace ondol {

/// The bits of |value| in a format with so many bits of mantissa and such a bias; beyond its range, any larger number.
template <int mantissa, int bias>
[[gnu::always_inline]] constexpr uint32_t to_small_float(uint32_t magnitude) {
  constexpr uint32_t smallest_normal = static_cast<uint32_t>(127 + 1 - bias) << 23;
  if (magnitude < smallest_normal) {  // the addition rounds to a multiple of the smallest subnormal
    constexpr uint32_t shift = static_cast<uint32_t>(127 + 1 - bias - mantissa + 23) << 23;
    return std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + std::bit_cast<float>(shift)) - shift;
  }
  constexpr int lost = 23 - mantissa;
  const uint32_t rounded = magnitude + (1u << (lost - 1)) - 1 + ((magnitude >> lost) & 1);
  return (rounded >> lost) - (static_cast<uint32_t>(127 - bias) << mantissa);
}

[[gnu::always_inline]] constexpr float to_float(Float8E5M2 value) {  // the upper half of a Half
  return to_float(Half{static_cast<uint16_t>(value.bits << 8)});
}
[[gnu::always_inline]] constexpr Float8E5M2 to_float8_e5m2(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), magnitude = bits & 0x7fffffff;
  const uint32_t small = to_small_float<2, 15>(magnitude);
  const uint32_t result = magnitude > 0x7f800000 ? 0x7f : small > 0x7c ? 0x7c : small;
  return {static_cast<uint8_t>(result | ((bits >> 24) & 0x80))};
}

[[gnu::always_inline]] constexpr float to_float(Float8E4M3 value) {
  const uint32_t sign = static_cast<uint32_t>(value.bits & 0x80) << 24, magnitude = value.bits & 0x7f;
  const uint32_t normal = (magnitude << 20) + ((127 - 7) << 23);
  const uint32_t subnormal = std::bit_cast<uint32_t>(static_cast<float>(magnitude) * 0x1p-9f);
  return std::bit_cast<float>(sign | (magnitude == 0x7f ? 0x7fc00000 : magnitude < 8 ? subnormal : normal));
}
/// There is no infinity: what is too large becomes the largest number, as in PyTorch.
[[gnu::always_inline]] constexpr Float8E4M3 to_float8_e4m3(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), magnitude = bits & 0x7fffffff;
  const uint32_t small = to_small_float<3, 7>(magnitude);
  const uint32_t result = magnitude > 0x7f800000 ? 0x7f : small > 0x7e ? 0x7e : small;
  return {static_cast<uint8_t>(result | ((bits >> 24) & 0x80))};
}

}  // namespace ondol
