// Products with vectors: bound by memory, so they are cut along the rows or columns that each thread reads.

#include <algorithm>
#include <complex>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "base/blas.h"
#include "base/blas_library.h"
#include "base/parallel.h"

namespace ondol::blas {
namespace {

/// Elements of the matrix below which a second thread is not worth its wake-up.
constexpr int64_t kParallelElements = 1 << 16;
/// The parts of a dot product, whose sums are added in pairs: independent of the threads, and rounding grows slowly.
constexpr int64_t kDotPart = 1 << 15;

/// BLAS counts the elements of a vector with a negative step from its other end.
template <class T>
T* first_for_blas(T* vector, int64_t n, int64_t step) {
  return step < 0 ? vector + (n - 1) * step : vector;
}

void check_32_bits(int64_t size) {
  if (size > std::numeric_limits<int32_t>::max() || size < -std::numeric_limits<int32_t>::max())
    throw std::runtime_error("matrix-vector product: sizes and steps beyond 2^31 - 1 are not supported");
}

template <class T>
T dot_of_part(int64_t n, const T* x, int64_t step_x, const T* y, int64_t step_y, bool conjugate) {
  const Functions<T>& f = functions<T>();
  x = first_for_blas(x, n, step_x);
  y = first_for_blas(y, n, step_y);
  const auto count = static_cast<int32_t>(n), incx = static_cast<int32_t>(step_x), incy = static_cast<int32_t>(step_y);
  if constexpr (std::is_floating_point_v<T>) {
    (void)conjugate;
    return f.dot(count, x, incx, y, incy);
  } else {
    T sum;
    (conjugate ? f.dot_conjugate : f.dot)(count, x, incx, y, incy, &sum);
    return sum;
  }
}

}  // namespace

template <class T>
void gemv(Form form_a, int64_t m, int64_t n, T alpha, const T* a, int64_t lda, const T* x, int64_t step_x, T beta, T* y,
          int64_t step_y) {
  const bool transposed = form_a == Form::Transposed || form_a == Form::ConjugateTransposed;
  const int64_t length = transposed ? n : m, inner = transposed ? m : n;
  // OpenBLAS multiplies y by beta even if that is zero and y holds NaN.
  for (int64_t i = 0; i < length && beta != T(1); ++i) y[i * step_y] = beta == T(0) ? T(0) : beta * y[i * step_y];
  if (length <= 0 || inner <= 0 || alpha == T(0)) return;
  if (m <= 1) lda = std::max<int64_t>(n, 1);
  std::vector<T> repeated;
  if (step_x == 0) {
    repeated.assign(inner, *x);
    x = repeated.data();
    step_x = 1;
  }
  for (int64_t size : {m, n, lda, step_x, step_y}) check_32_bits(size);

  // In pieces that depend on the sizes alone: OpenBLAS adds in another order at the edges of a piece.
  constexpr int64_t kUnit = 64;
  const int64_t piece = (kParallelElements / inner / kUnit + 1) * kUnit, pieces = (length + piece - 1) / piece;
  parallel_for(pieces, 1, [&](int64_t first, int64_t last) {
    for (int64_t begin = first * piece; begin < std::min(last * piece, length); begin += piece) {
      const int64_t count = std::min(piece, length - begin);
      const T* part = transposed ? a + begin : a + begin * lda;
      functions<T>().gemv(kRowMajor, by_interface<T>(form_a), static_cast<int32_t>(transposed ? m : count),
                          static_cast<int32_t>(transposed ? count : n), by_interface(alpha), part,
                          static_cast<int32_t>(lda), first_for_blas(x, inner, step_x), static_cast<int32_t>(step_x),
                          by_interface(T(1)), first_for_blas(y + begin * step_y, count, step_y),
                          static_cast<int32_t>(step_y));
    }
  });
}

template <class T>
T dot(int64_t n, const T* x, int64_t step_x, const T* y, int64_t step_y, bool conjugate) {
  if (n <= 0) return T(0);
  check_32_bits(step_x);
  check_32_bits(step_y);
  if (n <= kDotPart) return dot_of_part(n, x, step_x, y, step_y, conjugate);
  const int64_t parts = (n + kDotPart - 1) / kDotPart;
  std::vector<T> sums(parts);
  parallel_for(parts, 2, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t start = i * kDotPart;
      sums[i] =
          dot_of_part(std::min(kDotPart, n - start), x + start * step_x, step_x, y + start * step_y, step_y, conjugate);
    }
  });
  for (int64_t step = 1; step < parts; step *= 2)
    for (int64_t i = 0; i + step < parts; i += 2 * step) sums[i] += sums[i + step];
  return sums[0];
}

#define ONDOL_PRODUCTS(T)                                                                              \
  template void gemv(Form, int64_t, int64_t, T, const T*, int64_t, const T*, int64_t, T, T*, int64_t); \
  template T dot(int64_t, const T*, int64_t, const T*, int64_t, bool);
ONDOL_PRODUCTS(float)
ONDOL_PRODUCTS(double)
ONDOL_PRODUCTS(std::complex<float>)
ONDOL_PRODUCTS(std::complex<double>)

}  // namespace ondol::blas
