// QR factors by Householder reflectors.

#include <cstring>

#include "ops/linalg.h"
#include "ops/registry.h"
#include "ops/triangular.h"

namespace ondol {
namespace {

/// LAPACK's compact form: R in and above the diagonal, reflectors below, and their scales.
std::tuple<Tensor, Tensor> compact_factors(const Tensor& a) {
  int64_t rows = a.size(-2), columns = a.size(-1), rank = std::min(rows, columns);
  Tensor packed = copy_in_columns(a), tau = empty(with_sizes(batch_of(a), {rank}), a.dtype());
  if (tau.numel() == 0) return {packed, tau};
  for_product_type(a.dtype(), [&](auto type) {
    using T = decltype(type);
    T *matrices = packed.data<T>(), *scales = tau.data<T>();
    launch({{}, {&packed, &tau}}, packed.numel() * rank, [&] {
      for_matrices(tau.numel() / rank, rows * columns * rank + 200, [&](int64_t first, int64_t last) {
        lapack::Reflectors<T> reflectors(static_cast<int32_t>(rows), static_cast<int32_t>(columns),
                                         static_cast<int32_t>(rank));
        for (int64_t i = first; i < last; ++i) reflectors.factor(matrices + i * rows * columns, scales + i * rank);
      });
    });
  });
  return {packed, tau};
}

std::tuple<Tensor, Tensor> geqrf(const Tensor& a) {
  check_matrix("geqrf", a, "input");
  if (needs_gradient(a)) not_implemented("the derivative for 'geqrf' is not implemented; use ondol.linalg.qr");
  return compact_factors(a);
}

struct QR {
  Tensor q, r;
};

/// Q with `columns` columns and R with as many rows, both with contiguous columns.
QR factors(const Tensor& a, int64_t columns) {
  auto [packed, tau] = compact_factors(a);
  int64_t m = a.size(-2), n = a.size(-1), rank = std::min(m, n);
  Dims batch = batch_of(a);
  QR result{empty_columns(batch, m, columns, a.dtype()), empty_columns(batch, columns, n, a.dtype())};
  if (result.q.numel() == 0 && result.r.numel() == 0) return result;
  for_product_type(a.dtype(), [&](auto type) {
    using T = decltype(type);
    const T *compact = packed.template data<T>(), *scales = tau.template data<T>();
    T *q = result.q.data<T>(), *r = result.r.data<T>();
    launch({{&packed, &tau}, {&result.q, &result.r}}, result.q.numel() * rank, [&] {
      for_matrices(count_elements(batch), m * columns * rank + 200, [&](int64_t first, int64_t last) {
        lapack::Reflectors<T> reflectors(static_cast<int32_t>(m), static_cast<int32_t>(n),
                                         static_cast<int32_t>(columns));
        for (int64_t i = first; i < last; ++i) {
          const T* from = compact + i * m * n;
          for (int64_t column = 0; column < n; ++column) {
            T* to = r + (i * n + column) * columns;
            int64_t filled = std::min(column + 1, rank);
            std::copy_n(from + column * m, filled, to);
            std::fill(to + filled, to + columns, T(0));
          }
          std::copy_n(from, m * rank, q + i * m * columns);
          if (m > 0 && columns > 0) reflectors.expand(q + i * m * columns, scales + i * rank);
        }
      });
    });
  });
  return result;
}

/// Of a matrix with at least as many rows as columns. Derivative: Walter & Lehmann 2018, "Algorithmic differentiation
/// of linear algebra functions"; Seeger et al. 2017, "Auto-differentiating linear algebra", section 4.3.
Tensor tall_gradient(const Tensor& q, const Tensor& r, const Tensor& q_gradient, const Tensor& r_gradient) {
  Tensor inside = sub(matmul(r, adjoint(r_gradient)), matmul(adjoint(q_gradient), q));
  Tensor below = tril(inside, -1), middle = real(diagonal(inside, 0, -2, -1));  // R has a real diagonal
  Tensor symmetric = add(add(below, adjoint(below)), to_dtype(diag_embed(middle), inside.dtype()));
  return solve_triangular(adjoint(r), add(q_gradient, matmul(q, symmetric)), false, false);
}

Tensor qr_backward(const Tensor& q, const Tensor& r, Tensor q_gradient, Tensor r_gradient) {
  int64_t rows = q.size(-2), columns = r.size(-1);
  if (q.size(-1) > columns)
    runtime_error("The QR decomposition is not differentiable when mode='complete' and nrows > ncols");
  if (!q_gradient.defined()) q_gradient = zeros_like(q);
  if (!r_gradient.defined()) r_gradient = zeros_like(r);
  if (columns <= rows) return tall_gradient(q, r, q_gradient, r_gradient);
  // A = [X | Y], R = [U | Qᴴ Y]
  int64_t others = columns - rows;
  Tensor rest = narrow(r, -1, rows, others), rest_gradient = narrow(r_gradient, -1, rows, others);
  q_gradient = add(q_gradient, matmul(matmul(q, rest), adjoint(rest_gradient)));
  Tensor head = tall_gradient(q, narrow(r, -1, 0, rows), q_gradient, narrow(r_gradient, -1, 0, rows));
  return cat({head, matmul(q, rest_gradient)}, -1);
}

std::tuple<Tensor, Tensor> qr(const Tensor& a, std::string_view mode) {
  check_matrix("linalg.qr", a);
  if (mode != "reduced" && mode != "complete" && mode != "r")
    runtime_error("qr received unrecognized mode '", mode,
                  "' but expected one of 'reduced' (default), 'r', or 'complete'");
  int64_t rank = std::min(a.size(-2), a.size(-1));
  if (mode == "r") {
    if (needs_gradient(a))
      runtime_error(
          "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use "
          "linalg.qr(A, mode='reduced') if you require gradients");
    return {empty({0}, a.dtype()), triu(narrow(std::get<0>(compact_factors(a)), -2, 0, rank))};
  }
  auto [q, r] = factors(a, mode == "complete" ? a.size(-2) : rank);
  if (needs_gradient(a))
    record("LinalgQrBackward0", {q, r}, {a},
           [q = save_output(q), r = save_output(r, 1)](std::span<const Tensor> gradients, Gradients& in) {
             if (gradients[0].defined() || gradients[1].defined())
               in[0] = qr_backward(q(), r(), gradients[0], gradients[1]);
           });
  return {q, r};
}

}  // namespace

void register_linalg_qr(Registry& r) {
  r.add("linalg.qr(Tensor A, str mode='reduced') -> (Tensor, Tensor)", qr);
  r.add("linalg.geqrf(Tensor input) -> (Tensor, Tensor)", geqrf);
}

}  // namespace ondol
