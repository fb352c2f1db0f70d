#pragma once

#include <cstddef>

namespace ondol {

constexpr size_t kHugePage = 2 << 20;

constexpr size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

/// Addresses that nothing else in the process gets, so that memory mapped one time after another lies side by side and
/// can serve larger blocks than were mapped at a time. Memory is mapped from the end down. Sizes and addresses are
/// multiples of 2 MiB, so that huge pages can back them: those cost one page fault where small ones cost 512.
class AddressSpace {
 public:
  /// Where the memory mapped last begins, and that mapped next ends.
  char* edge() const { return edge_; }
  /// The bytes that can still be mapped below the edge.
  size_t room() const { return static_cast<size_t>(edge_ - begin_); }

  /// Turns to other addresses, with room for `size` bytes at least; false if the system has none.
  bool move(size_t size);
  /// Maps `size` bytes below the edge, no more than there is room for; null if the system has no memory.
  char* map(size_t size);

 private:
  char *begin_ = nullptr, *edge_ = nullptr;
};

}  // namespace ondol
