// Scaled dot-product attention on the tiled kernel, which never holds all scores at once.

#include "ops/attention.h"

#include <cmath>
#include <limits>

#include "autograd/node.h"
#include "kernels/table.h"
#include "ops/functions.h"
#include "ops/reduction.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {
namespace {

/// PyTorch's scalar type in the words of the messages of this operation.
std::string word(Dtype dtype) {
  switch (dtype) {
    case Dtype::F32:
      return "float";
    case Dtype::F64:
      return "double";
    case Dtype::I64:
      return "long int";
    default:
      return name(dtype);
  }
}

void check_arguments(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, double dropout_p,
                     bool is_causal) {
  if (q.dtype() != k.dtype() || q.dtype() != v.dtype())
    runtime_error("Expected query, key, and value to have the same dtype, but got query.dtype: ", word(q.dtype()),
                  " key.dtype: ", word(k.dtype()), " and value.dtype: ", word(v.dtype()), " instead.");
  if (q.ndim() < 2 || k.ndim() < 2 || v.ndim() < 2)
    runtime_error("Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: ", q.ndim(),
                  " key.dim: ", k.ndim(), " and value.dim: ", v.ndim(), " instead.");
  if (is_complex(q.dtype()))
    not_implemented("\"softmax_lastdim_kernel_impl\" not implemented for '", torch_name(q.dtype()), "'");
  if (!is_floating(q.dtype())) runtime_error("expected scalar type Float but found ", torch_name(q.dtype()));
  if (q.size(-1) != k.size(-1) || k.size(-2) != v.size(-2))
    shape_error("scaled_dot_product_attention: query ", q.sizes(), " and key ", k.sizes(),
                " must have the same last size, key and value ", v.sizes(), " the same second last");
  if (!(dropout_p >= 0 && dropout_p <= 1))
    runtime_error("dropout probability has to be between 0 and 1, but got ", dropout_p);
  if (!mask.defined()) return;
  if (is_causal)
    runtime_error("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True");
  if (mask.dtype() != Dtype::Bool && mask.dtype() != Dtype::F32 && mask.dtype() != q.dtype())
    runtime_error("Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: ",
                  word(mask.dtype()), " and  query.dtype: ", word(q.dtype()), " instead.");
}

Tensor additive_mask(const Tensor& mask, Dtype dtype) {
  if (!mask.defined() || mask.dtype() != Dtype::Bool) return mask.defined() ? to_dtype(mask, dtype) : mask;
  return where(mask, scalar_tensor(0.0, dtype), scalar_tensor(-std::numeric_limits<double>::infinity(), dtype));
}

/// How the leading dimensions of q, k and v go together: `outer` is broadcast; the heads of k and v may be fewer.
struct Heads {
  Dims outer;
  int64_t queries, keys;  // heads of q, heads of k and v

  int64_t batch() const { return count_elements(outer); }
  Dims sizes(int64_t heads, int64_t rows, int64_t width) const {
    Dims all = outer;
    for (int64_t size : {heads, rows, width}) all.push_back(size);
    return all;
  }
};

int64_t heads_of(const Tensor& x) { return x.ndim() < 3 ? 1 : x.size(-3); }

Heads plan_heads(const Tensor& q, const Tensor& k, const Tensor& v, bool grouped) {
  if (grouped) {
    if (q.ndim() < 3 || k.ndim() < 3 || v.ndim() < 3)
      runtime_error("scaled_dot_product_attention: enable_gqa=True needs a dimension of heads in query, key and value");
    if (heads_of(k) == 0 || heads_of(v) == 0 || heads_of(q) % heads_of(k) != 0 || heads_of(q) % heads_of(v) != 0)
      runtime_error("Number of heads in key and value must divide the number of heads in query: ", heads_of(q), ", ",
                    heads_of(k), " and ", heads_of(v));
  }
  auto leading = [&](const Tensor& x, int64_t last) {
    return Dims(x.sizes().begin(), x.sizes().begin() + std::max<int64_t>(x.ndim() - last, 0));
  };
  if (grouped) {
    Dims outer = broadcast_shapes(broadcast_shapes(leading(q, 3), leading(k, 3)), leading(v, 3));
    return {outer, heads_of(q), std::max(heads_of(k), heads_of(v))};
  }
  Dims all = broadcast_shapes(broadcast_shapes(leading(q, 2), leading(k, 2)), leading(v, 2));
  int64_t heads = all.empty() ? 1 : all.back();
  if (!all.empty()) all.pop_back();
  return {all, heads, heads};
}

/// As [batch, heads, rows, width]; recorded.
Tensor with_heads(const Tensor& x, const Heads& plan, int64_t heads) {
  Dims full = plan.sizes(heads, x.size(-2), x.size(-1));
  Tensor all = x.sizes() == full ? x : expand(x, full);
  return all.ndim() == 4 ? all : reshape(all, {plan.batch(), heads, x.size(-2), x.size(-1)});
}

kernel::AttentionStrides strides_of(const Tensor& x) { return {x.strides()[0], x.strides()[1], x.strides()[2]}; }
Tensor with_plain_rows(const Tensor& x) {
  bool plain = x.strides()[3] == 1 || x.sizes()[3] <= 1;
  return plain ? detach(x) : contiguous(detach(x));
}

/// What both directions pass to the kernel, as [batch, heads, rows, width].
struct Operands {
  Tensor q, k, v, mask;
  kernel::AttentionShape shape;

