#include "kernels/cpu/conversion_element.h"
#include "kernels/table.h"

namespace ondol::kernel {
namespace {

template <class... Types>
struct TypeList {
  static constexpr int count = sizeof...(Types);
};
using Computed = TypeList<Boolean, uint8_t, int8_t, int16_t, int32_t, int64_t, Half, BFloat16, float, double,
                          ComplexOf<float>, ComplexOf<double>>;
using Stored = TypeList<uint16_t, uint32_t, uint64_t, Float8E5M2, Float8E4M3, ComplexOf<Half>>;

template <class From, class... To>
void fill_row(ConversionKernels::Convert* row, TypeList<To...>) {
  ((*row++ = convert<From, To>), ...);
}
template <class Targets, class... From>
void fill_block(ConversionKernels& kernels, int row, int column, TypeList<From...>) {
  (fill_row<From>(kernels.convert[row++] + column, Targets{}), ...);
}

}  // namespace

void fill_storage_conversions(ConversionKernels& kernels) {
  fill_block<Stored>(kernels, 0, Computed::count, Computed{});
  fill_block<Computed>(kernels, Computed::count, 0, Stored{});
  fill_block<Stored>(kernels, Computed::count, Computed::count, Stored{});
}

}  // namespace ondol::kernel
