"""Linear algebra: PyTorch's `torch.linalg`, computed by LAPACK, with derivatives of any order."""

from ondol import matmul
from ondol._ops.linalg_checks import LinAlgError
from ondol._ops.linalg_eigen import eig, eigh, eigvals, eigvalsh, svd, svdvals
from ondol._ops.linalg_function import linalg_cross as cross
from ondol._ops.linalg_function import linalg_diagonal as diagonal
from ondol._ops.linalg_function import linalg_vander as vander
from ondol._ops.linalg_function import matrix_exp, matrix_power, multi_dot, vecdot
from ondol._ops.linalg_ldl import ldl_factor, ldl_factor_ex, ldl_solve
from ondol._ops.linalg_lstsq import lstsq, matrix_rank, pinv
from ondol._ops.linalg_lu import lu, lu_factor, lu_factor_ex, lu_solve
from ondol._ops.linalg_norm import cond, matrix_norm, vector_norm
from ondol._ops.linalg_norm import linalg_norm as norm
from ondol._ops.linalg_orthogonal import householder_product, qr
from ondol._ops.linalg_solve import det, inv, inv_ex, slogdet, solve, solve_ex, tensorinv, tensorsolve
from ondol._ops.linalg_triangular import cholesky, cholesky_ex, solve_triangular

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals",
    "eigvalsh", "householder_product", "inv", "inv_ex", "ldl_factor", "ldl_factor_ex", "ldl_solve", "lstsq", "lu",
    "lu_factor", "lu_factor_ex", "lu_solve", "matmul", "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank",
    "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "solve_ex", "solve_triangular", "svd", "svdvals",
    "tensorinv", "tensorsolve", "vander", "vecdot", "vector_norm",
]  # fmt: skip
