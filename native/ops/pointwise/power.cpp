// Powers, signs, selection.
//
// The upper half is compiled once per instruction set and holds the formulas; the lower half, compiled once, makes
// operations of them.

#ifdef ONDOL_LEVEL
#include "kernels/cpu/formula.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

struct Pow {
  static constexpr bool integers = true;
  static int64_t value(int64_t base, int64_t exponent) {  // by squaring; wraps as multiplication does
    if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
    uint64_t result = 1, square = static_cast<uint64_t>(base);
    for (; exponent; exponent >>= 1, square *= square)
      if (exponent & 1) result *= square;
    return static_cast<int64_t>(result);
  }
  template <class V>
  static V value(V base, V exponent) {
    return pow(base, exponent);
  }
};
struct Square {
  static constexpr bool integers = true;
  static auto value(auto x) { return x * x; }
};
struct Cube {
  static constexpr bool integers = true;
  static auto value(auto x) { return x * x * x; }
};
struct Sign {
  static constexpr bool integers = true;
  static int64_t value(int64_t x) { return (x > 0) - (x < 0); }
  template <class V>
  static V value(V x) {
    V one = splat<V>(Element<V>(1));
    return select(x > 0, one, select(x < 0, -one, V{}));
  }
};
struct Where {
  static constexpr bool integers = true;
  static auto value(auto condition, auto a, auto b) { return select(condition != 0, a, b); }
};

/// The same with a condition of bytes, as it lies in memory.
template <class T>
void where_flags(const void* const* in, const bool* scalar, void* out, int64_t n, const double*) {
  constexpr int L = lanes<T>;
  const auto* flags = static_cast<const uint8_t*>(in[0]);
  const Operand<T> a(in[1], scalar[1]), b(in[2], scalar[2]);
  auto* y = static_cast<T*>(out);
  int64_t i = 0;
  for (; i + L <= n; i += L) store(y + i, select(load_flags<T>(flags + i) != 0, a.vector(i), b.vector(i)));
  for (; i < n; i++) y[i] = flags[i] ? a.number(i) : b.number(i);
}

}  // namespace

void add_power(FormulaKernels& kernels) {
  static constexpr FormulaEntry entries[] = {
      binary<Pow>("pow"),      unary<Square>("square"),
      unary<Cube>("cube"),     unary<Sign>("sign"),
      ternary<Where>("where"), {"where_flags", false, where_flags<float>, where_flags<double>, nullptr, nullptr}};
  kernels.add(entries);
}

}  // namespace ondol::kernel::ONDOL_LEVEL

#else
#include "base/parallel.h"
#include "ops/pointwise/pointwise_operation.h"
#include "tensor/launch.h"

