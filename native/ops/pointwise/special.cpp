// The error function and its relatives, and the logarithm of the gamma function with its derivatives.
//
// The upper half is compiled once per instruction set and holds the formulas; the lower half, compiled once, makes
// operations of them.

#ifdef ONDOL_LEVEL
#include "kernels/cpu/formula.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

struct Erf {
  static auto value(auto x) { return erf(x); }
};
struct Erfc {
  static auto value(auto x) { return erfc(x); }
};
/// In the variable of Giles ("Approximating the erfinv function", GPU Computing Gems 2, 2011), w = -log(1 - y^2), with
/// polynomials of higher degree: erfinv(y) / y fitted to 2e-9 in the middle and 2e-8 in the tail, around points where
/// the ratio is a number of float to 1e-10, so that the first coefficients carry no error. For double made precise by
/// Halley's method, on erfc towards the ends, where erf has no digits left.
struct Erfinv {
  template <class V>
  static V value(V y) {
    using T = Element<V>;
    V size = abs(y), w = -log((T(1) - y) * (T(1) + y));
    V middle = polynomial(w - T(2.5000708103), 1.50142682, 0.246639684, -0.00417758944, -0.00125264318, 0.000218260684,
                          -5.00016858e-06, -3.42536464e-06, 4.79709342e-07, 1.63839591e-08, -1.10249729e-08,
                          4.41019915e-10, 1.33055539e-10);
    V tail = polynomial(sqrt(w) - T(3.0000114441), 2.83298826, 1.00167513, 0.00944484584, -0.00763639109, 0.00568879209,
                        -0.00360074569, 0.00147923327, -4.96586399e-05, -0.000304601039, 0.000110471905);
    V x = y * select(w < T(5), middle, tail);
    if constexpr (!of_float<V>) x = refined(x, y, w);
    x = select(size == T(1), copysign(splat<V>(infinity<T>), y), x);
    return select(size <= T(1), x, splat<V>(not_a_number<T>));
  }

 private:
  template <class V>
  static V refined(V x, V y, V w) {
    constexpr double pi = 3.141592653589793, two_over_sqrt_pi = 1.1283791670955126;
    V size = abs(y);
    const auto far = w >= 15;  // beyond the reach of the approximation: from erfc(x) ~ exp(-x^2) / (x sqrt(pi))
    if (any(far)) {
      V logarithm = -log(1 - size);
      x = select(far, copysign(sqrt(logarithm - 0.5 * log(pi * logarithm)), y), x);
    }
    for (int steps = any(far) ? 3 : 1; steps > 0; --steps) {
      V to_end = copysign(splat<V>(1), y) * ((1 - size) - erfc(abs(x)));
      V error = select(size < 0.5, erf(x) - y, to_end);
      V newton = error / (two_over_sqrt_pi * exp(-x * x));
      x = x - newton / (1 + x * newton);
    }
    return x;
  }
};
struct Lgamma {
  static auto value(auto x) { return lgamma(x); }
};

}  // namespace

void add_special(FormulaKernels& kernels) {
  static constexpr FormulaEntry entries[] = {unary<Erf>("erf"), unary<Erfc>("erfc"), unary<Erfinv>("erfinv"),
                                             unary<Lgamma>("lgamma")};
  kernels.add(entries);
}

}  // namespace ondol::kernel::ONDOL_LEVEL

#else
#include <numbers>

#include "base/digamma.h"
#include "ops/pointwise/pointwise_operation.h"

