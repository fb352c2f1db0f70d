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
void register_ctc(Registry&);
void register_distance(Registry&);
void register_dropout(Registry&);
void register_embedding(Registry&);
void register_embedding_bag(Registry&);
void register_exponential(Registry&);
void register_extreme(Registry&);
void register_fft(Registry&);
void register_fold(Registry&);
void register_gather(Registry&);
void register_grid_sample(Registry&);
void register_indexing(Registry&);
void register_indexing_along(Registry&);
void register_indexing_order(Registry&);
void register_integer(Registry&);
void register_limit(Registry&);
void register_linear(Registry&);
void register_linalg_cholesky(Registry&);
void register_linalg_eigen(Registry&);
void register_linalg_lu(Registry&);
void register_linalg_qr(Registry&);
void register_linalg_singular(Registry&);
void register_loss(Registry&);
void register_margin_loss(Registry&);
void register_masked(Registry&);
void register_math(Registry&);
void register_normalization_channel(Registry&);
void register_normalization_row(Registry&);
void register_optimizer(Registry&);
void register_flat_gradient(Registry&);
void register_padding(Registry&);
void register_padding_continued(Registry&);
void register_pooling_average(Registry&);
void register_pooling_fractional(Registry&);
void register_pooling_max(Registry&);
void register_power(Registry&);
void register_product(Registry&);
void register_random(Registry&);
void register_random_fill(Registry&);
void register_random_gamma(Registry&);
void register_regression_loss(Registry&);
void register_recurrent(Registry&);
void register_recurrent_cells(Registry&);
void register_reduction(Registry&);
void register_reduction_logical(Registry&);
void register_reduction_norm(Registry&);
void register_reduction_product(Registry&);
void register_resampling(Registry&);
void register_rounding(Registry&);
void register_scan(Registry&);
void register_scatter(Registry&);
void register_scatter_reduce(Registry&);
void register_search(Registry&);
void register_softmax(Registry&);
void register_sort(Registry&);
void register_sort_selection(Registry&);
void register_special(Registry&);
void register_statistics(Registry&);
void register_statistics_histogram(Registry&);
void register_strided(Registry&);
void register_triangular(Registry&);
void register_trigonometry(Registry&);
void register_unique(Registry&);
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
                      register_ctc,
                      register_distance,
                      register_dropout,
                      register_embedding,
                      register_embedding_bag,
                      register_exponential,
                      register_extreme,
                      register_fft,
                      register_fold,
                      register_gather,
                      register_grid_sample,
                      register_indexing,
                      register_indexing_along,
                      register_indexing_order,
                      register_integer,
                      register_limit,
                      register_linear,
                      register_linalg_cholesky,
                      register_linalg_eigen,
                      register_linalg_lu,
                      register_linalg_qr,
                      register_linalg_singular,
                      register_loss,
                      register_margin_loss,
                      register_masked,
                      register_math,
                      register_normalization_channel,
                      register_normalization_row,
                      register_optimizer,
                      register_flat_gradient,
                      register_padding,
                      register_padding_continued,
                      register_pooling_average,
                      register_pooling_fractional,
                      register_pooling_max,
                      register_power,
                      register_product,
                      register_random,
                      register_random_fill,
                      register_random_gamma,
                      register_regression_loss,
                      register_recurrent,
                      register_recurrent_cells,
                      register_reduction,
                      register_reduction_logical,
                      register_reduction_norm,
                      register_reduction_product,
                      register_resampling,
                      register_rounding,
                      register_scan,
                      register_scatter,
                      register_scatter_reduce,
                      register_search,
                      register_softmax,
                      register_sort,
                      register_sort_selection,
                      register_special,
                      register_statistics,
                      register_statistics_histogram,
                      register_strided,
                      register_triangular,
                      register_trigonometry,
                      register_unique,
                      register_view})
    family(r);
}

}  // namespace ondol
