#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace ondol {

/// Memory could not be had, after the cached blocks were given back.
class OutOfMemoryError : public std::runtime_error {
 public:
  explicit OutOfMemoryError(size_t bytes);
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_;
};

/// A block of at least `bytes` bytes, 64-byte aligned, contents undefined; never null, also for zero bytes.
/// Throws OutOfMemoryError.
[[nodiscard]] void* allocate(size_t bytes);
/// Gives a block back to the cache; `bytes` is what was asked of allocate. Null is allowed. Any thread may call it.
void release(void* block, size_t bytes) noexcept;

/// Throws OutOfMemoryError unless `count` times `bytes` could be had now: to refuse at once what would end halfway.
void require_memory(int64_t count, size_t bytes);

/// An empty list with room for `count` elements, if there is memory for so many things of `bytes` bytes.
template <class T>
std::vector<T> list_with_room(int64_t count, size_t bytes = sizeof(T)) {
  require_memory(count, bytes);
  std::vector<T> list;
  list.reserve(static_cast<size_t>(count));
  return list;
}

struct MemoryStats {
  int64_t allocated;  ///< bytes in use, rounded up to the sizes in which blocks are kept
  int64_t reserved;   ///< bytes in use or cached
  /// The largest `allocated` since the start or the last reset. Threads report small blocks in batches, so it may be
  /// short by up to 64 KiB a thread.
  int64_t peak;
};
MemoryStats memory_stats();
void reset_peak_memory();

/// Returns the cached blocks to the system: the large ones, and the small ones of the calling thread.
void empty_cache();
/// The most bytes of large blocks that are kept for reuse; by default a quarter of the memory of the machine or its
/// cgroup.
size_t cache_limit();
void set_cache_limit(size_t bytes);

}  // namespace ondol
