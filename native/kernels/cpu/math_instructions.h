#pragma once

// Instructions that GCC 12 does not find in generic vector code: roundings, square root, fused multiply-add, scaling by
// a power of two, conversion between float and double, loads and stores of a part of a vector. The wrappers in the
// intrinsics headers are always inlined, so they leave nothing for the linker to choose from. The forms with a mask of
// ones avoid a false warning about uninitialised values (GCC bug 105593).

#include <concepts>
#include <type_traits>
#include <utility>

#include "kernels/cpu/level.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace ondol::kernel::ONDOL_LEVEL {

template <class V>
using Element = std::remove_cvref_t<decltype(std::declval<V>()[0])>;
template <class V>
inline constexpr int lane_count = sizeof(V) / sizeof(Element<V>);
template <class V>
inline constexpr bool of_float = std::same_as<Element<V>, float>;

/// What a comparison of two V gives: integers of the same width, -1 for true and 0 for false.
template <class V>
using Mask = decltype(V{} < V{});
template <class T>
using UnsignedOf = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
template <class V>
using Bits = Vec<UnsignedOf<Element<V>>>;

template <class V>
inline V select(Mask<V> mask, V a, V b) {
  return mask ? a : b;
}

/// Lane i of the result is lane i + by, around the end.
template <int by, class V, size_t... lane>
inline V rotate_lanes(V x, std::index_sequence<lane...>) {
#if defined(__clang__)
  return __builtin_shufflevector(x, x, ((lane + by) % lane_count<V>)...);
#else
  return __builtin_shuffle(x, Mask<V>{((lane + by) % lane_count<V>)...});
#endif
}
template <int by, class V>
inline V rotate_lanes(V x) {
  return rotate_lanes<by>(x, std::make_index_sequence<lane_count<V>>{});
}

/// The larger and the smaller of x and a limit; a NaN in x stays.
#if defined(__AVX512F__)
inline Vec<float> at_least(Vec<float> x, float limit) { return _mm512_maskz_max_ps(-1, _mm512_set1_ps(limit), x); }
inline Vec<double> at_least(Vec<double> x, double limit) { return _mm512_maskz_max_pd(-1, _mm512_set1_pd(limit), x); }
inline Vec<float> at_most(Vec<float> x, float limit) { return _mm512_maskz_min_ps(-1, _mm512_set1_ps(limit), x); }
inline Vec<double> at_most(Vec<double> x, double limit) { return _mm512_maskz_min_pd(-1, _mm512_set1_pd(limit), x); }
#else
template <class V>
inline V at_least(V x, Element<V> limit) {
  return select(x < limit, limit - V{}, x);
}
template <class V>
inline V at_most(V x, Element<V> limit) {
  return select(x > limit, limit - V{}, x);
}
#endif

/// f applied to each lane by itself, for what has no vector form worth its length.
template <class V, class F>
inline V map_lanes(F f, V x) {
  for (int i = 0; i < lane_count<V>; ++i) x[i] = f(x[i]);
  return x;
}
template <class V, class F>
inline V map_lanes(F f, V x, V y) {
  for (int i = 0; i < lane_count<V>; ++i) x[i] = f(x[i], y[i]);
  return x;
}

template <class V>
inline bool any(V mask) {
#if defined(__AVX512F__)
  return _mm512_test_epi64_mask((__m512i)mask, (__m512i)mask) != 0;
#elif defined(__AVX2__)
  return !_mm256_testz_si256((__m256i)mask, (__m256i)mask);
#elif defined(__SSE4_1__)
  return !_mm_testz_si128((__m128i)mask, (__m128i)mask);
#elif defined(__aarch64__)
  return vmaxvq_u32((uint32x4_t)mask) != 0;
#else
  bool found = false;
  for (int i = 0; i < lane_count<V>; ++i) found |= mask[i] != 0;
  return found;
#endif
}

#if defined(__AVX512F__)
#define ONDOL_ROUNDED(name, how)                                                              \
  inline Vec<float> name(Vec<float> x) { return _mm512_maskz_roundscale_ps(-1, x, how | 8); } \
  inline Vec<double> name(Vec<double> x) { return _mm512_maskz_roundscale_pd(-1, x, how | 8); }
#elif defined(__AVX2__)
#define ONDOL_ROUNDED(name, how)                                               \
  inline Vec<float> name(Vec<float> x) { return _mm256_round_ps(x, how | 8); } \
  inline Vec<double> name(Vec<double> x) { return _mm256_round_pd(x, how | 8); }
#elif defined(__SSE4_1__)
#define ONDOL_ROUNDED(name, how)                                            \
  inline Vec<float> name(Vec<float> x) { return _mm_round_ps(x, how | 8); } \
  inline Vec<double> name(Vec<double> x) { return _mm_round_pd(x, how | 8); }
#endif

