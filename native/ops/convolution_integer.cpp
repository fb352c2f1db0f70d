// Convolutions of integers: rare, so one loop over all products.

#include "ops/convolution.h"

namespace ondol {
namespace {

/// Calls f(index in x, index in w, index in y) for every product of the convolution.
template <class F>
void for_products(const kernel::ConvolutionShape& s, F f) {
  const int64_t in_each = s.channels_in / s.groups, out_each = s.channels_out / s.groups;
  auto plane = [](const int64_t* sizes) { return sizes[0] * sizes[1] * sizes[2]; };
  const int64_t x_plane = plane(s.input), w_plane = plane(s.kernel), y_plane = plane(s.output);
  auto position = [&](int axis, int64_t out, int64_t tap) {
    return out * s.stride[axis] - s.padding[axis] + tap * s.dilation[axis];
  };
  for (int64_t n = 0; n < s.batch; ++n)
    for (int64_t o = 0; o < s.channels_out; ++o)
      for (int64_t c = 0; c < in_each; ++c)
        for (int64_t y = 0; y < y_plane; ++y)
          for (int64_t k = 0; k < w_plane; ++k) {
            const int64_t out[3] = {y / (s.output[1] * s.output[2]), y / s.output[2] % s.output[1], y % s.output[2]};
            const int64_t tap[3] = {k / (s.kernel[1] * s.kernel[2]), k / s.kernel[2] % s.kernel[1], k % s.kernel[2]};
            int64_t x = 0;
            bool inside = true;
            for (int axis = 0; axis < 3; ++axis) {
              const int64_t at = position(axis, out[axis], tap[axis]);
              inside = inside && at >= 0 && at < s.input[axis];
              x = x * s.input[axis] + at;
            }
            if (!inside) continue;
            const int64_t channel = o / out_each * in_each + c;
            f((n * s.channels_in + channel) * x_plane + x, (o * in_each + c) * w_plane + k,
              (n * s.channels_out + o) * y_plane + y);
          }
}

void start_with_bias(const int64_t* bias, int64_t batch, int64_t channels, int64_t plane, int64_t* y) {
  for (int64_t i = 0; i < batch * channels; ++i)
    for (int64_t k = 0; k < plane; ++k) y[i * plane + k] = bias ? bias[i % channels] : 0;
}

void add_product(int64_t& sum, int64_t a, int64_t b) {
  sum = static_cast<int64_t>(static_cast<uint64_t>(sum) + static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

}  // namespace

void convolve_integers(const kernel::ConvolutionShape& s, const int64_t* x, const int64_t* w, const int64_t* bias,
                       int64_t* y) {
  start_with_bias(bias, s.batch, s.channels_out, s.output[0] * s.output[1] * s.output[2], y);
  for_products(s, [&](int64_t at_x, int64_t at_w, int64_t at_y) { add_product(y[at_y], x[at_x], w[at_w]); });
}

void convolve_integers_transposed(const kernel::ConvolutionShape& s, const int64_t* gy, const int64_t* w,
                                  const int64_t* bias, int64_t* gx) {
  start_with_bias(bias, s.batch, s.channels_in, s.input[0] * s.input[1] * s.input[2], gx);
  for_products(s, [&](int64_t at_x, int64_t at_w, int64_t at_y) { add_product(gx[at_x], gy[at_y], w[at_w]); });
}

}  // namespace ondol
