#include "kernels/cpu/recurrent_kernels.h"

namespace ondol::kernel::ONDOL_LEVEL {

void fill(RecurrentKernels& kernels) {
  kernels.float32 = {recurrent_forward<float>, recurrent_backward<float>};
  kernels.float64 = {recurrent_forward<double>, recurrent_backward<double>};
}

}  // namespace ondol::kernel::ONDOL_LEVEL
