// Activations made of straight pieces: relu and its relatives.
//
// The upper half is compiled once per instruction set and holds the formulas; the lower half, compiled once, makes
// operations of them.

#ifdef ONDOL_LEVEL
#include "kernels/cpu/formula.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

struct Relu {  // NaN stays
  static constexpr bool integers = true;
  template <class V>
  static V value(V x) {
    return select(x < 0, V{}, x);
  }
};
struct ReluGradient {
  template <class V>
  static V value(V g, V y) {
    return select(y <= 0, V{}, g);
  }
};
struct Threshold {  // x above p0, else p1
  static constexpr bool integers = true;
  template <class V>
  static V value(V x, const double* p) {
    return select(x <= parameter<V>(p, 0), parameter<V>(p, 1), x);
  }
};
struct ThresholdGradient {
  template <class V>
  static V value(V g, V x, const double* p) {
    return select(x <= parameter<V>(p, 0), V{}, g);
  }
};
struct LeakyRelu {  // He et al. 2015; slope p0 below 0
  template <class V>
  static V value(V x, const double* p) {
    return select(x > 0, x, x * parameter<V>(p, 0));
  }
};
struct LeakyReluGradient {
  template <class V>
  static V value(V g, V x, const double* p) {
    return select(x > 0, g, g * parameter<V>(p, 0));
  }
};
struct Prelu {
  static auto value(auto x, auto slope) { return select(x > 0, x, x * slope); }
};
struct Hardtanh {  // limited to [p0, p1]
  static constexpr bool integers = true;
  template <class V>
  static V value(V x, const double* p) {
    if constexpr (!Number<V>)  // one instruction for each limit, unless one is NaN, which makes everything NaN
      if (p[0] == p[0] && p[1] == p[1]) return at_most(at_least(x, Element<V>(p[0])), Element<V>(p[1]));
    return minimum(maximum(x, parameter<V>(p, 0)), parameter<V>(p, 1));
  }
};
struct HardtanhGradient {  // a NaN lets g through
  template <class V>
  static V value(V g, V x, const double* p) {
    return select((x <= parameter<V>(p, 0)) | (x >= parameter<V>(p, 1)), V{}, g);
  }
};
struct HardtanhPasses {  // where HardtanhGradient is g
  template <class V>
  static auto value(V x, const double* p) {
    return ~((x <= parameter<V>(p, 0)) | (x >= parameter<V>(p, 1)));
  }
};
template <class V>
inline V hardsigmoid(V x) {
  using T = Element<V>;
  return minimum(maximum(x + T(3), V{}), splat<V>(T(6))) / T(6);
}
struct Hardsigmoid {
  static auto value(auto x) { return hardsigmoid(x); }
};
struct HardsigmoidGradient {
  template <class V>
  static V value(V g, V x) {
    using T = Element<V>;
    return select((x > T(-3)) & (x < T(3)), g / T(6), V{});
  }
};
struct Hardswish {  // Howard et al. 2019
  static auto value(auto x) { return x * hardsigmoid(x); }
};
struct HardswishGradient {
  template <class V>
  static V value(V g, V x) {
    using T = Element<V>;
    return select(x <= T(-3), V{}, select(x >= T(3), g, g * (x / T(3) + T(0.5))));
  }
};
struct Hardshrink {
  template <class V>
  static V value(V x, const double* p) {
    V limit = parameter<V>(p, 0);
    return select((x >= -limit) & (x <= limit), V{}, x);
  }
};
struct Softshrink {
  template <class V>
  static V value(V x, const double* p) {
    V limit = parameter<V>(p, 0);
    return select(x > limit, x - limit, select(x < -limit, x + limit, select(x != x, x, V{})));
  }
};
struct ShrinkGradient {  // of both
  template <class V>
  static V value(V g, V x, const double* p) {
    V limit = parameter<V>(p, 0);
    return select((x > limit) | (x < -limit), g, V{});
  }
};

}  // namespace

