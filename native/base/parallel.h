#pragma once

#include <cstdint>
#include <type_traits>

namespace ondol {

/// The number of threads that work on one operation (the calling one included).
int num_threads();
void set_num_threads(int n);
/// Whether this thread is inside a parallel region: a nested one runs on the calling thread alone.
bool in_parallel_region();

using RangeFunction = void (*)(void* context, int64_t begin, int64_t end);

/// Calls function(context, begin, end) for consecutive ranges that cover [0, n), at most one range a thread and none
/// shorter than `grain` unless it is the only one. The partition depends on n, grain and num_threads alone. An
/// exception from any range is rethrown in the caller.
void parallel_ranges(int64_t n, int64_t grain, RangeFunction function, void* context);

template <class F>
inline void parallel_for(int64_t n, int64_t grain, F&& f) {
  parallel_ranges(
      n, grain,
      [](void* context, int64_t begin, int64_t end) {
        (*static_cast<std::remove_reference_t<F>*>(context))(begin, end);
      },
      &f);
}

/// How many items a range needs before another thread is worth waking for the next, where `work` elements are and an
/// item has the product of `sizes`, which may be any that a tensor without elements has: the product stops at the
/// largest number.
template <class... Size>
constexpr int64_t grain_for(int64_t work, Size... sizes) {
  int64_t each = 1;
  const auto multiply = [&](int64_t size) {
    if (__builtin_mul_overflow(each, size, &each)) each = INT64_MAX;
  };
  (multiply(sizes), ...);
  return 1 + work / (each > 1 ? each : 1);
}

using PhaseFunction = void (*)(void* context, int64_t phase, int part);

/// Calls function(context, phase, part) for every part of phase 0, then for every part of phase 1, and so on: each
/// phase sees what all parts of the ones before it wrote. Threads are woken once for all phases, and a thread keeps its
/// part, and so what of it lies in its cache, unless another one has to step in. `function` must not throw.
void parallel_phase_ranges(int64_t phases, int parts, PhaseFunction function, void* context);

template <class F>
inline void parallel_phases(int64_t phases, int parts, F&& f) {
  parallel_phase_ranges(
      phases, parts,
      [](void* context, int64_t phase, int part) { (*static_cast<std::remove_reference_t<F>*>(context))(phase, part); },
      &f);
}

}  // namespace ondol
