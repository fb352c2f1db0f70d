#pragma once

#include <span>

#include "kernels/formula_table.h"
#include "tensor/tensor.h"

namespace ondol {

/// A formula that is applied element by element, with a loop for each type it computes in (null: not defined there).
/// float16 and bfloat16 compute in float, all integers and bool in int64 (bool and uint8 in bytes, if the formula can),
/// both complex dtypes in complex128.
struct Pointwise {
  const char* name = "";
  bool predicate = false;    // the loops write bool
  bool real_result = false;  // the complex loop writes double
  PointwiseLoop f32 = nullptr;
  PointwiseLoop f64 = nullptr;
  PointwiseLoop i64 = nullptr;
  PointwiseLoop c128 = nullptr;
  PointwiseLoop u8 = nullptr;
};

/// The formula of that name, with the loops of the instruction set in use; aborts loading if there is none.
Pointwise formula(const char* name);

/// The dtype that PyTorch's promotion gives these tensors: dimensions count before 0-d tensors, those before Python
/// numbers.
Dtype promote(std::span<const Tensor> tensors);
Dtype promote(Dtype a, Dtype b);
/// As promote, with integers and bool turned into the default floating dtype.
Dtype promote_to_floating(std::span<const Tensor> tensors);
/// Whether a result of dtype `from` may be written into a tensor of dtype `to`: not float into int, not complex into
/// real.
bool can_cast(Dtype from, Dtype to);

/// Applies the formula to operands that broadcast against each other, each converted to `compute`; the result has dtype
/// `result` (bool for a predicate). With `out`, writes there: its shape must be the broadcast one.
Tensor evaluate(const Pointwise& formula, std::span<const Tensor> operands, Dtype compute, Dtype result,
                const Tensor& out = {}, const double* parameters = nullptr);

/// Copies and converts `source`, broadcast, into `target`.
void copy_elements(const Tensor& source, const Tensor& target);

}  // namespace ondol
