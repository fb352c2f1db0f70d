#pragma once

// Sine, cosine, tangent and their inverses.

#include "kernels/cpu/math_basic.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// x = n pi/2 + r with |r| <= pi/4: r and the bits of n.
template <Vector V>
struct Quadrant {
  V r, rest;
  Bits<V> n;
};

// pi/2 in three parts of 33 bits, each with what follows it (fdlibm's e_rem_pio2.c).
inline constexpr double half_pi_1 = 1.57079632673412561417e+00, half_pi_1_tail = 6.07710050650619224932e-11;
inline constexpr double half_pi_2 = 6.07710050630396597660e-11;
inline constexpr double half_pi_3 = 2.02226624871116645580e-21, half_pi_3_tail = 8.47842766036889956997e-32;
inline constexpr double two_over_pi = 6.36619772367581382433e-01;
/// Up to here n * half_pi_1 is exact, and the cancellation leaves enough bits.
inline constexpr double largest_reduced = 1.6e6;

/// fdlibm's reduction with all three steps, for |x| <= largest_reduced.
inline Quadrant<Vec<double>> reduce_angle(Vec<double> x) {
  Vec<double> biased = x * two_over_pi + integer_magic<double>;
  Vec<double> n = biased - integer_magic<double>;
  auto first = x - n * half_pi_1;
  auto second_exact = exact_sum(first, -(n * half_pi_2));
  auto third_exact = exact_sum(second_exact.value, -(n * half_pi_3));
  auto rest = (second_exact.rest + third_exact.rest) - n * half_pi_3_tail;
  auto r = third_exact.value + rest;
  return {r, (third_exact.value - r) + rest, (Bits<Vec<double>>)biased};
}

/// In double, so that the float r is right to its last bit however close x comes to a multiple of pi/2.
inline Quadrant<Vec<float>> reduce_angle(Vec<float> x) {
  auto part = [](Vec<double> wide, Vec<double>& n) {
    n = (wide * two_over_pi + integer_magic<double>)-integer_magic<double>;
    return (wide - n * half_pi_1) - n * half_pi_1_tail;
  };
  WidePair wide = widen(x), n;
  WidePair r = {part(wide.low, n.low), part(wide.high, n.high)};
  return {narrow(r), Vec<float>{}, (Bits<Vec<float>>)(narrow(n) + integer_magic<float>)};
}

/// sin(r + rest) for |r| <= pi/4; double as fdlibm's k_sin.c, float with a minimax polynomial of our own (Remez).
template <Vector V>
inline V sine_of_reduced(V r, V rest) {
  using T = Element<V>;
  V z = r * r;
  if constexpr (of_float<V>) return r + r * (z * polynomial(z, -0.166666646358, 0.0083327447596, -0.000195873097985));
  V p = polynomial(z, 8.33333333332248946124e-03, -1.98412698298579493134e-04, 2.75573137070700676789e-06,
                   -2.50507602534068634195e-08, 1.58969099521155010221e-10);
  V cube = z * r;
  return r - ((z * (T(0.5) * rest - cube * p) - rest) - cube * T(-1.66666666666666324348e-01));
}

/// cos(r + rest) for |r| <= pi/4 (fdlibm's k_cos.c in the form of FreeBSD; the float polynomial is ours).
template <Vector V>
inline V cosine_of_reduced(V r, V rest) {
  using T = Element<V>;
  V z = r * r, p;
  if constexpr (of_float<V>)
    p = z * polynomial(z, 0.0416666646423, -0.00138883007388, 2.45475574333e-5);
  else
    p = z * polynomial(z, 4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05,
                       -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11);
  V half = T(0.5) * z, w = T(1) - half;
  return w + (((T(1) - w) - half) + (z * p - r * rest));
}

template <Vector V>
inline bool angle_too_large(V x) {
  return any(~(abs(x) <= Element<V>(largest_reduced)));
}

template <Vector V>
inline V sine_at(Quadrant<V> q, int shift) {
  using U = UnsignedOf<Element<V>>;
  Bits<V> n = q.n + U(shift);
  V sine = sine_of_reduced(q.r, q.rest), cosine = cosine_of_reduced(q.r, q.rest);
  V value = select((Mask<V>)(n & 1) != 0, cosine, sine);
  return (V)((Bits<V>)value ^ ((n & 2) << (8 * sizeof(U) - 2)));
}

// Larger angles, infinities and NaN go to the C library, lane by lane.
template <Vector V>
inline V sin(V x) {
  using T = Element<V>;
  if (angle_too_large(x))
    return map_lanes([](T v) { return sizeof(T) == 4 ? T(__builtin_sinf(v)) : T(__builtin_sin(v)); }, x);
  return select(x == 0, x, sine_at(reduce_angle(x), 0));
}
template <Vector V>
inline V cos(V x) {
  using T = Element<V>;
  if (angle_too_large(x))
    return map_lanes([](T v) { return sizeof(T) == 4 ? T(__builtin_cosf(v)) : T(__builtin_cos(v)); }, x);
  return sine_at(reduce_angle(x), 1);
}
template <Vector V>
inline V tan(V x) {
  using T = Element<V>;
  if (angle_too_large(x))
    return map_lanes([](T v) { return sizeof(T) == 4 ? T(__builtin_tanf(v)) : T(__builtin_tan(v)); }, x);
  auto q = reduce_angle(x);
  V sine = sine_of_reduced(q.r, q.rest), cosine = cosine_of_reduced(q.r, q.rest);
  auto odd = (Mask<V>)(q.n & 1) != 0;
  return select(x == 0, x, select(odd, -cosine, sine) / select(odd, sine, cosine));
}

