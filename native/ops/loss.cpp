// Losses of classes: negative log likelihood and cross entropy.

#include "ops/loss.h"
#include "autograd/node.h"
#include "kernels/table.h"
#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"

namespace ondol {

Reduction parse_reduction(std::string_view word) {
  if (word == "none") return Reduction::None;
  if (word == "mean") return Reduction::Mean;
  if (word == "sum") return Reduction::Sum;
  value_error(word, " is not a valid value for reduction: use 'none', 'mean' or 'sum'");
}

namespace {

/// Scores [batch, classes, space] and the index of the right class at each place.
struct ClassTask {
  int64_t batch = 1, classes = 1, spatial = 1;
  Tensor targets;  // [batch * spatial], int64
  Dims loss_sizes;
  Reduction reduction;
  int64_t ignore_index;

  int64_t places() const { return batch * spatial; }
};

void check_target_shape(const Tensor& input, const Tensor& target) {
  const Dims &x = input.sizes(), &y = target.sizes();
  if (x.empty()) value_error("Expected 1 or more dimensions (got 0)");
  if (x.size() == 1) {
    if (y.size() > 1) runtime_error("0D or 1D target tensor expected, multi-target not supported, got shape ", y);
    if (y.size() == 1 && y[0] != 1)
      value_error("For 1D input, 1D target must have size 1, but got target size: ", y[0]);
    return;
  }
  const int64_t target_batch = y.empty() ? 0 : y[0];
  if (y.empty() || x[0] != target_batch)
    value_error("Expected input batch_size (", x[0], ") to match target batch_size (", target_batch,
                ").\n  input of shape ", x, " and target of shape ", y, ": one target for each row of the input");
  Dims wanted = x;
  wanted.erase(1);
  if (y == wanted) return;
  if (x.size() == 2)
    runtime_error("0D or 1D target tensor expected, multi-target not supported, got shape ", y, " for input ", x,
                  y.back() == 1 && y.size() == 2 ? ": squeeze(1) takes its last dimension away" : "");
  if (x.size() == 4 && y.size() != 3)
    runtime_error("only batches of spatial targets supported (3D tensors) but got targets of dimension: ", y.size());
  if (x.size() == 4) runtime_error("size mismatch (got input: ", x, " , target: ", y);
  runtime_error("Expected target size ", wanted, ", got ", y);
}

void check_weight(const Tensor& input, const Tensor& weight, int64_t classes) {
  if (!weight.defined()) return;
  if (weight.ndim() != 1 || weight.numel() != classes)
    runtime_error("weight tensor should be defined either for all ", classes,
                  " classes or no classes but got weight tensor of shape: ", weight.sizes());
  if (weight.dtype() != input.dtype())
    runtime_error("expected scalar type ", torch_name(input.dtype()), " but found ", torch_name(weight.dtype()));
}

ClassTask plan_classes(const Tensor& input, const Tensor& target, const Tensor& weight, Reduction reduction,
                       int64_t ignore_index, const char* kernel_name) {
  check_target_shape(input, target);
  if (!is_floating(input.dtype()))
    not_implemented('"', kernel_name, "\" not implemented for '", torch_name(input.dtype()), "'");
  if (target.dtype() != Dtype::I64 && target.dtype() != Dtype::U8)
    runtime_error(
        "expected target dtype to be Long or Byte, but got ", torch_name(target.dtype()),
        "\n  cross_entropy, nll_loss: the target holds indices of classes, convert it with .long(); probabilities of "
        "classes have the input's shape ",
        input.sizes());
  ClassTask task;
  const bool batched = input.ndim() > 1;
  task.batch = batched ? input.sizes()[0] : 1;
  task.classes = input.sizes()[batched ? 1 : 0];
  for (int64_t d = 2; d < input.ndim(); ++d) task.spatial *= input.sizes()[d];
  if (batched) task.loss_sizes = target.sizes();
  check_weight(input, weight, task.classes);
  if (needs_gradient(weight))
    runtime_error(
        "The function 'nll_loss_forward' is not differentiable with respect to argument 'weight'. This input cannot "
        "have requires_grad True.");
  NoGrad silent;
  task.targets = reshape(contiguous(to_dtype(detach(target), Dtype::I64)), {task.places()});
  task.reduction = reduction;
  task.ignore_index = ignore_index;
  return task;
}

[[noreturn]] void raise_out_of_bounds(const ClassTask& task, int64_t place) {
  index_error("Target ", task.targets.data<int64_t>()[place],
              " is out of bounds.\n  cross_entropy, nll_loss: the "
              "input has ",
              task.classes, " classes, 0 to ", task.classes - 1, "; this target is at place ", place,
              " of the flat target (ignore_index=", task.ignore_index, ")");
}

/// All losses, their sum, or the sum divided by that of the weights.
Tensor reduced(const ClassTask& task, const Tensor& losses, double total_weight, Dtype dtype) {
  if (task.reduction == Reduction::None) return to_dtype(reshape(losses, task.loss_sizes), dtype);
  Tensor total = sum(losses);
  if (task.reduction == Reduction::Mean) total = div(total, wrapped_number(total_weight));
  return to_dtype(total, dtype);
}

const char* node_name(const Tensor& input) { return input.ndim() > 2 ? "NllLoss2DBackward0" : "NllLossBackward0"; }

/// loss[i] = -weight[i] x[target[i]], where weight[i] becomes the class weight of the target, or 0 for an ignored one.
/// Returns the first place with a target out of bounds, or -1.
template <class T>
int64_t pick_losses(const ClassTask& task, const T* x, const T* class_weight, T* loss, T* weight) {
  const auto* target = task.targets.data<int64_t>();
  for (int64_t i = 0; i < task.places(); ++i) {
    const int64_t t = target[i], image = i / task.spatial, place = i % task.spatial;
    loss[i] = weight[i] = 0;
    if (t == task.ignore_index) continue;
    if (t < 0 || t >= task.classes) return i;
    weight[i] = class_weight ? class_weight[t] : T(1);
    loss[i] = -weight[i] * x[(image * task.classes + t) * task.spatial + place];
  }
  return -1;
}

/// -g weight / divisor at each place's target, 0 elsewhere.
Tensor plain_nll_gradient(const ClassTask& task, const Tensor& gradient, const Tensor& input, const Tensor& weights,
                          double divisor) {
  NoGrad silent;
  Tensor g = contiguous(to_dtype(gradient, weights.dtype())), gx = zeros(input.sizes(), weights.dtype());
  const auto* target = task.targets.data<int64_t>();
  const int64_t step = task.reduction == Reduction::None ? 1 : 0;
  visit_floating(weights.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t i = 0; i < task.places(); ++i)
      if (target[i] != task.ignore_index)
        gx.data<T>()[(i / task.spatial * task.classes + target[i]) * task.spatial + i % task.spatial] =
            -g.data<T>()[i * step] * weights.data<T>()[i] / T(divisor);
  });
  return to_dtype(gx, gradient.dtype());
}

