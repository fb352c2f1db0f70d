#pragma once

// Lanes of vectors in another order, and squares of vectors transposed.

#include "kernels/cpu/math_instructions.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// Lane i of the result is lane order[i] of a and b laid end to end.
template <class V, size_t... order>
inline V blend_lanes(V a, V b, std::index_sequence<order...>) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, order...);
#else
  return __builtin_shuffle(a, b, Mask<V>{order...});
#endif
}

/// Of each 128 bits of a and b, the low (or high) halves: `unit` elements of a, `unit` of b, and so on.
template <int unit, bool high, class V, size_t... lane>
inline V interleave_halves(V a, V b, std::index_sequence<lane...>) {
  constexpr size_t width = lane_count<V>, group = 16 * width / sizeof(V);
  return blend_lanes(
      a, b,
      std::index_sequence<(lane / group * group + (high ? group / 2 : 0) + lane % group / (2 * unit) * unit +
                           lane % unit + (lane / unit % 2 ? width : 0))...>{});
}
/// Blocks of 128 bits: of a those with the numbers first, first + step, ..., for half a vector, then of b the same.
template <int first, int step, class V, size_t... lane>
inline V pick_blocks(V a, V b, std::index_sequence<lane...>) {
  constexpr size_t width = lane_count<V>, group = 16 * width / sizeof(V);
  return blend_lanes(a, b,
                     std::index_sequence<((first + lane % (width / 2) / group * step) * group + lane % group +
                                          (lane >= width / 2 ? width : 0))...>{});
}

/// Transposes a square of vectors: first the small squares of 128 bits, then these as elements, so that each step is
/// one instruction with the order in itself.
template <class V>
inline void transpose_square(V* rows) {
  constexpr int width = lane_count<V>, group = 16 * width / sizeof(V), blocks = width / group;
  constexpr auto each = std::make_index_sequence<width>{};
#pragma GCC unroll 16
  for (int i = 0; i < width; i += group) {
    if constexpr (group == 2) {
      const V a = rows[i], b = rows[i + 1];
      rows[i] = interleave_halves<1, false>(a, b, each), rows[i + 1] = interleave_halves<1, true>(a, b, each);
    } else {
      static_assert(group == 4);
      const V low_pair = interleave_halves<1, false>(rows[i], rows[i + 1], each);
      const V high_pair = interleave_halves<1, true>(rows[i], rows[i + 1], each);
      const V next_low = interleave_halves<1, false>(rows[i + 2], rows[i + 3], each);
      const V next_high = interleave_halves<1, true>(rows[i + 2], rows[i + 3], each);
      rows[i] = interleave_halves<2, false>(low_pair, next_low, each);
      rows[i + 1] = interleave_halves<2, true>(low_pair, next_low, each);
      rows[i + 2] = interleave_halves<2, false>(high_pair, next_high, each);
      rows[i + 3] = interleave_halves<2, true>(high_pair, next_high, each);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < group; i++) {
    if constexpr (blocks == 2) {
      const V a = rows[i], b = rows[i + group];
      rows[i] = pick_blocks<0, 1>(a, b, each), rows[i + group] = pick_blocks<1, 1>(a, b, each);
    } else if constexpr (blocks == 4) {
      const V a = rows[i], b = rows[i + group], c = rows[i + 2 * group], d = rows[i + 3 * group];
      const V low = pick_blocks<0, 1>(a, b, each), high = pick_blocks<2, 1>(a, b, each);
      const V next_low = pick_blocks<0, 1>(c, d, each), next_high = pick_blocks<2, 1>(c, d, each);
      rows[i] = pick_blocks<0, 2>(low, next_low, each), rows[i + group] = pick_blocks<1, 2>(low, next_low, each);
      rows[i + 2 * group] = pick_blocks<0, 2>(high, next_high, each);
      rows[i + 3 * group] = pick_blocks<1, 2>(high, next_high, each);
    }
  }
}

}  // namespace ondol::kernel::ONDOL_LEVEL
