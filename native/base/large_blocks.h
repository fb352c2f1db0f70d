#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "base/address_space.h"

namespace ondol {

/// The heap of large memory blocks, shared by all threads. A block is cut from the smallest free range of mapped memory
/// that holds it; a released one joins the free ranges beside it and stays mapped for the next requests, of whatever
/// size. Over the limit, free ranges go back to the system. (Best fit wastes little: Johnstone and Wilson 1998. In
/// training steps of the benchmarks' models it takes 1 to 10 % more than is in use at the peak.)
class LargeBlocks {
 public:
  /// Null if the system has no more memory.
  void* allocate(size_t bytes);
  /// `bytes` is what was asked of allocate.
  void release(void* memory, size_t bytes) noexcept;
  /// Returns all free ranges to the system.
  void empty() noexcept;

  /// What a block for `bytes` takes.
  static size_t size_of(size_t bytes);

  size_t limit();
  void set_limit(size_t bytes);
  /// Bytes in use or free for reuse.
  int64_t reserved();

  /// Held over a fork, so that the child finds the heap whole.
  std::mutex mutex;

 private:
  using Ranges = std::map<char*, size_t>;  // begin and size

  bool grow(size_t size);
  void add_free(char* begin, size_t size);
  void remove_free(Ranges::iterator range);
  void evict(size_t keep) noexcept;
  size_t limit_locked();

  AddressSpace addresses_;
  Ranges free_;
  std::set<std::pair<size_t, char*>> free_by_size_;
  size_t free_bytes_ = 0, live_bytes_ = 0;
  size_t limit_ = 0;
  bool limit_is_set_ = false;
};

}  // namespace ondol
