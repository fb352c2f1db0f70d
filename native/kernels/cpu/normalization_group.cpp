#include "kernels/cpu/normalization_parts.h"
#include "kernels/cpu/scratch.h"

// Group norm (Wu & He 2018).

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

template <class T>
void group_norm_forward(int64_t batch, int64_t channels, int64_t spatial, int64_t groups, double eps, const T* x,
                        const T* weight, const T* bias, T* y, T* mean, T* rstd) {
  const int64_t width = channels / groups;
  parallel_for(batch * groups, row_grain(width * spatial), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const RowMoments moments = moments_of(x + row * width * spatial, width * spatial);
      mean[row] = static_cast<T>(moments.mean);
      rstd[row] = static_cast<T>(reciprocal_deviation(moments, eps));
      const T center = mean[row];
      for (int64_t c = 0; c < width; c++) {
        const int64_t channel = row % groups * width + c, at = (row * width + c) * spatial;
        const T scale = weight ? rstd[row] * weight[channel] : rstd[row], shift = bias ? bias[channel] : T(0);
        for_each_vector<T>(spatial, [&](int64_t i, auto part) {
          part.write(y + at + i, (part.read(x + at + i, T(0)) - center) * scale + shift);
        });
      }
    }
  });
}

/// With h = (x - mean) rstd, g = gy weight, averages over the group: gx = rstd (g - avg(g) - h avg(g h)); gw and gb sum
/// gy h and gy over batch and space.
template <class T>
void group_norm_backward(int64_t batch, int64_t channels, int64_t spatial, int64_t groups, const T* gy, const T* x,
                         const T* weight, const T* mean, const T* rstd, T* gx, T* gw, T* gb) {
  const int64_t width = channels / groups;
  Scratch<double> plane_sums(2 * batch * channels);  // of gy and gy h, for each image and channel
  parallel_for(batch * groups, row_grain(width * spatial), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const T center = mean[row], scale = rstd[row];
      double average = 0, slope = 0;
      for (int64_t c = 0; c < width; c++) {
        const int64_t at = (row * width + c) * spatial;
        double totals[2] = {0, 0};
        accumulate_sums<T>(spatial, totals, [&](int64_t i, auto part, Vec<T>* sums) {
          const Vec<T> g = part.read(gy + at + i, T(0));
          sums[0] += g;
          sums[1] += g * ((part.read(x + at + i, center) - center) * scale);
        });
        const double w = weight ? weight[row % groups * width + c] : 1;
        average += w * totals[0];
        slope += w * totals[1];
        plane_sums.get()[2 * (row * width + c)] = totals[0];
        plane_sums.get()[2 * (row * width + c) + 1] = totals[1];
      }
      if (!gx) continue;
      const double count = static_cast<double>(width * spatial);
      const T mean_g = static_cast<T>(average / count), mean_gh = static_cast<T>(slope / count);
      for (int64_t c = 0; c < width; c++) {
        const int64_t at = (row * width + c) * spatial;
        const T w = weight ? weight[row % groups * width + c] : T(1);
        for_each_vector<T>(spatial, [&](int64_t i, auto part) {
          const Vec<T> normalized = (part.read(x + at + i, center) - center) * scale;
          part.write(gx + at + i, scale * (w * part.read(gy + at + i, T(0)) - mean_g - normalized * mean_gh));
        });
      }
    }
  });
  for (int64_t channel = 0; (gw || gb) && channel < channels; channel++) {
    double g = 0, gh = 0;
    for (int64_t image = 0; image < batch; image++) {
      g += plane_sums.get()[2 * (image * channels + channel)];
      gh += plane_sums.get()[2 * (image * channels + channel) + 1];
    }
    if (gb) gb[channel] = static_cast<T>(g);
    if (gw) gw[channel] = static_cast<T>(gh);
  }
}

}  // namespace

template <class T>
void fill_group_normalization(NormalizationFunctions<T>& functions) {
  functions.group_norm_forward = group_norm_forward<T>;
  functions.group_norm_backward = group_norm_backward<T>;
}

template void fill_group_normalization(NormalizationFunctions<float>&);
template void fill_group_normalization(NormalizationFunctions<double>&);

}  // namespace ondol::kernel::ONDOL_LEVEL
