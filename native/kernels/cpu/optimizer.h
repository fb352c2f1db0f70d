#pragma once

#include <cstdint>

namespace ondol::kernel {

/// One step of an optimizer over one contiguous parameter p of n elements with gradient g, in one pass over memory.
/// Formulas and their order are those of PyTorch's single-tensor implementations. The scalars are doubles as Python
/// computes them; each is rounded to T once. `maximize` negates g. No argument may alias another.

struct SgdStep {
  double lr, momentum, dampening, weight_decay;
  bool nesterov, maximize;
  bool first;  // the momentum buffer is uninitialised and becomes the gradient
};

/// Kingma & Ba 2015; decoupled: Loshchilov & Hutter 2019.
struct AdamStep {
  double lr, beta1, beta2, eps, weight_decay;
  double bias_correction1, bias_correction2;  // 1 - beta^step
  bool decoupled;                             // AdamW: the weight decay does not enter the moments
  bool maximize;
};

struct RmspropStep {
  double lr, alpha, eps, weight_decay, momentum;
  bool maximize;
};

struct AdagradStep {
  double lr;  // already lr / (1 + (step - 1) lr_decay)
  double eps, weight_decay;
  bool maximize;
};

template <class T>
struct OptimizerFunctions {
  /// buffer: null where momentum is 0.
  void (*sgd)(int64_t n, const SgdStep&, T* p, const T* g, T* buffer);
  /// max_exp_avg_sq: null unless amsgrad.
  void (*adam)(int64_t n, const AdamStep&, T* p, const T* g, T* exp_avg, T* exp_avg_sq, T* max_exp_avg_sq);
  /// grad_avg: null unless centered. buffer: null where momentum is 0.
  void (*rmsprop)(int64_t n, const RmspropStep&, T* p, const T* g, T* square_avg, T* grad_avg, T* buffer);
  void (*adagrad)(int64_t n, const AdagradStep&, T* p, const T* g, T* sum);
  /// x *= factor.
  void (*scale)(int64_t n, double factor, T* x);
  /// The sum of squares, accumulated in double: independent of the number of threads.
  double (*sum_of_squares)(int64_t n, const T* x);
};

struct OptimizerKernels {
  OptimizerFunctions<float> float32;
  OptimizerFunctions<double> float64;
};

}  // namespace ondol::kernel
