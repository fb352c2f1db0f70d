// Angles, and the hyperbolic functions.
//
// The upper half is compiled once per instruction set and holds the formulas; the lower half, compiled once, makes
// operations of them.

#ifdef ONDOL_LEVEL
#include "kernels/cpu/formula.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

struct Sin {
  static auto value(auto x) { return sin(x); }
};
struct Cos {
  static auto value(auto x) { return cos(x); }
};
struct Tan {
  static auto value(auto x) { return tan(x); }
};
struct Asin {
  static auto value(auto x) { return asin(x); }
};
struct Acos {
  static auto value(auto x) { return acos(x); }
};
struct Atan {
  static auto value(auto x) { return atan(x); }
};
struct Sinh {
  static auto value(auto x) { return sinh(x); }
};
struct Cosh {
  static auto value(auto x) { return cosh(x); }
};
struct Asinh {
  static auto value(auto x) { return asinh(x); }
};
struct Acosh {
  static auto value(auto x) { return acosh(x); }
};
struct Atanh {
  static auto value(auto x) { return atanh(x); }
};
struct Sinc {  // sin(pi x) / (pi x)
  template <class V>
  static V value(V x) {
    V angle = x * Element<V>(3.14159265358979323846);
    return select(x == 0, splat<V>(1), sin(angle) / angle);
  }
};
struct Atan2 {
  static auto value(auto y, auto x) { return atan2(y, x); }
};
struct Hypot {  // sqrt(a^2 + b^2) with the larger side taken out; an infinite side wins over NaN
  template <class V>
  static V value(V a, V b) {
    a = abs(a), b = abs(b);
    V large = maximum(a, b), small = minimum(a, b), ratio = small / large;
    V length = large * sqrt(1 + ratio * ratio);
    return select(isinf(a) | isinf(b), splat<V>(infinity<Element<V>>), select(large == 0, large, length));
  }
};
struct Scaled {  // x p0
  template <class V>
  static V value(V x, const double* p) {
    return x * parameter<V>(p, 0);
  }
};

}  // namespace

void add_trigonometry(FormulaKernels& kernels) {
  static constexpr FormulaEntry entries[] = {unary<Sin>("sin"),      unary<Cos>("cos"),      unary<Tan>("tan"),
                                             unary<Asin>("asin"),    unary<Acos>("acos"),    unary<Atan>("atan"),
                                             unary<Sinh>("sinh"),    unary<Cosh>("cosh"),    unary<Asinh>("asinh"),
                                             unary<Acosh>("acosh"),  unary<Atanh>("atanh"),  unary<Sinc>("sinc"),
                                             binary<Atan2>("atan2"), binary<Hypot>("hypot"), unary<Scaled>("scaled")};
  kernels.add(entries);
}

}  // namespace ondol::kernel::ONDOL_LEVEL

#else
#include <numbers>

#include "ops/pointwise/pointwise_operation.h"

