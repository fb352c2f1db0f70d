#include "base/blas.h"

#include <algorithm>
#include <complex>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/blas_library.h"
#include "base/parallel.h"

namespace ondol::blas {
namespace {

// What follows was measured with float on two cores; the work is counted in multiplications.

/// Products below this many run on one thread: handing out work costs about as much as they do.
constexpr int64_t kParallelWork = 1 << 18;
/// The sizes of the pieces are multiples of these, so that OpenBLAS's micro-kernels run on full tiles.
constexpr int64_t kRowUnit = 16, kColumnUnit = 64;
/// OpenBLAS counts in 32 bits. Larger products are cut into pieces of this size.
constexpr int64_t kLargestSize = int64_t{1} << 30;

bool is_transposed(Form form) { return form == Form::Transposed || form == Form::ConjugateTransposed; }

template <class T>
inline constexpr bool is_complex_type = !std::is_floating_point_v<T>;
/// The multiplications of reals in one of T.
template <class T>
inline constexpr int64_t work_factor = is_complex_type<T> ? 4 : 1;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Where element (row, column) of form(a) begins in memory.
template <class T>
const T* at(Form form, const T* a, int64_t lda, int64_t row, int64_t column) {
  return is_transposed(form) ? a + column * lda + row : a + row * lda + column;
}

template <class T>
void scale(int64_t m, int64_t n, T beta, T* c, int64_t ldc) {
  if (beta == T(1)) return;
  for (int64_t i = 0; i < m; ++i, c += ldc) {
    if (beta == T(0))
      std::fill_n(c, n, T(0));  // c may hold NaN
    else
      for (int64_t j = 0; j < n; ++j) c[j] *= beta;
  }
}

/// One call of OpenBLAS; all sizes must be below 2^31.
template <class T>
void call_gemm(Form form_a, Form form_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda, const T* b,
               int64_t ldb, T beta, T* c, int64_t ldc) {
  functions<T>().gemm(kRowMajor, by_interface<T>(form_a), by_interface<T>(form_b), static_cast<int32_t>(m),
                      static_cast<int32_t>(n), static_cast<int32_t>(k), by_interface(alpha), a,
                      static_cast<int32_t>(lda), b, static_cast<int32_t>(ldb), by_interface(beta), c,
                      static_cast<int32_t>(ldc));
}

/// Leading dimensions as BLAS wants them: a matrix of one row or none may come with any.
int64_t valid_leading(Form form, int64_t rows, int64_t columns, int64_t leading) {
  if (is_transposed(form)) std::swap(rows, columns);
  return rows <= 1 ? std::max<int64_t>(columns, 1) : leading;
}

/// Into how many pieces a product is cut: by its work alone. OpenBLAS adds in another order at the edges of a piece, so
/// that the result would depend on the number of threads if the pieces did; and each piece packs its operands anew, so
/// that many are dear.
int64_t pieces_of(int64_t work) {
  if (work < kParallelWork) return 1;
  if (work < int64_t{1} << 24) return 2;
  if (work < int64_t{1} << 29) return 4;
  return work < int64_t{1} << 33 ? 8 : 16;
}

/// The grid of at most so many pieces into which m x n is cut: the one that reads the least of a and b.
struct Grid {
  int64_t rows, columns;
};
Grid choose_grid(int64_t m, int64_t n, int64_t pieces) {
  const int64_t most_rows = ceil_div(m, kRowUnit), most_columns = ceil_div(n, kColumnUnit);
  Grid best{1, 1};
  for (int64_t rows = 1; rows <= std::min(pieces, most_rows); ++rows) {
    const int64_t columns = std::min(pieces / rows, most_columns);
    const auto reads = [&](Grid g) { return static_cast<double>(m) / g.rows + static_cast<double>(n) / g.columns; };
    const Grid grid{rows, columns};
    if (rows * columns > best.rows * best.columns ||
        (rows * columns == best.rows * best.columns && reads(grid) < reads(best)))
      best = grid;
  }
  return best;
}

struct Range {
  int64_t begin, size;
};
/// Piece `index` of `pieces` of [0, n), cut at multiples of `unit`.
Range piece_of(int64_t n, int64_t unit, int64_t index, int64_t pieces) {
  const int64_t units = ceil_div(n, unit);
  const int64_t begin = std::min(n, units * index / pieces * unit),
                end = std::min(n, units * (index + 1) / pieces * unit);
  return {begin, end - begin};
}

/// m * n * k, or the largest number where that overflows.
template <class T>
int64_t work_of(int64_t m, int64_t n, int64_t k) {
  int64_t work;
  if (__builtin_mul_overflow(m, n, &work) || __builtin_mul_overflow(work, k, &work) ||
      __builtin_mul_overflow(work, work_factor<T>, &work))
    return std::numeric_limits<int64_t>::max();
  return work;
}

#if defined(__x86_64__)

/// Small products with a transposed b, which is what a linear layer asks for, are up to twice as slow in OpenBLAS as
/// plain ones. Copying b costs less than the difference if b is small and c has many rows for it.
constexpr int64_t kLargestCopy = 4096, kCopyPerRow = 128;

bool worth_copying(int64_t m, int64_t n, int64_t k) {
  return n <= kLargestCopy && k <= kLargestCopy && m >= 16 &&
         n * k <= std::min(kLargestCopy, kCopyPerRow * std::min(m, kLargestCopy));
}

/// copy[k, n] = transposed b[n, k].
void transpose(int64_t n, int64_t k, const float* b, int64_t ldb, float* copy) {
  const int64_t full_n = n / 4 * 4, full_k = k / 4 * 4;
  for (int64_t j = 0; j < full_n; j += 4) {
    const float* from = b + j * ldb;
    for (int64_t l = 0; l < full_k; l += 4) {
      __m128 rows[4];
      for (int i = 0; i < 4; ++i) rows[i] = _mm_loadu_ps(from + i * ldb + l);
      _MM_TRANSPOSE4_PS(rows[0], rows[1], rows[2], rows[3]);
      for (int i = 0; i < 4; ++i) _mm_storeu_ps(copy + (l + i) * n + j, rows[i]);
    }
  }
  for (int64_t j = 0; j < n; ++j)
    for (int64_t l = j < full_n ? full_k : 0; l < k; ++l) copy[l * n + j] = b[j * ldb + l];
}

#endif

}  // namespace

template <class T>
void gemm_single(Form form_a, Form form_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda,
                 const T* b, int64_t ldb, T beta, T* c, int64_t ldc) {
  if (m <= 0 || n <= 0) return;
  if (k <= 0 || alpha == T(0)) return scale(m, n, beta, c, ldc);
  lda = valid_leading(form_a, m, k, lda);
  ldb = valid_leading(form_b, k, n, ldb);
  if (m == 1) ldc = n;
  if (std::max({lda, ldb, ldc}) > std::numeric_limits<int32_t>::max())
    throw std::runtime_error("matrix product: rows of more than 2^31 - 1 elements are not supported");
#if defined(__x86_64__)
  if constexpr (std::is_same_v<T, float>) {
    if (is_transposed(form_b) && worth_copying(m, n, k)) {
      float copy[kLargestCopy];
      transpose(n, k, b, ldb, copy);
      return call_gemm(form_a, Form::Plain, m, n, k, alpha, a, lda, copy, n, beta, c, ldc);
    }
  }
#endif
  if (std::max({m, n, k}) <= kLargestSize)
    return call_gemm(form_a, form_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  for (int64_t i = 0; i < m; i += kLargestSize)
    for (int64_t j = 0; j < n; j += kLargestSize)
      for (int64_t l = 0; l < k; l += kLargestSize)
        call_gemm(form_a, form_b, std::min(kLargestSize, m - i), std::min(kLargestSize, n - j),
                  std::min(kLargestSize, k - l), alpha, at(form_a, a, lda, i, l), lda, at(form_b, b, ldb, l, j), ldb,
                  l == 0 ? beta : T(1), c + i * ldc + j, ldc);
}

/// Products in which both results or one are vectors: the matrix is read once, and nothing is packed.
template <class T>
bool multiply_vector(Form form_a, Form form_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda,
                     const T* b, int64_t ldb, T beta, T* c, int64_t ldc) {
  const int64_t step_a = is_transposed(form_a) ? lda : 1, step_b = is_transposed(form_b) ? 1 : ldb;
  if constexpr (!is_complex_type<T>) {
    if (m == 1 && n == 1) {
      *c = alpha * dot(k, a, step_a, b, step_b, false) + (beta == T(0) ? T(0) : beta * *c);
      return true;
    }
    constexpr int64_t kShort = 16;  // shorter rows are not worth it
    if (std::min(m + n, k) < kShort) return false;
    if (n == 1) {
      const bool turned = is_transposed(form_a);
      gemv(form_a, turned ? k : m, turned ? m : k, alpha, a, lda, b, step_b, beta, c, ldc);
      return true;
    }
    if (m == 1) {  // the transposed product: c^T = b^T a^T
      const bool turned = is_transposed(form_b);
      gemv(turned ? Form::Plain : Form::Transposed, turned ? n : k, turned ? k : n, alpha, b, ldb, a, step_a, beta, c,
           int64_t{1});
      return true;
    }
  }
  return false;
}

template <class T>
void gemm(Form form_a, Form form_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda, const T* b,
          int64_t ldb, T beta, T* c, int64_t ldc) {
  if (m <= 0 || n <= 0) return;
  if (k <= 0 || alpha == T(0)) return scale(m, n, beta, c, ldc);
  lda = valid_leading(form_a, m, k, lda);
  ldb = valid_leading(form_b, k, n, ldb);
  if (m == 1) ldc = n;
  if (multiply_vector(form_a, form_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)) return;
  const Grid grid = choose_grid(m, n, pieces_of(work_of<T>(m, n, k)));
  parallel_for(grid.rows * grid.columns, 1, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const Range rows = piece_of(m, kRowUnit, piece / grid.columns, grid.rows);
      const Range columns = piece_of(n, kColumnUnit, piece % grid.columns, grid.columns);
      gemm_single(form_a, form_b, rows.size, columns.size, k, alpha, at(form_a, a, lda, rows.begin, 0), lda,
                  at(form_b, b, ldb, 0, columns.begin), ldb, beta, c + rows.begin * ldc + columns.begin, ldc);
    }
  });
}

