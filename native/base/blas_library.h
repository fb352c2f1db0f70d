#pragma once

// OpenBLAS's functions, found at run time. For base/blas*.cpp alone.

#include <complex>
#include <cstdint>
#include <type_traits>

namespace ondol::blas {

// The constants of the C interface to BLAS.
enum Order : int { kRowMajor = 101 };
enum Transpose : int { kPlain = 111, kTransposed = 112, kConjugateTransposed = 113, kConjugate = 114 };

template <class T>
struct Scalar {  // real numbers are passed by value
  using type = T;
};
template <class T>
struct Scalar<std::complex<T>> {  // complex ones by address
  using type = const void*;
};

template <class T>
struct Functions {
  using S = typename Scalar<T>::type;
  void (*gemm)(int order, int transpose_a, int transpose_b, int32_t m, int32_t n, int32_t k, S alpha, const T* a,
               int32_t lda, const T* b, int32_t ldb, S beta, T* c, int32_t ldc);
  void (*gemv)(int order, int transpose_a, int32_t m, int32_t n, S alpha, const T* a, int32_t lda, const T* x,
               int32_t step_x, S beta, T* y, int32_t step_y);
};

/// Throws std::runtime_error if the library has not been loaded.
template <class T>
const Functions<T>& functions();

template <class T>
auto by_interface(const T& value) {
  if constexpr (std::is_same_v<typename Scalar<T>::type, T>)
    return value;
  else
    return static_cast<const void*>(&value);
}

}  // namespace ondol::blas
