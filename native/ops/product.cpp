// Matrix products.

#include "ops/functions.h"
#include "ops/matrix.h"
#include "ops/registry.h"

namespace ondol {
namespace {

[[noreturn]] void refuse_inner_sizes(const char* operation, const Tensor& a, const Tensor& b, int64_t rows) {
  shape_error("mat1 and mat2 shapes cannot be multiplied (", rows, "x", a.size(-1), " and ", b.size(-2), "x",
              b.size(-1), ")\n  ", operation, ": ", a.sizes(), " @ ", b.sizes(), ": the left has ", a.size(-1),
              " columns, the right ", b.size(-2), " rows; they must be equal");
}

void check_product_dtypes(const char* operation, const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype())
    runtime_error("expected m1 and m2 to have the same dtype, but got: ", name(a.dtype()), " != ", name(b.dtype()),
                  "\n  ", operation, ": convert one of them, for example the second with .to(torch.", name(a.dtype()),
                  ")");
  if (a.dtype() == Dtype::Bool) not_implemented("\"", operation, "\" not implemented for 'Bool'");
}

/// Integers have no library: plain loops in row order. The dtypes have been made int64; products wrap around.
void multiply_integers(const int64_t* x, const int64_t* y, int64_t* z, int64_t m, int64_t n, int64_t k) {
  std::fill_n(z, m * n, 0);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t p = 0; p < k; ++p) {
      auto factor = static_cast<uint64_t>(x[i * k + p]);
      for (int64_t j = 0; j < n; ++j)
        z[i * n + j] =
            static_cast<int64_t>(static_cast<uint64_t>(z[i * n + j]) + factor * static_cast<uint64_t>(y[p * n + j]));
    }
}

Tensor adjoint_of(const Tensor& x) { return conj(transpose(x, -2, -1)); }

/// [batch, m, k] times [batch, k, n] (or both without batch) into fresh memory, without history.
Tensor product_of(const Tensor& a, const Tensor& b) {
  NoGrad silent;
  Dtype dtype = a.dtype(), compute = product_dtype(dtype);
  bool stacked = a.ndim() == 3;
  int64_t batch = stacked ? a.sizes()[0] : 1, m = a.size(-2), k = a.size(-1), n = b.size(-1);
  Tensor c = empty(stacked ? Dims{batch, m, n} : Dims{m, n}, compute);
  if (c.numel() == 0) return to_dtype(c, dtype);
  if (k == 0) return to_dtype(zero_(c), dtype);
  Tensor left = to_dtype(a, compute), right = to_dtype(b, compute);
  bool done = for_product_type(compute, [&](auto type) {
    using T = decltype(type);
    Matrix x = as_matrix(left), y = as_matrix(right);
    if (!stacked) return multiply<T>(x, y, c, m, n, k);
    launch({{&x.tensor, &y.tensor}, {&c}}, batch * m * n * k, [&] {
      multiply_batch<T>({x.tensor.template data<T>(), x.leading, x.transposed}, x.batch,
                        {y.tensor.template data<T>(), y.leading, y.transposed}, y.batch, batch, m, n, k,
                        c.template data<T>());
    });
  });
  if (done) return to_dtype(c, dtype);
  left = contiguous(left);
  right = contiguous(right);
  for (int64_t i = 0; i < batch; ++i)
    multiply_integers(left.data<int64_t>() + i * m * k, right.data<int64_t>() + i * k * n,
                      c.data<int64_t>() + i * m * n, m, n, k);
  return to_dtype(c, dtype);
}

/// Products of halves are summed up with what else there is before they are rounded.
Tensor widened(const Tensor& x) { return product_dtype(x.dtype()) == Dtype::F32 ? to_dtype(x, Dtype::F32) : x; }