namespace ondol {

using std::numbers::inv_sqrtpi;
using std::numbers::pi;

static constexpr double infinity = std::numeric_limits<double>::infinity();
static constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

static Tensor bell(const Tensor& x) { return mul_by(exp(neg(squared(x))), 2 * inv_sqrtpi); }
Tensor erf(const Tensor& x) {
  static const Pointwise f = formula("erf");
  return differentiable_unary("ErfBackward0", kInput, unary_floating(f, x), x,
                              [](const Tensor& g, const Tensor& input, const Tensor&) { return mul(g, bell(input)); });
}
static Tensor erfc(const Tensor& x) {
  static const Pointwise f = formula("erfc");
  return differentiable_unary(
      "ErfcBackward0", kInput, unary_floating(f, x), x,
      [](const Tensor& g, const Tensor& input, const Tensor&) { return neg(mul(g, bell(input))); });
}

static Tensor erfinv(const Tensor& x) {
  static const Pointwise f = formula("erfinv");
  return differentiable_unary("ErfinvBackward0", kOutput, unary_floating(f, x), x,
                              [](const Tensor& g, const Tensor&, const Tensor& y) {
                                return mul(g, mul_by(exp(squared(y)), 0.5 / inv_sqrtpi));
                              });
}

static Tensor polygamma_of(int64_t n, const Tensor& x);
static Tensor digamma(const Tensor& x);
Tensor lgamma(const Tensor& x) {
  static const Pointwise f = formula("lgamma");
  return differentiable_unary(
      "LgammaBackward0", kInput, unary_floating(f, x), x,
      [](const Tensor& g, const Tensor& input, const Tensor&) { return mul(g, digamma(input)); });
}

/// With the reflection formula (Abramowitz and Stegun 6.3.7).
static double digamma_value(double x) {
  if (x == 0) return std::copysign(infinity, -x);
  if (x < 0) {
    double whole, part = std::modf(x, &whole);
    if (part == 0) return not_a_number;
    return digamma_of_positive(1 - x) - pi / std::tan(pi * part);
  }
  return digamma_of_positive(x);
}
static Tensor digamma(const Tensor& x) {
  static const Pointwise f = plain_formula("digamma", [](double v) { return digamma_value(v); });
  return differentiable_unary(
      "DigammaBackward0", kInput, unary_floating(f, x), x,
      [](const Tensor& g, const Tensor& input, const Tensor&) { return mul(g, polygamma_of(1, input)); });
}

/// Hurwitz's zeta function, sum of (q + k)^-s, for s > 1: terms up to q + k = 10, then the Euler-Maclaurin formula
/// (Abramowitz and Stegun 23.1.30).
static double hurwitz_zeta(double s, double q) {
  if (q <= 0) {
    if (q == std::floor(q)) return infinity;
    if (s != std::floor(s)) return not_a_number;
  }
  double sum = 0, at = q;
  do {
    sum += std::pow(at, -s);
    at += 1;
  } while (at < 10);
  sum += std::pow(at, 1 - s) / (s - 1) + 0.5 * std::pow(at, -s);
  // B_2j / (2j)!
  constexpr double bernoulli[] = {1.0 / 12,           -1.0 / 720,
                                  1.0 / 30240,        -1.0 / 1209600,
                                  1.0 / 47900160,     -691.0 / 1307674368000.0,
                                  1.0 / 74724249600., -3617.0 / 10670622842880000.0};
  double factor = s, power = std::pow(at, -s - 1);
  for (int j = 0; j < 8; ++j) {
    double term = bernoulli[j] * factor * power;
    sum += term;
    if (std::abs(term) < std::abs(sum) * 1e-17) break;
    factor *= (s + 2 * j + 1) * (s + 2 * j + 2);
    power /= at * at;
  }
  return sum;
}
/// (-1)^(n+1) n! zeta(n + 1, x) for n >= 1 (Abramowitz and Stegun 6.4.10). `angle` is pi x.
static double polygamma_value(double x, double angle, const double* p) {
  double n = p[0];
  if (n == 1 && x < 0 && x != std::floor(x)) {  // 6.4.7, for the sum above would run over all of (x, 10)
    double sine = std::sin(angle);
    return pi * pi / (sine * sine) - hurwitz_zeta(2, 1 - x);
  }
  return (std::fmod(n, 2) != 0 ? 1 : -1) * std::tgamma(n + 1) * hurwitz_zeta(n + 1, x);
}
static Tensor polygamma_of(int64_t n, const Tensor& x) {
  static const Pointwise f = [] {
    Pointwise both =
        plain_formula("polygamma", [](double v, const double* p) { return polygamma_value(v, pi * v, p); });
    // Near a pole the last bits of the angle matter: for floats it is rounded to a float, as PyTorch does.
    both.f32 = plain_formula("polygamma", [](double v, const double* p) {
                 return polygamma_value(v, static_cast<float>(pi) * static_cast<float>(v), p);
               }).f32;
    return both;
  }();
  if (n < 0) runtime_error("polygamma(n, x) does not support negative n.");
  if (n == 0) return digamma(x);
  auto order = static_cast<double>(n);
  return differentiable_unary(
      "PolygammaBackward0", kInput, unary_floating(f, x, &order), x,
      [n](const Tensor& g, const Tensor& input, const Tensor&) { return mul(g, polygamma_of(n + 1, input)); });
}

void register_special(Registry& r) {
  r.add("erf(Tensor self) -> Tensor", erf, kInPlace);
  r.add("erfc(Tensor self) -> Tensor", erfc, kInPlace);
  r.add("erfinv(Tensor self) -> Tensor", erfinv, kInPlace);
  r.add("lgamma(Tensor self) -> Tensor", lgamma, kInPlace);
  r.add("digamma(Tensor self) -> Tensor", digamma, kInPlace);
  r.add("polygamma(int n, Tensor self) -> Tensor", polygamma_of);
  r.add(
      "polygamma.method(Tensor self, int n) -> Tensor", +[](const Tensor& x, int64_t n) { return polygamma_of(n, x); },
      kMethod | kInPlace);
}

}  // namespace ondol
#endif