/// The gradient is linear in that of the loss: each place's own goes to its target's score, times -weight (/ total).
/// It does not depend on the scores, but they count as inputs, with the derivative 0, as in PyTorch: whoever
/// differentiates a sum of gradients need not know which of them are constant.
Tensor nll_gradient(const ClassTask& task, const Tensor& gradient, const Tensor& input, const Tensor& weights,
                    double divisor) {
  if (!needs_gradient(gradient, input)) return plain_nll_gradient(task, gradient, input, weights, divisor);
  Tensor at = empty({task.batch, 1, task.spatial}, Dtype::I64), factors = empty(at.sizes(), Dtype::F64);
  const auto* target = task.targets.data<int64_t>();
  {
    NoGrad silent;
    Tensor w = to_dtype(weights, Dtype::F64);
    for (int64_t i = 0; i < task.places(); ++i) {
      const bool ignored = target[i] == task.ignore_index;
      at.data<int64_t>()[i] = ignored ? 0 : target[i];
      factors.data<double>()[i] = ignored ? 0 : -w.data<double>()[i] / divisor;
    }
    factors = to_dtype(factors, weights.dtype());
  }
  Tensor each = to_dtype(gradient, weights.dtype());
  each = task.reduction == Reduction::None ? reshape(each, at.sizes()) : expand(each, at.sizes());
  Tensor all = zeros({task.batch, task.classes, task.spatial}, weights.dtype());
  Tensor result = to_dtype(reshape(scatter_add(all, 1, at, mul(each, factors)), input.sizes()), gradient.dtype());
  if (!needs_gradient(input)) return result;
  Tensor linked = detach(result);
  record("NllLossBackwardBackward0", linked, {result, input}, [](const Tensor& second, Gradients& in) {
    in[0] = second;
    if (in.wants(1)) in[1] = zeros_like(second);
  });
  return linked;
}

