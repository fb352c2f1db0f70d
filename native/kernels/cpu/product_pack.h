#pragma once

// Operands of a product rearranged so that the register tile reads them one behind the other.

#include "kernels/cpu/math_instructions.h"
#include "kernels/cpu/product.h"

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

/// to[k * width + j] = from[j * apart + k] for `columns` <= lanes<T> columns, the others 0.
template <class T>
inline void pack_columns(const T* from, int64_t apart, int64_t columns, int64_t depth, T* to, int64_t width) {
  constexpr int L = lanes<T>;
  using V = Vec<T>;
  int64_t k = 0;
  for (; k + L <= depth; k += L) {
    V square[L];
#pragma GCC unroll 16
    for (int j = 0; j < L; j++) square[j] = j < columns ? load(from + j * apart + k) : V{};
    transpose_square(square);
#pragma GCC unroll 16
    for (int j = 0; j < L; j++) store(to + (k + j) * width, square[j]);
  }
  if (k == depth) return;
  V square[L];
#pragma GCC unroll 16
  for (int j = 0; j < L; j++) square[j] = j < columns ? load_part(from + j * apart + k, int(depth - k), T(0)) : V{};
  transpose_square(square);
  for (int j = 0; k + j < depth; j++) store(to + (k + j) * width, square[j]);
}

/// Packs `columns` columns of b, filled up with zeros to whole vectors, as [depth, whole vectors].
inline void pack_sliver(MatrixView b, int64_t depth, int64_t columns, float* to) {
  constexpr int64_t L = lanes<float>;
  const int64_t width = (columns + L - 1) / L * L;
  if (b.column != 1) {
    for (int64_t j = 0; j < columns; j += L)
      pack_columns(b.data + j * b.column, b.column, columns - j < L ? columns - j : L, depth, to + j, width);
    return;
  }
  for (int64_t k = 0; k < depth; k++, to += width) {
    const float* row = b.data + k * b.row;
    int64_t j = 0;
    for (; j + L <= columns; j += L) store(to + j, load(row + j));
    if (j < columns) store(to + j, load_part(row + j, int(columns - j), 0.0f));
  }
}

/// Packs rows whose elements lie `apart` from column to column, `height` rows at a time as [depth, height]; the rows
/// that the last group lacks are left as they are. Some columns after others, each as it lies in memory.
template <int height>
inline void pack_rows(const float* from, int64_t apart, int64_t rows, int64_t depth, float* to) {
  constexpr int64_t together = 16;
  for (int64_t first = 0; first < depth; first += together) {
    const int64_t last = depth - first < together ? depth : first + together;
    for (int64_t r = 0; r < rows; r += height) {
      const int64_t count = rows - r < height ? rows - r : height;
      float* group = to + r * depth;
      if (count == height) {
        for (int64_t k = first; k < last; k++)
          __builtin_memcpy(group + k * height, from + r + k * apart, height * sizeof(float));
      } else {
        for (int64_t k = first; k < last; k++)
          for (int64_t i = 0; i < count; i++) group[k * height + i] = from[r + i + k * apart];
      }
    }
  }
}

}  // namespace ondol::kernel::ONDOL_LEVEL