namespace ondol {

using std::numbers::pi;

Tensor sin(const Tensor& x) {
  static const Pointwise f = with_complex(formula("sin"), [](c128 z) { return std::sin(z); });
  return differentiable_unary(
      "SinBackward0", kInput, unary_floating(f, x), x,
      [](const Tensor& g, const Tensor& input, const Tensor&) { return mul(g, conj(cos(input))); });
}

Tensor cos(const Tensor& x) {
  static const Pointwise f = with_complex(formula("cos"), [](c128 z) { return std::cos(z); });
  return differentiable_unary(
      "CosBackward0", kInput, unary_floating(f, x), x,
      [](const Tensor& g, const Tensor& input, const Tensor&) { return mul(g, conj(neg(sin(input)))); });
}

static Tensor tan(const Tensor& x) {
  static const Pointwise f = with_complex(formula("tan"), [](c128 z) { return std::tan(z); });
  return differentiable_unary(
      "TanBackward0", kOutput, unary_floating(f, x), x,
      [](const Tensor& g, const Tensor&, const Tensor& y) { return mul(g, conj(plus(squared(y), 1))); });
}

static Tensor asin(const Tensor& x) {
  static const Pointwise f = with_complex(formula("asin"), [](c128 z) { return std::asin(z); });
  return differentiable_unary("AsinBackward0", kInput, unary_floating(f, x), x,
                              [](const Tensor& g, const Tensor& input, const Tensor&) {
                                return mul(g, conj(rsqrt(one_minus(squared(input)))));
                              });
}

static Tensor acos(const Tensor& x) {
  static const Pointwise f = with_complex(formula("acos"), [](c128 z) { return std::acos(z); });
  return differentiable_unary("AcosBackward0", kInput, unary_floating(f, x), x,
                              [](const Tensor& g, const Tensor& input, const Tensor&) {
                                return neg(mul(g, conj(rsqrt(one_minus(squared(input))))));
                              });
}

static Tensor atan(const Tensor& x) {
  static const Pointwise f = with_complex(formula("atan"), [](c128 z) { return std::atan(z); });
  return differentiable_unary(
      "AtanBackward0", kInput, unary_floating(f, x), x,
      [](const Tensor& g, const Tensor& input, const Tensor&) { return div(g, conj(plus(squared(input), 1))); });
}

static Tensor cosh(const Tensor& x);
static Tensor sinh(const Tensor& x) {
  static const Pointwise f = with_complex(formula("sinh"), [](c128 z) { return std::sinh(z); });
  return differentiable_unary(
      "SinhBackward0", kInput, unary_floating(f, x), x,
      [](const Tensor& g, const Tensor& input, const Tensor&) { return mul(g, conj(cosh(input))); });
}
static Tensor cosh(const Tensor& x) {
  static const Pointwise f = with_complex(formula("cosh"), [](c128 z) { return std::cosh(z); });
  return differentiable_unary(
      "CoshBackward0", kInput, unary_floating(f, x), x,
      [](const Tensor& g, const Tensor& input, const Tensor&) { return mul(g, conj(sinh(input))); });
}

static Tensor asinh(const Tensor& x) {
  static const Pointwise f = with_complex(formula("asinh"), [](c128 z) { return std::asinh(z); });
  return differentiable_unary(
      "AsinhBackward0", kInput, unary_floating(f, x), x,
      [](const Tensor& g, const Tensor& input, const Tensor&) { return mul(g, conj(rsqrt(plus(squared(input), 1)))); });
}

static Tensor acosh(const Tensor& x) {
  static const Pointwise f = with_complex(formula("acosh"), [](c128 z) { return std::acosh(z); });
  return differentiable_unary("AcoshBackward0", kInput, unary_floating(f, x), x,
                              [](const Tensor& g, const Tensor& input, const Tensor&) {
                                // In two roots: the square of a complex number would lose on which side of the cut it
                                // lies.
                                if (is_complex(input.dtype()))
                                  return mul(g, conj(mul(rsqrt(plus(input, -1)), rsqrt(plus(input, 1)))));
                                return mul(g, rsqrt(plus(squared(input), -1)));
                              });
}

static Tensor atanh(const Tensor& x) {
  static const Pointwise f = with_complex(formula("atanh"), [](c128 z) { return std::atanh(z); });
  return differentiable_unary(
      "AtanhBackward0", kInput, unary_floating(f, x), x,
      [](const Tensor& g, const Tensor& input, const Tensor&) { return div(g, conj(one_minus(squared(input)))); });
}

static c128 complex_sinc(c128 angle) { return angle == 0.0 ? c128(1) : std::sin(angle) / angle; }
static Tensor sinc(const Tensor& x) {
  static const Pointwise plain = with_complex(formula("sinc"), [](c128 z) { return complex_sinc(pi * z); });
  // Angle and pi are rounded to float as PyTorch rounds them: far from the real axis their last bits matter.
  static const Pointwise single =
      with_complex(formula("sinc"), [](c128 z) { return complex_sinc(c128(static_cast<float>(pi) * c64(z))); });
  const Pointwise& f = x.dtype() == Dtype::C64 ? single : plain;
  return differentiable_unary("SincBackward0", kInput, unary_floating(f, x), x,
                              [](const Tensor& g, const Tensor& input, const Tensor&) {
                                // (pi x cos(pi x) - sin(pi x)) / (pi x^2), which vanishes at 0
                                Tensor angle = mul_by(input, pi), square = mul(angle, input);
                                Tensor slope = div(sub(mul(angle, cos(angle)), sin(angle)), square);
                                return mul(g, conj(masked(ne(square, wrapped_number(0)), slope)));
                              });
}

static Tensor atan2(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("atan2");
  return differentiable_binary("Atan2Backward0", kInput, binary_floating(f, a, b), a, b,
                               [](const Tensor& g, Gradients& in, const Tensor& y, const Tensor& x, const Tensor&) {
                                 Tensor share = div(g, add(squared(y), squared(x)));
                                 if (in.wants(0)) in[0] = mul(share, x);
                                 if (in.wants(1)) in[1] = neg(mul(share, y));
                               });
}

static Tensor hypot(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("hypot");
  Dtype dtype = promote(a.dtype(), b.dtype());
  if (is_integral(dtype)) runtime_error("\"hypot_cpu\" not implemented for '", torch_name(dtype), "'");
  return differentiable_binary(
      "HypotBackward0", kInput | kOutput, binary(f, a, b), a, b,
      [](const Tensor& g, Gradients& in, const Tensor& left, const Tensor& right, const Tensor& length) {
        if (in.wants(0)) in[0] = mul(g, div(left, length));
        if (in.wants(1)) in[1] = mul(g, div(right, length));
      });
}

static Tensor scaled(const char* operation, const char* node, const Tensor& x, double factor) {
  static const Pointwise f = formula("scaled");
  if (is_complex(x.dtype())) runtime_error(operation, " is not supported for complex tensors.");
  return differentiable_unary(node, kNothing, unary_floating(f, x, &factor), x,
                              [factor](const Tensor& g, const Tensor&, const Tensor&) { return mul_by(g, factor); });
}
static Tensor deg2rad(const Tensor& x) { return scaled("deg2rad", "Deg2RadBackward0", x, pi / 180); }
static Tensor rad2deg(const Tensor& x) { return scaled("rad2deg", "Rad2DegBackward0", x, 180 / pi); }

void register_trigonometry(Registry& r) {
  r.add("sin(Tensor self) -> Tensor", sin, kInPlace);
  r.add("cos(Tensor self) -> Tensor", cos, kInPlace);
  r.add("tan(Tensor self) -> Tensor", tan, kInPlace);
  r.add("asin(Tensor self) -> Tensor", asin, kInPlace);
  r.add("acos(Tensor self) -> Tensor", acos, kInPlace);
  r.add("atan(Tensor self) -> Tensor", atan, kInPlace);
  r.add("sinh(Tensor self) -> Tensor", sinh, kInPlace);
  r.add("cosh(Tensor self) -> Tensor", cosh, kInPlace);
  r.add("asinh(Tensor self) -> Tensor", asinh, kInPlace);
  r.add("acosh(Tensor self) -> Tensor", acosh, kInPlace);
  r.add("atanh(Tensor self) -> Tensor", atanh, kInPlace);
  r.add("sinc(Tensor self) -> Tensor", sinc, kInPlace);
  r.add("atan2(Tensor self, Tensor other) -> Tensor", atan2, kInPlace);
  r.add("hypot(Tensor self, Tensor other) -> Tensor", hypot, kInPlace);
  r.add("deg2rad(Tensor self) -> Tensor", deg2rad, kInPlace);
  r.add("rad2deg(Tensor self) -> Tensor", rad2deg, kInPlace);
  r.alias("arcsin", "asin");
  r.alias("arccos", "acos");
  r.alias("arctan", "atan");
  r.alias("arcsinh", "asinh");
  r.alias("arccosh", "acosh");
  r.alias("arctanh", "atanh");
  r.alias("arctan2", "atan2");
}

}  // namespace ondol
#endif
