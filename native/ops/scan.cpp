// Running sums, products, extremes, and linear recurrences.

#include "ops/scan.h"

#include <cmath>
#include <limits>

#include "base/parallel.h"
#include "ops/functions.h"
#include "ops/in_place.h"
#include "ops/reduction.h"
#include "ops/registry.h"

namespace ondol {
namespace {

template <class T>
const auto& scans() {
  if constexpr (std::is_same_v<T, float>)
    return kernel::table().scan.float32;
  else if constexpr (std::is_same_v<T, double>)
    return kernel::table().scan.float64;
  else
    return kernel::table().scan.int64;
}

/// Every line along dim by the kernel that `pick` takes from the table.
template <class Pick>
Tensor scan_lines(const Tensor& self, int64_t dim, Dtype compute, Pick pick) {
  NoGrad silent;
  Tensor input = contiguous(to_dtype(detach(self), compute)), result = empty(self.sizes(), compute);
  kernel::Lines lines = lines_along(self.sizes(), dim);
  launch({{&input}, {&result}}, input.numel(), [&] {
    visit_reduced(compute, [&](auto tag) {
      using T = typename decltype(tag)::type;
      pick(scans<T>())(input.data<T>(), result.data<T>(), lines);
    });
  });
  return result;
}

/// Complex numbers have no kernel: op(running, element) along each line.
template <class Op>
Tensor scan_complex(const Tensor& self, int64_t dim, Dtype dtype, Op op) {
  NoGrad silent;
  Tensor input = contiguous(to_dtype(detach(self), Dtype::C128)), result = empty(self.sizes(), Dtype::C128);
  kernel::Lines lines = lines_along(self.sizes(), dim);
  if (lines.are_empty()) return to_dtype(result, dtype);
  auto *x = input.data<c128>(), *y = result.data<c128>();
  for (int64_t o = 0; o < lines.outer; ++o)
    for (int64_t r = 0; r < lines.n; ++r)
      for (int64_t j = 0; j < lines.inner; ++j) {
        int64_t i = (o * lines.n + r) * lines.inner + j;
        y[i] = r ? op(y[i - lines.inner], x[i]) : x[i];
      }
  return to_dtype(result, dtype);
}

Dtype scan_dtype(const Tensor& self, std::optional<Dtype> dtype) {
  return dtype.value_or(is_integral(self.dtype()) ? Dtype::I64 : self.dtype());
}
Tensor flip_along(const Tensor& x, int64_t dim) { return flip(x, {dim}); }
Tensor reversed_cumsum(const Tensor& x, int64_t dim) { return flip_along(cumsum(flip_along(x, dim), dim), dim); }

}  // namespace

Tensor cumsum(const Tensor& self, int64_t dim, std::optional<Dtype> requested) {
  Dtype dtype = scan_dtype(self, requested);
  dim = wrap_dim(dim, self.ndim());
  Tensor result;
  {
    NoGrad silent;
    Tensor typed = to_dtype(detach(self), dtype);
    result =
        is_complex(dtype)
            ? scan_complex(typed, dim, dtype, [](c128 a, c128 b) { return a + b; })
            : to_dtype(scan_lines(typed, dim, reduction_dtype(dtype), [](const auto& k) { return k.cumsum; }), dtype);
  }
  if (needs_gradient(self) && is_differentiable(dtype))
    record("CumsumBackward0", result, {self},
           [dim](const Tensor& gradient, Gradients& in) { in[0] = reversed_cumsum(gradient, dim); });
  return result;
}

namespace {

template <class T>
void recur(const T* a, const T* b, T* y, kernel::Lines lines) {
  if (lines.are_empty()) return;
  const int64_t n = lines.n, inner = lines.inner;
  parallel_for(lines.outer, grain_for(16384, n, inner), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o)
      for (int64_t r = 0; r < n; ++r)
        for (int64_t j = 0; j < inner; ++j) {
          int64_t i = (o * n + r) * inner + j;
          y[i] = r ? static_cast<T>(a[i] * y[i - inner] + b[i]) : b[i];
        }
  });
}

