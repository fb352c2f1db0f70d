#pragma once

// OpenBLAS's functions, found at run time. For base/blas*.cpp and base/lapack.cpp alone.

#include <complex>
#include <cstdint>
#include <string>
#include <type_traits>

#include "base/blas.h"

namespace ondol::blas {

// The constants of the C interface to BLAS.
enum Order : int { kRowMajor = 101 };
enum Transpose : int { kPlain = 111, kTransposed = 112, kConjugateTransposed = 113, kConjugate = 114 };

/// How numbers and sums cross the interface: real ones by value, complex ones by address.
template <class T>
struct Interface {
  using Scalar = T;
  using Dot = T (*)(int32_t n, const T* x, int32_t step_x, const T* y, int32_t step_y);
};
template <class T>
struct Interface<std::complex<T>> {
  using Scalar = const void*;
  using Dot = void (*)(int32_t n, const std::complex<T>* x, int32_t step_x, const std::complex<T>* y, int32_t step_y,
                       std::complex<T>* sum);
};

template <class T>
struct Functions {
  using S = typename Interface<T>::Scalar;
  void (*gemm)(int order, int transpose_a, int transpose_b, int32_t m, int32_t n, int32_t k, S alpha, const T* a,
               int32_t lda, const T* b, int32_t ldb, S beta, T* c, int32_t ldc);
  void (*gemv)(int order, int transpose_a, int32_t m, int32_t n, S alpha, const T* a, int32_t lda, const T* x,
               int32_t step_x, S beta, T* y, int32_t step_y);
  typename Interface<T>::Dot dot, dot_conjugate;  // the same for real types
};

/// Throws std::runtime_error if the library has not been loaded.
template <class T>
const Functions<T>& functions();

/// The address of any function of the library; throws std::runtime_error if there is none of that name.
void* symbol(const std::string& name);

template <class T>
constexpr int by_interface(Form form) {
  if (std::is_floating_point_v<T>)
    return form == Form::Transposed || form == Form::ConjugateTransposed ? kTransposed : kPlain;
  constexpr int constants[] = {kPlain, kTransposed, kConjugateTransposed, kConjugate};
  return constants[static_cast<int>(form)];
}
template <class T>
auto by_interface(const T& value) {
  if constexpr (std::is_floating_point_v<T>)
    return value;
  else
    return static_cast<const void*>(&value);
}

}  // namespace ondol::blas
