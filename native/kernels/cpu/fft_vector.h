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

// Lanes of the two operands of a shuffle are numbered through: those of the second follow those of the first. GCC finds
// the instruction of a shuffle within parts of 16 bytes, or of such parts as a whole, but not how to make others of
// those two kinds; so vectors of 32 bytes are put in order in two steps.

template <class V>
inline constexpr int part = 16 / sizeof(Element<V>);

template <class Rule, class V, size_t... I>
[[gnu::always_inline]] inline V shuffled(V a, V b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, Rule::from(int(I), lane_count<V>)...);
}
template <class Rule, class V>
[[gnu::always_inline]] inline V shuffled(V a, V b) {
  return shuffled<Rule>(a, b, std::make_index_sequence<lane_count<V>>());
}

/// Within each `size` lanes: a and b by turns, in blocks of the given length; the first half of that, or the second.
template <int size, int block, bool upper>
struct Interleaved {
  static constexpr int from(int i, int n) {
    const int at = i % size, turn = at / block + (upper ? size / block : 0);
    return i - at + turn % 2 * n + turn / 2 * block + at % block;
  }
};
/// Within each `size` lanes: every other one of a, then of b.
template <int size, int parity>
struct EveryOther {
  static constexpr int from(int i, int n) {
    const int at = 2 * (i % size) + parity;
    return i - i % size + at % size + (at < size ? 0 : n);
  }
};
/// The first halves of a and b, or the second ones.
template <bool upper>
struct Halves {
  static constexpr int from(int i, int n) { return (i < n / 2 ? i : n + i - n / 2) + (upper ? n / 2 : 0); }
};
struct Reversed {
  static constexpr int from(int i, int n) { return n - 1 - i; }
};

/// Within each `size` lanes, the blocks of `count` vectors by turns: a0 b0 c0 d0 a1 b1 ...
template <int size, int block, int count, class V>
[[gnu::always_inline]] inline void interleave(V (&v)[count]) {
  if constexpr (count > 1) {
    static_assert(count % 2 == 0);
    V even[count / 2], odd[count / 2];
    for (int i = 0; i < count / 2; ++i) even[i] = v[2 * i], odd[i] = v[2 * i + 1];
    interleave<size, block>(even);
    interleave<size, block>(odd);
    for (int i = 0; i < count / 2; ++i) {
      v[2 * i] = shuffled<Interleaved<size, block, false>>(even[i], odd[i]);
      v[2 * i + 1] = shuffled<Interleaved<size, block, true>>(even[i], odd[i]);
    }
  }
}

}  // namespace order

/// The blocks of several vectors by turns: a0 b0 c0 d0 a1 b1 ...
template <int block, int count, class V>
[[gnu::always_inline]] inline void interleave(V (&v)[count]) {
  if constexpr (sizeof(V) == 32) {
    if constexpr (block < order::part<V>) order::interleave<order::part<V>, block>(v);
    V parts[count];
    for (int i = 0; i < count; ++i) parts[i] = v[i];
    for (int i = 0; i < count / 2; ++i) {
      v[i] = order::shuffled<order::Halves<false>>(parts[2 * i], parts[2 * i + 1]);
      v[i + count / 2] = order::shuffled<order::Halves<true>>(parts[2 * i], parts[2 * i + 1]);
    }
  } else {
    order::interleave<lane_count<V>, block>(v);
  }
}
template <class V>
inline V reversed(V a) {
  return order::shuffled<order::Reversed>(a, a);
}

/// Complex numbers that lie one after the other.
template <class V, class T>
[[gnu::always_inline]] inline Pair<V> take_pairs(const T* from) {
  if constexpr (Number<V>) {
    return {from[0], from[1]};
  } else {
    V a = load(from), b = load(from + lanes<T>);
    if constexpr (sizeof(V) == 32) {
      V outer = order::shuffled<order::Halves<false>>(a, b), inner = order::shuffled<order::Halves<true>>(a, b);
      constexpr int part = order::part<V>;
      return {order::shuffled<order::EveryOther<part, 0>>(outer, inner),
              order::shuffled<order::EveryOther<part, 1>>(outer, inner)};
    } else {
      constexpr int all = lane_count<V>;
      return {order::shuffled<order::EveryOther<all, 0>>(a, b), order::shuffled<order::EveryOther<all, 1>>(a, b)};
    }
  }
}
template <class V, class T>
[[gnu::always_inline]] inline void put_pairs(T* to, Pair<V> value) {
  if constexpr (Number<V>) {
    to[0] = value.re;
    to[1] = value.im;
  } else {
    V parts[2] = {value.re, value.im};
    interleave<1>(parts);
    store(to, parts[0]);
    store(to + lanes<T>, parts[1]);
  }
}

/// The transpose of a square of lanes.
template <class V>
[[gnu::always_inline]] inline void transpose(V (&rows)[lane_count<V>]) {
  if constexpr (sizeof(V) == 32) {
    constexpr int part = order::part<V>;
    V left[part], right[part];
    for (int i = 0; i < part; ++i) left[i] = rows[i], right[i] = rows[i + part];
    order::interleave<part, 1>(left);
    order::interleave<part, 1>(right);
    for (int i = 0; i < part; ++i) {
      rows[i] = order::shuffled<order::Halves<false>>(left[i], right[i]);
      rows[i + part] = order::shuffled<order::Halves<true>>(left[i], right[i]);
    }
  } else {
    order::interleave<lane_count<V>, 1>(rows);
  }
}

}  // namespace ondol::kernel::ONDOL_LEVEL
