#include <concepts>

#include "kernels/cpu/convolution_direct.h"
#include "kernels/cpu/convolution_parts.h"
#include "kernels/cpu/division.h"
#include "kernels/cpu/vector_order.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

/// place(column) [rows] = that column of from [rows, columns], for those with a place.
template <class T, class Place>
void transpose_matrix(const T* from, int64_t rows, int64_t columns, Place place) {
  constexpr int64_t L = lanes<T>;
  parallel_for(ceil_div(columns, L), grain_for(16384, L, rows), [&](int64_t begin, int64_t end) {
    for (int64_t first = begin * L; first < smaller_of(end * L, columns); first += L) {
      const int64_t count = smaller_of(L, columns - first);
      T* to[L];
      for (int64_t j = 0; j < count; j++) to[j] = place(first + j);
      for (int64_t row = 0; row < rows; row += L) {
        const int64_t here = smaller_of(L, rows - row);
        Vec<T> square[L];
        for (int64_t j = 0; j < L; j++) {
          const T* at = from + (row + j) * columns + first;
          square[j] = j < here ? load_up_to(at, count) : Vec<T>{};
        }
        transpose_square(square);
        for (int64_t j = 0; j < count; j++)
          if (to[j]) store_up_to(to[j] + row, square[j], here);
      }
    }
  });
}

/// The weight as the residue classes multiply with it: for each group [channel in, tap, channel out], the taps of a
/// class side by side.
template <class T>
class TransposedWeight {
 public:
  TransposedWeight(const ConvolutionShape& s, const T* w)
      : taps_(volume(s.kernel)), out_(s.channels_out / s.groups), weight_(s.channels_in * taps_ * out_) {
    constexpr int64_t unused = -1;  // of an image narrower than the stride
    Scratch<int64_t> place(taps_);
    for (int64_t tap = 0; tap < taps_; tap++) place.get()[tap] = unused;
    int64_t next = 0;
    for_each_residue_class(s, [&](const ResidueClass& residue) {
      for (int64_t k = 0; k < residue.gather.taps; k++) place.get()[residue.tap.get()[k]] = next++;
    });
    const int64_t in = s.channels_in / s.groups, group_size = in * taps_ * out_;
    for (int64_t group = 0; group < s.groups; group++) {
      T* to = weight_.get() + group * group_size;
      transpose_matrix(w + group * group_size, out_, in * taps_, [&](int64_t column) -> T* {
        const int64_t tap = place.get()[column % taps_];
        return tap == unused ? nullptr : to + (column - column % taps_ + tap) * out_;
      });
    }
  }

  /// For the class before which others have so many taps.
  WeightRows<T> after(int64_t taps) const { return {weight_.get() + taps * out_, taps_ * out_}; }

 private:
  int64_t taps_, out_;
  Scratch<T> weight_;
};

/// Whether all points of a plane but those with even coordinates are beyond all taps: a 1 x 1 kernel with stride 2.
bool only_even_points_have_taps(const ConvolutionShape& s) {
  bool single = s.stride[0] == 1 && s.input[0] == 1 && s.kernel[0] == 1 && s.padding[0] == 0;
  for (int axis = 1; axis < 3; axis++)
    single = single && s.kernel[axis] == 1 && s.stride[axis] == 2 && s.padding[axis] == 0;
  return single;
}

}  // namespace

// The gradient of the input is, for the input points of one residue class modulo the stride, a convolution of gy with
// stride 1 and those taps that meet the class; no product with an inserted zero is ever computed.
template <class T>
void convolution_backward_input(const ConvolutionShape& s, ResultGradient<T> gradient, const T* w, const T* bias,
                                T* gx) {
  if (s.batch == 0 || s.channels_in == 0 || volume(s.input) == 0) return;
  if constexpr (std::same_as<T, float>)
    if (winograd_gains(s)) return winograd_backward_input(s, gradient, w, bias, gx);
  const T* gy = gradient.data;
  if (is_depthwise(s)) return depthwise_backward_input(s, gy, w, bias, gx);
  const TransposedWeight<T> weight(s, w);
  const bool one_class = only_even_points_have_taps(s);
  // Classes of even and of odd columns follow one another; the former wait in a room of their own.
  const bool pairs = s.stride[2] == 2 && s.input[2] % 2 == 0 && !one_class;
  int64_t most_points = 1;  // of a class
  for (int axis = 0; axis < 3; axis++) most_points *= ceil_div(s.input[axis], s.stride[axis]);
  Scratch<T> evens(pairs ? s.batch * s.channels_in * most_points : 0);
  int64_t taps_before = 0;
  for_each_residue_class(s, [&](const ResidueClass& residue) {
    if (one_class && residue.gather.taps == 0) return;
    const int64_t *points = residue.gather.points, *offset = residue.residue;
    const bool is_even = pairs && offset[2] == 0;
    ProductTarget<T> target = {s.channels_in,
                               {s.input[0], s.input[1], s.input[2]},
                               {s.stride[0], s.stride[1], s.stride[2]},
                               {offset[0], offset[1], offset[2]},
                               one_class,
                               pairs ? evens.get() : nullptr};
    if (is_even) target = {s.channels_in, {points[0], points[1], points[2]}, {1, 1, 1}, {0, 0, 0}};
    gathered_product(residue.gather, target, s.groups, gy, weight.after(taps_before), bias, is_even ? evens.get() : gx);
    taps_before += residue.gather.taps;
  });
}

template void convolution_backward_input(const ConvolutionShape&, ResultGradient<float>, const float*, const float*,
                                         float*);
template void convolution_backward_input(const ConvolutionShape&, ResultGradient<double>, const double*, const double*,
                                         double*);

}  // namespace ondol::kernel::ONDOL_LEVEL
