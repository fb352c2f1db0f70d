#include "base/quantile_slope.h"

#include <cmath>
#include <limits>

#include "base/digamma.h"

// Both densities have the form exp(a g(t) + ...), where E g(t) is ψ(a) or ψ(a) - ψ(a + b), so that ∂F/∂a is the
// integral up to x of (g(t) - E g) times the density, or minus the integral from x on. Of the two that one is taken
// which has one sign, so nothing cancels. With t put at a distance w from x on a logarithmic scale, the integrand over
// the density at x is 1 at w = 0 and falls off, in general, on several scales at once.

namespace ondol {
namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// The integral from 0 to infinity of f(w) >= 0, whose smallest scale is given, by the trapezoidal rule in t, w = scale
/// exp(t - exp(-t)) (Takahasi & Mori 1974): points are spread evenly over the orders of magnitude above the scale.
template <class F>
double integral(double scale, double precision, F f) {
  const double step = precision > 1e-9 ? 0.25 : 0.125;
  double sum = 0;
  const auto add = [&](double t) {
    const double shrink = std::exp(-t), w = scale * std::exp(t - shrink);
    const double term = w * (1 + shrink) * f(w);
    sum += term;
    return term > 0.1 * precision * sum;
  };
  for (int k = 0; k < 8000 && (add(k * step) || k < 8); ++k) {
  }
  for (int k = -1; add(k * step); --k) {
  }
  return sum * step;
}

/// The series of the lower incomplete gamma function, x^a exp(-x) / Γ(a + 1) times the sum of x^n / ((a+1) ... (a+n)),
/// differentiated term by term.
double gamma_series(double x, double a, double precision) {
  double term = 1, term_slope = 0, sum = 1, slope = 0;  // term_slope: of log term by a
  for (double n = 1; term > 0.1 * precision * sum; ++n) {
    term *= x / (a + n);
    term_slope -= 1 / (a + n);
    sum += term;
    slope += term * term_slope;
  }
  return -x / a * (sum * (std::log(x) - digamma_of_positive(a + 1)) + slope);
}

/// The same for the incomplete beta function, over 1 - x: x^a y^b / (a B(a, b)) times the sum of x^n (a+b) ...
/// (a+b+n-1) / ((a+1)
/// ... (a+n)).
double beta_series(double x, double a, double b, double precision) {
  double term = 1, term_slope = 0, sum = 1, slope = 0;
  for (double n = 0; term > 0.1 * precision * sum; ++n) {
    term *= x * (a + b + n) / (a + 1 + n);
    term_slope += (1 - b) / ((a + b + n) * (a + 1 + n));
    sum += term;
    slope += term * term_slope;
  }
  const double expected = digamma_of_positive(a + 1) - digamma_of_positive(a + b);
  return -x / a * (sum * (std::log(x) - expected) + slope);
}

/// By the same series for the rest, with the roles of x and y, a and b exchanged. `excess` is log x minus its mean.
double beta_series_from_above(double y, double x, double b, double a, double excess, double precision) {
  double term = 1, term_slope = 0, sum = 1, slope = 0;
  for (double n = 0; term > 0.1 * precision * sum; ++n) {
    term *= y * (a + b + n) / (b + 1 + n);
    term_slope += 1 / (a + b + n);
    sum += term;
    slope += term * term_slope;
  }
  return x / b * (sum * excess + slope);
}

/// Whether x lies where the series of a mean of about `a / total` converges fast and does not cancel much: at most two
/// deviations above the mean, and the number of terms, which grows as the square root of a, in the hundreds.
bool suits_series(double x, double a, double total) { return a < 1e4 && x * total < a + 1 + 2 * std::sqrt(a); }

/// A length on which exp(-slope w - curvature w^2 / 2) falls off.
double fall_off(double slope, double curvature) { return 1 / (std::fabs(slope) + std::sqrt(curvature)); }

}  // namespace

double gamma_quantile_slope(double x, double a, double precision) {
  if (!(x >= 0 && a > 0) || std::isinf(x) || std::isinf(a)) return not_a_number;
  if (x == 0) return 0;
  if (x < 30 && suits_series(x, a, 1)) return gamma_series(x, a, precision);
  const double excess = std::log(x) - digamma_of_positive(a), scale = fall_off(a - x, x);
  if (excess < 0)  // t = x exp(-w)
    return x *
           integral(scale, precision, [=](double w) { return (w - excess) * std::exp(-a * w - x * std::expm1(-w)); });
  return x * integral(scale, precision, [=](double w) {  // t = x (1 + w)
           const double log_ratio = std::log1p(w);
           return (excess + log_ratio) * std::exp((a - 1) * log_ratio - x * w);
         });
}

double beta_quantile_slope(double x, double y, double a, double b, double precision) {
  if (!(x >= 0 && y >= 0 && a > 0 && b > 0) || std::isinf(a) || std::isinf(b)) return not_a_number;
  if (x == 0) return 0;
  if (x < 0.6 && suits_series(x, a, a + b)) return beta_series(x, a, b, precision);
  const double log_x = x < 0.5 ? std::log(x) : std::log1p(-y), excess = log_x + digamma_rise(a, b);
  if (y < 0.6 && suits_series(y, b, a + b)) return beta_series_from_above(y, x, b, a, excess, precision);
  if (excess < 0) {  // t = x exp(-w), 1 - t = y (1 + (x / y) (1 - exp(-w)))
    const double odds = x / y, scale = fall_off(a - (b - 1) * odds, odds + std::fabs(b - 1) * odds * (1 + odds));
    return x / y * integral(scale, precision, [=](double w) {
             return (w - excess) * std::exp(-a * w + (b - 1) * std::log1p(-odds * std::expm1(-w)));
           });
  }
  const double odds = y / x, scale = fall_off(b - (a - 1) * odds, odds + std::fabs(a - 1) * odds * (1 + odds));
  return integral(scale, precision, [=](double w) {               // 1 - t = y exp(-w)
    const double log_ratio = std::log1p(-odds * std::expm1(-w));  // of t / x
    return (excess + log_ratio) * std::exp(-b * w + (a - 1) * log_ratio);
  });
}

}  // namespace ondol
