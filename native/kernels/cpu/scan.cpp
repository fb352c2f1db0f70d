#include "kernels/cpu/scan.h"

#include "base/parallel.h"
#include "kernels/cpu/math_basic.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

inline constexpr int64_t grain = 1 << 14;    // elements for which another thread is worth waking
inline constexpr int64_t block_width = 128;  // neighbouring lines that run side by side, their states in the L1 cache

/// Runs Rule along every line. A rule has a State, a start, and step(state, x, position), which changes the state; put
/// writes what a state shows.
template <class Rule, class T, class Put>
void scan(const T* x, Lines lines, Put put) {
  using State = typename Rule::State;
  if (lines.are_empty()) return;
  const int64_t n = lines.n, inner = lines.inner;
  if (inner == 1) {
    parallel_for(lines.outer, grain_for(grain, n), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * n; i < end * n; i += n) {
        State state = Rule::start();
        for (int64_t r = 0; r < n; ++r) {
          Rule::step(state, x[i + r], r);
          put(i + r, state);
        }
      }
    });
    return;
  }
  const int64_t blocks = (inner + block_width - 1) / block_width;
  parallel_for(lines.outer * blocks, grain_for(grain, n, block_width), [&](int64_t begin, int64_t end) {
    State states[block_width];
    for (int64_t task = begin; task < end; ++task) {
      const int64_t column = task % blocks * block_width, first = task / blocks * n * inner + column;
      const int64_t count = inner - column < block_width ? inner - column : block_width;
      for (auto& state : states) state = Rule::start();
      for (int64_t r = 0; r < n; ++r) {
        const int64_t row = first + r * inner;
        for (int64_t j = 0; j < count; ++j) {
          Rule::step(states[j], x[row + j], r);
          put(row + j, states[j]);
        }
      }
    }
  });
}

template <class T>
using Accumulator =
    std::conditional_t<std::same_as<T, float>, double, std::conditional_t<std::integral<T>, uint64_t, T>>;

template <class T>
struct CumulativeSum {
  using State = Accumulator<T>;
  static State start() { return 0; }
  static void step(State& s, T x, int64_t) { s += State(x); }
};
template <class T>
struct CumulativeProduct {
  using State = Accumulator<T>;
  static State start() { return 1; }
  static void step(State& s, T x, int64_t) { s *= State(x); }
};
template <class T, bool largest>
struct CumulativeExtreme {
  struct State {
    T value;
    int64_t index;
  };
  static State start() { return {largest ? lowest<T>() : highest<T>(), 0}; }
  static void step(State& s, T x, int64_t r) {
    // The one comparison that most elements need; a NaN on either side passes it.
    bool worse = largest ? x < s.value : x > s.value;
    if (worse) return;
    if (x != x || s.value == s.value) s = {x, r};
  }
};

/// max + log1p(exp(min - max)), the sum of two logarithms' numbers; equal infinities are their own result.
template <class T>
struct CumulativeLogSum {
  using State = double;
  static State start() { return -__builtin_inf(); }
  static void step(State& s, T x, int64_t) {
    double a = s, b = double(x);
    if (a != a || b != b) {
      s = a + b;
      return;
    }
    double low = a < b ? a : b, high = a < b ? b : a;
    bool same_infinity = low == high && __builtin_isinf(high);
    s = same_infinity ? high : high + __builtin_log1p(__builtin_exp(low - high));
  }
};

template <class T>
void cumsum(const T* x, T* y, Lines lines) {
  scan<CumulativeSum<T>>(x, lines, [=](int64_t i, auto s) { y[i] = T(s); });
}
template <class T>
void cumprod(const T* x, T* y, Lines lines) {
  scan<CumulativeProduct<T>>(x, lines, [=](int64_t i, auto s) { y[i] = T(s); });
}
template <class T, bool largest>
void cumulative_extreme(const T* x, T* values, int64_t* indices, Lines lines) {
  scan<CumulativeExtreme<T, largest>>(x, lines, [=](int64_t i, auto s) {
    values[i] = s.value;
    indices[i] = s.index;
  });
}
template <class T>
void logcumsumexp(const T* x, T* y, Lines lines) {
  scan<CumulativeLogSum<T>>(x, lines, [=](int64_t i, double s) { y[i] = T(s); });
}

template <class T>
void fill_for(ScanFunctions<T>& k) {
  k.cumsum = cumsum<T>;
  k.cumprod = cumprod<T>;
  k.cummax = cumulative_extreme<T, true>;
  k.cummin = cumulative_extreme<T, false>;
}

}  // namespace

void fill(ScanKernels& k) {
  fill_for(k.float32);
  fill_for(k.float64);
  fill_for(k.int64);
  k.logcumsumexp_float32 = logcumsumexp<float>;
  k.logcumsumexp_float64 = logcumsumexp<double>;
}

}  // namespace ondol::kernel::ONDOL_LEVEL
