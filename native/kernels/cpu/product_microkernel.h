#pragma once

#include <utility>

#include "kernels/cpu/level.h"

namespace ondol::kernel::ONDOL_LEVEL {

// The register tile: rows x vectors accumulators, `vectors` registers for b, and a broadcast of a. With 32 registers of
// AVX-512 an 8 x 3 tile needs 11 loads for 24 multiply-adds; with 16 registers a 6 x 2 tile needs 8 for 12.
inline constexpr int tile_rows = ONDOL_VECTOR_BYTES == 64 ? 8 : 6;
inline constexpr int tile_vectors = ONDOL_VECTOR_BYTES == 64 ? 3 : 2;

/// c = a b (+ bias of each row, or + c), a [rows, depth] with a_stride from row to row and a_step along depth, b
/// [depth, vectors * lanes] with b_stride, c [rows, vectors * lanes] with c_stride. Each element is one chain of
/// multiply-adds over depth, so that a result does not depend on the tile in which it is computed. What c holds is
/// added to the chain at its end: a sum of chains loses less than one long chain (Higham 2002, section 4.2).
template <class T, int rows, int vectors>
inline void product_tile(int64_t depth, const T* a, int64_t a_stride, int64_t a_step, const T* b, int64_t b_stride,
                         const T* bias, bool accumulate, T* c, int64_t c_stride) {
  Vec<T> sum[rows][vectors];
#pragma GCC unroll 8
  for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) sum[r][v] = broadcast(bias && !accumulate ? bias[r] : T(0));
  }
  for (int64_t k = 0; k < depth; k++, a += a_step, b += b_stride) {
    Vec<T> right[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) right[v] = load(b + v * lanes<T>);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
      const Vec<T> left = broadcast(a[r * a_stride]);
#pragma GCC unroll 8
      for (int v = 0; v < vectors; v++) sum[r][v] += left * right[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) {
      T* to = c + r * c_stride + v * lanes<T>;
      store(to, accumulate ? load(to) + sum[r][v] : sum[r][v]);
    }
  }
}

template <class T, int rows>
inline void product_rows(int64_t vectors, int64_t depth, const T* a, int64_t a_stride, int64_t a_step, const T* b,
                         int64_t b_stride, const T* bias, bool accumulate, T* c, int64_t c_stride) {
  const auto tile = [&]<int count>() {
    product_tile<T, rows, count>(depth, a, a_stride, a_step, b, b_stride, bias, accumulate, c, c_stride);
    vectors -= count, b += count * lanes<T>, c += count * lanes<T>;
  };
  // One or two rows have too few chains in a tile of two to keep the multipliers busy.
  if constexpr (rows <= 2)
    while (vectors >= 4) tile.template operator()<4>();
  // Four vectors are two and two rather than three and one: a tile of one vector waits for its loads.
  while (vectors > 4 || vectors == tile_vectors) tile.template operator()<tile_vectors>();
  while (vectors >= 2) tile.template operator()<2>();
  if (vectors == 1) tile.template operator()<1>();
}

/// c [rows, vectors * lanes] = a [rows, depth] b [depth, vectors * lanes] + bias or c, as product_tile.
template <class T>
void product(int64_t rows, int64_t vectors, int64_t depth, const T* a, int64_t a_stride, int64_t a_step, const T* b,
             int64_t b_stride, const T* bias, bool accumulate, T* c, int64_t c_stride) {
  const auto tiles_of = [&]<int count>() {
    product_rows<T, count>(vectors, depth, a, a_stride, a_step, b, b_stride, bias, accumulate, c, c_stride);
    a += count * a_stride, c += count * c_stride, rows -= count;
    if (bias) bias += count;
  };
  while (rows >= 2 * tile_rows || rows == tile_rows) tiles_of.template operator()<tile_rows>();
  // The rest in two tiles, if it takes two, of which none has so few rows that the multipliers wait.
  const auto last_tile = [&]<int... smaller>(int64_t count, std::integer_sequence<int, smaller...>) {
    ((count == smaller + 1 ? tiles_of.template operator()<smaller + 1>() : void()), ...);
  };
  constexpr std::make_integer_sequence<int, tile_rows> counts;
  if (rows > tile_rows) last_tile((rows + 1) / 2, counts);
  if (rows > 0) last_tile(rows, counts);
}