Tensor nll_loss(const Tensor& input, const Tensor& target, const Tensor& weight, std::string_view reduction,
                int64_t ignore_index) {
  ClassTask task = plan_classes(input, target, weight, parse_reduction(reduction), ignore_index, "nll_loss_out_frame");
  const Dtype compute = reduction_dtype(input.dtype());
  Tensor losses = empty({task.places()}, compute), weights = empty({task.places()}, compute), result;
  double total_weight = 1;
  {
    NoGrad silent;
    Tensor x = contiguous(to_dtype(detach(input), compute)), w;
    if (weight.defined()) w = contiguous(to_dtype(detach(weight), compute));
    int64_t bad = -1;
    launch({{&x, &w, &task.targets}, {&losses, &weights}}, task.places(), [&] {
      visit_floating(compute, [&](auto tag) {
        using T = typename decltype(tag)::type;
        bad = pick_losses(task, x.data<T>(), w.defined() ? w.data<T>() : nullptr, losses.data<T>(), weights.data<T>());
      });
    });
    if (bad >= 0) raise_out_of_bounds(task, bad);
    if (task.reduction == Reduction::Mean) total_weight = element(sum(weights)).to_double();
    result = reduced(task, losses, total_weight, input.dtype());
  }
  if (needs_gradient(input))
    record(node_name(input), result, {input},
           [=, saved = save(input), targets = save(task.targets)](const Tensor& gradient, Gradients& in) {
             targets();  // raises if they were changed meanwhile
             in[0] = nll_gradient(task, gradient, saved(), weights, total_weight);
           });
  return result;
}

template <class T>
const kernel::SoftmaxFunctions<T>& softmaxes() {
  if constexpr (std::is_same_v<T, float>)
    return kernel::table().softmax.float32;
  else
    return kernel::table().softmax.float64;
}

/// [N, C, d...] as rows [N * d..., C], and back.
Tensor as_rows(const Tensor& x, const ClassTask& task) {
  if (x.ndim() <= 2) return reshape(x, {task.places(), task.classes});
  return reshape(transpose(reshape(x, {task.batch, task.classes, task.spatial}), 1, 2), {task.places(), task.classes});
}
Tensor from_rows(const Tensor& rows, const ClassTask& task, const Dims& sizes) {
  if (sizes.size() <= 2) return reshape(rows, sizes);
  return reshape(contiguous(transpose(reshape(rows, {task.batch, task.spatial, task.classes}), 1, 2)), sizes);
}

/// What softmax regresses to: loss[i] = -sum_c q[i, c] log softmax(x)[i, c].
template <class T>
void fill_distribution(const ClassTask& task, const T* weight, double smoothing, T* q) {
  const auto* target = task.targets.data<int64_t>();
  for (int64_t i = 0; i < task.places(); ++i) {
    const bool ignored = target[i] == task.ignore_index;
    T* row = q + i * task.classes;
    for (int64_t c = 0; c < task.classes; ++c)
      row[c] = ignored ? T(0) : T(smoothing / static_cast<double>(task.classes)) * (weight ? weight[c] : T(1));
    if (!ignored) row[target[i]] += T(1 - smoothing) * (weight ? weight[target[i]] : T(1));
  }
}

/// x minus its log-sum-exp along `dim`, by differentiable operations.
Tensor composed_log_softmax(const Tensor& x, int64_t dim) {
  if (x.numel() == 0) return x;
  Tensor shifted = sub(x, amax(detach(x), {dim}, true));
  return sub(shifted, log(sum(exp(shifted), {dim}, true)));
}

/// d loss / dx = g (softmax(x) sum(q) - q), by differentiable operations.
Tensor composed_gradient(const ClassTask& task, const Tensor& gradient, const Tensor& input, const Tensor& weight,
                         double divisor, double smoothing) {
  const Dtype compute = reduction_dtype(input.dtype());
  Tensor q = empty({task.places(), task.classes}, compute);
  visit_floating(compute, [&](auto tag) {
    using T = typename decltype(tag)::type;
    fill_distribution(task, weight.defined() ? weight.data<T>() : nullptr, smoothing, q.data<T>());
  });
  Tensor probabilities = exp(composed_log_softmax(as_rows(to_dtype(input, compute), task), 1));
  Tensor g = to_dtype(gradient, compute);
  if (task.reduction == Reduction::None) g = reshape(g, {task.places(), 1});
  if (task.reduction == Reduction::Mean) g = div(g, wrapped_number(divisor));
  Tensor rows = mul(g, sub(mul(probabilities, sum(q, {1}, true)), q));
  return to_dtype(from_rows(rows, task, input.sizes()), input.dtype());
}

