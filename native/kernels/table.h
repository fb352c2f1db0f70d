#pragma once

// All kernels of one instruction set, by family. Each family declares its function pointers in kernels/cpu/<family>.h
// and fills them in kernels/cpu/<family>.cpp.

#include "kernels/cpu/attention.h"
#include "kernels/cpu/conversion.h"
#include "kernels/cpu/convolution.h"
#include "kernels/cpu/ctc.h"
#include "kernels/cpu/distance.h"
#include "kernels/cpu/fft.h"
#include "kernels/cpu/normalization.h"
#include "kernels/cpu/optimizer.h"
#include "kernels/cpu/pooling.h"
#include "kernels/cpu/product.h"
#include "kernels/cpu/recurrent.h"
#include "kernels/cpu/reduction.h"
#include "kernels/cpu/scan.h"
#include "kernels/cpu/softmax.h"
#include "kernels/cpu/sort.h"
#include "kernels/formula_table.h"

namespace ondol::kernel {

struct Table {
  AttentionKernels attention;
  ConversionKernels conversion;
  ConvolutionKernels convolution;
  CtcKernels ctc;
  DistanceKernels distance;
  FftKernels fft;
  FormulaKernels formulas;
  NormalizationKernels normalization;
  OptimizerKernels optimizer;
  PoolingKernels pooling;
  ProductKernels product;
  RecurrentKernels recurrent;
  ReductionKernels reduction;
  ScanKernels scan;
  SoftmaxKernels softmax;
  SortKernels sort;
};

/// The kernels of the best instruction set that this processor has, or of the one that ONDOL_CPU_LEVEL names.
const Table& table();

}  // namespace ondol::kernel
