#pragma once

// Small exact functions, and sums and products with their rounding errors.

#include "kernels/cpu/math_instructions.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// A vector of the kernels, and a plain number: pointwise formulas are written for both (int64 runs as plain numbers).
template <class X>
concept Number = std::integral<X> || std::floating_point<X>;
template <class X>
concept Vector = !Number<X>;

template <Number T>
inline T select(bool mask, T a, T b) {
  return mask ? a : b;
}

template <Vector V>
inline V splat(Element<V> value) {
  return value - V{};
}
template <Number T>
inline T splat(T value) {
  return value;
}

template <class T>
inline constexpr T infinity = T(__builtin_inf());
template <class T>
inline constexpr T not_a_number = T(__builtin_nan(""));

/// The ends of the range of T.
template <class T>
constexpr T highest() {
  if constexpr (std::integral<T>)
    return T(INT64_MAX);
  else
    return infinity<T>;
}
template <class T>
constexpr T lowest() {
  if constexpr (std::integral<T>)
    return T(INT64_MIN);
  else
    return -infinity<T>;
}

template <Vector V>
inline constexpr UnsignedOf<Element<V>> sign_bit = UnsignedOf<Element<V>>(1) << (8 * sizeof(Element<V>) - 1);

template <Vector V>
inline V abs(V x) {
  if constexpr (std::integral<Element<V>>)
    return select(x < 0, -x, x);
  else
    return (V)((Bits<V>)x & ~sign_bit<V>);
}
template <Number T>
inline T abs(T x) {
  return x < 0 ? T(T(0) - x) : x;
}

/// |x| with the sign of `sign`, -0 and NaN included.
template <Vector V>
inline V copysign(V x, V sign) {
  return (V)(((Bits<V>)x & ~sign_bit<V>) | ((Bits<V>)sign & sign_bit<V>));
}
template <Vector V>
inline Mask<V> signbit(V x) {
  return (Mask<V>)((Bits<V>)x & sign_bit<V>) < 0;
}

template <class X>
inline auto isnan(X x) {
  return x != x;
}
template <Vector V>
inline Mask<V> isinf(V x) {
  return abs(x) == infinity<Element<V>>;
}
template <Vector V>
inline Mask<V> isfinite(V x) {
  return abs(x) < infinity<Element<V>>;
}

/// The smaller and the larger one, NaN if either is NaN (torch.minimum, torch.maximum).
template <class X>
inline X minimum(X a, X b) {
  if constexpr (std::integral<X>)
    return a < b ? a : b;
  else
    return select((a < b) | (a != a), a, b);
}
template <class X>
inline X maximum(X a, X b) {
  if constexpr (std::integral<X>)
    return a > b ? a : b;
  else
    return select((a > b) | (a != a), a, b);
}
/// The other one if one is NaN (C's fmin and fmax).
template <class X>
inline X fmin(X a, X b) {
  return select((a < b) | (b != b), a, b);
}
template <class X>
inline X fmax(X a, X b) {
  return select((a > b) | (b != b), a, b);
}

/// a * b + c, rounded once where the processor can do it.
template <Vector V>
inline V fma(V a, V b, V c) {
#if ONDOL_HAS_FMA
  return fused_multiply_add(a, b, c);
#else
  return a * b + c;
#endif
}

template <Vector V>
inline V rsqrt(V x) {
  return Element<V>(1) / sqrt(x);
}

/// c0 + c1 x + c2 x^2 + ... by Horner's rule.
template <Vector V, class... Rest>
inline V polynomial(V x, double c0, Rest... rest) {
  if constexpr (sizeof...(Rest) == 0)
    return splat<V>(Element<V>(c0));
  else
    return polynomial(x, rest...) * x + Element<V>(c0);
}

/// A value and the small rest that it lacks.
template <Vector V>
struct Exact {
  V value, rest;
};

/// a + b without error (Knuth, The Art of Computer Programming 2, 4.2.2).
template <Vector V>
inline Exact<V> exact_sum(V a, V b) {
  V sum = a + b, of_b = sum - a;
  return {sum, (a - (sum - of_b)) + (b - of_b)};
}

/// a * b without error for products within range (Dekker 1971; with FMA one operation gives the rest).
template <Vector V>
inline Exact<V> exact_product(V a, V b) {
  V product = a * b;
#if ONDOL_HAS_FMA
  return {product, fused_multiply_add(a, b, -product)};
#else
  constexpr UnsignedOf<Element<V>> upper_half = ~((UnsignedOf<Element<V>>(1) << (of_float<V> ? 12 : 27)) - 1);
  V a1 = (V)((Bits<V>)a & upper_half), b1 = (V)((Bits<V>)b & upper_half);
  V a2 = a - a1, b2 = b - b1;
  return {product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2};
#endif
}

/// C's fmod: a - trunc(a / b) * b without rounding error.
template <Vector V>
inline V fmod(V a, V b) {
  using T = Element<V>;
  constexpr T largest_quotient = of_float<V> ? T(0x1p22) : T(0x1p51), smallest = of_float<V> ? T(0x1p-70) : T(0x1p-900);
  V x = abs(a), y = abs(b), quotient = trunc(x / y);
  if (any(~((quotient < largest_quotient) & (y > smallest) & (x < T(1) / smallest) & isfinite(y))))
    return map_lanes([](T p, T q) { return sizeof(T) == 4 ? T(__builtin_fmodf(p, q)) : T(__builtin_fmod(p, q)); }, a,
                     b);
  // The rounded quotient may be one too large or too small; the remainder of either is exact.
  Exact<V> product = exact_product(quotient, y);
  V remainder = (x - product.value) - product.rest;
  remainder = select(remainder < 0, remainder + y, remainder);
  remainder = select(remainder >= y, remainder - y, remainder);
  return copysign(select(y == y, remainder, y), a);
}

/// Python's %: the remainder that has the sign of b.
template <Vector V>
inline V remainder(V a, V b) {
  V r = fmod(a, b);
  return select((r != 0) & ((r < 0) != (b < 0)), r + b, r);
}
template <std::integral T>
inline T remainder(T a, T b) {
  if (b == 0 || b == -1) return 0;  // callers refuse 0; INT_MIN % -1 traps
  T r = a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

}  // namespace ondol::kernel::ONDOL_LEVEL