// For products of two matrices that both run along their rows (a b^T), the vector axis is the summed one. An
// accumulator is a vector of partial sums, kept in memory between calls, so that its lanes are added up only once.
inline constexpr int dot_rows = ONDOL_VECTOR_BYTES == 64 ? 6 : 3;
inline constexpr int dot_columns = ONDOL_VECTOR_BYTES == 64 ? 4 : 3;

/// sums[r][c] (vectors; sums_stride elements from row to row) += a[r] * b[c], elementwise over n vectors.
template <class T, int rows, int columns>
inline void dot_tile(int64_t n, const T* a, int64_t a_stride, const T* b, int64_t b_stride, T* sums,
                     int64_t sums_stride) {
  Vec<T> sum[rows][columns];
#pragma GCC unroll 8
  for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
    for (int c = 0; c < columns; c++) sum[r][c] = load(sums + r * sums_stride + c * lanes<T>);
  }
  for (int64_t i = 0; i < n * lanes<T>; i += lanes<T>) {
    Vec<T> right[columns];
#pragma GCC unroll 8
    for (int c = 0; c < columns; c++) right[c] = load(b + c * b_stride + i);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
      const Vec<T> left = load(a + r * a_stride + i);
#pragma GCC unroll 8
      for (int c = 0; c < columns; c++) sum[r][c] += left * right[c];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
    for (int c = 0; c < columns; c++) store(sums + r * sums_stride + c * lanes<T>, sum[r][c]);
  }
}

template <class T, int rows, int together = dot_columns>
inline void dot_row_block(int64_t columns, int64_t n, const T* a, int64_t a_stride, const T* b, int64_t b_stride,
                          T* sums, int64_t sums_stride) {
  for (; columns >= together; columns -= together, b += together * b_stride, sums += together * lanes<T>) {
    dot_tile<T, rows, together>(n, a, a_stride, b, b_stride, sums, sums_stride);
  }
  for (; columns > 0; columns--, b += b_stride, sums += lanes<T>) {
    dot_tile<T, rows, 1>(n, a, a_stride, b, b_stride, sums, sums_stride);
  }
}

/// sums [rows, columns] of vectors += a [rows, n vectors] b [columns, n vectors]^T, lane by lane.
template <class T>
void dot_product(int64_t rows, int64_t columns, int64_t n, const T* a, int64_t a_stride, const T* b, int64_t b_stride,
                 T* sums, int64_t sums_stride) {
  const auto by_fours = [&] { return dot_rows > 4 && rows % 4 == 0; };
  for (; rows >= dot_rows && !by_fours(); rows -= dot_rows, a += dot_rows * a_stride, sums += dot_rows * sums_stride) {
    dot_row_block<T, dot_rows>(columns, n, a, a_stride, b, b_stride, sums, sums_stride);
  }
  if constexpr (dot_rows > 4) {
    for (; rows >= 4; rows -= 4, a += 4 * a_stride, sums += 4 * sums_stride) {
      dot_row_block<T, 4, 6>(columns, n, a, a_stride, b, b_stride, sums, sums_stride);
    }
  }
  for (; rows >= 2; rows -= 2, a += 2 * a_stride, sums += 2 * sums_stride) {
    dot_row_block<T, 2>(columns, n, a, a_stride, b, b_stride, sums, sums_stride);
  }
  if (rows == 1) dot_row_block<T, 1>(columns, n, a, a_stride, b, b_stride, sums, sums_stride);
}

/// The sum of n values in a fixed order.
template <class T>
inline T sum_of(const T* values, int n) {
  T sum = 0;
  for (int i = 0; i < n; i++) sum += values[i];
  return sum;
}

}  // namespace ondol::kernel::ONDOL_LEVEL
