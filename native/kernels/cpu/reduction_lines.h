#pragma once

#include <cstdint>

namespace ondol::kernel {

/// A contiguous tensor seen as [outer, n, inner]: outer * inner lines of n elements that lie `inner` elements apart.
/// Reducing or scanning along the last axis has inner == 1, over the whole tensor outer == inner == 1.
struct Lines {
  int64_t outer;
  int64_t n;
  int64_t inner;

  /// Whether there is nothing to do; n may then be any number, too large to compute with.
  bool are_none() const { return outer == 0 || inner == 0; }
  /// Whether there is nothing to read; there may then be any number of lines.
  bool are_empty() const { return n == 0 || are_none(); }
};

}  // namespace ondol::kernel
