// Fused optimizer steps: one call updates all parameters of a group. The contract is that of ondol/optim/_fused.py.

#include <array>
#include <cmath>

#include "autograd/node.h"
#include "kernels/table.h"
#include "ops/functions.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {
namespace {

using Tensors = std::vector<Tensor>;

/// What the kernels need to know of one parameter: plain memory, walked in the same order everywhere.
struct Entry {
  int64_t n;
  bool is_double;
  void* parameter;
  const void* gradient;
  std::array<void*, 3> state;

  template <class T>
  T* state_at(size_t i) const {
    return static_cast<T*>(state[i]);
  }
};

bool same_order(const Tensor& a, const Tensor& b) {
  return (a.is_contiguous() && b.is_contiguous()) || a.strides() == b.strides();
}

bool is_plain(const Tensor& tensor) {  // a view's history has to learn of the change: left to the slow path
  return !tensor.is_view() && (tensor.is_contiguous() || is_dense(tensor.sizes(), tensor.strides()));
}

bool is_half(Dtype dtype) { return dtype == Dtype::F16 || dtype == Dtype::BF16; }

Dtype computed_in(Dtype dtype) { return dtype == Dtype::F64 ? Dtype::F64 : Dtype::F32; }

/// The tensors of a step. Halves, and state in another order than its parameter, go through a copy.
class Step {
 public:
  Step(const Tensors& parameters, const Tensors& gradients, std::initializer_list<const Tensors*> states)
      : parameters_(parameters), gradients_(gradients), states_(states) {}

  /// Whether the kernels can do it. Raises if memory that a step would write is read-only.
  bool is_covered() const {
    if (gradients_.size() != parameters_.size()) return false;
    for (const Tensors* list : states_)
      if (!list->empty() && list->size() != parameters_.size()) return false;
    NoGrad silent;  // leaves that require gradients are written
    for (size_t i = 0; i < parameters_.size(); ++i) {
      const Tensor &p = parameters_[i], &g = gradients_[i];
      if (!is_floating(p.dtype()) || is_float8(p.dtype()) || !is_plain(p)) return false;
      if (!g.defined() || g.dtype() != p.dtype() || g.sizes() != p.sizes()) return false;
      check_in_place(p, "step");
      for (const Tensors* list : states_) {
        if (list->empty()) continue;
        const Tensor& s = (*list)[i];
        if (!s.defined() || s.dtype() != p.dtype() || s.sizes() != p.sizes() || !is_plain(s)) return false;
        check_in_place(s, "step");
      }
    }
    return true;
  }

  /// Calls update(i, entry) for each parameter, outside the interpreter's lock if there is much to do.
  template <class Update>
  void run(Update update) {
    int64_t work = 0;
    entries_.reserve(parameters_.size());
    for (size_t i = 0; i < parameters_.size(); ++i) {
      add_entry(i);
      work += entries_.back().n;
    }
    launch({}, work, [&] {
      for (size_t i = 0; i < entries_.size(); ++i) update(i, entries_[i]);
    });
    for (const auto& [copy, original] : staged_) copy_elements(copy, original);
    for (const Tensor& p : parameters_) p.bump_version();
    for (const Tensors* list : states_)
      for (const Tensor& s : *list) s.bump_version();
  }

 private:
  void add_entry(size_t i) {
    const Tensor& p = parameters_[i];
    Entry entry{p.numel(), p.dtype() == Dtype::F64, memory(p, p), gradient_memory(gradients_[i], p), {}};
    size_t k = 0;
    for (const Tensors* list : states_) entry.state[k++] = list->empty() ? nullptr : memory((*list)[i], p);
    entries_.push_back(entry);
  }
  void* memory(const Tensor& written, const Tensor& parameter) {
    if (!is_half(written.dtype()) && same_order(written, parameter)) return written.bytes();
    Tensor copy = empty_strided(parameter.sizes(), parameter.strides(), computed_in(parameter.dtype()));
    copy_elements(written, copy);
    staged_.emplace_back(copy, detach(written));
    return copy.bytes();
  }
  const void* gradient_memory(const Tensor& gradient, const Tensor& parameter) {
    if (!is_half(gradient.dtype()) && same_order(gradient, parameter)) return gradient.bytes();
    Tensor copy = empty_strided(parameter.sizes(), parameter.strides(), computed_in(parameter.dtype()));
    copy_elements(gradient, copy);
    kept_.push_back(copy);
    return copy.bytes();
  }

