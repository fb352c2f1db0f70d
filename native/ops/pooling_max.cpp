// max_pool and adaptive_max_pool, with the indices of what they took.

#include "kernels/table.h"
#include "ops/flat_gradient.h"
#include "ops/functions.h"
#include "ops/pooling.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {
namespace {

template <class F>
void with_kernels(Dtype compute, F f) {
  if (compute == Dtype::F64)
    f(kernel::table().pooling.float64, double{});
  else
    f(kernel::table().pooling.float32, float{});
}

/// The elements at the indices, plane by plane: what the transpose of `spread_to_indices` does.
Tensor collect(const Tensor& x, const Tensor& indices, const PoolingPlan& plan);

}  // namespace

Tensor spread_to_indices(const Tensor& g, const Tensor& indices, const PoolingPlan& plan) {
  Dtype compute = pooling_dtype(g.dtype());
  Tensor gx;
  {
    NoGrad silent;
    Tensor source = contiguous(to_dtype(g, compute));
    gx = empty(plan.x_sizes, compute);
    with_kernels(compute, [&](const auto& kernels, auto type) {
      using T = decltype(type);
      if (gx.numel() > 0)
        launch({{&source, &indices}, {&gx}}, gx.numel(),
               [&] { kernels.max_backward(plan.shape, source.data<T>(), indices.data<int64_t>(), gx.data<T>()); });
    });
    gx = to_dtype(gx, g.dtype());
  }
  if (needs_gradient(g)) {
    Saved kept = save(indices);
    record("MaxPoolWithIndicesBackwardBackward0", gx, {g},
           [=](const Tensor& gg, Gradients& in) { in[0] = collect(gg, kept(), plan); });
  }
  return gx;
}

namespace {

template <class T>
void collect_elements(const T* x, const int64_t* indices, T* y, int64_t planes, int64_t inputs, int64_t outputs) {
  for (int64_t plane = 0; plane < planes; ++plane)
    for (int64_t i = 0; i < outputs; ++i) {
      int64_t at = indices[plane * outputs + i];
      y[plane * outputs + i] = at >= 0 && at < inputs ? x[plane * inputs + at] : T(0);
    }
}

Tensor collect(const Tensor& x, const Tensor& indices, const PoolingPlan& plan) {
  Dtype compute = pooling_dtype(x.dtype());
  Tensor y;
  {
    NoGrad silent;
    Tensor source = contiguous(to_dtype(x, compute));
    y = empty(plan.y_sizes, compute);
    int64_t planes = plan.shape.planes, inputs = planes ? x.numel() / planes : 0,
            outputs = planes ? y.numel() / planes : 0;
    launch({{&source, &indices}, {&y}}, y.numel(), [&] {
      if (compute == Dtype::F64)
        collect_elements(source.data<double>(), indices.data<int64_t>(), y.data<double>(), planes, inputs, outputs);
      else
        collect_elements(source.data<float>(), indices.data<int64_t>(), y.data<float>(), planes, inputs, outputs);
    });
    y = to_dtype(y, x.dtype());
  }
  if (needs_gradient(x)) {
    Saved kept = save(indices);
    record("GatherBackward0", y, {x},
           [=](const Tensor& g, Gradients& in) { in[0] = spread_to_indices(g, kept(), plan); });
  }
  return y;
}

/// The indices that places in squares stand for, -1 for none.
Tensor indices_of(const Tensor& places, const PoolingPlan& plan) {
  const kernel::PoolingShape& s = plan.shape;
  Tensor indices = empty(plan.y_sizes, Dtype::I64);
  const uint8_t* place = places.data<uint8_t>();
  int64_t* index = indices.data<int64_t>();
  for (int64_t plane = 0; plane < s.planes; ++plane)
    for (int64_t d = 0; d < s.output[0]; ++d)
      for (int64_t h = 0; h < s.output[1]; ++h)
        for (int64_t w = 0; w < s.output[2]; ++w, ++place)
          *index++ = *place < 4 ? (d * s.input[1] + 2 * h + *place / 2) * s.input[2] + 2 * w + *place % 2 : -1;
  return indices;
}

}  // namespace

Tensor spread_to_places(const Tensor& g, const Tensor& places, const PoolingPlan& plan) {
  if (needs_gradient(g)) return spread_to_indices(g, indices_of(places, plan), plan);
  Dtype compute = pooling_dtype(g.dtype());
  Tensor source = contiguous(to_dtype(g, compute)), gx = empty(plan.x_sizes, compute);
  if (gx.numel() > 0)
    with_kernels(compute, [&](const auto& kernels, auto type) {
      using T = decltype(type);
      launch({{&source, &places}, {&gx}}, gx.numel(),
             [&] { kernels.spread_to_places(plan.shape, source.data<T>(), places.data<uint8_t>(), gx.data<T>()); });
    });
  return to_dtype(gx, g.dtype());
}

