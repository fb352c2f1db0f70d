#pragma once

#include "kernels/cpu/reduction_lines.h"

namespace ondol::kernel {

// x, y and gradients are contiguous [outer, n, inner]; the softmax runs over n. A result may be exactly one of the
// inputs (in place), never overlap one otherwise.

/// Rows of logits [rows, classes] with the index of the right class for each.
struct CrossEntropyTask {
  int64_t rows;
  int64_t classes;
  const int64_t* targets;  // [rows]
  int64_t ignore_index;    // rows with this target have loss and gradient 0
  double label_smoothing;  // eps in [0, 1]
};

template <class T>
struct SoftmaxFunctions {
  void (*softmax)(const T* x, T* y, Lines lines);
  void (*log_softmax)(const T* x, T* y, Lines lines);
  /// dx = y * (dy - sum(y * dy)), with y the softmax.
  void (*softmax_backward)(const T* dy, const T* y, T* dx, Lines lines);
  /// dx = dy - exp(y) * sum(dy), with y the log-softmax.
  void (*log_softmax_backward)(const T* dy, const T* y, T* dx, Lines lines);

  /// loss[i] = (1 - eps) w[t] (lse - x[t]) + eps / classes * sum_c w[c] (lse - x[c]), unreduced, with lse[i] the
  /// log-sum-exp of the row (and lse[rows + i] what rounding took from it), t its target and w the class weights (null:
  /// all 1). row_weight[i] = w[t], or 0 for an
  /// ignored row: their sum is what torch's "mean" divides by (row_weight may be null). Returns -1, or the first row
  /// whose target is neither a class nor ignore_index; then the results are not to be used.
  int64_t (*cross_entropy)(const T* x, const T* weight, T* loss, T* lse, T* row_weight, const CrossEntropyTask& task);
  /// dx[i] = dloss[i * dloss_step] * scale * d loss[i] / d x[i]; x and lse as given to and made by cross_entropy.
  /// dloss_step is 1 for a gradient a row and 0 for one gradient for all rows (a sum, or a mean with scale = 1 / sum of
  /// row_weight).
  void (*cross_entropy_backward)(const T* dloss, int64_t dloss_step, double scale, const T* x, const T* lse,
                                 const T* weight, T* dx, const CrossEntropyTask& task);
};

struct SoftmaxKernels {
  SoftmaxFunctions<float> float32;
  SoftmaxFunctions<double> float64;
};

}  // namespace ondol::kernel
