// conv1d ... conv_transpose3d: arguments checked, then one convolution.

#include <limits>

#include "ops/convolution.h"
#include "ops/functions.h"
#include "ops/normalization.h"
#include "ops/registry.h"
#include "ops/shape_hint.h"

namespace ondol {
namespace {

/// Larger parameters would overflow the arithmetic on positions.
constexpr int64_t kLargest = (int64_t{1} << 31) - 1;
constexpr int64_t kLargestInput = int64_t{1} << 48;

struct Arguments {
  const char* operation;
  int64_t rank;
  const Tensor &x, &w, &bias;
  Dims stride, padding, dilation;
  int64_t groups;
  bool transposed;
};

Dims repeated(int64_t count, int64_t value) { return Dims(static_cast<size_t>(count), value); }

/// One number for all axes, or one for each.
Dims one_each(const Arguments& a, const char* what, const Dims& values) {
  if (values.size() == 1) return repeated(a.rank, values[0]);
  if (values.ssize() != a.rank)
    runtime_error("expected ", what, " to be a single integer value or a list of ", a.rank,
                  " values to match the convolution dimensions, but got ", what, "=", values, " (", a.operation, ")");
  return values;
}
void check_at_least(const Arguments& a, const char* what, const Dims& values, int64_t least, const char* complaint) {
  for (int64_t value : values) {
    if (value < least) runtime_error(complaint, " (", a.operation, ": ", what, "=", values, ")");
    if (value > kLargest) runtime_error(a.operation, ": ", what, "=", values, " is too large");
  }
}

void check_tensors(const Arguments& a, const Tensor& x) {
  const Dims& w = a.w.sizes();
  if (a.w.ndim() != a.rank + 2)
    runtime_error("weight should have ", a.rank + 2, " dimensions, but got weight of size ", w, " (", a.operation, ")");
  if (a.groups <= 0) runtime_error("non-positive groups is not supported (", a.operation, ": groups=", a.groups, ")");
  if (w[0] < a.groups)
    runtime_error("Given groups=", a.groups, ", expected weight to be at least ", a.groups,
                  " at dimension 0, but got weight of size ", w, " instead (", a.operation, ")");
  if (w[0] % a.groups)
    runtime_error("Given groups=", a.groups, ", expected weight to be divisible by ", a.groups,
                  " at dimension 0, but got weight of size ", w, " instead (", a.operation, ")");
  for (int64_t i = 2; i < a.w.ndim(); ++i) {
    if (w[i] == 0)
      runtime_error("kernel size should be greater than zero, but got weight of size ", w, " (", a.operation, ")");
    if (w[i] > kLargest) runtime_error(a.operation, ": kernel of size ", w, " is too large");
  }
  for (int64_t i = 2; i < x.ndim(); ++i)
    if (x.sizes()[i] > kLargestInput) runtime_error(a.operation, ": input of size ", a.x.sizes(), " is too large");
  int64_t wanted = a.transposed ? w[0] : w[1] * a.groups, channels = x.sizes()[1];
  if (channels != wanted)
    shape_error("Given ", a.transposed ? "transposed=1, " : "groups=", a.transposed ? "" : text(a.groups, ", "),
                "weight of size ", w, ", expected input", a.x.sizes(), " to have ", wanted, " channels, but got ",
                channels, " channels instead (", a.operation, ")",
                moved_hint(a.x.sizes(), a.x.ndim() - a.rank - 1, wanted));
  int64_t outputs = a.transposed ? w[1] * a.groups : w[0];
  if (a.bias.defined() && a.bias.sizes() != Dims{outputs})
    shape_error("Given ", a.transposed ? "transposed=1, " : "", "weight of size ", w,
                ", expected bias to be 1-dimensional with ", outputs, " elements, but got bias of size ",
                a.bias.sizes(), " instead (", a.operation, ")");
  if (a.x.dtype() != a.w.dtype())
    runtime_error("Input type (", torch_name(a.x.dtype()), ") and weight type (", torch_name(a.w.dtype()),
                  ") should be the same (", a.operation, ": input ", a.x.sizes(), ", weight ", w,
                  "; convert the input, with .",
                  is_integral(a.x.dtype()) ? "float()" : text("to(torch.", name(a.w.dtype()), ")"), ", or the layer)");
  if (a.bias.defined() && a.bias.dtype() != a.x.dtype())
    runtime_error("Input type (", torch_name(a.x.dtype()), ") and bias type (", torch_name(a.bias.dtype()),
                  ") should be the same (", a.operation, ")");
  if (a.x.dtype() == Dtype::Bool) not_implemented(a.operation, " is not implemented for 'Bool'");
}

ConvolutionGeometry geometry_of(const Arguments& a) {
  ConvolutionGeometry geometry{.rank = a.rank, .groups = a.groups};
  for (int64_t i = 0; i < a.rank; ++i) {
    int64_t axis = 3 - a.rank + i;
    geometry.stride[axis] = a.stride[i];
    geometry.padding[axis] = a.padding[i];
    geometry.dilation[axis] = a.dilation[i];
  }
  return geometry;
}

/// (3 x 3)
std::string product_of_sizes(const Dims& sizes) {
  std::string written;
  for (int64_t size : sizes) written += (written.empty() ? "(" : " x ") + std::to_string(size);
  return written + ")";
}

/// The sizes of the output, whose `after` is the padding behind the input.
Dims output_sizes(const Arguments& a, const Tensor& x, const Dims& after) {
  Dims sizes{x.sizes()[0], a.w.sizes()[0]}, padded, kernel;
  bool fits = true;
  for (int64_t i = 0; i < a.rank; ++i) {
    int64_t reach = a.dilation[i] * (a.w.sizes()[i + 2] - 1) + 1, length = x.sizes()[i + 2] + a.padding[i] + after[i];
    padded.push_back(length);
    kernel.push_back(a.w.sizes()[i + 2]);
    fits = fits && length >= reach;
    sizes.push_back((length - reach) / a.stride[i] + 1);
  }
  if (!fits)
    shape_error("Calculated padded input size per channel: ", product_of_sizes(padded),
                ". Kernel size: ", product_of_sizes(kernel), ". Kernel size can't be greater than actual input size (",
                a.operation, ": input ", a.x.sizes(), ", weight ", a.w.sizes(), ", padding ", a.padding, ", dilation ",
                a.dilation, ")");
  return sizes;
}

Dims transposed_sizes(const Arguments& a, const Tensor& x, const Dims& output_padding) {
  Dims sizes{x.sizes()[0], a.w.sizes()[1] * a.groups};
  for (int64_t i = 0; i < a.rank; ++i) {
    if (output_padding[i] >= a.stride[i] && output_padding[i] >= a.dilation[i])
      runtime_error("output padding must be smaller than either stride or dilation, but got output_padding=",
                    output_padding, ", stride=", a.stride, ", dilation=", a.dilation, " (", a.operation, ")");
    int64_t moved;
    if (__builtin_mul_overflow(x.sizes()[i + 2] - 1, a.stride[i], &moved) || moved > (int64_t{1} << 61))
      runtime_error(a.operation, ": stride ", a.stride, " makes the output of input ", a.x.sizes(), " too large");
    sizes.push_back(moved - 2 * a.padding[i] + a.dilation[i] * (a.w.sizes()[i + 2] - 1) + output_padding[i] + 1);
    if (x.sizes()[i + 2] == 0)
      runtime_error(a.operation, ": expected non-empty spatial dimensions, got input ", a.x.sizes());
    if (sizes.back() <= 0)
      shape_error("Given input size per channel: ", Dims(x.sizes().begin() + 2, x.sizes().end()),
                  ". Calculated output size per channel: ", sizes.back(), " at spatial dimension ", i,
                  ". Output size is too small (", a.operation, ")");
  }
  return sizes;
}

/// Complex numbers by real convolutions of the parts.
template <class Convolve>
Tensor by_parts(const Tensor& x, const Tensor& w, const Tensor& bias, Convolve convolve) {
  Tensor xr = real(x), xi = imag(x), wr = real(w), wi = imag(w), none;
  Tensor re = sub(convolve(xr, wr, bias.defined() ? real(bias) : none), convolve(xi, wi, none));
  Tensor im = add(convolve(xr, wi, bias.defined() ? imag(bias) : none), convolve(xi, wr, none));
  return add(to_dtype(re, x.dtype()), mul_by(to_dtype(im, x.dtype()), c128(0, 1)));
}

Tensor batched(const Arguments& a) {
  if (a.x.ndim() != a.rank + 1 && a.x.ndim() != a.rank + 2)
    runtime_error("Expected ", a.rank + 1, "D (unbatched) or ", a.rank + 2, "D (batched) input to ", a.operation,
                  ", but got input of size: ", a.x.sizes());
  return a.x.ndim() == a.rank + 1 ? unsqueeze(a.x, 0) : a.x;
}

/// What comes behind a convolution of float32.
struct Afterwards {
  kernel::ConvolutionEpilogue<float> epilogue;
  bool pooled;
};

Tensor convolve(Arguments a, const Dims& padding_after, const Dims& output_padding,
                const Afterwards* afterwards = nullptr) {
  Tensor x = batched(a);
  check_tensors(a, x);
  check_at_least(a, "stride", a.stride, 1, "non-positive stride is not supported");
  check_at_least(a, "padding", a.padding, 0, "negative padding is not supported");
  check_at_least(a, "dilation", a.dilation, 1, "dilation should be greater than zero");
  ConvolutionGeometry geometry = geometry_of(a);
  Tensor y;
  if (a.transposed) {
    check_at_least(a, "output_padding", output_padding, 0, "negative output_padding is not supported");
    Dims sizes = transposed_sizes(a, x, output_padding);
    auto run = [&](const Tensor& input, const Tensor& weight, const Tensor& bias) {
      return convolution_input(input, weight, bias, geometry, sizes);
    };
    y = is_complex(x.dtype()) ? by_parts(x, a.w, a.bias, run) : run(x, a.w, a.bias);
  } else {
    Dims sizes = output_sizes(a, x, padding_after);
    auto run = [&](const Tensor& input, const Tensor& weight, const Tensor& bias) {
      if (!afterwards) return convolution_output(input, weight, bias, geometry, sizes);
      if (afterwards->pooled) return convolution_pooled(input, weight, bias, geometry, sizes, afterwards->epilogue);
      return convolution_output(input, weight, bias, geometry, sizes, &afterwards->epilogue);
    };
    y = is_complex(x.dtype()) ? by_parts(x, a.w, a.bias, run) : run(x, a.w, a.bias);
  }
  return a.x.ndim() == a.rank + 1 ? squeeze(y, 0) : y;
}

template <int kRank>
constexpr const char* kNames[2] = {kRank == 1   ? "conv1d"
                                   : kRank == 2 ? "conv2d"
                                                : "conv3d",
                                   kRank == 1   ? "conv_transpose1d"
                                   : kRank == 2 ? "conv_transpose2d"
                                                : "conv_transpose3d"};

template <int kRank>
Tensor conv(const Tensor& x, const Tensor& w, const Tensor& bias, const Dims& stride, const Dims& padding,
            const Dims& dilation, int64_t groups) {
  Arguments a{kNames<kRank>[0], kRank, x, w, bias, {}, {}, {}, groups, false};
  a.stride = one_each(a, "stride", stride);
  a.padding = one_each(a, "padding", padding);
  a.dilation = one_each(a, "dilation", dilation);
  Dims after = a.padding;
  return convolve(std::move(a), after, {});
}

/// What nn.Sequential makes of a convolution, batch norm in evaluation, relu, relu6 or nothing (low and high are then
/// infinite), and max_pool2d of 2 x 2 elements if `pooled`: the bits of the separate calls, in one pass over memory.
/// Without a running_mean the batch norm is left out. For float32; where a gradient is recorded, only with relu and
/// without batch norm.
Tensor conv2d_epilogue(const Tensor& x, const Tensor& w, const Tensor& bias, const Dims& stride, const Dims& padding,
                       const Dims& dilation, int64_t groups, const Tensor& norm_weight, const Tensor& norm_bias,
                       const Tensor& running_mean, const Tensor& running_var, double eps, double low, double high,
                       bool pooled) {
  Arguments a{kNames<2>[0], 2, x, w, bias, {}, {}, {}, groups, false};
  if (x.ndim() != 4 || x.dtype() != Dtype::F32)
    runtime_error("_conv2d_epilogue: expected a float32 input of 4 dimensions, got ", x.sizes());
  const bool recorded = GradMode::enabled();
  if (recorded && (running_mean.defined() || low != 0 || high != std::numeric_limits<double>::infinity()))
    runtime_error("_conv2d_epilogue: only relu can be recorded; anything else is for calls under no_grad()");
  a.stride = one_each(a, "stride", stride);
  a.padding = one_each(a, "padding", padding);
  a.dilation = one_each(a, "dilation", dilation);
  Afterwards afterwards{{nullptr, nullptr, static_cast<float>(low), static_cast<float>(high)}, pooled};
  BatchNormAffine affine;
  if (running_mean.defined()) {
    affine = batch_norm_affine(w.ndim() ? w.size(0) : 0, norm_weight, norm_bias, running_mean, running_var, eps);
    afterwards.epilogue.scale = affine.scale.data<float>();
    afterwards.epilogue.shift = affine.shift.data<float>();
  }
  Dims after = a.padding;
  Tensor y = convolve(std::move(a), after, {}, &afterwards);
  return recorded && !pooled ? relu_computed(y) : y;
}

/// padding='same' keeps the size; where it cannot be even, one more stands behind.
template <int kRank>
Tensor conv_padded(const Tensor& x, const Tensor& w, const Tensor& bias, const Dims& stride, std::string_view padding,
                   const Dims& dilation, int64_t groups) {
  Arguments a{kNames<kRank>[0], kRank, x, w, bias, {}, repeated(kRank, 0), {}, groups, false};
  a.stride = one_each(a, "stride", stride);
  a.dilation = one_each(a, "dilation", dilation);
  Dims after = repeated(kRank, 0);
  if (padding == "same") {
    for (int64_t step : a.stride)
      if (step != 1)
        runtime_error("padding='same' is not supported for strided convolutions (", a.operation, ": stride=", a.stride,
                      ")");
    if (w.ndim() != kRank + 2)
      runtime_error("weight should have ", kRank + 2, " dimensions, but got weight of size ", w.sizes(), " (",
                    a.operation, ")");
    check_at_least(a, "dilation", a.dilation, 1, "dilation should be greater than zero");
    for (int64_t i = 0; i < kRank; ++i) {
      int64_t total;
      if (__builtin_mul_overflow(a.dilation[i], std::max<int64_t>(w.sizes()[i + 2] - 1, 0), &total) || total > kLargest)
        runtime_error(a.operation, ": dilation ", a.dilation, " is too large");
      a.padding[i] = total / 2;
      after[i] = total - total / 2;
    }
  } else if (padding != "valid") {
    runtime_error("Invalid padding string: '", padding, "'; 'same', 'valid' or numbers are understood (", a.operation,
                  ")");
  }
  return convolve(std::move(a), after, {});
}

template <int kRank>
Tensor conv_transpose(const Tensor& x, const Tensor& w, const Tensor& bias, const Dims& stride, const Dims& padding,
                      const Dims& output_padding, int64_t groups, const Dims& dilation) {
  Arguments a{kNames<kRank>[1], kRank, x, w, bias, {}, {}, {}, groups, true};
  a.stride = one_each(a, "stride", stride);
  a.padding = one_each(a, "padding", padding);
  a.dilation = one_each(a, "dilation", dilation);
  return convolve(std::move(a), {}, one_each(a, "output_padding", output_padding));
}

Tensor convolution(const Tensor& x, const Tensor& w, const Tensor& bias, const Dims& stride, const Dims& padding,
                   const Dims& dilation, bool transposed, const Dims& output_padding, int64_t groups) {
  if (w.ndim() < 3 || w.ndim() > 5)
    runtime_error("convolution: weight should have 3, 4 or 5 dimensions, but got weight of size ", w.sizes());
  Arguments a{"convolution", w.ndim() - 2, x, w, bias, {}, {}, {}, groups, transposed};
  a.stride = one_each(a, "stride", stride);
  a.padding = one_each(a, "padding", padding);
  a.dilation = one_each(a, "dilation", dilation);
  Dims after = a.padding;
  return convolve(std::move(a), after, one_each(a, "output_padding", output_padding));
}

/// Time first, channels last: input [time, batch, in], weight [taps, in, out].
Tensor conv_tbc(const Tensor& x, const Tensor& w, const Tensor& bias, int64_t pad) {
  if (x.ndim() != 3 || w.ndim() != 3)
    runtime_error("conv_tbc: input and weight must have 3 dimensions (time, batch, channels), got ", x.sizes(), " and ",
                  w.sizes());
  return permute(conv<1>(permute(x, {1, 2, 0}), permute(w, {2, 1, 0}), bias, {1}, {pad}, {1}, 1), {2, 0, 1});
}

template <int kRank>
void register_rank(Registry& r) {
  std::string n = std::to_string(kRank),
              lead = "(Tensor input, Tensor weight, Tensor? bias=None, int[" + n + "] stride=1, ";
  for (const char* scope : {"", "nn."}) {
    r.add(scope + ("conv" + n + "d") + lead + "int[" + n + "] padding=0, int[" + n +
              "] dilation=1, int groups=1) -> Tensor",
          conv<kRank>);
    r.add(scope + ("conv" + n + "d.padding") + lead + "str padding='valid', int[" + n +
              "] dilation=1, int groups=1) -> Tensor",
          conv_padded<kRank>);
    r.add(scope + ("conv_transpose" + n + "d") + lead + "int[" + n + "] padding=0, int[" + n +
              "] output_padding=0, int groups=1, int[" + n + "] dilation=1) -> Tensor",
          conv_transpose<kRank>);
  }
}

}  // namespace

void register_convolution(Registry& r) {
  register_rank<1>(r);
  register_rank<2>(r);
  register_rank<3>(r);
  r.add(
      "convolution(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, bool "
      "transposed, int[] output_padding, "
      "int groups) -> Tensor",
      convolution);
  r.add(
      "nn._conv2d_epilogue(Tensor input, Tensor weight, Tensor? bias, int[2] stride, int[2] padding, int[2] dilation, "
      "int groups, Tensor? norm_weight, Tensor? norm_bias, Tensor? running_mean, Tensor? running_var, float eps, float "
      "low, float high, bool pooled) -> Tensor",
      conv2d_epilogue);
  r.add("conv_tbc(Tensor input, Tensor weight, Tensor bias, int pad=0) -> Tensor", conv_tbc);
}

}  // namespace ondol
