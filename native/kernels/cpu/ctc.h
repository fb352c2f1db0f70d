#pragma once

#include <cstdint>

namespace ondol::kernel {

/// One sequence of connectionist temporal classification: its log probabilities, and the chain of states that spells
/// the target, blank, y1, blank, y2, ..., blank.
template <class T>
struct CtcSequence {
  const T* log_probs;     // [steps, classes], the steps `stride` apart
  int64_t stride, steps;  // steps > 0
  const int64_t* states;  // the class of each
  int64_t count;          // of states, 2 * length of the target + 1
  int64_t classes;
};

/// How many numbers a row of `count` states takes: the kernels read and write whole vectors around it.
inline constexpr int64_t ctc_row(int64_t count) { return count + 2 + 2 * 16; }
/// How many numbers the scratch memory of one sequence holds.
inline constexpr int64_t ctc_scratch(int64_t count) { return 5 * ctc_row(count); }

template <class T>
struct CtcFunctions {
  /// -log of the target's probability. `alpha` gets a row for each step, log of the probability of all ways that lead
  /// to each state; if those are not kept it has room for two.
  T (*forward)(const CtcSequence<T>&, T* alpha, bool keep, T* scratch);
  /// The slopes of a finite loss, times `weight`: exp(log_probs) less the probability that a step emits the class. A
  /// row of `gradient` for each step, `stride` apart.
  void (*backward)(const CtcSequence<T>&, const T* alpha, T loss, T weight, T* gradient, T* scratch);
};

struct CtcKernels {
  CtcFunctions<float> float32;
  CtcFunctions<double> float64;
};

}  // namespace ondol::kernel
