// Samples of the gamma and Dirichlet distributions, and how they move with the concentrations.

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#include "base/distributions.h"
#include "base/parallel.h"
#include "base/quantile_slope.h"
#include "ops/functions.h"
#include "ops/random.h"
#include "ops/reduction.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {
namespace {

/// In (0, 1]: two words.
double positive_uniform(Generator& generator) {
  return 1 - static_cast<double>(generator.random64() & ((uint64_t{1} << 53) - 1)) * 0x1p-53;
}

/// Rejection from the cube of a normal number (Marsaglia & Tsang 2000); a concentration below 1 is raised by one, and
/// the sample multiplied with u^(1 / concentration). Draws as PyTorch does, whose constants are single precision and
/// which subtracts the third in the type of the concentration.
template <class T>
double gamma_sample(Generator& generator, T concentration) {
  double scale = 1;
  if (concentration < 1) {
    if (concentration == 0) return 0;
    scale = std::pow(positive_uniform(generator), static_cast<T>(1) / concentration);
    concentration += 1;
  }
  const double d = concentration - static_cast<T>(1.0f / 3.0f), c = 1 / std::sqrt(9 * d);
  while (true) {
    double x, root;
    do {
      x = random::next_normal(generator);
      root = 1 + c * x;
    } while (root <= 0);
    const double v = root * root * root, u = positive_uniform(generator), square = x * x;
    if (u < 1 - double{0.0331f} * square * square) return scale * d * v;
    if (std::log(u) < 0.5 * square + d * (1 - v + std::log(v))) return scale * d * v;
  }
}

/// At least the smallest normal number, that of a NaN (the sample of a negative concentration) too.
template <class T>
T above_zero(double sample) {
  constexpr T least = std::numeric_limits<T>::min();
  const T rounded = static_cast<T>(sample);
  return rounded > least ? rounded : least;
}

void check_floating(const char* operation, const Tensor& tensor) {
  if (tensor.dtype() != Dtype::F32 && tensor.dtype() != Dtype::F64)
    not_implemented('"', operation, "\" not implemented for '", torch_name(tensor.dtype()),
                    "': convert to float32 or float64");
}

Tensor standard_gamma_grad(const Tensor& concentration, const Tensor& sample);
Tensor dirichlet_grad(const Tensor& sample, const Tensor& concentration, const Tensor& total);

Tensor standard_gamma(const Tensor& concentration, Generator* g) {
  check_floating("gamma_cpu", concentration);
  Generator& generator = chosen(g);
  Tensor result = empty(concentration.sizes(), concentration.dtype());
  {
    NoGrad silent;
    const Tensor rows = contiguous(detach(concentration));
    visit_floating(rows.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T* from = rows.data<T>();
      T* to = result.data<T>();
      launch({{&rows}, {&result}}, 100 * rows.numel(), [&] {
        std::lock_guard lock(generator.mutex);
        for (int64_t i = 0; i < rows.numel(); ++i) to[i] = above_zero<T>(gamma_sample(generator, from[i]));
      });
    });
  }
  if (needs_gradient(concentration))
    record("StandardGammaBackward0", result, {concentration},
           [concentration = save(concentration), result = save_output(result)](const Tensor& gradient, Gradients& in) {
             in[0] = mul(gradient, standard_gamma_grad(concentration(), result()));
           });
  return result;
}

