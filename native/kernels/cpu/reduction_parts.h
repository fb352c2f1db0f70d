#pragma once

#include "kernels/cpu/level.h"
#include "kernels/cpu/reduction.h"

namespace ondol::kernel::ONDOL_LEVEL {

// The parts of the reduction family that live in files of their own; fill(ReductionKernels&) calls them.
void fill_indexed_reductions(ReductionKernels& k);
void fill_statistics(ReductionKernels& k);
void fill_counts(ReductionKernels& k);

}  // namespace ondol::kernel::ONDOL_LEVEL