  const Tensors &parameters_, &gradients_;
  std::vector<const Tensors*> states_;
  std::vector<Entry> entries_;
  std::vector<std::pair<Tensor, Tensor>> staged_;  // a copy, and the tensor that it goes back to
  Tensors kept_;
};

/// float or double by the entry: calls f(functions, TypeTag<T>()).
template <class F>
void with_kernels(const Entry& entry, F&& f) {
  const auto& kernels = kernel::table().optimizer;
  if (entry.is_double)
    f(kernels.float64, static_cast<double*>(entry.parameter), static_cast<const double*>(entry.gradient));
  else
    f(kernels.float32, static_cast<float*>(entry.parameter), static_cast<const float*>(entry.gradient));
}

bool are_step_counts(const Tensors& steps, size_t count) {
  if (steps.size() != count) return false;
  for (const Tensor& step : steps)
    if (!step.defined() || step.ndim() != 0 || (step.dtype() != Dtype::F32 && step.dtype() != Dtype::F64)) return false;
  return true;
}

/// Adds 1 to a count and returns it.
double advance(const Tensor& step) {
  step.bump_version();
  if (step.dtype() == Dtype::F64) return *step.data<double>() += 1;
  return *step.data<float>() += 1;
}

bool sgd_(const Tensors& parameters, const Tensors& gradients, const Tensors& momentum_buffers, const Dims& are_new,
          double lr, double momentum, double dampening, double weight_decay, bool nesterov, bool maximize) {
  Step step(parameters, gradients, {&momentum_buffers});
  size_t buffers = momentum != 0 ? parameters.size() : 0;
  if (momentum_buffers.size() != buffers || are_new.size() != buffers || !step.is_covered()) return false;
  kernel::SgdStep settings{lr, momentum, dampening, weight_decay, nesterov, maximize, false};
  step.run([&](size_t i, const Entry& entry) {
    settings.first = buffers != 0 && are_new[i] != 0;
    with_kernels(entry, [&]<class T>(const auto& kernels, T* p, const T* g) {
      kernels.sgd(entry.n, settings, p, g, entry.state_at<T>(0));
    });
  });
  return true;
}

bool adam_step(const Tensors& parameters, const Tensors& gradients, const Tensors& exp_avgs, const Tensors& exp_avg_sqs,
               const Tensors& max_exp_avg_sqs, const Tensors& steps, kernel::AdamStep settings) {
  Step step(parameters, gradients, {&exp_avgs, &exp_avg_sqs, &max_exp_avg_sqs});
  size_t count = parameters.size();
  if (exp_avgs.size() != count || exp_avg_sqs.size() != count || !are_step_counts(steps, count) || !step.is_covered())
    return false;
  double last = 0;
  step.run([&](size_t i, const Entry& entry) {
    double now = advance(steps[i]);
    if (i == 0 || now != last) {
      settings.bias_correction1 = 1 - std::pow(settings.beta1, now);
      settings.bias_correction2 = 1 - std::pow(settings.beta2, now);
      last = now;
    }
    with_kernels(entry, [&]<class T>(const auto& kernels, T* p, const T* g) {
      kernels.adam(entry.n, settings, p, g, entry.state_at<T>(0), entry.state_at<T>(1), entry.state_at<T>(2));
    });
  });
  return true;
}

template <bool decoupled>
bool adam_(const Tensors& parameters, const Tensors& gradients, const Tensors& exp_avgs, const Tensors& exp_avg_sqs,
           const Tensors& max_exp_avg_sqs, const Tensors& steps, double lr, double beta1, double beta2, double eps,
           double weight_decay, bool maximize) {
  kernel::AdamStep settings{lr, beta1, beta2, eps, weight_decay, 0, 0, decoupled, maximize};
  return adam_step(parameters, gradients, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps, settings);
}

bool rmsprop_(const Tensors& parameters, const Tensors& gradients, const Tensors& square_avgs, const Tensors& grad_avgs,
              const Tensors& momentum_buffers, const Tensors& steps, double lr, double alpha, double eps,
              double weight_decay, double momentum, bool maximize) {
  Step step(parameters, gradients, {&square_avgs, &grad_avgs, &momentum_buffers});
  size_t count = parameters.size();
  if (square_avgs.size() != count || !are_step_counts(steps, count) || !step.is_covered()) return false;
  kernel::RmspropStep settings{lr, alpha, eps, weight_decay, momentum, maximize};
  step.run([&](size_t i, const Entry& entry) {
    advance(steps[i]);
    with_kernels(entry, [&]<class T>(const auto& kernels, T* p, const T* g) {
      kernels.rmsprop(entry.n, settings, p, g, entry.state_at<T>(0), entry.state_at<T>(1), entry.state_at<T>(2));
    });
  });
  return true;
}

bool all_plain_of_one_dtype(const Tensors& tensors) {
  for (const Tensor& tensor : tensors)
    if (tensor.dtype() != tensors[0].dtype() || !is_plain(tensor)) return false;
  return !tensors.empty() && (tensors[0].dtype() == Dtype::F32 || tensors[0].dtype() == Dtype::F64);
}

/// The 2-norm of all elements of all tensors, accumulated in double; None for tensors that are not dense float32 or
/// float64 of one dtype.
Tensor total_norm(const Tensors& tensors) {
  if (!all_plain_of_one_dtype(tensors)) return {};
  double squares = 0;
  int64_t work = 0;
  for (const Tensor& tensor : tensors) work += tensor.numel();
  const auto& kernels = kernel::table().optimizer;
  launch({}, work, [&] {
    for (const Tensor& tensor : tensors)
      squares += tensor.dtype() == Dtype::F64 ? kernels.float64.sum_of_squares(tensor.numel(), tensor.data<double>())
                                              : kernels.float32.sum_of_squares(tensor.numel(), tensor.data<float>());
  });
  return scalar_tensor(std::sqrt(squares), tensors[0].dtype());
}

/// Multiplies all tensors by a number as under no_grad; False, having changed nothing, where total_norm gives None.
bool scale_(const Tensors& tensors, double factor) {
  if (!all_plain_of_one_dtype(tensors)) return false;
  int64_t work = 0;
  {
    NoGrad silent;
    for (const Tensor& tensor : tensors) {
      check_in_place(tensor, "mul_");
      work += tensor.numel();
    }
  }
  const auto& kernels = kernel::table().optimizer;
  launch({}, work, [&] {
    for (const Tensor& tensor : tensors) {
      if (tensor.dtype() == Dtype::F64)
        kernels.float64.scale(tensor.numel(), factor, tensor.data<double>());
      else
        kernels.float32.scale(tensor.numel(), factor, tensor.data<float>());
      tensor.bump_version();
    }
  });
  return true;
}

}  // namespace

