#pragma once

// The base is compiled for the oldest supported processor and with -O2. A loop of arithmetic that is worth more goes
// into a function with both of these attributes, beside a plain one for older processors; wide_vectors() chooses
// between them.

#include "base/processor.h"

#if defined(__clang__)
#define ONDOL_VECTORIZE  // clang vectorises at -O2 as well
#else
#define ONDOL_VECTORIZE [[gnu::optimize("O3", "no-math-errno", "no-trapping-math")]]
#endif

#if defined(__x86_64__)
#define ONDOL_WIDE [[gnu::target("avx2,fma,f16c")]]
#else
#define ONDOL_WIDE
#endif

namespace ondol {

/// Whether functions marked ONDOL_WIDE may be called.
inline bool wide_vectors() {
#if defined(__x86_64__)
  static const bool answer = kernel_level()[1] >= '3';
  return answer;
#else
  return false;
#endif
}

}  // namespace ondol
