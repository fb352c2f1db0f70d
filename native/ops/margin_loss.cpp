// The multi-label margin loss: every label should beat every other class by a margin of 1.

#include <limits>
#include <vector>

#include "base/parallel.h"
#include "base/vectorize.h"
#include "ops/functions.h"
#include "ops/loss.h"
#include "ops/reduction.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {
namespace {

template <class T>
using Vector [[gnu::vector_size(32), gnu::aligned(sizeof(T)), gnu::may_alias]] = T;
template <class T>
constexpr int64_t kWidth = 32 / sizeof(T);

/// One label against all classes, in vectors: adds 1 to the slope of each class that is too near, and to `total` by how
/// much. `others` holds the scores, -infinity at labels. Returns how many are too near.
template <class T>
[[gnu::always_inline]] inline T add_margins(T label_score, const T* others, int64_t vectors, T* slope, T* total) {
  using V = Vector<T>;
  V sums = *reinterpret_cast<V*>(total), near{};
  const V ones = V{} + 1;
  for (int64_t v = 0; v < vectors; ++v) {
    V& slopes = reinterpret_cast<V*>(slope)[v];
    const V margin = (1 - label_score) + reinterpret_cast<const V*>(others)[v];
    const V hit = margin > 0 ? ones : V{};
    sums += margin > 0 ? margin : V{};
    slopes += hit;
    near += hit;
  }
  *reinterpret_cast<V*>(total) = sums;
  T count = 0;
  for (int64_t lane = 0; lane < kWidth<T>; ++lane) count += near[lane];
  return count;
}
template <class T>
ONDOL_VECTORIZE ONDOL_WIDE T wide_add_margins(T label_score, const T* others, int64_t vectors, T* slope, T* total) {
  return add_margins(label_score, others, vectors, slope, total);
}
template <class T>
ONDOL_VECTORIZE T plain_add_margins(T label_score, const T* others, int64_t vectors, T* slope, T* total) {
  return add_margins(label_score, others, vectors, slope, total);
}

/// loss = sum over labels j and other classes i of max(0, 1 - x[j] + x[i]) / classes, and its slopes, which are
/// constant between the corners. The labels end at the first negative one.
template <class T>
void multilabel_rows(const T* x, const int64_t* labels, int64_t rows, int64_t classes, T* loss, T* slope) {
  const int64_t vectors = (classes + kWidth<T> - 1) / kWidth<T>, padded = vectors * kWidth<T>;
  auto add = wide_vectors() ? wide_add_margins<T> : plain_add_margins<T>;
  parallel_for(rows, grain_for(16384, classes, classes), [&](int64_t begin, int64_t end) {
    std::vector<T> others(static_cast<size_t>(padded)), slopes(static_cast<size_t>(padded));
    for (int64_t row = begin; row < end; ++row) {
      const T* scores = x + row * classes;
      const int64_t* own = labels + row * classes;
      int64_t count = 0;
      std::fill(others.begin() + classes, others.end(), -std::numeric_limits<T>::infinity());
      std::copy(scores, scores + classes, others.begin());
      for (; count < classes && own[count] >= 0; ++count) others[own[count]] = -std::numeric_limits<T>::infinity();
      std::fill(slopes.begin(), slopes.end(), T(0));
      T totals[kWidth<T>] = {};
      for (int64_t k = 0; k < count; ++k)
        slopes[own[k]] -= add(scores[own[k]], others.data(), vectors, slopes.data(), totals);
      T total = 0;
      for (T each : totals) total += each;
      loss[row] = total / T(classes);
      for (int64_t i = 0; i < classes; ++i) slope[row * classes + i] = slopes[i] / T(classes);
    }
  });
}

Tensor multilabel_margin_loss(const Tensor& input, const Tensor& target, std::string_view reduction_word) {
  const Reduction reduction = parse_reduction(reduction_word);
  if (target.sizes() != input.sizes() || input.ndim() > 2)
    shape_error("inconsistent target size: ", target.sizes(), " for input of size: ", input.sizes());
  if (!is_floating(input.dtype()))
    not_implemented("\"multilabel_margin_loss_forward_out_frame\" not implemented for '", torch_name(input.dtype()),
                    "'");
  if (target.dtype() != Dtype::I64)
    runtime_error("multilabel_margin_loss: expected targets of dtype int64, got ", name(target.dtype()));
  const int64_t classes = input.ndim() ? input.sizes()[input.ndim() - 1] : 1;
  const int64_t rows = input.ndim() == 2 ? input.sizes()[0] : 1;
  const Dims loss_sizes = input.ndim() == 2 ? Dims{rows} : Dims{};
  const Dtype compute = reduction_dtype(input.dtype());
  Tensor result, slopes;
  {
    NoGrad silent;
    Tensor x = contiguous(to_dtype(detach(input), compute)), labels = contiguous(detach(target));
    const auto* label = labels.data<int64_t>();
    for (int64_t i = 0; i < labels.numel(); ++i)
      if (label[i] >= classes)
        runtime_error("multilabel_margin_loss: target out of range: label ", label[i], " for ", classes, " classes");
    Tensor losses = empty(loss_sizes, compute);
    slopes = empty(input.sizes(), compute);
    launch({{&x, &labels}, {&losses, &slopes}}, x.numel() * std::max<int64_t>(classes, 1), [&] {
      visit_floating(compute, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (classes == 0)
          std::fill_n(losses.data<T>(), rows, T(0));
        else
          multilabel_rows(x.data<T>(), label, rows, classes, losses.data<T>(), slopes.data<T>());
      });
    });
    result = reduction == Reduction::None  ? losses
             : reduction == Reduction::Sum ? sum(losses)
                                           : mean(losses, {}, false);
    result = to_dtype(result, input.dtype());
    slopes = to_dtype(reduction == Reduction::Mean ? mul_by(slopes, 1.0 / static_cast<double>(rows)) : slopes,
                      input.dtype());
  }
  if (needs_gradient(input))
    record("MultilabelMarginLossBackward0", result, {input},
           [slopes, reduction, rank = input.ndim()](const Tensor& gradient, Gradients& in) {
             const bool each = reduction == Reduction::None && rank == 2;
             in[0] = mul(slopes, each ? unsqueeze(gradient, 1) : gradient);
           });
  return result;
}

}  // namespace

void register_margin_loss(Registry& r) {
  r.add("nn.multilabel_margin_loss(Tensor input, Tensor target, str reduction='mean') -> Tensor",
        multilabel_margin_loss);
}

}  // namespace ondol
