// Bits, and divisions that give whole numbers.
//
// The upper half is compiled once per instruction set and holds the formulas; the lower half, compiled once, makes
// operations of them.

#ifdef ONDOL_LEVEL
#include "kernels/cpu/formula.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

/// a / b towards zero. The caller has seen to it that no b is 0; the smallest number over -1 wraps instead of trapping.
inline int64_t quotient(int64_t a, int64_t b) {
  return b == -1 ? static_cast<int64_t>(-static_cast<uint64_t>(a)) : a / b;
}

struct FloorDivide {  // Python's //: the remainder has the divisor's sign
  static constexpr bool integers = true;
  static int64_t value(int64_t a, int64_t b) {
    int64_t q = quotient(a, b);
    return q - ((b != -1 && a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
  }
  template <class V>
  static V value(V a, V b) {
    V rest = fmod(a, b), q = (a - rest) / b;
    q = select((rest != 0) & ((b < 0) != (rest < 0)), q - 1, q);
    V rounded = floor(q);
    rounded = select(q - rounded > Element<V>(0.5), rounded + 1, rounded);  // the division above rounds
    V zero = copysign(V{}, a / b);
    return select(b == 0, a / b, select(q == 0, zero, rounded));
  }
};
struct TruncDivide {
  static constexpr bool integers = true;
  static int64_t value(int64_t a, int64_t b) { return quotient(a, b); }
  template <class V>
  static V value(V a, V b) {
    return trunc(a / b);
  }
};
struct Remainder {
  static constexpr bool integers = true;
  static int64_t value(int64_t a, int64_t b) {
    int64_t rest = b == -1 ? 0 : a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
  template <class V>
  static V value(V a, V b) {
    return remainder(a, b);
  }
};
struct Fmod {
  static constexpr bool integers = true;
  static int64_t value(int64_t a, int64_t b) { return b == -1 ? 0 : a % b; }
  template <class V>
  static V value(V a, V b) {
    return fmod(a, b);
  }
};
struct BitwiseAnd {
  static auto value(auto a, auto b) { return a & b; }
};
struct BitwiseOr {
  static auto value(auto a, auto b) { return a | b; }
};
struct BitwiseXor {
  static auto value(auto a, auto b) { return a ^ b; }
};

}  // namespace

void add_integer(FormulaKernels& kernels) {
  static constexpr FormulaEntry entries[] = {binary<FloorDivide>("floor_divide"),
                                             binary<TruncDivide>("trunc_divide"),
                                             binary<Remainder>("remainder"),
                                             binary<Fmod>("fmod"),
                                             binary_of_bits<BitwiseAnd>("bitwise_and"),
                                             binary_of_bits<BitwiseOr>("bitwise_or"),
                                             binary_of_bits<BitwiseXor>("bitwise_xor")};
  kernels.add(entries);
}

}  // namespace ondol::kernel::ONDOL_LEVEL

#else
#include <algorithm>
#include <numeric>

#include "ops/pointwise/pointwise_operation.h"

namespace ondol {

/// Of the divisor in the dtype of the result: 256 is 0 in uint8. Reads it without a pointwise operation, which would
/// take the target of an in-place division for its own.
static void refuse_zero(const char* operation, const Tensor& divisor, Dtype dtype) {
  if (!is_integral(dtype)) return;
  NoGrad silent;
  Tensor whole = contiguous(to_dtype(to_dtype(detach(divisor), dtype), Dtype::I64));
  const auto* first = whole.data<int64_t>();
  const auto* last = first + whole.numel();
  if (std::find(first, last, 0) != last)
    runtime_error("ZeroDivisionError: ", operation, " by 0 in ", torch_name(dtype), ", which has no infinity");
}

static Tensor divide_whole(const Pointwise& f, const Tensor& a, const Tensor& b) {
  Tensor target = ResultTarget::take();  // before the comparison with 0 would take it
  const Tensor operands[] = {a, b};
  Dtype dtype = promote(operands), result = dtype == Dtype::Bool ? Dtype::I64 : dtype;
  if (is_complex(dtype)) runtime_error(f.name, " does not support complex inputs.");
  refuse_zero(f.name, b, dtype);
  check_castable(result, target);
  return evaluate(f, operands, dtype, result, target);
}

/// The result is constant between jumps: its derivative is zero.
static Tensor with_zero_derivative(const char* node, Tensor y, const Tensor& a, const Tensor& b) {
  if (needs_gradient(a, b) && is_differentiable(y.dtype()))
    record(node, y, {a, b}, [](const Tensor& gradient, Gradients& in) {
      if (in.wants(0)) in[0] = zeros_like(gradient);
      if (in.wants(1)) in[1] = zeros_like(gradient);
    });
  return y;
}

Tensor floor_divide(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("floor_divide");
  return with_zero_derivative("FloorDivideBackward0", divide_whole(f, a, b), a, b);
}
Tensor trunc_divide(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("trunc_divide"), whole = formula("trunc");
  const Tensor operands[] = {a, b};
  if (Dtype dtype = promote(operands); dtype == Dtype::F16 || dtype == Dtype::BF16) {
    // PyTorch rounds the quotient to half precision before it cuts it off: 17.97 is 18 by then.
    Tensor quotient = div(detach(a), detach(b));
    return with_zero_derivative("TruncDivideBackward0", unary(whole, quotient), a, b);
  }
  return with_zero_derivative("TruncDivideBackward0", divide_whole(f, a, b), a, b);
}

Tensor remainder(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("remainder");
  Tensor y = divide_whole(f, a, b);
  if (needs_gradient(a, b) && is_differentiable(y.dtype()))
    record("RemainderBackward0", y, {a, b},
           [saved_a = save(a), saved_b = save(b)](const Tensor& gradient, Gradients& in) {
             if (in.wants(0)) in[0] = gradient;
             if (in.wants(1)) in[1] = neg(mul(gradient, floor_divide(saved_a(), saved_b())));
           });
  return y;
}
static Tensor fmod(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("fmod");
  Tensor y = divide_whole(f, a, b);
  if (needs_gradient(a, b) && is_differentiable(y.dtype()))
    record("FmodBackward0", y, {a, b}, [saved_a = save(a), saved_b = save(b)](const Tensor& gradient, Gradients& in) {
      if (in.wants(0)) in[0] = gradient;
      if (in.wants(1)) in[1] = neg(mul(gradient, trunc_divide(saved_a(), saved_b())));
    });
  return y;
}

/// A loop for integers alone, which has no vector form worth a formula.
template <class F>
static Pointwise integer_formula(const char* name, F) {
  Pointwise formula;
  formula.name = name;
  formula.i64 = [](const void* const* in, const bool* scalar, void* out, int64_t n, const double*) {
    auto *a = static_cast<const int64_t*>(in[0]), *b = static_cast<const int64_t*>(in[1]);
    for (int64_t i = 0; i < n; ++i) static_cast<int64_t*>(out)[i] = F{}(a[scalar[0] ? 0 : i], b[scalar[1] ? 0 : i]);
  };
  return formula;
}

static Tensor bits(const Pointwise& f, const Tensor& a, const Tensor& b) {
  const Tensor operands[] = {a, b};
  Dtype dtype = promote(operands);
  if (!is_integral(dtype)) runtime_error("\"", f.name, "_cpu\" not implemented for '", torch_name(dtype), "'");
  return evaluate_result(f, operands, dtype, dtype);
}
Tensor bitwise_and(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("bitwise_and");
  return bits(f, a, b);
}
Tensor bitwise_or(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("bitwise_or");
  return bits(f, a, b);
}
Tensor bitwise_xor(const Tensor& a, const Tensor& b) {
  static const Pointwise f = formula("bitwise_xor");
  return bits(f, a, b);
}
Tensor bitwise_not(const Tensor& x) {
  if (x.dtype() == Dtype::Bool) return logical_not(x);
  return bitwise_xor(x, wrapped_number(int64_t{-1}));
}

/// For integers, bool not among them.
static Tensor whole_numbers(const Pointwise& f, const Tensor& a, const Tensor& b) {
  const Tensor operands[] = {a, b};
  Dtype dtype = promote(operands);
  if (!is_integral(dtype) || dtype == Dtype::Bool)
    runtime_error("\"", f.name, "\" not implemented for '", torch_name(dtype), "'");
  return evaluate_result(f, operands, dtype, dtype);
}
/// Shifts by less than nothing or by more than there are bits give what shifting bit by bit would.
Tensor bitwise_left_shift(const Tensor& a, const Tensor& b) {
  static const Pointwise f = integer_formula("lshift_cpu", [](int64_t x, int64_t y) {
    return y < 0 || y >= 64 ? int64_t{0} : static_cast<int64_t>(static_cast<uint64_t>(x) << y);
  });
  return whole_numbers(f, a, b);
}
Tensor bitwise_right_shift(const Tensor& a, const Tensor& b) {
  static const Pointwise f =
      integer_formula("rshift_cpu", [](int64_t x, int64_t y) { return x >> (y < 0 || y >= 64 ? 63 : y); });
  return whole_numbers(f, a, b);
}

/// Euclid's algorithm on the absolute values; unsigned, for the smallest number has no positive counterpart.
static int64_t common_divisor(int64_t x, int64_t y) {
  auto size = [](int64_t v) { return v < 0 ? -static_cast<uint64_t>(v) : static_cast<uint64_t>(v); };
  return static_cast<int64_t>(std::gcd(size(x), size(y)));
}
static Tensor gcd(const Tensor& a, const Tensor& b) {
  static const Pointwise f = integer_formula("gcd", [](int64_t x, int64_t y) { return common_divisor(x, y); });
  return whole_numbers(f, a, b);
}
static Tensor lcm(const Tensor& a, const Tensor& b) {
  static const Pointwise f = integer_formula("lcm", [](int64_t x, int64_t y) {
    int64_t divisor = common_divisor(x, y);
    auto product = divisor == 0 ? uint64_t{0} : static_cast<uint64_t>(x / divisor) * static_cast<uint64_t>(y);
    auto multiple = static_cast<int64_t>(product);
    return multiple < 0 ? static_cast<int64_t>(-product) : multiple;
  });
  return whole_numbers(f, a, b);
}

void register_integer(Registry& r) {
  r.add("gcd(Tensor self, Tensor other) -> Tensor", gcd, kInPlace);
  r.add("lcm(Tensor self, Tensor other) -> Tensor", lcm, kInPlace);
  r.add("floor_divide(Tensor self, Tensor|Scalar other) -> Tensor", floor_divide, kInPlace);
  r.add("remainder(Tensor self, Tensor|Scalar other) -> Tensor", remainder, kInPlace);
  r.add("fmod(Tensor self, Tensor|Scalar other) -> Tensor", fmod, kInPlace);
  r.add("bitwise_and(Tensor self, Tensor|Scalar other) -> Tensor", bitwise_and, kInPlace);
  r.add("bitwise_or(Tensor self, Tensor|Scalar other) -> Tensor", bitwise_or, kInPlace);
  r.add("bitwise_xor(Tensor self, Tensor|Scalar other) -> Tensor", bitwise_xor, kInPlace);
  r.add("bitwise_not(Tensor self) -> Tensor", bitwise_not, kInPlace);
  r.add("bitwise_left_shift(Tensor self, Tensor|Scalar other) -> Tensor", bitwise_left_shift, kInPlace);
  r.add("bitwise_right_shift(Tensor self, Tensor|Scalar other) -> Tensor", bitwise_right_shift, kInPlace);
}

}  // namespace ondol
#endif
