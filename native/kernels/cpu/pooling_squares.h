#pragma once

// Maxima of squares of 2 x 2 elements, side by side. Which of the four one is, is its place: twice its row plus its
// column.

#include "kernels/cpu/division.h"
#include "kernels/cpu/every_second.h"
#include "kernels/cpu/pooling_parts.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// The maxima of as many squares as a vector has lanes.
template <class T>
struct SquareMaxima {
  Vec<T> value;
  Vec<IndexOf<T>> place;
};
template <class T>
inline SquareMaxima<T> max_of_square(Vec<T> upper_left, Vec<T> upper_right, Vec<T> lower_left, Vec<T> lower_right) {
  using Index = IndexOf<T>;
  SquareMaxima<T> best = {upper_left, Vec<Index>{}};
  const auto try_also = [&](Vec<T> value, Index place) {
    const auto better = is_better(value, best.value);
    best.value = better ? value : best.value;
    best.place = better ? broadcast(place) : best.place;
  };
  try_also(upper_right, 1);
  try_also(lower_left, 2);
  try_also(lower_right, 3);
  return best;
}

/// A place for each lane of a Vec<T>.
template <class T>
struct PlacesOf {
  typedef uint8_t type __attribute__((vector_size(lanes<T>)));
  typedef uint8_t unaligned __attribute__((vector_size(lanes<T>), aligned(1), may_alias));
};

template <class T>
inline void store_places(uint8_t* to, Vec<IndexOf<T>> places, int64_t count) {
  using Bytes = PlacesOf<T>;
  const auto bytes = __builtin_convertvector(places, typename Bytes::type);
  if (count >= lanes<T>) {
    *reinterpret_cast<typename Bytes::unaligned*>(to) = bytes;
    return;
  }
  uint8_t all[lanes<T>];
  *reinterpret_cast<typename Bytes::unaligned*>(all) = bytes;
  constexpr int64_t half = lanes<T> / 2;
  if (count < half) {
    for (int64_t i = 0; i < count; i++) to[i] = all[i];
  } else {  // halves that may overlap
    __builtin_memcpy(to, all, half);
    __builtin_memcpy(to + count - half, all + count - half, half);
  }
}
/// The lanes from `count` on hold anything. `readable` places may be read.
template <class T>
inline Vec<IndexOf<T>> load_places(const uint8_t* from, int64_t count, int64_t readable) {
  typename PlacesOf<T>::type bytes{};
  if (readable >= lanes<T>) {
    bytes = *reinterpret_cast<const typename PlacesOf<T>::unaligned*>(from);
  } else {
    for (int64_t i = 0; i < count; i++) bytes[i] = from[i];
  }
  return __builtin_convertvector(bytes, Vec<IndexOf<T>>);
}

/// to [height, width] = zeros but for the gradients of its squares' maxima, [height / 2, width / 2], in their places.
/// Of these, `readable` elements and places may be read.
template <class T>
void spread_squares(const T* maxima, const uint8_t* places, int64_t readable, int64_t height, int64_t width, T* to) {
  using Index = IndexOf<T>;
  constexpr int L = lanes<T>;
  const int64_t columns = width / 2;
  const T* end = to + height * width;
  for (int64_t row = 0; row < height / 2; row++, to += 2 * width) {
    for (int64_t w = 0; w < columns; w += L) {
      const int64_t at = row * columns + w, count = smaller_of(L, columns - w), left = readable - at;
      const Vec<T> g = load_up_to(maxima + at, smaller_of(left, L)) + T(0);  // so that no -0 remains
      const Vec<Index> place = load_places<T>(places + at, count, left);
      const auto where = [&](Index wanted) { return place == wanted ? g : Vec<T>{}; };
      // Whole vectors are faster than parts: what goes beyond a row is overwritten by the next.
      T *upper = to + 2 * w, *lower = upper + width;
      store_alternating(upper, columns <= L ? end - upper : 2 * count, where(0), where(1));
      store_alternating(lower, end - lower, where(2), where(3));
    }
    for (int64_t w = 2 * columns; w < width; w++) to[w] = to[width + w] = 0;
  }
  for (; to < end; to++) *to = 0;
}

}  // namespace ondol::kernel::ONDOL_LEVEL
