#pragma once

// One pass of a transform: from a source of complex numbers to a sink, both addressed by place.

#include "kernels/cpu/fft_butterfly.h"
#include "kernels/fft_plan.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// Complex numbers in two arrays: source and sink of all passes but the first and the last.
template <class T>
struct Split {
  T* re;
  T* im;
  static constexpr bool whole_vectors = false;

  template <class V>
  Pair<V> get(int64_t i) const {
    return {take<V>(re + i), take<V>(im + i)};
  }
  template <class V>
  void set(int64_t i, Pair<V> value) const {
    put(re + i, value.re);
    put(im + i, value.im);
  }
  Split exchanged() const { return {im, re}; }
};

template <class V>
inline Pair<V> exchanged_if(bool exchange, Pair<V> value) {
  return exchange ? Pair<V>{value.im, value.re} : value;
}

/// Complex numbers one after the other; exchanged for a backward transform.
template <class T, bool exchange>
struct PairSource {
  const T* x;
  static constexpr bool whole_vectors = false;

  template <class V>
  Pair<V> get(int64_t i) const {
    return exchanged_if(exchange, take_pairs<V>(x + 2 * i));
  }
};
template <class T, bool exchange>
struct PairSink {
  T* y;
  T scale;
  static constexpr bool whole_vectors = false;

  template <class V>
  void set(int64_t i, Pair<V> value) const {
    put_pairs(y + 2 * i, exchanged_if(exchange, Pair<V>{value.re * scale, value.im * scale}));
  }
};

/// As many neighbouring columns of complex numbers as a vector has lanes: place i is row i / lanes.
template <class T>
inline int64_t row_of(int64_t i) {
  return static_cast<int64_t>(static_cast<uint64_t>(i) / lanes<T>);
}
template <class T, bool exchange>
struct ColumnSource {
  const T* x;
  int64_t step;
  static constexpr bool whole_vectors = true;

  template <class V>
  Pair<V> get(int64_t i) const {
    return exchanged_if(exchange, take_pairs<V>(x + row_of<T>(i) * step));
  }
};
template <class T, bool exchange>
struct ColumnSink {
  T* y;
  int64_t step;
  T scale;
  static constexpr bool whole_vectors = true;

  template <class V>
  void set(int64_t i, Pair<V> value) const {
    put_pairs(y + row_of<T>(i) * step, exchanged_if(exchange, Pair<V>{value.re * scale, value.im * scale}));
  }
};

/// Butterfly p of the places q, q + 1, ... that a V holds; `turn` are its turning factors, unless all are one.
template <int radix, bool turns, class V, class Source, class Sink>
[[gnu::always_inline]] inline void butterfly_at(const Butterfly<radix, V>& butterfly, const Pair<V>* turn, int64_t p,
                                                int64_t q, int64_t m, int64_t s, Source x, Sink y) {
  Pair<V> v[radix];
#pragma GCC unroll 16
  for (int j = 0; j < radix; ++j) v[j] = x.template get<V>(q + s * (p + m * j));
  butterfly(v);
#pragma GCC unroll 16
  for (int j = 0; j < radix; ++j) {
    if constexpr (turns) {
      if (j > 0) v[j] = v[j] * turn[j - 1];
    }
    y.template set<V>(q + s * (radix * p + j), v[j]);
  }
}

/// Vectors along the interleaved signals, of which there are s.
template <int radix, bool turns, class T, class Source, class Sink>
void wide_pass(const FftStage<T>& stage, int64_t s, Source x, Sink y) {
  using V = Vec<T>;
  const int64_t m = stage.m;
  const Butterfly<radix, V> butterfly(stage.roots);
  for (int64_t p = 0; p < m; ++p) {
    Pair<V> turn[radix - 1];
    Pair<T> turn_of_one[radix - 1];
    if constexpr (turns)
      for (int j = 0; j < radix - 1; ++j) {
        const T* factor = stage.factors + 2 * (p * (radix - 1) + j);
        turn_of_one[j] = {factor[0], factor[1]};
        turn[j] = {broadcast(factor[0]), broadcast(factor[1])};
      }
    int64_t q = 0;
    for (; q + lanes<T> <= s; q += lanes<T>) butterfly_at<radix, turns>(butterfly, turn, p, q, m, s, x, y);
    if constexpr (!Source::whole_vectors && !Sink::whole_vectors)
      if (q < s) {
        const Butterfly<radix, T> of_one(stage.roots);
        for (; q < s; ++q) butterfly_at<radix, turns>(of_one, turn_of_one, p, q, m, s, x, y);
      }
  }
}

