#include "kernels/cpu/optimizer.h"

#include "base/parallel.h"
#include "kernels/cpu/level.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

constexpr int64_t step_grain = 32768;

template <class T>
inline T square_root(T x) {
  if constexpr (sizeof(T) == 4) {
    return __builtin_sqrtf(x);
  } else {
    return __builtin_sqrt(x);
  }
}

/// Two-sided linear interpolation, exact at both ends.
template <class T>
inline T lerp(T start, T end, T weight) {
  return weight < T(0.5) ? start + weight * (end - start) : end - (end - start) * (1 - weight);
}

// The loops are written for one element; the compiler makes vectors of them because no argument aliases another.

template <class T, bool has_momentum>
void sgd_range(int64_t begin, int64_t end, const SgdStep& step, T* __restrict p, const T* __restrict g,
               T* __restrict buffer) {
  const T sign = step.maximize ? -1 : 1, decay = static_cast<T>(step.weight_decay), lr = static_cast<T>(step.lr);
  const T momentum = static_cast<T>(step.momentum);
  const T kept = step.first ? 0 : momentum, added = step.first ? 1 : static_cast<T>(1 - step.dampening);
  const bool first = step.first, nesterov = step.nesterov;
  for (int64_t i = begin; i < end; i++) {
    T gradient = sign * g[i] + decay * p[i];
    if constexpr (has_momentum) {
      const T velocity = first ? gradient : kept * buffer[i] + added * gradient;
      buffer[i] = velocity;
      gradient = nesterov ? gradient + momentum * velocity : velocity;
    }
    p[i] -= lr * gradient;
  }
}

template <class T>
void sgd(int64_t n, const SgdStep& step, T* p, const T* g, T* buffer) {
  parallel_for(n, step_grain, [&](int64_t begin, int64_t end) {
    if (buffer) {
      sgd_range<T, true>(begin, end, step, p, g, buffer);
    } else {
      sgd_range<T, false>(begin, end, step, p, g, buffer);
    }
  });
}

template <class T, bool amsgrad>
void adam_range(int64_t begin, int64_t end, const AdamStep& step, T* __restrict p, const T* __restrict g,
                T* __restrict exp_avg, T* __restrict exp_avg_sq, T* __restrict max_exp_avg_sq) {
  const T sign = step.maximize ? -1 : 1, eps = static_cast<T>(step.eps);
  const T decay = static_cast<T>(step.decoupled ? 0 : step.weight_decay);
  const T shrink = static_cast<T>(step.decoupled ? 1 - step.lr * step.weight_decay : 1);
  const T weight1 = static_cast<T>(1 - step.beta1), beta2 = static_cast<T>(step.beta2);
  const T weight2 = static_cast<T>(1 - step.beta2);
  const T size = static_cast<T>(step.lr / step.bias_correction1);
  const T scale = static_cast<T>(__builtin_sqrt(step.bias_correction2));
  for (int64_t i = begin; i < end; i++) {
    const T gradient = sign * g[i] + decay * p[i];
    const T first = lerp(exp_avg[i], gradient, weight1);
    const T second = beta2 * exp_avg_sq[i] + weight2 * gradient * gradient;
    exp_avg[i] = first;
    exp_avg_sq[i] = second;
    T largest = second;
    if constexpr (amsgrad) {
      const T before = max_exp_avg_sq[i];
      largest = before > second ? before : second;  // a NaN of the gradient stays
      max_exp_avg_sq[i] = largest;
    }
    p[i] = shrink * p[i] - size * (first / (square_root(largest) / scale + eps));
  }
}

template <class T>
void adam(int64_t n, const AdamStep& step, T* p, const T* g, T* exp_avg, T* exp_avg_sq, T* max_exp_avg_sq) {
  parallel_for(n, step_grain, [&](int64_t begin, int64_t end) {
    if (max_exp_avg_sq) {
      adam_range<T, true>(begin, end, step, p, g, exp_avg, exp_avg_sq, max_exp_avg_sq);
    } else {
      adam_range<T, false>(begin, end, step, p, g, exp_avg, exp_avg_sq, nullptr);
    }
  });
}

