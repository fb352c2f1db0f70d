// Dropout (Hinton et al. 2012).
//
// The upper half is compiled once per instruction set and holds the formula; the lower half, compiled once, makes the
// operation of it.

#ifdef ONDOL_LEVEL
#include "kernels/cpu/formula.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

/// y = x * (p[0] where the byte of `kept` is 1, else 0).
template <class T>
void times_kept(const void* const* in, const bool*, void* out, int64_t n, const double* p) {
  constexpr int L = lanes<T>;
  const auto* x = static_cast<const T*>(in[0]);
  const auto* kept = static_cast<const uint8_t*>(in[1]);
  auto* y = static_cast<T*>(out);
  const T factor = static_cast<T>(p[0]);
  int64_t i = 0;
  for (; i + L <= n; i += L)
    store(y + i, load(x + i) * select(load_flags<T>(kept + i) != 0, broadcast(factor), Vec<T>{}));
  for (; i < n; i++) y[i] = x[i] * (kept[i] ? factor : T(0));
}

}  // namespace

void add_dropout(FormulaKernels& kernels) {
  static constexpr FormulaEntry entries[] = {
      {"times_kept", false, times_kept<float>, times_kept<double>, nullptr, nullptr}};
  kernels.add(entries);
}

}  // namespace ondol::kernel::ONDOL_LEVEL

#else
#include "base/parallel.h"
#include "ops/in_place.h"
#include "ops/pointwise/pointwise_operation.h"
#include "ops/random.h"
#include "tensor/launch.h"

namespace ondol {

/// x times the factor where `kept` is set, times 0 elsewhere; x contiguous. Over x if `over`. Linear in x, and
/// differentiable.
static Tensor times_kept(const Tensor& x, const Tensor& kept, double factor, bool over) {
  static const Pointwise f = formula("times_kept");
  const PointwiseLoop loop = x.dtype() == Dtype::F32 ? f.f32 : f.f64;
  Tensor y = over ? x : empty(x.sizes(), x.dtype());
  const auto item = static_cast<int64_t>(item_size(x.dtype()));
  launch({{&x, &kept}, {&y}}, y.numel(), [&] {
    parallel_for(y.numel(), 1 << 15, [&](int64_t begin, int64_t end) {
      const void* from[] = {x.bytes() + begin * item, kept.bytes() + begin};
      loop(from, nullptr, y.bytes() + begin * item, end - begin, &factor);
    });
  });
  if (needs_gradient(x))
    record("MulBackward0", y, {x}, [saved = save(kept), factor](const Tensor& g, Gradients& in) {
      const bool unneeded = !needs_gradient(g) && g.is_contiguous() && may_overwrite(g);
      in[0] = times_kept(unneeded ? g : contiguous(g), saved(), factor, unneeded);
    });
  return y;
}

/// Zero with probability p, else 1 / (1 - p): drawn and rounded as PyTorch does it, so that seeds interchange.
static Tensor dropout_mask(const Tensor& input, double p) {
  if (p == 1) return zeros_like(input);
  if (is_integral(input.dtype()))
    runtime_error("result type Float can't be cast to the desired output type ", torch_name(input.dtype()));
  NoGrad silent;
  Tensor mask = empty_like(input, input.dtype());
  fill_bernoulli(mask, 1 - p, chosen(nullptr));
  return div(mask, wrapped_number(1 - p));
}

/// The input times dropout_mask, which for the usual tensors is kept as a byte for each element.
static Tensor with_dropout(const Tensor& input, double p) {
  const Dtype dtype = input.dtype();
  if (p == 1 || !(dtype == Dtype::F32 || dtype == Dtype::F64) || !input.is_contiguous())
    return mul(input, dropout_mask(input, p));
  Tensor kept = empty(input.sizes(), Dtype::Bool);
  fill_bernoulli(kept, 1 - p, chosen(nullptr));
  const double factor = dtype == Dtype::F64 ? 1 / (1 - p) : double{1 / static_cast<float>(1 - p)};
  return times_kept(input, kept, factor, false);
}

/// Whether dropout changes anything.
static bool drops(const Tensor& input, double p, bool train) {
  if (!(p >= 0 && p <= 1)) runtime_error("dropout probability has to be between 0 and 1, but got ", p);
  return train && p > 0 && input.numel() > 0;
}

Tensor dropout(const Tensor& input, double p, bool train) {
  return drops(input, p, train) ? with_dropout(input, p) : input;
}

// The schema calls its argument `input`, not `self`: what dropout leaves alone may be a leaf that requires grad.
static Tensor dropout_(const Tensor& input, double p, bool train) {
  if (!drops(input, p, train)) return input;
  check_in_place(input, "dropout_");
  Tensor mask = dropout_mask(input, p);
  return change_in_place(
      input, needs_gradient(input), "dropout_", [&] { return mul(input, mask); },
      [&](const Tensor& target) { copy_elements(mul(target, mask), target); });
}

void register_dropout(Registry& r) {
  r.add("dropout(Tensor input, float p, bool train) -> Tensor", dropout);
  r.add("dropout_(Tensor input, float p, bool train) -> Tensor", dropout_);
  r.add("nn.dropout(Tensor input, float p=0.5, bool train=True) -> Tensor", dropout);
  r.add("nn.dropout_(Tensor input, float p=0.5, bool train=True) -> Tensor", dropout_);
}

}  // namespace ondol
#endif
