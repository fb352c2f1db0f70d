#pragma once

// What operations that sort share.

#include "ops/reduction.h"

namespace ondol {

/// The dtype in which kernels sort: bytes and bool as they are, other integers as int64, halves as float.
inline Dtype sort_dtype(Dtype dtype) {
  check_has_order("sort", dtype);
  return dtype == Dtype::Bool || dtype == Dtype::U8 ? dtype : reduction_dtype(dtype);
}

/// f(kernels, TypeTag) for a dtype that sort_dtype gives.
template <class F>
void visit_sorted(Dtype dtype, F&& f) {
  const kernel::SortKernels& kernels = kernel::table().sort;
  switch (dtype) {
    case Dtype::F32:
      return f(kernels.float32, TypeTag<float>());
    case Dtype::F64:
      return f(kernels.float64, TypeTag<double>());
    case Dtype::I64:
      return f(kernels.int64, TypeTag<int64_t>());
    default:
      return f(kernels.uint8, TypeTag<uint8_t>());
  }
}

/// Positions in a line are kept in 32 bits while it is sorted.
inline void check_sortable(int64_t n) {
  if (n >= int64_t{1} << 32) runtime_error("a line of ", n, " elements is too long to be sorted: at most 2^32 - 1");
}

/// The k-th smallest (from 1) of each line and its position.
std::pair<Tensor, Tensor> kth_of_lines(const ReductionPlan& plan, Dtype dtype, int64_t k);

/// Values and positions; equal elements keep their order.
std::tuple<Tensor, Tensor> sort(const Tensor& self, int64_t dim, bool descending);

}  // namespace ondol
