// Signs turned, roots and inverses, and the two functions that gates are made of: tanh and sigmoid.
//
// The upper half is compiled once per instruction set and holds the formulas; the lower half, compiled once, makes
// operations of them.

#ifdef ONDOL_LEVEL
#include "kernels/cpu/formula.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

struct Neg {
  static constexpr bool integers = true;
  static auto value(auto x) { return -x; }
};
struct Abs {
  static constexpr bool integers = true;
  static auto value(auto x) { return abs(x); }
};
struct Sqrt {
  static auto value(auto x) { return sqrt(x); }
};
struct Rsqrt {
  static auto value(auto x) { return rsqrt(x); }
};
struct Reciprocal {
  static auto value(auto x) { return 1 / x; }
};
struct Tanh {
  static auto value(auto x) { return tanh(x); }
};
struct TanhGradient {
  static auto value(auto g, auto y) { return g * (1 - y * y); }
};
struct Sigmoid {
  static auto value(auto x) { return sigmoid(x); }
};
struct SigmoidGradient {
  static auto value(auto g, auto y) { return g * ((1 - y) * y); }
};

}  // namespace

void add_math(FormulaKernels& kernels) {
  static constexpr FormulaEntry entries[] = {unary<Neg>("neg"),
                                             unary<Abs>("abs"),
                                             unary<Sqrt>("sqrt"),
                                             unary<Rsqrt>("rsqrt"),
                                             unary<Reciprocal>("reciprocal"),
                                             unary<Tanh>("tanh"),
                                             binary<TanhGradient>("tanh_gradient"),
                                             unary<Sigmoid>("sigmoid"),
                                             binary<SigmoidGradient>("sigmoid_gradient")};
  kernels.add(entries);
}

}  // namespace ondol::kernel::ONDOL_LEVEL

#else
#include "ops/pointwise/pointwise_operation.h"

namespace ondol {

Tensor neg(const Tensor& x) {
  static const Pointwise f = with_complex(formula("neg"), [](c128 z) { return -z; });
  if (x.dtype() == Dtype::Bool)
    runtime_error(
        "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the "
        "`~` or `logical_not()` operator instead.");
  return differentiable_unary("NegBackward0", kNothing, unary(f, x), x,
                              [](const Tensor& g, const Tensor&, const Tensor&) { return neg(g); });
}

static Tensor positive(const Tensor& x) {
  if (x.dtype() == Dtype::Bool) runtime_error("The `+` operator, on a bool tensor is not supported.");
  return x;
}

Tensor abs(const Tensor& x) {
  static const Pointwise f = [] {
    Pointwise made = with_complex(formula("abs"), [](c128 z) { return std::abs(z); });
    made.real_result = true;
    return made;
  }();
  if (x.dtype() == Dtype::Bool) not_implemented("\"abs_cpu\" not implemented for 'Bool'");
  Tensor y = evaluate_result(f, {&x, 1}, x.dtype(), to_real(x.dtype()));
  return differentiable_unary("AbsBackward0", kInput, y, x,
                              [](const Tensor& g, const Tensor& input, const Tensor&) { return mul(g, sgn(input)); });
}

Tensor sqrt(const Tensor& x) {
  static const Pointwise f = with_complex(formula("sqrt"), [](c128 z) { return std::sqrt(z); });
  return differentiable_unary(
      "SqrtBackward0", kOutput, unary_floating(f, x), x,
      [](const Tensor& g, const Tensor&, const Tensor& y) { return div(g, mul_by(conj(y), 2)); });
}

Tensor rsqrt(const Tensor& x) {
  static const Pointwise f = with_complex(formula("rsqrt"), [](c128 z) { return 1.0 / std::sqrt(z); });
  return differentiable_unary("RsqrtBackward0", kOutput, unary_floating(f, x), x,
                              [](const Tensor& g, const Tensor&, const Tensor& y) {
                                Tensor root = conj(y);
                                return mul(mul_by(g, -0.5), mul(mul(root, root), root));
                              });
}

Tensor reciprocal(const Tensor& x) {
  static const Pointwise f = with_complex(formula("reciprocal"), [](c128 z) { return 1.0 / z; });
  return differentiable_unary(
      "ReciprocalBackward0", kOutput, unary_floating(f, x), x,
      [](const Tensor& g, const Tensor&, const Tensor& y) { return neg(mul(g, squared(conj(y)))); });
}

Tensor tanh(const Tensor& x) {
  static const Pointwise f = with_complex(formula("tanh"), [](c128 z) { return std::tanh(z); });
  static const Pointwise gradient = formula("tanh_gradient");
  return differentiable_unary(
      "TanhBackward0", kOutput, unary_floating(f, x), x, [](const Tensor& g, const Tensor&, const Tensor& y) {
        return fused_gradient(gradient, g, y, nullptr, [&] { return mul(g, one_minus(squared(conj(y)))); });
      });
}

Tensor sigmoid(const Tensor& x) {
  static const Pointwise f = with_complex(formula("sigmoid"), [](c128 z) { return 1.0 / (1.0 + std::exp(-z)); });
  static const Pointwise gradient = formula("sigmoid_gradient");
  return differentiable_unary(
      "SigmoidBackward0", kOutput, unary_floating(f, x), x, [](const Tensor& g, const Tensor&, const Tensor& y) {
        return fused_gradient(gradient, g, y, nullptr, [&] { return mul(g, mul(conj(y), one_minus(conj(y)))); });
      });
}

void register_math(Registry& r) {
  r.add("neg(Tensor self) -> Tensor", neg, kInPlace);
  r.add("positive(Tensor self) -> Tensor", positive);
  r.add("abs(Tensor self) -> Tensor", abs, kInPlace);
  r.add("sqrt(Tensor self) -> Tensor", sqrt, kInPlace);
  r.add("rsqrt(Tensor self) -> Tensor", rsqrt, kInPlace);
  r.add("reciprocal(Tensor self) -> Tensor", reciprocal, kInPlace);
  r.add("tanh(Tensor self) -> Tensor", tanh, kInPlace);
  r.add("sigmoid(Tensor self) -> Tensor", sigmoid, kInPlace);
  r.alias("negative", "neg");
  r.alias("absolute", "abs");
}

}  // namespace ondol
#endif
