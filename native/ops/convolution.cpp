// Convolution seen from its three sides: output, input and weight.

#include "ops/convolution.h"

#include <memory>
#include <optional>

#include "autograd/engine.h"
#include "kernels/table.h"
#include "ops/flat_gradient.h"
#include "ops/functions.h"
#include "ops/pooling.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {
namespace {

using Shape = kernel::ConvolutionShape;

Shape shape_of(const ConvolutionGeometry& g, const Dims& x, const Dims& w, const Dims& y) {
  Shape shape{x[0], x[1], w[0], g.groups, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {}, {}, {}};
  for (int64_t axis = 0; axis < 3; ++axis) {
    shape.stride[axis] = g.stride[axis];
    shape.padding[axis] = g.padding[axis];
    shape.dilation[axis] = g.dilation[axis];
    int64_t dim = axis - (3 - g.rank) + 2;
    if (dim < 2) continue;
    shape.input[axis] = x[dim];
    shape.kernel[axis] = w[dim];
    shape.output[axis] = y[dim];
  }
  return shape;
}

int64_t work(const Dims& y, const Dims& w) {
  int64_t each = 1, result;
  for (size_t i = 1; i < w.size(); ++i) each *= w[i];
  return __builtin_mul_overflow(count_elements(y), each, &result) ? INT64_MAX : result;
}

Dtype compute_dtype(Dtype dtype) {
  return dtype == Dtype::F64 ? Dtype::F64 : is_integral(dtype) ? Dtype::I64 : Dtype::F32;
}

Tensor prepared(const Tensor& x, Dtype compute) { return x.defined() ? contiguous(to_dtype(x, compute)) : x; }
template <class T>
T* pointer(const Tensor& x) {
  return x.defined() ? x.data<std::remove_const_t<T>>() : nullptr;
}

/// Calls f(kernels, value of the type) for float or double.
template <class F>
void with_kernels(Dtype compute, F f) {
  const kernel::ConvolutionKernels& kernels = kernel::table().convolution;
  if (compute == Dtype::F64)
    f(kernels.float64, double{});
  else
    f(kernels.float32, float{});
}

[[noreturn]] void refuse_complex() {
  not_implemented("derivatives of complex convolutions are made of real ones; this one should not be called");
}

/// A gradient as kernel::ResultGradient: of the results, or of the maxima of their squares with the places.
struct Received {
  Tensor data, places;

  template <class T>
  kernel::ResultGradient<T> pointers() const {
    return {data.data<T>(), pointer<const uint8_t>(places)};
  }
};

/// The gradient of a bias by the kernel; g is contiguous.
Tensor run_backward_bias(const Shape& shape, const Received& g) {
  Tensor total = empty({shape.channels_out}, g.data.dtype());
  with_kernels(g.data.dtype(), [&](const auto& kernels, auto type) {
    using T = decltype(type);
    launch({{&g.data, &g.places}, {&total}}, g.data.numel(),
           [&] { kernels.backward_bias(shape, g.pointers<T>(), total.data<T>()); });
  });
  return total;
}

/// The gradient of a bias: sums over batch and space.
Tensor channel_sums(const Tensor& g) {
  const Dims& sizes = g.sizes();
  if (GradMode::enabled() || !(g.dtype() == Dtype::F32 || g.dtype() == Dtype::F64)) {
    Dims dims{0};
    for (int64_t i = 2; i < g.ndim(); ++i) dims.push_back(i);
    return sum(g, dims, false);
  }
  Shape shape{};
  shape.batch = sizes[0], shape.channels_out = sizes[1];
  for (int64_t axis = 0; axis < 3; ++axis) shape.output[axis] = axis + g.ndim() < 5 ? 1 : sizes[axis + g.ndim() - 3];
  return run_backward_bias(shape, {contiguous(g), {}});
}

/// The gradient of x by the kernel, and that of w; all are contiguous and of one type.
Tensor run_backward_input(const Shape& shape, const Received& gy, const Tensor& w, const Tensor& bias,
                          const Dims& x_sizes) {
  Tensor gx = empty(x_sizes, w.dtype());
  if (gx.numel() > 0)
    with_kernels(w.dtype(), [&](const auto& kernels, auto type) {
      using T = decltype(type);
      launch({{&gy.data, &gy.places, &w}, {&gx}}, work(gy.data.sizes(), w.sizes()),
             [&] { kernels.backward_input(shape, gy.pointers<T>(), w.data<T>(), pointer<T>(bias), gx.data<T>()); });
    });
  return gx;
}
Tensor run_backward_weight(const Shape& shape, const Tensor& x, const Received& gy, const Dims& w_sizes) {
  Tensor gw = empty(w_sizes, x.dtype());
  if (gw.numel() > 0)
    with_kernels(x.dtype(), [&](const auto& kernels, auto type) {
      using T = decltype(type);
      launch({{&x, &gy.data, &gy.places}, {&gw}}, work(gy.data.sizes(), w_sizes),
             [&] { kernels.backward_weight(shape, x.data<T>(), gy.pointers<T>(), gw.data<T>()); });
    });
  return gw;
}

bool any_needs_gradient(const Tensor& a, const Tensor& b, const Tensor& c) {
  return needs_gradient(a, b) || (c.defined() && needs_gradient(c));
}

/// Computes y, whose memory is there.
void run_forward(const Shape& shape, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y,
                 const kernel::ConvolutionEpilogue<float>* epilogue) {
  Dtype compute = y.dtype();
  Tensor px = prepared(x, compute), pw = prepared(w, compute), pb = prepared(bias, compute);
  if (compute == Dtype::I64)
    return convolve_integers(shape, px.data<int64_t>(), pw.data<int64_t>(), pointer<int64_t>(pb), y.data<int64_t>());
  with_kernels(compute, [&](const auto& kernels, auto type) {
    using T = decltype(type);
    launch({{&px, &pw}, {&y}}, work(y.sizes(), w.sizes()), [&] {
      const kernel::ConvolutionEpilogue<T>* after = nullptr;
      if constexpr (std::is_same_v<T, float>) after = epilogue;
      kernels.forward(shape, px.data<T>(), pw.data<T>(), pointer<T>(pb), y.data<T>(), after);
    });
  });
}

/// Takes the place of a tensor in the graph that is never made.
Tensor placeholder(const Dims& sizes) { return expand(empty({1}, Dtype::F32), sizes); }

/// What the pool of a pooled convolution hands down to the convolution, past the relu between them, as it received it:
/// a placeholder takes its way through the graph.
class HandedDown {
 public:
  Tensor send(Received gradient, const Dims& sizes) {
    on_their_way_.push_back({placeholder(sizes), std::move(gradient)});
    return on_their_way_.back().stand_in;
  }
  /// What a gradient stands for, if it does for one of these.
  std::optional<Received> take(const Tensor& gradient) {
    for (size_t i = 0; i < on_their_way_.size(); ++i)
      if (on_their_way_[i].stand_in.impl() == gradient.impl()) {
        Received received = std::move(on_their_way_[i].gradient);
        on_their_way_.erase(on_their_way_.begin() + static_cast<std::ptrdiff_t>(i));
        return received;
      }
    return std::nullopt;
  }

