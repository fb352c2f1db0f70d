#include <concepts>

#include "kernels/cpu/convolution_direct.h"
#include "kernels/cpu/convolution_parts.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

/// The weight as the matrix that one residue class multiplies with: for each group [input channel, output channel,
/// tap].
template <class T>
void transpose_weight(const ConvolutionShape& s, const ResidueClass& residue, const T* w, T* to) {
  const int64_t in = s.channels_in / s.groups, out = s.channels_out / s.groups, kernel = volume(s.kernel);
  const int64_t taps = residue.gather.taps;
  parallel_for(s.channels_in, 1 + 16384 / (1 + out * taps), [&](int64_t begin, int64_t end) {
    for (int64_t channel = begin; channel < end; channel++) {
      const int64_t group = channel / in, i = channel % in;
      T* row = to + channel * out * taps;
      for (int64_t o = 0; o < out; o++) {
        const T* from = w + ((group * out + o) * in + i) * kernel;
        for (int64_t k = 0; k < taps; k++) row[o * taps + k] = from[residue.tap.get()[k]];
      }
    }
  });
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
  for_each_residue_class(s, [&](const ResidueClass& residue) {
    transpose_weight(s, residue, w, weight.get());
    const ProductTarget target = {s.channels_in,
                                  {s.input[0], s.input[1], s.input[2]},
                                  {s.stride[0], s.stride[1], s.stride[2]},
                                  {residue.residue[0], residue.residue[1], residue.residue[2]}};
    gathered_product(residue.gather, target, s.groups, gy, static_cast<const T*>(weight.get()), bias, gx);
  });
}

template void convolution_backward_input(const ConvolutionShape&, const float*, const float*, const float*, float*);
template void convolution_backward_input(const ConvolutionShape&, const double*, const double*, const double*, double*);

}  // namespace ondol::kernel::ONDOL_LEVEL
