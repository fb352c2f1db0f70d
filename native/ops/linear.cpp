// nn.linear: y = x Wᵀ + b as one matrix product, and nn.bilinear.

#include "kernels/table.h"
#include "ops/functions.h"
#include "ops/matrix.h"
#include "ops/registry.h"
#include "ops/shape_hint.h"

namespace ondol {
namespace {

void check_linear(const Tensor& x, const Tensor& w, const Tensor& b) {
  if (w.ndim() != 2 && w.ndim() != 1)
    runtime_error("linear: weight must be a matrix [out_features, in_features], got shape ", w.sizes());
  if (x.ndim() == 0) runtime_error("both arguments to linear need to be at least 1D, but input is 0D");
  int64_t features = w.sizes().back(), outputs = w.ndim() == 2 ? w.sizes()[0] : 1;
  if (x.sizes().back() != features)
    shape_error("mat1 and mat2 shapes cannot be multiplied (",
                count_elements(Dims(x.sizes().begin(), x.sizes().end() - 1)), "x", x.sizes().back(), " and ", features,
                "x", outputs, ")\n  linear: input ", x.sizes(), " has ", x.sizes().back(), " features, weight ",
                w.sizes(), " takes ", features, flattened_hint(x.sizes(), features),
                moved_hint(x.sizes(), x.ndim() - 1, features));
  if (x.dtype() != w.dtype())
    runtime_error("mat1 and mat2 must have the same dtype, but got ", torch_name(x.dtype()), " and ",
                  torch_name(w.dtype()), "\n  linear: the input is ", name(x.dtype()), ", the weight ", name(w.dtype()),
                  ": convert the input, with .",
                  is_integral(x.dtype()) ? "float()" : text("to(torch.", name(w.dtype()), ")"), ", or the layer");
  if (!b.defined()) return;
  if (b.dtype() != x.dtype())
    runtime_error("self and mat2 must have the same dtype, but got ", torch_name(b.dtype()), " and ",
                  torch_name(w.dtype()), "\n  linear: the bias is ", name(b.dtype()), ", the weight ", name(w.dtype()));
}

/// As [rows, features], without history.
Tensor as_rows(const Tensor& x, int64_t rows, int64_t features) {
  if (x.ndim() == 2) return x;
  if (!x.is_contiguous()) {
    Tensor copy = empty({rows, features}, x.dtype());
    copy_elements(x, view(copy, x.sizes()));
    return copy;
  }
  return alias(x, {rows, features}, {features, 1}, x.impl()->offset);
}

Tensor linear_forward(const Tensor& x, const Tensor& w, const Tensor& b) {
  NoGrad silent;
  Dtype dtype = x.dtype(), compute = product_dtype(dtype);
  Dims sizes = x.sizes();
  int64_t features = sizes.back(), rows = 1;
  for (size_t i = 0; i + 1 < sizes.size(); ++i) rows *= sizes[i];
  sizes.back() = w.sizes()[0];
  Tensor y = empty(sizes, compute);
  if (y.numel() == 0) return to_dtype(y, dtype);
  Tensor left = as_rows(to_dtype(x, compute), rows, features), right = to_dtype(w, compute);
  Tensor bias = b.defined() ? contiguous(to_dtype(b, compute)) : b;
  Matrix factor = as_matrix(right);
  factor.transposed = !factor.transposed;
  for_product_type(compute, [&](auto type) {
    using T = decltype(type);
    multiply<T>(as_matrix(left), factor, y, rows, w.sizes()[0], features, bias.defined() ? bias.data<T>() : nullptr);
  });
  return to_dtype(y, dtype);
}

/// The sum of the rows.
Tensor column_sums(const Tensor& rows) {
  if (rows.dtype() != Dtype::F32 || !rows.is_contiguous()) return sum(rows, {0}, false);
  Tensor total = empty({rows.sizes()[1]}, Dtype::F32);
  kernel::Lines lines{1, rows.sizes()[0], rows.sizes()[1]};
  launch({{&rows}, {&total}}, rows.numel(),
         [&] { kernel::table().reduction.float32.sum(rows.data<float>(), total.data<float>(), lines); });
  return total;
}

/// What the derivative needs to know even of what it did not keep.
struct LinearShape {
  Dims input, weight;
  Dtype dtype;
  int64_t rows() const { return count_elements(Dims(input.begin(), input.end() - 1)); }
};

/// The gradients by three calls of the library, without history. x is undefined unless its product is wanted, as is w.
void linear_backward(const LinearShape& shape, const Tensor& gradient, const Tensor& x, const Tensor& w,
                     Gradients& in) {
  Dtype compute = product_dtype(shape.dtype);
  int64_t outputs = shape.weight[0], features = shape.weight[1], rows = shape.rows();
  if (rows * outputs * features == 0) {
    if (in.wants(0)) in[0] = zeros(shape.input, shape.dtype);
    if (in.wants(1)) in[1] = zeros(shape.weight, shape.dtype);
    if (in.wants(2)) in[2] = sum_to_size(gradient, {outputs});
    return;
  }
  Tensor g = as_rows(to_dtype(gradient, compute), rows, outputs);
  Matrix left = as_matrix(g);
  for_product_type(compute, [&](auto type) {
    using T = decltype(type);
    if (in.wants(0)) {
      Tensor gx = empty(shape.input, compute);
      multiply<T>(left, as_matrix(to_dtype(w, compute)), gx, rows, features, outputs);
      in[0] = to_dtype(gx, shape.dtype);
    }
    if (in.wants(1)) {
      Tensor gw = empty(shape.weight, compute);
      Matrix turned = left;
      turned.transposed = !turned.transposed;
      multiply<T>(turned, as_matrix(as_rows(to_dtype(x, compute), rows, features)), gw, outputs, features, rows);
      in[1] = to_dtype(gw, shape.dtype);
    }
  });
  if (in.wants(2)) in[2] = to_dtype(column_sums(g), shape.dtype);
}

/// The same by operations, which have derivatives.
void linear_backward_recorded(const LinearShape& shape, const Tensor& gradient, const Tensor& x, const Tensor& w,
                              Gradients& in) {
  int64_t outputs = shape.weight[0], rows = shape.rows();
  if (in.wants(0)) in[0] = matmul(gradient, conj(w));
  if (in.wants(1))
    in[1] = mm(transpose(reshape(gradient, {rows, outputs}), 0, 1), conj(reshape(x, {rows, shape.weight[1]})));
  if (in.wants(2)) in[2] = sum_to_size(gradient, {outputs});
}

/// PyTorch's name for the last step that it takes.
const char* node_name(const Tensor& x, const Tensor& b) {
  if (x.ndim() == 2) return b.defined() ? "AddmmBackward0" : "MmBackward0";
  return b.defined() ? "ViewBackward0" : "UnsafeViewBackward0";
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& w, const Tensor& b) {
  check_linear(x, w, b);
  bool plain =
      w.ndim() == 2 && !is_integral(x.dtype()) && (!b.defined() || (b.ndim() == 1 && b.sizes()[0] == w.sizes()[0]));
  if (!plain) {  // one output without a dimension of its own, a bias that broadcasts, integers
    Tensor product = w.ndim() == 2 ? matmul(x, transpose(w, 0, 1)) : matmul(x, w);
    if (!b.defined()) return product;
    Dims sizes = broadcast_shapes(product.sizes(), b.sizes());
    if (sizes != product.sizes())
      shape_error("linear: bias ", b.sizes(), " does not broadcast to the result's shape ", product.sizes());
    return add(product, b);
  }
  Tensor y = linear_forward(x, w, b);
  if (!needs_gradient(x, w) && !(b.defined() && needs_gradient(b))) return y;
  Saved saved_x = w.requires_grad() ? Saved::or_remade(x) : Saved(), saved_w = x.requires_grad() ? save(w) : Saved();
  record(node_name(x, b), y, {x, w, b},
         [=, shape = LinearShape{x.sizes(), w.sizes(), x.dtype()}](const Tensor& gradient, Gradients& in) {
           bool composed = GradMode::enabled() || is_complex(gradient.dtype());
           (composed ? linear_backward_recorded : linear_backward)(shape, gradient, in.wants(1) ? saved_x() : Tensor(),
                                                                   in.wants(0) ? saved_w() : Tensor(), in);
         });
  return y;
}

/// y[o] = x1ᵀ W[o] x2 + b[o].
static Tensor bilinear(const Tensor& x1, const Tensor& x2, const Tensor& w, const Tensor& b) {
  if (w.ndim() != 3)
    runtime_error("bilinear: weight must be [out_features, in1_features, in2_features], got shape ", w.sizes());
  if (x1.ndim() == 0 || x1.ndim() != x2.ndim())
    runtime_error("bilinear(): input dimensions do not match: got ", x1.ndim(), " and ", x2.ndim());
  Dims leading(x1.sizes().begin(), x1.sizes().end() - 1);
  if (leading != Dims(x2.sizes().begin(), x2.sizes().end() - 1))
    shape_error("bilinear(): input batch dimensions do not match: input1 ", x1.sizes(), ", input2 ", x2.sizes());
  if (x1.sizes().back() != w.sizes()[1] || x2.sizes().back() != w.sizes()[2])
    shape_error("bilinear(): input1 ", x1.sizes(), " and input2 ", x2.sizes(), " do not fit weight ", w.sizes(),
                ", which takes ", w.sizes()[1], " and ", w.sizes()[2], " features");
  if (b.defined() && b.sizes() != Dims{w.sizes()[0]})
    shape_error("bilinear(): bias size does not match weight size: got ", b.sizes(), " but expected [", w.sizes()[0],
                "]");
  int64_t rows = count_elements(leading), outputs = w.sizes()[0], left = w.sizes()[1], right = w.sizes()[2];
  // x1 with all W[o] side by side, [rows, outputs * in2], then each row's block with its x2.
  Tensor folded = reshape(permute(w, {1, 0, 2}), {left, outputs * right});
  Tensor first = reshape(mm(reshape(x1, {rows, left}), folded), {rows, outputs, right});
  Tensor y = squeeze(bmm(first, unsqueeze(reshape(x2, {rows, right}), 2)), 2);
  if (b.defined()) y = add(y, b);
  Dims sizes = leading;
  sizes.push_back(outputs);
  return reshape(y, sizes);
}

void register_linear(Registry& r) {
  r.add("nn.linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor", linear);
  r.add("nn.bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor", bilinear);
  r.add("bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor", bilinear);
}

}  // namespace ondol