/// x moved one place up along dim, zero in front.
Tensor delayed(const Tensor& x, int64_t dim) {
  return slice_backward(narrow(x, dim, 0, x.size(dim) - 1), x.sizes(), dim, 1, x.size(dim), 1);
}
/// 1 in the first place along dim, 0 in all others.
Tensor first_unit(const Tensor& model, int64_t dim) {
  NoGrad silent;
  Tensor unit = zeros(model.sizes(), model.dtype());
  copy_elements(wrapped_number(1), narrow(unit, dim, 0, 1));
  return unit;
}

}  // namespace

Tensor linear_recurrence(const Tensor& a, const Tensor& b, int64_t dim) {
  Tensor result;
  {
    NoGrad silent;
    Dtype compute = is_complex(b.dtype()) ? Dtype::C128 : reduction_dtype(b.dtype());
    Tensor left = contiguous(to_dtype(detach(a), compute)), right = contiguous(to_dtype(detach(b), compute));
    Tensor y = empty(b.sizes(), compute);
    kernel::Lines lines = lines_along(b.sizes(), dim);
    launch({{&left, &right}, {&y}}, y.numel(), [&] {
      if (compute == Dtype::C128)
        recur(left.data<c128>(), right.data<c128>(), y.data<c128>(), lines);
      else
        visit_floating(compute, [&](auto tag) {
          using T = typename decltype(tag)::type;
          recur(left.data<T>(), right.data<T>(), y.data<T>(), lines);
        });
    });
    result = to_dtype(y, b.dtype());
  }
  if (needs_gradient(a, b) && b.size(dim) > 0)
    record("LinearRecurrenceBackward", result, {a, b},
           [dim, saved = save(a), y = save_output(result)](const Tensor& gradient, Gradients& in) {
             // The adjoint runs backwards: s[k] = g[k] + conj(a[k + 1]) s[k + 1], in flipped order a recurrence with a
             // delayed factor.
             Tensor factor = delayed(flip_along(conj(saved()), dim), dim);
             Tensor sensitivity = flip_along(linear_recurrence(factor, flip_along(gradient, dim), dim), dim);
             if (in.wants(0)) in[0] = mul(sensitivity, conj(delayed(y(), dim)));
             in[1] = sensitivity;
           });
  return result;
}

Tensor exclusive_product(const Tensor& x, int64_t dim) {
  return linear_recurrence(delayed(x, dim), first_unit(x, dim), dim);
}

namespace {

/// gx[k] = (x[0] ... x[k - 1]) s[k] with s[k] = g[k] + x[k + 1] s[k + 1] along `count` lines at once, so that their
/// latencies overlap: element k of line j stands at j * apart + k * step. No division, so zeros need no care.
template <int count, class T>
void cumprod_gradient(const T* x, const T* g, T* gx, int64_t n, int64_t step, int64_t apart) {
  double behind[count] = {}, before[count];
  for (int64_t k = n - 1; k >= 0; --k)
    for (int j = 0; j < count; ++j) {
      const int64_t i = j * apart + k * step;
      const double state = static_cast<double>(g[i]) + behind[j];
      gx[i] = static_cast<T>(state);
      behind[j] = static_cast<double>(x[i]) * state;
    }
  for (double& product : before) product = 1;
  for (int64_t k = 0; k < n; ++k)
    for (int j = 0; j < count; ++j) {
      const int64_t i = j * apart + k * step;
      gx[i] = static_cast<T>(static_cast<double>(gx[i]) * before[j]);
      before[j] *= static_cast<double>(x[i]);
    }
}

template <class T>
void cumprod_gradient(const T* x, const T* g, T* gx, kernel::Lines lines) {
  if (lines.are_empty()) return;
  constexpr int kTogether = 8;
  const int64_t n = lines.n, inner = lines.inner, apart = inner == 1 ? n : 1;
  parallel_for(lines.outer * inner, grain_for(16384, n), [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end;) {
      const int64_t first = line / inner * n * inner + line % inner;
      // Neighbours in memory: those of one outer slice, or all where lines are contiguous.
      const int64_t neighbours = inner == 1 ? end - line : std::min(end - line, inner - line % inner);
      if (neighbours >= kTogether) {
        cumprod_gradient<kTogether>(x + first, g + first, gx + first, n, inner, apart);
        line += kTogether;
      } else {
        cumprod_gradient<1>(x + first, g + first, gx + first, n, inner, apart);
        ++line;
      }
    }
  });
}