#if defined(ONDOL_ROUNDED)
ONDOL_ROUNDED(round_half_even, 0)
ONDOL_ROUNDED(floor, 1)
ONDOL_ROUNDED(ceil, 2)
ONDOL_ROUNDED(trunc, 3)
#undef ONDOL_ROUNDED
#elif defined(__aarch64__)
inline Vec<float> round_half_even(Vec<float> x) { return vrndnq_f32(x); }
inline Vec<double> round_half_even(Vec<double> x) { return vrndnq_f64(x); }
inline Vec<float> floor(Vec<float> x) { return vrndmq_f32(x); }
inline Vec<double> floor(Vec<double> x) { return vrndmq_f64(x); }
inline Vec<float> ceil(Vec<float> x) { return vrndpq_f32(x); }
inline Vec<double> ceil(Vec<double> x) { return vrndpq_f64(x); }
inline Vec<float> trunc(Vec<float> x) { return vrndq_f32(x); }
inline Vec<double> trunc(Vec<double> x) { return vrndq_f64(x); }
#else
template <class V>
inline V round_half_even(V x) {
  return map_lanes([](auto v) { return decltype(v)(__builtin_nearbyint(v)); }, x);
}
template <class V>
inline V floor(V x) {
  return map_lanes([](auto v) { return decltype(v)(__builtin_floor(v)); }, x);
}
template <class V>
inline V ceil(V x) {
  return map_lanes([](auto v) { return decltype(v)(__builtin_ceil(v)); }, x);
}
template <class V>
inline V trunc(V x) {
  return map_lanes([](auto v) { return decltype(v)(__builtin_trunc(v)); }, x);
}
#endif

#if defined(__AVX512F__)
inline Vec<float> sqrt(Vec<float> x) { return _mm512_maskz_sqrt_ps(-1, x); }
inline Vec<double> sqrt(Vec<double> x) { return _mm512_maskz_sqrt_pd(-1, x); }
#elif defined(__AVX2__)
inline Vec<float> sqrt(Vec<float> x) { return _mm256_sqrt_ps(x); }
inline Vec<double> sqrt(Vec<double> x) { return _mm256_sqrt_pd(x); }
#elif defined(__SSE4_1__)
inline Vec<float> sqrt(Vec<float> x) { return _mm_sqrt_ps(x); }
inline Vec<double> sqrt(Vec<double> x) { return _mm_sqrt_pd(x); }
#elif defined(__aarch64__)
inline Vec<float> sqrt(Vec<float> x) { return vsqrtq_f32(x); }
inline Vec<double> sqrt(Vec<double> x) { return vsqrtq_f64(x); }
#else
inline Vec<float> sqrt(Vec<float> x) {
  return map_lanes([](float v) { return __builtin_sqrtf(v); }, x);
}
inline Vec<double> sqrt(Vec<double> x) {
  return map_lanes([](double v) { return __builtin_sqrt(v); }, x);
}
#endif

// fused_multiply_add rounds once, and is there only where the processor has it. A mere `a * b + c` becomes one where
// the compiler likes; code whose correctness hangs on the single rounding asks for it by name.
#if defined(__AVX512F__)
#define ONDOL_HAS_FMA 1
inline Vec<float> fused_multiply_add(Vec<float> a, Vec<float> b, Vec<float> c) { return _mm512_fmadd_ps(a, b, c); }
inline Vec<double> fused_multiply_add(Vec<double> a, Vec<double> b, Vec<double> c) { return _mm512_fmadd_pd(a, b, c); }
#elif defined(__AVX2__) && defined(__FMA__)
#define ONDOL_HAS_FMA 1
inline Vec<float> fused_multiply_add(Vec<float> a, Vec<float> b, Vec<float> c) { return _mm256_fmadd_ps(a, b, c); }
inline Vec<double> fused_multiply_add(Vec<double> a, Vec<double> b, Vec<double> c) { return _mm256_fmadd_pd(a, b, c); }
#elif defined(__aarch64__)
#define ONDOL_HAS_FMA 1
inline Vec<float> fused_multiply_add(Vec<float> a, Vec<float> b, Vec<float> c) { return vfmaq_f32(c, a, b); }
inline Vec<double> fused_multiply_add(Vec<double> a, Vec<double> b, Vec<double> c) { return vfmaq_f64(c, a, b); }
#else
#define ONDOL_HAS_FMA 0
#endif

/// 2^23 * 1.5 or 2^52 * 1.5: a number whose last mantissa bit counts ones, so that adding it rounds to an integer,
/// which then stands in the low bits.
template <class T>
inline constexpr T integer_magic = sizeof(T) == 4 ? T(0x1.8p23) : T(0x1.8p52);