/// Vectors along the butterflies, for fewer signals than lanes: s divides their number. What a butterfly gives is
/// s places apart from what it gives next, so the results are put in order by shuffles.
template <int radix, int s, class T, class Source, class Sink>
void narrow_pass(const FftStage<T>& stage, Source x, Sink y) {
  using V = Vec<T>;
  const int64_t count = s * stage.m;
  const Butterfly<radix, V> butterfly(stage.roots);
  int64_t i = 0;
  for (; i + lanes<T> <= count; i += lanes<T>) {
    Pair<V> v[radix];
    for (int j = 0; j < radix; ++j) v[j] = x.template get<V>(i + count * j);
    butterfly(v);
    V re[radix], im[radix];
    for (int j = 0; j < radix; ++j) {
      if (j > 0) {
        const T* factors = stage.spread + (j - 1) * count + i;
        v[j] = v[j] * Pair<V>{load(factors), load(factors + (radix - 1) * count)};
      }
      re[j] = v[j].re;
      im[j] = v[j].im;
    }
    interleave<s>(re);
    interleave<s>(im);
    for (int j = 0; j < radix; ++j) y.template set<V>(radix * i + lanes<T> * j, Pair<V>{re[j], im[j]});
  }
  const Butterfly<radix, T> of_one(stage.roots);
  for (; i < count; ++i) {
    Pair<T> turn[radix - 1];
    const int64_t p = i / s;
    for (int j = 0; j < radix - 1; ++j) {
      const T* factor = stage.factors + 2 * (p * (radix - 1) + j);
      turn[j] = {factor[0], factor[1]};
    }
    butterfly_at<radix, true>(of_one, turn, p, i % s, stage.m, int64_t(s), x, y);
  }
}

template <int radix, class T, class Source, class Sink>
void pass_of(const FftStage<T>& stage, int64_t width, Source x, Sink y) {
  if (stage.m == 1) return wide_pass<radix, false>(stage, stage.stride * width, x, y);
  if constexpr ((radix == 2 || radix == 4) && !Source::whole_vectors && !Sink::whole_vectors)
    if (width == 1 && stage.spread) {
      if (stage.stride == 1) return narrow_pass<radix, 1>(stage, x, y);
      if constexpr (lanes<T> > 4)
        if (stage.stride == 4) return narrow_pass<radix, 4>(stage, x, y);
    }
  wide_pass<radix, true>(stage, stage.stride * width, x, y);
}

/// One pass over `width` transforms side by side: one, or as many as a vector has lanes.
template <class T, class Source, class Sink>
void pass(const FftStage<T>& stage, int64_t width, Source x, Sink y) {
  switch (stage.radix) {
    case 2:
      return pass_of<2>(stage, width, x, y);
    case 4:
      return pass_of<4>(stage, width, x, y);
    case 8:
      return pass_of<8>(stage, width, x, y);
  }
  // Other radices come between two arrays only (is_framed_by_twos).
  if constexpr (std::same_as<Source, Split<T>> && std::same_as<Sink, Split<T>>) switch (stage.radix) {
      case 3:
        return pass_of<3>(stage, width, x, y);
      case 5:
        return pass_of<5>(stage, width, x, y);
      case 7:
        return pass_of<7>(stage, width, x, y);
      case 11:
        return pass_of<11>(stage, width, x, y);
      default:
        return pass_of<13>(stage, width, x, y);
    }
}

/// Whether there are several passes, of which the first and the last have a power of two as radix.
template <class T>
bool is_framed_by_twos(const FftPlan<T>& plan) {
  return plan.stage_count > 1 && plan.stage[0].radix % 2 == 0 && plan.stage[plan.stage_count - 1].radix % 2 == 0;
}

/// Stages [first, last) from x to other and back; afterwards `x` is where the result lies.
template <class T>
void passes(const FftPlan<T>& plan, int64_t first, int64_t last, int64_t width, Split<T>& x, Split<T>& other) {
  for (int64_t i = first; i < last; ++i) {
    pass(plan.stage[i], width, x, other);
    Split<T> result = other;
    other = x;
    x = result;
  }
}

}  // namespace ondol::kernel::ONDOL_LEVEL
