#pragma once

#include "kernels/cpu/math_instructions.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// Some consecutive lanes of a vector: load() reads only those and gives 0 for the others.
template <class T>
class LaneRange {
 public:
  LaneRange() = default;
  /// Lanes [first, last), both of which may lie outside the vector.
  LaneRange(int64_t first, int64_t last) {
    constexpr int64_t L = lanes<T>;
    first = first < 0 ? 0 : first > L ? L : first;
    last = last < first ? first : last > L ? L : last;
#if defined(__AVX512F__)
    mask_ = static_cast<Bits>(((uint32_t{1} << last) - 1) & ~((uint32_t{1} << first) - 1));
#elif defined(__AVX2__)
    for (int64_t i = 0; i < L; i++) mask_[i] = i >= first && i < last ? -1 : 0;
#else
    first_ = first, last_ = last;
#endif
  }

  Vec<T> load(const T* from) const {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
      return (Vec<T>)_mm512_maskz_loadu_epi32(mask_, from);
    else
      return (Vec<T>)_mm512_maskz_loadu_epi64(mask_, from);
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4)
      return (Vec<T>)_mm256_maskload_ps(from, (__m256i)mask_);
    else
      return (Vec<T>)_mm256_maskload_pd(from, (__m256i)mask_);
#else
    Vec<T> value = {};
    for (int64_t i = first_; i < last_; i++) value[i] = from[i];
    return value;
#endif
  }

 private:
#if defined(__AVX512F__)
  using Bits = std::conditional_t<sizeof(T) == 4, __mmask16, __mmask8>;
  Bits mask_;
#elif defined(__AVX2__)
  Mask<Vec<T> > mask_;
#else
  int64_t first_, last_;
#endif
};

}  // namespace ondol::kernel::ONDOL_LEVEL
