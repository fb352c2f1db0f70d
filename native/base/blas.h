#pragma once

// Matrix products on OpenBLAS, which is loaded at run time and called from one thread at a time per product: the
// threads are those of base/parallel.h. All matrices are row-major. T is float, double, std::complex<float> or
// std::complex<double>.

#include <complex>
#include <cstdint>
#include <string>

namespace ondol::blas {

/// Loads OpenBLAS from the library of the PyPI package scipy-openblas32. Called once; later calls do nothing.
/// Throws std::runtime_error if it cannot be loaded. Products before that throw std::runtime_error as well.
void load(const std::string& library_path);
bool is_loaded();
/// OpenBLAS's own description: version and kernels in use.
std::string description();

/// How an operand enters the product. Conjugate forms differ from the plain ones for complex types alone.
enum class Form : uint8_t { Plain, Transposed, ConjugateTransposed, Conjugate };
constexpr Form form(bool transposed, bool conjugate = false) {
  return transposed ? (conjugate ? Form::ConjugateTransposed : Form::Transposed)
                    : (conjugate ? Form::Conjugate : Form::Plain);
}

/// c[m, n] = alpha * form_a(a)[m, k] * form_b(b)[k, n] + beta * c, on all threads. The leading dimensions are those of
/// the matrices as they lie in memory. With beta == 0, c is not read; with k == 0, c becomes beta * c.
template <class T>
void gemm(Form form_a, Form form_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda, const T* b,
          int64_t ldb, T beta, T* c, int64_t ldc);
template <class T>
inline void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda,
                 const T* b, int64_t ldb, T beta, T* c, int64_t ldc) {
  gemm<T>(form(transpose_a), form(transpose_b), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

/// The same on the calling thread alone, for use inside parallel bodies.
template <class T>
void gemm_single(Form form_a, Form form_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda,
                 const T* b, int64_t ldb, T beta, T* c, int64_t ldc);
template <class T>
inline void gemm_single(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, T alpha, const T* a,
                        int64_t lda, const T* b, int64_t ldb, T beta, T* c, int64_t ldc) {
  gemm_single<T>(form(transpose_a), form(transpose_b), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

/// `batch` products whose operands lie stride_a, stride_b and stride_c elements apart (stride_a or stride_b may be 0).
template <class T>
void gemm_batch(Form form_a, Form form_b, int64_t batch, int64_t m, int64_t n, int64_t k, T alpha, const T* a,
                int64_t lda, int64_t stride_a, const T* b, int64_t ldb, int64_t stride_b, T beta, T* c, int64_t ldc,
                int64_t stride_c);

/// y = alpha * form_a(a) * x + beta * y, where a is [m, n] in memory: y has m elements for Plain and Conjugate, else n.
/// With beta == 0, y is not read. Steps may be any but zero for y; x and y point at their first element.
template <class T>
void gemv(Form form_a, int64_t m, int64_t n, T alpha, const T* a, int64_t lda, const T* x, int64_t step_x, T beta, T* y,
          int64_t step_y);

/// The sum of x[i] * y[i], of conj(x[i]) * y[i] if conjugate.
template <class T>
T dot(int64_t n, const T* x, int64_t step_x, const T* y, int64_t step_y, bool conjugate = false);

}  // namespace ondol::blas
