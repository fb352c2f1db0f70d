#include "kernels/cpu/normalization_parts.h"
#include "kernels/cpu/scratch.h"

// Batch norm (Ioffe & Szegedy 2015). Planes of [channel, space] are vectors along space; without space ([batch,
// channels]) the vectors run along a strip of channels.

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

constexpr int64_t strip = 64;

/// Calls f(first channel, number of channels) for strips of channels, in parallel.
template <class F>
void for_each_strip(int64_t batch, int64_t channels, F&& f) {
  parallel_for((channels + strip - 1) / strip, grain_for(32768, strip, batch), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) f(i * strip, channels - i * strip < strip ? channels - i * strip : strip);
  });
}

template <class T>
void strip_statistics(int64_t batch, int64_t channels, const T* x, T* mean, T* variance) {
  for_each_strip(batch, channels, [&](int64_t first, int64_t count) {
    double sums[strip] = {}, squares[strip] = {};
    for (int64_t row = 0; row < batch; row++) {
      for (int64_t c = 0; c < count; c++) sums[c] += x[row * channels + first + c];
    }
    for (int64_t c = 0; c < count; c++) sums[c] /= static_cast<double>(batch > 0 ? batch : 1);
    for (int64_t row = 0; row < batch; row++) {
      for (int64_t c = 0; c < count; c++) {
        const double distance = x[row * channels + first + c] - sums[c];
        squares[c] += distance * distance;
      }
    }
    for (int64_t c = 0; c < count; c++) {
      mean[first + c] = static_cast<T>(sums[c]);
      variance[first + c] = static_cast<T>(squares[c] / static_cast<double>(batch > 0 ? batch : 1));
    }
  });
}

/// What batch norm does to a channel: y = x * scale + shift.
template <class T>
struct Affine {
  T scale, shift;

  Affine(int64_t channel, const T* mean, const T* rstd, const T* weight, const T* bias)
      : scale(weight ? rstd[channel] * weight[channel] : rstd[channel]),
        shift((bias ? bias[channel] : T(0)) - mean[channel] * scale) {}

  void apply(int64_t n, const T* x, T* y) const {
    for_each_vector<T>(n, [&](int64_t i, auto part) { part.write(y + i, part.read(x + i, T(0)) * scale + shift); });
  }
};

template <class T>
void batch_norm_affine(int64_t channels, const T* mean, const T* rstd, const T* weight, const T* bias, T* scale,
                       T* shift) {
  for (int64_t c = 0; c < channels; c++) {
    const Affine<T> affine(c, mean, rstd, weight, bias);
    scale[c] = affine.scale, shift[c] = affine.shift;
  }
}

template <class T>
void batch_norm_apply(int64_t batch, int64_t channels, int64_t spatial, const T* x, const T* mean, const T* rstd,
                      const T* weight, const T* bias, T* y) {
  if (spatial > 1) {
    parallel_for(batch * channels, row_grain(spatial), [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; plane++)
        Affine<T>(plane % channels, mean, rstd, weight, bias).apply(spatial, x + plane * spatial, y + plane * spatial);
    });
    return;
  }
  Scratch<T> scales(channels), shifts(channels);
  batch_norm_affine(channels, mean, rstd, weight, bias, scales.get(), shifts.get());
  parallel_for(batch, row_grain(channels), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      for_each_vector<T>(channels, [&](int64_t c, auto part) {
        const Vec<T> scale = part.read(scales.get() + c, T(0)), shift = part.read(shifts.get() + c, T(0));
        part.write(y + row * channels + c, part.read(x + row * channels + c, T(0)) * scale + shift);
      });
    }
  });
}

template <class T>
T reciprocal_deviation(T variance, double eps) {
  return static_cast<T>(1 / __builtin_sqrt(static_cast<double>(variance) + eps));
}

/// Channel by channel, so that the planes are still in the second-level cache when they are read again.
template <class T>
void batch_norm_train(int64_t batch, int64_t channels, int64_t spatial, double eps, const T* x, const T* weight,
                      const T* bias, T* y, T* mean, T* variance, T* rstd) {
  if (spatial == 1) {
    strip_statistics(batch, channels, x, mean, variance);
    for (int64_t c = 0; c < channels; c++) rstd[c] = reciprocal_deviation(variance[c], eps);
    return batch_norm_apply(batch, channels, spatial, x, mean, rstd, weight, bias, y);
  }
  parallel_for(channels, row_grain(batch * spatial), [&](int64_t begin, int64_t end) {
    for (int64_t channel = begin; channel < end; channel++) {
      RowMoments moments = {0, 0, 0};
      for (int64_t image = 0; image < batch; image++)
        moments.merge(moments_of(x + (image * channels + channel) * spatial, spatial));
      mean[channel] = static_cast<T>(moments.mean);
      const double least = moments.squares < 0 ? 0 : moments.squares;
      variance[channel] = static_cast<T>(moments.count > 0 ? least / moments.count : 0);
      rstd[channel] = reciprocal_deviation(variance[channel], eps);
      const Affine<T> affine(channel, mean, rstd, weight, bias);
      for (int64_t image = batch - 1; image >= 0; image--) {  // first the one that was read last
        const int64_t at = (image * channels + channel) * spatial;
        affine.apply(spatial, x + at, y + at);
      }
    }
  });
}

