#pragma once

// Powers and error functions.

#include "kernels/cpu/math_exponential.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// log(x) of a positive x with about 66 bits: log(1 + f) = 2s (1 + z/3 + z^2 (1/5 + z/7 + ...)), s = f / (2 + f), z =
/// s^2, the terms before z^2 as unevaluated sums of two numbers (Dekker 1971), the rest a minimax polynomial (Remez).
inline Exact<Vec<double>> log_exact(Vec<double> x) {
  using V = Vec<double>;
  auto [k, f] = split_binary(x);
  auto denominator = exact_sum(f, splat<V>(2));
  V s = f / denominator.value;
  auto back = exact_product(s, denominator.value);
  V s_rest = (((f - back.value) - back.rest) - s * denominator.rest) / denominator.value;
  auto z = exact_product(s, s);
  V z_rest = z.rest + 2 * s * s_rest;
  constexpr double third = 1.0 / 3, third_rest = 1.850371707708594234e-17;
  auto cubic = exact_product(z.value, splat<V>(third));
  V cubic_rest = cubic.rest + (z.value * third_rest + z_rest * third);
  V tail = z.value * z.value *
           polynomial(z.value, 0.20000000000000000001, 0.14285714285714282276, 0.11111111111114220936,
                      0.090909090898268213681, 0.076923078808043553663, 0.066666482513105537079,
                      0.058834071996058627084, 0.052281502655950896354, 0.053813258141029808422);
  auto factor = exact_sum(cubic.value, tail);
  V factor_rest = factor.rest + cubic_rest;
  auto product = exact_product(2 * s, factor.value);
  V product_rest = product.rest + 2 * (s * factor_rest + s_rest * factor.value);
  auto first = exact_sum(k * ln2_high<double>, 2 * s);
  auto second = exact_sum(first.value, product.value);
  V rest = (first.rest + second.rest) + ((product_rest + 2 * s_rest) + k * ln2_low<double>);
  return {second.value, rest};
}

/// |x|^y for finite x > 0.
inline Vec<double> power_of_positive(Vec<double> x, Vec<double> y) {
  using V = Vec<double>;
  // Beyond 2^66 the power of anything but 1 is 0 or infinite, and the exact products need room.
  V capped = select(y > 0x1p66, splat<V>(0x1p66), select(y < -0x1p66, splat<V>(-0x1p66), y));
  auto logarithm = log_exact(x);
  auto product = exact_product(capped, logarithm.value);
  // Where the result is 0 or infinite anyway, the rest may be anything, NaN too.
  V rest = select(abs(product.value) < 1000, product.rest + capped * logarithm.rest, V{});
  return exp_scaled(product.value, rest, 0.0);
}
/// In double: its 53 bits are more than the result needs.
inline Vec<float> power_of_positive(Vec<float> x, Vec<float> y) {
  WidePair wide_x = widen(x), wide_y = widen(y);
  return narrow({exp(wide_y.low * log_of_positive(wide_x.low, Vec<double>{})),
                 exp(wide_y.high * log_of_positive(wide_x.high, Vec<double>{}))});
}

/// C's pow with all its special cases (C17, F.10.4.4).
template <Vector V>
inline V pow(V x, V y) {
  using T = Element<V>;
  V a = abs(x);
  auto is_integer = trunc(y) == y;  // infinities too
  V half = y * T(0.5);
  auto is_odd = is_integer & (trunc(half) != half);
  auto positive_power = y > 0;
  V result = power_of_positive(a, y);
  result = select(a == 0, select(positive_power, V{}, splat<V>(infinity<T>)), result);
  result = select(a == infinity<T>, select(positive_power, splat<V>(infinity<T>), V{}), result);
  result = select((x < 0) & isfinite(x) & ~is_integer, splat<V>(not_a_number<T>), result);
  result = select(signbit(x) & is_odd, -result, result);
  result = select((x != x) | (y != y), x + y, result);
  auto one = (x == T(1)) | (y == 0) | ((x == T(-1)) & isinf(y));
  return select(one, splat<V>(1), result);
}

