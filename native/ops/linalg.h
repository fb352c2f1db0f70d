#pragma once

// What the families of linear algebra share: checks, stacks of matrices as LAPACK wants them, and loops over a stack.

#include <limits>

#include "base/lapack.h"
#include "base/parallel.h"
#include "ops/functions.h"
#include "ops/matrix.h"
#include "tensor/launch.h"

namespace ondol {

/// Floating or complex and of full precision, with at least two dimensions.
inline void check_matrix(const char* operation, const Tensor& a, const char* argument = "A") {
  if (is_integral(a.dtype()))
    runtime_error(operation, ": Expected a floating point or complex tensor as input. Got ", torch_name(a.dtype()));
  if (a.dtype() == Dtype::F16 || a.dtype() == Dtype::BF16)
    runtime_error(operation, ": Low precision dtypes not supported. Got ", torch_name(a.dtype()));
  if (a.ndim() < 2) runtime_error(operation, ": The input tensor ", argument, " must have at least 2 dimensions.");
  for (int64_t size : {a.size(-2), a.size(-1)})
    if (size > std::numeric_limits<int32_t>::max())
      runtime_error(operation, ": LAPACK takes no matrices of more than 2^31 - 1 rows or columns, got ", size);
}
inline void check_square(const char* operation, const Tensor& a, const char* argument = "A") {
  check_matrix(operation, a, argument);
  if (a.size(-2) != a.size(-1))
    runtime_error(operation, ": ", argument, " must be batches of square matrices, but they are ", a.size(-2), " by ",
                  a.size(-1), " matrices");
}
inline void check_same_dtype(const char* operation, const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype())
    runtime_error(operation, ": Expected both inputs to have the same dtype, but got ", torch_name(a.dtype()), " and ",
                  torch_name(b.dtype()));
}

/// The dimensions before the last two.
inline Dims batch_of(const Tensor& a) { return Dims(a.sizes().begin(), a.sizes().end() - 2); }
inline Dims with_sizes(Dims batch, std::initializer_list<int64_t> sizes) {
  for (int64_t size : sizes) batch.push_back(size);
  return batch;
}
/// Broadcast to a batch shape; the tensor itself if it has it.
inline Tensor in_batch(const Tensor& a, const Dims& batch) {
  Dims sizes = with_sizes(batch, {a.size(-2), a.size(-1)});
  return a.sizes() == sizes ? a : expand(a, sizes);
}

inline Tensor adjoint(const Tensor& a) {
  Tensor transposed = transpose(a, -2, -1);
  return is_complex(a.dtype()) ? conj(transposed) : transposed;
}
/// Numbers, one a matrix, so that they multiply matrices.
inline Tensor as_factors(const Tensor& numbers) { return unsqueeze(unsqueeze(numbers, -1), -1); }

/// Fresh matrices whose columns are contiguous.
inline Tensor empty_columns(const Dims& batch, int64_t rows, int64_t columns, Dtype dtype) {
  Dims sizes = with_sizes(batch, {rows, columns}), strides(sizes.size(), 1);
  int64_t step = std::max<int64_t>(rows, 1) * std::max<int64_t>(columns, 1);
  for (int64_t d = batch.ssize() - 1; d >= 0; --d) {
    strides[d] = step;
    step *= std::max<int64_t>(sizes[d], 1);
  }
  strides[batch.size() + 1] = std::max<int64_t>(rows, 1);
  return empty_strided(sizes, strides, dtype);
}
/// Copies for LAPACK to overwrite, without history: rows contiguous (LAPACK sees the transposed matrix) or columns.
inline Tensor copy_in_rows(const Tensor& a) {
  Tensor copy = empty(a.sizes(), a.dtype());
  copy_elements(detach(a), copy);
  return copy;
}
inline Tensor copy_in_columns(const Tensor& a) {
  Tensor copy = empty_columns(batch_of(a), a.size(-2), a.size(-1), a.dtype());
  copy_elements(detach(a), copy);
  return copy;
}

/// body(first, last) for ranges that cover the `count` matrices of a stack, each of which takes about `work`
/// multiplications. Beside each other, but each matrix on one thread.
template <class Body>
void for_matrices(int64_t count, int64_t work, Body&& body) {
  constexpr int64_t kWorthThread = 50'000;
  if (count > 0) parallel_for(count, 1 + kWorthThread / std::max<int64_t>(work, 1), body);
}

/// Whether all numbers are finite: LAPACK's iterations need not end otherwise.
template <class T>
bool all_finite(const T* values, int64_t count) {
  const auto* parts = reinterpret_cast<const lapack::Real<T>*>(values);
  lapack::Real<T> sum = 0;  // of zeros, unless there is an infinity or NaN
  for (int64_t i = 0, n = count * static_cast<int64_t>(sizeof(T) / sizeof(*parts)); i < n; ++i) sum += parts[i] * 0;
  return sum == 0;
}

/// The singular values and vectors of a, without history: U, S, Vh (ops/linalg_singular.cpp).
struct SingularParts {
  Tensor u, s, vh, info;
};
SingularParts singular_parts(const Tensor& a, lapack::Vectors vectors);

/// X with A X = B for triangular A (X A = B unless left); the other triangle is not read (ops/linalg_cholesky.cpp).
Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left = true, bool unitriangular = false);

}  // namespace ondol