template <class T>
void strip_backward(int64_t batch, int64_t channels, bool training, const T* gy, const T* x, const T* weight,
                    const T* mean, const T* rstd, T* gx, T* gw, T* gb) {
  for_each_strip(batch, channels, [&](int64_t first, int64_t count) {
    double g[strip] = {}, gh[strip] = {};
    const T *center = mean + first, *scale = rstd + first;
    for (int64_t row = 0; (training || gw || gb) && row < batch; row++) {
      const int64_t at = row * channels + first;
      for (int64_t c = 0; c < count; c++) {
        g[c] += gy[at + c];
        gh[c] += gy[at + c] * ((x[at + c] - center[c]) * scale[c]);
      }
    }
    for (int64_t c = 0; gb && c < count; c++) gb[first + c] = static_cast<T>(g[c]);
    for (int64_t c = 0; gw && c < count; c++) gw[first + c] = static_cast<T>(gh[c]);
    if (!gx) return;
    T average[strip], slope[strip], factor[strip];
    for (int64_t c = 0; c < count; c++) {
      average[c] = static_cast<T>(training ? g[c] / static_cast<double>(batch) : 0);
      slope[c] = static_cast<T>(training ? gh[c] / static_cast<double>(batch) : 0) * scale[c];
      factor[c] = weight ? weight[first + c] * scale[c] : scale[c];
    }
    for (int64_t row = 0; row < batch; row++) {
      const int64_t at = row * channels + first;
      for (int64_t c = 0; c < count; c++) {
        gx[at + c] = factor[c] * (gy[at + c] - average[c] - (x[at + c] - center[c]) * slope[c]);
      }
    }
  });
}

/// With h = (x - mean) rstd: gx = weight rstd (gy - avg(gy) - h avg(gy h)) in training, weight rstd gy in evaluation.
template <class T>
void batch_norm_backward(int64_t batch, int64_t channels, int64_t spatial, bool training, const T* gy, const T* x,
                         const T* weight, const T* mean, const T* rstd, T* gx, T* gw, T* gb) {
  if (spatial == 1) return strip_backward(batch, channels, training, gy, x, weight, mean, rstd, gx, gw, gb);
  parallel_for(channels, row_grain(batch * spatial), [&](int64_t begin, int64_t end) {
    for (int64_t channel = begin; channel < end; channel++) {
      const T center = mean[channel], scale = rstd[channel];
      double totals[2] = {0, 0};
      for (int64_t image = 0; (training || gw || gb) && image < batch; image++) {
        const int64_t at = (image * channels + channel) * spatial;
        accumulate_sums<T>(spatial, totals, [&](int64_t i, auto part, Vec<T>* sums) {
          const Vec<T> g = part.read(gy + at + i, T(0));
          sums[0] += g;
          sums[1] += g * ((part.read(x + at + i, center) - center) * scale);
        });
      }
      if (gb) gb[channel] = static_cast<T>(totals[0]);
      if (gw) gw[channel] = static_cast<T>(totals[1]);
      if (!gx) continue;
      const double count = static_cast<double>(batch * spatial);
      const T average = static_cast<T>(training ? totals[0] / count : 0);
      const T slope = static_cast<T>(training ? totals[1] / count : 0) * scale;
      const T factor = weight ? weight[channel] * scale : scale;
      for (int64_t image = batch - 1; image >= 0; image--) {  // first the one that was read last
        const int64_t at = (image * channels + channel) * spatial;
        for_each_vector<T>(spatial, [&](int64_t i, auto part) {
          const Vec<T> distance = part.read(x + at + i, center) - center;
          part.write(gx + at + i, factor * (part.read(gy + at + i, T(0)) - average - distance * slope));
        });
      }
    }
  });
}

}  // namespace

template <class T>
void fill_batch_normalization(NormalizationFunctions<T>& functions) {
  functions.batch_norm_train = batch_norm_train<T>;
  functions.batch_norm_apply = batch_norm_apply<T>;
  functions.batch_norm_affine = batch_norm_affine<T>;
  functions.batch_norm_backward = batch_norm_backward<T>;
}

template void fill_batch_normalization(NormalizationFunctions<float>&);
template void fill_batch_normalization(NormalizationFunctions<double>&);

}  // namespace ondol::kernel::ONDOL_LEVEL
