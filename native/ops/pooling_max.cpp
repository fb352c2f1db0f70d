// max_pool and adaptive_max_pool, with the indices of what they took.

#include "base/parallel.h"
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

/// The elements at the indices, plane by plane: what the transpose of `spread` does.
Tensor collect(const Tensor& x, const Tensor& indices, const PoolingPlan& plan);

/// Each element added at its index, plane by plane; linear in g.
Tensor spread(const Tensor& g, const Tensor& indices, const PoolingPlan& plan) {
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
    record("GatherBackward0", y, {x}, [=](const Tensor& g, Gradients& in) { in[0] = spread(g, kept(), plan); });
  }
  return y;
}

struct Maxima {
  Tensor values, indices;  // indices only if wanted or needed for the gradient
};

Maxima maxima(const char* operation, const char* node, const PoolingPlan& plan, const Tensor& x, bool wants_indices) {
  Dtype dtype = x.dtype();
  if (dtype == Dtype::Bool || is_complex(dtype) || (is_integral(dtype) && plan.adaptive))
    refuse_pooling_dtype(operation, dtype);
  bool recorded = needs_gradient(x);
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
           [=](const Tensor& g, Gradients& in) { in[0] = joined_to_inputs(spread(g, kept(), plan)); });
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

/// The largest element, its index, of windows that begin at starts[axis][plane][output]; a NaN wins.
template <class T>
void fractional_maxima(const kernel::PoolingShape& s, const int64_t* const* starts, const T* x, T* y,
                       int64_t* indices) {
  const int64_t in = s.input[0] * s.input[1] * s.input[2], out = s.output[0] * s.output[1] * s.output[2];
  parallel_for(s.planes, 1 + 16384 / (out + 1), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const T* from = x + plane * in;
      const int64_t* first[3];
      for (int axis = 0; axis < 3; ++axis) first[axis] = starts[axis] + plane * s.output[axis];
      for (int64_t at = 0; at < out; ++at) {
        const int64_t d0 = first[0][at / (s.output[1] * s.output[2])], h0 = first[1][at / s.output[2] % s.output[1]],
                      w0 = first[2][at % s.output[2]];
        int64_t best = (d0 * s.input[1] + h0) * s.input[2] + w0;
        for (int64_t d = d0; d < d0 + s.kernel[0]; ++d)
          for (int64_t h = h0; h < h0 + s.kernel[1]; ++h)
            for (int64_t w = w0; w < w0 + s.kernel[2]; ++w) {
              const int64_t i = (d * s.input[1] + h) * s.input[2] + w;
              if (from[i] > from[best] || from[i] != from[i]) best = i;
            }
        y[plane * out + at] = from[best];
        indices[plane * out + at] = best;
      }
    }
  });
}

/// x [planes, spatial...] and for each spatial axis where the windows begin, int64 [planes, outputs of the axis].
PoolingPlan plan_fractional(const Tensor& x, const Dims& kernel, const std::vector<Tensor>& starts) {
  const auto rank = static_cast<int64_t>(starts.size());
  if ((rank != 2 && rank != 3) || kernel.ssize() != rank || x.ndim() != rank + 1)
    runtime_error("fractional_max_pool: expected an input with ", rank + 1, " dimensions and a kernel with ", rank,
                  ", got ", x.sizes(), " and ", kernel);
  PoolingPlan plan;
  plan.shape = {x.sizes()[0], {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}};
  plan.x_sizes = x.sizes();
  plan.y_sizes = {x.sizes()[0]};
  for (int64_t i = 0; i < rank; ++i) {
    const int64_t axis = 3 - rank + i, size = x.sizes()[i + 1];
    if (starts[i].ndim() != 2 || starts[i].dtype() != Dtype::I64 || starts[i].sizes()[0] != plan.shape.planes)
      runtime_error("fractional_max_pool: expected int64 starts of shape (", plan.shape.planes, ", outputs), got ",
                    torch_name(starts[i].dtype()), " ", starts[i].sizes());
    plan.shape.input[axis] = size;
    plan.shape.output[axis] = starts[i].sizes()[1];
    plan.shape.kernel[axis] = kernel[i];
    plan.y_sizes.push_back(starts[i].sizes()[1]);
    const auto* at = starts[i].data<int64_t>();
    for (int64_t k = 0; k < starts[i].numel(); ++k)
      if (kernel[i] < 1 || at[k] < 0 || at[k] > size - kernel[i])
        index_error("fractional_max_pool: a window of ", kernel[i], " at ", at[k], " does not lie inside of ", size);
  }
  return plan;
}

std::tuple<Tensor, Tensor> fractional_max_pool(const Tensor& x, const Dims& kernel, const std::vector<Tensor>& given) {
  if (!is_floating(x.dtype())) refuse_pooling_dtype("fractional_max_pool", x.dtype());
  Tensor values, indices;
  PoolingPlan plan;
  {
    NoGrad silent;
    std::vector<Tensor> starts;
    for (const Tensor& each : given) starts.push_back(contiguous(detach(each)));
    plan = plan_fractional(x, kernel, starts);
    const Dtype compute = pooling_dtype(x.dtype());
    Tensor source = contiguous(to_dtype(detach(x), compute)), y = empty(plan.y_sizes, compute);
    indices = empty(plan.y_sizes, Dtype::I64);
    const std::vector<int64_t> zeros(static_cast<size_t>(plan.shape.planes), 0);  // the missing axis has one window
    const int64_t* at[3] = {zeros.data(), zeros.data(), zeros.data()};
    for (size_t i = 0; i < starts.size(); ++i) at[3 - starts.size() + i] = starts[i].data<int64_t>();
    if (y.numel() > 0)
      launch({{&source}, {&y, &indices}}, source.numel() * 2, [&] {
        if (compute == Dtype::F64)
          fractional_maxima(plan.shape, at, source.data<double>(), y.data<double>(), indices.data<int64_t>());
        else
          fractional_maxima(plan.shape, at, source.data<float>(), y.data<float>(), indices.data<int64_t>());
      });
    values = to_dtype(y, x.dtype());
  }
  if (needs_gradient(x)) {
    Saved kept = save(indices);
    record("FractionalMaxPoolBackward0", values, {x},
           [=](const Tensor& g, Gradients& in) { in[0] = spread(g, kept(), plan); });
  }
  return {values, indices};
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

void register_pooling_max(Registry& r) {
  register_rank<1>(r);
  register_rank<2>(r);
  register_rank<3>(r);
  r.add("nn.fractional_max_pool(Tensor input, int[] kernel_size, Tensor[] starts) -> (Tensor, Tensor)",
        fractional_max_pool);
}

}  // namespace ondol
