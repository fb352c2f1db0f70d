#pragma once

// What the files of this folder share: from operands to a result, promotion included.

#include "ops/functions.h"
#include "ops/registry.h"
#include "tensor/pointwise.h"

namespace ondol {

/// The formula with a loop for complex numbers, which are too rare for vector code: a function of one or two c128.
template <class F>
PointwiseLoop complex_loop(F) {
  if constexpr (std::is_invocable_v<F, c128>) {
    return [](const void* const* in, const bool*, void* out, int64_t n, const double*) {
      auto* x = static_cast<const c128*>(in[0]);
      using R = std::invoke_result_t<F, c128>;
      for (int64_t i = 0; i < n; ++i) static_cast<R*>(out)[i] = F{}(x[i]);
    };
  } else if constexpr (std::is_invocable_v<F, c128, c128>) {
    return [](const void* const* in, const bool* scalar, void* out, int64_t n, const double*) {
      auto *a = static_cast<const c128*>(in[0]), *b = static_cast<const c128*>(in[1]);
      using R = std::invoke_result_t<F, c128, c128>;
      for (int64_t i = 0; i < n; ++i) static_cast<R*>(out)[i] = F{}(a[scalar[0] ? 0 : i], b[scalar[1] ? 0 : i]);
    };
  } else {
    return [](const void* const* in, const bool* scalar, void* out, int64_t n, const double*) {
      auto *a = static_cast<const c128*>(in[0]), *b = static_cast<const c128*>(in[1]), *c = static_cast<const c128*>(in[2]);
      using R = std::invoke_result_t<F, c128, c128, c128>;
      for (int64_t i = 0; i < n; ++i)
        static_cast<R*>(out)[i] = F{}(a[scalar[0] ? 0 : i], b[scalar[1] ? 0 : i], c[scalar[2] ? 0 : i]);
    };
  }
}
template <class F>
Pointwise with_complex(Pointwise formula, F function) {
  formula.c128 = complex_loop(function);
  return formula;
}

/// Evaluates into fresh memory, or into the tensor that an in-place call is changing.
inline Tensor evaluate_result(const Pointwise& formula, std::span<const Tensor> operands, Dtype compute, Dtype result,
                              const double* parameters = nullptr) {
  Tensor target = ResultTarget::take();
  if (formula.predicate) result = Dtype::Bool;
  if (target.defined() && !can_cast(result, target.dtype()))
    runtime_error("result type ", torch_name(result), " can't be cast to the desired output type ",
                  torch_name(target.dtype()));
  return evaluate(formula, operands, compute, result, target, parameters);
}

/// y = f(x) in the dtype of x.
inline Tensor unary(const Pointwise& formula, const Tensor& x, const double* parameters = nullptr) {
  return evaluate_result(formula, {&x, 1}, x.dtype(), x.dtype(), parameters);
}
/// y = f(x), where integers become the default floating dtype first.
inline Tensor unary_floating(const Pointwise& formula, const Tensor& x, const double* parameters = nullptr) {
  Dtype dtype = is_integral(x.dtype()) ? default_dtype() : x.dtype();
  return evaluate_result(formula, {&x, 1}, dtype, dtype, parameters);
}
/// y = f(a, b) in their promoted dtype.
inline Tensor binary(const Pointwise& formula, const Tensor& a, const Tensor& b, const double* parameters = nullptr) {
  const Tensor operands[] = {a, b};
  Dtype dtype = a.dtype() == b.dtype() && !b.impl()->wrapped_number ? a.dtype() : promote(operands);
  return evaluate_result(formula, operands, dtype, dtype, parameters);
}
inline Tensor binary_floating(const Pointwise& formula, const Tensor& a, const Tensor& b,
                              const double* parameters = nullptr) {
  const Tensor operands[] = {a, b};
  Dtype dtype = promote_to_floating(operands);
  return evaluate_result(formula, operands, dtype, dtype, parameters);
}
inline Tensor ternary(const Pointwise& formula, const Tensor& a, const Tensor& b, const Tensor& c,
                      const double* parameters = nullptr) {
  const Tensor operands[] = {a, b, c};
  Dtype dtype = promote(operands);
  return evaluate_result(formula, operands, dtype, dtype, parameters);
}

/// y = f(x) with dy/dx as an expression of (gradient, x, y). The expression is made of operations, so that it has derivatives itself; what it
/// does not use is not saved: `kInput` and `kOutput` say what it does.
enum Uses : unsigned { kNothing = 0, kInput = 1, kOutput = 2 };
template <class Derivative>
Tensor differentiable_unary(const char* node, unsigned uses, Tensor y, const Tensor& x, Derivative derivative) {
  if (!needs_gradient(x) || !is_differentiable(y.dtype())) return y;
  Saved saved_x = uses & kInput ? save(x) : Saved();
  Saved saved_y = uses & kOutput ? save_output(y) : Saved();
  record(node, y, {x}, [=](const Tensor& gradient, Gradients& in) {
    in[0] = derivative(gradient, saved_x(), saved_y());
  });
  return y;
}

}  // namespace ondol
