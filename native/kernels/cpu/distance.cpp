// Distances of all pairs of rows of a matrix.

#include "kernels/cpu/distance.h"

#include "base/parallel.h"
#include "kernels/cpu/math.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

inline constexpr int64_t grain = 1 << 15;  // differences for which another thread is worth waking

/// Where the pairs (row, row + 1), (row, row + 2), ... begin.
inline int64_t first_pair(int64_t row, int64_t rows) { return row * (2 * rows - row - 1) / 2; }

/// The distances of one row to kVectors vectors of others. Sums of 128 terms are added up, for the sake of their last
/// digits.
template <int kVectors, class T>
[[gnu::always_inline]] inline void tile(const T* row, const T* columns, int64_t stride, int64_t n, int64_t count,
                                        T* out) {
  Vec<T> total[kVectors] = {};
  for (int64_t start = 0; start < n; start += 128) {
    const int64_t end = start + 128 < n ? start + 128 : n;
    Vec<T> sums[kVectors] = {};
    for (int64_t k = start; k < end; ++k)
      for (int v = 0; v < kVectors; ++v) {
        const Vec<T> difference = load(columns + k * stride + v * lanes<T>) - row[k];
        sums[v] += difference * difference;
      }
    for (int v = 0; v < kVectors; ++v) total[v] += sums[v];
  }
  for (int v = 0; v < kVectors; ++v) {
    const int64_t left = count - v * lanes<T>;
    if (left >= lanes<T>)
      store(out + v * lanes<T>, sqrt(total[v]));
    else if (left > 0)
      store_part(out + v * lanes<T>, sqrt(total[v]), static_cast<int>(left));
  }
}

template <class T>
void pairs(const T* x, const T* columns, int64_t rows, int64_t n, T* out) {
  const int64_t stride = rows + distance_room;
  const auto row_distances = [=](int64_t row) {
    T* to = out + first_pair(row, rows);
    for (int64_t other = row + 1; other < rows;) {
      const int64_t count = rows - other;
      const T* from = columns + other;
      if (count > 2 * lanes<T>) {
        tile<4>(x + row * n, from, stride, n, count, to);
        other += 4 * lanes<T>, to += 4 * lanes<T>;
      } else if (count > lanes<T>) {
        tile<2>(x + row * n, from, stride, n, count, to);
        other += 2 * lanes<T>, to += 2 * lanes<T>;
      } else {
        tile<1>(x + row * n, from, stride, n, count, to);
        other += lanes<T>, to += lanes<T>;
      }
    }
  };
  // Early rows have many partners and late ones few, so threads take them by twos.
  parallel_for((rows + 1) / 2, grain_for(grain, rows, n), [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      row_distances(i);
      if (rows - 1 - i != i) row_distances(rows - 1 - i);
    }
  });
}

/// The gradient of kVectors vectors of one row.
template <int kVectors, class T>
[[gnu::always_inline]] inline void gradient_tile(const T* x, const T* weights, int64_t row, int64_t rows, int64_t n,
                                                 int64_t at, T* gx) {
  const int64_t count = n - at;
  const auto part = [&](const T* line, int v) {
    const int64_t left = count - v * lanes<T>;
    const T* from = line + at + v * lanes<T>;
    return left >= lanes<T> ? load(from) : left > 0 ? load_part(from, static_cast<int>(left), T(0)) : Vec<T>{};
  };
  Vec<T> own[kVectors], sums[kVectors] = {};
  for (int v = 0; v < kVectors; ++v) own[v] = part(x + row * n, v);
  const auto add = [&](int64_t other, T weight) {
    for (int v = 0; v < kVectors; ++v) sums[v] += weight * (own[v] - part(x + other * n, v));
  };
  for (int64_t other = 0; other < row; ++other) add(other, weights[first_pair(other, rows) + row - other - 1]);
  for (int64_t other = row + 1; other < rows; ++other) add(other, weights[first_pair(row, rows) + other - row - 1]);
  for (int v = 0; v < kVectors; ++v) {
    const int64_t left = count - v * lanes<T>;
    T* to = gx + row * n + at + v * lanes<T>;
    if (left >= lanes<T>)
      store(to, sums[v]);
    else if (left > 0)
      store_part(to, sums[v], static_cast<int>(left));
  }
}

template <class T>
void pairs_backward(const T* x, const T* weights, int64_t rows, int64_t n, T* gx) {
  parallel_for(rows, grain_for(grain, rows, n), [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t at = 0;
      for (; at + 4 * lanes<T> <= n; at += 4 * lanes<T>) gradient_tile<4>(x, weights, row, rows, n, at, gx);
      for (; at < n; at += lanes<T>) gradient_tile<1>(x, weights, row, rows, n, at, gx);
    }
  });
}

template <class T>
void fill_for(DistanceFunctions<T>& k) {
  k.pairs = pairs<T>;
  k.pairs_backward = pairs_backward<T>;
}

}  // namespace

void fill(DistanceKernels& k) {
  fill_for(k.float32);
  fill_for(k.float64);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
