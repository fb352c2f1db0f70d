#pragma once

#include <cstdint>

namespace ondol::kernel {

/// How many numbers the lines of a transposed matrix are longer than it has rows, for whole vectors to be read.
inline constexpr int64_t distance_room = 64;

template <class T>
struct DistanceFunctions {
  /// The Euclidean distances of all pairs of rows of x [rows, n], in the order (0, 1), (0, 2), ..., (1, 2), ...
  /// `columns` is x transposed, its lines rows + distance_room long.
  void (*pairs)(const T* x, const T* columns, int64_t rows, int64_t n, T* out);
  /// gx[i] = sum over j of weight(i, j) (x[i] - x[j]), with a weight for each pair in the same order.
  void (*pairs_backward)(const T* x, const T* weights, int64_t rows, int64_t n, T* gx);
};

struct DistanceKernels {
  DistanceFunctions<float> float32;
  DistanceFunctions<double> float64;
};

}  // namespace ondol::kernel
