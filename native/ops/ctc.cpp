// Connectionist temporal classification: the loss of label sequences without alignment.

#include <algorithm>
#include <limits>
#include <vector>

#include "autograd/node.h"
#include "base/parallel.h"
#include "ops/functions.h"
#include "ops/loss.h"
#include "ops/reduction.h"
#include "ops/registry.h"

namespace ondol {
namespace {

/// A checked call: the sequences as chains of states.
struct CtcPlan {
  int64_t steps = 0, batch = 0, classes = 0, longest = 1;  // the longest chain
  Dims input_lengths, target_lengths;
  std::vector<int64_t> states;  // [batch, longest]
  bool zero_infinity = false;

  int64_t count(int64_t n) const { return 2 * target_lengths[n] + 1; }
  int64_t work() const { return steps * (batch * longest * 32 + batch * classes * 8); }

  template <class T>
  kernel::CtcSequence<T> sequence(int64_t n, const T* log_probs) const {
    return {log_probs + n * classes,     batch * classes,           input_lengths[n],
            states.data() + n * longest, 2 * target_lengths[n] + 1, classes};
  }
  /// f(begin, end) for ranges of the batch.
  template <class F>
  void for_sequences(F f) const {
    parallel_for(batch, grain_for(65536, steps, longest, 16), f);
  }
};

template <class T>
const kernel::CtcFunctions<T>& kernels() {
  if constexpr (std::is_same_v<T, float>)
    return kernel::table().ctc.float32;
  else
    return kernel::table().ctc.float64;
}

void check_lengths(const char* which, const Dims& lengths, int64_t batch, int64_t most) {
  if (lengths.ssize() != batch)
    runtime_error("ctc_loss: ", which, " must be of size batch_size, ", batch, ", got ", lengths.ssize(), " of them");
  for (int64_t length : lengths)
    if (length < 0 || length > most)
      runtime_error("ctc_loss: Expected ", which, " to have value at least 0 and at most ", most, ", but got value ",
                    length);
}

/// The labels of all targets, one row for each or one after the other, between blanks.
void lay_out_states(CtcPlan& plan, const Tensor& targets, int64_t blank) {
  Tensor labels = contiguous(to_dtype(detach(targets), Dtype::I64));
  plan.states.assign(static_cast<size_t>(plan.batch * plan.longest), blank);
  const auto* label = labels.data<int64_t>();
  for (int64_t n = 0; n < plan.batch; ++n) {
    const int64_t length = plan.target_lengths[n];
    const auto* own = targets.ndim() == 2 ? label + n * targets.sizes()[1] : label;
    for (int64_t i = 0; i < length; ++i) {
      if (own[i] < 0 || own[i] >= plan.classes)
        runtime_error("ctc_loss: targets must be in [0, ", plan.classes, "), got ", own[i], " as label ", i,
                      " of sequence ", n);
      plan.states[static_cast<size_t>(n * plan.longest + 2 * i + 1)] = own[i];
    }
    if (targets.ndim() == 1) label += length;
  }
}

CtcPlan plan_ctc(const Tensor& log_probs, const Tensor& targets, const Dims& input_lengths, const Dims& target_lengths,
                 int64_t blank, bool zero_infinity) {
  if (!is_floating(log_probs.dtype()))
    not_implemented("\"ctc_loss_cpu\" not implemented for '", torch_name(log_probs.dtype()), "'");
  if (log_probs.ndim() != 2 && log_probs.ndim() != 3)
    runtime_error("ctc_loss: Expected 3-dimensional log_probs (T, N, C), or (T, C) for one sequence, but got ",
                  log_probs.sizes());
  if (log_probs.numel() == 0) runtime_error("ctc_loss: log_probs tensor must not be empty, got ", log_probs.sizes());
  if (is_floating(targets.dtype()) || is_complex(targets.dtype()))
    runtime_error("ctc_loss: expected targets of an integral dtype, got ", torch_name(targets.dtype()),
                  ": they are indices of classes, convert them with .long()");
  CtcPlan plan;
  plan.steps = log_probs.sizes()[0];
  plan.batch = log_probs.ndim() == 3 ? log_probs.sizes()[1] : 1;
  plan.classes = log_probs.sizes().back();
  plan.input_lengths = input_lengths;
  plan.target_lengths = target_lengths;
  plan.zero_infinity = zero_infinity;
  if (blank < 0 || blank >= plan.classes)
    runtime_error("ctc_loss: blank must be in label range, 0 to ", plan.classes - 1, ", got ", blank);
  if (targets.ndim() != 1 && targets.ndim() != 2)
    runtime_error("ctc_loss: Expected 1 to 2 dimensions of targets, but got ", targets.sizes());
  if (targets.ndim() == 2 && targets.sizes()[0] != plan.batch)
    runtime_error("ctc_loss: Expected targets with ", plan.batch, " rows, one for each sequence, but got ",
                  targets.sizes());
  check_lengths("input_lengths", input_lengths, plan.batch, plan.steps);
  check_lengths("target_lengths", target_lengths, plan.batch, targets.sizes().back());
  int64_t all = 0;
  for (int64_t length : target_lengths) {
    all += length;
    plan.longest = std::max(plan.longest, 2 * length + 1);
  }
  if (targets.ndim() == 1 && all > targets.numel())
    runtime_error("ctc_loss: targets of shape ", targets.sizes(), " are too short for target_lengths ", target_lengths);
  lay_out_states(plan, targets, blank);
  return plan;
}

/// The losses of all sequences. `alpha` has [batch, steps, row] numbers to keep for the derivative, or is null.
template <class T>
void all_losses(const CtcPlan& plan, const T* log_probs, T* alpha, T* loss) {
  const int64_t row = kernel::ctc_row(plan.longest);
  plan.for_sequences([&](int64_t begin, int64_t end) {
    std::vector<T> scratch(static_cast<size_t>(kernel::ctc_scratch(plan.longest) + 2 * row));
    for (int64_t n = begin; n < end; ++n) {
      if (plan.input_lengths[n] == 0) {  // an empty input fits an empty target only
        loss[n] = plan.target_lengths[n] == 0 ? T(0) : std::numeric_limits<T>::infinity();
        continue;
      }
      T* reached = alpha ? alpha + n * plan.steps * row : scratch.data() + kernel::ctc_scratch(plan.longest);
      loss[n] = kernels<T>().forward(plan.sequence(n, log_probs), reached, alpha != nullptr, scratch.data());
    }
  });
}

/// weight[n] times the slopes of the loss of sequence n; those of an infinite one are no numbers.
template <class T>
void all_slopes(const CtcPlan& plan, const T* log_probs, const T* alpha, const T* loss, const T* weight, T* slopes) {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const int64_t row = kernel::ctc_row(plan.longest);
  plan.for_sequences([&](int64_t begin, int64_t end) {
    std::vector<T> scratch(static_cast<size_t>(kernel::ctc_scratch(plan.longest)));
    for (int64_t n = begin; n < end; ++n) {
      const bool infinite = loss[n] == kInfinity;
      if (!infinite && plan.input_lengths[n] > 0)
        kernels<T>().backward(plan.sequence(n, log_probs), alpha + n * plan.steps * row, loss[n], weight[n],
                              slopes + n * plan.classes, scratch.data());
      const T missing = plan.zero_infinity ? T(0) : std::numeric_limits<T>::quiet_NaN();
      for (int64_t t = infinite ? 0 : plan.input_lengths[n]; t < plan.steps; ++t)
        std::fill_n(slopes + (t * plan.batch + n) * plan.classes, plan.classes,
                    t < plan.input_lengths[n] ? missing : T(0));
    }
  });
}

/// The slopes of the losses, each times a number of `weights`.
Tensor weighted_slopes(const CtcPlan& plan, const Tensor& log_probs, const Tensor& alpha, const Tensor& losses,
                       const Tensor& weights) {
  NoGrad silent;
  const Dtype compute = losses.dtype();
  Tensor x = contiguous(to_dtype(detach(log_probs), compute)), w = contiguous(to_dtype(detach(weights), compute));
  Tensor slopes = empty(log_probs.sizes(), compute);
  launch({{&x, &alpha, &losses, &w}, {&slopes}}, plan.work(), [&] {
    visit_floating(compute, [&](auto tag) {
      using T = typename decltype(tag)::type;
      all_slopes(plan, x.data<T>(), alpha.data<T>(), losses.data<T>(), w.data<T>(), slopes.data<T>());
    });
  });
  return to_dtype(slopes, log_probs.dtype());
}

/// The gradient, linear in that of the losses. It has no derivative with respect to the log probabilities.
Tensor ctc_gradient(const CtcPlan& plan, const Tensor& log_probs, const Tensor& alpha, const Tensor& losses,
                    const Tensor& gradient) {
  if (!needs_gradient(gradient, log_probs)) return weighted_slopes(plan, log_probs, alpha, losses, gradient);
  Tensor slopes = weighted_slopes(plan, log_probs, alpha, losses, ones(losses.sizes(), losses.dtype()));
  Tensor result = mul(slopes, log_probs.ndim() == 3 ? unsqueeze(gradient, -1) : gradient);
  if (!needs_gradient(log_probs)) return result;
  // A node of its own refuses, so that who asks for other derivatives (forward mode does) never comes to it.
  Tensor refusing = detach(log_probs), linked = detach(result);
  record_not_differentiable("aten::_ctc_loss_backward (the second derivative of ctc_loss)", refusing, {log_probs});
  record("CtcLossBackwardBackward0", linked, {result, refusing}, [](const Tensor& second, Gradients& in) {
    in[0] = second;
    in[1] = zeros_like(second);
  });
  return linked;
}

/// -log of the probability of each target: [batch], or [] for log_probs without a batch.
Tensor sequence_losses(const CtcPlan& plan, const Tensor& log_probs) {
  const Dtype compute = reduction_dtype(log_probs.dtype());
  const bool recorded = needs_gradient(log_probs);
  Tensor losses = empty(log_probs.ndim() == 3 ? Dims{plan.batch} : Dims{}, compute), alpha, result;
  {
    NoGrad silent;
    if (recorded) alpha = empty({plan.batch, plan.steps, kernel::ctc_row(plan.longest)}, compute);
    Tensor x = contiguous(to_dtype(detach(log_probs), compute));
    launch({{&x}, {&alpha, &losses}}, plan.work(), [&] {
      visit_floating(compute, [&](auto tag) {
        using T = typename decltype(tag)::type;
        all_losses(plan, x.data<T>(), recorded ? alpha.data<T>() : nullptr, losses.data<T>());
      });
    });
    result = losses;
    if (plan.zero_infinity)
      result =
          masked_fill(losses, eq(losses, wrapped_number(std::numeric_limits<double>::infinity())), wrapped_number(0));
    result = to_dtype(result, log_probs.dtype());
    if (recorded && result.is_same(losses)) losses = clone(losses);  // the result is the program's to change
  }
  if (recorded)
    record("CtcLossBackward0", result, {log_probs},
           [=, saved = save(log_probs)](const Tensor& gradient, Gradients& in) {
             in[0] = ctc_gradient(plan, saved(), alpha, losses, gradient);
           });
  return result;
}

/// The mean divides each loss by the length of its target first.
Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, const Dims& input_lengths, const Dims& target_lengths,
                int64_t blank, std::string_view reduction_word, bool zero_infinity) {
  const Reduction reduction = parse_reduction(reduction_word);
  const CtcPlan plan = plan_ctc(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity);
  Tensor losses = sequence_losses(plan, log_probs);
  if (reduction == Reduction::None) return losses;
  if (reduction == Reduction::Sum) return sum(losses);
  Tensor lengths = empty(losses.sizes(), Dtype::F64);
  for (int64_t n = 0; n < plan.batch; ++n)
    lengths.data<double>()[n] = static_cast<double>(std::max<int64_t>(plan.target_lengths[n], 1));
  return mean(div(losses, to_dtype(lengths, losses.dtype())), {}, false);
}

}  // namespace

void register_ctc(Registry& r) {
  r.add(
      "nn.ctc_loss(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank=0, str "
      "reduction='mean', bool zero_infinity=False) -> Tensor",
      ctc_loss);
}

}  // namespace ondol
