#include "ops/registry.h"

namespace ondol {

// One line a family: a file of this folder or of pointwise/.
void register_arithmetic(Registry&);
void register_comparison(Registry&);
void register_copy(Registry&);
void register_creation(Registry&);
void register_indexing(Registry&);
void register_integer(Registry&);
void register_math(Registry&);
void register_power(Registry&);
void register_product(Registry&);
void register_reduction(Registry&);
void register_strided(Registry&);
void register_view(Registry&);
void register_convolution(Registry&);
void register_linear(Registry&);
void register_pooling_average(Registry&);
void register_pooling_max(Registry&);
void register_random(Registry&);
void register_random_fill(Registry&);

void register_all(Registry& r) {
  for (auto family : {register_arithmetic, register_comparison, register_copy, register_creation, register_indexing,
                      register_integer, register_math, register_power, register_product, register_reduction,
                      register_strided, register_view, register_convolution, register_linear, register_pooling_average,
                      register_pooling_max, register_random, register_random_fill})
    family(r);
}

}  // namespace ondol
