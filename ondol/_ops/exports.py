"""Which family module holds which composed function: the names alone, so that nothing is imported to know them.

`tests/ops_composed/test_registry.py` compares these tables with what the decorators say.
"""


def _by_name(table: dict[str, str]) -> dict[str, str]:
    return {name: module for module, names in table.items() for name in names.split()}


_FUNCTIONS = {
    "calculus": "cumulative_trapezoid diff gradient trapezoid trapz",
    "comparison": "allclose argwhere equal is_same_size isclose isin isreal nonzero_static",
    "diagonal": """
        as_strided_scatter diag diag_embed diagflat diagonal_scatter select_scatter slice_scatter trace tril_indices
        triu_indices vander
    """,
    "distance": "cdist dist pdist renorm",
    "einsum": "einsum",
    "histogram": "histogram histogramdd",
    "linalg_function": "matrix_exp matrix_power",
    "linalg_legacy": "cholesky det lu lu_solve pca_lowrank qr slogdet svd svd_lowrank",
    "linalg_lstsq": "pinverse",
    "linalg_lu": "lu_unpack",
    "linalg_norm": "frobenius_norm norm norm_except_dim nuclear_norm",
    "linalg_orthogonal": "geqrf orgqr ormqr",
    "linalg_solve": "inverse logdet",
    "linalg_triangular": "cholesky_inverse cholesky_solve triangular_solve",
    "product": "addbmm addr bilinear chain_matmul cross ger inner kron tensordot vdot",
    "special": "gammainc gammaincc i0 igamma igammac logit multigammaln mvlgamma polygamma sinc xlogy",
    "spectrum": "istft stft",
    "stacking": """
        atleast_1d atleast_2d atleast_3d block_diag broadcast_shapes broadcast_tensors cartesian_prod column_stack
        combinations dsplit dstack fliplr flipud hsplit hstack meshgrid msort rot90 row_stack sum_to_size swapdims
        take_along_dim tensor_split unravel_index vsplit vstack
    """,
    "statistics": """
        aminmax corrcoef cov logcumsumexp nanmean nanmedian nanquantile nansum quantile std_mean var_mean
    """,
    "window": "bartlett_window blackman_window hamming_window hann_window kaiser_window",
}
_METHODS = {
    "calculus": "diff",
    "comparison": "allclose argwhere equal is_same_size isclose isreal nonzero_static",
    "diagonal": """
        as_strided_scatter diag diag_embed diagflat diagonal_scatter select_scatter slice_scatter trace
    """,
    "distance": "dist renorm",
    "histogram": "histogram",
    "linalg_function": "matrix_exp matrix_power",
    "linalg_legacy": "cholesky det lu lu_solve qr slogdet svd",
    "linalg_lstsq": "pinverse",
    "linalg_norm": "norm",
    "linalg_orthogonal": "geqrf orgqr ormqr",
    "linalg_solve": "inverse logdet",
    "linalg_triangular": "cholesky_inverse cholesky_solve triangular_solve",
    "product": "addbmm addr cross ger inner kron vdot",
    "special": "gammainc gammaincc i0 igamma igammac logit multigammaln mvlgamma polygamma sinc xlogy",
    "spectrum": "istft stft",
    "stacking": """
        dsplit fliplr flipud hsplit msort rot90 sum_to_size swapdims take_along_dim tensor_split unravel_index
        vsplit
    """,
    "statistics": "aminmax corrcoef cov logcumsumexp nanmean nanmedian nanquantile nansum quantile",
}
_INPLACE = {
    "distance": "renorm",
    "product": "addbmm addr",
    "special": "gammainc gammaincc i0 igamma igammac logit multigammaln mvlgamma polygamma sinc xlogy",
}

FUNCTIONS = _by_name(_FUNCTIONS)
"""Name in `ondol` → module in `ondol._ops`."""

METHODS = _by_name(_METHODS)
"""Name of a Tensor method → module."""

INPLACE = _by_name(_INPLACE)
"""Name of a Tensor method that also exists as `name_` → module."""
