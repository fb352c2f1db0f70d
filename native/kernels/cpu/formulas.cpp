#include "kernels/cpu/level.h"
#include "kernels/formula_table.h"

// The files of ops/pointwise, one line each.

namespace ondol::kernel::ONDOL_LEVEL {

void add_arithmetic(FormulaKernels& kernels);
void add_comparison(FormulaKernels& kernels);
void add_integer(FormulaKernels& kernels);
void add_math(FormulaKernels& kernels);
void add_power(FormulaKernels& kernels);

void fill(FormulaKernels& kernels) {
  add_arithmetic(kernels);
  add_comparison(kernels);
  add_integer(kernels);
  add_math(kernels);
  add_power(kernels);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
