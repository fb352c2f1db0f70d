#include "kernels/cpu/normalization_parts.h"
#include "kernels/cpu/scratch.h"

// Layer norm (Ba et al. 2016) and RMS norm (Zhang & Sennrich 2019), which is the same with the mean taken to be zero.

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

template <class T>
void normalize_row(int64_t n, const T* x, const T* weight, const T* bias, T mean, T rstd, T* y) {
  for_each_vector<T>(n, [&](int64_t i, auto part) {
    Vec<T> value = (part.read(x + i, T(0)) - mean) * rstd;
    if (weight) value *= part.read(weight + i, T(0));
    if (bias) value += part.read(bias + i, T(0));
    part.write(y + i, value);
  });
}

template <class T>
void layer_norm_forward(int64_t rows, int64_t n, double eps, const T* x, const T* weight, const T* bias, T* y, T* mean,
                        T* rstd) {
  parallel_for(rows, row_grain(n), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const RowMoments moments = moments_of(x + row * n, n);
      mean[row] = static_cast<T>(moments.mean);
      rstd[row] = static_cast<T>(reciprocal_deviation(moments, eps));
      normalize_row(n, x + row * n, weight, bias, mean[row], rstd[row], y + row * n);
    }
  });
}

template <class T>
void rms_norm_forward(int64_t rows, int64_t n, double eps, const T* x, const T* weight, T* y, T* rstd) {
  parallel_for(rows, row_grain(n), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      double squares[1] = {0};
      accumulate_sums<T>(n, squares, [&](int64_t i, auto part, Vec<T>* sums) {
        const Vec<T> value = part.read(x + row * n + i, T(0));
        sums[0] += value * value;
      });
      rstd[row] = static_cast<T>(1 / __builtin_sqrt(squares[0] / static_cast<double>(n) + eps));
      normalize_row<T>(n, x + row * n, weight, nullptr, T(0), rstd[row], y + row * n);
    }
  });
}

/// With h = (x - mean) rstd and g = gy weight: gx = rstd (g - avg(g) - h avg(g h)); without the middle term for RMS
/// norm.
template <class T>
void backward_row(int64_t n, const T* gy, const T* x, const T* weight, T mean, T rstd, bool centered, T* gx) {
  double totals[2] = {0, 0};
  accumulate_sums<T>(n, totals, [&](int64_t i, auto part, Vec<T>* sums) {
    Vec<T> g = part.read(gy + i, T(0));
    if (weight) g *= part.read(weight + i, T(0));
    sums[0] += g;
    sums[1] += g * ((part.read(x + i, mean) - mean) * rstd);
  });
  const T average = static_cast<T>(centered ? totals[0] / static_cast<double>(n) : 0);
  const T slope = static_cast<T>(totals[1] / static_cast<double>(n));
  for_each_vector<T>(n, [&](int64_t i, auto part) {
    Vec<T> g = part.read(gy + i, T(0));
    if (weight) g *= part.read(weight + i, T(0));
    part.write(gx + i, rstd * (g - average - (part.read(x + i, mean) - mean) * rstd * slope));
  });
}

/// Rows are cut into slices by their number alone; each sums its gw and gb, and the slices are added up in order.
template <class T>
void row_norm_backward(int64_t rows, int64_t n, const T* gy, const T* x, const T* weight, const T* mean, const T* rstd,
                       T* gx, T* gw, T* gb) {
  int64_t slices = rows / 16 < 64 ? rows / 16 : 64;
  if (slices < 1) slices = 1;
  Scratch<T> partial_weight(gw ? slices * n : 0), partial_bias(gb ? slices * n : 0);
  parallel_for(slices, grain_for(16384, rows / slices, n), [&](int64_t begin, int64_t end) {
    for (int64_t slice = begin; slice < end; slice++) {
      T* to_weight = partial_weight.get() + slice * n;
      T* to_bias = partial_bias.get() + slice * n;
      for (int64_t i = 0; gw && i < n; i++) to_weight[i] = 0;
      for (int64_t i = 0; gb && i < n; i++) to_bias[i] = 0;
      for (int64_t row = rows * slice / slices; row < rows * (slice + 1) / slices; row++) {
        const T* g = gy + row * n;
        const T center = mean ? mean[row] : T(0), scale = rstd[row];
        if (gw || gb)
          for_each_vector<T>(n, [&](int64_t i, auto part) {
            const Vec<T> value = part.read(g + i, T(0));
            if (gb) part.write(to_bias + i, part.read(to_bias + i, T(0)) + value);
            if (gw) {
              const Vec<T> normalized = (part.read(x + row * n + i, center) - center) * scale;
              part.write(to_weight + i, part.read(to_weight + i, T(0)) + value * normalized);
            }
          });
        if (gx) backward_row(n, g, x + row * n, weight, center, scale, mean != nullptr, gx + row * n);
      }
    }
  });
  const auto add_up = [&](const T* partial, T* to) {
    parallel_for(n, grain_for(16384, slices), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) to[i] = partial[i];
      for (int64_t slice = 1; slice < slices; slice++) {
        for (int64_t i = begin; i < end; i++) to[i] += partial[slice * n + i];
      }
    });
  };
  if (gw) add_up(partial_weight.get(), gw);
  if (gb) add_up(partial_bias.get(), gb);
}

template <class T>
void rms_norm_backward(int64_t rows, int64_t n, const T* gy, const T* x, const T* weight, const T* rstd, T* gx, T* gw) {
  row_norm_backward<T>(rows, n, gy, x, weight, nullptr, rstd, gx, gw, nullptr);
}

}  // namespace

template <class T>
void fill_row_normalization(NormalizationFunctions<T>& functions) {
  functions.layer_norm_forward = layer_norm_forward<T>;
  functions.layer_norm_backward = row_norm_backward<T>;
  functions.rms_norm_forward = rms_norm_forward<T>;
  functions.rms_norm_backward = rms_norm_backward<T>;
}

template void fill_row_normalization(NormalizationFunctions<float>&);
template void fill_row_normalization(NormalizationFunctions<double>&);

}  // namespace ondol::kernel::ONDOL_LEVEL
