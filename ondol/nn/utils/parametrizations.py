"""Parametrizations that come with the library: orthogonal, weight and spectral normalization."""

from __future__ import annotations

from typing import Any

import ondol

from .. import functional as F
from ..modules import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Module
from .parametrize import register_parametrization
from .weight_norm import norm_except_dim

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

_MAPS = ("matrix_exp", "cayley", "householder")


def _is_orthogonal(q: ondol.Tensor) -> bool:
    eye = ondol.eye(q.size(-1), dtype=q.dtype)
    eps = 10.0 * q.size(-2) * ondol.finfo(q.dtype).eps
    return bool(((q.mT.conj() @ q - eye).abs() <= eps).all())


def _make_orthogonal(a: ondol.Tensor) -> ondol.Tensor:
    q, r = ondol.linalg.qr(a)
    return q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)


class _Orthogonal(Module):
    """Matrices with orthonormal columns, or rows where there are more columns (Lezcano-Casado 2019)."""

    base: ondol.Tensor | None

    def __init__(self, weight: ondol.Tensor, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: ondol.Tensor) -> ondol.Tensor:
        wide = x.size(-2) < x.size(-1)
        if wide:
            x = x.mT
        n, k = x.size(-2), x.size(-1)
        if self.orthogonal_map == "householder":
            a = x.tril(-1)
            reflectors = a + ondol.eye(n, k, dtype=x.dtype)
            tau = 2.0 / (1.0 + (a * a).sum(-2))
            q = ondol.linalg.householder_product(reflectors, tau)
            q = q * x.diagonal(dim1=-2, dim2=-1).int().to(x.dtype).unsqueeze(-2)
        else:
            a = x.tril()
            if n != k:
                a = ondol.cat([a, a.new_zeros((*a.shape[:-2], n, n - k))], dim=-1)
            skew = a - a.mH
            if self.orthogonal_map == "matrix_exp":
                q = ondol.matrix_exp(skew)
            else:  # Cayley: (I + A/2)(I − A/2)⁻¹
                eye = ondol.eye(n, dtype=skew.dtype)
                q = ondol.linalg.solve(eye - skew / 2, eye + skew / 2)
            if n != k:
                q = q[..., :k]
        if getattr(self, "base", None) is not None:
            q = self.base @ q
        return q.mT if wide else q

    def right_inverse(self, q: ondol.Tensor) -> ondol.Tensor:
        if q.shape != self.shape:
            raise ValueError(f"Expected a matrix or batch of matrices of shape {self.shape}. Got shape {q.shape}.")
        wide = q.size(-2) < q.size(-1)
        matrix = q.mT if wide else q
        n, k = matrix.size(-2), matrix.size(-1)
        if not hasattr(self, "base"):
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley map without trivialization"
                )
            # Reflectors and signs by a QR decomposition of the matrix, in LAPACK's compact form.
            a, _ = ondol.geqrf(matrix)
            a.diagonal(dim1=-2, dim2=-1).sign_()
            flipped = a.diagonal(dim1=-2, dim2=-1)
            flipped[flipped == 0.0] = 1.0
            return a.mT if wide else a
        if n == k:
            base = matrix.clone() if _is_orthogonal(matrix) else _make_orthogonal(matrix)
        else:
            filler = ondol.randn(*matrix.shape[:-2], n, n - k, dtype=matrix.dtype)
            base = _make_orthogonal(ondol.cat([matrix, filler], dim=-1))
        self.base = base
        start = (
            (-ondol.eye(n, k, dtype=matrix.dtype)).expand(matrix.shape).clone()
        )  # every map takes it to the identity
        return start.mT if wide else start


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keep a matrix orthogonal while it is learned (Lezcano-Casado & Martínez-Rubio 2019).

    Args:
        orthogonal_map: `"matrix_exp"` (for square matrices and up), `"cayley"` or `"householder"`.
        use_trivialization: start at the present value by a base point, which makes assignment possible.

    Raises:
        ValueError: if the tensor has fewer than 2 dimensions, or for an unknown map.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, ondol.Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.dim() < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.dim()} dimensions.")
    if orthogonal_map is None:
        square = weight.size(-2) == weight.size(-1)
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    parametrization = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, parametrization, unsafe=True)


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: ondol.Tensor, weight_v: ondol.Tensor) -> ondol.Tensor:
        return weight_v * (weight_g / norm_except_dim(weight_v, self.dim))

    def right_inverse(self, weight: ondol.Tensor) -> tuple[ondol.Tensor, ondol.Tensor]:
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int = 0) -> Module:
    """Split a parameter into length and direction, w = g · v / ‖v‖ (Salimans & Kingma 2016).

    The two are `parametrizations.weight.original0` and `original1`; older checkpoints' `weight_g` and `weight_v` load.

    >>> layer = ondol.nn.utils.parametrizations.weight_norm(ondol.nn.Linear(20, 40))
    >>> layer.parametrizations.weight.original0.shape
    torch.Size([40, 1])
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(
        state_dict: dict, prefix: str, local_metadata: Any, strict: Any, missing: Any, unexpected: Any, errors: Any
    ) -> None:
        old = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(rename)
    return module


class _SpectralNorm(Module):
    def __init__(self, weight: ondol.Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if not -weight.dim() <= dim < weight.dim():
            raise IndexError(
                f"Dimension out of range (expected to be in range of "
                f"[-{weight.dim()}, {weight.dim() - 1}] but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim if dim >= 0 else dim + weight.dim()
        self.eps = eps
        if weight.dim() > 1:
            self.n_power_iterations = n_power_iterations
            matrix = self._reshape_weight_to_matrix(weight.detach())
            rows, columns = matrix.size()
            u = matrix.new_empty(rows).normal_(0, 1)
            v = matrix.new_empty(columns).normal_(0, 1)
            self.register_buffer("_u", F.normalize(u, dim=0, eps=eps))
            self.register_buffer("_v", F.normalize(v, dim=0, eps=eps))
            self._power_method(matrix, 15)  # so that the first value is already near

    def _reshape_weight_to_matrix(self, weight: ondol.Tensor) -> ondol.Tensor:
        if self.dim != 0:
            weight = weight.movedim(self.dim, 0)
        return weight.flatten(1)

    def _power_method(self, matrix: ondol.Tensor, n_power_iterations: int) -> None:
        with ondol.no_grad():
            for _ in range(n_power_iterations):
                self._u.copy_(F.normalize(matrix @ self._v, dim=0, eps=self.eps))
                self._v.copy_(F.normalize(matrix.mH @ self._u, dim=0, eps=self.eps))

    def forward(self, weight: ondol.Tensor) -> ondol.Tensor:
        if weight.dim() == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._reshape_weight_to_matrix(weight)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # the buffers change at the next call, before backward may have run
        return weight / ondol.dot(u, matrix @ v)

    def right_inverse(self, value: ondol.Tensor) -> ondol.Tensor:
        return value  # values with a norm of 1 stay as they are


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value, found by power iteration (Miyato et al. 2018).

    Raises:
        ValueError: if the module has no such tensor.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, ondol.Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if dim is None:
        dim = 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0
    register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
    return module
