#pragma once

// The derivative of log Γ, for positive numbers.

#include <cmath>

namespace ondol {

namespace detail {

/// log x - 1 / (2x) - ψ(x) for x >= 10 (Abramowitz and Stegun 6.3.18).
inline double digamma_remainder(double x) {
  constexpr double coefficients[] = {1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240, 1.0 / 132, -691.0 / 32760., 1.0 / 12};
  const double z = 1 / (x * x);
  double sum = 0;
  for (int k = 6; k >= 0; --k) sum = sum * z + coefficients[k];
  return sum * z;
}

}  // namespace detail

/// ψ(x) for x > 0: the recurrence (6.3.5) up to 10, then the asymptotic series.
inline double digamma_of_positive(double x) {
  double sum = 0;
  for (; x < 10; x += 1) sum -= 1 / x;
  return sum + std::log(x) - 0.5 / x - detail::digamma_remainder(x);
}

/// ψ(x + h) - ψ(x) for x > 0, h >= 0, without the cancellation.
inline double digamma_rise(double x, double h) {
  double sum = 0;
  for (; x < 10; x += 1) sum += h / (x * (x + h));
  return sum + std::log1p(h / x) + h / (2 * x * (x + h)) -
         (detail::digamma_remainder(x + h) - detail::digamma_remainder(x));
}

}  // namespace ondol
