#include "kernels/cpu/conversion.h"

#include "kernels/cpu/conversion_element.h"
#include "kernels/cpu/level.h"

// Conversion of n elements between any two of the dtypes that are computed with.

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

constexpr int64_t tile = 16;  // elements: a tile of both sides stays in the first-level cache

/// Columns become rows, in tiles, so that each line of the cache that is fetched is used up.
template <class T>
void transpose(const char* from, int64_t from_stride, char* to, int64_t to_stride, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; r += tile) {
    const int64_t last_row = r + tile < rows ? r + tile : rows;
    for (int64_t c = 0; c < columns; c += tile) {
      const int64_t last_column = c + tile < columns ? c + tile : columns;
      for (int64_t i = r; i < last_row; ++i) {
        const char* source = from + i * sizeof(T);
        T* target = reinterpret_cast<T*>(to + i * to_stride);
        for (int64_t j = c; j < last_column; ++j) target[j] = *reinterpret_cast<const T*>(source + j * from_stride);
      }
    }
  }
}

template <class... Types>
struct TypeList {};
using ComputedTypes = TypeList<Boolean, uint8_t, int8_t, int16_t, int32_t, int64_t, Half, BFloat16, float, double,
                               ComplexOf<float>, ComplexOf<double>>;

template <class From, class... To>
void fill_row(ConversionKernels::Convert* row, TypeList<To...>) {
  ((*row++ = convert<From, To>), ...);
}
template <class... From>
void fill_rows(ConversionKernels& kernels, TypeList<From...>) {
  int row = 0;
  (fill_row<From>(kernels.convert[row++], ComputedTypes{}), ...);
}

}  // namespace

void fill(ConversionKernels& kernels) {
  fill_rows(kernels, ComputedTypes{});
  kernels.transpose1 = transpose<uint8_t>;
  kernels.transpose2 = transpose<uint16_t>;
  kernels.transpose4 = transpose<uint32_t>;
  kernels.transpose8 = transpose<uint64_t>;
  kernels.transpose16 = transpose<ComplexOf<double>>;
}

}  // namespace ondol::kernel::ONDOL_LEVEL
