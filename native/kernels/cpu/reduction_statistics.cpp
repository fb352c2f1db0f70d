// Mean and variance in one pass, and log-sum-exp.

#include "kernels/cpu/reduction_engine.h"
#include "kernels/cpu/reduction_parts.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

/// Two passes over a leaf, while it is in the cache; leaves join by Chan, Golub and LeVeque's formula (1979), and what
/// the sums of squares lose to rounding when they join is kept apart.
template <class T>
struct Moments {
  using Type = T;
  using V = Vec<T>;
  struct State {
    V mean, m2, lost;
  };

  static V add(V a, V b) { return a + b; }
  static State row(const T* x, int64_t n) {
    V mean = fold_row(x, n, T(0), add, add) / T(n);
    V m2 = fold_row(x, n, T(0), [mean](V s, V v) { return s + (v - mean) * (v - mean); }, add);
    return {mean, m2, V{}};
  }
  static void columns(const Block<T>& block, State* states) {
    for (int v = 0; v < block.vectors; ++v) states[v] = State{};
    fold_columns(block, states, [](State s, V x, int) { return State{s.mean + x, s.m2, s.lost}; });
    for (int v = 0; v < block.vectors; ++v) states[v].mean /= T(block.rows);
    fold_columns(block, states,
                 [](State s, V x, int) { return State{s.mean, s.m2 + (x - s.mean) * (x - s.mean), s.lost}; });
  }
  static State combine(State a, int64_t count_a, State b, int64_t count_b) {
    T share = T(double(count_b) / double(count_a + count_b));
    V difference = b.mean - a.mean;
    V between = difference * difference * (share * T(count_a));
    Exact<V> within = exact_sum(a.m2, b.m2), m2 = exact_sum(within.value, between);
    return {a.mean + difference * share, m2.value, a.lost + b.lost + within.rest + m2.rest};
  }
  static V sum_of_squares(State s) { return select(isinf(s.m2), s.m2, s.m2 + s.lost); }
};

template <class T>
void moments(const T* x, T* mean, T* m2, Lines lines) {
  reduce_lines(Moments<T>{}, x, lines, [=](int64_t i, int count, auto state) {
    if (mean) store_lanes(mean + i, state.mean, count);
    if (m2) store_lanes(m2 + i, Moments<T>::sum_of_squares(state), count);
  });
}

/// The largest element m and sum exp(x - m); an infinite m is taken as 0, which gives the infinities their right
/// results.
template <class T>
struct LogSumExp {
  using Type = T;
  using V = Vec<T>;
  struct State {
    V largest, sum;
  };

  static V larger(V a, V b) { return maximum(a, b); }
  static V add(V a, V b) { return a + b; }
  static V shift(V largest) { return select(isinf(largest), V{}, largest); }
  static State row(const T* x, int64_t n) {
    V largest = fold_row(x, n, -infinity<T>, larger, larger), m = shift(largest);
    V sum = fold_row(x, n, T(0), [m](V s, V v) { return s + exp(v - m); }, add);
    return {largest, sum};
  }
  static void columns(const Block<T>& block, State* states) {
    V m[block_vectors];
    for (int v = 0; v < block.vectors; ++v) states[v] = {broadcast(-infinity<T>), V{}};
    fold_columns(block, states, [](State s, V x, int) { return State{maximum(s.largest, x), s.sum}; });
    for (int v = 0; v < block.vectors; ++v) m[v] = shift(states[v].largest);
    fold_columns(block, states, [&m](State s, V x, int v) { return State{s.largest, s.sum + exp(x - m[v])}; });
  }
  static State combine(State a, int64_t, State b, int64_t) {
    V largest = maximum(a.largest, b.largest), m = shift(largest);
    // A part of -inf alone has the sum 0 and must not spoil the other with exp(0 - m).
    V scale_a = exp(shift(a.largest) - m), scale_b = exp(shift(b.largest) - m);
    V sum_a = select(a.sum == 0, V{}, a.sum * scale_a), sum_b = select(b.sum == 0, V{}, b.sum * scale_b);
    return {largest, sum_a + sum_b};
  }
};

template <class T>
void logsumexp(const T* x, T* y, Lines lines) {
  reduce_lines(LogSumExp<T>{}, x, lines, [=](int64_t i, int count, auto state) {
    store_lanes(y + i, log(state.sum) + LogSumExp<T>::shift(state.largest), count);
  });
}

}  // namespace

void fill_statistics(ReductionKernels& k) {
  k.float32.moments = moments<float>;
  k.float64.moments = moments<double>;
  k.float32.logsumexp = logsumexp<float>;
  k.float64.logsumexp = logsumexp<double>;
}

}  // namespace ondol::kernel::ONDOL_LEVEL
