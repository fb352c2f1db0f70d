#pragma once

#include "base/parallel.h"
#include "kernels/cpu/normalization.h"
#include "kernels/cpu/normalization_lanes.h"

namespace ondol::kernel::ONDOL_LEVEL {

// The parts of the normalization family, one file each; they set their functions.
template <class T>
void fill_row_normalization(NormalizationFunctions<T>&);
template <class T>
void fill_group_normalization(NormalizationFunctions<T>&);
template <class T>
void fill_batch_normalization(NormalizationFunctions<T>&);

/// By halves in double; one lane after the other would wait for sixteen additions, as long as a short row takes.
template <class T>
inline double sum_of_lanes(Vec<T> values) {
  if constexpr (sizeof(T) == 4) {
    const WidePair wide = widen(values);
    return add_lanes<double>(wide.low + wide.high);
  } else {
    return add_lanes<T>(values);
  }
}

/// Adds to totals[k] the sum over i < n of what f(i, which lanes, sums) adds to sums[k]: in T over blocks, in double
/// over blocks.
template <class T, int count, class F>
inline void accumulate_sums(int64_t n, double (&totals)[count], F&& f) {
  constexpr int64_t block = 32 * lanes<T>;
  for (int64_t begin = 0; begin < n; begin += block) {
    const int64_t end = begin + block < n ? begin + block : n;
    Vec<T> even[count] = {}, odd[count] = {};
    int64_t i = begin;
    for (; i + 2 * lanes<T> <= end; i += 2 * lanes<T>) {
      f(i, AllLanes{}, even);
      f(i + lanes<T>, AllLanes{}, odd);
    }
    for (; i + lanes<T> <= end; i += lanes<T>) f(i, AllLanes{}, even);
    if (i < end) f(i, SomeLanes{static_cast<int>(end - i)}, odd);
    for (int k = 0; k < count; k++) totals[k] += sum_of_lanes<T>(even[k] + odd[k]);
  }
}

/// The number of elements, their mean, and the sum of squares of their distances from it.
struct RowMoments {
  double count, mean, squares;

  /// Chan, Golub & LeVeque 1983.
  void merge(const RowMoments& other) {
    if (other.count == 0) return;
    const double total = count + other.count, difference = other.mean - mean;
    mean += difference * other.count / total;
    squares += other.squares + difference * difference * count * other.count / total;
    count = total;
  }
};

/// In two passes over a row that the first one brings into the cache.
template <class T>
inline RowMoments moments_of(const T* x, int64_t n) {
  if (n == 0) return {0, 0, 0};
  double sum[1] = {0};
  accumulate_sums<T>(n, sum, [&](int64_t i, auto part, Vec<T>* sums) { sums[0] += part.read(x + i, T(0)); });
  const double mean = sum[0] / static_cast<double>(n);
  const T center = static_cast<T>(mean);
  double around[2] = {0, 0};
  accumulate_sums<T>(n, around, [&](int64_t i, auto part, Vec<T>* sums) {
    const Vec<T> distance = part.read(x + i, center) - center;
    sums[0] += distance;
    sums[1] += distance * distance;
  });
  // The center is the mean rounded to T: what is left of the sum corrects the squares.
  return {static_cast<double>(n), mean, around[1] - around[0] * around[0] / static_cast<double>(n)};
}

inline double reciprocal_deviation(const RowMoments& moments, double eps) {
  const double variance = moments.count > 0 ? moments.squares / moments.count : 0;
  return 1 / __builtin_sqrt((variance > 0 || variance != variance ? variance : 0) + eps);
}

inline int64_t row_grain(int64_t n) { return grain_for(16384, n); }

}  // namespace ondol::kernel::ONDOL_LEVEL
