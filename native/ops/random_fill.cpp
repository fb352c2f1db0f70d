// In-place random fills: uniform_, normal_, random_, bernoulli_, exponential_, geometric_, cauchy_, log_normal_.

#include <cmath>
#include <limits>

#include "base/distributions.h"
#include "base/half.h"
#include "ops/functions.h"
#include "ops/random.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {
namespace {

/// Calls f with a value of the C++ type of a real floating dtype.
template <class F>
void for_floating(const char* operation, Dtype dtype, F f) {
  switch (dtype) {
    case Dtype::F16:
      return f(Half{});
    case Dtype::BF16:
      return f(BFloat16{});
    case Dtype::F32:
      return f(float{});
    case Dtype::F64:
      return f(double{});
    default:
      not_implemented("\"", operation, "\" not implemented for '", torch_name(dtype),
                      "': it fills floating point tensors");
  }
}
/// The same for all dtypes but the complex ones.
template <class F>
void for_real(const char* operation, Dtype dtype, F f) {
  switch (dtype) {
    case Dtype::Bool:
      return f(bool{});
    case Dtype::U8:
      return f(uint8_t{});
    case Dtype::I8:
      return f(int8_t{});
    case Dtype::I16:
      return f(int16_t{});
    case Dtype::I32:
      return f(int32_t{});
    case Dtype::I64:
      return f(int64_t{});
    default:
      for_floating(operation, dtype, f);
  }
}

/// The dimensions from the largest stride to the smallest: the order in which PyTorch walks a tensor's memory.
Dims memory_order(const Tensor& self) {
  Dims order;
  for (int64_t i = 0; i < self.ndim(); ++i) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return self.strides()[a] > self.strides()[b]; });
  return order;
}

/// Calls draw(contiguous tensor), whose elements then lie in `self` in the order of its memory.
template <class Draw>
void fill_in_memory_order(const Tensor& self, Draw draw) {
  if (self.numel() == 0) return;
  if (self.is_contiguous()) return draw(self);
  NoGrad silent;
  Tensor ordered = permute(detach(self), memory_order(self));
  if (ordered.is_contiguous()) return draw(ordered);
  Tensor buffer = empty(ordered.sizes(), self.dtype());
  draw(buffer);
  copy_elements(buffer, ordered);
}

/// A complex tensor as twice as many real numbers, contiguous.
Tensor as_pairs(const Tensor& contiguous) {
  return view_of_storage(contiguous.storage(), {contiguous.numel() * 2}, {1}, contiguous.impl()->offset * 2,
                         to_real(contiguous.dtype()));
}

template <class Draw>
void fill_floating(const char* operation, const Tensor& self, Draw draw) {
  fill_in_memory_order(self, [&](const Tensor& target) {
    for_floating(operation, target.dtype(), [&](auto type) {
      auto* out = target.data<decltype(type)>();
      launch({{}, {&target}}, target.numel() * 8, [&] { draw(out, target.numel()); });
    });
  });
}

double largest(Dtype dtype) {
  switch (to_real(dtype)) {
    case Dtype::F16:
      return 65504;
    case Dtype::BF16:
      return 3.3895313892515355e38;
    case Dtype::F32:
      return std::numeric_limits<float>::max();
    default:
      return std::numeric_limits<double>::max();
  }
}

struct Range {
  int64_t lowest, highest;
};
/// What a dtype holds, as far as int64 tells.
Range range_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::Bool:
      return {0, 1};
    case Dtype::U8:
      return {0, 255};
    case Dtype::I8:
      return {-128, 127};
    case Dtype::I16:
      return {-32768, 32767};
    case Dtype::I32:
      return {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
    case Dtype::F16:
      return {-65504, 65504};
    default:
      return {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()};
  }
}
void check_in_range(const char* what, int64_t value, Dtype dtype) {
  Range range = range_of(dtype);
  if (value < range.lowest || value > range.highest)
    runtime_error(what, " is out of bounds for ", name(dtype), ": random_ got ", value, ", the dtype holds ",
                  range.lowest, " to ", range.highest);
}

