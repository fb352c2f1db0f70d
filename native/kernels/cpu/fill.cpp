// Gathers the kernels of one instruction set: every family's own fill, from kernels/cpu/<family>.cpp.

#include "kernels/cpu/level.h"
#include "kernels/table.h"

namespace ondol::kernel::ONDOL_LEVEL {

void fill(AttentionKernels& kernels);
void fill(ConversionKernels& kernels);
void fill(ConvolutionKernels& kernels);
void fill(CtcKernels& kernels);
void fill(DistanceKernels& kernels);
void fill(FftKernels& kernels);
void fill(FormulaKernels& kernels);
void fill(NormalizationKernels& kernels);
void fill(OptimizerKernels& kernels);
void fill(PoolingKernels& kernels);
void fill(ProductKernels& kernels);
void fill(RecurrentKernels& kernels);
void fill(ReductionKernels& kernels);
void fill(ScanKernels& kernels);
void fill(SoftmaxKernels& kernels);
void fill(SortKernels& kernels);

void fill(Table& table) {
  fill(table.attention);
  fill(table.conversion);
  fill(table.convolution);
  fill(table.ctc);
  fill(table.distance);
  fill(table.fft);
  fill(table.formulas);
  fill(table.normalization);
  fill(table.optimizer);
  fill(table.pooling);
  fill(table.product);
  fill(table.recurrent);
  fill(table.reduction);
  fill(table.scan);
  fill(table.softmax);
  fill(table.sort);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
