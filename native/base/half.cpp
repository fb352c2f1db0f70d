#include "base/half.h"

#include "base/vectorize.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ondol {
namespace {

#if defined(__x86_64__)

ONDOL_WIDE void half_to_float(const Half* from, float* to, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
  for (; i < n; ++i) to[i] = to_float(from[i]);
}

ONDOL_WIDE void float_to_half(const float* from, Half* to, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
  for (; i < n; ++i) to[i] = to_half(from[i]);
}

ONDOL_VECTORIZE ONDOL_WIDE void bfloat16_to_float(const BFloat16* from, float* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = to_float(from[i]);
}

ONDOL_VECTORIZE ONDOL_WIDE void float_to_bfloat16(const float* from, BFloat16* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = to_bfloat16(from[i]);
}

#endif

}  // namespace

void convert(const Half* from, float* to, int64_t n) {
#if defined(__x86_64__)
  if (wide_vectors()) return half_to_float(from, to, n);
#endif
  for (int64_t i = 0; i < n; ++i) to[i] = to_float(from[i]);
}

void convert(const float* from, Half* to, int64_t n) {
#if defined(__x86_64__)
  if (wide_vectors()) return float_to_half(from, to, n);
#endif
  for (int64_t i = 0; i < n; ++i) to[i] = to_half(from[i]);
}

void convert(const BFloat16* from, float* to, int64_t n) {
#if defined(__x86_64__)
  if (wide_vectors()) return bfloat16_to_float(from, to, n);
#endif
  for (int64_t i = 0; i < n; ++i) to[i] = to_float(from[i]);
}

void convert(const float* from, BFloat16* to, int64_t n) {
#if defined(__x86_64__)
  if (wide_vectors()) return float_to_bfloat16(from, to, n);
#endif
  for (int64_t i = 0; i < n; ++i) to[i] = to_bfloat16(from[i]);
}

}  // namespace ondol
