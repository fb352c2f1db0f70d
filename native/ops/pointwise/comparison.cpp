// Comparisons, minimum and maximum.
//
// The upper half is compiled once per instruction set and holds the formulas; the lower half, compiled once, makes
// operations of them.

#ifdef ONDOL_LEVEL
#include "kernels/cpu/formula.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

struct Eq {
  static constexpr bool integers = true, bytes = true;
  static auto value(auto a, auto b) { return a == b; }
};
struct Ne {
  static constexpr bool integers = true, bytes = true;
  static auto value(auto a, auto b) { return a != b; }
};
struct Lt {
  static constexpr bool integers = true, bytes = true;
  static auto value(auto a, auto b) { return a < b; }
};
struct Le {
  static constexpr bool integers = true, bytes = true;
  static auto value(auto a, auto b) { return a <= b; }
};
struct Gt {
  static constexpr bool integers = true, bytes = true;
  static auto value(auto a, auto b) { return a > b; }
};
struct Ge {
  static constexpr bool integers = true, bytes = true;
  static auto value(auto a, auto b) { return a >= b; }
};
struct LogicalNot {
  static constexpr bool integers = true, bytes = true;
  static auto value(auto x) { return x == 0; }
};
struct LogicalAnd {
  static constexpr bool integers = true, bytes = true;
  static auto value(auto a, auto b) { return (a != 0) & (b != 0); }
};
struct LogicalOr {
  static constexpr bool integers = true, bytes = true;
  static auto value(auto a, auto b) { return (a != 0) | (b != 0); }
};
struct LogicalXor {
  static constexpr bool integers = true, bytes = true;
  static auto value(auto a, auto b) { return (a != 0) ^ (b != 0); }
};
struct Maximum {  // a NaN in either operand wins
  static constexpr bool integers = true, bytes = true;
  static auto value(auto a, auto b) { return maximum(a, b); }
};
struct Minimum {
  static constexpr bool integers = true, bytes = true;
  static auto value(auto a, auto b) { return minimum(a, b); }
};

}  // namespace

void add_comparison(FormulaKernels& kernels) {
  static constexpr FormulaEntry entries[] = {binary_predicate<Eq>("eq"),
                                             binary_predicate<Ne>("ne"),
                                             binary_predicate<Lt>("lt"),
                                             binary_predicate<Le>("le"),
                                             binary_predicate<Gt>("gt"),
                                             binary_predicate<Ge>("ge"),
                                             unary_predicate<LogicalNot>("logical_not"),
                                             binary_predicate<LogicalAnd>("logical_and"),
                                             binary_predicate<LogicalOr>("logical_or"),
                                             binary_predicate<LogicalXor>("logical_xor"),
                                             binary<Maximum>("maximum"),
                                             binary<Minimum>("minimum")};
  kernels.add(entries);
}

}  // namespace ondol::kernel::ONDOL_LEVEL

#else
#include "ops/pointwise/pointwise_operation.h"

