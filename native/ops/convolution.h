#pragma once

#include "kernels/cpu/convolution.h"
#include "tensor/tensor.h"

namespace ondol {

/// How a window moves over up to three spatial axes; the entries of axes that the tensors do not have stand first.
struct ConvolutionGeometry {
  int64_t rank = 2;
  int64_t groups = 1;
  int64_t stride[3] = {1, 1, 1}, padding[3] = {0, 0, 0}, dilation[3] = {1, 1, 1};
};

// The trilinear form <gradient of y, x * w> seen from its three sides. Each is an operation whose derivatives are the
// other two, so that derivatives of every order exist. x [batch, channels_in, ...], w [channels_out, channels_in /
// groups, ...], y [batch, channels_out, ...].

/// y of the sizes given: what a tap reaches outside of x counts as zero. With an epilogue x is float32 and nothing is
/// recorded.
Tensor convolution_output(const Tensor& x, const Tensor& w, const Tensor& bias, const ConvolutionGeometry& geometry,
                          const Dims& y_sizes, const kernel::ConvolutionEpilogue<float>* epilogue = nullptr);
/// max_pool2d(epilogue(convolution_output(...)), 2), where recorded with a relu as epilogue; in one pass over memory
/// where the kernel can pool.
Tensor convolution_pooled(const Tensor& x, const Tensor& w, const Tensor& bias, const ConvolutionGeometry& geometry,
                          const Dims& y_sizes, const kernel::ConvolutionEpilogue<float>& epilogue);
/// The gradient of x, or the output of a transposed convolution of gy.
Tensor convolution_input(const Tensor& gy, const Tensor& w, const Tensor& bias, const ConvolutionGeometry& geometry,
                         const Dims& x_sizes);
/// The gradient of w.
Tensor convolution_weight(const Tensor& x, const Tensor& gy, const ConvolutionGeometry& geometry, const Dims& w_sizes);

/// The first two for int64 (ops/convolution_integer.cpp): plain loops, products wrap around.
void convolve_integers(const kernel::ConvolutionShape& shape, const int64_t* x, const int64_t* w, const int64_t* bias,
                       int64_t* y);
void convolve_integers_transposed(const kernel::ConvolutionShape& shape, const int64_t* gy, const int64_t* w,
                                  const int64_t* bias, int64_t* gx);

}  // namespace ondol
