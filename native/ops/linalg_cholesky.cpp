// Triangular systems and Cholesky factors.

#include <cmath>

#include "ops/linalg.h"
#include "ops/registry.h"
#include "ops/triangular.h"

namespace ondol {

// LAPACK sees row-major matrices transposed: X A = B is what it solves for A X = B, with the other triangle.
static Tensor triangular_solution(const Tensor& a, const Tensor& b, bool upper, bool left, bool unit) {
  Tensor x = copy_in_rows(b);
  if (x.numel() == 0) return x;
  NoGrad silent;
  int64_t rows = b.size(-2), columns = b.size(-1), size = a.size(-1), count = x.numel() / (rows * columns);
  Matrix matrices = as_matrix(reshape(detach(a), {count, size, size}));
  for_product_type(a.dtype(), [&](auto type) {
    using T = decltype(type);
    const T* factors = matrices.tensor.template data<T>();
    T* solution = x.data<T>();
    launch({{&matrices.tensor}, {&x}}, x.numel() * size, [&] {
      for_matrices(count, rows * columns * size / 2, [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i)
          lapack::trsm<T>(left ? 'R' : 'L', upper == matrices.transposed ? 'U' : 'L', matrices.transposed ? 'T' : 'N',
                          unit, static_cast<int32_t>(columns), static_cast<int32_t>(rows), factors + i * matrices.batch,
                          static_cast<int32_t>(matrices.leading), solution + i * rows * columns,
                          static_cast<int32_t>(columns));
      });
    });
  });
  return x;
}

// Derivatives: Giles 2008, "Collected matrix derivative results for forward and reverse mode", section 2.3.1, cut to
// the triangle that is read.
Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left, bool unitriangular) {
  constexpr const char* kName = "linalg.solve_triangular";
  check_square(kName, a);
  check_matrix(kName, b, "B");
  check_same_dtype(kName, a, b);
  if (a.size(-1) != b.size(left ? -2 : -1))
    runtime_error(kName, ": Incompatible shapes of A and B for the equation ", left ? "AX = B" : "XA = B", " (",
                  a.size(-2), "x", a.size(-1), " and ", b.size(-2), "x", b.size(-1), ")");
  Dims batch = broadcast_shapes(batch_of(a), batch_of(b));
  Tensor matrices = in_batch(a, batch), sides = in_batch(b, batch);
  Tensor x = triangular_solution(matrices, sides, upper, left, unitriangular);
  if (needs_gradient(matrices, sides))
    record("LinalgSolveTriangularBackward0", x, {matrices, sides},
           [=, a = save(matrices), x = save_output(x)](const Tensor& gradient, Gradients& in) {
             Tensor side = solve_triangular(adjoint(a()), gradient, !upper, left, unitriangular);
             if (in.wants(0)) {
               Tensor whole = neg(left ? matmul(side, adjoint(x())) : matmul(adjoint(x()), side));
               in[0] = upper ? triu(whole, unitriangular) : tril(whole, -int64_t{unitriangular});
             }
             in[1] = side;
           });
  return x;
}

namespace {

/// What is left of a factor: zeros in the other triangle, and the first number on the diagonal that is not finite, from
/// 1: OpenBLAS passes over those.
template <class T>
int finish_factor(T* factor, int64_t n, bool upper) {
  int bad = 0;
  for (int64_t row = 0; row < n; ++row) {
    T* line = factor + row * n;
    upper ? std::fill(line, line + row, T(0)) : std::fill(line + row + 1, line + n, T(0));
    if (!bad && !std::isfinite(std::real(line[row]))) bad = static_cast<int>(row + 1);
  }
  return bad;
}

// Derivative: Murray 2016, "Differentiation of the Cholesky decomposition", equation 10.
Tensor cholesky_backward(const Tensor& factor, const Tensor& gradient) {
  Tensor inside = matmul(adjoint(factor), gradient);
  Tensor below = tril(inside, -1), diagonal_part = real(diagonal(inside, 0, -2, -1));
  Tensor symmetric = add(add(below, adjoint(below)), to_dtype(diag_embed(diagonal_part), inside.dtype()));
  Tensor left = solve_triangular(adjoint(factor), mul_by(symmetric, 0.5), true);
  return solve_triangular(factor, left, false, false);
}

/// The lower factor (or upper), and for each matrix the order of the first minor that is not positive, or 0. A
/// row-major A is Aᵀ to LAPACK, and its upper factor there, transposed, the lower factor of A.
std::tuple<Tensor, Tensor> cholesky_ex(const Tensor& a, bool upper) {
  check_square("linalg.cholesky", a);
  int64_t n = a.size(-1);
  Tensor factor = copy_in_rows(a), info = empty(batch_of(a), Dtype::I32);
  for_product_type(a.dtype(), [&](auto type) {
    using T = decltype(type);
    T* factors = factor.data<T>();
    auto* infos = info.data<int32_t>();
    launch({{}, {&factor, &info}}, factor.numel() * n, [&] {
      for_matrices(info.numel(), n * n * n / 6 + 100, [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) {
          T* matrix = factors + i * n * n;
          auto size = static_cast<int32_t>(n), leading = std::max(size, int32_t{1});
          int failed = lapack::potrf(upper ? 'L' : 'U', size, matrix, leading);
          int not_finite = finish_factor(matrix, n, upper);
          infos[i] = failed ? failed : not_finite;
        }
      });
    });
  });
  if (needs_gradient(a))
    record("LinalgCholeskyExBackward0", factor, {a},
           [upper, saved = save_output(factor)](const Tensor& gradient, Gradients& in) {
             in[0] =
                 upper ? cholesky_backward(adjoint(saved()), adjoint(gradient)) : cholesky_backward(saved(), gradient);
           });
  return {factor, info};
}

}  // namespace

void register_linalg_cholesky(Registry& r) {
  r.add("linalg.cholesky_ex(Tensor A, *, bool upper=False) -> (Tensor, Tensor)", cholesky_ex);
  r.add(
      "linalg.solve_triangular(Tensor A, Tensor B, *, bool upper, bool left=True, bool unitriangular=False) -> Tensor",
      solve_triangular);
}

}  // namespace ondol
