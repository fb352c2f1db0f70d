"""Some extreme eigenpairs of large symmetric matrices."""

from __future__ import annotations

import math
from typing import Any

import ondol
from ondol import Tensor
from ondol._ops.linalg_checks import check_square
from ondol._ops.linalg_eigen import eigh
from ondol._ops.registry import operation

_USUAL_STEPS = 1000


@operation
def lobpcg(
    A: Tensor, k: int | None = None, B: Tensor | None = None, X: Tensor | None = None, n: int | None = None,
    iK: Tensor | None = None, niter: int | None = None, tol: float | None = None, largest: bool | None = None,
    method: str | None = None, tracker: Any = None, ortho_iparams: dict[str, int] | None = None,
    ortho_fparams: dict[str, float] | None = None, ortho_bparams: dict[str, bool] | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The `k` largest (or smallest) eigenvalues of A x = λ B x and their eigenvectors, by the locally optimal block
    preconditioned conjugate gradient method (Knyazev 2001, SIAM J. Sci. Comput. 23, 517-541).

    Args:
        A: symmetric (Hermitian) matrices (*, m, m).
        k: how many; by default as many as `X` has columns, or 1.
        B: symmetric positive definite matrices; the identity if None.
        X: a first approximation (*, m, n) of eigenvectors, n >= k; random if None.
        n: how many columns the random one has.
        iK: a preconditioner, approximately the inverse of A (*, m, m).
        niter: at most so many steps, -1 for no limit; 1000 if None. More than these end as well when a hundred have
            brought nothing.
        tol: done when every ‖A x - λ B x‖ is at most tol (‖A‖ + |λ| ‖B‖) ‖x‖; by default the square root of the dtype's
            precision.
        method: "ortho" or "basic"; both take the same, orthogonal basis, so that the `ortho_` parameters are unused.
        tracker: called after every step with the state (see `Iteration`); may set `bvars["force_stop"] = True`.

    Returns: eigenvalues (*, k) and eigenvectors (*, m, k). Differentiable in `A` where B is None.

    Raises:
        ValueError: if A has fewer than 3 n rows, or for an unknown method.
    """
    check_square(A, "lobpcg")
    if method not in (None, "basic", "ortho"):
        raise ValueError(f"lobpcg: unknown method {method!r}; use 'basic' or 'ortho'")
    if not A.is_floating_point():
        raise ValueError(f"lobpcg: expected A of dtype float32 or float64, but got {A.dtype}")
    m, batch = A.shape[-1], A.shape[:-2]
    k = (1 if X is None else X.shape[-1]) if k is None else k
    n = (k if n is None else n) if X is None else X.shape[-1]
    if m < 3 * n:
        raise ValueError(f"LPBPCG algorithm is not applicable when the number of A rows (={m}) is smaller than 3 x the "
                         f"number of requested eigenpairs (={n})")  # fmt: skip
    if not 1 <= k <= n:
        raise ValueError(f"lobpcg: expected 1 <= k <= n, but k is {k} and n is {n}")
    symmetric = (A + A.mT) / 2 if A.requires_grad else A
    if X is None:
        X = ondol.randn((*batch, m, n), dtype=A.dtype, device=A.device)
    state = [
        Iteration(*parts, k, niter, tol, largest is None or largest, tracker)
        for parts in zip(*(_matrices(each, batch) for each in (symmetric, B, X, iK)))
    ]
    with ondol.no_grad():
        for each in state:
            each.run()
    values = ondol.stack([each.E[:k] for each in state]).reshape(*batch, k)
    vectors = ondol.stack([each.X[:, :k] for each in state]).reshape(*batch, m, k)
    if not (symmetric.requires_grad and ondol.is_grad_enabled()):
        return values, vectors
    if B is not None:
        raise NotImplementedError("lobpcg: the gradient with B is not supported; use ondol.linalg.eigh of B^(-1/2) A "
                                  "B^(-1/2), or detach() A")  # fmt: skip
    return _Eigenpairs.apply(symmetric, values, vectors)


def _matrices(matrices: Tensor | None, batch: Any) -> list[Tensor | None]:
    """The matrices of a batch one by one."""
    count = batch.numel()
    if matrices is None:
        return [None] * count
    return list(matrices.detach().expand(*batch, *matrices.shape[-2:]).reshape(count, *matrices.shape[-2:]))


class Iteration:
    """The state of one problem, with the attribute names of PyTorch's `tracker`."""

    def __init__(
        self, A: Tensor, B: Any, X: Tensor, iK: Any, k: int, niter: Any, tol: Any, largest: bool, tracker: Any
    ):
        self.A, self.B, self.X, self.iK, self.tracker = A, B, X, iK, tracker
        self.iparams = {"m": A.shape[-1], "n": X.shape[-1], "k": k, "niter": _USUAL_STEPS if niter is None else niter}
        self.fparams = {"tol": ondol.finfo(A.dtype).eps ** 0.5 if tol is None else tol}
        self.bparams = {"largest": largest}
        self.ivars, self.bvars = {"istep": 0, "converged_count": 0}, {"force_stop": False}
        self.fvars: dict[str, float] = {
            "A_norm": A.norm().item() / A.shape[-1] ** 0.5,
            "B_norm": 1.0 if B is None else B.norm().item() / A.shape[-1] ** 0.5,
        }
        self.tvars: dict[str, Tensor] = {}
        self.S, self.E, self.R = X, X.new_zeros(X.shape[-1]), ondol.zeros_like(X)
        self.best_error, self.best_step = math.inf, 0

    def run(self) -> None:
        """Rayleigh and Ritz in the span of the approximations, their residuals and the last steps, again and again."""
        n = self.iparams["n"]
        self.X = self._orthonormal(self.X)
        if self.X.shape[1] < n:
            raise RuntimeError(f"lobpcg: the {n} columns of X are linearly dependent")
        self._improve(self.X[:, :0])
        while not self._converged() and self._may_go_on():
            self.ivars["istep"] += 1
            residuals = self.R if self.iK is None else self.iK @ self.R
            self._improve(ondol.cat([residuals, self.S[:, n:]], 1))
            if self.tracker is not None:
                self.tracker(self)
            if self.bvars["force_stop"]:
                break

    def _may_go_on(self) -> bool:
        limit = self.iparams["niter"]
        if 0 <= limit <= self.ivars["istep"]:
            return False
        return 0 <= limit <= _USUAL_STEPS or self._progresses()

    def _progresses(self) -> bool:
        """Whether the last hundred steps have brought the approximations nearer, for iterations with no limit or a far
        one: in rounding they may never reach the tolerance."""
        error = self.tvars["rerr"][: self.iparams["k"]].max().item()
        if error < self.best_error:
            self.best_error, self.best_step = error, self.ivars["istep"]
        return self.ivars["istep"] - self.best_step < 100

    def _improve(self, directions: Tensor) -> None:
        """The best approximations in the span of the present ones and of the directions; `S` keeps them and the steps
        that led to them."""
        n = self.iparams["n"]
        for _ in range(2):
            directions = self._orthonormal(directions - self.X @ (self._scaled(self.X).mT @ directions))
        basis = ondol.cat([self.X, directions], 1)
        energy = basis.mT @ (self.A @ basis)
        values, weights = eigh((energy + energy.mT) / 2)
        order = ondol.argsort(values, descending=self.bparams["largest"])[:n]
        self.E, weights = values[order], weights[:, order]
        self.X = basis @ weights
        self.S = ondol.cat([self.X, directions @ weights[n:]], 1)
        self.R = self.A @ self.X - self._scaled(self.X) * self.E

    def _scaled(self, vectors: Tensor) -> Tensor:
        return vectors if self.B is None else self.B @ vectors

    def _orthonormal(self, vectors: Tensor) -> Tensor:
        """A B-orthonormal basis of the span: normed columns, then twice by the eigenvectors of their inner products,
        without directions that rounding alone tells apart (Stathopoulos & Wu 2002)."""
        norms = vectors.norm(dim=0)
        basis = vectors[:, norms > 0] / norms[norms > 0]
        for _ in range(2 if basis.shape[1] else 0):
            inner = basis.mT @ self._scaled(basis)
            lengths, rotation = eigh((inner + inner.mT) / 2)
            kept = lengths > lengths[-1] * ondol.finfo(basis.dtype).eps * basis.shape[0]
            basis = basis @ (rotation[:, kept] * lengths[kept].rsqrt())
        return basis

    def _converged(self) -> bool:
        k = self.iparams["k"]
        scale = self.fvars["A_norm"] + self.E.abs() * self.fvars["B_norm"]
        error = self.R.norm(dim=0) / (self.X.norm(dim=0) * scale)
        self.tvars["rerr"] = error
        self.ivars["converged_count"] = int((error[:k] <= self.fparams["tol"]).sum())
        return self.ivars["converged_count"] == k


class _Eigenpairs(ondol.autograd.Function):
    """The identity on eigenpairs of A, with their derivative: dλ = xᵀ dA x, dx = Σⱼ vⱼ vⱼᵀ dA x / (λ - λⱼ), over all
    others (Magnus 1985, "On differentiating eigenvalues and eigenvectors"), which are computed for it."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, values: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(a, values, vectors)
        return values.clone(), vectors.clone()

    @staticmethod
    def backward(ctx: Any, of_values: Tensor, of_vectors: Tensor) -> tuple:
        a, values, vectors = ctx.saved_tensors
        every_value, every_vector = eigh(a)
        gap = values.unsqueeze(-2) - every_value.unsqueeze(-1)
        own = gap.abs().argmin(-2, keepdim=True)
        inverse = ondol.where(gap == 0, ondol.zeros_like(gap), 1 / gap).scatter(-2, own, 0.0)
        rotation = inverse * (every_vector.mT @ of_vectors)
        return (vectors * of_values.unsqueeze(-2) + every_vector @ rotation) @ vectors.mT, None, None
