// Losses of the difference d = input - target: squared, absolute, and the two that are squared near 0 and absolute
// beyond.
//
// The upper half is compiled once per instruction set and holds the formulas; the lower half, compiled once, makes
// operations of them.

#ifdef ONDOL_LEVEL
#include "kernels/cpu/formula.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

/// 1, -1 or 0 with the sign of d; NaN stays NaN.
template <class V>
V direction(V d) {
  V one = splat<V>(Element<V>(1));
  return select(d > 0, one, select(d < 0, -one, select(d == 0, V{}, d)));
}

struct SquaredDifference {
  template <class V>
  static V value(V x, V y) {
    return (x - y) * (x - y);
  }
};
struct SquaredDifferenceGradient {
  template <class V>
  static V value(V g, V x, V y) {
    return g * (Element<V>(2) * (x - y));
  }
};
struct AbsoluteDifference {
  template <class V>
  static V value(V x, V y) {
    return abs(x - y);
  }
};
struct AbsoluteDifferenceGradient {
  template <class V>
  static V value(V g, V x, V y) {
    return g * direction(x - y);
  }
};
struct SmoothL1 {  // p0 = beta > 0; Girshick 2015, equation 3
  template <class V>
  static V value(V x, V y, const double* p) {
    using T = Element<V>;
    V d = abs(x - y), beta = parameter<V>(p, 0);
    return select(d < beta, T(0.5) * d * d / beta, d - T(0.5) * beta);
  }
};
struct SmoothL1Gradient {
  template <class V>
  static V value(V g, V x, V y, const double* p) {
    V d = x - y, beta = parameter<V>(p, 0);
    return g * select(abs(d) < beta, d / beta, direction(d));
  }
};
struct Huber {  // p0 = delta > 0; Huber 1964
  template <class V>
  static V value(V x, V y, const double* p) {
    using T = Element<V>;
    V d = abs(x - y), delta = parameter<V>(p, 0);
    return select(d <= delta, T(0.5) * d * d, delta * (d - T(0.5) * delta));
  }
};
struct HuberGradient {
  template <class V>
  static V value(V g, V x, V y, const double* p) {
    V d = x - y, delta = parameter<V>(p, 0);
    return g * select(abs(d) <= delta, d, delta * direction(d));
  }
};

}  // namespace

void add_regression_loss(FormulaKernels& kernels) {
  static constexpr FormulaEntry entries[] = {
      binary<SquaredDifference>("squared_difference"),
      ternary<SquaredDifferenceGradient>("squared_difference_gradient"),
      binary<AbsoluteDifference>("absolute_difference"),
      ternary<AbsoluteDifferenceGradient>("absolute_difference_gradient"),
      binary<SmoothL1>("smooth_l1"),
      ternary<SmoothL1Gradient>("smooth_l1_gradient"),
      binary<Huber>("huber"),
      ternary<HuberGradient>("huber_gradient"),
  };
  kernels.add(entries);
}

}  // namespace ondol::kernel::ONDOL_LEVEL

#else
#include "ops/loss.h"
#include "ops/pointwise/pointwise_operation.h"