void register_optimizer(Registry& r) {
  r.add(
      "optim.sgd_(Tensor[] params, Tensor[] grads, Tensor[] momentum_buffers, int[] are_new, float lr, float momentum, "
      "float dampening, float weight_decay, bool nesterov, bool maximize) -> bool",
      sgd_);
  r.add(
      "optim.adam_(Tensor[] params, Tensor[] grads, Tensor[] exp_avgs, Tensor[] exp_avg_sqs, Tensor[] max_exp_avg_sqs, "
      "Tensor[] steps, float lr, float beta1, float beta2, float eps, float weight_decay, bool maximize) -> bool",
      adam_<false>);
  r.add(
      "optim.adamw_(Tensor[] params, Tensor[] grads, Tensor[] exp_avgs, Tensor[] exp_avg_sqs, Tensor[] "
      "max_exp_avg_sqs, Tensor[] steps, float lr, float beta1, float beta2, float eps, float weight_decay, bool "
      "maximize) -> bool",
      adam_<true>);
  r.add(
      "optim.rmsprop_(Tensor[] params, Tensor[] grads, Tensor[] square_avgs, Tensor[] grad_avgs, Tensor[] "
      "momentum_buffers, Tensor[] steps, float lr, float alpha, float eps, float weight_decay, float momentum, bool "
      "maximize) -> bool",
      rmsprop_);
  r.add("optim.total_norm(Tensor[] tensors) -> Tensor", total_norm);
  r.add("optim.scale_(Tensor[] tensors, float factor) -> bool", scale_);
}

}  // namespace ondol