void add_activation(FormulaKernels& kernels) {
  static constexpr FormulaEntry entries[] = {unary<Relu>("relu"),
                                             binary<ReluGradient>("relu_gradient"),
                                             unary<Threshold>("threshold"),
                                             binary<ThresholdGradient>("threshold_gradient"),
                                             unary<LeakyRelu>("leaky_relu"),
                                             binary<LeakyReluGradient>("leaky_relu_gradient"),
                                             binary<Prelu>("prelu"),
                                             unary<Hardtanh>("hardtanh"),
                                             binary<HardtanhGradient>("hardtanh_gradient"),
                                             unary_predicate<HardtanhPasses>("hardtanh_passes"),
                                             unary<Hardsigmoid>("hardsigmoid"),
                                             binary<HardsigmoidGradient>("hardsigmoid_gradient"),
                                             unary<Hardswish>("hardswish"),
                                             binary<HardswishGradient>("hardswish_gradient"),
                                             unary<Hardshrink>("hardshrink"),
                                             unary<Softshrink>("softshrink"),
                                             binary<ShrinkGradient>("shrink_gradient")};
  kernels.add(entries);
}

}  // namespace ondol::kernel::ONDOL_LEVEL

#else
#include "base/distributions.h"
#include "ops/flat_gradient.h"
#include "ops/pointwise/pointwise_operation.h"
#include "ops/random.h"

