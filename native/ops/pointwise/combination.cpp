// Products added in one pass: addcmul, addcdiv, lerp.
//
// The upper half is compiled once per instruction set and holds the formulas; the lower half, compiled once, makes
// operations of them.

#ifdef ONDOL_LEVEL
#include "kernels/cpu/formula.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

struct Addcmul {  // x + p0 a b
  static constexpr bool integers = true;
  template <class V>
  static V value(V x, V a, V b, const double* p) {
    return x + parameter<V>(p, 0) * a * b;
  }
};
struct Addcdiv {  // x + p0 a / b
  template <class V>
  static V value(V x, V a, V b, const double* p) {
    return x + parameter<V>(p, 0) * a / b;
  }
};
struct Lerp {  // from the nearer end, so that a weight of 1 gives exactly b
  template <class V>
  static V value(V a, V b, V weight) {
    using T = Element<V>;
    V step = b - a;
    return select(abs(weight) < T(0.5), a + weight * step, b - step * (T(1) - weight));
  }
};

}  // namespace

void add_combination(FormulaKernels& kernels) {
  static constexpr FormulaEntry entries[] = {ternary<Addcmul>("addcmul"), ternary<Addcdiv>("addcdiv"),
                                             ternary<Lerp>("lerp")};
  kernels.add(entries);
}

}  // namespace ondol::kernel::ONDOL_LEVEL

#else
#include "ops/pointwise/pointwise_operation.h"

namespace ondol {

/// x + value * term, in steps, for the complex numbers that the formulas do not hold for.
static Tensor add_scaled(const Tensor& x, const Tensor& term, const Scalar& value) {
  NoGrad silent;
  return add(x, mul_by(term, value));
}

Tensor addcmul(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& value) {
  static const Pointwise f = formula("addcmul");
  const Tensor operands[] = {x, a, b};
  Dtype dtype = promote(operands);
  if (dtype == Dtype::Bool) not_implemented("\"addcmul_cpu_out\" not implemented for 'Bool'");
  if (is_integral(dtype) && !value.is_integral())
    runtime_error("For integral input tensors, argument value must not be a floating point number.");
  Tensor y;
  if (is_complex(dtype)) {
    Tensor target = ResultTarget::take();
    y = add_scaled(x, mul(detach(a), detach(b)), value);
    if (target.defined()) copy_elements(y, target), y = target;
  } else {
    double factor = value.to_double();
    y = evaluate_result(f, operands, dtype, dtype, &factor);
  }
  if (needs_gradient(x, a, b) && is_differentiable(dtype)) {
    Saved saved_a = b.requires_grad() ? save(a) : Saved(), saved_b = a.requires_grad() ? save(b) : Saved();
    record("AddcmulBackward0", y, {x, a, b}, [=](const Tensor& g, Gradients& in) {
      if (in.wants(0)) in[0] = g;
      if (in.wants(1)) in[1] = mul(g, conj(mul_by(saved_b(), value)));
      if (in.wants(2)) in[2] = mul(g, conj(mul_by(saved_a(), value)));
    });
  }
  return y;
}

Tensor addcdiv(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& value) {
  static const Pointwise f = formula("addcdiv");
  if (is_integral(a.dtype()) && is_integral(b.dtype()))
    runtime_error(
        "Integer division with addcdiv is no longer supported, and in a future release addcdiv will perform a true "
        "division of tensor1 and tensor2. Use addcmul with a rounded quotient, or convert the tensors first.");
  const Tensor operands[] = {x, a, b};
  Dtype dtype = promote(operands);
  Tensor y;
  if (is_complex(dtype)) {
    Tensor target = ResultTarget::take();
    y = add_scaled(x, div(detach(a), detach(b)), value);
    if (target.defined()) copy_elements(y, target), y = target;
  } else {
    double factor = value.to_double();
    y = evaluate_result(f, operands, dtype, dtype, &factor);
  }
  if (needs_gradient(x, a, b) && is_differentiable(dtype)) {
    Saved saved_a = b.requires_grad() ? save(a) : Saved();
    record("AddcdivBackward0", y, {x, a, b}, [=, saved_b = save(b)](const Tensor& g, Gradients& in) {
      Tensor divisor = saved_b();
      if (in.wants(0)) in[0] = g;
      if (in.wants(1)) in[1] = mul(g, conj(mul_by(reciprocal(divisor), value)));
      if (in.wants(2)) in[2] = neg(mul(g, conj(mul_by(div(saved_a(), squared(divisor)), value))));
    });
  }
  return y;
}

static c128 complex_lerp(c128 a, c128 b, c128 weight) {
  return std::abs(weight) < 0.5 ? a + weight * (b - a) : b - (b - a) * (1.0 - weight);
}
Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight) {
  static const Pointwise f =
      with_complex(formula("lerp"), [](c128 a, c128 b, c128 weight) { return complex_lerp(a, b, weight); });
  if (start.dtype() != end.dtype())
    runtime_error("expected dtype ", name(start.dtype()), " for `end` but got dtype ", name(end.dtype()));
  bool number = weight.impl()->wrapped_number;
  if (!number && start.dtype() != weight.dtype())
    runtime_error("expected dtype ", name(start.dtype()), " for `weight` but got dtype ", name(weight.dtype()));
  Dtype dtype = start.dtype();
  if (is_integral(dtype)) not_implemented("\"lerp_kernel\" not implemented for '", torch_name(dtype), "'");
  const Tensor operands[] = {start, end, weight};
  Tensor y = evaluate_result(f, operands, dtype, dtype);
  if (needs_gradient(start, end, weight)) {
    Saved saved_start = weight.requires_grad() ? save(start) : Saved();
    Saved saved_end = weight.requires_grad() ? save(end) : Saved();
    record("LerpBackward0", y, {start, end, weight}, [=, saved_weight = save(weight)](const Tensor& g, Gradients& in) {
      Tensor w = conj(saved_weight());
      if (in.wants(0)) in[0] = mul(g, one_minus(w));
      if (in.wants(1)) in[1] = mul(g, w);
      if (in.wants(2)) in[2] = mul(g, conj(sub(saved_end(), saved_start())));
    });
  }
  return y;
}

void register_combination(Registry& r) {
  r.add("addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor", addcmul, kInPlace);
  r.add("addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor", addcdiv, kInPlace);
  r.add("lerp(Tensor self, Tensor end, Tensor|Scalar weight) -> Tensor", lerp, kInPlace);
}

}  // namespace ondol
#endif