namespace ondol {
namespace {

/// Both formulas, and the slope at a difference made of operations, for derivatives of the derivative.
struct DifferenceLoss {
  const char* node;
  Pointwise value;     // (input, target)
  Pointwise gradient;  // (gradient, input, target)
  Tensor (*slope)(const Tensor& difference, double parameter);
};

Tensor reduced(const Tensor& losses, Reduction reduction) {
  if (reduction == Reduction::None) return losses;
  return reduction == Reduction::Sum ? sum(losses) : mean(losses, {}, false);
}

/// In one pass where no graph of the derivative is wanted.
Tensor gradient_of(const DifferenceLoss& loss, const Tensor& gradient, const Tensor& x, const Tensor& y,
                   double parameter) {
  if (needs_gradient(gradient, x) || needs_gradient(y)) return mul(gradient, loss.slope(sub(x, y), parameter));
  const Tensor operands[] = {gradient, x, y};
  return evaluate(loss.gradient, operands, x.dtype(), x.dtype(), {}, &parameter);
}

Tensor difference_loss(const DifferenceLoss& loss, const Tensor& input, const Tensor& target,
                       std::string_view reduction_word, double parameter) {
  const Reduction reduction = parse_reduction(reduction_word);
  const Tensor operands[] = {input, target};
  const Dtype dtype = promote(operands);
  if (!is_floating(dtype)) not_implemented("\"", loss.value.name, "\" not implemented for '", torch_name(dtype), "'");
  if (input.dtype() != target.dtype())
    return difference_loss(loss, to_dtype(input, dtype), to_dtype(target, dtype), reduction_word, parameter);
  Tensor result;
  int64_t count;
  {
    NoGrad silent;
    Tensor losses = evaluate(loss.value, operands, dtype, dtype, {}, &parameter);
    count = losses.numel();
    result = reduced(losses, reduction);
  }
  if (needs_gradient(input, target))
    record(loss.node, result, {input, target},
           [=, &loss, x = save(input), y = save(target)](const Tensor& gradient, Gradients& in) {
             const double scale = reduction == Reduction::Mean ? 1.0 / static_cast<double>(count) : 1.0;
             Tensor shared = scale == 1.0 ? gradient : mul_by(gradient, scale);
             Tensor of_input = gradient_of(loss, shared, x(), y(), parameter);
             if (in.wants(1)) in[1] = neg(of_input);
             in[0] = of_input;
           });
  return result;
}

Tensor mse_loss(const Tensor& input, const Tensor& target, std::string_view reduction) {
  static const DifferenceLoss loss{"MseLossBackward0", formula("squared_difference"),
                                   formula("squared_difference_gradient"),
                                   [](const Tensor& d, double) { return mul_by(d, 2.0); }};
  return difference_loss(loss, input, target, reduction, 0);
}

Tensor l1_loss(const Tensor& input, const Tensor& target, std::string_view reduction) {
  static const DifferenceLoss loss{"L1LossBackward0", formula("absolute_difference"),
                                   formula("absolute_difference_gradient"),
                                   [](const Tensor& d, double) { return sign(d); }};
  return difference_loss(loss, input, target, reduction, 0);
}

Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, std::string_view reduction, double beta) {
  if (beta < 0) runtime_error("smooth_l1_loss does not support negative values for beta, got ", beta);
  if (beta == 0) return l1_loss(input, target, reduction);
  static const DifferenceLoss loss{"SmoothL1LossBackward0", formula("smooth_l1"), formula("smooth_l1_gradient"),
                                   [](const Tensor& d, double limit) {
                                     return where(lt(abs(d), wrapped_number(limit)), mul_by(d, 1 / limit), sign(d));
                                   }};
  return difference_loss(loss, input, target, reduction, beta);
}

Tensor huber_loss(const Tensor& input, const Tensor& target, std::string_view reduction, double delta) {
  if (!(delta > 0)) runtime_error("huber_loss does not support non-positive values for delta, got ", delta);
  static const DifferenceLoss loss{"HuberLossBackward0", formula("huber"), formula("huber_gradient"),
                                   [](const Tensor& d, double limit) {
                                     return where(le(abs(d), wrapped_number(limit)), d, mul_by(sign(d), limit));
                                   }};
  return difference_loss(loss, input, target, reduction, delta);
}

}  // namespace

void register_regression_loss(Registry& r) {
  r.add("nn.mse_loss(Tensor input, Tensor target, str reduction='mean') -> Tensor", mse_loss);
  r.add("nn.l1_loss(Tensor input, Tensor target, str reduction='mean') -> Tensor", l1_loss);
  r.add("nn.smooth_l1_loss(Tensor input, Tensor target, str reduction='mean', float beta=1.0) -> Tensor",
        smooth_l1_loss);
  r.add("nn.huber_loss(Tensor input, Tensor target, str reduction='mean', float delta=1.0) -> Tensor", huber_loss);
}

}  // namespace ondol
#endif