template <class T, bool centered, bool has_momentum>
void rmsprop_range(int64_t begin, int64_t end, const RmspropStep& step, T* __restrict p, const T* __restrict g,
                   T* __restrict square_avg, T* __restrict grad_avg, T* __restrict buffer) {
  const T sign = step.maximize ? -1 : 1, decay = static_cast<T>(step.weight_decay), lr = static_cast<T>(step.lr);
  const T alpha = static_cast<T>(step.alpha), weight = static_cast<T>(1 - step.alpha), eps = static_cast<T>(step.eps);
  const T momentum = static_cast<T>(step.momentum);
  for (int64_t i = begin; i < end; i++) {
    const T gradient = sign * g[i] + decay * p[i];
    const T square = alpha * square_avg[i] + weight * gradient * gradient;
    square_avg[i] = square;
    T variance = square;
    if constexpr (centered) {
      const T mean = lerp(grad_avg[i], gradient, weight);
      grad_avg[i] = mean;
      variance = square - mean * mean;
    }
    T change = gradient / (square_root(variance) + eps);
    if constexpr (has_momentum) {
      change = momentum * buffer[i] + change;
      buffer[i] = change;
    }
    p[i] -= lr * change;
  }
}

template <class T>
void rmsprop(int64_t n, const RmspropStep& step, T* p, const T* g, T* square_avg, T* grad_avg, T* buffer) {
  const auto range = grad_avg ? (buffer ? rmsprop_range<T, true, true> : rmsprop_range<T, true, false>)
                              : (buffer ? rmsprop_range<T, false, true> : rmsprop_range<T, false, false>);
  parallel_for(n, step_grain,
               [&](int64_t begin, int64_t end) { range(begin, end, step, p, g, square_avg, grad_avg, buffer); });
}

template <class T>
void adagrad_range(int64_t begin, int64_t end, const AdagradStep& step, T* __restrict p, const T* __restrict g,
                   T* __restrict sum) {
  const T sign = step.maximize ? -1 : 1, decay = static_cast<T>(step.weight_decay), lr = static_cast<T>(step.lr);
  const T eps = static_cast<T>(step.eps);
  for (int64_t i = begin; i < end; i++) {
    const T gradient = sign * g[i] + decay * p[i];
    const T total = sum[i] + gradient * gradient;
    sum[i] = total;
    p[i] -= lr * (gradient / (square_root(total) + eps));
  }
}

template <class T>
void adagrad(int64_t n, const AdagradStep& step, T* p, const T* g, T* sum) {
  parallel_for(n, step_grain, [&](int64_t begin, int64_t end) { adagrad_range(begin, end, step, p, g, sum); });
}

template <class T>
void scale(int64_t n, double factor, T* x) {
  const T by = static_cast<T>(factor);
  parallel_for(n, step_grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) x[i] *= by;
  });
}

template <class T>
double block_sum_of_squares(int64_t n, const T* x) {
  typedef double Doubles __attribute__((vector_size(64)));
  Doubles sums[2] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int part = 0; part < 2; part++) {
      Doubles values;
      for (int lane = 0; lane < 8; lane++) values[lane] = x[i + part * 8 + lane];
      sums[part] += values * values;
    }
  }
  double sum = 0;
  for (int lane = 0; lane < 8; lane++) sum += sums[0][lane] + sums[1][lane];
  for (; i < n; i++) sum += static_cast<double>(x[i]) * x[i];
  return sum;
}

/// Blocks of a fixed size each give a partial sum; those of up to `window` blocks are added up in order, whoever made
/// them.
template <class T>
double sum_of_squares(int64_t n, const T* x) {
  constexpr int64_t block = 16384, window = 512;
  double sum = 0, partial[window];
  for (int64_t first = 0; first < n; first += block * window) {
    const int64_t rest = n - first, blocks = rest < block * window ? (rest + block - 1) / block : window;
    parallel_for(blocks, 4, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; b++) {
        const int64_t from = first + b * block, count = n - from < block ? n - from : block;
        partial[b] = block_sum_of_squares(count, x + from);
      }
    });
    for (int64_t b = 0; b < blocks; b++) sum += partial[b];
  }
  return sum;
}

template <class T>
void fill_functions(OptimizerFunctions<T>& functions) {
  functions = {sgd<T>, adam<T>, rmsprop<T>, adagrad<T>, scale<T>, sum_of_squares<T>};
}

}  // namespace

void fill(OptimizerKernels& kernels) {
  fill_functions(kernels.float32);
  fill_functions(kernels.float64);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
