#pragma once

#include "kernels/cpu/level.h"

namespace ondol {
// base/memory.h, of which a kernel can include nothing else: blocks of 64 bytes' alignment, kept for the next call.
[[nodiscard]] void* allocate(size_t bytes);
void release(void* block, size_t bytes) noexcept;
}  // namespace ondol

namespace ondol::kernel::ONDOL_LEVEL {

/// Uninitialised memory of one kernel call, aligned to a cache line.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t n)
      : bytes_(static_cast<size_t>(n > 0 ? n : 1) * sizeof(T)), data_(static_cast<T*>(allocate(bytes_))) {}
  ~Scratch() { release(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* get() const { return data_; }

 private:
  size_t bytes_;
  T* data_;
};

}  // namespace ondol::kernel::ONDOL_LEVEL
