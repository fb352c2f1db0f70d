// softmax and log_softmax.

#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"

namespace ondol {
namespace {

template <class T>
const kernel::SoftmaxFunctions<T>& softmaxes() {
  if constexpr (std::is_same_v<T, float>)
    return kernel::table().softmax.float32;
  else
    return kernel::table().softmax.float64;
}

/// Applies a kernel of one or two inputs to the lines along dim, through float for halves.
template <class Kernel>
Tensor along_lines(const Tensor& first, const Tensor& second, int64_t dim, Kernel kernel) {
  NoGrad silent;
  Dtype compute = reduction_dtype(first.dtype());
  Tensor a = contiguous(to_dtype(detach(first), compute)), y = empty(first.sizes(), compute);
  Tensor b = second.defined() ? contiguous(to_dtype(detach(second), compute)) : a;
  kernel::Lines lines = lines_along(first.sizes(), dim);
  launch({{&a, &b}, {&y}}, 8 * y.numel(), [&] {
    visit_floating(compute, [&](auto tag) {
      using T = typename decltype(tag)::type;
      kernel(softmaxes<T>(), a.data<T>(), b.data<T>(), y.data<T>(), lines);
    });
  });
  return to_dtype(y, first.dtype());
}

enum class Form { Plain, Logarithm };

/// The derivative as an operation: in one pass, with its own derivative by composition.
template <Form form>
Tensor softmax_backward(const Tensor& gradient, const Tensor& y, int64_t dim) {
  Tensor result = along_lines(
      gradient, y, dim, [](const auto& k, const auto* dy, const auto* output, auto* dx, kernel::Lines lines) {
        (form == Form::Plain ? k.softmax_backward : k.log_softmax_backward)(dy, output, dx, lines);
      });
  if (needs_gradient(gradient, y))
    record(form == Form::Plain ? "SoftmaxBackwardDataBackward0" : "LogSoftmaxBackwardDataBackward0", result,
           {gradient, y}, [dim, saved_gradient = save(gradient), saved_y = save(y)](const Tensor& g, Gradients& in) {
             Tensor first = saved_gradient(), output = saved_y();
             if constexpr (form == Form::Plain) {
               Tensor along = sum(mul(g, output), {dim}, true);
               if (in.wants(0)) in[0] = mul(output, sub(g, along));
               if (in.wants(1))
                 in[1] = sub(mul(g, sub(first, sum(mul(first, output), {dim}, true))), mul(first, along));
             } else {
               Tensor share = exp(output), total = sum(first, {dim}, true);
               if (in.wants(0)) in[0] = sub(g, sum(mul(g, share), {dim}, true));
               if (in.wants(1)) in[1] = neg(mul(mul(g, share), total));
             }
           });
  return result;
}

template <Form form>
Tensor softmax_along(const Tensor& self, int64_t dim, std::optional<Dtype> dtype) {
  Tensor x = dtype ? to_dtype(self, *dtype) : self;
  const char* name = form == Form::Plain ? "softmax" : "log_softmax";
  if (!is_floating(x.dtype()))
    not_implemented('"', name, "\" not implemented for '", torch_name(x.dtype()), "'; pass dtype= or convert it first");
  dim = wrap_dim(dim, x.ndim());
  Tensor result =
      along_lines(x, {}, dim, [](const auto& k, const auto* from, const auto*, auto* to, kernel::Lines lines) {
        (form == Form::Plain ? k.softmax : k.log_softmax)(from, to, lines);
      });
  if (needs_gradient(x))
    record(form == Form::Plain ? "SoftmaxBackward0" : "LogSoftmaxBackward0", result, {x},
           [dim, y = save_output(result)](const Tensor& gradient, Gradients& in) {
             in[0] = softmax_backward<form>(gradient, y(), dim);
           });
  return result;
}

}  // namespace

Tensor softmax(const Tensor& self, int64_t dim, std::optional<Dtype> dtype) {
  return softmax_along<Form::Plain>(self, dim, dtype);
}
Tensor log_softmax(const Tensor& self, int64_t dim, std::optional<Dtype> dtype) {
  return softmax_along<Form::Logarithm>(self, dim, dtype);
}

void register_softmax(Registry& r) {
  r.add("softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", softmax);
  r.add("log_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", log_softmax);
}

}  // namespace ondol
