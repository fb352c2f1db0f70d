#pragma once

#include "kernels/cpu/math_instructions.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// A whole vector, and the last piece of a row, to one and the same piece of code.
struct AllLanes {
  template <class T>
  static Vec<T> read(const T* from, T) {
    return load(from);
  }
  template <class T>
  static void write(T* to, Vec<T> value) {
    store(to, value);
  }
};
struct SomeLanes {
  int count;
  template <class T>
  Vec<T> read(const T* from, T rest) const {
    return load_part(from, count, rest);
  }
  template <class T>
  void write(T* to, Vec<T> value) const {
    store_part(to, value, count);
  }
};

template <class T, class F>
inline void for_each_vector(int64_t n, F&& f) {
  int64_t i = 0;
  for (; i + lanes<T> <= n; i += lanes<T>) f(i, AllLanes{});
  if (i < n) f(i, SomeLanes{static_cast<int>(n - i)});
}

/// op over all lanes, by halves.
template <class T, int half = lanes<T> / 2, class F>
inline T fold_lanes(Vec<T> values, F op) {
  if constexpr (half == 0) {
    return values[0];
  } else {
    const Vec<T> other = rotate_lanes<half>(values);
    return fold_lanes<T, half / 2>(op(values, other), op);
  }
}

template <class T>
inline T add_lanes(Vec<T> values) {
  return fold_lanes<T>(values, [](Vec<T> x, Vec<T> y) { return x + y; });
}

}  // namespace ondol::kernel::ONDOL_LEVEL
