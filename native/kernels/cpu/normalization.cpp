#include "kernels/cpu/normalization.h"

#include "kernels/cpu/normalization_parts.h"

namespace ondol::kernel::ONDOL_LEVEL {
namespace {

template <class T>
void fill_functions(NormalizationFunctions<T>& functions) {
  fill_row_normalization(functions);
  fill_group_normalization(functions);
  fill_batch_normalization(functions);
}

}  // namespace

void fill(NormalizationKernels& kernels) {
  fill_functions(kernels.float32);
  fill_functions(kernels.float64);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
