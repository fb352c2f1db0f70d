// avg_pool and adaptive_avg_pool: linear maps, each the derivative of the other way round.

#include "kernels/table.h"
#include "ops/flat_gradient.h"
#include "ops/functions.h"
#include "ops/pooling.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {
namespace {

struct Averaging {
  const char* operation;
  const char* node;  // of the forward direction
  PoolingPlan plan;
  bool count_include_pad = true;
  int64_t divisor = 0;  // 0: the number of elements
};

template <class T>
void run_kernel(const kernel::PoolingFunctions<T>& kernels, const Averaging& a, const T* from, T* to, bool forward) {
  const kernel::PoolingShape& shape = a.plan.shape;
  if (a.plan.adaptive)
    (forward ? kernels.adaptive_average_forward : kernels.adaptive_average_backward)(shape, from, to);
  else
    (forward ? kernels.average_forward : kernels.average_backward)(shape, a.count_include_pad, a.divisor, from, to);
}

/// The means of the windows; backwards, each element shared out over its window.
Tensor average(const Averaging& a, const Tensor& x, bool forward) {
  Dtype dtype = x.dtype();
  bool integers = dtype == Dtype::I64 && !a.plan.adaptive;
  if (!is_floating(dtype) && !integers) refuse_pooling_dtype(a.operation, dtype);
  Tensor y;
  {
    NoGrad silent;
    Dtype compute = integers ? dtype : pooling_dtype(dtype);
    Tensor source = contiguous(to_dtype(x, compute));
    y = empty(forward ? a.plan.y_sizes : a.plan.x_sizes, compute);
    if (y.numel() > 0)
      launch({{&source}, {&y}}, source.numel() + y.numel(), [&] {
        if (integers)
          average_pool_integers(a.plan.shape, a.count_include_pad, a.divisor, source.data<int64_t>(),
                                y.data<int64_t>());
        else if (compute == Dtype::F64)
          run_kernel(kernel::table().pooling.float64, a, source.data<double>(), y.data<double>(), forward);
        else
          run_kernel(kernel::table().pooling.float32, a, source.data<float>(), y.data<float>(), forward);
      });
    y = to_dtype(y, dtype);
  }
  if (needs_gradient(x))
    record(forward ? a.node : "AvgPoolBackwardBackward0", y, {x}, [=](const Tensor& g, Gradients& in) {
      Tensor back = average(a, g, !forward);
      in[0] = forward ? joined_to_inputs(back) : back;
    });
  return y;
}

template <int kRank>
constexpr const char* kName = kRank == 1   ? "avg_pool1d"
                              : kRank == 2 ? "avg_pool2d"
                                           : "avg_pool3d";
template <int kRank>
constexpr const char* kNode = kRank == 1   ? "AvgPool1DBackward0"
                              : kRank == 2 ? "AvgPool2DBackward0"
                                           : "AvgPool3DBackward0";
template <int kRank>
constexpr const char* kAdaptiveName = kRank == 1   ? "adaptive_avg_pool1d"
                                      : kRank == 2 ? "adaptive_avg_pool2d"
                                                   : "adaptive_avg_pool3d";
template <int kRank>
constexpr const char* kAdaptiveNode = kRank == 1   ? "AdaptiveAvgPool1DBackward0"
                                      : kRank == 2 ? "AdaptiveAvgPool2DBackward0"
                                                   : "AdaptiveAvgPool3DBackward0";

template <int kRank>
Tensor avg_pool(const Tensor& x, const Dims& kernel, std::optional<Dims> stride, const Dims& padding, bool ceil_mode,
                bool count_include_pad, std::optional<int64_t> divisor_override) {
  if (divisor_override && *divisor_override == 0)
    runtime_error("divisor must be not zero (", kName<kRank>, ": divisor_override=0)");
  PoolingPlan plan = plan_pooling(kName<kRank>, kRank, x, kernel, stride.value_or(Dims{}), padding, {1}, ceil_mode);
  return average({kName<kRank>, kNode<kRank>, plan, count_include_pad, divisor_override.value_or(0)}, x, true);
}
Tensor avg_pool1d(const Tensor& x, const Dims& kernel, std::optional<Dims> stride, const Dims& padding, bool ceil_mode,
                  bool count_include_pad) {
  return avg_pool<1>(x, kernel, std::move(stride), padding, ceil_mode, count_include_pad, std::nullopt);
}
template <int kRank>
Tensor adaptive_avg_pool(const Tensor& x, const Dims& output_size) {
  return average(
      {kAdaptiveName<kRank>, kAdaptiveNode<kRank>, plan_adaptive_pooling(kAdaptiveName<kRank>, kRank, x, output_size)},
      x, true);
}

}  // namespace

void register_pooling_average(Registry& r) {
  for (const char* scope : {"", "nn."}) {
    std::string lead = scope;
    r.add(
        lead +
            "avg_pool1d(Tensor input, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, bool ceil_mode=False, "
            "bool count_include_pad=True) -> Tensor",
        avg_pool1d);
    r.add(lead + "adaptive_avg_pool1d(Tensor input, int[1] output_size) -> Tensor", adaptive_avg_pool<1>);
  }
  r.add(
      "nn.avg_pool2d(Tensor input, int[2] kernel_size, int[2]? stride=None, int[2] padding=0, bool ceil_mode=False, "
      "bool count_include_pad=True, int? divisor_override=None) -> Tensor",
      avg_pool<2>);
  r.add(
      "nn.avg_pool3d(Tensor input, int[3] kernel_size, int[3]? stride=None, int[3] padding=0, bool ceil_mode=False, "
      "bool count_include_pad=True, int? divisor_override=None) -> Tensor",
      avg_pool<3>);
  r.add("nn.adaptive_avg_pool2d(Tensor input, int[2] output_size) -> Tensor", adaptive_avg_pool<2>);
  r.add("nn.adaptive_avg_pool3d(Tensor input, int[3] output_size) -> Tensor", adaptive_avg_pool<3>);
}

}  // namespace ondol
