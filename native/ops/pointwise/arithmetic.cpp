// Addition, subtraction, multiplication, division.
//
// The upper half is compiled once per instruction set and holds the formulas; the lower half, compiled once, makes
// operations of them.

#ifdef ONDOL_LEVEL
#include "kernels/cpu/formula.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

struct Add {
  static constexpr bool integers = true;
  static auto value(auto a, auto b) { return a + b; }
};
struct AddScaled {  // a + alpha b
  static auto value(auto a, auto b, const double* p) { return a + parameter<decltype(b)>(p, 0) * b; }
};
struct Sub {
  static constexpr bool integers = true;
  static auto value(auto a, auto b) { return a - b; }
};
struct Mul {
  static constexpr bool integers = true;
  static auto value(auto a, auto b) { return a * b; }
};
struct Div {
  static auto value(auto a, auto b) { return a / b; }
};

}  // namespace

void add_arithmetic(FormulaKernels& kernels) {
  static constexpr FormulaEntry entries[] = {binary<Add>("add"), binary<AddScaled>("add_scaled"), binary<Sub>("sub"),
                                             binary<Mul>("mul"), binary<Div>("div")};
  kernels.add(entries);
}

}  // namespace ondol::kernel::ONDOL_LEVEL

#else
#include "ops/pointwise/pointwise_operation.h"

