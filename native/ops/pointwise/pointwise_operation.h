#pragma once

// What the files of this folder share: from operands to a result, promotion included.

#include "ops/functions.h"
#include "ops/in_place.h"
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
      auto *a = static_cast<const c128*>(in[0]), *b = static_cast<const c128*>(in[1]),
           *c = static_cast<const c128*>(in[2]);
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

/// Whether a result may be written into the tensor that an in-place call is changing, if there is one.
inline void check_castable(Dtype result, const Tensor& target) {
  if (target.defined() && !can_cast(result, target.dtype())) refuse_cast(result, target.dtype());
}

/// Evaluates into fresh memory, or into the tensor that an in-place call is changing.
inline Tensor evaluate_result(const Pointwise& formula, std::span<const Tensor> operands, Dtype compute, Dtype result,
                              const double* parameters = nullptr) {
  Tensor target = ResultTarget::take();
  if (formula.predicate) result = Dtype::Bool;
  check_castable(result, target);
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

/// y = f(x) with dy/dx as an expression of (gradient, x, y). The expression is made of operations, so that it has
/// derivatives itself; what it does not use is not saved: `kInput` and `kOutput` say what it does.
enum Uses : unsigned { kNothing = 0, kInput = 1, kOutput = 2 };
template <class Derivative>
Tensor differentiable_unary(const char* node, unsigned uses, Tensor y, const Tensor& x, Derivative derivative) {
  if (!needs_gradient(x) || !is_differentiable(y.dtype())) return y;
  if (y.ref() == x.ref()) {  // computed over x, see kOverInput: that was a change, and y is saved as it is after it
    y = detach(x);
    y.bump_version();
  }
  Saved saved_x = uses & kInput ? save(x) : Saved();
  Saved saved_y = uses & kOutput ? save_output(y) : Saved();
  record(node, y, {x}, [=](const Tensor& gradient, Gradients& in) {
    const Tensor input = saved_x(), output = saved_y();
    in[0] = derivative(gradient, input, output);
  });
  return y;
}

/// The same for y = f(x) that is cheap to compute: who keeps y for a derivative may keep x, which is kept here anyway,
/// and make y again (see Saved::or_remade). derivative(gradient, x).
template <class Derivative>
Tensor differentiable_remade(const char* node, Tensor (*f)(const Tensor&), Tensor y, const Tensor& x,
                             Derivative derivative) {
  if (y.ref() == x.ref() || !needs_gradient(x))  // computed over x: nothing is left to make it from
    return differentiable_unary(node, kInput, y, x, [derivative](const Tensor& g, const Tensor& input, const Tensor&) {
      return derivative(g, input);
    });
  Saved saved = save(x);
  record_with_recipe(node, y, x, {saved, f},
                     [=](const Tensor& gradient, Gradients& in) { in[0] = derivative(gradient, saved()); });
  return y;
}

/// The same for y = f(a, b): `derivative` fills in the gradients of both from (gradient, a, b, y).
template <class Derivative>
Tensor differentiable_binary(const char* node, unsigned uses, Tensor y, const Tensor& a, const Tensor& b,
                             Derivative derivative) {
  if (!needs_gradient(a, b) || !is_differentiable(y.dtype())) return y;
  Saved saved_a = uses & kInput ? save(a) : Saved(), saved_b = uses & kInput ? save(b) : Saved();
  Saved saved_y = uses & kOutput ? save_output(y) : Saved();
  record(node, y, {a, b}, [=](const Tensor& gradient, Gradients& in) {
    const Tensor left = saved_a(), right = saved_b(), output = saved_y();
    derivative(gradient, in, left, right, output);
  });
  return y;
}

/// A gradient in one pass: the formula of (gradient, saved value), over the gradient where nobody else needs it. While
/// a graph of the derivative is being recorded, and for complex numbers, the expression made of operations stands in
/// for it.
template <class Expression>
Tensor fused_gradient(const Pointwise& formula, const Tensor& gradient, const Tensor& saved, const double* parameters,
                      Expression expression) {
  if (needs_gradient(gradient, saved) || is_complex(saved.dtype()) || gradient.dtype() != saved.dtype())
    return expression();
  const bool over = may_overwrite(gradient) && gradient.is_contiguous() && gradient.sizes() == saved.sizes();
  const Tensor operands[] = {gradient, saved};
  return evaluate(formula, operands, saved.dtype(), saved.dtype(), over ? gradient : Tensor(), parameters);
}

/// The same for a function made of straight pieces: its derivative depends on the saved value, but everywhere with
/// slope 0.
template <class Expression>
Tensor straight_gradient(const Pointwise& formula, const Tensor& gradient, const Tensor& saved,
                         const double* parameters, Expression expression) {
  Tensor value = fused_gradient(formula, gradient, saved, parameters, expression);
  if (!needs_gradient(saved)) return value;
  Tensor result = detach(value);
  record("StraightBackward0", result, {value, saved}, [](const Tensor& g, Gradients& in) {
    in[0] = g;
    if (in.wants(1)) in[1] = zeros_like(g);
  });
  return result;
}

/// A loop that calls a plain function of numbers for each element, for what is too rare for vector code. The function
/// may take the parameters last; float is computed in double.
template <class T, class Wide, class F>
void plain_loop(const void* const* in, const bool* scalar, void* out, int64_t n, const double* p) {
  auto at = [&](int k, int64_t i) { return static_cast<Wide>(static_cast<const T*>(in[k])[scalar[k] ? 0 : i]); };
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_invocable_v<F, Wide>)
      static_cast<T*>(out)[i] = static_cast<T>(F{}(at(0, i)));
    else if constexpr (std::is_invocable_v<F, Wide, const double*>)
      static_cast<T*>(out)[i] = static_cast<T>(F{}(at(0, i), p));
    else
      static_cast<T*>(out)[i] = static_cast<T>(F{}(at(0, i), at(1, i)));
  }
}
template <class F>
Pointwise plain_formula(const char* name, F) {
  return {name, false, false, plain_loop<float, double, F>, plain_loop<double, double, F>, nullptr, nullptr};
}
template <class F>
Pointwise plain_integer_formula(const char* name, F) {
  return {name, false, false, nullptr, nullptr, plain_loop<int64_t, int64_t, F>, nullptr};
}

// Short words of derivatives.
inline Tensor plus(const Tensor& x, double number) { return add(x, wrapped_number(number)); }
inline Tensor one_minus(const Tensor& x) { return sub(wrapped_number(1), x); }
inline Tensor squared(const Tensor& x) { return mul(x, x); }
/// x where the condition holds, else 0.
inline Tensor masked(const Tensor& condition, const Tensor& x) {
  return where(condition, x, scalar_tensor(0, x.dtype()));
}

}  // namespace ondol
