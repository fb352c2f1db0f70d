#include <concepts>

#include "kernels/cpu/convolution_direct.h"
#include "kernels/cpu/convolution_parts.h"
#include "kernels/cpu/vector_order.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

/// to[i, o, k] = from[o, i, tap[k]] for `count` channels in and `out` channels out, whose kernels lie `apart`.
/// `fixed_taps` is the number of taps where that is known, else 0.
template <int fixed_taps, class T>
void transpose_channels(const T* from, int64_t apart, int64_t count, int64_t out, int64_t kernel, const int64_t* tap,
                        int64_t taps, T* to) {
  if (fixed_taps) taps = fixed_taps;
  for (int64_t o = 0; o < out; o++)
    for (int64_t i = 0; i < count; i++)
      for (int64_t k = 0; k < taps; k++) to[(i * out + o) * taps + k] = from[o * apart + i * kernel + tap[k]];
}

/// to [columns, rows] = the transpose of from [rows, columns], written row by row.
template <class T>
void transpose_matrix(const T* from, int64_t rows, int64_t columns, T* to) {
  constexpr int64_t L = lanes<T>;
  parallel_for((columns + L - 1) / L, grain_for(16384, L, rows), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * L; i < end * L && i < columns; i += L) {
      const int64_t count = columns - i < L ? columns - i : L;
      for (int64_t o = 0; o < rows; o += L) {
        const int64_t here = rows - o < L ? rows - o : L;
        Vec<T> square[L];
        for (int64_t j = 0; j < L; j++)
          square[j] = j < here ? load_up_to(from + (o + j) * columns + i, count) : Vec<T>{};
        transpose_square(square);
        for (int64_t j = 0; j < count; j++) store_up_to(to + (i + j) * rows + o, square[j], here);
      }
    }
  });
}

/// The weight as the matrix that one residue class multiplies with: for each group [input channel, output channel,
/// tap].
template <class T>
void transpose_weight(const ConvolutionShape& s, const ResidueClass& residue, const T* w, T* to) {
  const int64_t in = s.channels_in / s.groups, out = s.channels_out / s.groups, kernel = volume(s.kernel);
  const int64_t taps = residue.gather.taps, *tap = residue.tap.get();
  if (kernel == 1 && taps == 1) {
    for (int64_t group = 0; group < s.groups; group++)
      transpose_matrix(w + group * out * in, out, in, to + group * in * out);
    return;
  }
  constexpr int64_t together = 8;  // channels in, whose kernels are read side by side
  const int64_t blocks = (in + together - 1) / together;
  parallel_for(s.groups * blocks, grain_for(16384, together, out, taps), [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; block++) {
      const int64_t group = block / blocks, first = block % blocks * together;
      const int64_t count = first + together < in ? together : in - first;
      const T* from = w + (group * out * in + first) * kernel;
      T* place = to + (group * in + first) * out * taps;
      // The classes of a 3 x 3 kernel with stride 2 have so many.
      const auto transpose = taps == 1   ? transpose_channels<1, T>
                             : taps == 2 ? transpose_channels<2, T>
                             : taps == 4 ? transpose_channels<4, T>
                                         : transpose_channels<0, T>;
      transpose(from, in * kernel, count, out, kernel, tap, taps, place);
    }
  });
}

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
void convolution_backward_input(const ConvolutionShape& s, const T* gy, const T* w, const T* bias, T* gx) {
  if (s.batch == 0 || s.channels_in == 0 || volume(s.input) == 0) return;
  if (is_depthwise(s)) return depthwise_backward_input(s, gy, w, bias, gx);
  if constexpr (std::same_as<T, float>)
    if (winograd_gains(s)) return winograd_backward_input(s, gy, w, bias, gx);
  Scratch<T> weight(s.channels_in * (s.channels_out / s.groups) * volume(s.kernel));
  const bool one_class = only_even_points_have_taps(s);
  for_each_residue_class(s, [&](const ResidueClass& residue) {
    if (one_class && residue.gather.taps == 0) return;
    transpose_weight(s, residue, w, weight.get());
    const ProductTarget target = {s.channels_in,
                                  {s.input[0], s.input[1], s.input[2]},
                                  {s.stride[0], s.stride[1], s.stride[2]},
                                  {residue.residue[0], residue.residue[1], residue.residue[2]},
                                  one_class};
    gathered_product(residue.gather, target, s.groups, gy, static_cast<const T*>(weight.get()), bias, gx);
  });
}

template void convolution_backward_input(const ConvolutionShape&, const float*, const float*, const float*, float*);
template void convolution_backward_input(const ConvolutionShape&, const double*, const double*, const double*, double*);

}  // namespace ondol::kernel::ONDOL_LEVEL