// The angles are written as the nearest number and what it lacks.
template <class T>
struct Angle {
  T value, rest;
};
template <class T>
inline constexpr Angle<T> half_pi =
    sizeof(T) == 4 ? Angle<T>{T(1.57079637050628662109375), T(-4.37113900018624283e-8)}
                   : Angle<T>{T(1.57079632679489655800e+00), T(6.12323399573676603587e-17)};

/// (atan(t)/t - 1)/t^2 as a polynomial in z = t^2 for |t| <= tan(pi/8); minimax (Remez).
template <Vector V>
inline V atan_tail(V z) {
  if constexpr (of_float<V>)
    return polynomial(z, -0.333333317922, 0.199995461121, -0.142641164483, 0.107452090836, -0.0645618055683);
  else
    return polynomial(z, -0.3333333333333333322, 0.1999999999999980841, -0.14285714285660722011, 0.11111111105235865808,
                      -0.090909087572125376967, 0.07692296475037348763, -0.06666426566443127951,
                      0.058789471456826589392, -0.052305801947741762287, 0.045521359350761409607,
                      -0.03458378344130625377, 0.016299668924935378254);
}

/// Reduced to |t| <= tan(pi/8) by atan(x) = pi/2 - atan(1/x) and atan(x) = pi/4 + atan((x - 1)/(x + 1)), as in Cephes.
template <Vector V>
inline V atan(V x) {
  using T = Element<V>;
  V a = abs(x);
  auto steep = a > T(2.41421356237309504880), middle = a > T(0.41421356237309504880);
  V numerator = select(steep, splat<V>(-1), select(middle, a - T(1), a));
  V denominator = select(steep, a, select(middle, a + T(1), splat<V>(1)));
  V t = numerator / denominator;
  V share = select(steep, splat<V>(1), select(middle, splat<V>(T(0.5)), V{}));
  V z = t * t;
  V result = share * half_pi<T>.value + (t + (t * (z * atan_tail(z)) + share * half_pi<T>.rest));
  return copysign(result, x);
}

template <Vector V>
inline V atan2(V y, V x) {
  using T = Element<V>;
  V a = abs(y), b = abs(x);
  V ratio = select(a == 0, V{}, select((a == b) & (b == b), splat<V>(1), a / b));
  V angle = atan(ratio);
  V turned = T(2) * half_pi<T>.value - (angle - T(2) * half_pi<T>.rest);
  V result = copysign(select(signbit(x), turned, angle), y);
  return select((x != x) | (y != y), x + y, result);
}

/// (asin(t)/t - 1)/t^2 as a polynomial in z = t^2 for |t| <= 1/2; minimax (Remez).
template <Vector V>
inline V asin_tail(V z) {
  if constexpr (of_float<V>)
    return polynomial(z, 0.166666727291, 0.0749881349368, 0.0450098682639, 0.0264994578523, 0.0381962993949);
  else
    return polynomial(z, 0.16666666666666667908, 0.074999999999983374478, 0.044642857146539538586,
                      0.030381944124650693847, 0.022372173482088797382, 0.017352380342436971426,
                      0.013971392706416066193, 0.011477460843238077759, 0.010333743750944137052,
                      0.0054115695440423237627, 0.017523264581490996421, -0.015039119139932134274,
                      0.028883126336912705176);
}

/// A square root as a short high part and a rest.
template <Vector V>
inline Exact<V> square_root_in_parts(V z) {
  using T = Element<V>;
  constexpr UnsignedOf<T> upper = of_float<V> ? UnsignedOf<T>(0xfffff000u) : UnsignedOf<T>(0xffffffff00000000u);
  V root = sqrt(z), high = (V)((Bits<V>)root & upper);
  V rest = (z - high * high) / (root + high);
  return {high, select(z == 0, V{}, rest)};
}

/// Beyond 1/2: asin(x) = pi/2 - 2 asin(sqrt((1 - x)/2)), with the root in two parts (fdlibm's e_asin.c).
template <Vector V>
inline V asin(V x) {
  using T = Element<V>;
  V a = abs(x);
  auto large = a > T(0.5);
  V z = select(large, (T(1) - a) * T(0.5), a * a);
  V tail = z * asin_tail(z);
  auto [high, rest] = square_root_in_parts(z);
  V below = T(2) * (high + rest) * tail - (half_pi<T>.rest - T(2) * rest);
  constexpr T quarter_pi = half_pi<T>.value / 2;
  V of_large = quarter_pi - (below - (quarter_pi - T(2) * high));
  return copysign(select(large, of_large, a + a * tail), x);
}

template <Vector V>
inline V acos(V x) {
  using T = Element<V>;
  V a = abs(x);
  auto large = a > T(0.5);
  V z = select(large, (T(1) - a) * T(0.5), a * a);
  V tail = z * asin_tail(z);
  auto [high, rest] = square_root_in_parts(z);
  V root = high + rest;
  V near_one = T(2) * (high + (tail * root + rest));
  V near_minus_one = T(2) * half_pi<T>.value - T(2) * (root + (tail * root - half_pi<T>.rest));
  V of_small = half_pi<T>.value - (x - (half_pi<T>.rest - x * tail));
  return select(large, select(x > 0, near_one, near_minus_one), of_small);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