 private:
  struct Entry {
    Tensor stand_in;
    Received gradient;
  };
  std::vector<Entry> on_their_way_;  // several if passes run on several threads, or one was left
};

void record_output(Tensor& y, const Tensor& x, const Tensor& w, const Tensor& bias, const ConvolutionGeometry& geometry,
                   const std::shared_ptr<HandedDown>& handed_down = nullptr) {
  Saved saved_x = w.requires_grad() ? Saved::or_remade(x) : Saved();
  Saved saved_w = x.requires_grad() ? save(w) : Saved();
  record("ConvolutionBackward0", y, {x, w, bias},
         [=, x_sizes = x.sizes(), w_sizes = w.sizes()](const Tensor& g, Gradients& in) {
           if (std::optional<Received> maxima = handed_down ? handed_down->take(g) : std::nullopt) {
             const Shape shape = shape_of(geometry, x_sizes, w_sizes, g.sizes());
             if (in.wants(2)) in[2] = run_backward_bias(shape, *maxima);
             if (in.wants(0)) in[0] = run_backward_input(shape, *maxima, contiguous(saved_w()), {}, x_sizes);
             if (in.wants(1)) in[1] = run_backward_weight(shape, contiguous(saved_x()), *maxima, w_sizes);
             return;
           }
           if (in.wants(2)) in[2] = channel_sums(g);  // first, as long as some of g is in the cache
           if (in.wants(0)) in[0] = convolution_input(g, saved_w(), {}, geometry, x_sizes);
           if (in.wants(1)) in[1] = convolution_weight(saved_x(), g, geometry, w_sizes);
         });
}

}  // namespace

Tensor convolution_output(const Tensor& x, const Tensor& w, const Tensor& bias, const ConvolutionGeometry& geometry,
                          const Dims& y_sizes, const kernel::ConvolutionEpilogue<float>* epilogue) {
  if (is_complex(x.dtype())) refuse_complex();
  Tensor y;
  {
    NoGrad silent;
    y = empty(y_sizes, compute_dtype(x.dtype()));
    if (y.numel() > 0) run_forward(shape_of(geometry, x.sizes(), w.sizes(), y_sizes), x, w, bias, y, epilogue);
    y = to_dtype(y, x.dtype());
  }
  if (any_needs_gradient(x, w, bias)) record_output(y, x, w, bias, geometry);
  return y;
}

