#pragma once

#include "tensor/tensor.h"

namespace ondol {

/// A tensor laid out for a kernel that reduces the middle of [outer, n, inner].
struct ReductionPlan {
  Tensor input;       // contiguous, without history
  Dims dims;          // that are reduced, wrapped; all of them if none were named
  Dims result_sizes;  // of the result, with or without the reduced dimensions
  Dims kept_sizes;    // with the reduced dimensions as ones
  int64_t outer = 1, n = 1, inner = 1;
};
ReductionPlan plan_reduction(const Tensor& self, const Dims& dims, bool keepdim);

}  // namespace ondol
