#include "kernels/cpu/reduction.h"

#include "kernels/cpu/reduction_engine.h"
#include "kernels/cpu/reduction_parts.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

/// A reducer whose state is one running value: a neutral element, what one element does to the value, and how two join.
template <class T, class Rule>
struct Fold {
  using Type = T;
  struct State {
    Vec<T> value;
  };
  Rule rule;

  State row(const T* x, int64_t n) const {
    auto step = [this](Vec<T> s, Vec<T> v) { return rule.step(s, v); };
    auto join = [](Vec<T> a, Vec<T> b) { return Rule::join(a, b); };
    return {fold_row(x, n, rule.template neutral<T>(), step, join)};
  }
  void columns(const Block<T>& block, State* states) const {
    for (int v = 0; v < block.vectors; ++v) states[v].value = broadcast(rule.template neutral<T>());
    fold_columns(block, states, [this](State s, Vec<T> x, int) { return State{rule.step(s.value, x)}; });
  }
  State combine(State a, int64_t, State b, int64_t) const { return {Rule::join(a.value, b.value)}; }
};

struct Adding {
  template <class T>
  static T neutral() {
    return 0;
  }
  static auto join(auto a, auto b) { return a + b; }
};
struct Sum : Adding {
  static auto step(auto s, auto x) { return s + x; }
};
struct SumOfSquares : Adding {
  static auto step(auto s, auto x) { return s + x * x; }
};
struct AbsoluteSum : Adding {
  static auto step(auto s, auto x) { return s + abs(x); }
};
struct PowerSum : Adding {
  double p;
  auto step(auto s, auto x) const { return s + pow(abs(x), splat<decltype(x)>(Element<decltype(x)>(p))); }
};
struct Product {
  template <class T>
  static T neutral() {
    return 1;
  }
  static auto join(auto a, auto b) { return a * b; }
  static auto step(auto s, auto x) { return s * x; }
};
/// A vector of integers has no NaN to look for.
template <class V>
inline V smaller(V a, V b) {
  if constexpr (std::integral<Element<V>>)
    return select(a < b, a, b);
  else
    return minimum(a, b);
}
template <class V>
inline V larger(V a, V b) {
  if constexpr (std::integral<Element<V>>)
    return select(a > b, a, b);
  else
    return maximum(a, b);
}
struct Minimum {
  template <class T>
  static T neutral() {
    return highest<T>();
  }
  static auto join(auto a, auto b) { return smaller(a, b); }
  static auto step(auto s, auto x) { return smaller(s, x); }
};
struct Maximum {
  template <class T>
  static T neutral() {
    return lowest<T>();
  }
  static auto join(auto a, auto b) { return larger(a, b); }
  static auto step(auto s, auto x) { return larger(s, x); }
};
struct AbsoluteMinimum : Minimum {
  static auto step(auto s, auto x) { return smaller(s, abs(x)); }
};
struct AbsoluteMaximum : Maximum {
  template <class T>
  static T neutral() {
    return 0;
  }
  static auto step(auto s, auto x) { return larger(s, abs(x)); }
};

template <class Rule, class T>
void reduce(const T* x, T* y, Lines lines) {
  reduce_lines(Fold<T, Rule>{}, x, lines,
               [=](int64_t i, int count, auto state) { store_lanes(y + i, state.value, count); });
}

template <class T>
void mean(const T* x, T* y, Lines lines) {
  reduce_lines(Fold<T, Sum>{}, x, lines,
               [=](int64_t i, int count, auto state) { store_lanes(y + i, state.value / T(lines.n), count); });
}

template <class T>
void power_sum(const T* x, T* y, double p, Lines lines) {
  reduce_lines(Fold<T, PowerSum>{{{}, p}}, x, lines,
               [=](int64_t i, int count, auto state) { store_lanes(y + i, state.value, count); });
}

template <class T>
void fill_floating(FloatingReductions<T>& k) {
  k.sum = reduce<Sum, T>;
  k.mean = mean<T>;
  k.product = reduce<Product, T>;
  k.minimum = reduce<Minimum, T>;
  k.maximum = reduce<Maximum, T>;
  k.sum_of_squares = reduce<SumOfSquares, T>;
  k.absolute_sum = reduce<AbsoluteSum, T>;
  k.absolute_maximum = reduce<AbsoluteMaximum, T>;
  k.absolute_minimum = reduce<AbsoluteMinimum, T>;
  k.power_sum = power_sum<T>;
}

}  // namespace

void fill(ReductionKernels& k) {
  fill_floating(k.float32);
  fill_floating(k.float64);
  k.int64.sum = reduce<Sum, int64_t>;
  k.int64.product = reduce<Product, int64_t>;
  k.int64.minimum = reduce<Minimum, int64_t>;
  k.int64.maximum = reduce<Maximum, int64_t>;
  fill_indexed_reductions(k);
  fill_statistics(k);
  fill_counts(k);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
