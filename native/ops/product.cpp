// Matrix products.

#include "base/blas.h"
#include "ops/functions.h"
#include "ops/registry.h"
#include "tensor/launch.h"

namespace ondol {
namespace {

void check_product_dtypes(const char* operation, const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype())
    runtime_error("expected m1 and m2 to have the same dtype, but got: ", name(a.dtype()), " != ", name(b.dtype()), " (", operation, ")");
}

/// A matrix as the library wants it: rows or columns contiguous. Anything else is copied.
struct Operand {
  Tensor tensor;
  bool transposed;
  int64_t leading;
};
Operand as_operand(const Tensor& matrix) {
  int64_t rows = matrix.sizes()[0], columns = matrix.sizes()[1], row = matrix.strides()[0], column = matrix.strides()[1];
  if ((column == 1 || columns == 1) && (row >= std::max<int64_t>(columns, 1) || rows == 1)) return {matrix, false, std::max({row, columns, int64_t{1}})};
  if ((row == 1 || rows == 1) && (column >= std::max<int64_t>(rows, 1) || columns == 1)) return {matrix, true, std::max({column, rows, int64_t{1}})};
  Tensor copy = empty(matrix.sizes(), matrix.dtype());
  copy_elements(matrix, copy);
  return {copy, false, std::max<int64_t>(columns, 1)};
}

template <class T>
void multiply(const Operand& a, const Operand& b, const Tensor& c, int64_t k) {
  int64_t m = c.sizes()[0], n = c.sizes()[1];
  launch({{&a.tensor, &b.tensor}, {&c}}, m * n * std::max<int64_t>(k, 1), [&] {
    blas::gemm<T>(a.transposed, b.transposed, m, n, k, T(1), a.tensor.data<T>(), a.leading, b.tensor.data<T>(), b.leading, T(0), c.data<T>(),
                  std::max<int64_t>(n, 1));
  });
}

/// Integers have no library: plain loops in row order.
void multiply_integers(const Tensor& a, const Tensor& b, const Tensor& c) {
  Tensor left = contiguous(a), right = contiguous(b);
  int64_t m = a.sizes()[0], k = a.sizes()[1], n = b.sizes()[1];
  auto *x = left.data<int64_t>(), *y = right.data<int64_t>(), *z = c.data<int64_t>();
  std::fill_n(z, m * n, 0);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t p = 0; p < k; ++p) {
      auto factor = static_cast<uint64_t>(x[i * k + p]);
      for (int64_t j = 0; j < n; ++j) z[i * n + j] = static_cast<int64_t>(static_cast<uint64_t>(z[i * n + j]) + factor * static_cast<uint64_t>(y[p * n + j]));
    }
}

Dtype product_dtype(Dtype dtype) {
  if (is_integral(dtype)) return Dtype::I64;
  return dtype == Dtype::F16 || dtype == Dtype::BF16 ? Dtype::F32 : dtype;
}

}  // namespace

/// [m, k] times [k, n] into fresh memory, without history.
static Tensor matrix_product(const Tensor& a, const Tensor& b) {
  NoGrad silent;
  Dtype dtype = a.dtype(), compute = product_dtype(dtype);
  if (dtype == Dtype::Bool) not_implemented("\"addmm_impl_cpu_\" not implemented for 'Bool'");
  Tensor c = empty({a.sizes()[0], b.sizes()[1]}, compute);
  if (c.numel() == 0) return to_dtype(c, dtype);
  if (a.sizes()[1] == 0) return to_dtype(zero_(c), dtype);
  Tensor left = to_dtype(detach(a), compute), right = to_dtype(detach(b), compute);
  switch (compute) {
    case Dtype::F32: multiply<float>(as_operand(left), as_operand(right), c, a.sizes()[1]); break;
    case Dtype::F64: multiply<double>(as_operand(left), as_operand(right), c, a.sizes()[1]); break;
    case Dtype::C64: multiply<c64>(as_operand(left), as_operand(right), c, a.sizes()[1]); break;
    case Dtype::C128: multiply<c128>(as_operand(left), as_operand(right), c, a.sizes()[1]); break;
    default: multiply_integers(left, right, c);
  }
  return to_dtype(c, dtype);
}

static Tensor adjoint_of(const Tensor& x) { return conj(transpose(x, -2, -1)); }

Tensor mm(const Tensor& a, const Tensor& b) {
  if (a.ndim() != 2) runtime_error("self must be a matrix (mm: input has shape ", a.sizes(), "; matmul takes other ranks)");
  if (b.ndim() != 2) runtime_error("mat2 must be a matrix (mm: mat2 has shape ", b.sizes(), "; matmul takes other ranks)");
  if (a.sizes()[1] != b.sizes()[0])
    shape_error("mat1 and mat2 shapes cannot be multiplied (", a.sizes()[0], "x", a.sizes()[1], " and ", b.sizes()[0], "x", b.sizes()[1], ")");
  check_product_dtypes("mm", a, b);
  Tensor c = matrix_product(a, b);
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
    shape_error("Expected size for first two dimensions of batch2 tensor to be: [", a.sizes()[0], ", ", a.sizes()[2], "] but got: [", b.sizes()[0], ", ",
                b.sizes()[1], "].");
  check_product_dtypes("bmm", a, b);
  Tensor c = empty({a.sizes()[0], a.sizes()[1], b.sizes()[2]}, a.dtype());
  {
    NoGrad silent;
    Tensor left = detach(a), right = detach(b);
    for (int64_t i = 0; i < a.sizes()[0]; ++i) copy_elements(matrix_product(select(left, 0, i), select(right, 0, i)), select(c, 0, i));
  }
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
    if (a.numel() != b.numel()) shape_error("inconsistent tensor size, expected tensor ", a.sizes(), " and src ", b.sizes(), " to have the same number of elements");
    return reshape(mm(unsqueeze(a, 0), unsqueeze(b, 1)), {});
  }
  if (a.ndim() == 1) return squeeze(matmul(unsqueeze(a, 0), b), -2);
  if (b.ndim() == 1) return squeeze(matmul(a, unsqueeze(b, 1)), -1);
  int64_t rows = a.size(-2), inner = a.size(-1), columns = b.size(-1);
  if (inner != b.size(-2))
    shape_error("mat1 and mat2 shapes cannot be multiplied (", rows, "x", inner, " and ", b.size(-2), "x", columns, ")\n  matmul: ", a.sizes(), " @ ", b.sizes(),
                ": the last size of the left must be the second last of the right");
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

void register_product(Registry& r) {
  r.add("mm(Tensor self, Tensor mat2) -> Tensor", mm);
  r.add("bmm(Tensor self, Tensor mat2) -> Tensor", bmm);
  r.add("matmul(Tensor self, Tensor other) -> Tensor", matmul);
}

}  // namespace ondol
