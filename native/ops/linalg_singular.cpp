// Singular values and vectors.

#include "ops/linalg.h"
#include "ops/registry.h"
#include "ops/triangular.h"

namespace ondol {

// LAPACK sees row-major matrices transposed: for A = U S Vᴴ it gives Aᵀ = conj(V) S Uᵀ, whose parts read row by row
// are Vᴴ and U.
SingularParts singular_parts(const Tensor& a, lapack::Vectors vectors) {
  using lapack::Vectors;
  int64_t rows = a.size(-2), columns = a.size(-1), rank = std::min(rows, columns);
  int64_t left = vectors == Vectors::All ? rows : rank, right = vectors == Vectors::All ? columns : rank;
  Dims batch = batch_of(a);
  SingularParts parts{{}, empty(with_sizes(batch, {rank}), to_real(a.dtype())), {}, zeros(batch, Dtype::I32)};
  if (vectors != Vectors::None) {
    parts.u = zeros(with_sizes(batch, {rows, left}), a.dtype());
    parts.vh = zeros(with_sizes(batch, {right, columns}), a.dtype());
  }
  if (rank == 0) {  // any basis does
    for (Tensor side : {parts.u, parts.vh})
      if (side.defined() && side.numel() > 0) {
        Tensor middle = diagonal(side, 0, -2, -1);
        fill_(middle, wrapped_number(1));
      }
    return parts;
  }
  Tensor work = copy_in_rows(a);
  for_product_type(a.dtype(), [&](auto type) {
    using T = decltype(type);
    using R = lapack::Real<T>;
    T* matrices = work.data<T>();
    T *u = parts.u.defined() ? parts.u.data<T>() : nullptr, *vh = parts.vh.defined() ? parts.vh.data<T>() : nullptr;
    R* s = parts.s.data<R>();
    auto* infos = parts.info.data<int32_t>();
    launch({{}, {&work, &parts.s, &parts.info}}, work.numel() * rank * 4, [&] {
      for_matrices(parts.info.numel(), rows * columns * rank * 4 + 1000, [&](int64_t first, int64_t last) {
        lapack::SingularValues<T> solver(vectors, static_cast<int32_t>(columns), static_cast<int32_t>(rows));
        for (int64_t i = first; i < last; ++i) {
          T* matrix = matrices + i * rows * columns;
          constexpr int kNotFinite = -4;  // what LAPACK says of NaN; its iterations need not end for infinities
          infos[i] = all_finite(matrix, rows * columns)
                         ? solver.run(matrix, s + i * rank, vh ? vh + i * right * columns : nullptr,
                                      u ? u + i * rows * left : nullptr)
                         : kNotFinite;
          if (infos[i]) std::fill_n(s + i * rank, rank, std::numeric_limits<R>::quiet_NaN());
        }
      });
    });
  });
  return parts;
}

namespace {

Tensor without_diagonal(const Tensor& a) { return sub(a, diag_embed(diagonal(a, 0, -2, -1))); }
Tensor sum_of(const Tensor& a, const Tensor& b) { return a.defined() ? add(a, b) : b; }

/// Derivative: Townsend 2016, "Differentiating the singular value decomposition"; complex: Wan & Zhang 2019,
/// "Automatic differentiation for complex valued SVD". u and vh are cut to the rank; any gradient may be undefined.
Tensor svd_backward(const Tensor& u, const Tensor& s, const Tensor& vh, const Tensor& u_gradient,
                    const Tensor& s_gradient, const Tensor& vh_gradient) {
  if (!u_gradient.defined() && !vh_gradient.defined())
    return matmul(mul(u, to_dtype(unsqueeze(s_gradient, -2), u.dtype())), vh);
  Tensor squares = mul(s, s);
  Tensor gaps = add(sub(unsqueeze(squares, -2), unsqueeze(squares, -1)), diag_embed(ones_like(s)));
  Tensor core, phase, u_part, v_part, v_gradient;
  if (u_gradient.defined()) {
    u_part = matmul(adjoint(u), u_gradient);
    phase = sub(u_part, adjoint(u_part));
    core = mul(div(phase, gaps), unsqueeze(s, -2));
  }
  if (vh_gradient.defined()) {
    v_gradient = adjoint(vh_gradient);
    v_part = matmul(vh, v_gradient);
    core = sum_of(core, mul(unsqueeze(s, -1), div(sub(v_part, adjoint(v_part)), gaps)));
  }
  core = without_diagonal(core);
  if (s_gradient.defined()) core = add(core, to_dtype(diag_embed(s_gradient), core.dtype()));
  if (is_complex(core.dtype()) && phase.defined())
    core = add(core, diag_embed(div(diagonal(phase, 0, -2, -1), mul_by(s, 2))));
  Tensor result = matmul(matmul(u, core), vh);
  int64_t rank = s.size(-1);
  if (u.size(-2) > rank && u_gradient.defined()) {  // the part of dU outside the span of U
    Tensor outside = div(sub(u_gradient, matmul(u, u_part)), unsqueeze(s, -2));
    result = add(result, matmul(outside, vh));
  }
  if (vh.size(-1) > rank && vh_gradient.defined()) {
    Tensor outside = div(sub(v_gradient, matmul(adjoint(vh), v_part)), unsqueeze(s, -2));
    result = add(result, matmul(u, adjoint(outside)));
  }
  return result;
}

Tensor first(const Tensor& a, int64_t dim, int64_t count) {
  return a.defined() && a.size(dim) != count ? narrow(a, dim, 0, count) : a;
}

/// U, S falling, Vh and LAPACK's info. Without `vectors`, which a derivative needs, U and Vh are empty.
std::tuple<Tensor, Tensor, Tensor, Tensor> svd(const Tensor& a, bool full_matrices, bool vectors) {
  using lapack::Vectors;
  check_matrix("linalg.svd", a);
  if (!vectors && !needs_gradient(a)) {
    SingularParts parts = singular_parts(a, Vectors::None);
    return {empty({0}, a.dtype()), parts.s, empty({0}, a.dtype()), parts.info};
  }
  auto [u, s, vh, info] = singular_parts(a, full_matrices ? Vectors::All : Vectors::Reduced);
  if (needs_gradient(a))
    record("LinalgSvdBackward0", {u, s, vh}, {a},
           [u = save_output(u), s = save_output(s, 1), vh = save_output(vh, 2)](std::span<const Tensor> gradients,
                                                                                Gradients& in) {
             if (!gradients[0].defined() && !gradients[1].defined() && !gradients[2].defined()) return;
             int64_t rank = s().size(-1);
             in[0] = svd_backward(first(u(), -1, rank), s(), first(vh(), -2, rank), first(gradients[0], -1, rank),
                                  gradients[1], first(gradients[2], -2, rank));
           });
  return {u, s, vh, info};
}

}  // namespace

void register_linalg_singular(Registry& r) {
  r.add("linalg.svd(Tensor A, bool full_matrices=True, *, bool vectors=True) -> (Tensor, Tensor, Tensor, Tensor)", svd);
}

}  // namespace ondol
