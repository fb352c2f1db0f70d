#pragma once

// Whole transforms of one line, or of as many side by side as a vector has lanes, between two arrays in the cache.

#include "kernels/cpu/fft_pass.h"
#include "kernels/cpu/scratch.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// Two pieces of memory between which a transform goes back and forth. A cache line or two lie between the arrays, for
/// places that are a power of two apart compete for the same ones of the cache.
template <class T>
class Workspace {
 public:
  Workspace(int64_t points, int64_t width) : pitch_(points * width + 128 / int64_t(sizeof(T))), memory_(4 * pitch_) {}
  Split<T> first() const { return {memory_.get(), memory_.get() + pitch_}; }
  Split<T> second() const { return {memory_.get() + 2 * pitch_, memory_.get() + 3 * pitch_}; }

 private:
  int64_t pitch_;
  Scratch<T> memory_;
};

/// How many points of a line a workspace needs room for; `extra` where a line has one more in memory than the
/// transform.
template <class T>
int64_t workspace_points(const FftPlan<T>& plan, int64_t extra = 0) {
  const int64_t points = plan.n + extra;
  return plan.convolution && plan.convolution->n > points ? plan.convolution->n : points;
}

/// x[k] *= factors[k], or times the conjugate, for k < n.
template <class T>
void multiply(Split<T> x, const T* factors, int64_t n, int64_t width) {
  using V = Vec<T>;
  int64_t k = 0;
  if (width == 1) {
    for (; k + lanes<T> <= n; k += lanes<T>)
      x.template set<V>(k, x.template get<V>(k) * take_pairs<V>(factors + 2 * k));
    for (; k < n; ++k) x.template set<T>(k, x.template get<T>(k) * take_pairs<T>(factors + 2 * k));
  }
  for (; k < n; ++k)
    x.template set<V>(k * width,
                      x.template get<V>(k * width) * Pair<V>{broadcast(factors[2 * k]), broadcast(factors[2 * k + 1])});
}

/// Forward. Afterwards `x` is where the result lies, and `other` the rest of the workspace.
template <class T>
void transform(const FftPlan<T>& plan, int64_t width, Split<T>& x, Split<T>& other) {
  if (!plan.convolution) return passes(plan, 0, plan.stage_count, width, x, other);
  const FftPlan<T>& convolution = *plan.convolution;
  multiply(x, plan.chirp, plan.n, width);
  for (int64_t i = plan.n * width; i < convolution.n * width; ++i) x.re[i] = x.im[i] = T(0);
  passes(convolution, 0, convolution.stage_count, width, x, other);
  multiply(x, plan.filter, convolution.n, width);
  // Back: the same with the parts exchanged.
  x = x.exchanged();
  other = other.exchanged();
  passes(convolution, 0, convolution.stage_count, width, x, other);
  x = x.exchanged();
  other = other.exchanged();
  multiply(x, plan.chirp, plan.n, width);
}

// From a source, to a sink, or both, without a copy between; only for plans framed by twos.

template <class T, class Source, class Sink>
void transform_through(const FftPlan<T>& plan, int64_t width, Source source, Sink sink, const Workspace<T>& workspace) {
  const int64_t last = plan.stage_count - 1;
  Split<T> x = workspace.first(), other = workspace.second();
  pass(plan.stage[0], width, source, x);
  passes(plan, 1, last, width, x, other);
  pass(plan.stage[last], width, x, sink);
}
template <class T, class Source>
Split<T> transform_from(const FftPlan<T>& plan, int64_t width, Source source, const Workspace<T>& workspace) {
  Split<T> x = workspace.first(), other = workspace.second();
  pass(plan.stage[0], width, source, x);
  passes(plan, 1, plan.stage_count, width, x, other);
  return x;
}
template <class T, class Sink>
void transform_to(const FftPlan<T>& plan, int64_t width, Split<T> x, Split<T> other, Sink sink) {
  passes(plan, 0, plan.stage_count - 1, width, x, other);
  pass(plan.stage[plan.stage_count - 1], width, x, sink);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
