#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <unordered_map>

namespace ondol {

/// The cache of large memory blocks, shared by all threads. A released block is kept, and given to the next request
/// that it fits with at most a quarter of the block wasted; over the limit, those that were unused longest go back to
/// the system.
class LargeBlocks {
 public:
  /// Null if the system has no more memory. `size` becomes the size of the block.
  void* allocate(size_t bytes, size_t& size);
  /// Returns the size of the block.
  size_t release(void* memory) noexcept;
  void empty() noexcept;

  size_t limit();
  void set_limit(size_t bytes);
  /// Bytes in use or cached.
  int64_t reserved();

  /// Held over a fork, so that the child finds the cache whole.
  std::mutex mutex;

 private:
  struct Block {
    void* memory;
    size_t size;
  };
  using Age = std::list<Block>;  // the longest unused first

  void evict(size_t keep) noexcept;
  size_t limit_locked();

  std::unordered_map<void*, Block> live_;
  Age unused_;
  std::multimap<size_t, Age::iterator> unused_by_size_;
  size_t unused_bytes_ = 0, live_bytes_ = 0;
  size_t limit_ = 0;
  bool limit_is_set_ = false;
};

}  // namespace ondol