namespace ondol {

static void require_floating(const char* operation, const Tensor& x) {
  if (!is_floating(x.dtype())) not_implemented("\"", operation, "\" not implemented for '", torch_name(x.dtype()), "'");
}
static void refuse(const char* operation, const Tensor& x, bool refused) {
  if (refused) not_implemented("\"", operation, "\" not implemented for '", torch_name(x.dtype()), "'");
}
static Tensor between(const Tensor& x, double low, double high) {
  return logical_and(gt(x, wrapped_number(low)), lt(x, wrapped_number(high)));
}
/// The same, and where x is NaN.
static Tensor inside(const Tensor& x, double low, double high) {
  return logical_and(logical_not(le(x, wrapped_number(low))), logical_not(ge(x, wrapped_number(high))));
}

static Tensor with_relu_recorded(const Tensor& y, const Tensor& x) {
  static const Pointwise gradient = formula("relu_gradient");
  return differentiable_unary("ReluBackward0", kOutput, y, x, [](const Tensor& g, const Tensor&, const Tensor& result) {
    return straight_gradient(gradient, g, result, nullptr, [&] { return masked(gt(result, wrapped_number(0)), g); });
  });
}
Tensor relu(const Tensor& x) {
  static const Pointwise f = formula("relu");
  refuse("relu", x, x.dtype() == Dtype::Bool || is_complex(x.dtype()));
  return with_relu_recorded(unary(f, x), x);
}
Tensor relu_computed(const Tensor& y) { return with_relu_recorded(detach(y), y); }

static Tensor threshold(const Tensor& x, const Scalar& limit, const Scalar& value) {
  static const Pointwise f = formula("threshold"), gradient = formula("threshold_gradient");
  refuse("threshold", x, x.dtype() == Dtype::Bool || is_complex(x.dtype()));
  const double parameters[] = {limit.to_double(), value.to_double()};
  return differentiable_unary("ThresholdBackward0", kInput, unary(f, x, parameters), x,
                              [low = parameters[0]](const Tensor& g, const Tensor& input, const Tensor&) {
                                return straight_gradient(gradient, g, input, &low, [&] {
                                  return where(le(input, wrapped_number(low)), scalar_tensor(0, g.dtype()), g);
                                });
                              });
}

Tensor leaky_relu(const Tensor& x, const Scalar& negative_slope) {
  static const Pointwise f = formula("leaky_relu"), gradient = formula("leaky_relu_gradient");
  require_floating("leaky_relu_cpu", x);
  double slope = negative_slope.to_double();
  return differentiable_unary("LeakyReluBackward0", kInput, unary(f, x, &slope), x,
                              [slope](const Tensor& g, const Tensor& input, const Tensor&) {
                                return straight_gradient(gradient, g, input, &slope, [&] {
                                  return where(gt(input, wrapped_number(0)), g, mul_by(g, slope));
                                });
                              });
}

/// One slope for all channels, or one for each: a weight of one dimension lies along dimension 1 of x.
static Tensor prelu(const Tensor& x, const Tensor& weight) {
  static const Pointwise f = formula("prelu");
  require_floating("prelu_cpu", x);
  if (x.dtype() != weight.dtype())
    runtime_error("prelu: Type promoting not supported. Got ", torch_name(x.dtype()), " and ",
                  torch_name(weight.dtype()));
  Tensor slopes = weight;
  if (weight.numel() != 1) {
    if (weight.ndim() != 1)
      runtime_error("prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = ", weight.ndim());
    if (x.ndim() == 0) runtime_error("Not allow zero-dim input tensor.");
    int64_t channels = x.ndim() > 1 ? x.size(1) : 1;
    if (channels != weight.numel())
      shape_error("Mismatch of parameter numbers and input channel size. Found parameter numbers = ", weight.numel(),
                  " and channel size = ", channels, ".");
    Dims shape(static_cast<size_t>(x.ndim()), 1);
    shape[x.ndim() == 1 ? 0 : 1] = channels;
    slopes = reshape(weight, shape);
  } else if (weight.ndim() > 1) {
    runtime_error("prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = ", weight.ndim());
  } else {
    slopes = reshape(weight, Dims(static_cast<size_t>(x.ndim()), 1));
  }
  return differentiable_binary(
      "PreluKernelBackward0", kInput, binary(f, x, slopes), x, slopes,
      [](const Tensor& g, Gradients& in, const Tensor& input, const Tensor& slope, const Tensor&) {
        Tensor above = gt(input, wrapped_number(0));
        if (in.wants(0)) in[0] = joined_to_inputs(where(above, g, mul(g, slope)));
        if (in.wants(1)) in[1] = where(above, scalar_tensor(0, g.dtype()), mul(g, input));
      });
}

/// Computed over x, which is recorded: neither x nor the result, which may change in turn, need be there when the
/// derivative is asked for, so that where it is 1 is kept as flags.
static Tensor hardtanh_over_input(const Pointwise& f, const Tensor& x, const double* limits) {
  static const Pointwise passes = formula("hardtanh_passes");
  Tensor kept = evaluate(passes, {&x, 1}, x.dtype(), Dtype::Bool, {}, limits);
  return differentiable_unary("HardtanhBackward0", kNothing, unary(f, x, limits), x,
                              [flags = save(kept)](const Tensor& g, const Tensor&, const Tensor&) {
                                return joined_to_inputs(passed_gradient(flags(), g));
                              });
}

Tensor hardtanh(const Tensor& x, const Scalar& min_val, const Scalar& max_val) {
  static const Pointwise f = formula("hardtanh"), gradient = formula("hardtanh_gradient");
  refuse("hardtanh", x, x.dtype() == Dtype::Bool || is_complex(x.dtype()));
  if (x.dtype() == Dtype::U8 && (min_val.to_int() < 0 || max_val.to_int() < 0))
    runtime_error("cannot do hardtanh on an unsigned type with negative limits");
  double low = min_val.to_double(), high = max_val.to_double();
  const double limits[] = {low, high};
  if (ResultTarget::is_pending() && needs_gradient(x)) return hardtanh_over_input(f, x, limits);
  return differentiable_unary(
      "HardtanhBackward0", kInput, unary(f, x, limits), x, [=](const Tensor& g, const Tensor& input, const Tensor&) {
        const double bounds[] = {low, high};
        return straight_gradient(gradient, g, input, bounds, [&] { return masked(inside(input, low, high), g); });
      });
}
static Tensor relu6(const Tensor& x) { return hardtanh(x, 0, 6); }

static Tensor hardsigmoid(const Tensor& x) {
  static const Pointwise f = formula("hardsigmoid"), gradient = formula("hardsigmoid_gradient");
  require_floating("hardsigmoid", x);
  return differentiable_unary(
      "HardsigmoidBackward0", kInput, unary(f, x), x, [](const Tensor& g, const Tensor& input, const Tensor&) {
        return straight_gradient(gradient, g, input, nullptr,
                                 [&] { return masked(between(input, -3, 3), mul_by(g, 1.0 / 6)); });
      });
}

static Tensor hardswish(const Tensor& x) {
  static const Pointwise f = formula("hardswish"), gradient = formula("hardswish_gradient");
  require_floating("hardswish_cpu", x);
  return differentiable_unary(
      "HardswishBackward0", kInput, unary(f, x), x, [](const Tensor& g, const Tensor& input, const Tensor&) {
        return fused_gradient(gradient, g, input, nullptr, [&] {
          Tensor bent = mul(g, plus(mul_by(input, 1.0 / 3), 0.5));
          return masked(gt(input, wrapped_number(-3)), where(lt(input, wrapped_number(3)), bent, g));
        });
      });
}

static Tensor shrink(const Pointwise& f, const char* node, const Tensor& x, double limit) {
  static const Pointwise gradient = formula("shrink_gradient");
  require_floating(f.name, x);
  return differentiable_unary(
      node, kInput, unary(f, x, &limit), x, [limit](const Tensor& g, const Tensor& input, const Tensor&) {
        return straight_gradient(gradient, g, input, &limit,
                                 [&] { return masked(gt(abs(input), wrapped_number(limit)), g); });
      });
}
static Tensor hardshrink(const Tensor& x, const Scalar& lambd) {
  static const Pointwise f = formula("hardshrink");
  return shrink(f, "HardshrinkBackward0", x, lambd.to_double());
}
static Tensor softshrink(const Tensor& x, const Scalar& lambd) {
  static const Pointwise f = formula("softshrink");
  if (lambd.to_double() < 0)
    runtime_error("lambda must be greater or equal to 0, but found to be ", lambd.to_double(), ".");
  return shrink(f, "SoftshrinkBackward0", x, lambd.to_double());
}

/// Xu et al. 2015: below 0 a slope from [lower, upper), drawn for each element in training, else their mean.
static Tensor rrelu(const Tensor& x, const Scalar& lower, const Scalar& upper, bool training, Generator* generator) {
  double low = lower.to_double(), high = upper.to_double();
  require_floating("rrelu_with_noise_out_cpu", x);
  if (low > high) runtime_error("Lower bound should be less than or equal to the upper bound (rrelu)");
  if (!training) return leaky_relu(x, (low + high) / 2);
  Tensor slopes = ones(x.sizes(), Dtype::F64), below = contiguous(le(detach(x), wrapped_number(0)));
  Generator& source = chosen(generator);
  auto* slope = slopes.data<double>();
  auto* drawn = below.data<bool>();
  std::vector<double> numbers(std::count(drawn, drawn + x.numel(), true));  // only elements below 0 draw, as in PyTorch
  random::uniform(source, numbers.data(), static_cast<int64_t>(numbers.size()), low, high);
  for (int64_t i = 0, next = 0; i < x.numel(); ++i)
    if (drawn[i]) slope[i] = numbers[next++];
  return mul(with_joined_gradient(x), to_dtype(slopes, x.dtype()));
}

void register_activation(Registry& r) {
  // Those that are functions of the main module are found by nn.functional under `nn.` as well.
  r.add("relu(Tensor self) -> Tensor", relu, kInPlace | kOverInput);
  r.add("nn.relu(Tensor self) -> Tensor", relu, kFunction | kInPlace | kOverInput);
  r.add("nn.relu6(Tensor self) -> Tensor", relu6, kFunction | kInPlace | kOverInput);
  r.add("threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor", threshold, kFunction | kInPlace);
  r.add("nn.threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor", threshold, kFunction | kInPlace);
  r.add("nn.leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor", leaky_relu, kFunction | kInPlace);
  for (const char* schema :
       {"rrelu(Tensor self, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, Generator? "
        "generator=None) -> Tensor",
        "nn.rrelu(Tensor self, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, Generator? "
        "generator=None) -> Tensor"})
    r.add(schema, rrelu, kFunction | kInPlaceByCopy);
  r.add("prelu(Tensor self, Tensor weight) -> Tensor", prelu);
  r.add("nn.prelu(Tensor self, Tensor weight) -> Tensor", prelu, kFunction);
  r.add("nn.hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor", hardtanh,
        kFunction | kInPlace | kOverInput);
  r.add("nn.hardsigmoid(Tensor self) -> Tensor", hardsigmoid, kFunction | kInPlace);
  r.add("nn.hardswish(Tensor self) -> Tensor", hardswish, kFunction | kInPlace);
  r.add("hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor", hardshrink);
  r.add("nn.hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor", hardshrink, kFunction);
  r.add("nn.softshrink(Tensor self, Scalar lambd=0.5) -> Tensor", softshrink, kFunction);
}

}  // namespace ondol
#endif
