#pragma once

// Operands of a product rearranged so that the register tile reads them one behind the other.

#include "kernels/cpu/product.h"
#include "kernels/cpu/vector_order.h"

namespace ondol::kernel::ONDOL_LEVEL {

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
/// that the last group lacks are left as they are. Some columns after others, each as it lies in memory, and as few as
/// a set of the first-level cache has ways: columns of a power of two fall into one.
template <int height>
inline void pack_rows(const float* from, int64_t apart, int64_t rows, int64_t depth, float* to) {
  constexpr int64_t together = 8;
  for (int64_t first = 0; first < depth; first += together) {
    const int64_t last = depth - first < together ? depth : first + together;
    for (int64_t r = 0; r < rows; r += height) {
      const int64_t count = rows - r < height ? rows - r : height;
      float* group = to + r * depth;
      if (count == height) {
        for (int64_t k = first; k < last; k++) {
          __builtin_prefetch(from + r + (k + together) * apart);
          __builtin_memcpy(group + k * height, from + r + k * apart, height * sizeof(float));
        }
      } else {
        for (int64_t k = first; k < last; k++)
          for (int64_t i = 0; i < count; i++) group[k * height + i] = from[r + i + k * apart];
      }
    }
  }
}

}  // namespace ondol::kernel::ONDOL_LEVEL
