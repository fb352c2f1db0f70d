// Elementary functions of one variable.
//
// The upper half is compiled once per instruction set and holds the formulas; the lower half, compiled once, makes operations of them.

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
struct Exp {
  static auto value(auto x) { return exp(x); }
};
struct Log {
  static auto value(auto x) { return log(x); }
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
struct Sin {
  static auto value(auto x) { return sin(x); }
};
struct Cos {
  static auto value(auto x) { return cos(x); }
};
struct Tanh {
  static auto value(auto x) { return tanh(x); }
};
struct Sigmoid {
  static auto value(auto x) { return sigmoid(x); }
};

}  // namespace

void add_math(FormulaKernels& kernels) {
  static constexpr FormulaEntry entries[] = {
      unary<Neg>("neg"),     unary<Abs>("abs"),               unary<Exp>("exp"), unary<Log>("log"), unary<Sqrt>("sqrt"),
      unary<Rsqrt>("rsqrt"), unary<Reciprocal>("reciprocal"), unary<Sin>("sin"), unary<Cos>("cos"), unary<Tanh>("tanh"),
      unary<Sigmoid>("sigmoid")};
  kernels.add(entries);
}

}  // namespace ondol::kernel::ONDOL_LEVEL

#else
#include "ops/pointwise/pointwise_operation.h"

namespace ondol {

Tensor neg(const Tensor& x) {
  static const Pointwise f = with_complex(formula("neg"), [](c128 z) { return -z; });
  if (x.dtype() == Dtype::Bool)
    runtime_error("Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.");
  return differentiable_unary("NegBackward0", kNothing, unary(f, x), x, [](const Tensor& g, const Tensor&, const Tensor&) { return neg(g); });
}

Tensor abs(const Tensor& x) {
  static const Pointwise f = [] {
    Pointwise made = with_complex(formula("abs"), [](c128 z) { return std::abs(z); });
    made.real_result = true;
    return made;
  }();
  Tensor y = evaluate_result(f, {&x, 1}, x.dtype(), to_real(x.dtype()));
  return differentiable_unary("AbsBackward0", kInput, y, x, [](const Tensor& g, const Tensor& input, const Tensor&) { return mul(g, sgn(input)); });
}

Tensor exp(const Tensor& x) {
  static const Pointwise f = with_complex(formula("exp"), [](c128 z) { return std::exp(z); });
  return differentiable_unary("ExpBackward0", kOutput, unary_floating(f, x), x,
                              [](const Tensor& g, const Tensor&, const Tensor& y) { return mul(g, conj(y)); });
}

Tensor log(const Tensor& x) {
  static const Pointwise f = with_complex(formula("log"), [](c128 z) { return std::log(z); });
  return differentiable_unary("LogBackward0", kInput, unary_floating(f, x), x,
                              [](const Tensor& g, const Tensor& input, const Tensor&) { return div(g, conj(input)); });
}

Tensor sqrt(const Tensor& x) {
  static const Pointwise f = with_complex(formula("sqrt"), [](c128 z) { return std::sqrt(z); });
  return differentiable_unary("SqrtBackward0", kOutput, unary_floating(f, x), x,
                              [](const Tensor& g, const Tensor&, const Tensor& y) { return div(g, mul_by(conj(y), 2)); });
}

Tensor rsqrt(const Tensor& x) {
  static const Pointwise f = with_complex(formula("rsqrt"), [](c128 z) { return 1.0 / std::sqrt(z); });
  return differentiable_unary("RsqrtBackward0", kOutput, unary_floating(f, x), x, [](const Tensor& g, const Tensor&, const Tensor& y) {
    Tensor root = conj(y);
    return mul(mul_by(g, -0.5), mul(mul(root, root), root));
  });
}

Tensor reciprocal(const Tensor& x) {
  static const Pointwise f = with_complex(formula("reciprocal"), [](c128 z) { return 1.0 / z; });
  return differentiable_unary("ReciprocalBackward0", kOutput, unary_floating(f, x), x, [](const Tensor& g, const Tensor&, const Tensor& y) {
    Tensor inverse = conj(y);
    return neg(mul(g, mul(inverse, inverse)));
  });
}

Tensor sin(const Tensor& x) {
  static const Pointwise f = with_complex(formula("sin"), [](c128 z) { return std::sin(z); });
  return differentiable_unary("SinBackward0", kInput, unary_floating(f, x), x,
                              [](const Tensor& g, const Tensor& input, const Tensor&) { return mul(g, conj(cos(input))); });
}

Tensor cos(const Tensor& x) {
  static const Pointwise f = with_complex(formula("cos"), [](c128 z) { return std::cos(z); });
  return differentiable_unary("CosBackward0", kInput, unary_floating(f, x), x,
                              [](const Tensor& g, const Tensor& input, const Tensor&) { return neg(mul(g, conj(sin(input)))); });
}

Tensor tanh(const Tensor& x) {
  static const Pointwise f = with_complex(formula("tanh"), [](c128 z) { return std::tanh(z); });
  return differentiable_unary("TanhBackward0", kOutput, unary_floating(f, x), x, [](const Tensor& g, const Tensor&, const Tensor& y) {
    Tensor value = conj(y);
    return mul(g, sub(wrapped_number(1), mul(value, value)));
  });
}

Tensor sigmoid(const Tensor& x) {
  static const Pointwise f = with_complex(formula("sigmoid"), [](c128 z) { return 1.0 / (1.0 + std::exp(-z)); });
  return differentiable_unary("SigmoidBackward0", kOutput, unary_floating(f, x), x, [](const Tensor& g, const Tensor&, const Tensor& y) {
    Tensor value = conj(y);
    return mul(g, mul(value, sub(wrapped_number(1), value)));
  });
}

void register_math(Registry& r) {
  r.add("neg(Tensor self) -> Tensor", neg, kInPlace);
  r.add("abs(Tensor self) -> Tensor", abs, kInPlace);
  r.add("exp(Tensor self) -> Tensor", exp, kInPlace);
  r.add("log(Tensor self) -> Tensor", log, kInPlace);
  r.add("sqrt(Tensor self) -> Tensor", sqrt, kInPlace);
  r.add("rsqrt(Tensor self) -> Tensor", rsqrt, kInPlace);
  r.add("reciprocal(Tensor self) -> Tensor", reciprocal, kInPlace);
  r.add("sin(Tensor self) -> Tensor", sin, kInPlace);
  r.add("cos(Tensor self) -> Tensor", cos, kInPlace);
  r.add("tanh(Tensor self) -> Tensor", tanh, kInPlace);
  r.add("sigmoid(Tensor self) -> Tensor", sigmoid, kInPlace);
  r.alias("negative", "neg");
  r.alias("absolute", "abs");
}

}  // namespace ondol
#endif
