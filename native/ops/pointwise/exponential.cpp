// Exponentials, logarithms, and sums and products of them.
//
// The upper half is compiled once per instruction set and holds the formulas; the lower half, compiled once, makes
// operations of them.

#ifdef ONDOL_LEVEL
#include "kernels/cpu/formula.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

struct Exp {
  static auto value(auto x) { return exp(x); }
};
struct Exp2 {
  static auto value(auto x) { return exp2(x); }
};
struct Expm1 {
  static auto value(auto x) { return expm1(x); }
};
struct Log {
  static auto value(auto x) { return log(x); }
};
struct Log2 {
  static auto value(auto x) { return log2(x); }
};
struct Log10 {
  static auto value(auto x) { return log10(x); }
};
struct Log1p {
  static auto value(auto x) { return log1p(x); }
};
struct Logit {  // log(x / (1 - x)), x limited to [p0, p1]
  template <class V>
  static V value(V x, const double* p) {
    V low = parameter<V>(p, 0), high = parameter<V>(p, 1);
    x = select(x < low, low, select(x > high, high, x));
    return log(x / (1 - x));
  }
};
struct LogAddExp {  // log(e^a + e^b), the larger exponential taken out
  template <class V>
  static V value(V a, V b) {
    V sum = maximum(a, b) + log1p(exp(-abs(a - b)));
    return select((a == b) & isinf(a), a, sum);
  }
};
struct LogAddExp2 {
  template <class V>
  static V value(V a, V b) {
    constexpr double log2_of_e = 1.4426950408889634074;
    V sum = maximum(a, b) + log1p(exp2(-abs(a - b))) * Element<V>(log2_of_e);
    return select((a == b) & isinf(a), a, sum);
  }
};
struct Xlogy {  // x log y, 0 where x is 0 and y a number
  template <class V>
  static V value(V x, V y) {
    return select(y != y, y, select(x == 0, V{}, x * log(y)));
  }
};
struct Xlog1py {
  template <class V>
  static V value(V x, V y) {
    return select(y != y, y, select(x == 0, V{}, x * log1p(y)));
  }
};

}  // namespace

void add_exponential(FormulaKernels& kernels) {
  static constexpr FormulaEntry entries[] = {unary<Exp>("exp"),
                                             unary<Exp2>("exp2"),
                                             unary<Expm1>("expm1"),
                                             unary<Log>("log"),
                                             unary<Log2>("log2"),
                                             unary<Log10>("log10"),
                                             unary<Log1p>("log1p"),
                                             unary<Logit>("logit"),
                                             binary<LogAddExp>("logaddexp"),
                                             binary<LogAddExp2>("logaddexp2"),
                                             binary<Xlogy>("xlogy"),
                                             binary<Xlog1py>("xlog1py")};
  kernels.add(entries);
}

}  // namespace ondol::kernel::ONDOL_LEVEL

#else
#include <numbers>

#include "ops/pointwise/pointwise_operation.h"

