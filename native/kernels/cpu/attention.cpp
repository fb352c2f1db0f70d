#include "kernels/cpu/attention.h"

#include "kernels/cpu/attention_parts.h"

namespace ondol::kernel::ONDOL_LEVEL {

void fill(AttentionKernels& kernels) {
  kernels.float32 = {attention_forward<float>, attention_backward<float>};
  kernels.float64 = {attention_forward<double>, attention_backward<double>};
}

}  // namespace ondol::kernel::ONDOL_LEVEL