void draw_integers(const Tensor& self, uint64_t range, int64_t base, Generator& generator) {
  fill_in_memory_order(self, [&](const Tensor& target) {
    for_real("random_", target.dtype(), [&](auto type) {
      auto* out = target.data<decltype(type)>();
      launch({{}, {&target}}, target.numel() * 8,
             [&] { random::integers(generator, out, target.numel(), range, base); });
    });
  });
}

/// The last integer up to which a dtype holds all.
int64_t last_integer(Dtype dtype) {
  switch (dtype) {
    case Dtype::F16:
      return 1 << 11;
    case Dtype::BF16:
      return 1 << 8;
    case Dtype::F32:
      return 1 << 24;
    case Dtype::F64:
      return int64_t{1} << 53;
    default:
      return range_of(dtype).highest;
  }
}

/// random_(from, None): from there to the last integer of the dtype.
void draw_from(const Tensor& self, int64_t from, Generator& generator) {
  Dtype dtype = self.dtype();
  if (from != std::numeric_limits<int64_t>::min()) {
    int64_t last = last_integer(dtype);
    if (is_floating(dtype)) from = random::representable_bounds(dtype, from, last).from;
    check_in_range("from", from, dtype);
    if (is_floating(dtype) && from >= last)
      runtime_error("random_ expects 'from' casted to dtype to be less than ", last, ", but got ", from);
    return draw_integers(self, static_cast<uint64_t>(last) - static_cast<uint64_t>(from) + 1, from, generator);
  }
  fill_in_memory_order(self, [&](const Tensor& target) {
    auto all_bits = [&](auto type) {
      random::integers_of_all_64_bits(generator, target.data<decltype(type)>(), target.numel());
    };
    switch (dtype) {
      case Dtype::I64:
        return all_bits(int64_t{});
      case Dtype::F64:
        return all_bits(double{});
      case Dtype::F32:
        return all_bits(float{});
      case Dtype::BF16:
        return all_bits(BFloat16{});
      default:
        runtime_error("random_ handles only int64, double, float and bfloat16 with from=-2**63, got ", name(dtype));
    }
  });
}

void draw_integers_of_dtype(const Tensor& self, Generator& generator) {
  fill_in_memory_order(self, [&](const Tensor& target) {
    for_real("random_", target.dtype(),
             [&](auto type) { random::integers(generator, target.data<decltype(type)>(), target.numel()); });
  });
}

}  // namespace

void fill_uniform(const Tensor& self, double from, double to, Generator& generator) {
  Dtype dtype = self.dtype();
  if (!is_differentiable(dtype))
    not_implemented("\"uniform_\" not implemented for '", torch_name(dtype),
                    "': it fills floating point tensors; use random_ for integers");
  double limit = largest(dtype);
  if (!(from >= -limit && from <= limit))
    runtime_error("from is out of bounds for ", name(dtype), ": uniform_ got ", from);
  if (!(to >= -limit && to <= limit)) runtime_error("to is out of bounds for ", name(dtype), ": uniform_ got ", to);
  if (from > to) runtime_error("uniform_ expects to return a [from, to) range, but found from=", from, " > to=", to);
  if (to - from > limit)
    runtime_error("uniform_ expects to-from <= std::numeric_limits<", name(dtype), ">::max(), but found to=", to,
                  " and from=", from);
  fill_in_memory_order(self, [&](const Tensor& target) {
    Tensor real = is_complex(dtype) ? as_pairs(target) : target;
    for_floating("uniform_", real.dtype(), [&](auto type) {
      auto* out = real.data<decltype(type)>();
      launch({{}, {&real}}, real.numel() * 4, [&] { random::uniform(generator, out, real.numel(), from, to); });
    });
  });
}

void fill_normal(const Tensor& self, double mean, double std, Generator& generator) {
  if (!(std >= 0)) runtime_error("normal expects std >= 0.0, but found std ", std);
  Dtype dtype = self.dtype();
  if (!is_differentiable(dtype))
    not_implemented("\"normal_kernel_cpu\" not implemented for '", torch_name(dtype),
                    "': normal_ fills floating point tensors");
  if (is_complex(dtype)) std /= std::sqrt(2.0);  // half of the variance for each part
  bool serial = !self.is_contiguous();
  fill_in_memory_order(self, [&](const Tensor& target) {
    Tensor real = is_complex(dtype) ? as_pairs(target) : target;
    for_floating("normal_", real.dtype(), [&](auto type) {
      auto* out = real.data<decltype(type)>();
      launch({{}, {&real}}, real.numel() * 16, [&] {
        if (serial)
          random::normal_serial(generator, out, real.numel(), mean, std);
        else
          random::normal(generator, out, real.numel(), mean, std);
      });
    });
  });
}