/// weight (logsumexp(x) - x[target]) where the classes are planes [batch, classes, space]: the kernels run along space,
/// so that nothing is transposed.
Tensor cross_entropy_of_planes(const ClassTask& task, const Tensor& input, const Tensor& class_weight) {
  const Dtype compute = reduction_dtype(input.dtype());
  const Dims planes{task.batch, task.classes, task.spatial}, places{task.batch, 1, task.spatial};
  Tensor lse = empty(places, compute), losses = empty({task.places()}, compute), weights = empty(places, compute);
  Tensor result, w;
  double total_weight = 1;
  {
    NoGrad silent;
    Tensor x = contiguous(to_dtype(detach(input), compute));
    if (class_weight.defined()) w = contiguous(to_dtype(detach(class_weight), compute));
    int64_t bad = -1;
    launch({{&x, &w, &task.targets}, {&lse, &losses, &weights}}, 4 * x.numel(), [&] {
      visit_floating(compute, [&](auto tag) {
        using T = typename decltype(tag)::type;
        bad = pick_losses(task, x.data<T>(), w.defined() ? w.data<T>() : nullptr, losses.data<T>(), weights.data<T>());
        if (bad < 0) reductions<T>().logsumexp(x.data<T>(), lse.data<T>(), {task.batch, task.classes, task.spatial});
      });
    });
    if (bad >= 0) raise_out_of_bounds(task, bad);
    Tensor flat_weights = reshape(weights, {task.places()});
    losses = where(eq(flat_weights, wrapped_number(0)), losses,
                   addcmul(losses, flat_weights, reshape(lse, {task.places()})));
    if (task.reduction == Reduction::Mean) total_weight = element(sum(weights)).to_double();
    result = reduced(task, losses, total_weight, input.dtype());
  }
  if (!needs_gradient(input)) return result;
  record(node_name(input), result, {input},
         [=, saved = save(input), targets = save(task.targets)](const Tensor& gradient, Gradients& in) {
           Tensor x = saved();
           targets();  // raises if they were changed meanwhile
           if (needs_gradient(gradient, x)) {
             in[0] = composed_gradient(task, gradient, x, w, total_weight, 0);
             return;
           }
           NoGrad silent;
           Tensor g = to_dtype(gradient, compute);
           if (task.reduction == Reduction::None) g = reshape(g, places);
           Tensor scale = contiguous(expand(mul(mul_by(g, 1 / total_weight), weights), places));
           Tensor gx = mul(exp(sub(reshape(to_dtype(x, compute), planes), lse)), scale);
           visit_floating(compute, [&](auto tag) {
             using T = typename decltype(tag)::type;
             const T* share = scale.data<T>();
             const auto* target = task.targets.data<int64_t>();
             for (int64_t i = 0; i < task.places(); ++i)
               if (target[i] != task.ignore_index)
                 gx.data<T>()[(i / task.spatial * task.classes + target[i]) * task.spatial + i % task.spatial] -=
                     share[i];
           });
           in[0] = to_dtype(reshape(gx, x.sizes()), x.dtype());
         });
  return result;
}

