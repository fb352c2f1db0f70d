// Limits: clamp, fmin and fmax; and what joins the size of one number to the sign of another.
//
// The upper half is compiled once per instruction set and holds the formulas; the lower half, compiled once, makes
// operations of them.

#ifdef ONDOL_LEVEL
#include "kernels/cpu/formula.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

struct Clamp {
  static constexpr bool integers = true;
  static auto value(auto x, auto low, auto high) { return minimum(maximum(x, low), high); }
};
struct ClampGradient {  // within [p0, p1], ends included
  template <class V>
  static V value(V g, V x, const double* p) {
    return select((x >= parameter<V>(p, 0)) & (x <= parameter<V>(p, 1)), g, V{});
  }
};
struct Fmax {  // the number if one is NaN
  static constexpr bool integers = true;
  static int64_t value(int64_t a, int64_t b) { return a > b ? a : b; }
  template <class V>
  static V value(V a, V b) {
    return fmax(a, b);
  }
};
struct Fmin {
  static constexpr bool integers = true;
  static int64_t value(int64_t a, int64_t b) { return a < b ? a : b; }
  template <class V>
  static V value(V a, V b) {
    return fmin(a, b);
  }
};
struct Copysign {
  static auto value(auto a, auto b) { return copysign(a, b); }
};
struct Heaviside {  // 0 below 0, 1 above, b at 0
  static constexpr bool integers = true;
  template <class V>
  static V value(V a, V b) {
    using T = decltype(splat<V>(1));
    return select(a == 0, b, select(a > 0, splat<T>(1), V{}));
  }
};

}  // namespace

void add_limit(FormulaKernels& kernels) {
  static constexpr FormulaEntry entries[] = {ternary<Clamp>("clamp"),      binary<ClampGradient>("clamp_gradient"),
                                             binary<Fmax>("fmax"),         binary<Fmin>("fmin"),
                                             binary<Copysign>("copysign"), binary<Heaviside>("heaviside")};
  kernels.add(entries);
}

}  // namespace ondol::kernel::ONDOL_LEVEL

#else
#include <bit>

#include "ops/pointwise/pointwise_operation.h"