/// erf(x) for |x| <= 1: x + x P(x^2), minimax (Remez). Apart from x the terms are small, and so are their rounding
/// errors.
template <Vector V>
inline V erf_small(V x) {
  V z = x * x;
  if constexpr (of_float<V>)
    return x + x * polynomial(z, 0.12837916573, -0.376126258375, 0.112835852486, -0.0268538145821, 0.00518833048259,
                              -0.000801020269927, 7.85384982843e-5);
  else
    return x + x * polynomial(z, 0.1283791670955125738, -0.37612638903183747615, 0.11283791670954857915,
                              -0.026866170645072959249, 0.0052239776247813697943, -0.00085483269787651488163,
                              0.00012055331037551108097, -0.000014925593518728226688, 1.646097295415376567e-6,
                              -1.6350026192077268531e-7, 1.4657883530919653519e-8, -1.1365670671827159274e-9,
                              5.9452555842234874355e-11);
}

/// erfc(a) for a >= 1/2: (1 + 2a) exp(a^2) erfc(a) is smooth in q = (a - K)/(a + K) (Shepherd and Laframboise,
/// Mathematics of Computation 36, 1981); polynomial by Remez up to where the result vanishes.
template <Vector V>
inline V erfc_large(V a) {
  using T = Element<V>;
  constexpr T center = of_float<V> ? T(2) : T(4), limit = of_float<V> ? T(10.5) : T(27.5);
  a = select(a > limit, splat<V>(limit), a);
  V q = (a - center) / (a + center), p;
  if constexpr (of_float<V>)
    p = polynomial(q, 1.27697838498, -0.0927637542029, -0.166030824028, 0.164048386028, -0.0542113488817,
                   -0.00800224016046, 0.00865991835446, 0.00113422855046, -0.00126706987779, -0.000210947918591);
  else
    p = polynomial(q, 1.2329951186255525253, -0.13962111684056170844, 0.015379652102613724935, 0.068097054254590285075,
                   -0.10103906603592358964, 0.093732835002193193804, -0.066330365821523491949, 0.037167515471155819316,
                   -0.016197733942461827625, 0.0050319706090376643303, -0.0007577741112367834164,
                   -0.00019926031737821665783, 0.0001506252727157451624, -0.000024386110291282904083,
                   -0.000011231912891709254009, 5.6795583208802004113e-6, 3.1074107190390283843e-7,
                   -7.8220728352602390644e-7, 5.7407757579326422034e-8, 7.4296928358276101613e-8,
                   -8.7175219455628638944e-9);
  auto square = exact_product(a, a);
  return exp_scaled(-square.value, -square.rest, T(0)) * (p / (T(1) + T(2) * a));
}

/// erfc(a) for 1 <= a <= 4, as e^P(a): within 1e-9, which is all that 1 - erfc(a) has room for in float. Minimax with
/// the weight erfc(a) (Lawson's algorithm); neither division nor an exact square.
template <Vector V>
inline V erfc_tail(V a) {
  static_assert(of_float<V>);
  return exp(polynomial(a, -0.0003537195026, -1.127040036, -0.6382256774, -0.1030373687, 0.02180531829, -0.002939607295,
                        0.0001855740091));
}

template <Vector V>
inline V erf(V x) {
  using T = Element<V>;
  V a = abs(x), tail;
  if constexpr (of_float<V>)
    tail = erfc_tail(at_most(a, T(4)));  // beyond 4 it is less than half a unit of 1
  else
    tail = erfc_large(a);
  return copysign(select(a < T(1), erf_small(a), T(1) - tail), x);
}

template <Vector V>
inline V erfc(V x) {
  using T = Element<V>;
  V large = erfc_large(abs(x));
  return select(abs(x) < T(0.5), T(1) - erf_small(x), select(x < 0, T(2) - large, large));
}

/// Phi(x), the distribution function of the normal distribution. In float its tail Phi(-a) is e^P(a), with P by
/// Lawson's algorithm on [0, 6]: within 6e-10, in proportion to the value up to 1e-6 at 4; beyond 6 P goes on falling.
inline Vec<float> normal_distribution(Vec<float> x) {
  using V = Vec<float>;
  const V tail = exp(polynomial(abs(x), -0.6931471795, -0.7978846368, -0.3183090639, -0.03633872894, 0.004786868538,
                                3.618315048e-05, -0.0002191534846, 6.315426466e-05, -9.929893647e-06, 8.778467731e-07,
                                -3.405239291e-08));
  return select(x < 0, tail, 1 - tail);
}
inline Vec<double> normal_distribution(Vec<double> x) { return 0.5 * erfc(x * -0.70710678118654752440); }

template <Vector V>
inline V lgamma(V x) {
  using T = Element<V>;
  return map_lanes([](T v) { return sizeof(T) == 4 ? T(__builtin_lgammaf(v)) : T(__builtin_lgamma(v)); }, x);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