/// x * 2^n for integral n, |n| <= 1100, rounded once.
template <class V>
inline V scale_by_power_of_two(V x, V n) {
#if defined(__AVX512F__)
  if constexpr (of_float<V>)
    return _mm512_maskz_scalef_ps(-1, x, n);
  else
    return _mm512_maskz_scalef_pd(-1, x, n);
#else
  // Two steps, since 2^n itself may lie beyond the range where the product does not.
  using T = Element<V>;
  constexpr int mantissa = of_float<V> ? 23 : 52;
  constexpr UnsignedOf<T> one = UnsignedOf<T>(of_float<V> ? 127 : 1023) << mantissa;
  V half_biased = n * T(0.5) + integer_magic<T>;
  V rest_biased = (n - (half_biased - integer_magic<T>)) + integer_magic<T>;
  return x * (V)(((Bits<V>)half_biased << mantissa) + one) * (V)(((Bits<V>)rest_biased << mantissa) + one);
#endif
}

struct WidePair {
  Vec<double> low, high;
};

/// The lower and the upper half of the lanes as double.
inline WidePair widen(Vec<float> x) {
#if defined(__AVX512F__)
  return {_mm512_maskz_cvtps_pd(-1, _mm512_maskz_extractf32x8_ps(-1, x, 0)),
          _mm512_maskz_cvtps_pd(-1, _mm512_maskz_extractf32x8_ps(-1, x, 1))};
#elif defined(__AVX2__)
  return {_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))};
#elif defined(__SSE4_1__)
  return {_mm_cvtps_pd(x), _mm_cvtps_pd(_mm_movehl_ps(x, x))};
#elif defined(__aarch64__)
  return {vcvt_f64_f32(vget_low_f32(x)), vcvt_high_f64_f32(x)};
#else
  WidePair wide;
  for (int i = 0; i < lanes<double>; ++i) wide.low[i] = x[i], wide.high[i] = x[i + lanes<double>];
  return wide;
#endif
}
inline Vec<float> narrow(WidePair wide) {
#if defined(__AVX512F__)
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_maskz_cvtpd_ps(-1, wide.low)),
                            _mm512_maskz_cvtpd_ps(-1, wide.high), 1);
#elif defined(__AVX2__)
  return _mm256_set_m128(_mm256_cvtpd_ps(wide.high), _mm256_cvtpd_ps(wide.low));
#elif defined(__SSE4_1__)
  return _mm_movelh_ps(_mm_cvtpd_ps(wide.low), _mm_cvtpd_ps(wide.high));
#elif defined(__aarch64__)
  return vcvt_high_f32_f64(vcvt_f32_f64(wide.low), wide.high);
#else
  Vec<float> x;
  for (int i = 0; i < lanes<double>; ++i) x[i] = wide.low[i], x[i + lanes<double>] = wide.high[i];
  return x;
#endif
}

/// Bytes, as integers as wide as T; GCC 12 converts a vector of bytes one by one.
template <class T>
inline Mask<Vec<T>> load_flags(const uint8_t* from) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return (Mask<Vec<T>>)_mm512_maskz_cvtepu8_epi32(-1, _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  else
    return (Mask<Vec<T>>)_mm512_maskz_cvtepu8_epi64(-1, _mm_loadu_si64(from));
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4)
    return (Mask<Vec<T>>)_mm256_cvtepu8_epi32(_mm_loadu_si64(from));
  else
    return (Mask<Vec<T>>)_mm256_cvtepu8_epi64(_mm_loadu_si32(from));
#else
  Mask<Vec<T>> flags;
  for (int i = 0; i < lanes<T>; ++i) flags[i] = from[i];
  return flags;
#endif
}

/// The first `count` < lanes<T> elements, and `rest` in the other lanes; nothing beyond them is read.
template <class T>
inline Vec<T> load_part(const T* from, int count, T rest) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm512_mask_loadu_epi32((__m512i)broadcast(rest), __mmask16((1u << count) - 1), from);
  else if constexpr (sizeof(T) == 8)
    return (Vec<T>)_mm512_mask_loadu_epi64((__m512i)broadcast(rest), __mmask8((1u << count) - 1), from);
#endif
  Vec<T> value = broadcast(rest);
  for (int i = 0; i < count; ++i) value[i] = from[i];
  return value;
}
template <class T>
inline void store_part(T* to, Vec<T> value, int count) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) return _mm512_mask_storeu_epi32(to, __mmask16((1u << count) - 1), (__m512i)value);
  if constexpr (sizeof(T) == 8) return _mm512_mask_storeu_epi64(to, __mmask8((1u << count) - 1), (__m512i)value);
#endif
  for (int i = 0; i < count; ++i) to[i] = value[i];
}

/// A whole vector if there are so many elements, else those and zeros.
template <class T>
inline Vec<T> load_up_to(const T* from, int64_t count) {
  return count >= lanes<T> ? load(from) : load_part(from, static_cast<int>(count), T(0));
}
template <class T>
inline void store_up_to(T* to, Vec<T> value, int64_t count) {
  if (count >= lanes<T>) return store(to, value);
  store_part(to, value, static_cast<int>(count));
}

}  // namespace ondol::kernel::ONDOL_LEVEL
