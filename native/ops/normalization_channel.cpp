// Batch norm (Ioffe & Szegedy 2015), instance norm (Ulyanov et al. 2016) and group norm (Wu & He 2018): over the
// elements of channels.

#include <cmath>

#include "ops/normalization.h"
#include "ops/shape_hint.h"

namespace ondol {
namespace {

MemoryFormat format_of(const Tensor& input) {
  if (input.is_contiguous()) return MemoryFormat::Contiguous;
  for (MemoryFormat format : {MemoryFormat::ChannelsLast, MemoryFormat::ChannelsLast3d})
    if (input.is_contiguous(format)) return format;
  return MemoryFormat::Contiguous;
}

void check_channel_parameter(const char* what, const Tensor& parameter, const Tensor& input, int64_t channels) {
  if (parameter.defined() && parameter.numel() != channels)
    runtime_error(what, " should contain ", channels, " elements not ", parameter.numel(), ": the input ",
                  input.sizes(), " has ", channels, " channels, ", what, " one value for each of ", parameter.numel(),
                  moved_hint(input.sizes(), 1, parameter.numel()));
}

/// running = (1 - momentum) running + momentum factor batch, with the batch's in the precision of the running ones.
void move_running(const Tensor& running, const Tensor& batch, double momentum, double factor) {
  if (!running.defined()) return;
  NoGrad silent;
  Tensor moved = empty(running.sizes(), Dtype::F64), latest = to_dtype(to_dtype(batch, running.dtype()), Dtype::F64);
  copy_elements(running, moved);
  auto *to = moved.data<double>(), *from = latest.data<double>();
  for (int64_t c = 0; c < moved.numel(); ++c) to[c] = (1 - momentum) * to[c] + momentum * factor * from[c];
  copy_elements(moved, running);
  running.bump_version();
}

template <class T>
void invert_deviations(const T* variance, double eps, int64_t n, T* rstd) {
  for (int64_t i = 0; i < n; ++i) rstd[i] = static_cast<T>(1 / std::sqrt(static_cast<double>(variance[i]) + eps));
}

NormalizationPlan plan_channels(const Tensor& input, double eps) {
  const int64_t batch = input.size(0), channels = input.size(1);
  NormalizationPlan plan;
  plan.view = {batch, channels, count_elements(Dims(input.sizes().begin() + 2, input.sizes().end()))};
  plan.reduced = plan.summed = {0, 2};
  plan.parameter_view = {1, channels, 1};
  plan.parameter_sizes = {channels};
  plan.format = format_of(input);
  plan.eps = eps;
  return plan;
}

Tensor batch_norm(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                  const Tensor& running_var, bool training, double momentum, double eps) {
  const int64_t channels = input.ndim() < 2 ? 0 : input.size(1);
  if (!training && !running_mean.defined()) runtime_error("running_mean must be defined in evaluation mode");
  if (!training && !running_var.defined()) runtime_error("running_var must be defined in evaluation mode");
  check_channel_parameter("running_mean", running_mean, input, channels);
  check_channel_parameter("running_var", running_var, input, channels);
  check_channel_parameter("weight", weight, input, channels);
  check_channel_parameter("bias", bias, input, channels);
  check_floating(input, "batch_norm");
  for (const Tensor* parameter : {&weight, &bias, &running_mean, &running_var})
    check_parameter_dtype(input, *parameter, "all inputs must share same datatype");
  if (input.ndim() < 2) {
    if (input.numel() == 0) return clone(input);
    shape_error("batch_norm: expected an input of shape (batch, channels, ...), got ", input.sizes());
  }
  NormalizationPlan plan = plan_channels(input, eps);
  plan.gradient_in_place = true;
  if (bias.defined()) plan.bias_dtype = bias.dtype();
  // With the channels last, every position is a row of channels: a batch of so many samples without space.
  const bool last = plan.format != MemoryFormat::Contiguous;
  const int64_t batch = last ? plan.view[0] * plan.view[2] : plan.view[0], spatial = last ? 1 : plan.view[2];
  const Dtype compute = reduction_dtype(input.dtype());
  Tensor x = kernel_operand(input, compute, plan.format);
  Tensor w = kernel_operand(weight, compute), b = kernel_operand(bias, compute);
  Tensor mean = training ? empty({channels}, compute) : clone(kernel_operand(running_mean, compute));
  Tensor variance = training ? empty({channels}, compute) : kernel_operand(running_var, compute);
  Tensor rstd = empty({channels}, compute);
  Tensor y = empty_strided(input.sizes(), strides_for(input.sizes(), plan.format), compute);
  if (input.numel() > 0)
    launch({{&x, &w, &b, &mean, &variance}, {&y, &mean, &variance, &rstd}}, 4 * input.numel(), [&] {
      visit_floating(compute, [&](auto tag) {
        using T = typename decltype(tag)::type;
        const auto& kernels = normalizations<T>();
        if (training)
          return kernels.batch_norm_train(batch, channels, spatial, eps, x.data<T>(), pointer<T>(w), pointer<T>(b),
                                          y.data<T>(), mean.data<T>(), variance.data<T>(), rstd.data<T>());
        invert_deviations(variance.data<T>(), eps, channels, rstd.data<T>());
        kernels.batch_norm_apply(batch, channels, spatial, x.data<T>(), mean.data<T>(), rstd.data<T>(), pointer<T>(w),
                                 pointer<T>(b), y.data<T>());
      });
    });
  if (training && input.numel() > 0) {
    const double count = static_cast<double>(batch * spatial);
    move_running(running_mean, mean, momentum, 1);
    move_running(running_var, variance, momentum, count / (count - 1));
  }
  {
    NoGrad silent;
    y = to_dtype(y, input.dtype());
  }
  if (!needs_gradient(input, weight, bias)) return y;
  if (!training) {
    NoGrad silent;
    plan.fixed_mean = reshape(mean, plan.parameter_view);
    plan.fixed_rstd = reshape(rstd, plan.parameter_view);
  }
  record("NativeBatchNormBackward0", y, {input, weight, bias},
         [=, saved = save(input), saved_weight = save(weight)](const Tensor& gradient, Gradients& in) {
           normalization_gradients(
               plan, gradient, saved(), saved_weight(), in,
               [&]<class T>(TypeTag<T>, const T* gy, const T* px, const T* pw, T* gx, T* gw, T* gb) {
                 normalizations<T>().batch_norm_backward(batch, channels, spatial, training, gy, px, pw, mean.data<T>(),
                                                         rstd.data<T>(), gx, gw, gb);
               });
         });
  return y;
}
Tensor batch_norm_cudnn(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                        const Tensor& running_var, bool training, double momentum, double eps, bool) {
  return batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps);
}

/// Batch norm of one image whose channels are those of all samples.
Tensor instance_norm(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                     const Tensor& running_var, bool use_input_stats, double momentum, double eps, bool) {
  if (!use_input_stats && !(running_mean.defined() && running_var.defined()))
    runtime_error("Expected running_mean and running_var to be defined when use_input_stats is false");
  const int64_t samples = input.size(0), channels = input.size(1);
  auto for_each_sample = [&](const char* what, const Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    check_channel_parameter(what, tensor, input, channels);
    return reshape(expand(reshape(tensor, {1, channels}), {samples, channels}), {samples * channels});
  };
  // Copies, also for one sample: the statistics of the caller are moved by the mean over the samples.
  auto statistics = [&](const char* what, const Tensor& running) {
    NoGrad silent;
    return running.defined() ? clone(for_each_sample(what, running)) : running;
  };
  Tensor mean_of_each = statistics("running_mean", running_mean), var_of_each = statistics("running_var", running_var);
  Dims merged = input.sizes();
  merged[0] = 1;
  merged[1] = samples * channels;
  Tensor y = batch_norm(reshape(input, merged), for_each_sample("weight", weight), for_each_sample("bias", bias),
                        mean_of_each, var_of_each, use_input_stats, momentum, eps);
  for (auto [running, each] : {std::pair(&running_mean, &mean_of_each), std::pair(&running_var, &var_of_each)}) {
    if (!use_input_stats || !running->defined() || input.numel() == 0) continue;
    NoGrad silent;
    copy_elements(mean(reshape(*each, {samples, channels}), {0}, false), *running);
    running->bump_version();
  }
  return view(y, input.sizes());
}

Tensor group_norm(const Tensor& input, int64_t groups, const Tensor& weight, const Tensor& bias, double eps) {
  const int64_t batch = input.size(0), channels = input.size(1);
  if (groups <= 0) runtime_error("Expected num groups to be greater than 0, got ", groups);
  if (channels % groups != 0)
    runtime_error("Expected number of channels in input to be divisible by num_groups, but got input of shape ",
                  input.sizes(), " and num_groups=", groups);
  for (auto [what, parameter] : {std::pair("weight", &weight), std::pair("bias", &bias)})
    if (parameter->defined() && parameter->sizes() != Dims{channels})
      runtime_error("Expected ", what, " to be a vector of size equal to the number of channels in input, but got ",
                    what, " of shape ", parameter->sizes(), " and input of shape ", input.sizes());
  check_floating(input, "GroupNormKernelImpl");
  check_parameter_dtype(input, weight, "expect parameter to have scalar type of Float");
  check_parameter_dtype(input, bias, "expect parameter to have scalar type of Float");
  NormalizationPlan plan = plan_channels(input, eps);
  const int64_t spatial = plan.view[2];
  plan.view = {batch, groups, channels / groups, spatial};
  plan.reduced = {2, 3};
  plan.summed = {0, 3};
  plan.parameter_view = {1, groups, channels / groups, 1};
  const MemoryFormat result_format = plan.format;
  plan.format = MemoryFormat::Contiguous;
  if (bias.defined()) plan.bias_dtype = bias.dtype();
  const Dtype compute = reduction_dtype(input.dtype());
  Tensor x = kernel_operand(input, compute), w = kernel_operand(weight, compute), b = kernel_operand(bias, compute);
  Tensor y = empty(input.sizes(), compute), mean = empty({batch, groups}, compute), rstd = empty_like(mean, compute);
  if (input.numel() > 0)
    launch({{&x, &w, &b}, {&y, &mean, &rstd}}, 4 * input.numel(), [&] {
      visit_floating(compute, [&](auto tag) {
        using T = typename decltype(tag)::type;
        normalizations<T>().group_norm_forward(batch, channels, spatial, groups, eps, x.data<T>(), pointer<T>(w),
                                               pointer<T>(b), y.data<T>(), mean.data<T>(), rstd.data<T>());
      });
    });
  {
    NoGrad silent;
    y = contiguous(to_dtype(y, input.dtype()), result_format);
  }
  if (needs_gradient(input, weight, bias))
    record("NativeGroupNormBackward0", y, {input, weight, bias},
           [=, saved = save(input), saved_weight = save(weight)](const Tensor& gradient, Gradients& in) {
             normalization_gradients(
                 plan, gradient, saved(), saved_weight(), in,
                 [&]<class T>(TypeTag<T>, const T* gy, const T* px, const T* pw, T* gx, T* gw, T* gb) {
                   normalizations<T>().group_norm_backward(batch, channels, spatial, groups, gy, px, pw, mean.data<T>(),
                                                           rstd.data<T>(), gx, gw, gb);
                 });
           });
  return y;
}
Tensor group_norm_cudnn(const Tensor& input, int64_t groups, const Tensor& weight, const Tensor& bias, double eps,
                        bool) {
  return group_norm(input, groups, weight, bias, eps);
}

}  // namespace

