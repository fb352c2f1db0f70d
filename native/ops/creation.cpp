// Tensors from nothing: empty, zeros, ones, full, ranges.

#include <cmath>
#include <limits>

#include "ops/functions.h"
#include "ops/registry.h"

namespace ondol {

Tensor zeros(const Dims& sizes, Dtype dtype) {
  Tensor result = empty(sizes, dtype);
  NoGrad silent;
  return zero_(result);
}

/// The range of an integer dtype; unsigned ones also take negative numbers of the same size, which wrap round.
static bool fits_integer(const Scalar& value, Dtype dtype) {
  if (item_size(dtype) == 8 && value.is_integral()) return dtype == Dtype::U64 || !value.beyond_int64();
  int bits = 8 * static_cast<int>(item_size(dtype));
  bool wraps = is_unsigned(dtype);
  double above = std::ldexp(1.0, wraps ? bits : bits - 1);  // the first number that is too large
  double number = value.to_double();                        // NaN fits nowhere
  if (value.is_integral()) return number < above && (wraps ? number > -above : number >= -above);
  return number <= above - 1 && number < above && number >= (wraps ? 0 : -above);
}

void check_fits(const Scalar& value, Dtype dtype) {
  if (dtype == Dtype::Bool || is_complex(dtype)) return;
  bool fits = !value.is_complex() || value.to_complex().imag() == 0;
  if (fits && is_integral(dtype)) fits = fits_integer(value, dtype);
  if (fits && dtype == Dtype::F32 && !value.is_integral())
    fits = !std::isfinite(value.to_double()) || std::abs(value.to_double()) <= std::numeric_limits<float>::max();
  if (!fits) runtime_error("value cannot be converted to type ", name(dtype), " without overflow");
}

Tensor full(const Dims& sizes, const Scalar& value, Dtype dtype) {
  check_fits(value, dtype);
  Tensor result = empty(sizes, dtype);
  copy_elements(wrapped_number(value), result);
  return result;
}
Tensor ones(const Dims& sizes, Dtype dtype) { return full(sizes, 1, dtype); }
Tensor zeros_like(const Tensor& model) {
  Tensor result = empty_like(model, model.dtype());
  NoGrad silent;
  return zero_(result);
}
Tensor full_like(const Tensor& model, const Scalar& value) {
  Tensor result = empty_like(model, model.dtype());
  copy_elements(wrapped_number(value), result);
  return result;
}
Tensor ones_like(const Tensor& model) { return full_like(model, 1); }
Tensor scalar_tensor(const Scalar& value, Dtype dtype) { return full({}, value, dtype); }

Scalar element(const Tensor& tensor) {
  Tensor one;
  Dtype dtype = tensor.dtype();
  Category kind = category(dtype);
  one = empty({}, kind == Category::Bool       ? Dtype::Bool
                  : kind == Category::Integral ? Dtype::I64
                  : kind == Category::Floating ? Dtype::F64
                                               : Dtype::C128);
  copy_elements(alias(tensor, {}, {}, tensor.impl()->offset), one);
  switch (kind) {
    case Category::Bool:
      return Scalar(*one.data<bool>());
    case Category::Integral:
      return dtype == Dtype::U64 ? Scalar::of_unsigned(static_cast<uint64_t>(*one.data<int64_t>()))
                                 : Scalar(*one.data<int64_t>());
    case Category::Floating:
      return Scalar(*one.data<double>());
    default:
      return Scalar(*one.data<c128>());
  }
}

Tensor arange(int64_t end) {
  Tensor result = empty({end}, Dtype::I64);
  auto* values = result.data<int64_t>();
  for (int64_t i = 0; i < end; ++i) values[i] = i;
  return result;
}

static Dtype or_default(std::optional<Dtype> dtype) { return dtype.value_or(default_dtype()); }

static Tensor make_empty(const Dims& size, std::optional<MemoryFormat> format, std::optional<Dtype> dtype) {
  if (format && *format != MemoryFormat::Preserve)
    return empty_strided(size, strides_for(size, *format), or_default(dtype));
  return empty(size, or_default(dtype));
}
static Tensor make_zeros(const Dims& size, std::optional<Dtype> dtype) { return zeros(size, or_default(dtype)); }
static Tensor make_ones(const Dims& size, std::optional<Dtype> dtype) { return ones(size, or_default(dtype)); }
static Tensor make_full(const Dims& size, const Tensor& value, std::optional<Dtype> dtype) {
  if (value.ndim() != 0) type_error("full(): argument 'fill_value' must be a Number or a 0-d Tensor");
  Scalar number = element(value);
  return full(size, number, dtype.value_or(number.dtype(default_dtype())));
}
static Tensor make_empty_strided(const Dims& size, const Dims& stride, std::optional<Dtype> dtype) {
  return empty_strided(size, stride, or_default(dtype));
}
static Tensor make_scalar_tensor(const Scalar& s, std::optional<Dtype> dtype) {
  return scalar_tensor(s, or_default(dtype));
}

static Tensor like(const Tensor& model, std::optional<MemoryFormat> format, std::optional<Dtype> dtype) {
  Dtype type = dtype.value_or(model.dtype());
  if (format && *format != MemoryFormat::Preserve)
    return empty_strided(model.sizes(), strides_for(model.sizes(), *format), type);
  return empty_like(model, type);
}
static Tensor fill_with(Tensor result, const Scalar& value) {
  check_fits(value, result.dtype());
  copy_elements(wrapped_number(value), result);
  return result;
}
static Tensor make_zeros_like(const Tensor& m, std::optional<MemoryFormat> f, std::optional<Dtype> d) {
  return fill_with(like(m, f, d), 0);
}
static Tensor make_ones_like(const Tensor& m, std::optional<MemoryFormat> f, std::optional<Dtype> d) {
  return fill_with(like(m, f, d), 1);
}
static Tensor make_full_like(const Tensor& m, const Scalar& value, std::optional<MemoryFormat> f,
                             std::optional<Dtype> d) {
  return fill_with(like(m, f, d), value);
}

static Tensor new_empty(const Tensor& m, const Dims& size, std::optional<Dtype> d) {
  return empty(size, d.value_or(m.dtype()));
}
static Tensor new_zeros(const Tensor& m, const Dims& size, std::optional<Dtype> d) {
  return zeros(size, d.value_or(m.dtype()));
}
static Tensor new_ones(const Tensor& m, const Dims& size, std::optional<Dtype> d) {
  return ones(size, d.value_or(m.dtype()));
}
static Tensor new_full(const Tensor& m, const Dims& size, const Scalar& value, std::optional<Dtype> d) {
  return full(size, value, d.value_or(m.dtype()));
}
static Tensor new_empty_strided(const Tensor& m, const Dims& size, const Dims& stride, std::optional<Dtype> d) {
  return empty_strided(size, stride, d.value_or(m.dtype()));
}

/// How many of start, start + step, ... come before end.
static int64_t count_of_steps(const Scalar& start, const Scalar& end, const Scalar& step) {
  double count = std::ceil((end.to_double() - start.to_double()) / step.to_double());
  if (!(count <= 9e18)) runtime_error("invalid size, possible overflow?");
  return static_cast<int64_t>(count);
}
/// The same in integers, where doubles would round beyond 2^53.
static int64_t count_of_integers(int64_t start, int64_t end, int64_t step) {
  uint64_t distance = step > 0 ? static_cast<uint64_t>(end) - static_cast<uint64_t>(start)
                               : static_cast<uint64_t>(start) - static_cast<uint64_t>(end);
  uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : -static_cast<uint64_t>(step);
  uint64_t count = distance / stride + (distance % stride != 0);
  if (count > static_cast<uint64_t>(INT64_MAX)) runtime_error("invalid size, possible overflow?");
  return static_cast<int64_t>(count);
}

/// start, start + step, ... below end. Integers exactly, floats as start + i * step in double.
static Tensor make_arange(const Scalar& start, const Scalar& end, const Scalar& step, std::optional<Dtype> requested) {
  const bool integral = start.is_integral() && end.is_integral() && step.is_integral();
  Dtype dtype = requested.value_or(integral ? Dtype::I64 : default_dtype());
  if (step.to_double() == 0) runtime_error("step must be nonzero");
  if (!std::isfinite(start.to_double()) || !std::isfinite(end.to_double()) || std::isnan(step.to_double()))
    runtime_error("unsupported range: ", start, " -> ", end);
  if ((step.to_double() > 0) != (end.to_double() >= start.to_double()) && end.to_double() != start.to_double())
    runtime_error("upper bound and lower bound inconsistent with step sign");
  if (integral || is_integral(dtype)) {
    int64_t first = start.to_int(), by = step.to_int();
    if (by == 0) runtime_error("step must be nonzero");
    // For int64 PyTorch cuts all three numbers off before it counts, for narrower integers afterwards.
    const bool whole = integral || dtype == Dtype::I64;
    Tensor values =
        empty({whole ? count_of_integers(first, end.to_int(), by) : count_of_steps(start, end, step)}, Dtype::I64);
    auto* v = values.data<int64_t>();
    for (int64_t i = 0, value = first; i < values.numel(); ++i) {
      v[i] = value;
      if (__builtin_add_overflow(value, by, &value)) break;  // beyond the last one
    }
    return to_dtype(values, dtype);
  }
  Tensor values = empty({count_of_steps(start, end, step)}, Dtype::F64);
  auto* v = values.data<double>();
  for (int64_t i = 0; i < values.numel(); ++i) v[i] = start.to_double() + static_cast<double>(i) * step.to_double();
  return to_dtype(values, dtype);
}
static Tensor arange_end(const Scalar& end, std::optional<Dtype> dtype) { return make_arange(0, end, 1, dtype); }
static Tensor arange_start(const Scalar& start, const Scalar& end, std::optional<Dtype> dtype) {
  return make_arange(start, end, 1, dtype);
}

/// Computed from both ends towards the middle, as PyTorch does, so that the last value is exact.
template <class T>
static Tensor fill_linspace(T start, T end, int64_t steps, Dtype compute) {
  Tensor values = empty({steps}, compute);
  auto* v = values.data<T>();
  T step = steps > 1 ? (end - start) / static_cast<T>(steps - 1) : T(0);
  for (int64_t i = 0; i < steps; ++i)
    v[i] = i < steps / 2 ? start + step * static_cast<T>(i) : end - step * static_cast<T>(steps - 1 - i);
  if (steps == 1) v[0] = start;
  return values;
}
static Tensor linspace_values(const Scalar& start, const Scalar& end, int64_t steps, Dtype dtype) {
  if (steps < 0) runtime_error("number of steps must be non-negative");
  if (start.is_complex() || end.is_complex() || is_complex(dtype))
    return fill_linspace<c128>(start.to_complex(), end.to_complex(), steps, Dtype::C128);
  if (dtype == Dtype::F32)
    return fill_linspace<float>(static_cast<float>(start.to_double()), static_cast<float>(end.to_double()), steps,
                                Dtype::F32);
  if (is_integral(dtype))  // both ends are cut off first
    return fill_linspace<double>(static_cast<double>(start.to_int()), static_cast<double>(end.to_int()), steps,
                                 Dtype::F64);
  return fill_linspace<double>(start.to_double(), end.to_double(), steps, Dtype::F64);
}
static Dtype range_dtype(const Tensor& start, const Tensor& end, std::optional<Dtype> dtype) {
  bool complex = is_complex(start.dtype()) || is_complex(end.dtype());
  if (complex && dtype && !is_complex(*dtype))
    runtime_error("torch.linspace(): inferred dtype ComplexFloat can't be safely cast to passed dtype ", name(*dtype));
  return dtype.value_or(complex ? to_complex(default_dtype()) : default_dtype());
}
static Scalar end_point(const Tensor& value, const char* what) {
  if (value.ndim() != 0)
    runtime_error("linspace only supports 0-dimensional start and end tensors, but got ", what, " with ", value.ndim(),
                  " dimension(s).");
  return element(value);
}
static Tensor linspace(const Tensor& start, const Tensor& end, int64_t steps, std::optional<Dtype> requested) {
  Dtype dtype = range_dtype(start, end, requested);
  return to_dtype(linspace_values(end_point(start, "start"), end_point(end, "end"), steps, dtype), dtype);
}
static Tensor logspace(const Tensor& start, const Tensor& end, int64_t steps, double base,
                       std::optional<Dtype> requested) {
  Dtype dtype = range_dtype(start, end, requested);
  Tensor exponents = linspace_values(end_point(start, "start"), end_point(end, "end"), steps, dtype);
  return to_dtype(pow(wrapped_number(base), exponents), dtype);
}

static Tensor eye(int64_t n, std::optional<int64_t> m, std::optional<Dtype> dtype) {
  int64_t columns = m.value_or(n);
  if (n < 0) runtime_error("n must be greater or equal to 0, got ", n);
  if (columns < 0) runtime_error("m must be greater or equal to 0, got ", columns);
  Tensor result = zeros({n, columns}, or_default(dtype));
  copy_elements(wrapped_number(1), diagonal(result, 0, 0, 1));
  return result;
}
static Tensor eye_square(int64_t n, std::optional<Dtype> dtype) { return eye(n, std::nullopt, dtype); }
static Tensor eye_rectangular(int64_t n, int64_t m, std::optional<Dtype> dtype) { return eye(n, m, dtype); }

void register_creation(Registry& r) {
  r.add("empty(int[] size, *, MemoryFormat? memory_format=None, FACTORY) -> Tensor", make_empty);
  r.add("zeros(int[] size, *, FACTORY) -> Tensor", make_zeros);
  r.add("ones(int[] size, *, FACTORY) -> Tensor", make_ones);
  r.add("full(int[] size, Tensor|Scalar fill_value, *, FACTORY) -> Tensor", make_full);
  r.add("empty_strided(int[] size, int[] stride, *, FACTORY) -> Tensor", make_empty_strided);
  r.add("scalar_tensor(Scalar s, *, FACTORY) -> Tensor", make_scalar_tensor);
  r.add("empty_like(Tensor self, *, MemoryFormat? memory_format=None, FACTORY) -> Tensor", like, kFunction);
  r.add("zeros_like(Tensor self, *, MemoryFormat? memory_format=None, FACTORY) -> Tensor", make_zeros_like, kFunction);
  r.add("ones_like(Tensor self, *, MemoryFormat? memory_format=None, FACTORY) -> Tensor", make_ones_like, kFunction);
  r.add("full_like(Tensor self, Scalar fill_value, *, MemoryFormat? memory_format=None, FACTORY) -> Tensor",
        make_full_like, kFunction);
  r.add("new_empty(Tensor self, int[] size, *, FACTORY) -> Tensor", new_empty, kMethod);
  r.add("new_zeros(Tensor self, int[] size, *, FACTORY) -> Tensor", new_zeros, kMethod);
  r.add("new_ones(Tensor self, int[] size, *, FACTORY) -> Tensor", new_ones, kMethod);
  r.add("new_full(Tensor self, int[] size, Scalar fill_value, *, FACTORY) -> Tensor", new_full, kMethod);
  r.add("new_empty_strided(Tensor self, int[] size, int[] stride, *, FACTORY) -> Tensor", new_empty_strided, kMethod);
  r.add("arange(Scalar end, *, FACTORY) -> Tensor", arange_end);
  r.add("arange.start(Scalar start, Scalar end, *, FACTORY) -> Tensor", arange_start);
  r.add("arange.start_step(Scalar start, Scalar end, Scalar step=1, *, FACTORY) -> Tensor", make_arange);
  r.add("linspace(Tensor|Scalar start, Tensor|Scalar end, int steps, *, FACTORY) -> Tensor", linspace);
  r.add("logspace(Tensor|Scalar start, Tensor|Scalar end, int steps, float base=10.0, *, FACTORY) -> Tensor", logspace);
  r.add("eye(int n, *, FACTORY) -> Tensor", eye_square);
  r.add("eye.m(int n, int m, *, FACTORY) -> Tensor", eye_rectangular);
}

}  // namespace ondol
