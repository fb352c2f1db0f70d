#pragma once

// Passes over one row: what happens to a vector is written once, for whole vectors and for the short one at the end.

#include "kernels/cpu/math.h"

namespace ondol::kernel::ONDOL_LEVEL {

template <class T>
struct WholePart {
  int64_t at;
  Vec<T> of(const T* x, T) const { return load(x + at); }
  Vec<T> exists(Vec<T> value) const { return value; }
  void put(T* y, Vec<T> value) const { store(y + at, value); }
};
template <class T>
struct ShortPart {
  int64_t at;
  int count;
  /// Lanes beyond the row hold `rest`.
  Vec<T> of(const T* x, T rest) const { return load_part(x + at, count, rest); }
  /// 0 in the lanes beyond the row.
  Vec<T> exists(Vec<T> value) const {
    Mask<Vec<T>> lane;
    for (int i = 0; i < lanes<T>; ++i) lane[i] = i;
    return select(lane < count, value, Vec<T>{});
  }
  void put(T* y, Vec<T> value) const { store_part(y + at, value, count); }
};

/// f(part) for each vector of a row.
template <class T, class F>
inline void map_row(int64_t n, F f) {
  int64_t i = 0;
  for (; i + lanes<T> <= n; i += lanes<T>) f(WholePart<T>{i});
  if (i < n) f(ShortPart<T>{i, int(n - i)});
}

// Folds of all lanes as a tree, the result in all lanes. The shuffles are spelled out by recursion: of a loop over
// lanes GCC makes a hundred instructions, more than the rest of a short row takes.

template <class T, int shift = lanes<T> / 2>
inline Vec<T> total(Vec<T> v) {
  if constexpr (shift == 0)
    return v;
  else
    return total<T, shift / 2>(v + rotate_lanes<shift>(v));
}
template <class T, int shift = lanes<T> / 2>
inline Vec<T> greatest(Vec<T> v) {
  if constexpr (shift == 0)
    return v;
  else
    return greatest<T, shift / 2>(maximum(v, rotate_lanes<shift>(v)));
}

/// The largest element of a row in all lanes, NaN if there is one.
template <class T>
inline Vec<T> row_maximum(const T* x, int64_t n) {
  using V = Vec<T>;
  V a = broadcast(-infinity<T>), b = a;
  int64_t i = 0;
  for (; i + 2 * lanes<T> <= n; i += 2 * lanes<T>) {
    a = maximum(a, load(x + i));
    b = maximum(b, load(x + i + lanes<T>));
  }
  for (; i + lanes<T> <= n; i += lanes<T>) a = maximum(a, load(x + i));
  if (i < n) b = maximum(b, load_part(x + i, int(n - i), -infinity<T>));
  return greatest<T>(maximum(a, b));
}

/// sum exp(x - m) in all lanes.
template <class T>
inline Vec<T> row_exp_sum(const T* x, int64_t n, Vec<T> m) {
  Vec<T> a{}, b{};
  int64_t i = 0;
  for (; i + 2 * lanes<T> <= n; i += 2 * lanes<T>) {
    a += exp(load(x + i) - m);
    b += exp(load(x + i + lanes<T>) - m);
  }
  for (; i + lanes<T> <= n; i += lanes<T>) a += exp(load(x + i) - m);
  if (i < n) {
    ShortPart<T> part{i, int(n - i)};
    b += part.exists(exp(part.of(x, T(0)) - m));
  }
  return total<T>(a + b);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
