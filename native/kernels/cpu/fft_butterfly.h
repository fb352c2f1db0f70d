#pragma once

// Transforms of a few points, of which the passes of a long one consist. In place, in natural order, forward.

#include "kernels/cpu/fft_vector.h"

namespace ondol::kernel::ONDOL_LEVEL {

template <class V>
[[gnu::always_inline]] inline void transform_2(Pair<V>& a, Pair<V>& b) {
  Pair<V> sum = a + b;
  b = a - b;
  a = sum;
}

template <class V>
[[gnu::always_inline]] inline void transform_4(Pair<V>& a, Pair<V>& b, Pair<V>& c, Pair<V>& d) {
  Pair<V> even = a + c, even_difference = a - c, odd = b + d, turned = times_minus_i(b - d);
  a = even + odd;
  b = even_difference + turned;
  c = even - odd;
  d = even_difference - turned;
}

/// The type of the numbers in V, which may be one itself.
template <class V>
constexpr auto number_in() {
  if constexpr (Number<V>)
    return V();
  else
    return Element<V>();
}
template <class V>
using NumberIn = decltype(number_in<V>());

template <class V>
[[gnu::always_inline]] inline void transform_8(Pair<V> (&x)[8]) {
  constexpr auto half_root = NumberIn<V>(0.70710678118654752440);
  transform_4(x[0], x[2], x[4], x[6]);
  transform_4(x[1], x[3], x[5], x[7]);
  // The odd ones turn by 0, 1, 2, 3 eighths.
  Pair<V> first = {(x[3].re + x[3].im) * half_root, (x[3].im - x[3].re) * half_root};
  Pair<V> second = times_minus_i(x[5]);
  Pair<V> third = {(x[7].im - x[7].re) * half_root, (x[7].re + x[7].im) * -half_root};
  Pair<V> e0 = x[0], e1 = x[2], e2 = x[4], e3 = x[6], o0 = x[1];
  x[0] = e0 + o0;
  x[1] = e1 + first;
  x[2] = e2 + second;
  x[3] = e3 + third;
  x[4] = e0 - o0;
  x[5] = e1 - first;
  x[6] = e2 - second;
  x[7] = e3 - third;
}

/// The transform of `radix` points, with the constants that it needs.
template <int radix, class V>
class Butterfly {
 public:
  static_assert(radix % 2 == 1);
  explicit Butterfly(const NumberIn<V>* roots) {
    for (int k = 0; k < radix; ++k) {
      cosine_[k] = V{} + roots[2 * k];
      sine_[k] = V{} + roots[2 * k + 1];
    }
  }
  /// Sums and differences of the points j and radix - j leave half the products: X[k] and X[-k] are
  /// x[0] + sum (x[j] + x[-j]) cos(2 pi j k / radix) -+ i sum (x[j] - x[-j]) sin(2 pi j k / radix).
  [[gnu::always_inline]] void operator()(Pair<V> (&x)[radix]) const {
    constexpr int half = radix / 2;
    Pair<V> sums[half + 1], differences[half + 1], total = x[0];
#pragma GCC unroll 8
    for (int j = 1; j <= half; ++j) {
      sums[j] = x[j] + x[radix - j];
      differences[j] = x[j] - x[radix - j];
      total = total + sums[j];
    }
#pragma GCC unroll 8
    for (int k = 1; k <= half; ++k) {
      Pair<V> even = x[0], odd = {};
#pragma GCC unroll 8
      for (int j = 1; j <= half; ++j) {
        const int at = j * k % radix;
        even.re = even.re + sums[j].re * cosine_[at];
        even.im = even.im + sums[j].im * cosine_[at];
        odd.re = odd.re + differences[j].re * sine_[at];
        odd.im = odd.im + differences[j].im * sine_[at];
      }
      x[k] = even + times_minus_i(odd);
      x[radix - k] = even - times_minus_i(odd);
    }
    x[0] = total;
  }

 private:
  V cosine_[radix], sine_[radix];
};
template <class V>
class Butterfly<2, V> {
 public:
  explicit Butterfly(const NumberIn<V>*) {}
  [[gnu::always_inline]] void operator()(Pair<V> (&x)[2]) const { transform_2(x[0], x[1]); }
};
template <class V>
class Butterfly<4, V> {
 public:
  explicit Butterfly(const NumberIn<V>*) {}
  [[gnu::always_inline]] void operator()(Pair<V> (&x)[4]) const { transform_4(x[0], x[1], x[2], x[3]); }
};
template <class V>
class Butterfly<8, V> {
 public:
  explicit Butterfly(const NumberIn<V>*) {}
  [[gnu::always_inline]] void operator()(Pair<V> (&x)[8]) const { transform_8(x); }
};

}  // namespace ondol::kernel::ONDOL_LEVEL
