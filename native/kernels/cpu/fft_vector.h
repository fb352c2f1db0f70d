#pragma once

// Complex numbers as two vectors, and the orders in which they come from memory and go there.

#include <utility>

#include "kernels/cpu/math_basic.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// Complex numbers, the real parts in one vector (or plain number) and the imaginary ones in another.
template <class V>
struct Pair {
  V re, im;
};
template <class V>
inline Pair<V> operator+(Pair<V> a, Pair<V> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class V>
inline Pair<V> operator-(Pair<V> a, Pair<V> b) {
  return {a.re - b.re, a.im - b.im};
}
template <class V>
inline Pair<V> operator*(Pair<V> a, Pair<V> b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
template <class V>
inline Pair<V> times_i(Pair<V> a) {
  return {-a.im, a.re};
}
template <class V>
inline Pair<V> times_minus_i(Pair<V> a) {
  return {a.im, -a.re};
}

/// Reads V from memory of plain numbers: a vector, or one number.
template <class V, class T>
inline V take(const T* from) {
  if constexpr (Number<V>)
    return *from;
  else
    return load(from);
}
template <class V, class T>
inline void put(T* to, V value) {
  if constexpr (Number<V>)
    *to = value;
  else
    store(to, value);
}

namespace order {

/// Lanes of the two operands of a shuffle are numbered through: those of the second follow those of the first.
template <class V, class Rule, size_t... I>
inline V shuffled(V a, V b, Rule rule, std::index_sequence<I...>) {
  (void)rule;
  return __builtin_shufflevector(a, b, Rule::from(int(I), lane_count<V>)...);
}
template <class Rule, class V>
inline V shuffled(V a, V b) {
  return shuffled(a, b, Rule(), std::make_index_sequence<lane_count<V>>());
}

/// a and b by turns, in blocks of the given length: the first half of that, and the second.
template <int block, bool upper>
struct Interleaved {
  static constexpr int from(int i, int n) {
    int turn = i / block + (upper ? n / block : 0);
    return turn % 2 * n + turn / 2 * block + i % block;
  }
};
template <int parity>
struct EveryOther {
  static constexpr int from(int i, int) { return 2 * i + parity; }
};
struct Reversed {
  static constexpr int from(int i, int n) { return n - 1 - i; }
};
/// Two rows of a matrix of blocks exchange what stands off the diagonal.
template <int block, bool lower>
struct Exchanged {
  static constexpr int from(int i, int n) {
    bool second = i / block % 2;
    return lower ? (second ? n + i : i + block) : (second ? n + i - block : i);
  }
};

}  // namespace order

template <int block, class V>
inline void interleave(V a, V b, V& low, V& high) {
  low = order::shuffled<order::Interleaved<block, false>>(a, b);
  high = order::shuffled<order::Interleaved<block, true>>(a, b);
}
template <class V>
inline V reversed(V a) {
  return order::shuffled<order::Reversed>(a, a);
}

/// Complex numbers that lie one after the other.
template <class V, class T>
inline Pair<V> take_pairs(const T* from) {
  if constexpr (Number<V>) {
    return {from[0], from[1]};
  } else {
    V a = load(from), b = load(from + lanes<T>);
    return {order::shuffled<order::EveryOther<0>>(a, b), order::shuffled<order::EveryOther<1>>(a, b)};
  }
}
template <class V, class T>
inline void put_pairs(T* to, Pair<V> value) {
  if constexpr (Number<V>) {
    to[0] = value.re;
    to[1] = value.im;
  } else {
    V low, high;
    interleave<1>(value.re, value.im, low, high);
    store(to, low);
    store(to + lanes<T>, high);
  }
}

/// The transpose of a square of lanes, by exchanging ever larger blocks (Eklundh 1972).
template <int block = 1, class V>
inline void transpose(V (&rows)[lane_count<V>]) {
  if constexpr (block < lane_count<V>) {
    for (int i = 0; i < lane_count<V>; ++i) {
      if (i & block) continue;
      V a = rows[i], b = rows[i + block];
      rows[i] = order::shuffled<order::Exchanged<block, false>>(a, b);
      rows[i + block] = order::shuffled<order::Exchanged<block, true>>(a, b);
    }
    transpose<2 * block>(rows);
  }
}

/// The vectors of `count` signals, whose blocks of lanes come by turns: a0 b0 c0 d0 a1 b1 ... in blocks.
template <int block, int count, class V>
inline void interleave_all(V (&v)[count]) {
  if constexpr (count > 1) {
    static_assert(count % 2 == 0);
    V even[count / 2], odd[count / 2];
    for (int i = 0; i < count / 2; ++i) even[i] = v[2 * i], odd[i] = v[2 * i + 1];
    interleave_all<block>(even);
    interleave_all<block>(odd);
    for (int i = 0; i < count / 2; ++i) interleave<block>(even[i], odd[i], v[2 * i], v[2 * i + 1]);
  }
}

}  // namespace ondol::kernel::ONDOL_LEVEL
