#pragma once

// Tensors as matrices.

#include "ops/multiply.h"
#include "tensor/launch.h"
#include "tensor/pointwise.h"
#include "tensor/tensor.h"

namespace ondol {

/// A matrix with contiguous rows or columns, `leading` elements apart. In a stack of matrices each begins `batch`
/// elements after the last.
struct Matrix {
  Tensor tensor;
  bool transposed;
  int64_t leading;
  int64_t batch = 0;
};

/// The last two dimensions of a tensor with two or three as matrices; what the library cannot take is copied.
inline Matrix as_matrix(const Tensor& tensor) {
  size_t first = tensor.sizes().size() - 2;
  int64_t rows = tensor.sizes()[first], columns = tensor.sizes()[first + 1];
  int64_t row = tensor.strides()[first], column = tensor.strides()[first + 1];
  int64_t batch = first ? tensor.strides()[0] : 0;
  if ((column == 1 || columns == 1) && (row >= std::max<int64_t>(columns, 1) || rows == 1))
    return {tensor, false, std::max({row, columns, int64_t{1}}), batch};
  if ((row == 1 || rows == 1) && (column >= std::max<int64_t>(rows, 1) || columns == 1))
    return {tensor, true, std::max({column, rows, int64_t{1}}), batch};
  Tensor copy = empty(tensor.sizes(), tensor.dtype());
  copy_elements(tensor, copy);
  return {copy, false, std::max<int64_t>(columns, 1), rows * columns};
}

/// c = a b (+ bias of each column, or + c), where c is contiguous [m, n].
template <class T>
void multiply(const Matrix& a, const Matrix& b, const Tensor& c, int64_t m, int64_t n, int64_t k,
              const T* bias = nullptr) {
  launch({{&a.tensor, &b.tensor}, {&c}}, m * n * std::max<int64_t>(k, 1), [&] {
    multiply<T>({a.tensor.template data<T>(), a.leading, a.transposed},
                {b.tensor.template data<T>(), b.leading, b.transposed}, m, n, k, c.template data<T>(), bias);
  });
}

/// The dtype in which matrices of a dtype are multiplied: halves in float, integers in int64.
inline Dtype product_dtype(Dtype dtype) {
  if (is_storage_only(dtype) || dtype == Dtype::C32)
    not_implemented("a matrix product is not implemented for '", torch_name(dtype), "'; convert the tensors first");
  if (is_integral(dtype)) return Dtype::I64;
  return dtype == Dtype::F16 || dtype == Dtype::BF16 ? Dtype::F32 : dtype;
}

/// Calls f with a value of the C++ type of a dtype that the library multiplies; false for integers.
template <class F>
bool for_product_type(Dtype dtype, F f) {
  switch (dtype) {
    case Dtype::F32:
      f(float{});
      return true;
    case Dtype::F64:
      f(double{});
      return true;
    case Dtype::C64:
      f(c64{});
      return true;
    case Dtype::C128:
      f(c128{});
      return true;
    default:
      return false;
  }
}

}  // namespace ondol
