// LU factors, and what is solved with them: linear systems, inverses, determinants.

#include <cmath>
#include <numeric>

#include "ops/linalg.h"
#include "ops/registry.h"

namespace ondol {
namespace {

/// The LU factors of Aᵀ, which is how LAPACK sees row-major matrices: [*, n, n], pivots [*, n] and info [*].
struct TransposedFactors {
  Tensor packed, pivots, info;
};

TransposedFactors factor_transposed(const Tensor& a) {
  int64_t n = a.size(-1);
  Dims batch = batch_of(a);
  TransposedFactors factors{copy_in_rows(a), empty(with_sizes(batch, {n}), Dtype::I32), empty(batch, Dtype::I32)};
  for_product_type(a.dtype(), [&](auto type) {
    using T = decltype(type);
    T* matrices = factors.packed.data<T>();
    auto *pivots = factors.pivots.data<int32_t>(), *infos = factors.info.data<int32_t>();
    launch({{}, {&factors.packed, &factors.pivots, &factors.info}}, factors.packed.numel() * n, [&] {
      for_matrices(factors.info.numel(), n * n * n / 3 + 200, [&](int64_t first, int64_t last) {
        auto size = static_cast<int32_t>(n), leading = std::max(size, int32_t{1});
        for (int64_t i = first; i < last; ++i)
          infos[i] = lapack::getrf(size, size, matrices + i * n * n, leading, pivots + i * n);
      });
    });
  });
  return factors;
}

/// x, whose columns are contiguous, becomes the solution of A X = x for all matrices (of Aᵀ X = x with `transposed`).
void solve_in_place(const TransposedFactors& factors, const Tensor& x, int64_t columns, bool transposed) {
  int64_t n = factors.packed.size(-1);
  for_product_type(x.dtype(), [&](auto type) {
    using T = decltype(type);
    const T* matrices = factors.packed.data<T>();
    const auto* pivots = factors.pivots.data<int32_t>();
    T* solutions = x.data<T>();
    launch({{&factors.packed, &factors.pivots}, {&x}}, x.numel() * n, [&] {
      for_matrices(factors.info.numel(), n * n * columns + 200, [&](int64_t first, int64_t last) {
        auto size = static_cast<int32_t>(n), leading = std::max(size, int32_t{1});
        for (int64_t i = first; i < last; ++i)
          lapack::getrs(transposed ? 'N' : 'T', size, static_cast<int32_t>(columns), matrices + i * n * n, leading,
                        pivots + i * n, solutions + i * n * columns, leading);
      });
    });
  });
}

/// A⁻¹, row-major: LAPACK solves Aᵀ X = 1 into columns.
Tensor inverse_from(const TransposedFactors& factors) {
  int64_t n = factors.packed.size(-1);
  Tensor inverse = zeros(factors.packed.sizes(), factors.packed.dtype());
  if (inverse.numel() == 0) return inverse;
  NoGrad silent;
  Tensor middle = diagonal(inverse, 0, -2, -1);
  fill_(middle, wrapped_number(1));
  solve_in_place(factors, inverse, n, true);
  return inverse;
}

/// X with A X = B, or with `dual` Aᴴ X = B, for factors that have been computed before. Derivatives: Giles 2008,
/// "Collected matrix derivative results for forward and reverse mode", section 2.3.1; they reuse the factors.
Tensor solve_factored(const Tensor& a, const TransposedFactors& factors, const Tensor& b, bool dual) {
  Tensor x;
  {
    NoGrad silent;
    bool conjugate = dual && is_complex(b.dtype());
    x = copy_in_columns(conjugate ? conj(detach(b)) : b);
    if (x.numel() > 0) solve_in_place(factors, x, b.size(-1), dual);
    if (conjugate) x = conj(x);
  }
  if (needs_gradient(a, b))
    record("LinalgSolveExBackward0", x, {a, b},
           [dual, factors, a = save(a), x = save_output(x)](const Tensor& gradient, Gradients& in) {
             Tensor side = solve_factored(a(), factors, gradient, !dual);
             if (in.wants(0)) in[0] = neg(dual ? matmul(x(), adjoint(side)) : matmul(side, adjoint(x())));
             in[1] = side;
           });
  return x;
}

/// (X, info) with A X = B, or X A = B unless left; info is the number of the first pivot that is zero, or 0.
std::tuple<Tensor, Tensor> solve_ex(const Tensor& a, const Tensor& b, bool left) {
  constexpr const char* kName = "linalg.solve";
  check_square(kName, a);
  check_matrix(kName, b, "B");
  check_same_dtype(kName, a, b);
  if (a.size(-1) != b.size(left ? -2 : -1))
    runtime_error(kName, ": Incompatible shapes of A and B for the equation ", left ? "AX = B" : "XA = B", " (",
                  a.size(-2), "x", a.size(-1), " and ", b.size(-2), "x", b.size(-1), ")");
  Dims batch = broadcast_shapes(batch_of(a), batch_of(b));
  Tensor matrices = in_batch(a, batch), sides = in_batch(b, batch);
  if (!left) matrices = transpose(matrices, -2, -1), sides = transpose(sides, -2, -1);
  TransposedFactors factors = factor_transposed(matrices);
  Tensor x = solve_factored(matrices, factors, sides, false);
  return {left ? x : transpose(x, -2, -1), factors.info};
}

// Derivative: Giles 2008, section 2.2.3.
std::tuple<Tensor, Tensor> inv_ex(const Tensor& a) {
  check_square("linalg.inv", a);
  TransposedFactors factors = factor_transposed(a);
  Tensor inverse = inverse_from(factors);
  if (needs_gradient(a))
    record("LinalgInvExBackward0", inverse, {a}, [saved = save_output(inverse)](const Tensor& gradient, Gradients& in) {
      Tensor dual = adjoint(saved());
      in[0] = neg(matmul(dual, matmul(gradient, dual)));
    });
  return {inverse, factors.info};
}

/// f(number of the matrix, whether its rows were swapped, element) for all diagonal elements of all U.
template <class T, class F>
void for_diagonals(const TransposedFactors& factors, F&& f) {
  int64_t n = factors.packed.size(-1), count = factors.info.numel();
  const T* packed = factors.packed.data<T>();
  const auto* pivots = factors.pivots.data<int32_t>();
  launch({{&factors.packed, &factors.pivots}, {}}, count * n, [&] {
    for (int64_t i = 0; i < count; ++i)
      for (int64_t k = 0; k < n; ++k) f(i, pivots[i * n + k] != k + 1, packed[(i * n + k) * n + k]);
  });
}

Tensor determinant_from(const TransposedFactors& factors) {
  Tensor result = ones(batch_of(factors.packed), factors.packed.dtype());
  for_product_type(result.dtype(), [&](auto type) {
    using T = decltype(type);
    T* products = result.data<T>();
    for_diagonals<T>(factors, [&](int64_t i, bool swapped, T element) { products[i] *= swapped ? -element : element; });
  });
  return result;
}

/// The adjugate's adjoint: conj(det(U) det(Vᴴ)) U diag(products of the other singular values) Vᴴ for A = U S Vᴴ.
Tensor adjugate_adjoint(const Tensor& a) {
  auto [u, s, vh, info] = singular_parts(a, lapack::Vectors::Reduced);
  Tensor one = ones_like(narrow(s, -1, 0, 1));
  int64_t others = s.size(-1) - 1;
  Tensor before = cat({one, narrow(cumprod(s, -1), -1, 0, others)}, -1);
  Tensor after = flip(cat({one, narrow(cumprod(flip(s, {-1}), -1), -1, 0, others)}, -1), {-1});
  Tensor unit = mul(determinant_from(factor_transposed(u)), determinant_from(factor_transposed(vh)));
  Tensor weighted = mul(u, unsqueeze(to_dtype(mul(before, after), u.dtype()), -2));
  return mul(as_factors(conj(unit)), matmul(weighted, vh));
}

/// Whether all matrices have an inverse, so far as the factors tell.
bool invertible(const TransposedFactors& factors) {
  const auto* infos = factors.info.data<int32_t>();
  return std::all_of(infos, infos + factors.info.numel(), [](int32_t info) { return info == 0; });
}

/// Jacobi's formula, g adj(A)ᴴ, which singular matrices have as well. To be differentiated again it takes the form
/// g conj(det A) A⁻ᴴ.
Tensor det(const Tensor& a) {
  check_square("linalg.det", a);
  TransposedFactors factors = factor_transposed(a);
  Tensor determinant = determinant_from(factors);
  if (needs_gradient(a))
    record("LinalgDetBackward0", determinant, {a},
           [factors, a = save(a), determinant = save_output(determinant)](const Tensor& gradient, Gradients& in) {
             if (GradMode::enabled()) {
               in[0] = mul(as_factors(mul(gradient, conj(determinant()))), adjoint(std::get<0>(inv_ex(a()))));
             } else if (invertible(factors)) {
               in[0] = mul(as_factors(mul(gradient, conj(determinant()))), adjoint(inverse_from(factors)));
             } else {
               in[0] = mul(as_factors(gradient), adjugate_adjoint(a()));
             }
           });
  return determinant;
}

/// Sign (or phase) and log |det A|. Derivative: Giles 2008, section 2.2.4; the phase of a complex determinant turns
/// too.
std::tuple<Tensor, Tensor> slogdet(const Tensor& a) {
  check_square("linalg.slogdet", a);
  TransposedFactors factors = factor_transposed(a);
  Tensor phase = ones(batch_of(a), a.dtype()), logarithm = zeros(batch_of(a), to_real(a.dtype()));
  for_product_type(a.dtype(), [&](auto type) {
    using T = decltype(type);
    T* phases = phase.data<T>();
    auto* logarithms = logarithm.data<lapack::Real<T>>();
    for_diagonals<T>(factors, [&](int64_t i, bool swapped, T element) {
      auto size = std::abs(element);
      phases[i] *= size == 0 ? T(0) : (swapped ? -element : element) / size;
      logarithms[i] += std::log(size);
    });
  });
  if (needs_gradient(a))
    record("LinalgSlogdetBackward0", {phase, logarithm}, {a},
           [factors, a = save(a), phase = save_output(phase)](std::span<const Tensor> gradients, Gradients& in) {
             Tensor turn, scale = gradients[1];
             if (gradients[0].defined() && is_complex(phase().dtype()))
               turn = neg(imag(mul(conj(gradients[0]), phase())));
             if (!scale.defined() && !turn.defined()) return;  // the sign of a real determinant is constant
             if (!scale.defined()) scale = zeros_like(turn);
             if (turn.defined()) scale = complex(scale, turn);
             Tensor inverse = GradMode::enabled() ? std::get<0>(inv_ex(a())) : inverse_from(factors);
             in[0] = mul(as_factors(scale), adjoint(inverse));
           });
  return {phase, logarithm};
}

/// LU without pivoting, column by column (Golub & Van Loan 2013, section 3.2.6); returns LAPACK's info.
template <class T>
int factor_unpivoted(int64_t rows, int64_t columns, T* a) {
  int info = 0;
  for (int64_t k = 0; k < std::min(rows, columns); ++k) {
    T* column = a + k * rows;
    if (column[k] == T(0) && !info) info = static_cast<int>(k + 1);
    for (int64_t i = k + 1; i < rows; ++i) column[i] /= column[k];
    for (int64_t j = k + 1; j < columns; ++j)
      for (int64_t i = k + 1; i < rows; ++i) a[j * rows + i] -= column[i] * a[j * rows + k];
  }
  return info;
}

/// Both factors of A in one matrix, LAPACK's pivots from 1, and the number of the first zero pivot, or 0. Without a
/// derivative.
std::tuple<Tensor, Tensor, Tensor> lu_factor_ex(const Tensor& a, bool pivot) {
  check_matrix("torch.lu_factor_ex", a);
  if (needs_gradient(a)) not_implemented("this lu_factor_ex has no derivative; ondol.linalg.lu_factor_ex has");
  int64_t rows = a.size(-2), columns = a.size(-1), rank = std::min(rows, columns);
  Dims batch = batch_of(a);
  Tensor packed = copy_in_columns(a), pivots = empty(with_sizes(batch, {rank}), Dtype::I32);
  Tensor info = empty(batch, Dtype::I32);
  for_product_type(a.dtype(), [&](auto type) {
    using T = decltype(type);
    T* matrices = packed.data<T>();
    auto *swaps = pivots.data<int32_t>(), *infos = info.data<int32_t>();
    launch({{}, {&packed, &pivots, &info}}, packed.numel() * rank, [&] {
      for_matrices(info.numel(), rows * columns * rank / 2 + 200, [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) {
          T* matrix = matrices + i * rows * columns;
          if (!pivot) {
            std::iota(swaps + i * rank, swaps + (i + 1) * rank, 1);
            infos[i] = factor_unpivoted(rows, columns, matrix);
          } else {
            auto m = static_cast<int32_t>(rows);
            infos[i] =
                lapack::getrf(m, static_cast<int32_t>(columns), matrix, std::max(m, int32_t{1}), swaps + i * rank);
          }
        }
      });
    });
  });
  return {packed, pivots, info};
}

/// The order of rows that a sequence of LAPACK's swaps leads to: [*, k] to [*, rows].
Tensor row_order(const Tensor& pivots, int64_t rows) {
  if (pivots.dtype() != Dtype::I32 || pivots.ndim() < 1)
    runtime_error("pivots should be a tensor of torch.int32 with at least one dimension, got ",
                  torch_name(pivots.dtype()), " of shape ", pivots.sizes());
  int64_t steps = pivots.size(-1);
  if (rows < steps) runtime_error("there are ", steps, " pivots for ", rows, " rows");
  Dims sizes = pivots.sizes();
  sizes.back() = rows;
  Tensor swaps = contiguous(detach(pivots)), order = empty(sizes, Dtype::I64);
  if (order.numel() == 0) return order;
  const auto* swap = swaps.data<int32_t>();
  for (int64_t *line = order.data<int64_t>(), *end = line + order.numel(); line < end; line += rows, swap += steps) {
    std::iota(line, line + rows, 0);
    for (int64_t k = 0; k < steps; ++k) {
      if (swap[k] < 1 || swap[k] > rows) index_error("pivot ", swap[k], " is out of range for ", rows, " rows");
      std::swap(line[k], line[swap[k] - 1]);
    }
  }
  return order;
}

}  // namespace

void register_linalg_lu(Registry& r) {
  r.add("linalg.solve_ex(Tensor A, Tensor B, *, bool left=True) -> (Tensor, Tensor)", solve_ex);
  r.add("linalg.inv_ex(Tensor A) -> (Tensor, Tensor)", inv_ex);
  r.add("linalg.det(Tensor A) -> Tensor", det);
  r.add("linalg.slogdet(Tensor A) -> (Tensor, Tensor)", slogdet);
  r.add("linalg.lu_factor_ex(Tensor A, *, bool pivot=True) -> (Tensor, Tensor, Tensor)", lu_factor_ex);
  r.add("linalg.row_order(Tensor pivots, int rows) -> Tensor", row_order);
}

}  // namespace ondol
