#pragma once

#include "kernels/cpu/convolution.h"
#include "kernels/cpu/math.h"
#include "kernels/cpu/vector_order.h"

// Depthwise convolutions of planes that are one or two vectors wide, with small square kernels of stride 1 that keep
// the size. A row is loaded once and lies in registers; what other taps read of it are its vectors moved by some
// lanes, with the zeros beyond the plane coming in. A row of the source goes to all rows of the target under the
// kernel, whose sums are passed on from row to row.

namespace ondol::kernel::ONDOL_LEVEL {

/// Whether DepthwiseNarrow is for the planes of a convolution, given the size of its kernel: with AVX-512, whose 32
/// registers hold all that is passed on, and where at least half of a vector is filled.
template <class T>
inline bool is_narrow(const ConvolutionShape& s, int64_t size) {
  if (ONDOL_VECTOR_BYTES < 64) return false;
  const int64_t width = s.input[2];
  for (int axis = 0; axis < 3; axis++) {
    const int64_t along = axis == 0 ? 1 : size;
    if (s.kernel[axis] != along || s.stride[axis] != 1 || s.dilation[axis] != 1) return false;
    if (s.padding[axis] != along / 2 || s.input[axis] != s.output[axis]) return false;
  }
  return s.input[0] == 1 && 2 * width > lanes<T> && width <= 2 * lanes<T>;
}

template <class T, int size, int vectors>
class DepthwiseNarrow {
 public:
  DepthwiseNarrow(int64_t height, int64_t width) : height_(height), width_(width) {}

  /// target = bias + source * weights, [height, width] each.
  void product(const T* source, const T* weights, T bias, T* target) const {
    constexpr bool fits = size == 3;  // whether the weights find room in registers
    Vec<T> kept[fits ? size * size : 1];
    for (int k = 0; fits && k < size * size; k++) kept[k] = broadcast(weights[k]);
    Vec<T> sums[size][vectors];  // sums[i] is of the row of the target that gets its last terms i source rows later
    const auto begin = [&](int i) {
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) sums[i][v] = broadcast(bias);
    };
#pragma GCC unroll 8
    for (int i = 0; i < size; i++) begin(i);
    for (int64_t h = 0; h < height_ + reach; h++) {
      if (h < height_) {
        Taps taps;
        read(source + h * width_, taps);
#pragma GCC unroll 8
        for (int i = 0; i < size; i++) {
#pragma GCC unroll 8
          for (int j = 0; j < size; j++) {
            const int k = (size - 1 - i) * size + j;
            const Vec<T> weight = fits ? kept[fits ? k : 0] : broadcast(weights[k]);
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) sums[i][v] += weight * taps[j][v];
          }
        }
      }
      if (h >= reach) write(sums[0], target + (h - reach) * width_, target + height_ * width_);
#pragma GCC unroll 8
      for (int i = 0; i + 1 < size; i++) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sums[i][v] = sums[i + 1][v];
      }
      begin(size - 1);
    }
  }

  /// Adds to sums[kh * size + kw] the products of the gradient with what that tap reads, lane by lane.
  void add_weight_gradient(const T* source, const T* gradient, Vec<T>* sums) const {
    Vec<T> sum[size * size];
#pragma GCC unroll 32
    for (int k = 0; k < size * size; k++) sum[k] = sums[k];
    // under[i] is row h + reach - i of the gradient, which row h of the source meets in row i of the kernel.
    Vec<T> under[size][vectors];
#pragma GCC unroll 8
    for (int i = 0; i < size; i++) {
      const int64_t h = reach - 1 - i;
      load_row(gradient + h * width_, h >= 0 && h < height_ ? width_ : 0, under[i]);
    }
    for (int64_t h = 0; h < height_; h++) {
#pragma GCC unroll 8
      for (int i = size - 1; i > 0; i--) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) under[i][v] = under[i - 1][v];
      }
      load_row(gradient + (h + reach) * width_, h + reach < height_ ? width_ : 0, under[0]);
      Taps taps;
      read(source + h * width_, taps);
#pragma GCC unroll 8
      for (int i = 0; i < size; i++) {
#pragma GCC unroll 8
        for (int j = 0; j < size; j++) {
#pragma GCC unroll 2
          for (int v = 0; v < vectors; v++) sum[i * size + j] += under[i][v] * taps[j][v];
        }
      }
    }
#pragma GCC unroll 32
    for (int k = 0; k < size * size; k++) sums[k] = sum[k];
  }

 private:
  static constexpr int L = lanes<T>, reach = size / 2;
  using Taps = Vec<T>[size][vectors];

  static void load_row(const T* from, int64_t count, Vec<T>* row) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) row[v] = count > v * L ? load_up_to(from + v * L, count - v * L) : Vec<T>{};
  }
  /// Whole vectors, which are faster than parts, as far as the plane goes: the next row overwrites what is too much.
  static void write(const Vec<T>* row, T* to, const T* end) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) store_up_to(to + v * L, row[v], end - to - v * L);
  }

  /// Lanes [from, from + lanes) of the vectors a and b laid end to end.
  template <int from, size_t... lane>
  static Vec<T> moved(Vec<T> a, Vec<T> b, std::index_sequence<lane...>) {
    return blend_lanes(a, b, std::index_sequence<(from + lane)...>{});
  }
  /// What tap `tap` of a row of the kernel reads.
  template <int tap>
  static void move(const Vec<T>* row, Vec<T>* to) {
    constexpr int by = tap - reach;
    constexpr auto each = std::make_index_sequence<L>{};
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      if constexpr (by < 0)
        to[v] = moved<L + by>(v > 0 ? row[v - 1] : Vec<T>{}, row[v], each);
      else if constexpr (by > 0)
        to[v] = moved<by>(row[v], v + 1 < vectors ? row[v + 1] : Vec<T>{}, each);
      else
        to[v] = row[v];
    }
  }
  void read(const T* from, Taps& taps) const {
    Vec<T> row[vectors];
    load_row(from, width_, row);
    const auto fill = [&]<int... tap>(std::integer_sequence<int, tap...>) { (move<tap>(row, taps[tap]), ...); };
    fill(std::make_integer_sequence<int, size>{});
  }

  int64_t height_, width_;
};

}  // namespace ondol::kernel::ONDOL_LEVEL
