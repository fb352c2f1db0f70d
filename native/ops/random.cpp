// Random tensors: rand, randn, randint, randperm and samples of distributions.

#include "ops/random.h"
#include "base/distributions.h"
#include "ops/functions.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {

void raise_random_draw_forbidden() {
  runtime_error(
      "vmap: a random operation was called inside of vmap with randomness='error'. Pass randomness='different' to vmap "
      "for numbers of its own in each example, or randomness='same' for the same ones in all");
}

namespace {

using MaybeDtype = std::optional<Dtype>;
using MaybeFormat = std::optional<MemoryFormat>;

Tensor rand(const Dims& size, Generator* g, MaybeDtype dtype) {
  Tensor result = empty(size, dtype.value_or(default_dtype()));
  fill_uniform(result, 0, 1, chosen(g));
  return result;
}
Tensor randn(const Dims& size, Generator* g, MaybeDtype dtype) {
  Tensor result = empty(size, dtype.value_or(default_dtype()));
  fill_normal(result, 0, 1, chosen(g));
  return result;
}
Tensor randint_between(int64_t low, int64_t high, const Dims& size, Generator* g, MaybeDtype dtype) {
  Tensor result = empty(size, dtype.value_or(Dtype::I64));
  fill_integers(result, low, high, chosen(g));
  return result;
}
Tensor randint_below(int64_t high, const Dims& size, Generator* g, MaybeDtype dtype) {
  return randint_between(0, high, size, g, dtype);
}

Tensor like(const Tensor& model, MaybeFormat format, MaybeDtype dtype) {
  Dtype type = dtype.value_or(model.dtype());
  if (format && *format != MemoryFormat::Preserve)
    return empty_strided(model.sizes(), strides_for(model.sizes(), *format), type);
  return empty_like(model, type);
}
Tensor rand_like(const Tensor& self, Generator* g, MaybeFormat format, MaybeDtype dtype) {
  Tensor result = like(self, format, dtype);
  fill_uniform(result, 0, 1, chosen(g));
  return result;
}
Tensor randn_like(const Tensor& self, Generator* g, MaybeFormat format, MaybeDtype dtype) {
  Tensor result = like(self, format, dtype);
  fill_normal(result, 0, 1, chosen(g));
  return result;
}
Tensor randint_like_between(const Tensor& self, int64_t low, int64_t high, Generator* g, MaybeFormat format,
                            MaybeDtype dtype) {
  Tensor result = like(self, format, dtype);
  fill_integers(result, low, high, chosen(g));
  return result;
}
Tensor randint_like_below(const Tensor& self, int64_t high, Generator* g, MaybeFormat format, MaybeDtype dtype) {
  return randint_like_between(self, 0, high, g, format, dtype);
}

/// One more than the largest integer up to which the dtype holds all.
int64_t countable(Dtype dtype) {
  switch (dtype) {
    case Dtype::U8:
      return 256;
    case Dtype::I8:
      return 128;
    case Dtype::I16:
      return 1 << 15;
    case Dtype::I32:
      return int64_t{1} << 31;
    case Dtype::F16:
      return (1 << 11) + 1;
    case Dtype::BF16:
      return (1 << 8) + 1;
    case Dtype::F32:
      return (1 << 24) + 1;
    case Dtype::F64:
      return (int64_t{1} << 53) + 1;
    default:
      return std::numeric_limits<int64_t>::max();
  }
}
Tensor randperm(int64_t n, Generator* g, MaybeDtype requested) {
  Dtype dtype = requested.value_or(Dtype::I64);
  if (n < 0) runtime_error("randperm: n must be non-negative, got ", n);
  if (dtype == Dtype::Bool || is_complex(dtype))
    not_implemented("\"randperm\" not implemented for '", torch_name(dtype), "'");
  if (n > countable(dtype))
    runtime_error("randperm: n=", n, " is too large for dtype ", name(dtype), ", which holds the integers below ",
                  countable(dtype));
  Tensor result = empty({n}, Dtype::I64);
  launch({{}, {&result}}, n * 8, [&] { random::permutation(chosen(g), result.data<int64_t>(), n); });
  return to_dtype(result, dtype);
}

/// Samples depend on their parameters through no derivative: gradients are zeros, as in PyTorch.
Tensor sampled(const char* node, Tensor result, const Tensor& a, const Tensor& b = {}) {
  if (!needs_gradient(a) && !(b.defined() && needs_gradient(b))) return result;
  Dims sizes_a = a.sizes(), sizes_b = b.defined() ? b.sizes() : Dims{};
  Dtype dtype_a = a.dtype(), dtype_b = b.defined() ? b.dtype() : dtype_a;
  record(node, {result}, std::vector<Tensor>{a, b}, [=](std::span<const Tensor>, Gradients& in) {
    if (in.wants(0)) in[0] = zeros(sizes_a, dtype_a);
    if (in.wants(1)) in[1] = zeros(sizes_b, dtype_b);
  });
  return result;
}

void check_deviations(const Tensor& std) {
  if (is_complex(std.dtype())) runtime_error("normal expects standard deviation to be non-complex");
  if (std.numel() == 0) return;
  NoGrad silent;
  Tensor negative = to_dtype(lt(std, wrapped_number(0)), Dtype::I64);
  if (element(sum(negative)).to_int() > 0) runtime_error("normal expects all elements of std >= 0.0");
}
Tensor normal_tensors(const Tensor& mean, const Tensor& std, Generator* g) {
  check_deviations(std);
  Tensor noise = empty(broadcast_shapes(mean.sizes(), std.sizes()), mean.dtype());
  fill_normal(noise, 0, 1, chosen(g));
  {
    NoGrad silent;
    noise = to_dtype(add(mul(noise, std), mean), mean.dtype());
  }
  return sampled("NormalBackward3", noise, mean, std);
}
Tensor normal_tensor_float(const Tensor& mean, double std, Generator* g) {
  Tensor noise = empty(mean.sizes(), mean.dtype());
  fill_normal(noise, 0, std, chosen(g));
  {
    NoGrad silent;
    noise = add(noise, mean);
  }
  return sampled("NormalBackward1", noise, mean);
}
Tensor normal_float_tensor(double mean, const Tensor& std, Generator* g) {
  check_deviations(std);
  Tensor noise = empty(std.sizes(), std.dtype());
  fill_normal(noise, 0, 1, chosen(g));
  {
    NoGrad silent;
    noise = add(mul(noise, std), wrapped_number(mean));
  }
  return sampled("NormalBackward2", noise, std);
}
Tensor normal_floats(double mean, double std, const Dims& size, Generator* g, MaybeDtype dtype) {
  Tensor result = empty(size, dtype.value_or(default_dtype()));
  fill_normal(result, mean, std, chosen(g));
  return result;
}

Tensor bernoulli(const Tensor& self, Generator* g) {
  Tensor result = empty_like(self, self.dtype());
  fill_bernoulli(result, self, chosen(g));
  return sampled("BernoulliBackward0", result, self);
}
Tensor bernoulli_with(const Tensor& self, double p, Generator* g) {
  Tensor result = empty_like(self, self.dtype());
  fill_bernoulli(result, p, chosen(g));
  return sampled("BernoulliBackward0", result, self);
}

Tensor multinomial(const Tensor& self, int64_t samples, bool replacement, Generator* g) {
  if (self.ndim() != 1 && self.ndim() != 2)
    runtime_error("prob_dist must be 1 or 2 dim (multinomial: input has shape ", self.sizes(), ")");
  if (!is_floating(self.dtype()))
    runtime_error("multinomial only supports floating-point dtypes for input, got: ", name(self.dtype()));
  if (samples <= 0) runtime_error("cannot sample n_sample <= 0 samples (multinomial: num_samples is ", samples, ")");
  int64_t categories = self.size(-1), rows = self.ndim() == 2 ? self.sizes()[0] : 1;
  if (!replacement && samples > categories)
    runtime_error(
        "cannot sample n_sample > prob_dist.size(-1) samples without replacement (multinomial: num_samples is ",
        samples, ", categories ", categories, ")");
  if (categories > int64_t{1} << 24) runtime_error("number of categories cannot exceed 2^24, got ", categories);
  Tensor result = empty(self.ndim() == 2 ? Dims{rows, samples} : Dims{samples}, Dtype::I64);
  if (self.numel() == 0) {
    if (result.numel() > 0)
      runtime_error("invalid multinomial distribution: there are no categories in input of shape ", self.sizes());
    return result;
  }
  NoGrad silent;
  Dtype wide = self.dtype() == Dtype::F64 ? Dtype::F64 : Dtype::F32;
  Tensor weights = contiguous(to_dtype(detach(self), wide));
  auto draw = [&](auto* w) {
    launch({{&weights}, {&result}}, weights.numel() * 8, [&] {
      if (replacement && samples > 1)
        random::multinomial_with_replacement(chosen(g), w, rows, categories, result.data<int64_t>(), samples);
      else
        random::multinomial_without_replacement(chosen(g), w, rows, categories, result.data<int64_t>(), samples);
    });
  };
  if (wide == Dtype::F64)
    draw(weights.data<double>());
  else
    draw(weights.data<float>());
  return result;
}

Tensor poisson(const Tensor& self, Generator* g) {
  if (!is_floating(self.dtype()))
    not_implemented("\"poisson_cpu\" not implemented for '", torch_name(self.dtype()), "'");
  NoGrad silent;
  Tensor rates = contiguous(to_dtype(detach(self), Dtype::F64)), samples = empty(self.sizes(), Dtype::F64);
  auto *rate = rates.data<double>(), *sample = samples.data<double>();
  for (int64_t i = 0; i < rates.numel(); ++i)
    if (!(rate[i] >= 0)) runtime_error("invalid Poisson rate, expected rate to be non-negative, got ", rate[i]);
  Generator& generator = chosen(g);
  launch({{&rates}, {&samples}}, rates.numel() * 100, [&] { sample_poisson(generator, rate, sample, rates.numel()); });
  Tensor result = to_dtype(samples, self.dtype());
  GradModeGuard recording(true);
  return sampled("PoissonBackward0", result, self);
}

Tensor binomial(const Tensor& count, const Tensor& prob, Generator* g) {
  if (!is_floating(count.dtype()) || count.dtype() != prob.dtype())
    runtime_error("binomial only supports floating-point dtypes for count and prob, and the same for both, got ",
                  name(count.dtype()), " and ", name(prob.dtype()));
  if (broadcast_shapes(count.sizes(), prob.sizes()) != count.sizes())
    shape_error("binomial: prob of shape ", prob.sizes(), " does not broadcast to the shape of count, ", count.sizes());
  NoGrad silent;
  Tensor trials = contiguous(to_dtype(detach(count), Dtype::F64)), samples = empty(count.sizes(), Dtype::F64);
  Tensor chances = contiguous(expand(to_dtype(detach(prob), Dtype::F64), count.sizes()));
  Generator& generator = chosen(g);
  launch({{&trials, &chances}, {&samples}}, trials.numel() * 100, [&] {
    sample_binomial(generator, trials.data<double>(), chances.data<double>(), samples.data<double>(), trials.numel());
  });
  return to_dtype(samples, count.dtype());
}

}  // namespace

