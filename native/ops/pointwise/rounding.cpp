// Rounding, and questions about a number: is it finite, what is its sign.
//
// The upper half is compiled once per instruction set and holds the formulas; the lower half, compiled once, makes
// operations of them.

#ifdef ONDOL_LEVEL
#include "kernels/cpu/formula.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

struct Floor {  // integers are whole already
  static constexpr bool integers = true;
  static int64_t value(int64_t x) { return x; }
  template <class V>
  static V value(V x) {
    return floor(x);
  }
};
struct Ceil {
  static constexpr bool integers = true;
  static int64_t value(int64_t x) { return x; }
  template <class V>
  static V value(V x) {
    return ceil(x);
  }
};
struct Trunc {
  static constexpr bool integers = true;
  static int64_t value(int64_t x) { return x; }
  template <class V>
  static V value(V x) {
    return trunc(x);
  }
};
struct Round {  // halves to even
  static constexpr bool integers = true;
  static int64_t value(int64_t x) { return x; }
  template <class V>
  static V value(V x) {
    return round_half_even(x);
  }
};
struct RoundDecimals {  // to multiples of 1 / p0
  template <class V>
  static V value(V x, const double* p) {
    V scale = parameter<V>(p, 0);
    return round_half_even(x * scale) / scale;
  }
};
struct RoundTens {  // to multiples of p0
  template <class V>
  static V value(V x, const double* p) {
    V scale = parameter<V>(p, 0);
    return round_half_even(x / scale) * scale;
  }
};
struct Frac {
  static auto value(auto x) { return x - trunc(x); }
};
struct IsNan {
  static constexpr bool integers = true;
  static auto value(auto x) { return x != x; }
};
struct IsInf {
  static constexpr bool integers = true;
  static bool value(int64_t) { return false; }
  template <class V>
  static auto value(V x) {
    return isinf(x);
  }
};
struct IsFinite {
  static constexpr bool integers = true;
  static bool value(int64_t) { return true; }
  template <class V>
  static auto value(V x) {
    return isfinite(x);
  }
};
struct IsPosInf {
  static constexpr bool integers = true;
  static bool value(int64_t) { return false; }
  template <class V>
  static auto value(V x) {
    return x == infinity<Element<V>>;
  }
};
struct IsNegInf {
  static constexpr bool integers = true;
  static bool value(int64_t) { return false; }
  template <class V>
  static auto value(V x) {
    return x == -infinity<Element<V>>;
  }
};
struct SignBit {
  static constexpr bool integers = true;
  static bool value(int64_t x) { return x < 0; }
  template <class V>
  static auto value(V x) {
    return signbit(x);
  }
};
struct NanToNum {  // NaN, inf and -inf become p0, p1 and p2
  static constexpr bool integers = true;
  static int64_t value(int64_t x, const double*) { return x; }
  template <class V>
  static V value(V x, const double* p) {
    constexpr auto inf = infinity<Element<V>>;
    V finite = select(x == inf, parameter<V>(p, 1), select(x == -inf, parameter<V>(p, 2), x));
    return select(x != x, parameter<V>(p, 0), finite);
  }
};

}  // namespace

void add_rounding(FormulaKernels& kernels) {
  static constexpr FormulaEntry entries[] = {unary<Floor>("floor"),
                                             unary<Ceil>("ceil"),
                                             unary<Trunc>("trunc"),
                                             unary<Round>("round"),
                                             unary<RoundDecimals>("round_decimals"),
                                             unary<RoundTens>("round_tens"),
                                             unary<Frac>("frac"),
                                             unary_predicate<IsNan>("isnan"),
                                             unary_predicate<IsInf>("isinf"),
                                             unary_predicate<IsFinite>("isfinite"),
                                             unary_predicate<IsPosInf>("isposinf"),
                                             unary_predicate<IsNegInf>("isneginf"),
                                             unary_predicate<SignBit>("signbit"),
                                             unary<NanToNum>("nan_to_num")};
  kernels.add(entries);
}

}  // namespace ondol::kernel::ONDOL_LEVEL

#else
#include "ops/pointwise/pointwise_operation.h"