/// By the fused kernel: neither softmax nor log-softmax is stored.
Tensor cross_entropy_of_indices(const Tensor& input, const Tensor& target, const Tensor& weight, Reduction reduction,
                                int64_t ignore_index, double smoothing) {
  ClassTask task = plan_classes(input, target, weight, reduction, ignore_index, "log_softmax_lastdim_kernel_impl");
  if (task.spatial > 1 && smoothing == 0) return cross_entropy_of_planes(task, input, weight);
  const Dtype compute = reduction_dtype(input.dtype());
  const kernel::CrossEntropyTask kernel_task{task.places(), task.classes, task.targets.data<int64_t>(), ignore_index,
                                             smoothing};
  Tensor losses = empty({task.places()}, compute), lse = empty({2, task.places()}, compute);
  Tensor weights = empty({task.places()}, compute), w, result;
  double total_weight = 1;
  {
    NoGrad silent;
    Tensor rows = contiguous(as_rows(to_dtype(detach(input), compute), task));
    if (weight.defined()) w = contiguous(to_dtype(detach(weight), compute));
    int64_t bad = -1;
    launch({{&rows, &w, &task.targets}, {&losses, &lse, &weights}}, 4 * rows.numel(), [&] {
      visit_floating(compute, [&](auto tag) {
        using T = typename decltype(tag)::type;
        bad = softmaxes<T>().cross_entropy(rows.data<T>(), w.defined() ? w.data<T>() : nullptr, losses.data<T>(),
                                           lse.data<T>(), weights.data<T>(), kernel_task);
      });
    });
    if (bad >= 0) raise_out_of_bounds(task, bad);
    if (reduction == Reduction::Mean) total_weight = element(sum(weights)).to_double();
    result = reduced(task, losses, total_weight, input.dtype());
  }
  if (!needs_gradient(input)) return result;
  record(node_name(input), result, {input},
         [=, saved = save(input), targets = save(task.targets)](const Tensor& gradient, Gradients& in) {
           Tensor x = saved();
           targets();  // raises if they were changed meanwhile
           if (needs_gradient(gradient, x)) {
             in[0] = composed_gradient(task, gradient, x, w, total_weight, smoothing);
             return;
           }
           NoGrad silent;
           Tensor rows = contiguous(as_rows(to_dtype(x, compute), task)), g = contiguous(to_dtype(gradient, compute));
           Tensor gx = empty(rows.sizes(), compute);
           launch({{&rows, &g, &lse, &w}, {&gx}}, 4 * rows.numel(), [&] {
             visit_floating(compute, [&](auto tag) {
               using T = typename decltype(tag)::type;
               softmaxes<T>().cross_entropy_backward(g.data<T>(), task.reduction == Reduction::None ? 1 : 0,
                                                     1 / total_weight, rows.data<T>(), lse.data<T>(),
                                                     w.defined() ? w.data<T>() : nullptr, gx.data<T>(), kernel_task);
             });
           });
           in[0] = to_dtype(from_rows(gx, task, x.sizes()), x.dtype());
         });
  return result;
}

/// -sum_c weight[c] target[c] log softmax(x)[c], the mean taken over all places.
Tensor cross_entropy_of_probabilities(const Tensor& input, const Tensor& target, const Tensor& weight,
                                      Reduction reduction, int64_t ignore_index, double smoothing) {
  if (!is_floating(target.dtype()))
    runtime_error("Expected floating point type for target with class probabilities, got ", torch_name(target.dtype()));
  if (ignore_index >= 0) runtime_error("ignore_index is not supported for floating point target");
  if (input.ndim() == 0) index_error("Dimension specified as 1 but tensor has no dimensions");
  const int64_t dim = input.ndim() > 1 ? 1 : 0, classes = input.sizes()[dim];
  check_weight(input, weight, classes);
  const Dtype compute = reduction_dtype(input.dtype());
  Tensor q = to_dtype(target, compute);
  if (smoothing > 0)
    q = add(mul(q, wrapped_number(1 - smoothing)), wrapped_number(smoothing / static_cast<double>(classes)));
  if (weight.defined()) {
    Dims along(input.sizes().size(), 1);
    along[dim] = classes;
    q = mul(q, reshape(to_dtype(weight, compute), along));
  }
  Tensor each = mul(composed_log_softmax(to_dtype(input, compute), dim), q), loss;
  if (reduction == Reduction::None) loss = neg(sum(each, {dim}, false));
  if (reduction != Reduction::None) loss = neg(sum(each));
  if (reduction == Reduction::Mean)
    loss = div(loss, wrapped_number(static_cast<double>(input.numel()) / static_cast<double>(classes)));
  return to_dtype(loss, input.dtype());
}

Tensor cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight, std::string_view reduction,
                     int64_t ignore_index, double label_smoothing) {
  if (!(label_smoothing >= 0 && label_smoothing <= 1))
    runtime_error("label_smoothing must be between 0.0 and 1.0. Got: ", label_smoothing);
  auto compute = input.sizes() == target.sizes() ? cross_entropy_of_probabilities : cross_entropy_of_indices;
  return compute(input, target, weight, parse_reduction(reduction), ignore_index, label_smoothing);
}

}  // namespace

void register_loss(Registry& r) {
  r.add(
      "nn.nll_loss(Tensor input, Tensor target, Tensor? weight=None, str reduction='mean', int ignore_index=-100) -> "
      "Tensor",
      nll_loss);
  r.add(
      "nn.cross_entropy(Tensor input, Tensor target, Tensor? weight=None, str reduction='mean', int "
      "ignore_index=-100, float label_smoothing=0.0) -> Tensor",
      cross_entropy);
}

}  // namespace ondol
