#pragma once

// Exponential functions and logarithms.

#include "kernels/cpu/math_basic.h"

namespace ondol::kernel::ONDOL_LEVEL {

// ln 2 in two parts, the first short enough for k * ln2_high to be exact (Cody and Waite, Software Manual for the
// Elementary Functions, 1980; the values of Cephes for float and of fdlibm for double).
template <class T>
inline constexpr T ln2_high = sizeof(T) == 4 ? T(0.693359375) : T(6.93147180369123816490e-01);
template <class T>
inline constexpr T ln2_low = sizeof(T) == 4 ? T(-2.12194440e-4) : T(1.90821492927058770002e-10);

/// (e^r - 1 - r) / r^2 for |r| <= ln(2)/2: minimax, Remez' algorithm in 60 digits.
template <Vector V>
inline V exp_tail(V r) {
  if constexpr (of_float<V>)
    return polynomial(r, 0.499999995496, 0.166665768916, 0.0416668541036, 0.00836320789049, 0.00139013196307);
  else
    return polynomial(r, 0.50000000000000010265, 0.16666666666666643702, 0.041666666666623948808,
                      0.0083333333333563743157, 0.0013888888917313774314, 0.00019841269784364088673,
                      0.000024801521128747581661, 2.7557355608221997406e-6, 2.7620172140809243688e-7,
                      2.5068215753741543535e-8);
}

/// The arguments outside of which e^x is 0 or infinite whatever follows; NaN stays.
template <Vector V>
inline V clamp_exponent(V x) {
  using T = Element<V>;
  constexpr T lowest = of_float<V> ? T(-105) : T(-746), highest = of_float<V> ? T(90) : T(711);
  return at_most(at_least(x, lowest), highest);
}

template <Vector V>
inline V nearest_integer(V x) {
  return (x + integer_magic<Element<V>>)-integer_magic<Element<V>>;
}

/// e^(x + rest) * 2^power, where the rest is tiny.
template <Vector V>
inline V exp_scaled(V x, V rest, Element<V> power) {
  using T = Element<V>;
  x = clamp_exponent(x);
  V n = nearest_integer(x * T(1.4426950408889634074));
  V r = ((x - n * ln2_high<T>)-n * ln2_low<T>)+rest;
  V p = (exp_tail(r) * (r * r) + r) + T(1);
  return scale_by_power_of_two(p, n + power);
}

template <Vector V>
inline V exp(V x) {
  using T = Element<V>;
  x = clamp_exponent(x);
  V n = nearest_integer(x * T(1.4426950408889634074));
  V r = (x - n * ln2_high<T>)-n * ln2_low<T>;
  return scale_by_power_of_two((exp_tail(r) * (r * r) + r) + T(1), n);
}

template <Vector V>
inline V exp2(V x) {
  using T = Element<V>;
  constexpr T lowest = of_float<V> ? T(-151) : T(-1076), highest = of_float<V> ? T(129) : T(1025);
  x = at_most(at_least(x, lowest), highest);
  V n = nearest_integer(x);
  V r = (x - n) * T(0.69314718055994530942);
  return scale_by_power_of_two((exp_tail(r) * (r * r) + r) + T(1), n);
}

/// e^x - 1 without cancellation: with x = n ln 2 + r it is 2^n ((e^r - 1) + (1 - 2^-n)).
template <Vector V>
inline V expm1(V x) {
  using T = Element<V>;
  constexpr T lowest = of_float<V> ? T(-18) : T(-40);
  V y = at_least(clamp_exponent(x), lowest);
  V n = nearest_integer(y * T(1.4426950408889634074));
  V r = (y - n * ln2_high<T>)-n * ln2_low<T>;
  V m = exp_tail(r) * (r * r) + r;
  V capped = select(n > T(100), splat<V>(T(100)), n);
  V result = scale_by_power_of_two(m + (T(1) - scale_by_power_of_two(splat<V>(T(1)), -capped)), n);
  return select(x == 0, x, result);
}

template <Vector V>
inline V sigmoid(V x) {
  V e = exp(-abs(x));
  return select(x < 0, e, splat<V>(1)) / (Element<V>(1) + e);
}

/// From e^2|x|: near 0 it would cancel, so that there float takes x + x^3 P(x^2) (minimax, Remez' algorithm in 50
/// digits) and double goes by e^x - 1, which for float is off by two units in the last place where tanh is nearly 1.
template <Vector V>
inline V tanh(V x) {
  using T = Element<V>;
  V a = abs(x);
  if constexpr (of_float<V>) {
    V square = a * a, large = T(1) - T(2) / (exp(a + a) + T(1));
    V small =
        polynomial(square, -0.3333328194217, 0.1333144220301, -0.05373971551536, 0.02063908869609, -0.005704988635533) *
            (square * a) +
        a;
    return copysign(select(a < T(0.625), small, large), x);
  } else {
    V m = expm1(T(-2) * a);
    return copysign(-m / (m + T(2)), x);
  }
}

template <Vector V>
inline V sinh(V x) {
  using T = Element<V>;
  V a = abs(x), m = expm1(a);
  V e = exp_scaled(a, V{}, T(-1));
  V small = T(0.5) * (m + m / (m + T(1)));
  return copysign(select(a < T(1), small, e - T(0.25) / e), x);
}

template <Vector V>
inline V cosh(V x) {
  using T = Element<V>;
  V e = exp_scaled(abs(x), V{}, T(-1));
  return e + T(0.25) / e;
}

/// x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), for positive finite x, denormal ones included.
template <Vector V>
struct Binary {
  V k, f;
};
template <Vector V>
inline Binary<V> split_binary(V x) {
  using T = Element<V>;
  using U = UnsignedOf<T>;
  constexpr int mantissa = of_float<V> ? 23 : 52;
  constexpr U one = U(of_float<V> ? 127 : 1023) << mantissa;
  constexpr U root_half = of_float<V> ? U(0x3f3504f3) : U(0x3fe6a09e667f3bcd);
  constexpr U integer = U(of_float<V> ? 127 + 23 : 1023 + 52) << mantissa;
  constexpr T smallest_normal = of_float<V> ? T(0x1p-126) : T(0x1p-1022);
  constexpr T lift = of_float<V> ? T(0x1p25) : T(0x1p54), lift_exponent = of_float<V> ? T(25) : T(54);
  Mask<V> denormal = x < smallest_normal;
  Bits<V> bits = (Bits<V>)select(denormal, x * lift, x) + (one - root_half);
  // The exponent becomes a number by standing in the low bits of 2^23 (2^52).
  V k = (V)((bits >> mantissa) | integer) - (T(U(1) << mantissa) + T(of_float<V> ? 127 : 1023));
  V m = (V)((bits & ((U(1) << mantissa) - 1)) + root_half);
  return {select(denormal, k - lift_exponent, k), m - T(1)};
}

/// With s = f / (2 + f): log(1 + f) = f - f^2/2 + s (f^2/2 + R(s^2)); this is the last product. R as in fdlibm's
/// e_log.c (Sun Microsystems 1993) and, for float, FreeBSD's e_logf.c.
template <Vector V>
inline V log_correction(V f, V half_square) {
  using T = Element<V>;
  V s = f / (f + T(2)), z = s * s, r;
  if constexpr (of_float<V>)
    r = polynomial(z, 0.66666662693, 0.40000972152, 0.28498786688, 0.24279078841);
  else
    r = polynomial(z, 6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
                   2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
                   1.479819860511658591e-01);
  return s * (half_square + z * r);
}

/// What a logarithm is outside of the positive finite numbers.
template <Vector V>
inline V log_special_cases(V x, V result) {
  using T = Element<V>;
  result = select(x == infinity<T>, x, result);
  result = select(x == 0, splat<V>(-infinity<T>), result);
  return select((x < 0) | (x != x), splat<V>(not_a_number<T>), result);
}

template <Vector V>
inline V log_of_positive(V x, V rest) {
  using T = Element<V>;
  auto [k, f] = split_binary(x);
  V half_square = T(0.5) * f * f;
  V correction = log_correction(f, half_square);
  return k * ln2_high<T> - ((half_square - (correction + (k * ln2_low<T> + rest))) - f);
}

template <Vector V>
inline V log(V x) {
  return log_special_cases(x, log_of_positive(x, V{}));
}

/// log(1 + x): the logarithm of the rounded sum u, and what the rounding took away, divided by u (fdlibm's s_log1p.c).
template <Vector V>
inline V log1p(V x) {
  using T = Element<V>;
  V u = x + T(1);
  V lost = select(u >= T(2), T(1) - (u - x), x - (u - T(1)));
  return select(x == 0, x, log_special_cases(u, log_of_positive(u, lost / u)));
}

/// log(1 + f) as a short high part and a rest, for products with a constant in two parts (FreeBSD's e_log2.c,
/// e_log10.c).
template <Vector V>
inline Exact<V> log_in_parts(V f) {
  using T = Element<V>;
  V half_square = T(0.5) * f * f;
  V correction = log_correction(f, half_square);
  constexpr UnsignedOf<T> upper = of_float<V> ? UnsignedOf<T>(0xfffff000u) : UnsignedOf<T>(0xffffffff00000000u);
  V high = (V)((Bits<V>)(f - half_square) & upper);
  return {high, ((f - high) - half_square) + correction};
}

template <Vector V>
inline V log_in_base(V x, double inverse_high, double inverse_low, double log_of_2_high, double log_of_2_low) {
  using T = Element<V>;
  auto [k, f] = split_binary(x);
  auto [high, low] = log_in_parts(f);
  V main = k * T(log_of_2_high), part = high * T(inverse_high);
  V rest = k * T(log_of_2_low) + ((low + high) * T(inverse_low) + low * T(inverse_high));
  auto [sum, error] = exact_sum(main, part);
  return log_special_cases(x, sum + (error + rest));
}
template <Vector V>
inline V log2(V x) {
  if constexpr (of_float<V>)
    return log_in_base(x, 1.4428710938e+00, -1.7605285393e-04, 1, 0);
  else
    return log_in_base(x, 1.44269504072144627571e+00, 1.67517131648865118353e-10, 1, 0);
}
template <Vector V>
inline V log10(V x) {
  if constexpr (of_float<V>)
    return log_in_base(x, 4.3432617188e-01, -3.1689971365e-05, 3.0102920532e-01, 7.9034151668e-07);
  else
    return log_in_base(x, 4.34294481878168880939e-01, 2.50829467116452752298e-11, 3.01029995663611771306e-01,
                       3.69423907715893078616e-13);
}

template <Vector V>
inline V asinh(V x) {
  using T = Element<V>;
  constexpr T large = of_float<V> ? T(0x1p13) : T(0x1p28);
  V a = abs(x), square = a * a;
  V small = log1p(a + square / (T(1) + sqrt(T(1) + square)));
  V result = select(a > large, log(a) + T(0.69314718055994530942), small);
  return copysign(result, x);
}
template <Vector V>
inline V acosh(V x) {
  using T = Element<V>;
  constexpr T large = of_float<V> ? T(0x1p13) : T(0x1p28);
  V t = x - T(1);
  V small = log1p(t + sqrt(t * T(2) + t * t));
  small = select(t < 0, splat<V>(not_a_number<T>), small);
  return select(x > large, log(x) + T(0.69314718055994530942), small);
}
template <Vector V>
inline V atanh(V x) {
  using T = Element<V>;
  V a = abs(x), twice = a + a;
  V result = T(0.5) * log1p(twice + twice * a / (T(1) - a));
  return copysign(select(a > T(1), splat<V>(not_a_number<T>), result), x);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
