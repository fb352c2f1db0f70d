#pragma once

// What gather, scatter and their relatives share: an index of shape [outer, n, inner] whose elements choose positions
// along one dimension of a tensor that may be larger in the other dimensions.

#include <vector>

#include "ops/element_type.h"
#include "tensor/tensor.h"

namespace ondol {

/// The index laid out for the loops.
struct IndexLines {
  Tensor index;  // int64, contiguous
  const int64_t* at = nullptr;
  Dims sizes;
  int64_t dim = 0;
  int64_t outer = 1, n = 1, inner = 1;

  /// How many columns of `inner` one task of a scatter takes: tasks never write the same element, and each walks its
  /// columns in order, so that this is free to depend on the number of threads.
  int64_t block() const;
};

/// Where element (o, k, j) of the index meets a tensor: outer[o] + inner[j], and `step` for each position along the
/// dimension.
struct LineOffsets {
  std::vector<int64_t> outer, inner;
  int64_t step = 0;
};

/// Checks dtype, rank and sizes of an index against `self` in the words of the operation; a 0-d tensor counts as 1-d.
IndexLines index_lines(const char* operation, const Tensor& self, int64_t dim, const Tensor& index);
/// Whether all positions are in [0, size).
bool all_inside(const int64_t* at, int64_t count, int64_t size);
/// Raises unless 0 <= index < size for all of it.
void check_index_range(const IndexLines& lines, int64_t size);
/// For a tensor with at least the index's sizes.
LineOffsets line_offsets(const Tensor& tensor, const IndexLines& lines);

/// The offsets of all positions in the dimensions [begin, end), in row-major order.
std::vector<int64_t> all_offsets(const Dims& sizes, const Dims& strides, int64_t begin, int64_t end);

/// A 1-d view of a 0-d tensor.
Tensor at_least_1d(const Tensor& tensor);

/// How elements that meet at one position are put together.
enum class Combine { Replace, Sum, Product, Mean, Largest, Smallest };

/// int64, contiguous, without history; raises if it is not of an integer type that may index.
Tensor as_positions(const char* operation, const Tensor& index);

}  // namespace ondol
