// Cross-entropy of rows of logits with class indices, without ever storing the softmax.

#include "base/parallel.h"
#include "kernels/cpu/division.h"
#include "kernels/cpu/planes_and_lanes.h"
#include "kernels/cpu/softmax_parts.h"
#include "kernels/cpu/softmax_row.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

inline constexpr int64_t grain = 1 << 14;

/// sum_c w[c] (lse - x[c]), the smoothing's part of the loss; the differences first, so that nothing large cancels.
template <class T>
inline T smooth_loss(const T* x, const T* weight, T lse, int64_t classes) {
  Vec<T> sum{};
  map_row<T>(classes, [&](auto part) {
    Vec<T> difference = lse - part.of(x, T(0));
    if (weight) difference = difference * part.of(weight, T(0));
    sum += part.exists(difference);
  });
  return total<T>(sum)[0];
}

/// Of as many rows as a vector has lanes.
template <class T>
struct ExpSums {
  Vec<T> largest, sum;  // the greatest element m (0 if that is -inf), and the sum of exp(x - m)
};

/// Row by row.
template <class T>
inline ExpSums<T> exp_sums_of_rows(const T* x, int64_t n, int count) {
  T largest[lanes<T>], sums[lanes<T>];
  for (int r = 0; r < lanes<T>; ++r) largest[r] = 0, sums[r] = 1;
  for (int r = 0; r < count; ++r) {
    const T* row = x + r * n;
    Vec<T> m = row_maximum(row, n);
    m = select(m == -infinity<T>, Vec<T>{}, m);
    largest[r] = m[0];
    sums[r] = row_exp_sum(row, n, m)[0];
  }
  return {load(largest), load(sums)};
}

/// Rows of so many elements are turned into vectors of one element each of all rows: nothing need then be added up
/// across a vector, and none is left half empty.
inline constexpr int64_t most_turned = 128;
template <class T>
inline ExpSums<T> exp_sums_of_columns(const T* x, int64_t n, int count) {
  Vec<T> columns[most_turned];
  planes_into_lanes(x, n, count, n, [&](int64_t i, Vec<T> v) { columns[i] = v; });
  Vec<T> m = broadcast(-infinity<T>);
  for (int64_t i = 0; i < n; ++i) m = maximum(m, columns[i]);
  m = select(m == -infinity<T>, Vec<T>{}, m);
  Vec<T> sums[4] = {};
  int64_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (int j = 0; j < 4; ++j) sums[j] += exp(columns[i + j] - m);
  for (; i < n; ++i) sums[0] += exp(columns[i] - m);
  return {m, (sums[0] + sums[1]) + (sums[2] + sums[3])};
}

/// The log-sum-exp of up to a vector of rows, and what rounding takes from it: the logarithms of all in one.
template <class T>
inline void log_sum_exp(const T* x, int64_t n, int count, T* lse, T* lse_rest) {
  const ExpSums<T> sums = n > 0 && n <= most_turned ? exp_sums_of_columns(x, n, count) : exp_sums_of_rows(x, n, count);
  const Exact<Vec<T>> total = exact_sum(sums.largest, log(sums.sum));
  store_part(lse, total.value, count);
  store_part(lse_rest, select(isfinite(total.value), total.rest, Vec<T>{}), count);
}

template <class T>
int64_t cross_entropy(const T* x, const T* weight, T* loss, T* lse, T* row_weight, const CrossEntropyTask& task) {
  const int64_t n = task.classes;
  const T smoothing = T(task.label_smoothing);
  for (int64_t i = 0; i < task.rows; ++i)
    if (task.targets[i] != task.ignore_index && (task.targets[i] < 0 || task.targets[i] >= n)) return i;
  parallel_for(task.rows, grain_for(grain, n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += lanes<T>)
      log_sum_exp(x + i * n, n, static_cast<int>(smaller_of(lanes<T>, end - i)), lse + i, lse + task.rows + i);
    for (int64_t i = begin; i < end; ++i) {
      const T* row = x + i * n;
      const int64_t target = task.targets[i];
      const bool ignored = target == task.ignore_index;
      const T w = ignored ? T(0) : weight ? weight[target] : T(1);
      if (row_weight) row_weight[i] = w;
      T value = ignored ? T(0) : (T(1) - smoothing) * w * (lse[i] - row[target]);
      if (!ignored && smoothing > 0) value += smoothing / T(n) * smooth_loss(row, weight, lse[i], n);
      loss[i] = value;
    }
  });
  return -1;
}

template <class T>
inline T sum_of(const T* weight, int64_t n) {
  Vec<T> sum{};
  map_row<T>(n, [&](auto part) { sum += part.of(weight, T(0)); });
  return total<T>(sum)[0];
}

/// d loss / d x[c] = ((1 - eps) w[t] + eps/n W) softmax(x)[c] - (1 - eps) w[t] [c = t] - eps/n w[c], with W = sum w.
template <class T>
void cross_entropy_backward(const T* dloss, int64_t dloss_step, double scale, const T* x, const T* lse, const T* weight,
                            T* dx, const CrossEntropyTask& task) {
  const int64_t n = task.classes;
  const T smooth = T(task.label_smoothing / double(n)), kept = T(1 - task.label_smoothing);
  const T all_weights = !weight ? T(n) : smooth > 0 ? sum_of(weight, n) : T(0);
  parallel_for(task.rows, grain_for(grain, n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* row = x + i * n;
      T* to = dx + i * n;
      const int64_t target = task.targets[i];
      if (target == task.ignore_index) {
        map_row<T>(n, [&](auto part) { part.put(to, Vec<T>{}); });
        continue;
      }
      const T g = dloss[i * dloss_step] * T(scale), w = kept * (weight ? weight[target] : T(1));
      const T share = g * (w + smooth * all_weights), even = g * smooth;
      const auto probability = [&, base = lse[i], rest = lse[task.rows + i]](auto part) {
        return exp((part.of(row, T(0)) - base) - rest);
      };
      if (smooth == 0)
        map_row<T>(n, [&](auto part) { part.put(to, share * probability(part)); });
      else if (!weight)
        map_row<T>(n, [&](auto part) { part.put(to, share * probability(part) - even); });
      else
        map_row<T>(n, [&](auto part) { part.put(to, share * probability(part) - even * part.of(weight, T(0))); });
      to[target] -= g * w;
    }
  });
}

}  // namespace

void fill_cross_entropy(SoftmaxKernels& k) {
  k.float32.cross_entropy = cross_entropy<float>;
  k.float32.cross_entropy_backward = cross_entropy_backward<float>;
  k.float64.cross_entropy = cross_entropy<double>;
  k.float64.cross_entropy_backward = cross_entropy_backward<double>;
}

}  // namespace ondol::kernel::ONDOL_LEVEL