/// beta * self + alpha * product; with beta 0, self counts for its shape only (it may hold NaN).
Tensor scaled_sum(const char* operation, const Tensor& self, const Tensor& product, const Scalar& beta,
                  const Scalar& alpha) {
  if (broadcast_shapes(self.sizes(), product.sizes()) != product.sizes())
    shape_error(operation, ": self of shape ", self.sizes(), " does not broadcast to the product's shape ",
                product.sizes());
  if (is_integral(product.dtype()) && !(beta.is_integral() && alpha.is_integral()))  // as PyTorch does: towards zero
    return scaled_sum(operation, self, product, beta.to_int(), alpha.to_int());
  bool plain_alpha = !alpha.is_complex() && alpha.to_double() == 1;
  if (!beta.is_complex() && beta.to_double() == 0) return plain_alpha ? product : mul_by(product, alpha);
  bool plain_beta = !beta.is_complex() && beta.to_double() == 1;
  return add(plain_beta ? self : mul_by(self, beta), product, alpha);
}

}  // namespace

Tensor mm(const Tensor& a, const Tensor& b) {
  if (a.ndim() != 2)
    runtime_error("self must be a matrix (mm: input has shape ", a.sizes(), "; matmul takes other ranks)");
  if (b.ndim() != 2)
    runtime_error("mat2 must be a matrix (mm: mat2 has shape ", b.sizes(), "; matmul takes other ranks)");
  if (a.sizes()[1] != b.sizes()[0]) refuse_inner_sizes("mm", a, b, a.sizes()[0]);
  check_product_dtypes("mm", a, b);
  Tensor c = product_of(a, b);
  if (needs_gradient(a, b)) {
    Saved saved_a = b.requires_grad() ? save(a) : Saved(), saved_b = a.requires_grad() ? save(b) : Saved();
    record("MmBackward0", c, {a, b}, [=](const Tensor& gradient, Gradients& in) {
      if (in.wants(0)) in[0] = mm(gradient, adjoint_of(saved_b()));
      if (in.wants(1)) in[1] = mm(adjoint_of(saved_a()), gradient);
    });
  }
  return c;
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  if (a.ndim() != 3) runtime_error("batch1 must be a 3D tensor (bmm: input has shape ", a.sizes(), ")");
  if (b.ndim() != 3) runtime_error("batch2 must be a 3D tensor (bmm: mat2 has shape ", b.sizes(), ")");
  if (a.sizes()[0] != b.sizes()[0] || a.sizes()[2] != b.sizes()[1])
    shape_error("Expected size for first two dimensions of batch2 tensor to be: [", a.sizes()[0], ", ", a.sizes()[2],
                "] but got: [", b.sizes()[0], ", ", b.sizes()[1], "]. (bmm: input ", a.sizes(), ", mat2 ", b.sizes(),
                ")");
  check_product_dtypes("bmm", a, b);
  Tensor c = product_of(a, b);
  if (needs_gradient(a, b)) {
    Saved saved_a = b.requires_grad() ? save(a) : Saved(), saved_b = a.requires_grad() ? save(b) : Saved();
    record("BmmBackward0", c, {a, b}, [=](const Tensor& gradient, Gradients& in) {
      if (in.wants(0)) in[0] = bmm(gradient, adjoint_of(saved_b()));
      if (in.wants(1)) in[1] = bmm(adjoint_of(saved_a()), gradient);
    });
  }
  return c;
}

