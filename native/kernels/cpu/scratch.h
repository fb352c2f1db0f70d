#pragma once

#include <new>

#include "kernels/cpu/level.h"

namespace ondol::kernel::ONDOL_LEVEL {

/// Uninitialised memory of one kernel call, aligned to a cache line.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t n)
      : data_(static_cast<T*>(::operator new(static_cast<size_t>(n > 0 ? n : 1) * sizeof(T), alignment))) {}
  ~Scratch() { ::operator delete(data_, alignment); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* get() const { return data_; }

 private:
  static constexpr std::align_val_t alignment{64};
  T* data_;
};

}  // namespace ondol::kernel::ONDOL_LEVEL