namespace ondol {

static void refuse_bool(const char* operation, const Tensor& a, const Tensor& b) {
  bool first = a.dtype() == Dtype::Bool, second = b.dtype() == Dtype::Bool;
  if (first && second)
    runtime_error(
        "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
        "operator instead. (",
        operation, ")");
  if (first || second)
    runtime_error(
        "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use "
        "the `~` or `logical_not()` operator instead; to count with it, convert it first, for example with `.int()`. (",
        operation, ")");
}

static void check_alpha(const Scalar& alpha, Dtype dtype) {
  if (alpha.category() == Category::Bool && dtype != Dtype::Bool)
    runtime_error("Boolean alpha only supported for Boolean results.");
  if (is_integral(dtype) && !alpha.is_integral())
    runtime_error("For integral input tensors, argument alpha must not be a floating point number.");
  if (!is_complex(dtype) && alpha.is_complex())
    runtime_error("For non-complex input tensors, argument alpha must not be a complex number.");
}

static bool is_one(const Scalar& alpha) { return !alpha.is_complex() && alpha.to_double() == 1; }

Tensor mul_by(const Tensor& x, const Scalar& factor) { return mul(x, wrapped_number(factor)); }

Tensor add(const Tensor& a, const Tensor& b, const Scalar& alpha) {
  static const Pointwise plain = with_complex(formula("add"), [](c128 x, c128 y) { return x + y; });
  static const Pointwise scaled = formula("add_scaled");
  const Tensor operands[] = {a, b};
  Dtype dtype = promote(operands);
  Tensor y;
  if (is_one(alpha)) {
    y = evaluate_result(plain, operands, dtype, dtype);
  } else {
    check_alpha(alpha, dtype);
    if (is_floating(dtype)) {
      double parameter = alpha.to_double();
      y = evaluate_result(scaled, operands, dtype, dtype, &parameter);
    } else {
      NoGrad silent;
      Tensor target = ResultTarget::take();
      check_castable(dtype, target);
      const Tensor with_factor[] = {a, mul(to_dtype(b, dtype), wrapped_number(alpha))};
      y = evaluate(plain, with_factor, dtype, dtype, target);
    }
  }
  if (needs_gradient(a, b))
    record("AddBackward0", y, {a, b}, [alpha](const Tensor& gradient, Gradients& in) {
      if (in.wants(0)) in[0] = gradient;
      if (in.wants(1)) in[1] = is_one(alpha) ? gradient : mul_by(gradient, alpha);
    });
  return y;
}

Tensor& add_(Tensor& self, const Tensor& other, const Scalar& alpha) {
  if (needs_gradient(self, other)) {
    check_in_place(self, "add_");
    finish_in_place(self, add(self, other, alpha), "add_");
    return self;
  }
  Tensor result;
  {
    ResultTarget target(self);
    result = add(self, other, alpha);
  }
  finish_in_place(self, result, "add_");
  return self;
}

Tensor sub(const Tensor& a, const Tensor& b, const Scalar& alpha) {
  refuse_bool("sub", a, b);
  static const Pointwise plain = with_complex(formula("sub"), [](c128 x, c128 y) { return x - y; });
  if (!is_one(alpha))
    return add(a, b,
               alpha.is_complex()    ? Scalar(-alpha.to_complex())
               : alpha.is_integral() ? Scalar(-alpha.to_int())
                                     : Scalar(-alpha.to_double()));
  Tensor y = binary(plain, a, b);
  if (needs_gradient(a, b))
    record("SubBackward0", y, {a, b}, [](const Tensor& gradient, Gradients& in) {
      if (in.wants(0)) in[0] = gradient;
      if (in.wants(1)) in[1] = neg(gradient);
    });
  return y;
}

Tensor rsub(const Tensor& a, const Tensor& b, const Scalar& alpha) { return sub(b, a, alpha); }

Tensor mul(const Tensor& a, const Tensor& b) {
  static const Pointwise formula_of_mul = with_complex(formula("mul"), [](c128 x, c128 y) { return x * y; });
  Tensor y = binary(formula_of_mul, a, b);
  if (needs_gradient(a, b)) {
    Saved saved_a = b.requires_grad() ? save(a) : Saved(), saved_b = a.requires_grad() ? save(b) : Saved();
    record("MulBackward0", y, {a, b}, [=](const Tensor& gradient, Gradients& in) {
      if (in.wants(0)) in[0] = mul(gradient, conj(saved_b()));
      if (in.wants(1)) in[1] = mul(gradient, conj(saved_a()));
    });
  }
  return y;
}

static Tensor true_div(const Tensor& a, const Tensor& b) {
  static const Pointwise formula_of_div = with_complex(formula("div"), [](c128 x, c128 y) { return x / y; });
  Tensor y = binary_floating(formula_of_div, a, b);
  if (needs_gradient(a, b)) {
    Saved saved_a = b.requires_grad() ? save(a) : Saved(), saved_b = save(b);
    record("DivBackward0", y, {a, b}, [=](const Tensor& gradient, Gradients& in) {
      Tensor divisor = conj(saved_b());
      if (in.wants(0)) in[0] = true_div(gradient, divisor);
      if (in.wants(1)) in[1] = neg(mul(gradient, true_div(true_div(conj(saved_a()), divisor), divisor)));
    });
  }
  return y;
}

Tensor div(const Tensor& a, const Tensor& b, std::optional<std::string_view> rounding_mode) {
  if (!rounding_mode) return true_div(a, b);
  if (*rounding_mode == "floor") return floor_divide(a, b);
  if (*rounding_mode == "trunc") return trunc_divide(a, b);
  runtime_error("div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '", *rounding_mode, "'");
}

void register_arithmetic(Registry& r) {
  r.add("add(Tensor self, Tensor|Scalar other, *, Scalar alpha=1) -> Tensor", add, kInPlace);
  r.add("sub(Tensor self, Tensor|Scalar other, *, Scalar alpha=1) -> Tensor", sub, kInPlace);
  r.add("rsub(Tensor self, Tensor|Scalar other, *, Scalar alpha=1) -> Tensor", rsub);
  r.add("mul(Tensor self, Tensor|Scalar other) -> Tensor", mul, kInPlace);
  r.add("div(Tensor self, Tensor|Scalar other, *, str? rounding_mode=None) -> Tensor", div, kInPlace);
  r.alias("subtract", "sub");
  r.alias("multiply", "mul");
  r.alias("divide", "div");
  r.alias("true_divide", "div");
}

}  // namespace ondol
#endif