void fill_bernoulli(const Tensor& self, double p, Generator& generator) {
  if (!(p >= 0 && p <= 1)) runtime_error("bernoulli_ expects p to be in [0, 1], but got p=", p);
  fill_in_memory_order(self, [&](const Tensor& target) {
    for_real("bernoulli_", target.dtype(), [&](auto type) {
      auto* out = target.data<decltype(type)>();
      launch({{}, {&target}}, target.numel() * 8, [&] { random::bernoulli(generator, out, target.numel(), p); });
    });
  });
}

void fill_bernoulli(const Tensor& self, const Tensor& p, Generator& generator) {
  if (!is_floating(p.dtype()))
    runtime_error("expected probabilities tensor to have floating type, got ", name(p.dtype()));
  if (broadcast_shapes(p.sizes(), self.sizes()) != self.sizes())
    shape_error("bernoulli_: probabilities of shape ", p.sizes(), " do not broadcast to the tensor's shape ",
                self.sizes());
  if (self.numel() == 0) return;
  NoGrad silent;
  Dtype wide = p.dtype() == Dtype::F64 ? Dtype::F64 : Dtype::F32;
  Dims order = memory_order(self);
  Tensor spread = permute(expand(to_dtype(detach(p), wide), self.sizes()), order);
  Tensor chances = empty(spread.sizes(), wide), ordered = permute(detach(self), order);
  copy_elements(spread, chances);
  Tensor target = ordered.is_contiguous() ? ordered : empty(ordered.sizes(), self.dtype());
  auto draw = [&](const auto* probability) {
    for (int64_t i = 0; i < target.numel(); ++i)
      if (!(probability[i] >= 0 && probability[i] <= 1))
        runtime_error("Expected p_in >= 0 && p_in <= 1 to be true, but got false: bernoulli_ got the probability ",
                      probability[i]);
    for_real("bernoulli_", target.dtype(), [&](auto type) {
      random::bernoulli(generator, target.data<decltype(type)>(), probability, target.numel());
    });
  };
  if (wide == Dtype::F64)
    draw(chances.data<double>());
  else
    draw(chances.data<float>());
  if (!ordered.is_contiguous()) copy_elements(target, ordered);
}

void fill_integers(const Tensor& self, int64_t from, int64_t to, Generator& generator) {
  if (from >= to) runtime_error("random_ expects 'from' to be less than 'to', but got from=", from, " >= to=", to);
  Dtype dtype = self.dtype();
  check_in_range("from", from, dtype);
  check_in_range("to - 1", to - 1, dtype);
  auto bounds = random::representable_bounds(dtype, from, to);
  if (bounds.from >= bounds.to)
    runtime_error("random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got from=", from,
                  " >= to=", to, " for ", name(dtype));
  draw_integers(self, static_cast<uint64_t>(bounds.to) - static_cast<uint64_t>(bounds.from), bounds.from, generator);
}

