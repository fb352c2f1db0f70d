#pragma once

#include "kernels/table.h"
#include "ops/element_type.h"
#include "ops/functions.h"
#include "tensor/launch.h"
#include "tensor/tensor.h"

namespace ondol {

/// A tensor laid out for a kernel that reduces the middle of [outer, n, inner].
struct ReductionPlan {
  Tensor input;       // contiguous, without history
  Dims dims;          // that are reduced, wrapped; all of them if none were named
  Dims result_sizes;  // of the result, with or without the reduced dimensions
  Dims kept_sizes;    // with the reduced dimensions as ones
  int64_t outer = 1, n = 1, inner = 1;

  kernel::Lines lines() const { return {outer, n, inner}; }
};
ReductionPlan plan_reduction(const Tensor& self, const Dims& dims, bool keepdim);

/// The middle of [outer, n, inner] that dimension `dim` of a contiguous tensor is.
inline kernel::Lines lines_along(const Dims& sizes, int64_t dim) {
  kernel::Lines lines{1, 1, 1};
  for (int64_t i = 0; i < sizes.ssize(); ++i) (i < dim ? lines.outer : i == dim ? lines.n : lines.inner) *= sizes[i];
  return lines;
}

/// The dtype in which kernels reduce: int64 for integers and bool, float for halves.
constexpr Dtype reduction_dtype(Dtype dtype) {
  if (is_float8(dtype))
    not_implemented("this operation is not implemented for '", torch_name(dtype), "'; convert to float32 first");
  if (is_integral(dtype)) return Dtype::I64;
  return dtype == Dtype::F64 ? Dtype::F64 : Dtype::F32;
}

/// Raises NotImplementedError for complex numbers, which have no order.
inline void check_has_order(const char* operation, Dtype dtype) {
  if (is_complex(dtype))
    not_implemented('"', operation, "\" not implemented for '", torch_name(dtype), "': complex numbers have no order");
  if (dtype == Dtype::U64)  // kernels order signed numbers
    not_implemented('"', operation, "\" not implemented for 'UInt64'; convert to int64 or float64 first");
}

template <class T>
const auto& reductions() {
  if constexpr (std::is_same_v<T, float>)
    return kernel::table().reduction.float32;
  else if constexpr (std::is_same_v<T, double>)
    return kernel::table().reduction.float64;
  else
    return kernel::table().reduction.int64;
}

template <class F>
void visit_floating(Dtype compute, F&& f) {
  if (compute == Dtype::F64)
    f(TypeTag<double>());
  else if (compute == Dtype::F32)
    f(TypeTag<float>());
  else
    not_implemented("this operation is not implemented for '", torch_name(compute), "'; convert the tensor first");
}
template <class F>
void visit_reduced(Dtype compute, F&& f) {
  if (compute == Dtype::I64)
    f(TypeTag<int64_t>());
  else
    visit_floating(compute, f);
}

/// Every line of the plan by the kernel that `pick` takes from the table, in dtype `compute`, which stays that of the
/// result.
template <class Pick>
Tensor reduce_lines(const ReductionPlan& plan, Dtype compute, Pick pick) {
  Tensor input = to_dtype(plan.input, compute), result = empty(plan.result_sizes, compute);
  launch({{&input}, {&result}}, input.numel(), [&] {
    visit_reduced(compute, [&](auto tag) {
      using T = typename decltype(tag)::type;
      pick(reductions<T>())(input.data<T>(), result.data<T>(), plan.lines());
    });
  });
  return result;
}
/// The elements as numbers of T, two for a complex one; `data<T>()` would count the offset of a view in those.
template <class T>
T* parts(const Tensor& tensor) {
  return reinterpret_cast<T*>(tensor.bytes());
}

/// The same for kernels that only floating dtypes have. Complex numbers are reduced as pairs.
template <class Pick>
Tensor reduce_floating_lines(const ReductionPlan& plan, Dtype compute, Pick pick) {
  Tensor input = to_dtype(plan.input, compute), result = empty(plan.result_sizes, compute);
  kernel::Lines lines = plan.lines();
  if (is_complex(compute)) lines.inner *= 2;
  launch({{&input}, {&result}}, input.numel(), [&] {
    visit_floating(to_real(compute), [&](auto tag) {
      using T = typename decltype(tag)::type;
      pick(reductions<T>())(parts<T>(input), parts<T>(result), lines);
    });
  });
  return result;
}

/// Raises PyTorch's IndexError if a reduction without a value for nothing meets an empty dimension.
void check_not_empty(const char* operation, const Tensor& self, const Dims& dims);
/// How many elements each line of a reduction has.
int64_t reduced_count(const Tensor& self, const Dims& dims);

}  // namespace ondol