namespace {

/// Where nobody asks for indices: of 2 x 2 elements a byte says which one is the largest.
Tensor maxima_of_squares(const char* node, const PoolingPlan& plan, const Tensor& x) {
  Tensor places = empty(plan.y_sizes, Dtype::U8), result;
  {
    NoGrad silent;
    Dtype compute = pooling_dtype(x.dtype());
    Tensor source = contiguous(to_dtype(x, compute)), y = empty(plan.y_sizes, compute);
    if (y.numel() > 0)
      with_kernels(compute, [&](const auto& kernels, auto type) {
        using T = decltype(type);
        launch({{&source}, {&y, &places}}, source.numel(),
               [&] { kernels.max_places(plan.shape, source.data<T>(), y.data<T>(), places.data<uint8_t>()); });
      });
    result = to_dtype(y, x.dtype());
  }
  Saved kept = save(places);
  record(node, result, {x},
         [=](const Tensor& g, Gradients& in) { in[0] = joined_to_inputs(spread_to_places(g, kept(), plan)); });
  return result;
}

struct Maxima {
  Tensor values, indices;  // indices only if wanted or needed for the gradient
};

Maxima maxima(const char* operation, const char* node, const PoolingPlan& plan, const Tensor& x, bool wants_indices) {
  Dtype dtype = x.dtype();
  if (dtype == Dtype::Bool || is_complex(dtype) || (is_integral(dtype) && plan.adaptive))
    refuse_pooling_dtype(operation, dtype);
  bool recorded = needs_gradient(x);
  if (recorded && !wants_indices && !plan.adaptive && kernel::are_squares(plan.shape))
    return {maxima_of_squares(node, plan, x), {}};
  Maxima result;
  {
    NoGrad silent;
    Dtype compute = is_integral(dtype) ? Dtype::I64 : pooling_dtype(dtype);
    Tensor source = contiguous(to_dtype(x, compute)), y = empty(plan.y_sizes, compute);
    if (wants_indices || recorded) result.indices = empty(plan.y_sizes, Dtype::I64);
    int64_t* indices = result.indices.defined() ? result.indices.data<int64_t>() : nullptr;
    if (y.numel() > 0 && compute == Dtype::I64)
      max_pool_integers(plan.shape, source.data<int64_t>(), y.data<int64_t>(), indices);
    else if (y.numel() > 0)
      with_kernels(compute, [&](const auto& kernels, auto type) {
        using T = decltype(type);
        launch({{&source}, {&y}}, source.numel() * 4, [&] {
          (plan.adaptive ? kernels.adaptive_max_forward : kernels.max_forward)(plan.shape, source.data<T>(),
                                                                               y.data<T>(), indices);
        });
      });
    result.values = to_dtype(y, dtype);
  }
  if (recorded) {
    Saved kept = save(result.indices);
    record(node, result.values, {x},
           [=](const Tensor& g, Gradients& in) { in[0] = joined_to_inputs(spread_to_indices(g, kept(), plan)); });
  }
  return result;
}

template <int kRank>
constexpr const char* kName = kRank == 1   ? "max_pool1d"
                              : kRank == 2 ? "max_pool2d"
                                           : "max_pool3d";
template <int kRank>
constexpr const char* kNode = kRank == 1   ? "MaxPool1DWithIndicesBackward0"
                              : kRank == 2 ? "MaxPool2DWithIndicesBackward0"
                                           : "MaxPool3DWithIndicesBackward0";
template <int kRank>
constexpr const char* kAdaptiveName = kRank == 1   ? "adaptive_max_pool1d"
                                      : kRank == 2 ? "adaptive_max_pool2d"
                                                   : "adaptive_max_pool3d";
template <int kRank>
constexpr const char* kAdaptiveNode = kRank == 1   ? "AdaptiveMaxPool1DBackward0"
                                      : kRank == 2 ? "AdaptiveMaxPool2DBackward0"
                                                   : "AdaptiveMaxPool3DBackward0";

template <int kRank>
std::tuple<Tensor, Tensor> max_pool_with_indices(const Tensor& x, const Dims& kernel, std::optional<Dims> stride,
                                                 const Dims& padding, const Dims& dilation, bool ceil_mode) {
  PoolingPlan plan =
      plan_pooling(kName<kRank>, kRank, x, kernel, stride.value_or(Dims{}), padding, dilation, ceil_mode);
  Maxima result = maxima(kName<kRank>, kNode<kRank>, plan, x, true);
  return {result.values, result.indices};
}
template <int kRank>
Tensor max_pool(const Tensor& x, const Dims& kernel, std::optional<Dims> stride, const Dims& padding,
                const Dims& dilation, bool ceil_mode) {
  PoolingPlan plan =
      plan_pooling(kName<kRank>, kRank, x, kernel, stride.value_or(Dims{}), padding, dilation, ceil_mode);
  return maxima(kName<kRank>, kNode<kRank>, plan, x, false).values;
}
template <int kRank>
std::tuple<Tensor, Tensor> adaptive_max_pool(const Tensor& x, const Dims& output_size) {
  PoolingPlan plan = plan_adaptive_pooling(kAdaptiveName<kRank>, kRank, x, output_size);
  Maxima result = maxima(kAdaptiveName<kRank>, kAdaptiveNode<kRank>, plan, x, true);
  return {result.values, result.indices};
}

template <int kRank>
void register_rank(Registry& r) {
  std::string n = std::to_string(kRank), each = "int[" + n + "]";
  std::string window = "(Tensor input, " + each + " kernel_size, " + each + "? stride=None, " + each + " padding=0, " +
                       each + " dilation=1, bool ceil_mode=False) -> ";
  for (const char* scope : {"", "nn."}) {
    r.add(scope + ("max_pool" + n + "d") + window + "Tensor", max_pool<kRank>);
    if (kRank == 1 || *scope) {
      r.add(scope + ("max_pool" + n + "d_with_indices") + window + "(Tensor, Tensor)", max_pool_with_indices<kRank>);
      r.add(scope + ("adaptive_max_pool" + n + "d") + "(Tensor input, " + each + " output_size) -> (Tensor, Tensor)",
            adaptive_max_pool<kRank>);
    }
  }
}

}  // namespace

Tensor max_pool2d(const Tensor& x, const Dims& kernel, std::optional<Dims> stride, const Dims& padding,
                  const Dims& dilation, bool ceil_mode) {
  return max_pool<2>(x, kernel, std::move(stride), padding, dilation, ceil_mode);
}

void register_pooling_max(Registry& r) {
  register_rank<1>(r);
  register_rank<2>(r);
  register_rank<3>(r);
}

}  // namespace ondol
