#pragma once

#include <array>
#include <cstddef>
#include <new>

namespace ondol {

/// Memory of objects that come and go with every operation, kept by size for the next one. Guarded by Python's
/// interpreter lock, as the counts of their owners are.
template <size_t kBytes>
class Recycler {
 public:
  static void* take() { return kept_ ? slots_[--kept_] : ::operator new(kBytes); }
  static void give(void* memory) {
    if (kept_ < kMost)
      slots_[kept_++] = memory;
    else
      ::operator delete(memory);
  }

 private:
#if defined(__SANITIZE_ADDRESS__)
  static constexpr size_t kMost = 0;  // the sanitizer must see every use after release
#else
  static constexpr size_t kMost = 512;
#endif
  static inline std::array<void*, kMost + 1> slots_;
  static inline size_t kept_ = 0;
};

}  // namespace ondol