namespace ondol {

static Tensor compare(const Pointwise& f, const Tensor& a, const Tensor& b) {
  const Tensor operands[] = {a, b};
  Dtype dtype = promote(operands);
  if (is_complex(dtype) && !f.c128)
    runtime_error("\"", f.name, "\" not implemented for '", torch_name(dtype), "': complex numbers have no order");
  return evaluate_result(f, operands, dtype, Dtype::Bool);
}

Tensor eq(const Tensor& a, const Tensor& b) {
  static const Pointwise f = with_complex(formula("eq"), [](c128 x, c128 y) { return x == y; });
  return compare(f, a, b);
}
Tensor ne(const Tensor& a, const Tensor& b) {
  static const Pointwise f = with_complex(formula("ne"), [](c128 x, c128 y) { return x != y; });
  return compare(f, a, b);
}
Tensor lt(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("lt");
  return compare(f, a, b);
}
Tensor le(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("le");
  return compare(f, a, b);
}
Tensor gt(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("gt");
  return compare(f, a, b);
}
Tensor ge(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("ge");
  return compare(f, a, b);
}

Tensor logical_not(const Tensor& x) {
  static const Pointwise f = with_complex(formula("logical_not"), [](c128 z) { return z == 0.0; });
  return evaluate_result(f, {&x, 1}, x.dtype(), Dtype::Bool);
}
Tensor logical_and(const Tensor& a, const Tensor& b) {
  static const Pointwise f = with_complex(formula("logical_and"), [](c128 x, c128 y) { return x != 0.0 && y != 0.0; });
  return compare(f, a, b);
}
static Tensor logical_or(const Tensor& a, const Tensor& b) {
  static const Pointwise f = with_complex(formula("logical_or"), [](c128 x, c128 y) { return x != 0.0 || y != 0.0; });
  return compare(f, a, b);
}
static Tensor logical_xor(const Tensor& a, const Tensor& b) {
  static const Pointwise f =
      with_complex(formula("logical_xor"), [](c128 x, c128 y) { return (x != 0.0) != (y != 0.0); });
  return compare(f, a, b);
}

/// The gradient goes to the larger (smaller) operand, half to each where they are equal, to both where one is NaN.
static Tensor extreme(const char* node, const Pointwise& f, const Tensor& a, const Tensor& b,
                      Tensor (*wins)(const Tensor&, const Tensor&)) {
  if (is_complex(a.dtype()) || is_complex(b.dtype())) runtime_error(f.name, " not implemented for complex tensors.");
  Tensor y = binary(f, a, b);
  if (needs_gradient(a, b) && is_differentiable(y.dtype())) {
    record(node, y, {a, b}, [wins, saved_a = save(a), saved_b = save(b)](const Tensor& gradient, Gradients& in) {
      Tensor left = saved_a(), right = saved_b(), shared = mul_by(gradient, 0.5), equal = eq(left, right);
      Tensor none = scalar_tensor(0, gradient.dtype());
      if (in.wants(0)) in[0] = where(equal, shared, where(wins(right, left), none, gradient));
      if (in.wants(1)) in[1] = where(equal, shared, where(wins(left, right), none, gradient));
    });
  }
  return y;
}
Tensor maximum(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("maximum");
  return extreme("MaximumBackward0", f, a, b, gt);
}
Tensor minimum(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("minimum");
  return extreme("MinimumBackward0", f, a, b, lt);
}

void register_comparison(Registry& r) {
  r.add("eq(Tensor self, Tensor|Scalar other) -> Tensor", eq, kInPlaceByCopy);
  r.add("ne(Tensor self, Tensor|Scalar other) -> Tensor", ne, kInPlaceByCopy);
  r.add("lt(Tensor self, Tensor|Scalar other) -> Tensor", lt, kInPlaceByCopy);
  r.add("le(Tensor self, Tensor|Scalar other) -> Tensor", le, kInPlaceByCopy);
  r.add("gt(Tensor self, Tensor|Scalar other) -> Tensor", gt, kInPlaceByCopy);
  r.add("ge(Tensor self, Tensor|Scalar other) -> Tensor", ge, kInPlaceByCopy);
  r.alias("not_equal", "ne");
  r.alias("less", "lt");
  r.alias("less_equal", "le");
  r.alias("greater", "gt");
  r.alias("greater_equal", "ge");
  r.add("logical_not(Tensor self) -> Tensor", logical_not, kInPlaceByCopy);
  r.add("logical_and(Tensor self, Tensor other) -> Tensor", logical_and, kInPlaceByCopy);
  r.add("logical_or(Tensor self, Tensor other) -> Tensor", logical_or, kInPlaceByCopy);
  r.add("logical_xor(Tensor self, Tensor other) -> Tensor", logical_xor, kInPlaceByCopy);
  r.add("maximum(Tensor self, Tensor other) -> Tensor", maximum);
  r.add("minimum(Tensor self, Tensor other) -> Tensor", minimum);
}

}  // namespace ondol
#endif