/// NumPy's matmul: 1-d operands are a row on the left and a column on the right, leading dimensions broadcast.
Tensor matmul(const Tensor& a, const Tensor& b) {
  if (a.ndim() == 0 || b.ndim() == 0)
    runtime_error("both arguments to matmul need to be at least 1D, but they are ", a.ndim(), "D and ", b.ndim(), "D");
  if (a.ndim() == 2 && b.ndim() == 2) return mm(a, b);
  if (a.ndim() == 1 && b.ndim() == 1) {
    if (a.numel() != b.numel())
      shape_error("inconsistent tensor size, expected tensor ", a.sizes(), " and src ", b.sizes(),
                  " to have the same number of elements");
    return reshape(mm(unsqueeze(a, 0), unsqueeze(b, 1)), {});
  }
  if (a.ndim() == 1) return squeeze(matmul(unsqueeze(a, 0), b), -2);
  if (b.ndim() == 1) return squeeze(matmul(a, unsqueeze(b, 1)), -1);
  int64_t rows = a.size(-2), inner = a.size(-1), columns = b.size(-1);
  if (inner != b.size(-2)) refuse_inner_sizes("matmul", a, b, rows);
  if (b.ndim() == 2) {  // one matrix for all: one large product
    Dims sizes = a.sizes();
    sizes.back() = columns;
    int64_t all_rows = count_elements(Dims(a.sizes().begin(), a.sizes().end() - 1));
    return reshape(mm(reshape(a, {all_rows, inner}), b), sizes);
  }
  Dims batch_a(a.sizes().begin(), a.sizes().end() - 2), batch_b(b.sizes().begin(), b.sizes().end() - 2);
  Dims batch = broadcast_shapes(batch_a, batch_b);
  int64_t count = count_elements(batch);
  auto with = [&](int64_t x, int64_t y) {
    Dims sizes = batch;
    sizes.push_back(x);
    sizes.push_back(y);
    return sizes;
  };
  Tensor left = reshape(expand(a, with(rows, inner)), {count, rows, inner});
  Tensor right = reshape(expand(b, with(inner, columns)), {count, inner, columns});
  return reshape(bmm(left, right), with(rows, columns));
}

static Tensor mv(const Tensor& a, const Tensor& x) {
  if (a.ndim() != 2 || x.ndim() != 1)
    runtime_error("vector + matrix @ vector expected, got ", a.sizes(), " and ", x.sizes(),
                  " (mv takes a matrix and a vector)");
  if (a.sizes()[1] != x.sizes()[0])
    shape_error("size mismatch, got input (", a.sizes()[0], "), mat (", a.sizes()[0], "x", a.sizes()[1], "), vec (",
                x.sizes()[0], ")");
  return squeeze(mm(a, unsqueeze(x, 1)), 1);
}

static void check_vectors(const char* operation, const Tensor& a, const Tensor& b) {
  if (a.ndim() != 1 || b.ndim() != 1)
    runtime_error("1D tensors expected, but got ", a.ndim(), "D and ", b.ndim(), "D tensors (", operation, ")");
  if (a.dtype() != b.dtype())
    runtime_error(operation, " : expected both vectors to have same dtype, but found ", torch_name(a.dtype()), " and ",
                  torch_name(b.dtype()));
  if (a.numel() != b.numel())
    shape_error("inconsistent tensor size, expected tensor ", a.sizes(), " and src ", b.sizes(),
                " to have the same number of elements, but got ", a.numel(), " and ", b.numel(),
                " elements respectively (", operation, ")");
}
static Tensor dot(const Tensor& a, const Tensor& b) {
  check_vectors("dot", a, b);
  return reshape(mm(unsqueeze(a, 0), unsqueeze(b, 1)), {});
}
static Tensor vdot(const Tensor& a, const Tensor& b) {
  check_vectors("vdot", a, b);
  return dot(conj(a), b);
}
static Tensor outer(const Tensor& a, const Tensor& b) {
  if (a.ndim() != 1) runtime_error("outer: Expected 1-D argument self, but got ", a.ndim(), "-D");
  if (b.ndim() != 1) runtime_error("outer: Expected 1-D argument vec2, but got ", b.ndim(), "-D");
  return mul(unsqueeze(a, 1), b);
}

