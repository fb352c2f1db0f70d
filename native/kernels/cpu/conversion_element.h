#pragma once

// Conversion of one element. As in PyTorch, a complex number loses its imaginary part on the way to a real one, and a
// floating one becomes an unsigned integer by way of a 64-bit one, so that -1.0 is 255.
//
// Everything has internal linkage: this is compiled for several instruction sets.

#include "base/float8.h"

#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace ondol::kernel {
namespace {

template <class T>
struct ComplexOf {
  T real, imaginary;
};
struct Boolean {
  uint8_t value;
};

// What an element is in arithmetic: halves as float, complex numbers by their real part.
template <class T>
inline T number(T value) {
  return value;
}
inline float number(Half value) { return to_float(value); }
inline float number(BFloat16 value) { return to_float(value); }
inline float number(Float8E5M2 value) { return to_float(value); }
inline float number(Float8E4M3 value) { return to_float(value); }
inline uint8_t number(Boolean value) { return value.value != 0; }
template <class T>
inline auto number(ComplexOf<T> value) {
  return number(value.real);
}

template <class T>
inline constexpr bool is_real_floating = false;
template <>
inline constexpr bool is_real_floating<float> = true;
template <>
inline constexpr bool is_real_floating<double> = true;

template <class To>
struct Make {
  template <class From>
  static To from(From value) {
    auto plain = number(value);
    constexpr bool is_unsigned = To(-1) > To(0);
    if constexpr (is_real_floating<decltype(plain)> && is_unsigned && sizeof(To) == 8)
      return plain < 0 ? static_cast<To>(static_cast<int64_t>(plain)) : static_cast<To>(plain);
    else if constexpr (is_real_floating<decltype(plain)> && (sizeof(To) < 4 || is_unsigned))
      return static_cast<To>(static_cast<int64_t>(plain));
    else
      return static_cast<To>(plain);
  }
};
template <>
struct Make<Boolean> {
  template <class From>
  static Boolean from(From value) {
    return {static_cast<uint8_t>(number(value) != 0)};
  }
  template <class T>
  static Boolean from(ComplexOf<T> value) {
    return {static_cast<uint8_t>(number(value.real) != 0 || number(value.imaginary) != 0)};
  }
};
template <>
struct Make<Half> {
  template <class From>
  static Half from(From value) {
    return to_half(static_cast<float>(number(value)));
  }
};
template <>
struct Make<BFloat16> {
  template <class From>
  static BFloat16 from(From value) {
    return to_bfloat16(static_cast<float>(number(value)));
  }
};
template <>
struct Make<Float8E5M2> {
  template <class From>
  static Float8E5M2 from(From value) {
    return to_float8_e5m2(static_cast<float>(number(value)));
  }
};
template <>
struct Make<Float8E4M3> {
  template <class From>
  static Float8E4M3 from(From value) {
    return to_float8_e4m3(static_cast<float>(number(value)));
  }
};
template <class R>
struct Make<ComplexOf<R>> {
  template <class From>
  static ComplexOf<R> from(From value) {
    return {Make<R>::from(value), Make<R>::from(0)};
  }
  template <class T>
  static ComplexOf<R> from(ComplexOf<T> value) {
    return {Make<R>::from(value.real), Make<R>::from(value.imaginary)};
  }
};

/// One element; of the same type, bit for bit, NaN included.
template <class From, class To>
inline To converted(From value) {
  if constexpr (__is_same(From, To))
    return value;
  else
    return Make<To>::from(value);
}

/// Elements that lie one behind the other.
template <class From, class To>
inline void convert_row(const From* from, To* to, int64_t n) {
  int64_t i = 0;
#if defined(__F16C__)
  if constexpr (__is_same(From, Half) && __is_same(To, float))
    for (; i + 8 <= n; i += 8)
      _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
  if constexpr (__is_same(From, float) && __is_same(To, Half))
    for (; i + 8 <= n; i += 8)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i),
                       _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
#endif
  for (; i < n; ++i) to[i] = Make<To>::from(from[i]);
}

template <class From, class To>
void convert(const char* from, int64_t from_stride, char* to, int64_t to_stride, int64_t n) {
  if (from_stride == sizeof(From) && to_stride == sizeof(To)) {
    auto* source = reinterpret_cast<const From*>(from);
    auto* target = reinterpret_cast<To*>(to);
    if constexpr (__is_same(From, To)) {
      __builtin_memmove(target, source, n * sizeof(To));
    } else {
      convert_row(source, target, n);
    }
    return;
  }
  if (from_stride == 0 && to_stride == sizeof(To)) {
    const To value = converted<From, To>(*reinterpret_cast<const From*>(from));
    for (int64_t i = 0; i < n; ++i) reinterpret_cast<To*>(to)[i] = value;
    return;
  }
  for (int64_t i = 0; i < n; ++i)
    *reinterpret_cast<To*>(to + i * to_stride) =
        converted<From, To>(*reinterpret_cast<const From*>(from + i * from_stride));
}

}  // namespace
}  // namespace ondol::kernel