namespace ondol {

using std::numbers::ln10;
using std::numbers::ln2;

Tensor exp(const Tensor& x) {
  static const Pointwise f = with_complex(formula("exp"), [](c128 z) { return std::exp(z); });
  return differentiable_unary("ExpBackward0", kOutput, unary_floating(f, x), x,
                              [](const Tensor& g, const Tensor&, const Tensor& y) { return mul(g, conj(y)); });
}

static Tensor exp2(const Tensor& x) {
  static const Pointwise f = with_complex(formula("exp2"), [](c128 z) { return std::exp(z * ln2); });
  return differentiable_unary(
      "Exp2Backward0", kOutput, unary_floating(f, x), x,
      [](const Tensor& g, const Tensor&, const Tensor& y) { return mul(g, mul_by(conj(y), ln2)); });
}

/// e^z - 1 without the cancellation near 0.
static c128 complex_expm1(c128 z) {
  double half_sine = std::sin(z.imag() / 2);
  return {std::expm1(z.real()) * std::cos(z.imag()) - 2 * half_sine * half_sine,
          std::exp(z.real()) * std::sin(z.imag())};
}
Tensor expm1(const Tensor& x) {
  static const Pointwise f = with_complex(formula("expm1"), [](c128 z) { return complex_expm1(z); });
  return differentiable_unary("Expm1Backward0", kOutput, unary_floating(f, x), x,
                              [](const Tensor& g, const Tensor&, const Tensor& y) { return mul(g, plus(conj(y), 1)); });
}

Tensor log(const Tensor& x) {
  static const Pointwise f = with_complex(formula("log"), [](c128 z) { return std::log(z); });
  return differentiable_unary("LogBackward0", kInput, unary_floating(f, x), x,
                              [](const Tensor& g, const Tensor& input, const Tensor&) { return div(g, conj(input)); });
}

static Tensor log2(const Tensor& x) {
  static const Pointwise f = with_complex(formula("log2"), [](c128 z) { return std::log(z) / ln2; });
  return differentiable_unary(
      "Log2Backward0", kInput, unary_floating(f, x), x,
      [](const Tensor& g, const Tensor& input, const Tensor&) { return div(g, mul_by(conj(input), ln2)); });
}

static Tensor log10(const Tensor& x) {
  static const Pointwise f = with_complex(formula("log10"), [](c128 z) { return std::log10(z); });
  return differentiable_unary(
      "Log10Backward0", kInput, unary_floating(f, x), x,
      [](const Tensor& g, const Tensor& input, const Tensor&) { return div(g, mul_by(conj(input), ln10)); });
}

/// log(1 + z); near 0 the modulus is taken as |1 + z|^2 - 1 = x (2 + x) + y^2, which does not cancel.
static c128 complex_log1p(c128 z) {
  if (std::abs(z) > 0.5) return std::log(1.0 + z);
  double x = z.real(), y = z.imag();
  return {std::log1p(x * (2 + x) + y * y) / 2, std::atan2(y, 1 + x)};
}
Tensor log1p(const Tensor& x) {
  static const Pointwise f = with_complex(formula("log1p"), [](c128 z) { return complex_log1p(z); });
  return differentiable_unary(
      "Log1PBackward0", kInput, unary_floating(f, x), x,
      [](const Tensor& g, const Tensor& input, const Tensor&) { return div(g, plus(conj(input), 1)); });
}

static Tensor logit(const Tensor& x, std::optional<double> eps) {
  static const Pointwise f = formula("logit");
  constexpr double infinite = std::numeric_limits<double>::infinity();
  const double limits[] = {eps ? *eps : -infinite, eps ? 1 - *eps : infinite};
  double low = eps ? *eps : 0, high = 1 - low;
  // Outside the interval the derivative is 0 where x was limited to it, else undefined.
  double outside = eps ? 0 : std::numeric_limits<double>::quiet_NaN();
  return differentiable_unary(
      "LogitBackward0", kInput, unary_floating(f, x, limits), x,
      [=](const Tensor& g, const Tensor& input, const Tensor&) {
        Tensor inside = logical_and(ge(input, wrapped_number(low)), le(input, wrapped_number(high)));
        return where(inside, div(g, mul(input, one_minus(input))), scalar_tensor(outside, g.dtype()));
      });
}

static void require_floating(const char* operation, const Tensor& a, const Tensor& b) {
  Dtype dtype = promote(a.dtype(), b.dtype());
  if (is_integral(dtype)) runtime_error("\"", operation, "\" not implemented for '", torch_name(dtype), "'");
}

static c128 complex_logaddexp(c128 a, c128 b) {
  if (a.real() < b.real()) std::swap(a, b);
  if (std::isinf(a.real()) && a.real() < 0) return a;  // both exponentials are 0
  return a + complex_log1p(std::exp(b - a));
}
static Tensor logaddexp(const Tensor& a, const Tensor& b) {
  static const Pointwise f = with_complex(formula("logaddexp"), [](c128 x, c128 y) { return complex_logaddexp(x, y); });
  require_floating("logaddexp", a, b);
  return differentiable_binary(
      "LogaddexpBackward0", kInput, binary(f, a, b), a, b,
      [](const Tensor& g, Gradients& in, const Tensor& left, const Tensor& right, const Tensor&) {
        if (in.wants(0)) in[0] = mul(g, conj(sigmoid(sub(left, right))));
        if (in.wants(1)) in[1] = mul(g, conj(sigmoid(sub(right, left))));
      });
}
static Tensor logaddexp2(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("logaddexp2");
  require_floating("logaddexp2", a, b);
  return differentiable_binary(
      "Logaddexp2Backward0", kInput, binary(f, a, b), a, b,
      [](const Tensor& g, Gradients& in, const Tensor& left, const Tensor& right, const Tensor&) {
        Tensor gap = mul_by(sub(left, right), ln2);
        if (in.wants(0)) in[0] = mul(g, sigmoid(gap));
        if (in.wants(1)) in[1] = mul(g, sigmoid(neg(gap)));
      });
}

/// The logarithm, but 0 where the product was defined to be 0: x is 0 and y not beyond the pole.
static Tensor slope_of_product(const Tensor& x, const Tensor& y, const Tensor& logarithm, double pole) {
  Tensor defined = logical_and(eq(x, wrapped_number(0)), le(y, wrapped_number(pole)));
  return where(defined, scalar_tensor(0, logarithm.dtype()), logarithm);
}
static Tensor xlogy(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("xlogy");
  return differentiable_binary("XlogyBackward0", kInput, binary_floating(f, a, b), a, b,
                               [](const Tensor& g, Gradients& in, const Tensor& x, const Tensor& y, const Tensor&) {
                                 if (in.wants(0)) in[0] = mul(g, slope_of_product(x, y, log(y), 0));
                                 if (in.wants(1)) in[1] = mul(g, div(x, y));
                               });
}
static Tensor xlog1py(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("xlog1py");
  return differentiable_binary("SpecialXlog1PyBackward0", kInput, binary_floating(f, a, b), a, b,
                               [](const Tensor& g, Gradients& in, const Tensor& x, const Tensor& y, const Tensor&) {
                                 if (in.wants(0)) in[0] = mul(g, slope_of_product(x, y, log1p(y), -1));
                                 if (in.wants(1)) in[1] = mul(g, div(x, plus(y, 1)));
                               });
}

void register_exponential(Registry& r) {
  r.add("exp(Tensor self) -> Tensor", exp, kInPlace);
  r.add("exp2(Tensor self) -> Tensor", exp2, kInPlace);
  r.add("expm1(Tensor self) -> Tensor", expm1, kInPlace);
  r.add("log(Tensor self) -> Tensor", log, kInPlace);
  r.add("log2(Tensor self) -> Tensor", log2, kInPlace);
  r.add("log10(Tensor self) -> Tensor", log10, kInPlace);
  r.add("log1p(Tensor self) -> Tensor", log1p, kInPlace);
  r.add("logit(Tensor self, float? eps=None) -> Tensor", logit, kInPlace);
  r.add("logaddexp(Tensor self, Tensor other) -> Tensor", logaddexp);
  r.add("logaddexp2(Tensor self, Tensor other) -> Tensor", logaddexp2);
  r.add("xlogy(Tensor self, Tensor|Scalar other) -> Tensor", xlogy, kInPlace);
  r.add(
      "xlogy.Scalar_Self(Scalar self, Tensor other) -> Tensor",
      +[](const Scalar& x, const Tensor& y) { return xlogy(wrapped_number(x), y); }, kFunction);
  r.add("special_xlog1py(Tensor self, Tensor|Scalar other) -> Tensor", xlog1py, kFunction);
  r.add(
      "special_xlog1py.Scalar_Self(Scalar self, Tensor other) -> Tensor",
      +[](const Scalar& x, const Tensor& y) { return xlog1py(wrapped_number(x), y); }, kFunction);
}

}  // namespace ondol
#endif