static Tensor addmm(const Tensor& self, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  if (a.ndim() != 2 || b.ndim() != 2)
    runtime_error("mat1 and mat2 must be matrices, got shapes ", a.sizes(), " and ", b.sizes(), " (addmm)");
  if (self.dtype() != a.dtype())
    runtime_error("self and mat2 must have the same dtype, but got ", torch_name(self.dtype()), " and ",
                  torch_name(b.dtype()), " (addmm)");
  return to_dtype(scaled_sum("addmm", widened(self), mm(widened(a), widened(b)), beta, alpha), self.dtype());
}
static Tensor addmv(const Tensor& self, const Tensor& a, const Tensor& x, const Scalar& beta, const Scalar& alpha) {
  return to_dtype(scaled_sum("addmv", widened(self), mv(widened(a), widened(x)), beta, alpha), self.dtype());
}
/// PyTorch rounds both factors and every step to half precision.
static Tensor addr_rounded(const Tensor& self, const Tensor& a, const Tensor& b, const Scalar& beta,
                           const Scalar& alpha, Dtype dtype) {
  Tensor product = outer(mul(to_dtype(a, dtype), scalar_tensor(alpha, dtype)), to_dtype(b, dtype));
  if (broadcast_shapes(self.sizes(), product.sizes()) != product.sizes())
    shape_error("addr: self of shape ", self.sizes(), " does not broadcast to the product's shape ", product.sizes());
  return beta.to_double() == 0 ? product : add(mul(to_dtype(self, dtype), scalar_tensor(beta, dtype)), product);
}
static Tensor addr(const Tensor& self, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  if (a.ndim() != 1 || b.ndim() != 1)
    runtime_error("addr: Expected 1-D arguments vec1 and vec2, but got ", a.ndim(), "-D and ", b.ndim(), "-D");
  if (promote(std::vector<Tensor>{self, a, b}) == Dtype::Bool)
    return bitwise_or(beta.to_bool() ? self : mul(self, wrapped_number(false)),
                      alpha.to_bool() ? outer(a, b) : mul(outer(a, b), wrapped_number(false)));
  if (is_integral(promote(std::vector<Tensor>{self, a, b})) && !(beta.is_integral() && alpha.is_integral()))
    runtime_error("For integral input tensors, argument ", beta.is_integral() ? "alpha" : "beta",
                  " must not be a floating point number. (addr)");
  Dtype dtype = promote(std::vector<Tensor>{self, a, b});
  if (dtype == Dtype::F16 || dtype == Dtype::BF16) return addr_rounded(self, a, b, beta, alpha, dtype);
  Tensor product = outer(widened(to_dtype(a, dtype)), widened(to_dtype(b, dtype)));
  return to_dtype(scaled_sum("addr", widened(to_dtype(self, dtype)), product, beta, alpha), dtype);
}
static Tensor baddbmm(const Tensor& self, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  return to_dtype(scaled_sum("baddbmm", widened(self), bmm(widened(a), widened(b)), beta, alpha), self.dtype());
}
static Tensor addbmm(const Tensor& self, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  if (a.ndim() != 3 || b.ndim() != 3)
    runtime_error("batch1 and batch2 must be 3D tensors, got shapes ", a.sizes(), " and ", b.sizes(), " (addbmm)");
  Tensor total = sum(bmm(widened(a), widened(b)), {0}, false);
  if (is_integral(total.dtype())) total = to_dtype(total, a.dtype());
  return to_dtype(scaled_sum("addbmm", widened(self), total, beta, alpha), self.dtype());
}

void register_product(Registry& r) {
  r.add("mm(Tensor self, Tensor mat2) -> Tensor", mm);
  r.add("bmm(Tensor self, Tensor mat2) -> Tensor", bmm);
  r.add("matmul(Tensor self, Tensor other) -> Tensor", matmul);
  r.add("mv(Tensor self, Tensor vec) -> Tensor", mv);
  r.add("dot(Tensor self, Tensor tensor) -> Tensor", dot);
  r.add("vdot(Tensor self, Tensor other) -> Tensor", vdot);
  r.add("outer(Tensor self, Tensor vec2) -> Tensor", outer);
  r.alias("ger", "outer");
  r.add("addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", addmm,
        kFunction | kMethod | kInPlaceByCopy);
  r.add("addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor", addmv,
        kFunction | kMethod | kInPlaceByCopy);
  r.add("addr(Tensor self, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", addr,
        kFunction | kMethod | kInPlaceByCopy);
  r.add("baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", baddbmm,
        kFunction | kMethod | kInPlaceByCopy);
  r.add("addbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", addbmm,
        kFunction | kMethod | kInPlaceByCopy);
}

}  // namespace ondol
