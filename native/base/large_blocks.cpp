#include "base/large_blocks.h"

#include <sys/mman.h>

#include <algorithm>
#include <iterator>

#include "base/system_limits.h"

namespace ondol {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kHugePage = 2 << 20;
constexpr size_t kSegment = 4 << 20;  // least that is mapped at a time

constexpr size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

/// `size` bytes of memory, a multiple of 2 MiB as their address is, so that huge pages can back them: those cost one
/// page fault where small ones cost 512.
char* map(size_t size) {
  void* start = mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  auto* begin = static_cast<char*>(start);
  char* end = begin + size + kHugePage;
  // The last place that fits. Linux maps downwards, so that it most often ends where the segment before begins, and the
  // free ranges of both can join.
  auto* aligned = reinterpret_cast<char*>(reinterpret_cast<uintptr_t>(end) / kHugePage * kHugePage) - size;
  if (aligned != begin) munmap(begin, aligned - begin);
  if (aligned + size != end) munmap(aligned + size, end - (aligned + size));
#if defined(MADV_HUGEPAGE)
  madvise(aligned, size, MADV_HUGEPAGE);  // advice: without huge pages all is well, only slower
#endif
  return aligned;
}

}  // namespace

size_t LargeBlocks::size_of(size_t bytes) { return round_up(std::max<size_t>(bytes, 1), kPage); }

void* LargeBlocks::allocate(size_t bytes) {
  const size_t size = size_of(bytes);
  std::lock_guard lock(mutex);
  auto fit = free_by_size_.lower_bound({size, nullptr});
  if (fit == free_by_size_.end()) {
    const size_t segment = round_up(std::max(size, kSegment), kHugePage);
    char* begin = map(segment);
    if (!begin) {
      evict(0);
      begin = map(segment);
      if (!begin) return nullptr;
    }
    add_free(begin, segment);
    fit = free_by_size_.lower_bound({size, nullptr});
  }
  const auto [range_size, begin] = *fit;
  remove_free(free_.find(begin));
  if (range_size > size) add_free(begin + size, range_size - size);
  live_bytes_ += size;
  return begin;
}

void LargeBlocks::release(void* memory, size_t bytes) noexcept {
  const size_t size = size_of(bytes);
  std::lock_guard lock(mutex);
  live_bytes_ -= size;
  add_free(static_cast<char*>(memory), size);
  if (free_bytes_ > limit_locked()) evict(limit_);
}

/// Adds a free range, joined with those beside it.
void LargeBlocks::add_free(char* begin, size_t size) {
  auto after = free_.lower_bound(begin);
  if (after != free_.end() && begin + size == after->first) {
    size += after->second;
    remove_free(after++);
  }
  if (after != free_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == begin) {
      begin = before->first;
      size += before->second;
      remove_free(before);
    }
  }
  free_.emplace(begin, size);
  free_by_size_.emplace(size, begin);
  free_bytes_ += size;
}

void LargeBlocks::remove_free(Ranges::iterator range) {
  free_by_size_.erase({range->second, range->first});
  free_bytes_ -= range->second;
  free_.erase(range);
}

/// Returns the largest free ranges to the system until no more than `keep` bytes are free.
void LargeBlocks::evict(size_t keep) noexcept {
  while (free_bytes_ > keep) {
    const auto [size, begin] = *std::prev(free_by_size_.end());
    remove_free(free_.find(begin));
    munmap(begin, size);
  }
}

void LargeBlocks::empty() noexcept {
  std::lock_guard lock(mutex);
  evict(0);
}

size_t LargeBlocks::limit_locked() {
  if (!limit_is_set_) {
    limit_ = available_memory() / 4;
    limit_is_set_ = true;
  }
  return limit_;
}

size_t LargeBlocks::limit() {
  std::lock_guard lock(mutex);
  return limit_locked();
}

void LargeBlocks::set_limit(size_t bytes) {
  std::lock_guard lock(mutex);
  limit_ = bytes;
  limit_is_set_ = true;
  evict(bytes);
}

int64_t LargeBlocks::reserved() {
  std::lock_guard lock(mutex);
  return static_cast<int64_t>(free_bytes_ + live_bytes_);
}

}  // namespace ondol