namespace ondol {

static Tensor power_values(const Tensor& base, const Tensor& exponent) {
  static const Pointwise general =
      with_complex(formula("pow"), [](c128 x, c128 y) { return x == 0.0 && y == 0.0 ? c128(1) : std::pow(x, y); });
  static const Pointwise square = with_complex(formula("square"), [](c128 z) { return z * z; });
  static const Pointwise cube = with_complex(formula("cube"), [](c128 z) { return z * z * z; });
  const Tensor operands[] = {base, exponent};
  Dtype dtype = promote(operands);
  if (dtype == Dtype::Bool) not_implemented("\"pow\" not implemented for 'Bool'");
  bool number = exponent.impl()->wrapped_number && !is_complex(exponent.dtype());
  if (number && is_integral(dtype) && is_integral(exponent.dtype()) && element(exponent).to_int() < 0)
    runtime_error("Integers to negative integer powers are not allowed.");
  if (number && dtype == base.dtype()) {
    double power = element(exponent).to_double();
    if (power == 2) return evaluate_result(square, {&base, 1}, dtype, dtype);
    if (power == 3) return evaluate_result(cube, {&base, 1}, dtype, dtype);
    if (!is_integral(dtype) && (power == 0.5 || power == 1 || power == -1)) {
      NoGrad silent;
      return power == 1 ? mul(base, wrapped_number(1)) : power == -1 ? reciprocal(base) : sqrt(base);
    }
  }
  return evaluate_result(general, operands, dtype, dtype);
}

Tensor pow(const Tensor& base, const Tensor& exponent) {
  Tensor y = power_values(base, exponent);
  if (needs_gradient(base, exponent) && is_differentiable(y.dtype())) {
    Saved saved_y = exponent.requires_grad() ? save_output(y) : Saved();
    record("PowBackward0", y, {base, exponent},
           [saved_y, saved_base = save(base), saved_exponent = save(exponent)](const Tensor& g, Gradients& in) {
             Tensor x = saved_base(), p = saved_exponent();
             // Where the exponent is 0 the derivative is 0, also at x = 0, where x^(p-1) is not finite.
             if (in.wants(0)) {
               if (p.impl()->wrapped_number && !is_complex(p.dtype()) && element(p).to_double() == 0) {
                 in[0] = zeros_like(g);
               } else if (p.impl()->wrapped_number && is_floating(x.dtype()) && element(p).to_double() == 2) {
                 in[0] = mul(g, mul_by(x, 2.0));
               } else if (p.impl()->wrapped_number) {
                 in[0] = mul(g, conj(mul(pow(x, sub(p, wrapped_number(1))), p)));
               } else {
                 Tensor slope = mul(p, pow(x, sub(p, wrapped_number(1))));
                 Tensor product = mul(g, conj(slope));
                 in[0] = where(eq(p, wrapped_number(0)), scalar_tensor(0, product.dtype()), product);
               }
             }
             // y log x; at x = 0 with p >= 0 the limit 0 (with p = 0 too, as in PyTorch).
             if (in.wants(1)) {
               Tensor y_again = saved_y(), slope = mul(y_again, log(to_dtype(x, y_again.dtype())));
               Tensor limit = is_complex(p.dtype()) ? eq(x, wrapped_number(0))
                                                    : logical_and(eq(x, wrapped_number(0)), ge(p, wrapped_number(0)));
               in[1] = mul(g, conj(where(limit, scalar_tensor(0, slope.dtype()), slope)));
             }
           });
  }
  return y;
}

Tensor sign(const Tensor& x) {
  static const Pointwise f = formula("sign");
  if (is_complex(x.dtype()))
    runtime_error("Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead.");
  return differentiable_unary("SignBackward0", kNothing, unary(f, x), x,
                              [](const Tensor& g, const Tensor&, const Tensor&) { return zeros_like(g); });
}
/// Row-major tensors of one shape, or single values: without converting the flags to the dtype of the values. Undefined
/// for anything else. Written over a if `over_a`.
static Tensor where_by_flags(const Tensor& condition, const Tensor& a, const Tensor& b, Dtype dtype,
                             bool over_a = false) {
  static const Pointwise f = formula("where_flags");
  const PointwiseLoop loop = dtype == Dtype::F32 ? f.f32 : dtype == Dtype::F64 ? f.f64 : nullptr;
  if (!loop || !condition.is_contiguous() || ResultTarget::is_pending()) return {};
  for (const Tensor* value : {&a, &b}) {
    const bool whole = value->sizes() == condition.sizes() && value->is_contiguous();
    if (value->dtype() != dtype || !(whole || value->ndim() == 0)) return {};
  }
  Tensor y = over_a ? a : empty(condition.sizes(), dtype);
  const bool scalar[] = {false, a.sizes() != condition.sizes(), b.sizes() != condition.sizes()};
  const auto item = static_cast<int64_t>(item_size(dtype));
  launch({{&condition, &a, &b}, {&y}}, y.numel(), [&] {
    parallel_for(y.numel(), 1 << 15, [&](int64_t begin, int64_t end) {
      const void* from[] = {condition.bytes() + begin, a.bytes() + (scalar[1] ? 0 : begin * item),
                            b.bytes() + (scalar[2] ? 0 : begin * item)};
      loop(from, scalar, y.bytes() + begin * item, end - begin, nullptr);
    });
  });
  return y;
}

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  static const Pointwise f =
      with_complex(formula("where"), [](c128 chosen, c128 x, c128 y) { return chosen != 0.0 ? x : y; });
  if (condition.dtype() != Dtype::Bool && condition.dtype() != Dtype::U8)
    runtime_error("where expected condition to be a boolean tensor, but got a tensor with dtype ",
                  torch_name(condition.dtype()));
  const Tensor values[] = {a, b};
  Dtype dtype = promote(values);
  const Tensor operands[] = {condition, a, b};
  Tensor y = where_by_flags(condition, a, b, dtype);
  if (!y.defined()) y = evaluate_result(f, operands, dtype, dtype);
  if (needs_gradient(a, b) && is_differentiable(dtype))
    record("WhereBackward0", y, {condition, a, b}, [saved = save(condition)](const Tensor& g, Gradients& in) {
      Tensor none = scalar_tensor(0, g.dtype());
      if (in.wants(1)) in[1] = where(saved(), g, none);
      if (in.wants(2)) in[2] = where(saved(), none, g);
    });
  return y;
}

Tensor passed_gradient(const Tensor& flags, const Tensor& gradient) {
  const Tensor none = scalar_tensor(0, gradient.dtype());
  Tensor passed;
  if (!needs_gradient(gradient) && flags.sizes() == gradient.sizes() && may_overwrite(gradient))
    passed = where_by_flags(flags, gradient, none, gradient.dtype(), true);
  return passed.defined() ? passed : where(flags, gradient, none);
}

static Tensor square(const Tensor& x) { return pow(x, wrapped_number(2)); }

/// Computed in double precision, whatever the operands are.
static Tensor float_power(const Tensor& base, const Tensor& exponent) {
  Dtype dtype = is_complex(base.dtype()) || is_complex(exponent.dtype()) ? Dtype::C128 : Dtype::F64;
  return pow(to_dtype(base, dtype), exponent.impl()->wrapped_number ? exponent : to_dtype(exponent, dtype));
}
static Tensor ldexp(const Tensor& x, const Tensor& exponent) { return mul(x, pow(wrapped_number(2.0), exponent)); }

void register_power(Registry& r) {
  r.add("pow(Tensor self, Tensor|Scalar exponent) -> Tensor", pow, kInPlace);
  r.add(
      "pow.Scalar(Scalar self, Tensor exponent) -> Tensor",
      +[](const Scalar& base, const Tensor& exponent) { return pow(wrapped_number(base), exponent); }, kFunction);
  r.add("float_power(Tensor self, Tensor|Scalar exponent) -> Tensor", float_power, kInPlaceByCopy);
  r.add(
      "float_power.Scalar(Scalar self, Tensor exponent) -> Tensor",
      +[](const Scalar& base, const Tensor& exponent) { return float_power(wrapped_number(base), exponent); },
      kFunction);
  r.add("ldexp(Tensor self, Tensor other) -> Tensor", ldexp, kInPlaceByCopy);
  r.add("square(Tensor self) -> Tensor", square, kInPlace);
  r.add("sign(Tensor self) -> Tensor", sign, kInPlace);
  r.add("where(Tensor condition, Tensor|Scalar self, Tensor|Scalar other) -> Tensor", where);
}

}  // namespace ondol
#endif
