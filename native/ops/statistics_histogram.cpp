// Counts by value: bincount, histc.

#include <cmath>

#include "ops/element_type.h"
#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"

namespace ondol {
namespace {

Tensor bincount(const Tensor& self, const Tensor& weights, int64_t minlength) {
  if (minlength < 0) runtime_error("minlength should be >= 0");
  if (!is_integral(self.dtype()) || self.dtype() == Dtype::Bool)
    not_implemented("\"bincount_cpu\" not implemented for '", torch_name(self.dtype()), "'");
  if (self.ndim() != 1)
    runtime_error("bincount only supports 1-d non-negative integral inputs. Got shape ", self.sizes());
  if (weights.defined() && (weights.ndim() != 1 || weights.numel() != self.numel()))
    runtime_error("weights should be 1-d and have the same length as input: got weights ", weights.sizes(),
                  " and input ", self.sizes());
  NoGrad silent;
  Tensor values = contiguous(to_dtype(detach(self), Dtype::I64));
  const auto* value = values.data<int64_t>();
  int64_t bins = minlength;
  for (int64_t i = 0; i < values.numel(); ++i) {
    if (value[i] < 0)
      runtime_error("bincount only supports 1-d non-negative integral inputs. Got ", value[i], " at position ", i);
    if (value[i] == INT64_MAX)
      runtime_error("maximum value of input overflowed, it should be < ", INT64_MAX, " but got ", value[i]);
    bins = std::max(bins, value[i] + 1);
  }
  if (!weights.defined()) {
    Tensor counts = zeros({bins}, Dtype::I64);
    auto* count = counts.data<int64_t>();
    for (int64_t i = 0; i < values.numel(); ++i) ++count[value[i]];
    return counts;
  }
  Dtype dtype = weights.dtype() == Dtype::F32 ? Dtype::F32 : Dtype::F64;
  Tensor weight = contiguous(to_dtype(detach(weights), dtype)), sums = zeros({bins}, dtype);
  visit_floating(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t i = 0; i < values.numel(); ++i) sums.data<T>()[value[i]] += weight.data<T>()[i];
  });
  return sums;
}

/// Counts in equal bins between two bounds; without bounds, between the extremes.
Tensor histc(const Tensor& self, int64_t bins, const Scalar& low, const Scalar& high) {
  if (!is_floating(self.dtype()))
    not_implemented("\"histogram_cpu\" not implemented for '", torch_name(self.dtype()), "'");
  if (bins <= 0) runtime_error("torch.histogram(): bins must be > 0, but got ", bins, " for dimension 0");
  double from = low.to_double(), to = high.to_double();
  if (from > to) runtime_error("torch.histc: max must be larger than min");
  NoGrad silent;
  Tensor x = detach(self);
  if (from == to && x.numel() > 0) {
    from = element(amin(x, {})).to_double();
    to = element(amax(x, {})).to_double();
  }
  if (!std::isfinite(from) || !std::isfinite(to))
    runtime_error("torch.histc: range of [", from, ", ", to, "] is not finite");
  if (from == to) {
    from -= 1;
    to += 1;
  }
  Dtype compute = reduction_dtype(self.dtype());
  Tensor values = contiguous(to_dtype(x, compute)), counts = zeros({bins}, compute);
  visit_floating(compute, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T *value = values.data<T>(), left = static_cast<T>(from), right = static_cast<T>(to);
    T* count = counts.data<T>();
    for (int64_t i = 0; i < values.numel(); ++i) {
      if (!(value[i] >= left && value[i] <= right)) continue;
      // A range near the largest number overflows to infinity or NaN: that counts as the last bin, and never as an
      // index.
      T place = (value[i] - left) * static_cast<T>(bins) / (right - left);
      count[place < static_cast<T>(bins) ? std::min(static_cast<int64_t>(place), bins - 1) : bins - 1] += 1;
    }
  });
  return to_dtype(counts, self.dtype());
}

}  // namespace

void register_statistics_histogram(Registry& r) {
  r.add("bincount(Tensor self, Tensor? weights=None, int minlength=0) -> Tensor", bincount);
  r.add("histc(Tensor self, int bins=100, Scalar min=0, Scalar max=0) -> Tensor", histc);
}

}  // namespace ondol