namespace ondol {

static constexpr double infinity = std::numeric_limits<double>::infinity();

static void refuse_complex(const char* operation, std::initializer_list<Tensor> operands) {
  for (const Tensor& operand : operands)
    if (operand.defined() && is_complex(operand.dtype()))
      runtime_error(operation, " is not supported for complex types");
}

static bool is_number(const Tensor& limit) { return !limit.defined() || limit.impl()->wrapped_number; }

/// The dtype of the result: a 0-d tensor as a limit counts as any other tensor, a Python number by its category.
static Tensor limited(const Tensor& x, Tensor low, Tensor high) {
  static const Pointwise both = formula("clamp"), lower = formula("maximum"), upper = formula("minimum");
  if (x.dtype() == Dtype::U8) {  // a negative limit wraps, as in PyTorch
    if (low.defined() && low.dtype() == Dtype::I64 && is_number(low)) low = to_dtype(low, Dtype::U8);
    if (high.defined() && high.dtype() == Dtype::I64 && is_number(high)) high = to_dtype(high, Dtype::U8);
  }
  if (low.defined() && high.defined()) return ternary(both, x, low, high);
  return low.defined() ? binary(lower, x, low) : binary(upper, x, high);
}

static Tensor within(const Tensor& x, const Tensor& low, const Tensor& high) {
  if (!low.defined()) return le(x, high);
  return high.defined() ? logical_and(ge(x, low), le(x, high)) : ge(x, low);
}

/// The limits are tensors, numbers or not given. The gradient goes to x within them, ends included, else to the limit.
Tensor clamp(const Tensor& x, const Tensor& low, const Tensor& high) {
  if (!low.defined() && !high.defined()) runtime_error("torch.clamp: At least one of 'min' or 'max' must not be None");
  refuse_complex("clamp", {x, low, high});
  Tensor y = limited(x, low, high);
  if (!is_differentiable(y.dtype())) return y;
  if (is_number(low) && is_number(high)) {
    double least = low.defined() ? element(low).to_double() : -infinity;
    double most = high.defined() ? element(high).to_double() : infinity;
    return differentiable_unary(
        "ClampBackward1", kInput, y, x, [=](const Tensor& g, const Tensor& input, const Tensor&) {
          static const Pointwise gradient = formula("clamp_gradient");
          const double limits[] = {least, most};
          return fused_gradient(gradient, g, input, limits,
                                [&] { return masked(within(input, wrapped_number(least), wrapped_number(most)), g); });
        });
  }
  if (!needs_gradient(x, low, high)) return y;
  Saved saved_low = low.defined() ? save(low) : Saved(), saved_high = high.defined() ? save(high) : Saved();
  Tensor nothing = wrapped_number(0);
  record("ClampBackward0", y, {x, low.defined() ? low : nothing, high.defined() ? high : nothing},
         [saved_x = save(x), saved_low, saved_high](const Tensor& g, Gradients& in) {
           Tensor input = saved_x(), least = saved_low(), most = saved_high();
           if (in.wants(0)) in[0] = masked(within(input, least, most), g);
           if (in.wants(1)) {
             Tensor below = lt(input, least);
             in[1] = masked(most.defined() ? logical_and(below, lt(least, most)) : below, g);
           }
           if (in.wants(2)) {
             Tensor above = gt(input, most);
             // Where the limits have changed places the upper one is the result whatever x is.
             in[2] = masked(least.defined() ? bitwise_or(above, lt(most, least)) : above, g);
           }
         });
  return y;
}
static Tensor clamp_min(const Tensor& x, const Tensor& low) { return clamp(x, low, {}); }
static Tensor clamp_max(const Tensor& x, const Tensor& high) { return clamp(x, {}, high); }

static Tensor extreme_number(const char* node, const Pointwise& f, const Tensor& a, const Tensor& b,
                             Tensor (*wins)(const Tensor&, const Tensor&)) {
  refuse_complex(f.name, {a, b});
  return differentiable_binary(
      node, kInput, binary(f, a, b), a, b,
      [wins](const Tensor& g, Gradients& in, const Tensor& left, const Tensor& right, const Tensor&) {
        Tensor first = bitwise_or(wins(left, right), isnan(right)), none = scalar_tensor(0, g.dtype());
        if (in.wants(0)) in[0] = where(first, g, none);
        if (in.wants(1)) in[1] = where(first, none, g);
      });
}
static Tensor fmax(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("fmax");
  return extreme_number("FmaxBackward0", f, a, b, ge);
}
static Tensor fmin(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("fmin");
  return extreme_number("FminBackward0", f, a, b, le);
}

static Tensor copysign(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("copysign");
  refuse_complex("copysign", {a, b});
  return differentiable_binary("CopysignBackward0", kInput | kOutput, binary_floating(f, a, b), a, b,
                               [](const Tensor& g, Gradients& in, const Tensor& x, const Tensor&, const Tensor& y) {
                                 if (in.wants(0)) in[0] = mul(g, masked(ne(x, wrapped_number(0)), div(y, x)));
                                 if (in.wants(1)) in[1] = zeros_like(g);
                               });
}

static Tensor heaviside(const Tensor& x, const Tensor& values) {
  static const Pointwise f = formula("heaviside");
  if (is_complex(x.dtype()) || is_complex(values.dtype()))
    runtime_error("heaviside is not yet implemented for complex tensors.");
  if (x.dtype() != values.dtype())
    runtime_error("heaviside is not yet implemented for tensors with different dtypes: ", torch_name(x.dtype()),
                  " and ", torch_name(values.dtype()));
  Tensor y = binary(f, x, values);
  if (needs_gradient(x, values)) record_not_differentiable("heaviside", y, {x, values});
  return y;
}

/// The next number after `from` on the way to `to`, in a format of sign and magnitude with these bits.
static uint16_t next_bits(uint16_t from, bool negative_way) {
  constexpr uint16_t sign = 0x8000;
  if ((from & ~sign) == 0) return negative_way ? sign | 1 : 1;
  return ((from & sign) != 0) == negative_way ? from + 1 : from - 1;
}
/// The steps of 16-bit numbers are not those of the floats that they are computed in.
static Tensor next_after_16_bits(const Tensor& a, const Tensor& b) {
  Tensor lower = lt(b, a), same = eq(a, b), unordered = bitwise_or(isnan(a), isnan(b));
  Dims shape = broadcast_shapes(a.sizes(), b.sizes());
  Tensor y = clone(contiguous(expand(a, shape))), down = contiguous(expand(lower, shape));
  auto* bits = static_cast<uint16_t*>(static_cast<void*>(y.bytes()));
  for (int64_t i = 0; i < y.numel(); ++i) bits[i] = next_bits(bits[i], down.data<bool>()[i]);
  return where(unordered, add(a, b), where(same, b, y));
}
static Tensor nextafter(const Tensor& a, const Tensor& b) {
  static const Pointwise f = [] {
    Pointwise made;
    made.name = "nextafter";
    made.f32 = plain_loop<float, float, decltype([](float x, float y) { return std::nextafter(x, y); })>;
    made.f64 = plain_loop<double, double, decltype([](double x, double y) { return std::nextafter(x, y); })>;
    return made;
  }();
  const Tensor operands[] = {a, b};
  Dtype dtype = promote(operands);
  if (!is_floating(dtype)) not_implemented("\"nextafter\" not implemented for '", torch_name(dtype), "'");
  Tensor y;
  if (item_size(dtype) == 2) {
    NoGrad silent;
    y = next_after_16_bits(to_dtype(a, dtype), to_dtype(b, dtype));
  } else {
    y = binary(f, a, b);
  }
  return differentiable_binary("NextafterBackward0", kInput, y, a, b,
                               [](const Tensor& g, Gradients& in, const Tensor& from, const Tensor& to, const Tensor&) {
                                 if (in.wants(0)) in[0] = masked(ne(from, to), g);
                                 if (in.wants(1)) in[1] = zeros_like(g);
                               });
}

void register_limit(Registry& r) {
  r.add("clamp(Tensor self, Tensor|Scalar? min=None, Tensor|Scalar? max=None) -> Tensor", clamp, kInPlace);
  r.add("clamp_min(Tensor self, Tensor|Scalar min) -> Tensor", clamp_min, kInPlace);
  r.add("clamp_max(Tensor self, Tensor|Scalar max) -> Tensor", clamp_max, kInPlace);
  r.alias("clip", "clamp");
  r.add("fmax(Tensor self, Tensor other) -> Tensor", fmax);
  r.add("fmin(Tensor self, Tensor other) -> Tensor", fmin);
  r.add("copysign(Tensor self, Tensor|Scalar other) -> Tensor", copysign, kInPlace);
  r.add("heaviside(Tensor self, Tensor values) -> Tensor", heaviside, kInPlace);
  r.add("nextafter(Tensor self, Tensor other) -> Tensor", nextafter, kInPlaceByCopy);
}

}  // namespace ondol
#endif
