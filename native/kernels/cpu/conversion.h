#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace ondol::kernel {

/// Conversion between dtypes, element by element.
struct ConversionKernels {
  /// n elements; the strides are in bytes. The ranges must not overlap unless both dtypes and positions are the same.
  using Convert = void (*)(const char* from, int64_t from_stride, char* to, int64_t to_stride, int64_t n);
  /// [from][to], in the order of Dtype.
  Convert convert[kDtypeCount][kDtypeCount];

  /// to[i][j] = from[j][i] for elements of 1 to 16 bytes: rows of `columns` elements, `to_stride` bytes apart, are
  /// filled from columns whose elements lie `from_stride` bytes apart and which lie one element apart.
  using Transpose = void (*)(const char* from, int64_t from_stride, char* to, int64_t to_stride, int64_t rows,
                             int64_t columns);
  Transpose transpose1, transpose2, transpose4, transpose8, transpose16;
};

/// The conversions from and to dtypes that are only stored; the others come from each instruction set.
void fill_storage_conversions(ConversionKernels& kernels);

}  // namespace ondol::kernel
