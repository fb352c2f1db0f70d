#include "base/address_space.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>

#include "base/system_limits.h"

namespace ondol {
namespace {

/// How many addresses to take: as many as there is memory, for they cost nothing, unless they are limited.
size_t generous_size() {
  rlimit addresses;
  const bool limited = getrlimit(RLIMIT_AS, &addresses) != 0 || addresses.rlim_cur != RLIM_INFINITY;
  return limited ? 0 : round_up(available_memory(), kHugePage);
}

}  // namespace

bool AddressSpace::move(size_t size) {
  const auto take = [&](size_t bytes) {
    void* start = mmap(nullptr, bytes + kHugePage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return false;
    if (room()) munmap(begin_, room());
    char *first = static_cast<char*>(start), *last = first + bytes + kHugePage;
    edge_ = reinterpret_cast<char*>(reinterpret_cast<uintptr_t>(last) / kHugePage * kHugePage);
    begin_ = edge_ - bytes;
    if (begin_ != first) munmap(first, static_cast<size_t>(begin_ - first));
    if (edge_ != last) munmap(edge_, static_cast<size_t>(last - edge_));
    return true;
  };
  const size_t generous = generous_size();
  return (generous > size && take(generous)) || take(size);
}

char* AddressSpace::map(size_t size) {
  char* begin = edge_ - size;
  if (mprotect(begin, size, PROT_READ | PROT_WRITE) != 0) return nullptr;
#if defined(MADV_HUGEPAGE)
  madvise(begin, size, MADV_HUGEPAGE);  // advice: without huge pages all is well, only slower
#endif
  return edge_ = begin;
}

}  // namespace ondol
