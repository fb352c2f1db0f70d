#include "ops/registry.h"

namespace ondol {

// One line a family: a file of this folder or of pointwise/.
void register_activation(Registry&);
void register_activation_smooth(Registry&);
void register_arithmetic(Registry&);
void register_attention(Registry&);
void register_combination(Registry&);
void register_comparison(Registry&);
void register_complex(Registry&);
void register_convolution(Registry&);
void register_copy(Registry&);
void register_creation(Registry&);
void register_exponential(Registry&);
void register_extreme(Registry&);
void register_fold(Registry&);
void register_gather(Registry&);
void register_indexing(Registry&);
void register_indexing_along(Registry&);
void register_integer(Registry&);
void register_limit(Registry&);
void register_linear(Registry&);
void register_masked(Registry&);
void register_math(Registry&);
void register_optimizer(Registry&);
void register_padding(Registry&);
void register_power(Registry&);
void register_product(Registry&);
void register_random(Registry&);
void register_random_fill(Registry&);
void register_recurrent(Registry&);
void register_recurrent_cells(Registry&);
void register_reduction(Registry&);
void register_reduction_logical(Registry&);
void register_rounding(Registry&);
void register_scatter(Registry&);
void register_scatter_reduce(Registry&);
void register_search(Registry&);
void register_special(Registry&);
void register_strided(Registry&);
void register_trigonometry(Registry&);
void register_view(Registry&);

void register_all(Registry& r) {
  for (auto family : {register_activation,
                      register_activation_smooth,
                      register_arithmetic,
                      register_attention,
                      register_combination,
                      register_comparison,
                      register_complex,
                      register_convolution,
                      register_copy,
                      register_creation,
                      register_exponential,
                      register_extreme,
                      register_fold,
                      register_gather,
                      register_indexing,
                      register_indexing_along,
                      register_integer,
                      register_limit,
                      register_linear,
                      register_masked,
                      register_math,
                      register_optimizer,
                      register_padding,
                      register_power,
                      register_product,
                      register_random,
                      register_random_fill,
                      register_recurrent,
                      register_recurrent_cells,
                      register_reduction,
                      register_reduction_logical,
                      register_rounding,
                      register_scatter,
                      register_scatter_reduce,
                      register_search,
                      register_special,
                      register_strided,
                      register_trigonometry,
                      register_view})
    family(r);
}

}  // namespace ondol
