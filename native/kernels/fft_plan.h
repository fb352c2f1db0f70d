#pragma once

// What transforms of one length have in common: the factors of the length and the roots of unity. Made once and shared.

#include <cstdint>
#include <memory>
#include <vector>

namespace ondol::kernel {

/// One pass of Stockham's transform (Van Loan, Computational Frameworks for the FFT, 1992, section 1.7): `m`
/// butterflies of `radix` points for each of `stride` interleaved signals.
template <class T>
struct FftStage {
  int64_t radix;
  int64_t m;
  int64_t stride;
  /// Turning factor j = 1, 2, ... of butterfly p: real part at [2 (p (radix - 1) + j - 1)], imaginary one behind it.
  const T* factors;
  /// The same for reading many at once, where the stride is below a vector's width: that of place i = q + stride p at
  /// [(j - 1) stride m + i], all real parts before all imaginary ones. Null elsewhere.
  const T* spread;
  /// cos and sin of 2 pi k / radix, k < radix, in turn; for the radices that have no formula of their own.
  const T* roots;
};

/// How to transform n complex numbers; forward, that is with exp(-2 pi i j k / n). The other direction is the same with
/// real and imaginary parts exchanged on both sides.
template <class T>
struct FftPlan {
  int64_t n = 1;
  std::vector<FftStage<T>> stages;
  const FftStage<T>* stage = nullptr;  // the same as plain memory, for kernels
  int64_t stage_count = 0;

  /// Set for a length with a large prime factor (Bluestein 1970): X[k] = c[k] sum x[j] c[j] conj(c[k - j]) with c[k] =
  /// exp(-i pi k^2 / n), a convolution of a length that has small factors.
  std::shared_ptr<const FftPlan<T>> convolution;
  const T* chirp = nullptr;   // c, real and imaginary part in turn
  const T* filter = nullptr;  // the transform of conj(c), wrapped around, divided by the length of the convolution

  std::vector<std::vector<T>> memory;  // what the pointers point to
};

/// What takes a real signal of even length n from and to the complex transform of half the length.
template <class T>
struct FftRealPlan {
  std::shared_ptr<const FftPlan<T>> complex;  // of n / 2 points if n is even, else of n
  int64_t n = 1;
  const T* root_re = nullptr;  // exp(-2 pi i k / n), k <= n / 4
  const T* root_im = nullptr;

  std::vector<T> memory;
};

/// The plan of a length, from a cache that all threads share. Throws std::bad_alloc.
template <class T>
std::shared_ptr<const FftPlan<T>> fft_plan(int64_t n);
template <class T>
std::shared_ptr<const FftRealPlan<T>> fft_real_plan(int64_t n);

}  // namespace ondol::kernel
