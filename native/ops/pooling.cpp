// The arguments of pooling operations: what is refused, and the sizes that come out.

#include "ops/pooling.h"

#include "base/error.h"

namespace ondol {
namespace {

/// Larger parameters would overflow the arithmetic on positions.
constexpr int64_t kLargest = (int64_t{1} << 31) - 1;
constexpr int64_t kLargestInput = int64_t{1} << 48;
/// The kernels list the taps of a window.
constexpr int64_t kMostTaps = int64_t{1} << 26;

Dims one_each(const char* operation, const char* what, const Dims& values, int64_t rank) {
  if (values.size() == 1) return Dims(static_cast<size_t>(rank), values[0]);
  if (values.ssize() != rank)
    runtime_error(operation, ": ", what, " must either be a single int, or a tuple of ", rank, " ints, got ", values);
  return values;
}

void check_at_least(const char* operation, const char* what, const Dims& values, int64_t least, const char* complaint) {
  for (int64_t value : values) {
    if (value < least) runtime_error(complaint, " (", operation, ": ", what, "=", values, ")");
    if (value > kLargest) runtime_error(operation, ": ", what, "=", values, " is too large");
  }
}

void check_input(const char* operation, int64_t rank, const Tensor& x, bool channels_too) {
  bool fits = x.ndim() == rank + 1 || x.ndim() == rank + 2;
  int64_t first = x.ndim() - rank - (channels_too ? 1 : 0);
  for (int64_t i = std::max<int64_t>(first, 0); fits && i < x.ndim(); ++i) fits = x.sizes()[i] > 0;
  if (!fits)
    runtime_error(operation, ": Expected ", rank + 1, "D or ", rank + 2,
                  "D (batch mode) tensor with optional 0 dim batch size for input, but got:", x.sizes());
  for (int64_t i = x.ndim() - rank; i < x.ndim(); ++i)
    if (x.sizes()[i] > kLargestInput) runtime_error(operation, ": input of size ", x.sizes(), " is too large");
}

PoolingPlan empty_plan(int64_t rank, const Tensor& x) {
  PoolingPlan plan{{1, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}}, x.sizes(), {}};
  for (int64_t i = 0; i < x.ndim() - rank; ++i) {
    plan.shape.planes *= x.sizes()[i];
    plan.y_sizes.push_back(x.sizes()[i]);
  }
  return plan;
}

int64_t divided_down(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/// How many windows begin inside the input or the padding before it.
int64_t window_count(int64_t size, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation, bool ceil_mode) {
  int64_t room = size + 2 * padding - dilation * (kernel - 1) - 1;
  int64_t count = divided_down(room + (ceil_mode ? stride - 1 : 0), stride) + 1;
  if (ceil_mode && (count - 1) * stride >= size + padding) --count;
  return count;
}

}  // namespace

PoolingPlan plan_pooling(const char* operation, int64_t rank, const Tensor& x, const Dims& kernel_size,
                         const Dims& stride_size, const Dims& padding_size, const Dims& dilation_size, bool ceil_mode) {
  Dims kernel = one_each(operation, "kernel_size", kernel_size, rank);
  Dims stride = stride_size.empty() ? kernel : one_each(operation, "stride", stride_size, rank);
  Dims padding = one_each(operation, "padding", padding_size, rank),
       dilation = one_each(operation, "dilation", dilation_size, rank);
  check_at_least(operation, "kernel_size", kernel, 1, "kernel size should be greater than zero");
  check_at_least(operation, "stride", stride, 1, "stride should not be zero");
  check_at_least(operation, "padding", padding, 0, "pad must be non-negative");
  check_at_least(operation, "dilation", dilation, 1, "dilation should be greater than zero");
  check_input(operation, rank, x, true);
  PoolingPlan plan = empty_plan(rank, x);
  Dims outputs;
  int64_t taps = 1;
  for (int64_t i = 0; i < rank; ++i) {
    int64_t axis = 3 - rank + i, size = x.sizes()[x.ndim() - rank + i];
    if (padding[i] > (dilation[i] * (kernel[i] - 1) + 1) / 2)
      runtime_error("pad should be at most half of effective kernel size, but got pad=", padding[i],
                    ", kernel_size=", kernel[i], " and dilation=", dilation[i], " (", operation, ")");
    if (__builtin_mul_overflow(taps, kernel[i], &taps) || taps > kMostTaps)
      not_implemented(operation, ": kernel_size=", kernel, " has more than ", kMostTaps,
                      " elements; reduce with mean() or amax() instead");
    plan.shape.input[axis] = size;
    plan.shape.kernel[axis] = kernel[i];
    plan.shape.padding[axis] = padding[i];
    plan.shape.dilation[axis] = dilation[i];
    outputs.push_back(window_count(size, kernel[i], stride[i], padding[i], dilation[i], ceil_mode));
    plan.shape.output[axis] = outputs.back();
    plan.shape.stride[axis] = outputs.back() == 1 ? 1 : stride[i];  // kernels make room for a step, however long
    plan.y_sizes.push_back(outputs.back());
  }
  for (int64_t count : outputs)
    if (count < 1)
      shape_error("Given input size: ", x.sizes(), ". Calculated output size: ", outputs,
                  ". Output size is too small (", operation, ": kernel_size=", kernel, ", stride=", stride,
                  ", padding=", padding, ", dilation=", dilation, "): the window is larger than the input");
  return plan;
}

PoolingPlan plan_adaptive_pooling(const char* operation, int64_t rank, const Tensor& x, const Dims& output) {
  if (output.ssize() != rank) runtime_error(operation, ": output_size must have ", rank, " elements, got ", output);
  check_at_least(operation, "output_size", output, 0, "elements of output_size must be greater than or equal to 0");
  check_input(operation, rank, x, false);
  PoolingPlan plan = empty_plan(rank, x);
  plan.adaptive = true;
  for (int64_t i = 0; i < rank; ++i) {
    int64_t size = x.sizes()[x.ndim() - rank + i], product;
    if (__builtin_mul_overflow(size, output[i] + 1, &product))
      runtime_error(operation, ": output_size=", output, " is too large for input ", x.sizes());
    plan.shape.input[3 - rank + i] = size;
    plan.shape.output[3 - rank + i] = output[i];
    plan.y_sizes.push_back(output[i]);
  }
  return plan;
}

void refuse_pooling_dtype(const char* operation, Dtype dtype) {
  not_implemented("\"", operation, "\" not implemented for '", torch_name(dtype), "'");
}

}  // namespace ondol
