#pragma once

#include <cstdint>

namespace ondol::kernel {

/// Everything is contiguous. Weights and biases may be null (1 and 0). In backward each of gx, gw, gb may be null: not
/// wanted; those given are overwritten. But for group norm gx may be gy. `rstd` is 1 / sqrt(var + eps). Statistics are
/// kept in T, summed in double.
template <class T>
struct NormalizationFunctions {
  /// x, y [rows, n]; weight, bias [n]; mean, rstd [rows] (outputs).
  void (*layer_norm_forward)(int64_t rows, int64_t n, double eps, const T* x, const T* weight, const T* bias, T* y,
                             T* mean, T* rstd);
  void (*layer_norm_backward)(int64_t rows, int64_t n, const T* gy, const T* x, const T* weight, const T* mean,
                              const T* rstd, T* gx, T* gw, T* gb);

  /// y = x / sqrt(mean(x^2) + eps) * weight over rows of n; rstd [rows] (output).
  void (*rms_norm_forward)(int64_t rows, int64_t n, double eps, const T* x, const T* weight, T* y, T* rstd);
  void (*rms_norm_backward)(int64_t rows, int64_t n, const T* gy, const T* x, const T* weight, const T* rstd, T* gx,
                            T* gw);

  /// x, y [batch, channels, spatial]; weight, bias [channels]; mean, rstd [batch, groups] (outputs).
  void (*group_norm_forward)(int64_t batch, int64_t channels, int64_t spatial, int64_t groups, double eps, const T* x,
                             const T* weight, const T* bias, T* y, T* mean, T* rstd);
  void (*group_norm_backward)(int64_t batch, int64_t channels, int64_t spatial, int64_t groups, const T* gy, const T* x,
                              const T* weight, const T* mean, const T* rstd, T* gx, T* gw, T* gb);

  /// Training: mean and biased variance [channels] of x [batch, channels, spatial] over batch and space (zero where
  /// there is no element), rstd, and y as batch_norm_apply makes it of them.
  void (*batch_norm_train)(int64_t batch, int64_t channels, int64_t spatial, double eps, const T* x, const T* weight,
                           const T* bias, T* y, T* mean, T* variance, T* rstd);
  /// y = (x - mean) * rstd * weight + bias, all of [channels]. y may be x.
  void (*batch_norm_apply)(int64_t batch, int64_t channels, int64_t spatial, const T* x, const T* mean, const T* rstd,
                           const T* weight, const T* bias, T* y);
  /// That as y = x * scale + shift, for whoever applies it: the same numbers.
  void (*batch_norm_affine)(int64_t channels, const T* mean, const T* rstd, const T* weight, const T* bias, T* scale,
                            T* shift);
  /// `training`: mean and rstd are functions of x and gx contains the derivative through them; otherwise they are
  /// constants.
  void (*batch_norm_backward)(int64_t batch, int64_t channels, int64_t spatial, bool training, const T* gy, const T* x,
                              const T* weight, const T* mean, const T* rstd, T* gx, T* gw, T* gb);
};

struct NormalizationKernels {
  NormalizationFunctions<float> float32;
  NormalizationFunctions<double> float64;
};

}  // namespace ondol::kernel