Tensor plain_cumprod_gradient(const Tensor& x, const Tensor& gradient, int64_t dim) {
  NoGrad silent;
  const Dtype compute = reduction_dtype(x.dtype());
  Tensor factors = contiguous(to_dtype(x, compute)), g = contiguous(to_dtype(gradient, compute));
  Tensor gx = empty(x.sizes(), compute);
  launch({{&factors, &g}, {&gx}}, 4 * x.numel(), [&] {
    visit_floating(compute, [&](auto tag) {
      using T = typename decltype(tag)::type;
      cumprod_gradient(factors.data<T>(), g.data<T>(), gx.data<T>(), lines_along(x.sizes(), dim));
    });
  });
  return to_dtype(gx, x.dtype());
}

}  // namespace

Tensor cumprod(const Tensor& self, int64_t dim, std::optional<Dtype> requested) {
  Dtype dtype = scan_dtype(self, requested);
  dim = wrap_dim(dim, self.ndim());
  Tensor result;
  {
    NoGrad silent;
    Tensor typed = to_dtype(detach(self), dtype);
    result =
        is_complex(dtype)
            ? scan_complex(typed, dim, dtype, [](c128 a, c128 b) { return a * b; })
            : to_dtype(scan_lines(typed, dim, reduction_dtype(dtype), [](const auto& k) { return k.cumprod; }), dtype);
  }
  if (needs_gradient(self) && is_differentiable(dtype))
    record("CumprodBackward0", result, {self}, [dim, dtype, saved = save(self)](const Tensor& gradient, Gradients& in) {
      Tensor x = to_dtype(saved(), dtype);
      if (x.numel() == 0 || x.ndim() == 0) {
        in[0] = gradient;
        return;
      }
      if (!needs_gradient(gradient, x) && !is_complex(dtype)) {
        in[0] = plain_cumprod_gradient(x, gradient, dim);
        return;
      }
      // d/dx[k] = (product before k) * s[k] with s[k] = g[k] + x[k + 1] s[k + 1]: no division, so zeros need no care.
      Tensor factor = delayed(flip_along(conj(x), dim), dim);
      Tensor behind = flip_along(linear_recurrence(factor, flip_along(gradient, dim), dim), dim);
      in[0] = mul(exclusive_product(conj(x), dim), behind);
    });
  return result;
}

namespace {

enum class Extreme { Smallest, Largest };

template <Extreme extreme>
std::tuple<Tensor, Tensor> cumulative_extreme(const Tensor& self, int64_t dim) {
  const char* name = extreme == Extreme::Largest ? "cummax" : "cummin";
  check_has_order(name, self.dtype());
  dim = wrap_dim(dim, self.ndim());
  Tensor values, indices = empty(self.sizes(), Dtype::I64);
  {
    NoGrad silent;
    Dtype compute = reduction_dtype(self.dtype());
    Tensor input = contiguous(to_dtype(detach(self), compute)), found = empty(self.sizes(), compute);
    kernel::Lines lines = lines_along(self.sizes(), dim);
    launch({{&input}, {&found, &indices}}, input.numel(), [&] {
      visit_reduced(compute, [&](auto tag) {
        using T = typename decltype(tag)::type;
        auto kernel = extreme == Extreme::Largest ? scans<T>().cummax : scans<T>().cummin;
        kernel(input.data<T>(), found.data<T>(), indices.data<int64_t>(), lines);
      });
    });
    values = to_dtype(found, self.dtype());
  }
  if (needs_gradient(self))
    record(extreme == Extreme::Largest ? "CummaxBackward0" : "CumminBackward0", values, {self},
           [dim, at = save(indices), sizes = self.sizes()](const Tensor& gradient, Gradients& in) {
             in[0] = gradient.numel() ? scatter_add(zeros(sizes, gradient.dtype()), dim, at(), gradient) : gradient;
           });
  return {values, indices};
}

/// exp(a - b), where a = -inf gives 0 whatever b is.
Tensor exp_difference(const Tensor& a, const Tensor& b) {
  double infinity = std::numeric_limits<double>::infinity();
  Tensor level = is_complex(a.dtype()) ? real(detach(a)) : detach(a);
  return exp(masked_fill(sub(a, b), eq(level, wrapped_number(-infinity)), wrapped_number(-infinity)));
}

/// log(exp a + exp b) without overflow. The imaginary part goes on from that of the larger one, as PyTorch's does.
c128 log_of_sum(c128 a, c128 b) {
  if (std::isnan(a.real()) || std::isnan(a.imag()) || std::isnan(b.real()) || std::isnan(b.imag())) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    return {nan, nan};
  }
  if (a.real() < b.real()) std::swap(a, b);
  if (!std::isfinite(a.real()) && a.real() == b.real()) return a.real() < 0 ? a : std::log(std::exp(a) + std::exp(b));
  return a + std::log(1.0 + std::exp(b - a));
}

