#pragma once

// Elements that lie two apart: what windows of two read, and gradients of convolutions with a stride of two write.

#include "kernels/cpu/vector_order.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// The elements in even and in odd places.
template <class T>
struct Parted {
  Vec<T> even, odd;
};
template <class T, size_t... I>
inline Parted<T> part(Vec<T> a, Vec<T> b, std::index_sequence<I...>) {
  return {blend_lanes(a, b, std::index_sequence<(2 * I)...>{}),
          blend_lanes(a, b, std::index_sequence<(2 * I + 1)...>{})};
}
template <class T>
inline Parted<T> part(Vec<T> a, Vec<T> b) {
  return part<T>(a, b, std::make_index_sequence<lanes<T>>());
}

/// to[2 i] = from[i] for i < n; what lies between is not touched.
template <class T>
inline void spread_to_every_second(T* to, const T* from, int64_t n) {
  int64_t i = 0;
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    const auto spread = [&]<int... I>(Vec<T> value, int count, std::integer_sequence<int, I...>) {
      const uint32_t wanted = 0x55555555u & ((uint64_t{1} << (2 * count)) - 1);
      _mm512_mask_storeu_ps(to + 2 * i, __mmask16(wanted), (__m512)__builtin_shufflevector(value, value, (I / 2)...));
      _mm512_mask_storeu_ps(to + 2 * i + lanes<T>, __mmask16(wanted >> 16),
                            (__m512)__builtin_shufflevector(value, value, (lanes<T> / 2 + I / 2)...));
    };
    constexpr auto every_lane = std::make_integer_sequence<int, lanes<T>>();
    for (; i + lanes<T> <= n; i += lanes<T>) spread(load(from + i), lanes<T>, every_lane);
    if (i < n) spread(load_part(from + i, int(n - i), T(0)), int(n - i), every_lane);
    return;
  }
#endif
  for (; i < n; i++) to[2 * i] = from[i];
}

/// Lanes [from, from + lanes) of a[0], b[0], a[1], b[1], ...
template <int from, class V, size_t... lane>
inline V interleaved(V a, V b, std::index_sequence<lane...>) {
  return blend_lanes(a, b, std::index_sequence<((from + lane) / 2 + (lane % 2 ? sizeof...(lane) : 0))...>{});
}

/// a[0], b[0], a[1], b[1], ... as far as there is room.
template <class T>
inline void store_alternating(T* to, int64_t room, Vec<T> a, Vec<T> b) {
  constexpr int L = lanes<T>;
  constexpr auto each = std::make_index_sequence<L>{};
  const Vec<T> low = interleaved<0>(a, b, each), high = interleaved<L>(a, b, each);
  store_up_to(to, low, room);
  if (room > L) store_up_to(to + L, high, room - L);
}

/// evens[0], odds[0], evens[1], odds[1], ... of `count` pairs.
template <class T>
inline void interleave(const T* evens, const T* odds, int64_t count, T* to) {
  int64_t i = 0;
  for (; i + lanes<T> <= count; i += lanes<T>)
    store_alternating(to + 2 * i, 2 * lanes<T>, load(evens + i), load(odds + i));
#if defined(__AVX512F__)  // which alone has parts of vectors that are as fast
  if (i < count)
    store_alternating(to + 2 * i, 2 * (count - i), load_up_to(evens + i, count - i), load_up_to(odds + i, count - i));
#else
  for (; i < count; i++) to[2 * i] = evens[i], to[2 * i + 1] = odds[i];
#endif
}

}  // namespace ondol::kernel::ONDOL_LEVEL
