#pragma once

// Products of row-major matrices in memory: those of float on our own kernels, where this processor has some, the
// others on OpenBLAS.

#include <algorithm>
#include <type_traits>

#include "base/blas.h"
#include "base/parallel.h"
#include "kernels/table.h"

namespace ondol {

/// A matrix whose rows, or the rows of whose transpose, lie `leading` elements apart.
template <class T>
struct Factor {
  const T* data;
  int64_t leading;
  bool transposed = false;
};

inline kernel::MatrixView view_of(const Factor<float>& x) {
  return {x.data, x.transposed ? 1 : x.leading, x.transposed ? x.leading : 1};
}

/// Whether products of these sizes run on our kernels. One with a vector is bound by memory, as OpenBLAS's is.
template <class T>
bool has_own_product(int64_t m, int64_t n) {
  return std::is_same_v<T, float> && m > 1 && n > 1 && kernel::table().product.multiply;
}

/// c [m, n] = a [m, k] b [k, n], plus `bias` for each column if there is one, plus c if `onto_c`.
template <class T>
void multiply(const Factor<T>& a, const Factor<T>& b, int64_t m, int64_t n, int64_t k, T* c, const T* bias = nullptr,
              bool onto_c = false) {
  if constexpr (std::is_same_v<T, float>)
    if (has_own_product<float>(m, n))
      return kernel::table().product.multiply({m, n, k, view_of(a), view_of(b), bias, onto_c, c, n});
  if (bias)
    for (int64_t i = 0; i < m; ++i) std::copy_n(bias, n, c + i * n);
  blas::gemm<T>(a.transposed, b.transposed, m, n, k, T(1), a.data, a.leading, b.data, b.leading,
                T(bias || onto_c ? 1 : 0), c, std::max<int64_t>(n, 1));
}

/// `batch` such products, whose factors lie stride_a and stride_b elements apart.
template <class T>
void multiply_batch(const Factor<T>& a, int64_t stride_a, const Factor<T>& b, int64_t stride_b, int64_t batch,
                    int64_t m, int64_t n, int64_t k, T* c) {
  if constexpr (std::is_same_v<T, float>)
    if (has_own_product<float>(m, n)) {
      const auto one = [&](int64_t i) {
        const Factor<float> left{a.data + i * stride_a, a.leading, a.transposed};
        const Factor<float> right{b.data + i * stride_b, b.leading, b.transposed};
        kernel::table().product.multiply({m, n, k, view_of(left), view_of(right), nullptr, false, c + i * m * n, n});
      };
      constexpr int64_t kWork = 1 << 18;  // multiplications for which another thread is worth waking
      if (batch >= 2 * num_threads())
        return parallel_for(batch, 1 + kWork / (m * n * k + 1), [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) one(i);
        });
      for (int64_t i = 0; i < batch; ++i) one(i);
      return;
    }
  blas::gemm_batch<T>(blas::form(a.transposed), blas::form(b.transposed), batch, m, n, k, T(1), a.data, a.leading,
                      stride_a, b.data, b.leading, stride_b, T(0), c, n, m * n);
}

}  // namespace ondol
