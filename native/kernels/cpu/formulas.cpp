#include "kernels/cpu/level.h"
#include "kernels/formula_table.h"

// The files of ops/pointwise, one line each.

namespace ondol::kernel::ONDOL_LEVEL {

void add_activation(FormulaKernels& kernels);
void add_activation_smooth(FormulaKernels& kernels);
void add_arithmetic(FormulaKernels& kernels);
void add_combination(FormulaKernels& kernels);
void add_comparison(FormulaKernels& kernels);
void add_exponential(FormulaKernels& kernels);
void add_integer(FormulaKernels& kernels);
void add_limit(FormulaKernels& kernels);
void add_math(FormulaKernels& kernels);
void add_dropout(FormulaKernels& kernels);
void add_power(FormulaKernels& kernels);
void add_regression_loss(FormulaKernels& kernels);
void add_rounding(FormulaKernels& kernels);
void add_special(FormulaKernels& kernels);
void add_trigonometry(FormulaKernels& kernels);

void fill(FormulaKernels& kernels) {
  add_activation(kernels);
  add_activation_smooth(kernels);
  add_arithmetic(kernels);
  add_combination(kernels);
  add_comparison(kernels);
  add_exponential(kernels);
  add_integer(kernels);
  add_limit(kernels);
  add_math(kernels);
  add_dropout(kernels);
  add_power(kernels);
  add_regression_loss(kernels);
  add_rounding(kernels);
  add_special(kernels);
  add_trigonometry(kernels);
}

}  // namespace ondol::kernel::ONDOL_LEVEL
