#include "kernels/cpu/conversion.h"

#include "base/half.h"
#include "kernels/cpu/level.h"

#if defined(__F16C__)
#include <immintrin.h>
#endif

// Conversion of n elements between any two dtypes. As in PyTorch, a complex number loses its imaginary part on the way
// to a real one, and a floating one becomes an unsigned byte by way of a 64-bit integer, so that -1.0 is 255.

namespace ondol::kernel::ONDOL_LEVEL {
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
inline uint8_t number(Boolean value) { return value.value != 0; }
template <class T>
inline T number(ComplexOf<T> value) {
  return value.real;
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
    if constexpr (is_real_floating<decltype(plain)> && sizeof(To) < 4)
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
    return {static_cast<uint8_t>(value.real != 0 || value.imaginary != 0)};
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
template <class R>
struct Make<ComplexOf<R>> {
  template <class From>
  static ComplexOf<R> from(From value) {
    return {static_cast<R>(number(value)), R(0)};
  }
  template <class T>
  static ComplexOf<R> from(ComplexOf<T> value) {
    return {static_cast<R>(value.real), static_cast<R>(value.imaginary)};
  }
};

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
    const To value = Make<To>::from(*reinterpret_cast<const From*>(from));
    for (int64_t i = 0; i < n; ++i) reinterpret_cast<To*>(to)[i] = value;
    return;
  }
  for (int64_t i = 0; i < n; ++i)
    *reinterpret_cast<To*>(to + i * to_stride) = Make<To>::from(*reinterpret_cast<const From*>(from + i * from_stride));
}

constexpr int64_t tile = 16;  // elements: a tile of both sides stays in the first-level cache

/// Columns become rows, in tiles, so that each line of the cache that is fetched is used up.
template <class T>
void transpose(const char* from, int64_t from_stride, char* to, int64_t to_stride, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; r += tile) {
    const int64_t last_row = r + tile < rows ? r + tile : rows;
    for (int64_t c = 0; c < columns; c += tile) {
      const int64_t last_column = c + tile < columns ? c + tile : columns;
      for (int64_t i = r; i < last_row; ++i) {
        const char* source = from + i * sizeof(T);
        T* target = reinterpret_cast<T*>(to + i * to_stride);
        for (int64_t j = c; j < last_column; ++j) target[j] = *reinterpret_cast<const T*>(source + j * from_stride);
      }
    }
  }
}

template <class... Types>
struct TypeList {};
using AllTypes = TypeList<Boolean, uint8_t, int8_t, int16_t, int32_t, int64_t, Half, BFloat16, float, double,
                          ComplexOf<float>, ComplexOf<double>>;

template <class From, class... To>
void fill_row(ConversionKernels::Convert* row, TypeList<To...>) {
  ((*row++ = convert<From, To>), ...);
}
template <class... From>
void fill_rows(ConversionKernels& kernels, TypeList<From...>) {
  int row = 0;
  (fill_row<From>(kernels.convert[row++], AllTypes{}), ...);
}

}  // namespace

void fill(ConversionKernels& kernels) {
  fill_rows(kernels, AllTypes{});
  kernels.transpose1 = transpose<uint8_t>;
  kernels.transpose2 = transpose<uint16_t>;
  kernels.transpose4 = transpose<uint32_t>;
  kernels.transpose8 = transpose<uint64_t>;
  kernels.transpose16 = transpose<ComplexOf<double>>;
}

}  // namespace ondol::kernel::ONDOL_LEVEL
