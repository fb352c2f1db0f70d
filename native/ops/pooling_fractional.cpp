// Maxima of windows at pseudo-random places (Graham, Fractional Max-Pooling, 2015).

#include <vector>

#include "kernels/table.h"
#include "ops/element_type.h"
#include "ops/functions.h"
#include "ops/pooling.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {
namespace {

/// Where the windows begin, [planes, outputs] for each axis. A missing axis has one window, at 0.
struct WindowStarts {
  std::vector<int64_t> of_axis[3];
};

/// floor(alpha (i + u)) - floor(alpha u) (section 2 of the paper), and the last window at the end. Every step is
/// rounded to the dtype of u.
template <class T>
void fill_starts(T sample, int64_t size, int64_t outputs, int64_t kernel, int64_t* starts) {
  const auto rounded = [](auto x) { return widened(narrowed<T>(x)); };
  using A = decltype(widened(sample));
  const A u = widened(sample);
  if (!(u >= 0 && u <= 1)) runtime_error("fractional_max_pool: _random_samples must lie in [0, 1), got ", u);
  if (outputs > 1) {
    const A alpha = rounded(rounded(A(size - kernel)) / rounded(A(outputs - 1)));
    const auto first = static_cast<int64_t>(rounded(u * alpha));
    for (int64_t i = 0; i < outputs - 1; ++i)
      starts[i] = static_cast<int64_t>(rounded(rounded(rounded(A(i)) + u) * alpha)) - first;
  }
  starts[outputs - 1] = size - kernel;
}

/// x [(batch,) channels, spatial...] and samples [batch, channels, axes].
PoolingPlan plan_fractional(const char* name, const Tensor& x, const Dims& kernel, const Dims& outputs,
                            const Tensor& samples) {
  const int64_t rank = kernel.ssize();
  if (x.ndim() != rank + 1 && x.ndim() != rank + 2)
    runtime_error(name, ": expected a ", rank + 1, "D or ", rank + 2, "D input, got ", x.sizes());
  PoolingPlan plan;
  plan.shape = {1, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}};
  plan.x_sizes = plan.y_sizes = x.sizes();
  for (int64_t i = 0; i < x.ndim() - rank; ++i) plan.shape.planes *= x.sizes()[i];
  for (int64_t i = 0; i < rank; ++i) {
    const int64_t axis = 3 - rank + i, at = x.ndim() - rank + i;
    plan.shape.input[axis] = x.sizes()[at];
    plan.shape.output[axis] = plan.y_sizes[at] = outputs[i];
    plan.shape.kernel[axis] = kernel[i];
    if (outputs[i] < 1 || kernel[i] < 1 || outputs[i] > x.sizes()[at] || kernel[i] > x.sizes()[at] - outputs[i] + 1)
      runtime_error(name, ": kernel ", kernel, " and output ", outputs, " do not fit an input of ", x.sizes());
  }
  const int64_t batch = x.ndim() == rank + 2 ? x.sizes()[0] : 1, channels = x.sizes()[x.ndim() - rank - 1];
  const Dims& given = samples.sizes();
  if (given.ssize() != 3 || given[0] < batch || given[1] != channels || given[2] != rank)
    runtime_error(name, ": expected _random_samples of shape ", Dims{batch, channels, rank}, ", got ", given);
  if (!is_floating(samples.dtype()))
    runtime_error(name, ": expected _random_samples of a floating dtype, got ", torch_name(samples.dtype()));
  if (plan.shape.kernel[0] * plan.shape.input[1] * plan.shape.input[2] >= int64_t{1} << 31)
    not_implemented(name, ": a window that spans 2^31 elements of the input or more");
  return plan;
}

WindowStarts draw_starts(const kernel::PoolingShape& s, const Tensor& samples) {
  WindowStarts starts;
  const int64_t rank = samples.sizes()[2];
  for (int axis = 0; axis < 3; ++axis) starts.of_axis[axis].assign(static_cast<size_t>(s.planes * s.output[axis]), 0);
  Tensor plain = contiguous(detach(samples));
  visit_dtype(plain.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!is_floating(dtype_of<T>))
      return;
    else
      for (int64_t plane = 0; plane < s.planes; ++plane)
        for (int64_t i = 0; i < rank; ++i) {
          const int64_t axis = 3 - rank + i, n = s.output[axis];
          const int64_t column = rank == 2 ? 1 - i : i;  // a plane's samples are for (w, h), a volume's for (d, h, w)
          fill_starts(plain.data<T>()[plane * rank + column], s.input[axis], n, s.kernel[axis],
                      starts.of_axis[axis].data() + plane * n);
        }
  });
  for (int axis = 0; axis < 3; ++axis)  // rounding in half precision may push one out
    for (int64_t start : starts.of_axis[axis])
      if (start < 0 || start > s.input[axis] - s.kernel[axis])
        index_error("fractional_max_pool: a window of ", s.kernel[axis], " at ", start, " does not lie inside of ",
                    s.input[axis]);
  return starts;
}

std::tuple<Tensor, Tensor> fractional_max_pool(const Tensor& x, const Dims& kernel, const Dims& output_size,
                                               const Tensor& samples) {
  const char* name = kernel.size() == 2 ? "fractional_max_pool2d" : "fractional_max_pool3d";
  if ((kernel.size() != 2 && kernel.size() != 3) || output_size.size() != kernel.size())
    runtime_error(name, ": expected a kernel and an output of 2 or 3 sizes, got ", kernel, " and ", output_size);
  const PoolingPlan plan = plan_fractional(name, x, kernel, output_size, samples);
  if (!is_floating(x.dtype())) refuse_pooling_dtype(name, x.dtype());
  Tensor values, indices = empty(plan.y_sizes, Dtype::I64);
  {
    NoGrad silent;
    const WindowStarts starts = draw_starts(plan.shape, samples);
    const Dtype compute = pooling_dtype(x.dtype());
    Tensor source = contiguous(to_dtype(detach(x), compute)), y = empty(plan.y_sizes, compute);
    launch({{&source}, {&y, &indices}}, source.numel() * 2, [&] {
      const auto& kernels = kernel::table().pooling;
      const int64_t* at[3] = {starts.of_axis[0].data(), starts.of_axis[1].data(), starts.of_axis[2].data()};
      auto* index = indices.data<int64_t>();
      if (compute == Dtype::F64)
        kernels.float64.fractional_max_forward(plan.shape, at, source.data<double>(), y.data<double>(), index);
      else
        kernels.float32.fractional_max_forward(plan.shape, at, source.data<float>(), y.data<float>(), index);
    });
    values = to_dtype(y, x.dtype());
  }
  if (needs_gradient(x))
    record("FractionalMaxPoolBackward0", values, {x},
           [=, at = save(indices)](const Tensor& g, Gradients& in) { in[0] = spread_to_indices(g, at(), plan); });
  return {values, indices};
}

}  // namespace

void register_pooling_fractional(Registry& r) {
  r.add(
      "nn.fractional_max_pool(Tensor input, int[] kernel_size, int[] output_size, Tensor samples) -> (Tensor, Tensor)",
      fractional_max_pool);
}

}  // namespace ondol