void register_random(Registry& r) {
  r.add("rand(int[] size, *, Generator? generator=None, FACTORY) -> Tensor", rand);
  r.add("randn(int[] size, *, Generator? generator=None, FACTORY) -> Tensor", randn);
  r.add("randint(int high, int[] size, *, Generator? generator=None, FACTORY) -> Tensor", randint_below);
  r.add("randint.low(int low, int high, int[] size, *, Generator? generator=None, FACTORY) -> Tensor", randint_between);
  r.add("randperm(int n, *, Generator? generator=None, FACTORY) -> Tensor", randperm);
  r.add("rand_like(Tensor self, *, Generator? generator=None, MemoryFormat? memory_format=None, FACTORY) -> Tensor",
        rand_like, kFunction);
  r.add("randn_like(Tensor self, *, Generator? generator=None, MemoryFormat? memory_format=None, FACTORY) -> Tensor",
        randn_like, kFunction);
  r.add(
      "randint_like(Tensor self, int high, *, Generator? generator=None, MemoryFormat? memory_format=None, FACTORY) -> "
      "Tensor",
      randint_like_below, kFunction);
  r.add(
      "randint_like.low(Tensor self, int low, int high, *, Generator? generator=None, MemoryFormat? "
      "memory_format=None, FACTORY) -> Tensor",
      randint_like_between, kFunction);
  r.add("normal.Tensor_Tensor(Tensor mean, Tensor std, *, Generator? generator=None) -> Tensor", normal_tensors);
  r.add("normal.Tensor_float(Tensor mean, float std=1, *, Generator? generator=None) -> Tensor", normal_tensor_float);
  r.add("normal.float_Tensor(float mean, Tensor std, *, Generator? generator=None) -> Tensor", normal_float_tensor);
  r.add("normal(float mean, float std, int[] size, *, Generator? generator=None, FACTORY) -> Tensor", normal_floats);
  r.add("bernoulli(Tensor self, *, Generator? generator=None) -> Tensor", bernoulli);
  r.add("bernoulli.p(Tensor self, float p, *, Generator? generator=None) -> Tensor", bernoulli_with);
  r.add("multinomial(Tensor self, int num_samples, bool replacement=False, *, Generator? generator=None) -> Tensor",
        multinomial);
  r.add("poisson(Tensor self, Generator? generator=None) -> Tensor", poisson, kFunction);
  r.add("binomial(Tensor count, Tensor prob, Generator? generator=None) -> Tensor", binomial);
}

}  // namespace ondol
