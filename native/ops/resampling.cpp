// Weighted sums of a few elements along one dimension: what resizing of images is made of.

#include "base/parallel.h"
#include "base/vectorize.h"
#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {
namespace {

/// y[j] = sum over t of weight[t][j] x[index[t][j]] along one dimension. Linear; the transpose goes from y to x.
struct Taps {
  int64_t dim, old_size, new_size, count;
  std::vector<int64_t> index;   // [count, new_size], each in [0, old_size)
  std::vector<double> weights;  // [count, new_size]
};

template <class T>
std::vector<T> weights_as(const Taps& taps) {
  return {taps.weights.begin(), taps.weights.end()};
}

/// y = w x, or y += w x
template <class T>
[[gnu::always_inline]] inline void scale_loop(const T* x, T w, bool first, T* y, int64_t n) {
  if (first)
    for (int64_t i = 0; i < n; ++i) y[i] = w * x[i];
  else
    for (int64_t i = 0; i < n; ++i) y[i] += w * x[i];
}
template <class T>
ONDOL_VECTORIZE ONDOL_WIDE void scale_wide(const T* x, T w, bool first, T* y, int64_t n) {
  scale_loop(x, w, first, y, n);
}
template <class T>
void scale_plain(const T* x, T w, bool first, T* y, int64_t n) {
  scale_loop(x, w, first, y, n);
}
template <class T>
auto scale_row() {
  return wide_vectors() ? scale_wide<T> : scale_plain<T>;
}

/// One contiguous line, by a number of taps that the compiler knows.
template <int count, class T>
void gather_line(const T* x, const int64_t* index, const T* weight, T* y, int64_t n) {
  for (int64_t j = 0; j < n; ++j) {
    T sum = weight[j] * x[index[j]];
    for (int t = 1; t < count; ++t) sum += weight[t * n + j] * x[index[t * n + j]];
    y[j] = sum;
  }
}
template <class T>
void gather_line(int64_t count, const T* x, const int64_t* index, const T* weight, T* y, int64_t n) {
  if (count == 1) return gather_line<1>(x, index, weight, y, n);
  if (count == 2) return gather_line<2>(x, index, weight, y, n);
  if (count == 4) return gather_line<4>(x, index, weight, y, n);
  for (int64_t j = 0; j < n; ++j) {
    T sum = 0;
    for (int64_t t = 0; t < count; ++t) sum += weight[t * n + j] * x[index[t * n + j]];
    y[j] = sum;
  }
}

template <class T>
void resample(const Taps& taps, kernel::Lines lines, const T* x, T* y) {
  const std::vector<T> weight = weights_as<T>(taps);
  const int64_t n = taps.new_size, old = taps.old_size, inner = lines.inner;
  auto scale = scale_row<T>();
  parallel_for(lines.outer, grain_for(16384, n, inner, taps.count), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      const T* from = x + o * old * inner;
      T* to = y + o * n * inner;
      if (inner == 1) {
        gather_line(taps.count, from, taps.index.data(), weight.data(), to, n);
        continue;
      }
      for (int64_t j = 0; j < n; ++j)
        for (int64_t t = 0; t < taps.count; ++t)
          scale(from + taps.index[t * n + j] * inner, weight[t * n + j], t == 0, to + j * inner, inner);
    }
  });
}

template <class T>
void resample_transposed(const Taps& taps, kernel::Lines lines, const T* y, T* x) {
  const std::vector<T> weight = weights_as<T>(taps);
  const int64_t n = taps.new_size, old = taps.old_size, inner = lines.inner;
  auto scale = scale_row<T>();
  parallel_for(lines.outer, grain_for(16384, n, inner, taps.count), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      const T* from = y + o * n * inner;
      T* to = x + o * old * inner;
      std::fill(to, to + old * inner, T(0));
      for (int64_t t = 0; t < taps.count; ++t)
        for (int64_t j = 0; j < n; ++j) {
          const int64_t at = taps.index[t * n + j];
          if (inner == 1)
            to[at] += weight[t * n + j] * from[j];
          else
            scale(from + j * inner, weight[t * n + j], false, to + at * inner, inner);
        }
    }
  });
}

Tensor apply(const std::shared_ptr<const Taps>& taps, const Tensor& x, bool forward) {
  const Dtype dtype = x.dtype(), compute = is_complex(dtype) ? dtype : reduction_dtype(dtype);
  Tensor y;
  {
    NoGrad silent;
    Dims sizes = x.sizes();
    sizes[taps->dim] = forward ? taps->new_size : taps->old_size;
    Tensor source = contiguous(to_dtype(detach(x), compute));
    y = empty(sizes, compute);
    kernel::Lines lines = lines_along(sizes, taps->dim);
    if (is_complex(compute)) lines.inner *= 2;  // as pairs
    if (y.numel() > 0)
      launch({{&source}, {&y}}, 2 * taps->count * std::max(x.numel(), y.numel()), [&] {
        visit_floating(to_real(compute), [&](auto tag) {
          using T = typename decltype(tag)::type;
          (forward ? resample<T> : resample_transposed<T>)(*taps, lines, source.data<T>(), y.data<T>());
        });
      });
    y = to_dtype(y, dtype);
  }
  if (needs_gradient(x))
    record(forward ? "ResampleBackward0" : "ResampleBackwardBackward0", y, {x},
           [=](const Tensor& g, Gradients& in) { in[0] = apply(taps, g, !forward); });
  return y;
}

Tensor resample_operation(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& weight) {
  if (!is_differentiable(input.dtype()))
    not_implemented("\"resample\" not implemented for '", torch_name(input.dtype()), "'");
  if (index.ndim() != 2 || index.dtype() != Dtype::I64 || index.sizes()[0] < 1)
    runtime_error("resample(): expected an int64 index of shape (taps, size), got ", torch_name(index.dtype()), " ",
                  index.sizes());
  if (weight.sizes() != index.sizes())
    shape_error("resample(): expected a weight for each index, got ", weight.sizes(), " for ", index.sizes());
  if (input.ndim() == 0) index_error("resample(): the input has no dimensions");
  auto taps = std::make_shared<Taps>();
  {
    NoGrad silent;
    Tensor positions = contiguous(detach(index)), factors = contiguous(to_dtype(detach(weight), Dtype::F64));
    taps->index.assign(positions.data<int64_t>(), positions.data<int64_t>() + positions.numel());
    taps->weights.assign(factors.data<double>(), factors.data<double>() + factors.numel());
  }
  taps->dim = wrap_dim(dim, input.ndim());
  taps->old_size = input.sizes()[taps->dim];
  taps->count = index.sizes()[0];
  taps->new_size = index.sizes()[1];
  for (int64_t at : taps->index)
    if (at < 0 || at >= taps->old_size)
      index_error("resample(): index ", at, " is out of bounds for dimension ", taps->dim, " with size ",
                  taps->old_size);
  return apply(taps, input, true);
}

}  // namespace

void register_resampling(Registry& r) {
  r.add("nn.resample(Tensor input, int dim, Tensor index, Tensor weight) -> Tensor", resample_operation);
}

}  // namespace ondol
