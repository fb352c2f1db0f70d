#pragma once

#include <utility>

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

/// Lane i of the result is lane i + by, around the end.
template <class T, int by, size_t... lane>
inline Vec<T> rotate_lanes(Vec<T> values, std::index_sequence<lane...>) {
#if defined(__clang__)
  return __builtin_shufflevector(values, values, ((lane + by) % lanes<T>)...);
#else
  return __builtin_shuffle(values, Mask<Vec<T>>{((lane + by) % lanes<T>)...});
#endif
}

/// op over all lanes, by halves.
template <class T, int half = lanes<T> / 2, class F>
inline T fold_lanes(Vec<T> values, F op) {
  if constexpr (half == 0) {
    return values[0];
  } else {
    const Vec<T> other = rotate_lanes<T, half>(values, std::make_index_sequence<lanes<T>>{});
    return fold_lanes<T, half / 2>(op(values, other), op);
  }
}

template <class T>
inline T add_lanes(Vec<T> values) {
  return fold_lanes<T>(values, [](Vec<T> x, Vec<T> y) { return x + y; });
}

}  // namespace ondol::kernel::ONDOL_LEVEL
