#pragma once

// Conversions between float and the two 16-bit formats: to nearest, ties to even; a NaN stays a NaN.
//
// The scalar functions are forced inline, because kernels compiled for AVX-512 include this header too and the linker
// must never choose such a copy for everyone. They have no branches that differ between elements, so loops over them
// vectorise.

#include <bit>
#include <cstdint>

#include "base/dtype.h"

namespace ondol {

[[gnu::always_inline]] constexpr float to_float(BFloat16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16);
}

[[gnu::always_inline]] constexpr BFloat16 to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
  return {static_cast<uint16_t>(is_nan ? 0x7fc0 : rounded)};
}

[[gnu::always_inline]] constexpr float to_float(Half value) {
  const uint32_t sign = static_cast<uint32_t>(value.bits & 0x8000) << 16;
  const uint32_t magnitude = value.bits & 0x7fff;
  const uint32_t normal = (magnitude << 13) + ((127 - 15) << 23);
  const uint32_t special = (magnitude << 13) | 0x7f800000;  // infinity or NaN
  // A subnormal m stands for m * 2^-24, and 2^-24 is the distance of the floats from 0.5 on.
  const uint32_t subnormal = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude | 0x3f000000) - 0.5f);
  return std::bit_cast<float>(sign | (magnitude >= 0x7c00 ? special : magnitude < 0x0400 ? subnormal : normal));
}

[[gnu::always_inline]] constexpr Half to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  const uint32_t normal = (magnitude - ((127 - 15) << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  // The addition rounds to a multiple of 2^-24, the smallest subnormal (see to_float).
  const float clipped = magnitude < 0x38800000 ? std::bit_cast<float>(magnitude) : 0.0f;
  const uint32_t subnormal = std::bit_cast<uint32_t>(clipped + 0.5f) - 0x3f000000;
  const uint32_t special = magnitude > 0x7f800000 ? 0x7e00 : 0x7c00;
  const uint32_t result = magnitude >= 0x477ff000 ? special : magnitude < 0x38800000 ? subnormal : normal;
  return {static_cast<uint16_t>(sign | result)};
}

/// Convert n contiguous elements, with the processor's own instructions where it has them. One thread: callers split
/// the work.
void convert(const Half* from, float* to, int64_t n);
void convert(const BFloat16* from, float* to, int64_t n);
void convert(const float* from, Half* to, int64_t n);
void convert(const float* from, BFloat16* to, int64_t n);

}  // namespace ondol