namespace ondol {

static Tensor zero_slope(const Tensor& g, const Tensor&, const Tensor&) { return zeros_like(g); }

static void refuse_bool(const Pointwise& f, const Tensor& x) {
  if (x.dtype() == Dtype::Bool) not_implemented("\"", f.name, "\" not implemented for 'Bool'");
}
/// A whole number near x, constant between jumps.
static Tensor rounded(const Pointwise& f, const char* node, const Tensor& x) {
  refuse_bool(f, x);
  return differentiable_unary(node, kNothing, unary(f, x), x, zero_slope);
}
Tensor floor(const Tensor& x) {
  static const Pointwise f = formula("floor");
  return rounded(f, "FloorBackward0", x);
}
static Tensor ceil(const Tensor& x) {
  static const Pointwise f = formula("ceil");
  return rounded(f, "CeilBackward0", x);
}
static Tensor trunc(const Tensor& x) {
  static const Pointwise f = formula("trunc");
  return rounded(f, "TruncBackward0", x);
}

static Tensor round(const Tensor& x, int64_t decimals) {
  static const Pointwise whole = formula("round"), parts = formula("round_decimals"), tens = formula("round_tens");
  if (decimals == 0) return rounded(whole, "RoundBackward0", x);
  if (is_integral(x.dtype())) not_implemented("\"round_cpu\" not implemented for '", torch_name(x.dtype()), "'");
  double scale = std::pow(10.0, static_cast<double>(std::abs(decimals)));
  return differentiable_unary("RoundBackward1", kNothing, unary(decimals > 0 ? parts : tens, x, &scale), x, zero_slope);
}

static Tensor frac(const Tensor& x) {
  static const Pointwise f = formula("frac");
  return differentiable_unary("FracBackward0", kNothing, unary(f, x), x,
                              [](const Tensor& g, const Tensor&, const Tensor&) { return g; });
}

static Tensor ask(const Pointwise& question, const Tensor& x) {
  if (is_complex(x.dtype()) && !question.c128) runtime_error(question.name, " is not supported for complex tensors.");
  return evaluate_result(question, {&x, 1}, x.dtype(), Dtype::Bool);
}
Tensor isnan(const Tensor& x) {
  static const Pointwise f =
      with_complex(formula("isnan"), [](c128 z) { return std::isnan(z.real()) || std::isnan(z.imag()); });
  return ask(f, x);
}
Tensor isinf(const Tensor& x) {
  static const Pointwise f =
      with_complex(formula("isinf"), [](c128 z) { return std::isinf(z.real()) || std::isinf(z.imag()); });
  return ask(f, x);
}
Tensor isfinite(const Tensor& x) {
  static const Pointwise f =
      with_complex(formula("isfinite"), [](c128 z) { return std::isfinite(z.real()) && std::isfinite(z.imag()); });
  return ask(f, x);
}
static Tensor isposinf(const Tensor& x) {
  static const Pointwise f = formula("isposinf");
  return ask(f, x);
}
static Tensor isneginf(const Tensor& x) {
  static const Pointwise f = formula("isneginf");
  return ask(f, x);
}
static Tensor signbit(const Tensor& x) {
  static const Pointwise f = formula("signbit");
  return ask(f, x);
}
static Tensor isreal(const Tensor& x) {
  if (is_complex(x.dtype())) return eq(imag(x), wrapped_number(0));
  return full(x.sizes(), true, Dtype::Bool);
}

static double largest_finite(Dtype dtype) {
  switch (dtype) {
    case Dtype::F16:
      return 65504;
    case Dtype::BF16:
      return 0x1.fep127;
    case Dtype::F64:
      return std::numeric_limits<double>::max();
    default:
      return std::numeric_limits<float>::max();
  }
}
static Tensor nan_to_num(const Tensor& x, std::optional<double> nan, std::optional<double> posinf,
                         std::optional<double> neginf) {
  static const Pointwise f = formula("nan_to_num");
  if (is_complex(x.dtype())) {  // both parts
    Tensor unused = ResultTarget::take();
    return view_as_complex(nan_to_num(view_as_real(contiguous(x)), nan, posinf, neginf));
  }
  double largest = largest_finite(x.dtype());
  const double instead[] = {nan.value_or(0), posinf.value_or(largest), neginf.value_or(-largest)};
  return differentiable_unary(
      "NanToNumBackward0", kInput, unary(f, x, instead), x,
      [](const Tensor& g, const Tensor& input, const Tensor&) { return masked(isfinite(input), g); });
}

void register_rounding(Registry& r) {
  r.add("floor(Tensor self) -> Tensor", floor, kInPlace);
  r.add("ceil(Tensor self) -> Tensor", ceil, kInPlace);
  r.add("trunc(Tensor self) -> Tensor", trunc, kInPlace);
  r.add("round(Tensor self, *, int decimals=0) -> Tensor", round, kInPlace);
  r.add("frac(Tensor self) -> Tensor", frac, kInPlace);
  r.add("isnan(Tensor self) -> Tensor", isnan);
  r.add("isinf(Tensor self) -> Tensor", isinf);
  r.add("isfinite(Tensor self) -> Tensor", isfinite);
  r.add("isposinf(Tensor self) -> Tensor", isposinf);
  r.add("isneginf(Tensor self) -> Tensor", isneginf);
  r.add("signbit(Tensor self) -> Tensor", signbit);
  r.add("isreal(Tensor self) -> Tensor", isreal);
  r.add("nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor", nan_to_num,
        kInPlace);
  r.alias("fix", "trunc");
}

}  // namespace ondol
#endif