  Operands(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionSettings& settings)
      : q(with_plain_rows(query)), k(with_plain_rows(key)), v(with_plain_rows(value)), mask(settings.mask) {
    shape = {q.sizes()[0], q.sizes()[1], k.sizes()[1],   q.sizes()[2],   k.sizes()[2],
             q.sizes()[3], v.sizes()[3], settings.scale, settings.causal};
    if (mask.defined()) mask = expand(mask, {shape.batch, shape.heads, shape.queries, shape.keys});
  }
  int64_t work() const {
    return shape.batch * shape.heads * shape.queries * shape.keys * (shape.width + shape.value_width);
  }
  template <class Task>
  void fill(Task& task) const {
    using T = std::remove_cvref_t<decltype(*task.q)>;
    task.q = q.data<T>();
    task.k = k.data<T>();
    task.v = v.data<T>();
    task.q_strides = strides_of(q);
    task.k_strides = strides_of(k);
    task.v_strides = strides_of(v);
    task.mask = mask.defined() ? mask.data<T>() : nullptr;
    for (int i = 0; i < 4; ++i) task.mask_strides[i] = mask.defined() ? mask.strides()[i] : 0;
  }
};

template <class T>
const auto& functions() {
  if constexpr (std::is_same_v<T, double>)
    return kernel::table().attention.float64;
  else
    return kernel::table().attention.float32;
}

/// Memory in the order [batch, rows, heads, width], from which the heads of a row are put side by side without a copy.
Tensor rows_outside_heads(const Dims& sizes, Dtype dtype) {
  return empty_strided(sizes, {sizes[1] * sizes[2] * sizes[3], sizes[3], sizes[1] * sizes[3], 1}, dtype);
}

AttentionGradients tiled_backward(const Tensor& gradient, const Tensor& query, const Tensor& key, const Tensor& value,
                                  const Tensor& out, const Tensor& lse, const AttentionSettings& settings) {
  Operands x(query, key, value, settings);
  Tensor gout = with_plain_rows(gradient);
  AttentionGradients g{rows_outside_heads(x.q.sizes(), out.dtype()), rows_outside_heads(x.k.sizes(), out.dtype()),
                       rows_outside_heads(x.v.sizes(), out.dtype())};
  if (x.work() == 0 || out.numel() == 0) {
    for (Tensor* each : {&g.q, &g.k, &g.v}) zero_(*each);
    return g;
  }
  launch({{&x.q, &x.k, &x.v, &out, &gout, &lse}, {&g.q, &g.k, &g.v}}, x.work(), [&] {
    visit_floating(out.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      kernel::AttentionBackward<T> task;
      x.fill(task);
      task.out = out.data<T>();
      task.gout = gout.data<T>();
      task.out_strides = strides_of(out);
      task.gout_strides = strides_of(gout);
      task.lse = lse.data<T>();
      task.gq = g.q.data<T>();
      task.gk = g.k.data<T>();
      task.gv = g.v.data<T>();
      task.gq_strides = strides_of(g.q);
      task.gk_strides = strides_of(g.k);
      task.gv_strides = strides_of(g.v);
      functions<T>().backward(x.shape, task);
    });
  });
  return g;
}