namespace {

/// Runs `fill` on self; where a gradient flows through self, it ends here as zeros.
template <class Fill>
Tensor filled(const Tensor& self, const char* operation, Fill fill) {
  Tensor target = self;
  if (!needs_gradient(self)) {
    fill(self);
    self.bump_version();
    return target;
  }
  Tensor fresh = empty_strided(self.sizes(), self.strides(), self.dtype());
  fill(fresh);
  finish_in_place(target, fresh, operation);
  return target;
}

Tensor uniform_(const Tensor& self, double from, double to, Generator* g) {
  return filled(self, "uniform_", [&](const Tensor& t) { fill_uniform(t, from, to, chosen(g)); });
}
Tensor normal_(const Tensor& self, double mean, double std, Generator* g) {
  return filled(self, "normal_", [&](const Tensor& t) { fill_normal(t, mean, std, chosen(g)); });
}
Tensor random_from_to(const Tensor& self, int64_t from, std::optional<int64_t> to, Generator* g) {
  return filled(self, "random_",
                [&](const Tensor& t) { to ? fill_integers(t, from, *to, chosen(g)) : draw_from(t, from, chosen(g)); });
}
Tensor random_to(const Tensor& self, int64_t to, Generator* g) { return random_from_to(self, 0, to, g); }
Tensor random_(const Tensor& self, Generator* g) {
  return filled(self, "random_", [&](const Tensor& t) { draw_integers_of_dtype(t, chosen(g)); });
}
Tensor bernoulli_tensor(const Tensor& self, const Tensor& p, Generator* g) {
  return filled(self, "bernoulli_", [&](const Tensor& t) { fill_bernoulli(t, p, chosen(g)); });
}
Tensor bernoulli_float(const Tensor& self, double p, Generator* g) {
  return filled(self, "bernoulli_", [&](const Tensor& t) { fill_bernoulli(t, p, chosen(g)); });
}
Tensor exponential_(const Tensor& self, double lambda, Generator* g) {
  if (!(lambda > 0)) runtime_error("exponential_ expects lambda > 0.0, but found lambda=", lambda);
  return filled(self, "exponential_", [&](const Tensor& t) {
    fill_floating("exponential_", t, [&](auto* out, int64_t n) { random::exponential(chosen(g), out, n, lambda); });
  });
}
Tensor geometric_(const Tensor& self, double p, Generator* g) {
  if (!(p > 0 && p < 1)) runtime_error("geometric_ expects p to be in (0, 1), but got p=", p);
  return filled(self, "geometric_", [&](const Tensor& t) {
    fill_in_memory_order(t, [&](const Tensor& target) {
      for_real("geometric_", target.dtype(), [&](auto type) {
        if constexpr (std::is_same_v<decltype(type), bool>)
          not_implemented("\"geometric_\" not implemented for 'Bool'");
        else
          random::geometric(chosen(g), target.data<decltype(type)>(), target.numel(), p);
      });
    });
  });
}
Tensor cauchy_(const Tensor& self, double median, double sigma, Generator* g) {
  if (!(sigma > 0)) runtime_error("cauchy_ expects sigma > 0.0, but found sigma=", sigma);
  return filled(self, "cauchy_", [&](const Tensor& t) {
    fill_floating("cauchy_", t, [&](auto* out, int64_t n) { random::cauchy(chosen(g), out, n, median, sigma); });
  });
}
Tensor log_normal_(const Tensor& self, double mean, double std, Generator* g) {
  if (!(std > 0)) runtime_error("log_normal_ expects std > 0.0, but found std=", std);
  return filled(self, "log_normal_", [&](const Tensor& t) {
    fill_floating("log_normal_", t, [&](auto* out, int64_t n) { random::log_normal(chosen(g), out, n, mean, std); });
  });
}

}  // namespace

void register_random_fill(Registry& r) {
  r.add("uniform_(Tensor self, float from=0, float to=1, *, Generator? generator=None) -> Tensor", uniform_, kMethod);
  r.add("normal_(Tensor self, float mean=0, float std=1, *, Generator? generator=None) -> Tensor", normal_, kMethod);
  r.add("random_.from(Tensor self, int from, int? to, *, Generator? generator=None) -> Tensor", random_from_to,
        kMethod);
  r.add("random_.to(Tensor self, int to, *, Generator? generator=None) -> Tensor", random_to, kMethod);
  r.add("random_(Tensor self, *, Generator? generator=None) -> Tensor", random_, kMethod);
  r.add("bernoulli_.Tensor(Tensor self, Tensor p, *, Generator? generator=None) -> Tensor", bernoulli_tensor, kMethod);
  r.add("bernoulli_.float(Tensor self, float p=0.5, *, Generator? generator=None) -> Tensor", bernoulli_float, kMethod);
  r.add("exponential_(Tensor self, float lambd=1, *, Generator? generator=None) -> Tensor", exponential_, kMethod);
  r.add("geometric_(Tensor self, float p, *, Generator? generator=None) -> Tensor", geometric_, kMethod);
  r.add("cauchy_(Tensor self, float median=0, float sigma=1, *, Generator? generator=None) -> Tensor", cauchy_,
        kMethod);
  r.add("log_normal_(Tensor self, float mean=1, float std=2, *, Generator? generator=None) -> Tensor", log_normal_,
        kMethod);
}

}  // namespace ondol
