#pragma once

// LAPACK's factorisations, from the library that base/blas.h loads. All matrices are column-major; every call runs on
// the calling thread alone and may run beside others. T is float, double, std::complex<float> or std::complex<double>.
// Results of type int are LAPACK's `info`: 0, or the number of what went wrong.

#include <complex>
#include <cstdint>
#include <vector>

namespace ondol::lapack {

template <class T>
struct RealOf {
  using type = T;
};
template <class T>
struct RealOf<std::complex<T>> {
  using type = T;
};
template <class T>
using Real = typename RealOf<T>::type;

/// Cholesky factor in the triangle `uplo` ('L' or 'U'), which alone is read and written.
template <class T>
int potrf(char uplo, int32_t n, T* a, int32_t lda);

/// LU with partial pivoting; pivots count from 1.
template <class T>
int getrf(int32_t m, int32_t n, T* a, int32_t lda, int32_t* pivots);
/// Solves op(A) X = B in place of B, given the result of getrf; op is 'N', 'T' or 'C'.
template <class T>
void getrs(char op, int32_t n, int32_t columns, const T* lu, int32_t lda, const int32_t* pivots, T* b, int32_t ldb);

/// Solves op(A) X = B (`side` 'L') or X op(A) = B ('R') for triangular A in place of B [m, n].
template <class T>
void trsm(char side, char uplo, char op, bool unit, int32_t m, int32_t n, const T* a, int32_t lda, T* b, int32_t ldb);

/// The memory that a routine works in. It is asked for once and serves many matrices of one shape.
template <class T>
struct Workspace {
  std::vector<T> numbers;
  std::vector<Real<T>> reals;
  std::vector<int32_t> integers;
};

/// A = Q R of [m, n] matrices by Householder reflectors.
template <class T>
class Reflectors {
 public:
  /// `columns` of Q, at least min(m, n), will be asked for.
  Reflectors(int32_t m, int32_t n, int32_t columns);
  /// R in and above the diagonal of A, the reflectors below it, their scales in tau [min(m, n)].
  void factor(T* a, T* tau);
  /// The first columns of Q in place of the reflectors: q is [m, columns].
  void expand(T* q, const T* tau);

 private:
  int32_t m_, n_, columns_;
  Workspace<T> workspace_;
};

/// Eigenvalues, rising, and eigenvectors of Hermitian [n, n] matrices.
template <class T>
class HermitianEigen {
 public:
  HermitianEigen(bool vectors, char uplo, int32_t n);
  /// The eigenvectors take the place of A.
  int run(T* a, Real<T>* values);

 private:
  char job_, uplo_;
  int32_t n_;
  Workspace<T> workspace_;
};

/// Eigenvalues and right eigenvectors of any [n, n] matrices, complex and in no order.
template <class T>
class GeneralEigen {
 public:
  explicit GeneralEigen(int32_t n);
  /// Overwrites A. vectors is [n, n]; its columns have length 1.
  int run(T* a, std::complex<Real<T>>* values, std::complex<Real<T>>* vectors);

 private:
  int32_t n_;
  Workspace<T> workspace_;
};

/// Which singular vectors are computed: none, min(m, n) of each side, or all of them.
enum class Vectors : char { None = 'N', Reduced = 'S', All = 'A' };

/// Singular values, falling, and vectors of [m, n] matrices.
template <class T>
class SingularValues {
 public:
  SingularValues(Vectors vectors, int32_t m, int32_t n);
  /// Overwrites A. u is [m, min(m, n) or m], vh [min(m, n) or n, n]; both are ignored for None.
  int run(T* a, Real<T>* s, T* u, T* vh);

 private:
  char job_;
  int32_t m_, n_, rows_vh_;
  Workspace<T> workspace_;
};

}  // namespace ondol::lapack
