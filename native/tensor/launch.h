#pragma once

#include <initializer_list>

#include "tensor/tensor.h"

namespace ondol {

/// Lets go of Python's interpreter lock for as long as it lives, if the bindings said how. No Tensor may be copied or
/// dropped meanwhile.
class WithoutInterpreter {
 public:
  explicit WithoutInterpreter(bool wanted) : state_(wanted && unlock ? unlock() : nullptr) {}
  ~WithoutInterpreter() {
    if (state_) lock(state_);
  }
  WithoutInterpreter(const WithoutInterpreter&) = delete;

  static inline void* (*unlock)() = nullptr;
  static inline void (*lock)(void*) = nullptr;

 private:
  void* state_;
};

/// What a kernel reads and writes.
struct Access {
  std::initializer_list<const Tensor*> reads;
  std::initializer_list<const Tensor*> writes;
};

/// The one door to the hardware: every kernel runs through here. `work` is about the number of elementary operations;
/// what is not tiny runs without the interpreter lock.
template <class Kernel>
inline void launch([[maybe_unused]] const Access& access, int64_t work, Kernel&& kernel) {
  constexpr int64_t kWorthUnlocking = 100'000;
  WithoutInterpreter unlocked(work >= kWorthUnlocking);
  kernel();
}

}  // namespace ondol
