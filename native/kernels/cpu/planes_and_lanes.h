#pragma once

// Planes, or rows, of as many channels as a vector has lanes, turned into vectors that each hold one point of all of
// them, and back.

#include "kernels/cpu/vector_order.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// Calls put(point, vector) for each of n points of as many planes as a vector has lanes, `apart` from each other; of
/// the planes from `count` on, zeros. load_points(from, count) is a vector of points of one plane.
template <class T, class Element, class Load, class Put>
inline void planes_into_lanes(const Element* from, int64_t apart, int64_t count, int64_t n, Load&& load_points,
                              Put&& put) {
  constexpr int L = lanes<T>;
  const auto put_square = [&](int64_t at, int points, auto&& load_row) {
    Vec<T> square[L];
#pragma GCC unroll 16
    for (int j = 0; j < L; j++) square[j] = load_row(from + j * apart + at, j);
    transpose_square(square);
    for (int j = 0; j < points; j++) put(at + j, square[j]);
  };
  if (count == L && n >= L) {
    for (int64_t at = 0; at < n; at += L)  // the last ones of some points twice
      put_square(at + L <= n ? at : n - L, L, [&](const Element* row, int) {
        __builtin_prefetch(row + 4 * L);  // so many planes at a time the processor does not see coming
        return load_points(row, L);
      });
    return;
  }
  for (int64_t at = 0; at < n; at += L) {
    const int points = static_cast<int>(n - at < L ? n - at : L);
    put_square(at, points, [&](const Element* row, int j) { return j < count ? load_points(row, points) : Vec<T>{}; });
  }
}
template <class T, class Put>
inline void planes_into_lanes(const T* from, int64_t apart, int64_t count, int64_t n, Put&& put) {
  planes_into_lanes<T>(from, apart, count, n, [](const T* row, int points) { return load_up_to(row, points); }, put);
}

/// n points into `count` planes, `apart` from each other.
template <class T>
inline void lanes_into_planes(const Vec<T>* from, int64_t n, T* to, int64_t apart, int64_t count) {
  constexpr int L = lanes<T>;
  Vec<T> square[L];
  if (count == L && n >= L) {
    for (int64_t next = 0; next < n; next += L) {
      const int64_t at = next + L <= n ? next : n - L;
#pragma GCC unroll 16
      for (int j = 0; j < L; j++) square[j] = from[at + j];
      transpose_square(square);
#pragma GCC unroll 16
      for (int j = 0; j < L; j++) store(to + j * apart + at, square[j]);
    }
    return;
  }
  for (int64_t at = 0; at < n; at += L) {
    const int points = static_cast<int>(n - at < L ? n - at : L);
    for (int j = 0; j < L; j++) square[j] = j < points ? from[at + j] : Vec<T>{};
    transpose_square(square);
    for (int j = 0; j < count; j++) store_up_to(to + j * apart + at, square[j], points);
  }
}

}  // namespace ondol::kernel::ONDOL_LEVEL
