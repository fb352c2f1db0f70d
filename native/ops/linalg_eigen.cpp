// Eigenvalues and eigenvectors.

#include "ops/linalg.h"
#include "ops/registry.h"
#include "ops/triangular.h"

namespace ondol {
namespace {

struct HermitianParts {
  Tensor values, vectors, info;
};

HermitianParts hermitian_parts(const Tensor& a, bool upper, bool vectors) {
  int64_t n = a.size(-1);
  Dims batch = batch_of(a);
  HermitianParts parts{empty(with_sizes(batch, {n}), to_real(a.dtype())), copy_in_columns(a), zeros(batch, Dtype::I32)};
  if (parts.values.numel() == 0) return parts;
  for_product_type(a.dtype(), [&](auto type) {
    using T = decltype(type);
    using R = lapack::Real<T>;
    T* matrices = parts.vectors.data<T>();
    R* values = parts.values.data<R>();
    auto* infos = parts.info.data<int32_t>();
    launch({{}, {&parts.values, &parts.vectors, &parts.info}}, parts.vectors.numel() * n * 4, [&] {
      for_matrices(parts.info.numel(), n * n * n * 4 + 1000, [&](int64_t first, int64_t last) {
        lapack::HermitianEigen<T> solver(vectors, upper ? 'U' : 'L', static_cast<int32_t>(n));
        for (int64_t i = first; i < last; ++i) {
          T* matrix = matrices + i * n * n;
          if (all_finite(matrix, n * n)) {
            infos[i] = solver.run(matrix, values + i * n);
          } else {
            std::fill_n(values + i * n, n, std::numeric_limits<R>::quiet_NaN());
            std::fill_n(matrix, n * n, T(std::numeric_limits<R>::quiet_NaN()));
            infos[i] = 1;
          }
        }
      });
    });
  });
  return parts;
}

/// The gradient of A = V diag(w) Vᴴ: Giles 2008, "Collected matrix derivative results for forward and reverse mode",
/// section 3.1, for Hermitian A. Either gradient may be undefined.
Tensor eigh_backward(const Tensor& w, const Tensor& v, const Tensor& w_gradient, const Tensor& v_gradient) {
  Tensor inside;
  if (w_gradient.defined()) inside = diag_embed(w_gradient);
  if (v_gradient.defined()) {
    Tensor gaps = add(sub(unsqueeze(w, -2), unsqueeze(w, -1)), diag_embed(ones_like(w)));
    Tensor turned = div(matmul(adjoint(v), v_gradient), gaps);
    turned = sub(turned, diag_embed(diagonal(turned, 0, -2, -1)));
    inside = inside.defined() ? add(turned, inside) : turned;
  }
  return matmul(matmul(v, to_dtype(inside, v.dtype())), adjoint(v));
}

/// Eigenvalues, rising, eigenvectors in columns, and LAPACK's info. Without `vectors`, which a derivative needs, the
/// second result is of no use.
std::tuple<Tensor, Tensor, Tensor> eigh(const Tensor& a, bool upper, bool vectors) {
  check_square("linalg.eigh", a);
  auto [w, v, info] = hermitian_parts(a, upper, vectors || needs_gradient(a));
  if (needs_gradient(a))
    record("LinalgEighBackward0", {w, v}, {a},
           [w = save_output(w), v = save_output(v, 1)](std::span<const Tensor> gradients, Gradients& in) {
             if (gradients[0].defined() || gradients[1].defined())
               in[0] = eigh_backward(w(), v(), gradients[0], gradients[1]);
           });
  return {w, v, info};
}

/// Eigenvalues and eigenvectors of any square matrices, complex and in no order, and LAPACK's info. Without a
/// derivative.
std::tuple<Tensor, Tensor, Tensor> eig(const Tensor& a) {
  check_square("linalg.eig", a);
  if (needs_gradient(a)) not_implemented("this eig has no derivative; ondol.linalg.eig has");
  int64_t n = a.size(-1);
  Dims batch = batch_of(a);
  Dtype dtype = to_real(a.dtype()) == Dtype::F32 ? Dtype::C64 : Dtype::C128;
  Tensor values = empty(with_sizes(batch, {n}), dtype), vectors = empty_columns(batch, n, n, dtype);
  Tensor work = copy_in_columns(a), info = zeros(batch, Dtype::I32);
  if (values.numel() == 0) return {values, vectors, info};
  for_product_type(a.dtype(), [&](auto type) {
    using T = decltype(type);
    using Complex = std::complex<lapack::Real<T>>;
    T* matrices = work.data<T>();
    Complex *value = values.data<Complex>(), *vector = vectors.data<Complex>();
    auto* infos = info.data<int32_t>();
    launch({{}, {&work, &values, &vectors, &info}}, work.numel() * n * 10, [&] {
      for_matrices(info.numel(), n * n * n * 10 + 1000, [&](int64_t first, int64_t last) {
        lapack::GeneralEigen<T> solver(static_cast<int32_t>(n));
        for (int64_t i = first; i < last; ++i) {
          if (!all_finite(matrices + i * n * n, n * n))
            runtime_error("torch.linalg.eig: input tensor should not contain infs or NaNs.");
          infos[i] = solver.run(matrices + i * n * n, value + i * n, vector + i * n * n);
        }
      });
    });
  });
  return {values, vectors, info};
}

}  // namespace

void register_linalg_eigen(Registry& r) {
  r.add("linalg.eig(Tensor A) -> (Tensor, Tensor, Tensor)", eig);
  r.add("linalg.eigh(Tensor A, *, bool upper=False, bool vectors=True) -> (Tensor, Tensor, Tensor)", eigh);
}

}  // namespace ondol
