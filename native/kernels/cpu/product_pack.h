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

/// Swaps the off-diagonal blocks of size `half` in every square of 2 half: with all halves from lanes / 2 down to 1, a
/// square of vectors is transposed (Eklundh 1972).
template <int half, class V, size_t... lane>
inline void swap_blocks(V* rows, std::index_sequence<lane...>) {
  constexpr size_t width = lane_count<V>;
#pragma GCC unroll 16
  for (size_t i = 0; i < width; i++) {
    if (i & half) continue;
    const V upper = rows[i], lower = rows[i + half];
    rows[i] = blend_lanes(upper, lower, std::index_sequence<(lane & half ? lane - half + width : lane)...>{});
    rows[i + half] = blend_lanes(upper, lower, std::index_sequence<(lane & half ? lane + width : lane + half)...>{});
  }
}
template <int half, class V>
inline void transpose_square(V* rows) {
  if constexpr (half > 0) {
    swap_blocks<half>(rows, std::make_index_sequence<lane_count<V>>{});
    transpose_square<half / 2>(rows);
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
    transpose_square<L / 2>(square);
#pragma GCC unroll 16
    for (int j = 0; j < L; j++) store(to + (k + j) * width, square[j]);
  }
  if (k == depth) return;
  V square[L];
#pragma GCC unroll 16
  for (int j = 0; j < L; j++) square[j] = j < columns ? load_part(from + j * apart + k, int(depth - k), T(0)) : V{};
  transpose_square<L / 2>(square);
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
