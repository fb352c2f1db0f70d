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

}  // namespace ondol::kernel::ONDOL_LEVEL
