#include "base/large_blocks.h"

#include <sys/mman.h>

#include <cstdlib>
#include <iterator>

#include "base/system_limits.h"

namespace ondol {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kHugePage = 2 << 20;

constexpr size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

/// Pages of the system, from an address that is a multiple of 2 MiB if they are many, so that huge pages can back them:
/// those cost one page fault where small ones cost 512.
void* map(size_t size) {
  const size_t slack = size >= kHugePage ? kHugePage : 0;
  void* start = mmap(nullptr, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  if (slack == 0) return start;
  auto* begin = static_cast<char*>(start);
  auto* aligned = reinterpret_cast<char*>(round_up(reinterpret_cast<uintptr_t>(begin), kHugePage));
  if (aligned != begin) munmap(begin, aligned - begin);
  if (aligned != begin + slack) munmap(aligned + size, begin + slack - aligned);
#if defined(MADV_HUGEPAGE)
  madvise(aligned, size, MADV_HUGEPAGE);  // advice: without huge pages all is well, only slower
#endif
  return aligned;
}

}  // namespace

void* LargeBlocks::allocate(size_t bytes, size_t& size) {
  std::unique_lock lock(mutex);
  auto fit = unused_by_size_.lower_bound(bytes);
  if (fit != unused_by_size_.end() && fit->first - bytes <= fit->first / 4) {
    // Of equal blocks the one released last: the processor's caches may still hold it.
    fit = std::prev(unused_by_size_.upper_bound(fit->first));
    const Block block = *fit->second;
    live_.emplace(block.memory, block);
    unused_.erase(fit->second);
    unused_by_size_.erase(fit);
    unused_bytes_ -= block.size;
    live_bytes_ += block.size;
    size = block.size;
    return block.memory;
  }
  size = round_up(bytes, kPage);
  void* memory = map(size);
  if (!memory) {
    evict(0);
    memory = map(size);
    if (!memory) return nullptr;
  }
  live_.emplace(memory, Block{memory, size});
  live_bytes_ += size;
  return memory;
}

size_t LargeBlocks::release(void* memory) noexcept {
  std::lock_guard lock(mutex);
  const auto found = live_.find(memory);
  if (found == live_.end()) std::abort();  // not a block of ours: a bug that must not go on to corrupt memory
  const Block block = found->second;
  live_.erase(found);
  live_bytes_ -= block.size;
  if (block.size > limit_locked()) {
    munmap(block.memory, block.size);
    return block.size;
  }
  evict(limit_locked() - block.size);
  unused_.push_back(block);
  unused_by_size_.emplace(block.size, std::prev(unused_.end()));
  unused_bytes_ += block.size;
  return block.size;
}

void LargeBlocks::evict(size_t keep) noexcept {
  while (unused_bytes_ > keep) {
    const Block block = unused_.front();
    auto [first, last] = unused_by_size_.equal_range(block.size);
    while (first != last && first->second != unused_.begin()) ++first;
    unused_by_size_.erase(first);
    unused_.pop_front();
    unused_bytes_ -= block.size;
    munmap(block.memory, block.size);
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
  return static_cast<int64_t>(unused_bytes_ + live_bytes_);
}

}  // namespace ondol