template <class T>
void gemm_batch(Form form_a, Form form_b, int64_t batch, int64_t m, int64_t n, int64_t k, T alpha, const T* a,
                int64_t lda, int64_t stride_a, const T* b, int64_t ldb, int64_t stride_b, T beta, T* c, int64_t ldc,
                int64_t stride_c) {
  if (batch <= 0 || m <= 0 || n <= 0) return;
  // One b for all, and the matrices a lie one below the other: that is one tall product.
  if (batch > 1 && stride_b == 0 && !is_transposed(form_a) && stride_a == m * lda && stride_c == m * ldc)
    return gemm(form_a, form_b, batch * m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  const int64_t work = std::max<int64_t>(work_of<T>(m, n, std::max<int64_t>(k, 1)), 1);
  constexpr int64_t kFewMatrices = 4;  // and these are cut one by one
  if (batch < kFewMatrices && work >= kParallelWork) {
    for (int64_t i = 0; i < batch; ++i)
      gemm(form_a, form_b, m, n, k, alpha, a + i * stride_a, lda, b + i * stride_b, ldb, beta, c + i * stride_c, ldc);
    return;
  }
  parallel_for(batch, std::max<int64_t>(1, kParallelWork / 2 / work), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      gemm_single(form_a, form_b, m, n, k, alpha, a + i * stride_a, lda, b + i * stride_b, ldb, beta, c + i * stride_c,
                  ldc);
  });
}

#define ONDOL_PRODUCTS(T)                                                                                             \
  template void gemm_single(Form, Form, int64_t, int64_t, int64_t, T, const T*, int64_t, const T*, int64_t, T, T*,    \
                            int64_t);                                                                                 \
  template void gemm(Form, Form, int64_t, int64_t, int64_t, T, const T*, int64_t, const T*, int64_t, T, T*, int64_t); \
  template void gemm_batch(Form, Form, int64_t, int64_t, int64_t, int64_t, T, const T*, int64_t, int64_t, const T*,   \
                           int64_t, int64_t, T, T*, int64_t, int64_t);
ONDOL_PRODUCTS(float)
ONDOL_PRODUCTS(double)
ONDOL_PRODUCTS(std::complex<float>)
ONDOL_PRODUCTS(std::complex<double>)

}  // namespace ondol::blas
