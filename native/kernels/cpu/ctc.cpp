// Connectionist temporal classification (Graves, Fernandez, Gomez and Schmidhuber, ICML 2006, section 4): the sums over
// all alignments by a pass forward and one backward. In logarithms, since products of probabilities of a long sequence
// are smaller than any number; the states of one step are the lanes of vectors.

#include "kernels/cpu/ctc.h"

#include "kernels/cpu/math.h"
#include "kernels/cpu/softmax_row.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

/// log(e^a + e^b + e^c); -infinity, which stands for "impossible", three times gives itself.
template <class T>
inline Vec<T> log_sum(Vec<T> a, Vec<T> b, Vec<T> c) {
  const Vec<T> low = minimum(a, b), high = maximum(a, b);
  const Vec<T> middle = minimum(high, c), highest = maximum(high, c);
  const Vec<T> base = select(highest == -infinity<T>, Vec<T>{}, highest);
  // The largest of the three powers is 1, unless none is possible.
  const Vec<T> first = select(highest == -infinity<T>, Vec<T>{}, broadcast(T(1)));
  return base + log(first + (exp(middle - base) + exp(low - base)));
}

/// The rows of the scratch memory. Each has two numbers in front of the states, and more behind them, that stay
/// -infinity.
template <class T>
struct Rows {
  T *skip, *emitted, *ring[2], *occupied;

  Rows(T* scratch, int64_t count) {
    const int64_t size = ctc_row(count);
    for (int64_t i = 0; i < ctc_scratch(count); ++i) scratch[i] = -infinity<T>;
    skip = scratch + 2;
    emitted = skip + size;
    ring[0] = emitted + size;
    ring[1] = ring[0] + size;
    occupied = ring[1] + size;
  }
};

/// 0 where a state may be entered from the one but one before it: the label in between is a blank, and the two differ.
template <class T>
void allow_skips(const CtcSequence<T>& s, T* skip) {
  for (int64_t i = 3; i < s.count; i += 2)
    if (s.states[i] != s.states[i - 2]) skip[i] = 0;
}

template <class T>
void read_emitted(const CtcSequence<T>& s, int64_t step, T* emitted) {
  const T* row = s.log_probs + step * s.stride;
  for (int64_t i = 0; i < s.count; ++i) emitted[i] = row[s.states[i]];
}

template <class T>
T forward(const CtcSequence<T>& s, T* alpha, bool keep, T* scratch) {
  const Rows<T> rows(scratch, s.count);
  const int64_t size = ctc_row(s.count);
  allow_skips(s, rows.skip);
  const auto row_of = [&](int64_t step) { return alpha + (keep ? step : step % 2) * size + 2; };
  for (int64_t i = 0; i < (keep ? 1 : 2) * size; ++i) alpha[i] = -infinity<T>;
  T* current = row_of(0);
  for (int64_t i = 0; i < 2 && i < s.count; ++i) current[i] = s.log_probs[s.states[i]];
  for (int64_t step = 1; step < s.steps; ++step) {
    const T* before = current;
    current = row_of(step);
    current[-2] = current[-1] = -infinity<T>;
    read_emitted(s, step, rows.emitted);
    for (int64_t i = 0; i < s.count; i += lanes<T>)
      store(current + i,
            log_sum<T>(load(before + i), load(before + i - 1), load(before + i - 2) + load(rows.skip + i)) +
                load(rows.emitted + i));
  }
  const T last = current[s.count - 1], label = current[s.count - 2];
  return -log_sum<T>(broadcast(last), broadcast(s.count > 1 ? label : -infinity<T>), broadcast(-infinity<T>))[0];
}

template <class T>
void backward(const CtcSequence<T>& s, const T* alpha, T loss, T weight, T* gradient, T* scratch) {
  const Rows<T> rows(scratch, s.count);
  const int64_t size = ctc_row(s.count);
  allow_skips(s, rows.skip);
  // `after` is log of the probability of all that follows a state and what it emits itself, a step later.
  T *after = rows.ring[0], *before = rows.ring[1];
  for (int64_t step = s.steps - 1; step >= 0; --step) {
    read_emitted(s, step, rows.emitted);
    const T* reached = alpha + step * size + 2;
    for (int64_t i = 0; i < s.count; i += lanes<T>) {
      Vec<T> follows;
      if (step == s.steps - 1) {  // only the last two states end a target
        for (int k = 0; k < lanes<T>; ++k)
          follows[k] = i + k == s.count - 1 || i + k == s.count - 2 ? T(0) : -infinity<T>;
      } else {
        follows = log_sum<T>(load(after + i), load(after + i + 1), load(after + i + 2) + load(rows.skip + i + 2));
      }
      store(rows.occupied + i, exp(load(reached + i) + follows + loss));
      store(before + i, follows + load(rows.emitted + i));
    }
    const T* probs = s.log_probs + step * s.stride;
    T* slopes = gradient + step * s.stride;
    map_row<T>(s.classes, [&](auto part) { part.put(slopes, weight * exp(part.of(probs, T(0)))); });
    T blank = 0;
    for (int64_t i = 0; i < s.count; i += 2) blank += rows.occupied[i];
    slopes[s.states[0]] -= weight * blank;
    for (int64_t i = 1; i < s.count; i += 2) slopes[s.states[i]] -= weight * rows.occupied[i];
    T* other = after;
    after = before;
    before = other;
  }
}

template <class T>
void fill_for(CtcFunctions<T>& k) {
  k.forward = forward<T>;
  k.backward = backward<T>;
}

}  // namespace

void fill(CtcKernels& k) {
  fill_for(k.float32);
  fill_for(k.float64);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