Tensor convolution_pooled(const Tensor& x, const Tensor& w, const Tensor& bias, const ConvolutionGeometry& geometry,
                          const Dims& y_sizes, const kernel::ConvolutionEpilogue<float>& epilogue) {
  const Shape shape = shape_of(geometry, x.sizes(), w.sizes(), y_sizes);
  const bool recorded = any_needs_gradient(x, w, bias);
  if (count_elements(y_sizes) == 0 || !kernel::table().convolution.float32.can_pool(shape) || Saved::active_hooks()) {
    Tensor y = convolution_output(x, w, bias, geometry, y_sizes, &epilogue);
    return max_pool2d(recorded ? relu_computed(y) : y, {2, 2}, {}, {0, 0}, {1, 1}, false);
  }
  Tensor convolved, rectified, y, places;
  PoolingPlan plan;
  {
    NoGrad silent;
    convolved = placeholder(y_sizes), rectified = placeholder(y_sizes);
    plan = plan_pooling("max_pool2d", 2, rectified, {2, 2}, {}, {0, 0}, {1, 1}, false);
    kernel::ConvolutionEpilogue<float> pooling = epilogue;
    pooling.pools = true;
    y = empty(plan.y_sizes, Dtype::F32);
    if (recorded) {
      places = empty(plan.y_sizes, Dtype::U8);
      pooling.places = places.data<uint8_t>();
    }
    run_forward(shape, x, w, bias, y, &pooling);
  }
  if (!recorded) return y;
  // The graph of three calls. The places know where the relu's output is 0, so that its own step has nothing to do.
  auto handed_down = std::make_shared<HandedDown>();
  record_output(convolved, x, w, bias, geometry, handed_down);
  record("ReluBackward0", rectified, {convolved}, [](const Tensor& g, Gradients& in) { in[0] = g; });
  record("MaxPool2DWithIndicesBackward0", y, {rectified},
         [kept = save(places), plan, handed_down, y_sizes](const Tensor& g, Gradients& in) {
           Node& relu = *current_node()->edges[0].node;
           if (alone_sees_gradient(relu) && alone_sees_gradient(*relu.edges[0].node))
             in[0] = handed_down->send({contiguous(g), kept()}, y_sizes);
           else
             in[0] = joined_to_inputs(spread_to_places(g, kept(), plan));
         });
  return y;
}

Tensor convolution_input(const Tensor& gy, const Tensor& w, const Tensor& bias, const ConvolutionGeometry& geometry,
                         const Dims& x_sizes) {
  Dtype dtype = gy.dtype(), compute = compute_dtype(dtype);
  if (is_complex(dtype)) refuse_complex();
  Tensor gx;
  {
    NoGrad silent;
    Shape shape = shape_of(geometry, x_sizes, w.sizes(), gy.sizes());
    Tensor pg = prepared(gy, compute), pw = prepared(w, compute), pb = prepared(bias, compute);
    if (compute != Dtype::I64) {
      gx = run_backward_input(shape, {pg, {}}, pw, pb, x_sizes);
    } else {
      gx = empty(x_sizes, compute);
      if (gx.numel() > 0)
        convolve_integers_transposed(shape, pg.data<int64_t>(), pw.data<int64_t>(), pointer<int64_t>(pb),
                                     gx.data<int64_t>());
    }
    gx = to_dtype(gx, dtype);
  }
  if (any_needs_gradient(gy, w, bias)) {
    Saved saved_g = w.requires_grad() ? save(gy) : Saved(), saved_w = gy.requires_grad() ? save(w) : Saved();
    record("ConvolutionBackward0", gx, {gy, w, bias},
           [=, y_sizes = gy.sizes(), w_sizes = w.sizes()](const Tensor& g, Gradients& in) {
             if (in.wants(0)) in[0] = convolution_output(g, saved_w(), {}, geometry, y_sizes);
             if (in.wants(1)) in[1] = convolution_weight(g, saved_g(), geometry, w_sizes);
             if (in.wants(2)) in[2] = channel_sums(g);
           });
  }
  return gx;
}

Tensor convolution_weight(const Tensor& x, const Tensor& gy, const ConvolutionGeometry& geometry, const Dims& w_sizes) {
  Dtype dtype = x.dtype(), compute = compute_dtype(dtype);
  if (!is_floating(dtype)) refuse_complex();
  Tensor gw;
  {
    NoGrad silent;
    Shape shape = shape_of(geometry, x.sizes(), w_sizes, gy.sizes());
    gw = to_dtype(run_backward_weight(shape, prepared(x, compute), {prepared(gy, compute), {}}, w_sizes), dtype);
  }
  if (needs_gradient(x, gy)) {
    Saved saved_x = gy.requires_grad() ? save(x) : Saved(), saved_g = x.requires_grad() ? save(gy) : Saved();
    record("ConvolutionBackwardBackward0", gw, {x, gy},
           [=, x_sizes = x.sizes(), y_sizes = gy.sizes()](const Tensor& g, Gradients& in) {
             if (in.wants(0)) in[0] = convolution_input(saved_g(), g, {}, geometry, x_sizes);
             if (in.wants(1)) in[1] = convolution_output(saved_x(), g, {}, geometry, y_sizes);
           });
  }
  return gw;
}

}  // namespace ondol