BatchNormAffine batch_norm_affine(int64_t channels, const Tensor& weight, const Tensor& bias,
                                  const Tensor& running_mean, const Tensor& running_var, double eps) {
  for (const Tensor* each : {&running_mean, &running_var, &weight, &bias})
    if (each->defined() ? each->numel() != channels || each->dtype() != Dtype::F32
                        : each == &running_mean || each == &running_var)
      runtime_error("batch_norm: expected float32 tensors of ", channels, " elements, one for each channel");
  Tensor w = kernel_operand(weight, Dtype::F32), b = kernel_operand(bias, Dtype::F32);
  Tensor mean = kernel_operand(running_mean, Dtype::F32), variance = kernel_operand(running_var, Dtype::F32);
  Tensor rstd = empty({channels}, Dtype::F32), scale = empty({channels}, Dtype::F32),
         shift = empty({channels}, Dtype::F32);
  launch({{&w, &b, &mean, &variance}, {&rstd, &scale, &shift}}, 4 * channels, [&] {
    invert_deviations(variance.data<float>(), eps, channels, rstd.data<float>());
    normalizations<float>().batch_norm_affine(channels, mean.data<float>(), rstd.data<float>(), pointer<float>(w),
                                              pointer<float>(b), scale.data<float>(), shift.data<float>());
  });
  return {scale, shift};
}

void register_normalization_channel(Registry& r) {
  r.add(
      "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool "
      "training, "
      "float momentum, float eps, bool cudnn_enabled) -> Tensor",
      batch_norm_cudnn);
  r.add(
      "nn.batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool "
      "training, float momentum, float eps) -> Tensor",
      batch_norm);
  r.add(
      "instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool "
      "use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor",
      instance_norm);
  r.add(
      "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool "
      "cudnn_enabled=True) -> Tensor",
      group_norm_cudnn);
  r.add(
      "nn.group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05) -> Tensor",
      group_norm);
}

}  // namespace ondol
