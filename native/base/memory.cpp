#include "base/memory.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <string>
#include <utility>

#include "base/large_blocks.h"

#if defined(__SANITIZE_ADDRESS__)
#define ONDOL_CACHE_MEMORY 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONDOL_CACHE_MEMORY 0
#endif
#endif
#ifndef ONDOL_CACHE_MEMORY
#define ONDOL_CACHE_MEMORY 1
#endif

// Two caches. Small blocks come in size classes, and each thread keeps free lists of its own, so that a tensor of a few
// numbers costs no lock. Large blocks (from 256 KiB on) are shared by all threads; the system zeroes fresh pages on
// first touch, which costs more than most operations that write them, and reuse avoids that. Under AddressSanitizer
// nothing is cached, so that it sees every overrun and every use after release.

namespace ondol {

OutOfMemoryError::OutOfMemoryError(size_t bytes)
    : std::runtime_error("DefaultCPUAllocator: can't allocate memory: you tried to allocate " + std::to_string(bytes) +
                         " bytes. Error code 12 (Cannot allocate memory)"),
      bytes_(bytes) {}

namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kLargestSmall = 256 << 10;
constexpr size_t kLargestRequest = size_t{1} << 47;  // more than any address space has; keeps rounding from overflowing

/// Never destroyed: blocks are released until the very end of the process.
LargeBlocks& large_blocks() {
  static auto* blocks = new LargeBlocks;
  return *blocks;
}

// ---- Statistics

/// Bytes in use but for what the threads have not reported yet (ThreadCache::unreported).
std::atomic<int64_t> allocated_total{0};
std::atomic<int64_t> reserved_small{0};
std::atomic<int64_t> peak_total{0};

void add_allocated(int64_t bytes) {
  const int64_t now = allocated_total.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  int64_t peak = peak_total.load(std::memory_order_relaxed);
  while (now > peak && !peak_total.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
}

// ---- Small blocks

/// Four classes per doubling: 64, 128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, ...
constexpr int size_class(size_t bytes) {
  const size_t units = (bytes + kAlignment - 1) / kAlignment;  // 1 ... 4096
  if (units <= 4) return units == 0 ? 0 : static_cast<int>(units) - 1;
  const int doubling = std::bit_width(units - 1) - 3;  // 0 for 5 ... 8 units
  const size_t quarter = (units - 1) >> doubling;      // 4 ... 7
  return 4 * (doubling + 1) + static_cast<int>(quarter) - 4;
}
constexpr size_t class_bytes(int index) {
  if (index < 4) return (index + 1) * kAlignment;
  return (static_cast<size_t>(index % 4 + 5) << (index / 4 - 1)) * kAlignment;
}
constexpr int kClasses = size_class(kLargestSmall) + 1;
static_assert(class_bytes(kClasses - 1) == kLargestSmall && size_class(0) == 0 && size_class(513) == 8);

/// The free blocks of one class are a chain through their own first words.
struct FreeBlock {
  FreeBlock* next;
};

struct ThreadCache {
  static constexpr int64_t kBatch = 64 << 10;
  /// A class keeps at most this many bytes a thread, but always a few blocks.
  static constexpr size_t kMostBytes = 1 << 20;

  FreeBlock* first[kClasses] = {};
  uint32_t count[kClasses] = {};
  std::atomic<int64_t> unreported{0};  // written by its thread alone; memory_stats reads it
  ThreadCache* next_thread = nullptr;

  void count_bytes(int64_t bytes) {
    const int64_t sum = unreported.load(std::memory_order_relaxed) + bytes;
    if (sum > -kBatch && sum < kBatch) {
      unreported.store(sum, std::memory_order_relaxed);
    } else {
      unreported.store(0, std::memory_order_relaxed);
      add_allocated(sum);
    }
  }

  static constexpr uint32_t most_blocks(int index) {
    return static_cast<uint32_t>(std::clamp<size_t>(kMostBytes / class_bytes(index), 8, 1024));
  }

  void trim(int index, uint32_t keep) {
    while (count[index] > keep) {
      FreeBlock* block = first[index];
      first[index] = block->next;
      --count[index];
      std::free(block);
      reserved_small.fetch_sub(static_cast<int64_t>(class_bytes(index)), std::memory_order_relaxed);
    }
  }
};

std::mutex threads_mutex;
ThreadCache* first_thread = nullptr;

/// The thread's cache; null before its first use and after the thread's destructors have run. A plain pointer at a
/// fixed offset from the thread pointer: a thread_local object with a constructor costs a call per access in a shared
/// library.
#if defined(__linux__)
[[gnu::tls_model("initial-exec")]]
#endif
thread_local ThreadCache* cache_of_thread = nullptr;
thread_local bool thread_ends = false;

struct ThreadCacheOwner {
  ~ThreadCacheOwner() {
    ThreadCache* cache = std::exchange(cache_of_thread, nullptr);
    thread_ends = true;
    if (!cache) return;
    for (int i = 0; i < kClasses; ++i) cache->trim(i, 0);
    add_allocated(cache->unreported);
    std::lock_guard lock(threads_mutex);
    for (ThreadCache** link = &first_thread; *link; link = &(*link)->next_thread)
      if (*link == cache) {
        *link = cache->next_thread;
        break;
      }
    delete cache;
  }
};

void guard_forks() {
  // Only the forking thread lives on in the child, so it must hold the locks itself.
  static const int once = pthread_atfork(
      [] {
        threads_mutex.lock();
        large_blocks().mutex.lock();
      },
      [] {
        large_blocks().mutex.unlock();
        threads_mutex.unlock();
      },
      [] {
        large_blocks().mutex.unlock();
        threads_mutex.unlock();
      });
  (void)once;
}

/// Null in a thread that is ending.
[[gnu::noinline]] ThreadCache* make_thread_cache() {
  if (thread_ends) return nullptr;
  guard_forks();
  static thread_local ThreadCacheOwner owner;
  (void)&owner;
  auto* cache = new ThreadCache;
  std::lock_guard lock(threads_mutex);
  cache->next_thread = first_thread;
  first_thread = cache;
  return cache_of_thread = cache;
}

void* system_small(size_t bytes) {
  void* block = std::aligned_alloc(kAlignment, bytes);
  if (!block) {
    empty_cache();
    block = std::aligned_alloc(kAlignment, bytes);
    if (!block) throw OutOfMemoryError(bytes);
  }
  reserved_small.fetch_add(static_cast<int64_t>(bytes), std::memory_order_relaxed);
  return block;
}

[[gnu::noinline]] void* allocate_small_slowly(int index) {
  void* block = system_small(class_bytes(index));
  if (ThreadCache* cache = cache_of_thread ? cache_of_thread : make_thread_cache())
    cache->count_bytes(static_cast<int64_t>(class_bytes(index)));
  else
    add_allocated(static_cast<int64_t>(class_bytes(index)));
  return block;
}

[[gnu::noinline]] void release_small_in_ending_thread(void* block, int index) {
  std::free(block);
  reserved_small.fetch_sub(static_cast<int64_t>(class_bytes(index)), std::memory_order_relaxed);
  add_allocated(-static_cast<int64_t>(class_bytes(index)));
}

inline void* allocate_small(size_t bytes) {
  const int index = size_class(bytes);
  ThreadCache* cache = cache_of_thread;
  if (!cache || !cache->first[index]) [[unlikely]]
    return allocate_small_slowly(index);
  FreeBlock* block = cache->first[index];
  cache->first[index] = block->next;
  --cache->count[index];
  cache->count_bytes(static_cast<int64_t>(class_bytes(index)));
  return block;
}

inline void release_small(void* memory, size_t bytes) {
  const int index = size_class(bytes);
  ThreadCache* cache = cache_of_thread ? cache_of_thread : make_thread_cache();
  if (!cache) [[unlikely]]
    return release_small_in_ending_thread(memory, index);
  auto* block = static_cast<FreeBlock*>(memory);
  block->next = cache->first[index];
  cache->first[index] = block;
  cache->count_bytes(-static_cast<int64_t>(class_bytes(index)));
  const uint32_t most = ThreadCache::most_blocks(index);
  if (++cache->count[index] > most) [[unlikely]]
    cache->trim(index, most / 2);
}

}  // namespace

void* allocate(size_t bytes) {
  if (ONDOL_CACHE_MEMORY && bytes <= kLargestSmall) return allocate_small(bytes);
  if (bytes > kLargestRequest) throw OutOfMemoryError(bytes);
#if ONDOL_CACHE_MEMORY
  const size_t size = LargeBlocks::size_of(bytes);
  void* memory = large_blocks().allocate(bytes);
  if (!memory) throw OutOfMemoryError(bytes);
#else
  const size_t size = bytes;
  void* memory = nullptr;
  if (posix_memalign(&memory, kAlignment, std::max<size_t>(bytes, 1)) != 0) throw OutOfMemoryError(bytes);
  reserved_small.fetch_add(static_cast<int64_t>(size), std::memory_order_relaxed);
#endif
  add_allocated(static_cast<int64_t>(size));
  return memory;
}

void release(void* block, size_t bytes) noexcept {
  if (!block) return;
  if (ONDOL_CACHE_MEMORY && bytes <= kLargestSmall) return release_small(block, bytes);
#if ONDOL_CACHE_MEMORY
  const size_t size = LargeBlocks::size_of(bytes);
  large_blocks().release(block, bytes);
#else
  const size_t size = bytes;
  std::free(block);
  reserved_small.fetch_sub(static_cast<int64_t>(size), std::memory_order_relaxed);
#endif
  add_allocated(-static_cast<int64_t>(size));
}

void require_memory(int64_t count, size_t bytes) {
  size_t total = 0;
  if (__builtin_mul_overflow(static_cast<size_t>(count), bytes, &total)) total = SIZE_MAX;
  if (total <= kLargestSmall) return;
  void* volatile block = total > kLargestRequest ? nullptr : std::malloc(total);  // volatile: not to be optimized away
  if (!block) throw OutOfMemoryError(total);
  std::free(block);
}

MemoryStats memory_stats() {
  MemoryStats stats{};
  {
    std::lock_guard lock(threads_mutex);
    stats.allocated = allocated_total.load();
    for (const ThreadCache* cache = first_thread; cache; cache = cache->next_thread)
      stats.allocated += cache->unreported;
  }
  stats.reserved = reserved_small.load() + large_blocks().reserved();
  stats.peak = std::max(peak_total.load(), stats.allocated);
  return stats;
}

void reset_peak_memory() { peak_total = memory_stats().allocated; }

void empty_cache() {
  large_blocks().empty();
  if (ThreadCache* cache = cache_of_thread)
    for (int i = 0; i < kClasses; ++i) cache->trim(i, 0);
}

size_t cache_limit() { return large_blocks().limit(); }
void set_cache_limit(size_t bytes) { large_blocks().set_limit(bytes); }

}  // namespace ondol
