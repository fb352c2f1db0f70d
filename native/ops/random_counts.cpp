// Samples of the Poisson and binomial distributions, with the methods and the order of draws of PyTorch on a CPU.

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#include "ops/random.h"

namespace ondol {
namespace {

double uniform(Generator& generator) {
  return static_cast<double>(generator.random64() & ((uint64_t{1} << 53) - 1)) * 0x1p-53;
}

/// Transformed rejection with squeeze (Hörmann 1993, PTRS), for rates of 10 and more.
double poisson_by_rejection(Generator& generator, double rate) {
  const double spread = std::sqrt(rate), log_rate = std::log(rate);
  const double b = 0.931 + 2.53 * spread, a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
  while (true) {
    const double u = uniform(generator) - 0.5, v = uniform(generator);
    const double us = 0.5 - std::fabs(u);
    const double k = std::floor((2 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (std::log(v) + std::log(inverse_alpha) - std::log(a / (us * us) + b) <=
        -rate + k * log_rate - std::lgamma(k + 1))
      return k;
  }
}

/// The number of uniform factors whose product stays above exp(-rate) (Knuth, The Art of Computer Programming
/// 2, 3.4.1).
double poisson_by_product(Generator& generator, double rate) {
  const double limit = std::exp(-rate);
  double count = 0;
  for (double product = uniform(generator); product > limit; product *= uniform(generator)) ++count;
  return count;
}

/// log k! - (log of Stirling's formula for k!).
double stirling_error(double k) {
  constexpr double exact[] = {0.0810614667953272,  0.0413406959554092, 0.0276779256849983, 0.02079067210376509,
                              0.0166446911898211,  0.0138761288230707, 0.0118967099458917, 0.0104112652619720,
                              0.00925546218271273, 0.00833056343336287};
  if (k <= 9) return exact[static_cast<int>(k)];
  const double next = k + 1;
  return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / (next * next)) / (next * next)) / next;
}

/// Transformed rejection (Hörmann 1993, BTRS), for count * p >= 10 and p <= 1/2.
double binomial_by_rejection(Generator& generator, double count, double p) {
  const double deviation = std::sqrt(count * p * (1 - p));
  const double b = 1.15 + 2.53 * deviation, a = -0.0873 + 0.0248 * b + 0.01 * p;
  const double c = count * p + 0.5, v_r = 0.92 - 4.2 / b, odds = p / (1 - p);
  const double alpha = (2.83 + 5.1 / b) * deviation, mode = std::floor((count + 1) * p);
  while (true) {
    const double u = uniform(generator) - 0.5;
    double v = uniform(generator);
    const double us = 0.5 - std::fabs(u);
    const double k = std::floor((2 * a / us + b) * u + c);
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || k > count) continue;
    v = std::log(v * alpha / (a / (us * us) + b));
    const double bound = (mode + 0.5) * std::log((mode + 1) / (odds * (count - mode + 1))) +
                         (count + 1) * std::log((count - mode + 1) / (count - k + 1)) +
                         (k + 0.5) * std::log(odds * (count - k + 1) / (k + 1)) + stirling_error(mode) +
                         stirling_error(count - mode) - stirling_error(k) - stirling_error(count - k);
    if (v <= bound) return k;
  }
}

/// Counts how many geometric waiting times fit into `count` trials.
double binomial_by_waiting(Generator& generator, double count, double p) {
  const double log_failure = std::log1p(-p);
  double waited = 0, successes = 0;
  while (true) {
    waited += std::ceil(std::log(uniform(generator)) / log_failure);
    if (waited > count) return successes;
    ++successes;
  }
}

double binomial_of_rare(Generator& generator, double count, double p) {
  return count * p >= 10 ? binomial_by_rejection(generator, count, p) : binomial_by_waiting(generator, count, p);
}

}  // namespace

void sample_poisson(Generator& generator, const double* rate, double* out, int64_t n) {
  std::lock_guard lock(generator.mutex);
  for (int64_t i = 0; i < n; ++i)
    out[i] = rate[i] >= 10  ? poisson_by_rejection(generator, rate[i])
             : rate[i] == 0 ? 0
                            : poisson_by_product(generator, rate[i]);
}

void sample_binomial(Generator& generator, const double* count, const double* p, double* out, int64_t n) {
  std::lock_guard lock(generator.mutex);
  for (int64_t i = 0; i < n; ++i) {
    if (std::isnan(count[i]) || std::isnan(p[i]))
      out[i] = std::numeric_limits<double>::quiet_NaN();
    else if (count[i] <= 0 || p[i] <= 0)
      out[i] = 0;
    else if (p[i] >= 1)
      out[i] = count[i];
    else
      out[i] = p[i] <= 0.5 ? binomial_of_rare(generator, count[i], p[i])
                           : count[i] - binomial_of_rare(generator, count[i], 1 - p[i]);
  }
}

}  // namespace ondol