/// Independent gamma samples over their sum. With s_i = ∂x_i/∂a_i for the beta distribution of x_i alone, the other x_j
/// share what it gains in proportion: ∂x_j/∂a_i = -x_j s_i / (1 - x_i) (Jankowiak & Obermeyer 2018).
Tensor sample_dirichlet(const Tensor& concentration, Generator* g) {
  check_floating("dirichlet", concentration);
  Generator& generator = chosen(g);
  Tensor result = empty(concentration.sizes(), concentration.dtype());
  {
    NoGrad silent;
    const Tensor rows = contiguous(to_dtype(detach(concentration), Dtype::F64));
    Tensor samples = empty(rows.sizes(), Dtype::F64);
    const int64_t each = rows.ndim() == 0 ? 1 : rows.size(-1);
    visit_floating(result.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      const double* from = rows.data<double>();
      double* gamma = samples.data<double>();
      T* to = result.data<T>();
      launch({{&rows}, {&samples, &result}}, 100 * rows.numel(), [&] {
        std::lock_guard lock(generator.mutex);
        for (int64_t start = 0; start < rows.numel(); start += each) {
          double sum = 0;
          for (int64_t i = start; i < start + each; ++i)
            sum += gamma[i] = above_zero<double>(gamma_sample(generator, from[i]));
          constexpr T below_one = 1 - std::numeric_limits<T>::epsilon() / 2;
          for (int64_t i = start; i < start + each; ++i) to[i] = std::min(above_zero<T>(gamma[i] / sum), below_one);
        }
      });
    });
  }
  if (needs_gradient(concentration))
    record("SampleDirichletBackward0", result, {concentration},
           [concentration = save(concentration), result = save_output(result)](const Tensor& gradient, Gradients& in) {
             const Tensor a = concentration(), x = result();
             const Tensor slope = dirichlet_grad(x, a, expand(sum(a, {-1}, true), a.sizes()));
             in[0] = mul(slope, sub(gradient, sum(mul(x, gradient), {-1}, true)));
           });
  return result;
}

/// What is close enough for a result of type T.
template <class T>
constexpr double kPrecision = sizeof(T) == 4 ? 1e-8 : 1e-15;

/// Broadcasts the inputs, then result = f(values of them), one element after the other.
template <size_t N, class F>
Tensor elementwise(const Tensor (&inputs)[N], F f) {
  NoGrad silent;
  const Dtype dtype = inputs[0].dtype();
  Dims sizes = inputs[0].sizes();
  for (const Tensor& input : inputs) {
    if (input.dtype() != dtype)
      runtime_error("Found dtype ", torch_name(input.dtype()), " but expected ", torch_name(dtype),
                    ", that of the first argument");
    sizes = broadcast_shapes(sizes, input.sizes());
  }
  Tensor result = empty(sizes, dtype), sources[N];
  for (size_t k = 0; k < N; ++k) sources[k] = contiguous(expand(detach(inputs[k]), sizes));
  visit_floating(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from[N];
    for (size_t k = 0; k < N; ++k) from[k] = sources[k].template data<T>();
    T* to = result.data<T>();
    launch({{}, {&result}}, 300 * result.numel(), [&] {
      parallel_for(result.numel(), 256, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          double values[N];
          for (size_t k = 0; k < N; ++k) values[k] = from[k][i];
          to[i] = static_cast<T>(f(values, kPrecision<T>));
        }
      });
    });
  });
  return result;
}

Tensor standard_gamma_grad(const Tensor& concentration, const Tensor& sample) {
  check_floating("_standard_gamma_grad_cpu", concentration);
  Tensor result = elementwise({concentration, sample}, [](const double* v, double precision) {
    return gamma_quantile_slope(v[1], v[0], precision);
  });
  if (needs_gradient(concentration, sample))
    record_not_differentiable("_standard_gamma_grad", result, {concentration, sample});
  return result;
}

/// ∂x/∂a / (1 - x) for x of the beta distribution with parameters a and total - a.
Tensor dirichlet_grad(const Tensor& sample, const Tensor& concentration, const Tensor& total) {
  check_floating("_dirichlet_grad_cpu", sample);
  Tensor result = elementwise({sample, concentration, total}, [](const double* v, double precision) {
    const double x = v[0], a = v[1], b = v[2] - a;
    return beta_quantile_slope(x, 1 - x, a, b, precision);
  });
  if (needs_gradient(sample, concentration, total))
    record_not_differentiable("_dirichlet_grad", result, {sample, concentration, total});
  return result;
}

}  // namespace

void register_random_gamma(Registry& r) {
  r.add("_standard_gamma(Tensor self, Generator? generator=None) -> Tensor", standard_gamma, kFunction);
  r.add("_sample_dirichlet(Tensor self, Generator? generator=None) -> Tensor", sample_dirichlet, kFunction);
  r.add("_standard_gamma_grad(Tensor self, Tensor output) -> Tensor", standard_gamma_grad, kFunction);
  r.add("_dirichlet_grad(Tensor x, Tensor alpha, Tensor total) -> Tensor", dirichlet_grad, kFunction);
}

}  // namespace ondol
