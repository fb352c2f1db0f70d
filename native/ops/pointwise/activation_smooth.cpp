// Smooth activations: gelu, silu, mish, elu and its relatives, softplus and log_sigmoid.
//
// The upper half is compiled once per instruction set and holds the formulas; the lower half, compiled once, makes
// operations of them.

#ifdef ONDOL_LEVEL
#include "kernels/cpu/formula.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

constexpr double sqrt_2_over_pi = 0.79788456080286535588;
constexpr double density_at_0 = 0.39894228040143267794;  // 1 / sqrt(2 pi)
constexpr double cubic = 0.044715;                       // Hendrycks and Gimpel 2016, section 2

struct Gelu {  // x Phi(x), Phi the distribution function of the normal distribution (Hendrycks and Gimpel 2016)
  static auto value(auto x) { return x * normal_distribution(x); }
};
struct GeluGradient {
  template <class V>
  static V value(V g, V x) {
    using T = Element<V>;
    return g * (normal_distribution(x) + x * (exp(x * x * T(-0.5)) * T(density_at_0)));
  }
};
struct GeluTanh {
  template <class V>
  static V value(V x) {
    using T = Element<V>;
    V inner = T(sqrt_2_over_pi) * (x + T(cubic) * (x * x * x));
    return T(0.5) * x * (1 + tanh(inner));
  }
};
struct GeluTanhGradient {
  template <class V>
  static V value(V g, V x) {
    using T = Element<V>;
    V square = x * x, t = tanh(T(sqrt_2_over_pi) * (x + T(cubic) * (square * x)));
    V inner_slope = T(sqrt_2_over_pi) * (1 + T(3 * cubic) * square);
    return g * (T(0.5) * (1 + t) + T(0.5) * x * (1 - t * t) * inner_slope);
  }
};
struct Silu {  // Elfwing et al. 2017
  template <class V>
  static V value(V x) {
    return x / (1 + exp(-x));
  }
};
struct SiluGradient {
  template <class V>
  static V value(V g, V x) {
    V s = sigmoid(x);
    return g * (s * (1 + x * (1 - s)));
  }
};
/// tanh(softplus(x)) = ((1 + e^x)^2 - 1) / ((1 + e^x)^2 + 1); it is 1 from 20 on.
template <class V>
inline V tanh_of_softplus(V x) {
  V e = exp(minimum(x, splat<V>(Element<V>(20))));
  V n = e * (e + 2);
  return n / (n + 2);
}
struct Mish {  // Misra 2019
  static auto value(auto x) { return x * tanh_of_softplus(x); }
};
struct MishGradient {
  template <class V>
  static V value(V g, V x) {
    V t = tanh_of_softplus(x);
    return g * (t + x * sigmoid(x) * (1 - t * t));
  }
};
struct Elu {  // Clevert et al. 2016: p1 x above 0, p0 (e^(p2 x) - 1) below
  template <class V>
  static V value(V x, const double* p) {
    V below = parameter<V>(p, 0) * expm1(x * parameter<V>(p, 2));
    return select(x > 0, parameter<V>(p, 1) * x, below);
  }
};
struct EluGradient {
  template <class V>
  static V value(V g, V x, const double* p) {
    V rate = parameter<V>(p, 2);
    V below = g * (parameter<V>(p, 0) * rate * exp(x * rate));
    return select(x > 0, g * parameter<V>(p, 1), below);
  }
};
struct Softplus {  // log(1 + e^(p0 x)) / p0, x itself where p0 x > p1
  template <class V>
  static V value(V x, const double* p) {
    V beta = parameter<V>(p, 0), z = x * beta;
    return select(z > parameter<V>(p, 1), x, (maximum(z, V{}) + log1p(exp(-abs(z)))) / beta);
  }
};
struct SoftplusGradient {
  template <class V>
  static V value(V g, V x, const double* p) {
    V z = x * parameter<V>(p, 0);
    return select(z > parameter<V>(p, 1), g, g * sigmoid(z));
  }
};
struct LogSigmoid {
  template <class V>
  static V value(V x) {
    return minimum(x, V{}) - log1p(exp(-abs(x)));
  }
};
struct LogSigmoidGradient {
  static auto value(auto g, auto x) { return g * sigmoid(-x); }
};
struct Glu {  // Dauphin et al. 2017: x times the sigmoid of a gate
  static auto value(auto x, auto gate) { return x / (1 + exp(-gate)); }
};
struct GluGateGradient {
  static auto value(auto g, auto x, auto gate) {
    auto open = sigmoid(gate);
    return g * x * (open * (1 - open));
  }
};

}  // namespace

