"""Which family module holds which composed function: the names alone, so that nothing is imported to know them.

`tests/ops_composed/test_registry.py` compares these tables with what the decorators say.
"""


def _by_name(table: dict[str, str]) -> dict[str, str]:
    return {name: module for module, names in table.items() for name in names.split()}


_FUNCTIONS = {
    "calculus": "cumulative_trapezoid diff gradient trapezoid trapz",
    "comparison": "allclose equal is_same_size isclose isin nonzero_static",
    "copies": """
        alias_copy as_strided_copy detach_copy diagonal_copy empty_permuted expand_copy narrow_copy
        permute_copy select_copy split_copy split_with_sizes_copy squeeze_copy t_copy transpose_copy unbind_copy
        unfold_copy unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze_copy view_as_complex_copy
        view_as_real_copy view_copy
    """,
    "diagonal": "diagflat diagonal_scatter select_scatter slice_scatter tril_indices triu_indices vander",
    "distance": "cdist dist pdist renorm",
    "einsum": "einsum",
    "hashing": "hash_tensor",
    "histogram": "histogram histogramdd",
    "linalg_function": "matrix_exp matrix_power",
    "linalg_legacy": "cholesky det lu lu_solve pca_lowrank qr slogdet svd svd_lowrank",
    "linalg_lobpcg": "lobpcg",
    "linalg_lstsq": "pinverse",
    "linalg_lu": "lu_unpack",
    "linalg_norm": "frobenius_norm norm norm_except_dim nuclear_norm",
    "linalg_orthogonal": "geqrf orgqr ormqr",
    "linalg_solve": "inverse logdet",
    "linalg_triangular": "cholesky_inverse cholesky_solve triangular_solve",
    "native_norm": "native_batch_norm native_group_norm native_layer_norm",
    "pointwise": "frexp",
    "product": "chain_matmul cross inner kron tensordot",
    "special": "i0 igamma igammac mvlgamma",
    "spectrum": "istft stft",
    "stacking": """
        atleast_1d atleast_2d atleast_3d block_diag broadcast_shapes broadcast_tensors cartesian_prod column_stack
        combinations dsplit dstack fliplr flipud hsplit hstack meshgrid rot90 row_stack tensor_split
        unravel_index vsplit vstack
    """,
    "statistics": "corrcoef cov nanquantile quantile",
    "window": "bartlett_window blackman_window hamming_window hann_window kaiser_window",
}
_METHODS = {
    "calculus": "diff",
    "comparison": "allclose equal is_same_size isclose nonzero_static",
    "copies": "narrow_copy unsafe_chunk unsafe_split unsafe_split_with_sizes",
    "diagonal": "diagflat diagonal_scatter select_scatter slice_scatter",
    "distance": "dist renorm",
    "hashing": "hash_tensor",
    "histogram": "histogram",
    "linalg_function": "matrix_exp matrix_power",
    "linalg_legacy": "cholesky det lu lu_solve qr slogdet svd",
    "linalg_lstsq": "pinverse",
    "linalg_norm": "norm",
    "linalg_orthogonal": "geqrf orgqr ormqr",
    "linalg_solve": "inverse logdet",
    "linalg_triangular": "cholesky_inverse cholesky_solve triangular_solve",
    "pointwise": "frexp",
    "product": "cross inner kron",
    "special": "i0 igamma igammac mvlgamma",
    "spectrum": "istft stft",
    "stacking": "dsplit fliplr flipud hsplit rot90 tensor_split unravel_index vsplit",
    "statistics": "corrcoef cov nanquantile quantile",
}
_INPLACE = {
    "distance": "renorm",
    "special": "i0 igamma igammac mvlgamma",
}

FUNCTIONS = _by_name(_FUNCTIONS)
"""Name in `ondol` → module in `ondol._ops`."""

METHODS = _by_name(_METHODS)
"""Name of a Tensor method → module."""

INPLACE = _by_name(_INPLACE)
"""Name of a Tensor method that also exists as `name_` → module."""
