#include <concepts>

#include "kernels/cpu/convolution_direct.h"
#include "kernels/cpu/convolution_parts.h"

namespace ondol::kernel::ONDOL_LEVEL {

template <class T>
void convolution_forward(const ConvolutionShape& s, const T* x, const T* w, const T* bias, T* y,
                         const ConvolutionEpilogue<T>* epilogue) {
  if (s.batch == 0 || s.channels_out == 0 || volume(s.output) == 0) return;
  if (is_depthwise(s)) return depthwise_forward(s, x, w, bias, y, epilogue);
  if constexpr (std::same_as<T, float>)
    if (winograd_gains(s)) return winograd_forward(s, x, w, bias, y, epilogue);
  Scratch<int64_t> offsets(3 * volume(s.kernel));
  const PatchGather gather = input_gather(s, offsets.get());
  const ProductTarget<T> target = {s.channels_out, {s.output[0], s.output[1], s.output[2]}, {1, 1, 1}, {0, 0, 0}};
  const WeightRows<T> weight = {w, s.channels_in / s.groups * gather.taps};
  gathered_product(gather, target, s.groups, x, weight, bias, y, epilogue);
}

template void convolution_forward(const ConvolutionShape&, const float*, const float*, const float*, float*,
                                  const ConvolutionEpilogue<float>*);
template void convolution_forward(const ConvolutionShape&, const double*, const double*, const double*, double*,
                                  const ConvolutionEpilogue<double>*);

}  // namespace ondol::kernel::ONDOL_LEVEL
