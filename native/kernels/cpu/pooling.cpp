#include "kernels/cpu/pooling.h"

#include "kernels/cpu/pooling_parts.h"

namespace ondol::kernel::ONDOL_LEVEL {

void fill(PoolingKernels& kernels) {
  fill_max_pooling(kernels.float32);
  fill_max_pooling(kernels.float64);
  fill_square_pooling(kernels.float32);
  fill_square_pooling(kernels.float64);
  fill_fractional_pooling(kernels.float32);
  fill_fractional_pooling(kernels.float64);
  fill_average_pooling(kernels.float32);
  fill_average_pooling(kernels.float64);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