Tensor tiled_attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSettings& settings) {
  Tensor out = rows_outside_heads({q.sizes()[0], q.sizes()[1], q.sizes()[2], v.sizes()[3]}, q.dtype());
  Tensor lse = empty({q.sizes()[0], q.sizes()[1], q.sizes()[2]}, q.dtype());
  {
    NoGrad silent;
    Operands x(q, k, v, settings);
    if (out.numel() == 0 || k.sizes()[2] == 0)
      zero_(out);
    else
      launch({{&x.q, &x.k, &x.v}, {&out, &lse}}, x.work(), [&] {
        visit_floating(q.dtype(), [&](auto tag) {
          using T = typename decltype(tag)::type;
          kernel::AttentionForward<T> task;
          x.fill(task);
          task.out = out.data<T>();
          task.out_strides = strides_of(out);
          task.lse = lse.data<T>();
          functions<T>().forward(x.shape, task);
        });
      });
  }
  if (!needs_gradient(q, k, v)) return out;
  Saved saved_q = save(q), saved_k = save(k), saved_v = save(v), saved_out = save_output(out);
  record("ScaledDotProductFlashAttentionForCpuBackward0", out, {q, k, v}, [=](const Tensor& gradient, Gradients& in) {
    AttentionGradients g = GradMode::enabled()
                               ? attention_backward_by_parts(gradient, saved_q(), saved_k(), saved_v(), settings)
                               : tiled_backward(gradient, saved_q(), saved_k(), saved_v(), saved_out(), lse, settings);
    if (in.wants(0)) in[0] = g.q;
    if (in.wants(1)) in[1] = g.k;
    if (in.wants(2)) in[2] = g.v;
  });
  return out;
}

Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const Tensor& attn_mask, double dropout_p, bool is_causal,
                                    std::optional<double> scale, bool enable_gqa) {
  check_arguments(query, key, value, attn_mask, dropout_p, is_causal);
  Dtype dtype = query.dtype(), compute = dtype == Dtype::F64 ? Dtype::F64 : Dtype::F32;
  Heads plan = plan_heads(query, key, value, enable_gqa);
  double factor = scale.value_or(1 / std::sqrt(static_cast<double>(query.size(-1))));
  AttentionSettings settings{additive_mask(attn_mask, compute), factor, is_causal, dropout_p};
  Dims result_sizes = plan.sizes(plan.queries, query.size(-2), value.size(-1));
  if (settings.mask.defined()) {
    if (settings.mask.ndim() > result_sizes.ssize())
      shape_error("scaled_dot_product_attention: attn_mask ", attn_mask.sizes(), " has more dimensions than query, ",
                  query.sizes());
    settings.mask =
        with_heads(expand(settings.mask, plan.sizes(plan.queries, query.size(-2), key.size(-2))), plan, plan.queries);
  }
  Tensor q = with_heads(to_dtype(query, compute), plan, plan.queries);
  Tensor k = with_heads(to_dtype(key, compute), plan, enable_gqa ? heads_of(key) : plan.keys);
  Tensor v = with_heads(to_dtype(value, compute), plan, enable_gqa ? heads_of(value) : plan.keys);
  bool tiled = dropout_p == 0 && !needs_gradient(settings.mask) && k.sizes()[1] == v.sizes()[1];
  Tensor out = to_dtype(tiled ? tiled_attention(q, k, v, settings) : attention_by_parts(q, k, v, settings), dtype);

  // Without dimensions of heads or batch in any operand there are none in the result either.
  int64_t ndim = std::max({query.ndim(), key.ndim(), value.ndim()});
  if (ndim < result_sizes.ssize()) result_sizes = Dims(result_sizes.end() - ndim, result_sizes.end());
  return out.sizes() == result_sizes ? out : reshape(out, result_sizes);
}

}  // namespace

void register_attention(Registry& r) {
  r.add(
      "nn.scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float "
      "dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor",
      scaled_dot_product_attention);
}

}  // namespace ondol