void add_activation_smooth(FormulaKernels& kernels) {
  static constexpr FormulaEntry entries[] = {unary<Gelu>("gelu"),
                                             binary<GeluGradient>("gelu_gradient"),
                                             unary<GeluTanh>("gelu_tanh"),
                                             binary<GeluTanhGradient>("gelu_tanh_gradient"),
                                             unary<Silu>("silu"),
                                             binary<SiluGradient>("silu_gradient"),
                                             unary<Mish>("mish"),
                                             binary<MishGradient>("mish_gradient"),
                                             unary<Elu>("elu"),
                                             binary<EluGradient>("elu_gradient"),
                                             unary<Softplus>("softplus"),
                                             binary<SoftplusGradient>("softplus_gradient"),
                                             unary<LogSigmoid>("log_sigmoid"),
                                             binary<LogSigmoidGradient>("log_sigmoid_gradient"),
                                             binary<Glu>("glu"),
                                             ternary<GluGateGradient>("glu_gate_gradient")};
  kernels.add(entries);
}

}  // namespace ondol::kernel::ONDOL_LEVEL

#else
#include <numbers>

#include "ops/pointwise/pointwise_operation.h"

namespace ondol {

static void require_floating(const char* operation, const Tensor& x) {
  if (!is_floating(x.dtype())) not_implemented("\"", operation, "\" not implemented for '", torch_name(x.dtype()), "'");
}

static Tensor exact_gelu_slope(const Tensor& x) {
  Tensor distribution = mul_by(plus(erf(mul_by(x, 1 / std::numbers::sqrt2)), 1), 0.5);
  Tensor density = mul_by(exp(mul_by(squared(x), -0.5)), std::numbers::inv_sqrtpi / std::numbers::sqrt2);
  return add(distribution, mul(x, density));
}
static Tensor tanh_gelu_slope(const Tensor& x) {
  const double rate = std::numbers::sqrt2 * std::numbers::inv_sqrtpi, cubic = 0.044715;
  Tensor square = squared(x), t = tanh(mul_by(mul(x, plus(mul_by(square, cubic), 1)), rate));
  Tensor inner_slope = plus(mul_by(square, 3 * cubic * rate), rate);
  return mul_by(add(plus(t, 1), mul(mul(x, one_minus(squared(t))), inner_slope)), 0.5);
}

Tensor gelu(const Tensor& x, std::string_view approximate) {
  static const Pointwise exact = formula("gelu"), exact_gradient = formula("gelu_gradient");
  static const Pointwise by_tanh = formula("gelu_tanh"), by_tanh_gradient = formula("gelu_tanh_gradient");
  require_floating("GeluKernelImpl", x);
  bool approximated = approximate == "tanh";
  if (!approximated && approximate != "none")
    runtime_error("approximate argument must be either none or tanh. (gelu: '", approximate, "')");
  Tensor (*f)(const Tensor&) = approximated ? [](const Tensor& input) { return unary(by_tanh, input); }
                                            : [](const Tensor& input) { return unary(exact, input); };
  return differentiable_remade("GeluBackward0", f, f(x), x, [approximated](const Tensor& g, const Tensor& input) {
    return fused_gradient(approximated ? by_tanh_gradient : exact_gradient, g, input, nullptr,
                          [&] { return mul(g, approximated ? tanh_gelu_slope(input) : exact_gelu_slope(input)); });
  });
}

Tensor silu(const Tensor& x) {
  static const Pointwise f = with_complex(formula("silu"), [](c128 z) { return z / (1.0 + std::exp(-z)); });
  static const Pointwise gradient = formula("silu_gradient");
  if (is_integral(x.dtype())) require_floating("silu_cpu", x);
  Tensor (*again)(const Tensor&) = [](const Tensor& input) { return unary(f, input); };
  return differentiable_remade("SiluBackward0", again, unary(f, x), x, [](const Tensor& g, const Tensor& input) {
    return fused_gradient(gradient, g, input, nullptr, [&] {
      Tensor s = sigmoid(input);
      return mul(g, conj(mul(s, plus(mul(input, one_minus(s)), 1))));
    });
  });
}

static Tensor softplus(const Tensor& x, const Scalar& beta, const Scalar& threshold);
static Tensor mish(const Tensor& x) {
  static const Pointwise f = formula("mish"), gradient = formula("mish_gradient");
  require_floating("mish_cpu", x);
  return differentiable_unary("MishBackward0", kInput, unary(f, x), x,
                              [](const Tensor& g, const Tensor& input, const Tensor&) {
                                return fused_gradient(gradient, g, input, nullptr, [&] {
                                  Tensor t = tanh(softplus(input, 1, 20));
                                  return mul(g, add(t, mul(mul(input, sigmoid(input)), one_minus(squared(t)))));
                                });
                              });
}

static Tensor elu_family(const char* node, const Tensor& x, double below, double above, double rate) {
  static const Pointwise f = formula("elu"), gradient = formula("elu_gradient");
  require_floating("elu_cpu", x);
  const double factors[] = {below, above, rate};
  return differentiable_unary(
      node, kInput, unary(f, x, factors), x, [=](const Tensor& g, const Tensor& input, const Tensor&) {
        const double p[] = {below, above, rate};
        return fused_gradient(gradient, g, input, p, [&] {
          // The exponential is taken of the negative part alone: of large numbers it is
          // infinite, and 0 times that NaN.
          Tensor negative_part = where(ge(input, wrapped_number(0)), scalar_tensor(0, input.dtype()), input);
          Tensor bent = mul_by(exp(mul_by(negative_part, rate)), below * rate);
          return where(gt(input, wrapped_number(0)), mul_by(g, above), mul(g, bent));
        });
      });
}
Tensor elu(const Tensor& x, const Scalar& alpha, const Scalar& scale, const Scalar& input_scale) {
  return elu_family("EluBackward0", x, alpha.to_double() * scale.to_double(), scale.to_double(),
                    input_scale.to_double());
}
/// Barron 2017.
static Tensor celu(const Tensor& x, const Scalar& alpha) {
  if (alpha.to_double() == 0) runtime_error("ZeroDivisionError: alpha cannot be 0 for CELU");
  return elu_family("CeluBackward0", x, alpha.to_double(), 1, 1 / alpha.to_double());
}
/// Klambauer et al. 2017, equation 14: the constants that keep mean 0 and variance 1.
static Tensor selu(const Tensor& x) {
  constexpr double alpha = 1.6732632423543772848170429916717, scale = 1.0507009873554804934193349852946;
  return elu_family("SeluBackward0", x, alpha * scale, scale, 1);
}

static Tensor softplus(const Tensor& x, const Scalar& beta, const Scalar& threshold) {
  static const Pointwise f = formula("softplus"), gradient = formula("softplus_gradient");
  require_floating("softplus_cpu", x);
  const double parameters[] = {beta.to_double(), threshold.to_double()};
  return differentiable_unary(
      "SoftplusBackward0", kInput, unary(f, x, parameters), x,
      [rate = parameters[0], limit = parameters[1]](const Tensor& g, const Tensor& input, const Tensor&) {
        const double p[] = {rate, limit};
        return fused_gradient(gradient, g, input, p, [&] {
          Tensor z = mul_by(input, rate);
          return where(gt(z, wrapped_number(limit)), g, mul(g, sigmoid(z)));
        });
      });
}

static Tensor log_sigmoid(const Tensor& x) {
  static const Pointwise f = formula("log_sigmoid"), gradient = formula("log_sigmoid_gradient");
  require_floating("log_sigmoid_cpu", x);
  return differentiable_unary(
      "LogSigmoidBackward0", kInput, unary(f, x), x, [](const Tensor& g, const Tensor& input, const Tensor&) {
        return fused_gradient(gradient, g, input, nullptr, [&] { return mul(g, sigmoid(neg(input))); });
      });
}

static Tensor glu_gradient(const Tensor& g, const Tensor& x, int64_t dim) {
  static const Pointwise gated = formula("glu"), to_gate = formula("glu_gate_gradient");
  const int64_t half = x.size(dim) / 2;
  Tensor value = narrow(x, dim, 0, half), gate = narrow(x, dim, half, half);
  if (needs_gradient(g, x)) {
    Tensor open = sigmoid(gate);
    return cat({mul(g, open), mul(mul(g, value), mul(open, one_minus(open)))}, dim);
  }
  Tensor gradient = empty(x.sizes(), x.dtype());
  const Tensor through_value[] = {g, gate}, through_gate[] = {g, value, gate};
  evaluate(gated, through_value, x.dtype(), x.dtype(), narrow(gradient, dim, 0, half));
  evaluate(to_gate, through_gate, x.dtype(), x.dtype(), narrow(gradient, dim, half, half));
  return gradient;
}

/// The first half along `dim`, times the sigmoid of the second.
static Tensor glu(const Tensor& x, int64_t dim) {
  static const Pointwise f = formula("glu");
  require_floating("glu_cpu", x);
  if (x.ndim() == 0) runtime_error("glu does not support 0-dimensional tensors");
  dim = wrap_dim(dim, x.ndim());
  const int64_t size = x.sizes()[dim], half = size / 2;
  if (size % 2 != 0) runtime_error("Halving dimension must be even, but dimension ", dim, " is size ", size);
  Tensor y;
  {
    NoGrad silent;
    y = binary(f, narrow(x, dim, 0, half), narrow(x, dim, half, half));
  }
  return differentiable_unary("GluBackward0", kInput, y, x, [dim](const Tensor& g, const Tensor& input, const Tensor&) {
    return glu_gradient(g, input, dim);
  });
}

void register_activation_smooth(Registry& r) {
  r.add("nn.gelu(Tensor self, *, str approximate='none') -> Tensor", gelu, kFunction | kInPlace);
  r.add("nn.silu(Tensor self) -> Tensor", silu, kFunction | kInPlace);
  r.add("nn.mish(Tensor self) -> Tensor", mish, kFunction | kInPlace);
  r.add("nn.elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor", elu,
        kFunction | kInPlace);
  r.add("celu(Tensor self, Scalar alpha=1.0) -> Tensor", celu, kFunction | kInPlace);
  r.add("nn.celu(Tensor self, Scalar alpha=1.0) -> Tensor", celu, kFunction | kInPlace);
  r.add("selu(Tensor self) -> Tensor", selu, kFunction | kInPlace);
  r.add("nn.selu(Tensor self) -> Tensor", selu, kFunction | kInPlace);
  r.add("nn.softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor", softplus, kFunction);
  r.add("nn.logsigmoid(Tensor self) -> Tensor", log_sigmoid, kFunction);
  r.add("nn.glu(Tensor self, int dim=-1) -> Tensor", glu, kFunction);
}

}  // namespace ondol
#endif
