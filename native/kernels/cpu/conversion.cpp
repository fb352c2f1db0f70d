#include "kernels/cpu/conversion.h"

#include "kernels/cpu/conversion_element.h"
#include "kernels/cpu/level.h"

// Conversion of n elements between any two of the dtypes that are computed with.

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

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

void fill(ConversionKernels& kernels) { fill_rows(kernels, ComputedTypes{}); }

}  // namespace ondol::kernel::ONDOL_LEVEL