Tensor logcumsumexp(const Tensor& self, int64_t dim) {
  if (!is_differentiable(self.dtype()))
    not_implemented("\"logcumsumexp_out_cpu\" not implemented for '", torch_name(self.dtype()), "'");
  dim = wrap_dim(dim, self.ndim());
  Tensor result;
  if (is_complex(self.dtype())) {
    result = scan_complex(self, dim, self.dtype(), log_of_sum);
  } else {
    NoGrad silent;
    Dtype compute = reduction_dtype(self.dtype());
    Tensor input = contiguous(to_dtype(detach(self), compute)), y = empty(self.sizes(), compute);
    kernel::Lines lines = lines_along(self.sizes(), dim);
    const kernel::ScanKernels& kernels = kernel::table().scan;
    launch({{&input}, {&y}}, input.numel() * 8, [&] {
      if (compute == Dtype::F64)
        kernels.logcumsumexp_float64(input.data<double>(), y.data<double>(), lines);
      else
        kernels.logcumsumexp_float32(input.data<float>(), y.data<float>(), lines);
    });
    result = to_dtype(y, self.dtype());
  }
  if (needs_gradient(self))
    record("LogcumsumexpBackward0", result, {self},
           [dim, saved = save(self), y = save_output(result)](const Tensor& gradient, Gradients& in) {
             // The sum of g[k] exp(x[i] - y[k]) over k >= i is exp(x[i] - y[i]) s[i] with s[i] = g[i] + exp(y[i] - y[i
             // + 1]) s[i + 1]; all exponents are negative, so nothing overflows.
             Tensor output = y(), behind = gradient;
             if (output.ndim() > 0 && output.numel() > 0) {
               Tensor reversed = flip_along(output, dim);
               Tensor before =
                   cat({narrow(reversed, dim, 0, 1), narrow(reversed, dim, 0, reversed.size(dim) - 1)}, dim);
               Tensor factor = conj(exp_difference(reversed, before));
               behind = flip_along(linear_recurrence(factor, flip_along(gradient, dim), dim), dim);
             }
             in[0] = mul(conj(exp_difference(saved(), output)), behind);
           });
  return result;
}

static void check_in_place_dtype(const char* operation, const Tensor& self, std::optional<Dtype> requested) {
  if (requested && *requested != self.dtype())
    runtime_error("Bad in-place call: ", operation, "() cannot make a tensor of dtype ", torch_name(*requested),
                  " of one of dtype ", torch_name(self.dtype()),
                  "; input tensor dtype and output tensor dtype should match");
}

Tensor cumsum_in_place(const Tensor& self, int64_t dim, std::optional<Dtype> requested) {
  check_in_place_dtype("cumsum_", self, requested);
  return change_in_place(
      self, needs_gradient(self), "cumsum_", [&] { return cumsum(self, dim); },
      [&](const Tensor& target) { copy_elements(cumsum(target, dim), target); });
}
Tensor cumprod_in_place(const Tensor& self, int64_t dim, std::optional<Dtype> requested) {
  check_in_place_dtype("cumprod_", self, requested);
  return change_in_place(
      self, needs_gradient(self), "cumprod_", [&] { return cumprod(clone(self), dim); },
      [&](const Tensor& target) { copy_elements(cumprod(target, dim), target); });
}

}  // namespace

void register_scan(Registry& r) {
  r.add("cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor", cumsum);
  r.add("cumsum_(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor", cumsum_in_place, kMethod);
  r.add("cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor", cumprod);
  r.add("cumprod_(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor", cumprod_in_place, kMethod);
  r.add("cummax(Tensor self, int dim) -> (Tensor values, Tensor indices)", cumulative_extreme<Extreme::Largest>);
  r.add("cummin(Tensor self, int dim) -> (Tensor values, Tensor indices)", cumulative_extreme<Extreme::Smallest>);
  r.add("logcumsumexp(Tensor self, int dim) -> Tensor", logcumsumexp);
}

}  // namespace ondol
