#pragma once

// Loops of pointwise operations over contiguous arrays. A Formula is a struct with
//   static auto value(auto x)                        or, with parameters,
//   static auto value(auto x, const double* p)       (read them with parameter<V>(p, i))
// and two or three operands likewise. For float and double the operands are Vec<T>, for integers plain numbers, which
// the compiler vectorises. The result may be exactly one of the operands (in place). A formula of a predicate returns
// what a comparison gives, and the result is an array of 0 and 1.

#include "kernels/cpu/math.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// Parameter i as V.
template <class V>
inline V parameter(const double* p, int i) {
  if constexpr (Number<V>)
    return V(p[i]);
  else
    return splat<V>(Element<V>(p[i]));
}

template <class Formula, class... X>
inline auto apply(const double* p, X... x) {
  if constexpr (requires { Formula::value(x..., p); })
    return Formula::value(x..., p);
  else
    return Formula::value(x...);
}

/// Lanes of a mask as bytes 0 and 1.
template <Vector M>
inline void store_mask(uint8_t* to, M mask) {
  constexpr int n = lane_count<M>;
  if constexpr (n >= 8) {
    typedef uint8_t Bytes __attribute__((vector_size(n)));
    Bytes bytes = __builtin_convertvector(mask, Bytes) & 1;
    __builtin_memcpy(to, &bytes, n);
  } else {
    for (int i = 0; i < n; ++i) to[i] = uint8_t(mask[i] & 1);
  }
}

template <class T>
inline void put(T* y, Vec<T> value) {
  store(y, value);
}
template <Vector M>
inline void put(uint8_t* y, M mask) {
  store_mask(y, mask);
}
template <class T>
inline void put_part(T* y, Vec<T> value, int count) {
  store_part(y, value, count);
}
template <Vector M>
inline void put_part(uint8_t* y, M mask, int count) {
  for (int i = 0; i < count; ++i) y[i] = uint8_t(mask[i] & 1);
}

/// An operand of a loop: an array, or one number for all elements, kept as two vectors over which the loop does not
/// move.
template <class T>
struct Operand {
  const T* from;
  int64_t step;  // 1, or 0 for one number
  alignas(ONDOL_VECTOR_BYTES) T repeated[2 * lanes<T>];

  Operand(const void* x, bool is_scalar) : from(static_cast<const T*>(x)), step(is_scalar ? 0 : 1) {
    if (!is_scalar) return;
    if constexpr (std::integral<T>) {
      for (T& one : repeated) one = *static_cast<const T*>(x);
    } else {
      const Vec<T> value = broadcast(*static_cast<const T*>(x));
      store(repeated, value);
      store(repeated + lanes<T>, value);
    }
    from = repeated;
  }
  Operand(const Operand&) = delete;

  Vec<T> vector(int64_t i) const { return load(from + i * step); }
  Vec<T> second_vector(int64_t i) const { return load(from + i * step + lanes<T>); }
  Vec<T> part(int64_t i, int count) const { return load_part(from + i * step, count, T(1)); }
  T number(int64_t i) const { return from[i * step]; }
};

/// y[i] = Formula(x[i]...), two vectors at a time, so that their latencies overlap.
template <class Formula, class T, class Y, class... X>
inline void pointwise_loop(Y* y, int64_t n, const double* p, const X&... x) {
  int64_t i = 0;
  if constexpr (std::integral<T>) {
    for (; i < n; ++i) y[i] = Y(apply<Formula>(p, x.number(i)...));
  } else {
    constexpr int L = lanes<T>;
    for (; i + 2 * L <= n; i += 2 * L) {
      auto first = apply<Formula>(p, x.vector(i)...);
      auto second = apply<Formula>(p, x.second_vector(i)...);
      put(y + i, first);
      put(y + i + L, second);
    }
    if (i + L <= n) {
      put(y + i, apply<Formula>(p, x.vector(i)...));
      i += L;
    }
    if (i < n) put_part(y + i, apply<Formula>(p, x.part(i, int(n - i))...), int(n - i));
  }
}

/// As pointwise_loop for integers, with pointers the vectoriser understands.
template <class Formula, class T, class Y>
inline void integer_loop(const T* a, int64_t step_a, const T* b, int64_t step_b, Y* y, int64_t n, const double* p) {
  if (step_a == 1 && step_b == 1) {
    for (int64_t i = 0; i < n; ++i) y[i] = Y(apply<Formula>(p, a[i], b[i]));
  } else if (step_a == 1) {
    const T scalar = *b;
    for (int64_t i = 0; i < n; ++i) y[i] = Y(apply<Formula>(p, a[i], scalar));
  } else {
    const T scalar = *a;
    for (int64_t i = 0; i < n; ++i) y[i] = Y(apply<Formula>(p, scalar, b[i * step_b]));
  }
}

template <class Formula, class T, class Y>
inline void unary_loop_to(const void* x, void* y, int64_t n, const double* p) {
  if constexpr (std::integral<T>) {
    const T* from = static_cast<const T*>(x);
    for (int64_t i = 0; i < n; ++i) static_cast<Y*>(y)[i] = Y(apply<Formula>(p, from[i]));
  } else {
    pointwise_loop<Formula, T>(static_cast<Y*>(y), n, p, Operand<T>(x, false));
  }
}

template <class Formula, class T, class Y>
inline void binary_loop_to(const void* a, bool a_scalar, const void* b, bool b_scalar, void* y, int64_t n,
                           const double* p) {
  if constexpr (std::integral<T>)
    integer_loop<Formula>(static_cast<const T*>(a), a_scalar ? 0 : 1, static_cast<const T*>(b), b_scalar ? 0 : 1,
                          static_cast<Y*>(y), n, p);
  else
    pointwise_loop<Formula, T>(static_cast<Y*>(y), n, p, Operand<T>(a, a_scalar), Operand<T>(b, b_scalar));
}

/// y = Formula(x)
template <class Formula, class T>
void unary_loop(const void* x, void* y, int64_t n, const double* p) {
  unary_loop_to<Formula, T, T>(x, y, n, p);
}
/// y = Formula(a, b); either operand may be one number for all elements.
template <class Formula, class T>
void binary_loop(const void* a, bool a_scalar, const void* b, bool b_scalar, void* y, int64_t n, const double* p) {
  binary_loop_to<Formula, T, T>(a, a_scalar, b, b_scalar, y, n, p);
}
/// y = Formula(a, b, c); bit k of `scalars` says that operand k is one number for all elements.
template <class Formula, class T>
void ternary_loop(const void* a, const void* b, const void* c, unsigned scalars, void* y, int64_t n, const double* p) {
  pointwise_loop<Formula, T>(static_cast<T*>(y), n, p, Operand<T>(a, scalars & 1), Operand<T>(b, scalars & 2),
                             Operand<T>(c, scalars & 4));
}
/// y (uint8) = whether Formula(x) holds
template <class Formula, class T>
void unary_predicate_loop(const void* x, void* y, int64_t n, const double* p) {
  unary_loop_to<Formula, T, uint8_t>(x, y, n, p);
}
template <class Formula, class T>
void binary_predicate_loop(const void* a, bool a_scalar, const void* b, bool b_scalar, void* y, int64_t n,
                           const double* p) {
  binary_loop_to<Formula, T, uint8_t>(a, a_scalar, b, b_scalar, y, n, p);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
