#pragma once

#include <cstdint>

namespace ondol::kernel {

/// A convolution over up to three spatial axes (depth, height, width); 1d and 2d ones have leading sizes of 1 (kernel
/// 1, stride 1, padding 0, dilation 1 there). All tensors are contiguous:
///   x, gx [batch, channels_in, input...]     y, gy [batch, channels_out, output...]
///   w, gw [channels_out, channels_in / groups, kernel...]     bias, gb [channels_out]
/// Any size may be 0. `output` is taken as given: what a kernel tap reaches outside the input counts as zero.
struct ConvolutionShape {
  int64_t batch, channels_in, channels_out, groups;
  int64_t input[3], kernel[3], output[3], stride[3], padding[3], dilation[3];
};

/// What is done to the results of a convolution while they are in the cache: y = min(max(y * scale[channel] +
/// shift[channel], low), high); a NaN stays.
template <class T>
struct ConvolutionEpilogue {
  const T *scale, *shift;  // [channels_out], or both null: the limits alone
  T low, high;
  /// Whether y, [batch, channels_out, 1, output[1] / 2, output[2] / 2], gets the maxima of squares of 2 x 2 results
  /// instead of the results, and `places`, unless null, which they are: as PoolingFunctions::max_places, and
  /// closed_square more where the maximum is not above `low`.
  bool pools = false;
  uint8_t* places = nullptr;
};
inline constexpr uint8_t closed_square = 4;

/// The gradient of a convolution's results; or, with `places`, that of the maxima of squares which an epilogue made of
/// them, and the places it wrote. The latter only for shapes for which can_pool.
template <class T>
struct ResultGradient {
  const T* data;
  const uint8_t* places = nullptr;
};

template <class T>
struct ConvolutionFunctions {
  /// y = x * w + bias, then the epilogue. `bias` and `epilogue` may be null.
  void (*forward)(const ConvolutionShape&, const T* x, const T* w, const T* bias, T* y,
                  const ConvolutionEpilogue<T>* epilogue);
  /// Whether forward can pool with such a shape.
  bool (*can_pool)(const ConvolutionShape&);
  /// gx = the transpose of `forward` applied to gy. With `bias` [channels_in] (null for a gradient) this is the forward
  /// of a transposed convolution, whose input is gy, whose weight is w, and whose output is gx.
  void (*backward_input)(const ConvolutionShape&, ResultGradient<T> gy, const T* w, const T* bias, T* gx);
  /// gw, overwritten. The gradient of a transposed convolution's weight is the same with its input as gy and its
  /// gradient as x.
  void (*backward_weight)(const ConvolutionShape&, const T* x, ResultGradient<T> gy, T* gw);
  /// gb[c] = the sum of gy over batch and space. Of the shape batch, channels_out and output count.
  void (*backward_bias)(const ConvolutionShape&, ResultGradient<T> gy, T* gb);
};

struct ConvolutionKernels {
  ConvolutionFunctions<float> float32;
  ConvolutionFunctions<double> float64;
};

}  // namespace ondol::kernel
