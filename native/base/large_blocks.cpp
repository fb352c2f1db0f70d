#include "base/large_blocks.h"

#include <sys/mman.h>

#include <algorithm>
#include <iterator>

#include "base/system_limits.h"

namespace ondol {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kLeast = 4 << 20;  // that is mapped at a time

}  // namespace

size_t LargeBlocks::size_of(size_t bytes) { return round_up(std::max<size_t>(bytes, 1), kPage); }

void* LargeBlocks::allocate(size_t bytes) {
  const size_t size = size_of(bytes);
  std::lock_guard lock(mutex);
  auto fit = free_by_size_.lower_bound({size, nullptr});
  if (fit == free_by_size_.end()) {
    if (!grow(size)) {
      evict(0);
      if (!grow(size)) return nullptr;
    }
    fit = free_by_size_.lower_bound({size, nullptr});
  }
  const auto [range_size, begin] = *fit;
  remove_free(free_.find(begin));
  // Its end, so that what is left of the lowest range can grow.
  if (range_size > size) add_free(begin, range_size - size);
  live_bytes_ += size;
  return begin + range_size - size;
}

/// Maps memory until there is a free range of `size`: what the lowest one lacks, if it is where memory grows.
bool LargeBlocks::grow(size_t size) {
  const bool joins = !free_.empty() && free_.begin()->first == addresses_.edge();
  size_t lacks =
      joins ? round_up(size - free_.begin()->second, kHugePage) : round_up(std::max(size, kLeast), kHugePage);
  if (lacks > addresses_.room()) {
    lacks = round_up(std::max(size, kLeast), kHugePage);
    if (!addresses_.move(lacks)) return false;
  }
  char* begin = addresses_.map(lacks);
  if (begin) add_free(begin, lacks);
  return begin != nullptr;
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
