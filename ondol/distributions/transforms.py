"""Invertible maps with the logarithm of how much they stretch, for densities of transformed values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ondol
from ondol import Size, Tensor
from ondol.distributions import constraints
from ondol.distributions.utils import tril_matrix_to_vec, vec_to_tril_matrix
from ondol.nn.functional import logsigmoid, softplus

if TYPE_CHECKING:
    from ondol.distributions.distribution import Distribution

__all__ = [
    "AbsTransform", "AffineTransform", "CatTransform", "ComposeTransform", "CorrCholeskyTransform",
    "CumulativeDistributionTransform", "ExpTransform", "IndependentTransform", "LowerCholeskyTransform",
    "PositiveDefiniteTransform", "PowerTransform", "ReshapeTransform", "SigmoidTransform", "SoftmaxTransform",
    "SoftplusTransform", "StackTransform", "StickBreakingTransform", "TanhTransform", "Transform", "identity_transform",
]  # fmt: skip


class Transform:
    """A map y = f(x) with `inv` and `log_abs_det_jacobian(x, y)`.

    With `cache_size=1` the last pair (x, y) is remembered, so that inverting a value just made gives the very same x.
    """

    bijective = False
    domain: constraints.Constraint = constraints.real
    codomain: constraints.Constraint = constraints.real

    def __init__(self, cache_size: int = 0) -> None:
        if cache_size not in (0, 1):
            raise ValueError("cache_size must be 0 or 1")
        self._cache_size = cache_size
        self._last: tuple[Any, Any] = (None, None)

    @property
    def event_dim(self) -> int:
        """The number of trailing dimensions that are mapped together."""
        if self.domain.event_dim != self.codomain.event_dim:
            raise ValueError("Please use either .domain.event_dim or .codomain.event_dim")
        return self.domain.event_dim

    @property
    def inv(self) -> Transform:
        """The inverse map."""
        return _InverseTransform(self)

    @property
    def sign(self) -> Any:
        """+1 for an increasing, -1 for a decreasing map of numbers."""
        raise NotImplementedError(f"{type(self).__name__}.sign")

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same map with another size of the cache."""
        if self._cache_size == cache_size:
            return self
        new = type(self).__new__(type(self))
        new.__dict__.update(self.__dict__)
        Transform.__init__(new, cache_size)
        return new

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __call__(self, x: Tensor) -> Tensor:
        if self._cache_size and x is self._last[0]:
            return self._last[1]
        y = self._call(x)
        if self._cache_size:
            self._last = x, y
        return y

    def _inv_call(self, y: Tensor) -> Tensor:
        if self._cache_size and y is self._last[1]:
            return self._last[0]
        x = self._inverse(y)
        if self._cache_size:
            self._last = x, y
        return x

    def _call(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__}._call()")

    def _inverse(self, y: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__}._inverse()")

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log |det dy/dx|, for each event."""
        raise NotImplementedError(f"{type(self).__name__}.log_abs_det_jacobian()")

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        """The shape of f(x) for an x of this shape."""
        return shape

    def inverse_shape(self, shape: Sequence[int]) -> Sequence[int]:
        """The shape of x for an f(x) of this shape."""
        return shape

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _InverseTransform(Transform):
    def __init__(self, transform: Transform) -> None:
        super().__init__(transform._cache_size)
        self._inv = transform

    @property
    def domain(self) -> constraints.Constraint:
        return self._inv.codomain

    @property
    def codomain(self) -> constraints.Constraint:
        return self._inv.domain

    @property
    def bijective(self) -> bool:
        return self._inv.bijective

    @property
    def sign(self) -> Any:
        return self._inv.sign

    @property
    def inv(self) -> Transform:
        return self._inv

    def with_cache(self, cache_size: int = 1) -> Transform:
        return self._inv.with_cache(cache_size).inv

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _InverseTransform) and self._inv == other._inv

    __hash__ = object.__hash__

    def __call__(self, x: Tensor) -> Tensor:
        return self._inv._inv_call(x)

    def _inv_call(self, y: Tensor) -> Tensor:
        return self._inv(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -self._inv.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        return self._inv.inverse_shape(shape)

    def inverse_shape(self, shape: Sequence[int]) -> Sequence[int]:
        return self._inv.forward_shape(shape)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._inv!r})"


def _sum_rightmost(value: Tensor, dims: int) -> Tensor:
    return value.reshape((*value.shape[: value.dim() - dims], -1)).sum(-1) if dims else value


def _require_dims(shape: Sequence[int], dims: int) -> None:
    if len(shape) < dims:
        raise ValueError(f"Too few dimensions on input: expected at least {dims}, got shape {tuple(shape)}")


class ComposeTransform(Transform):
    """Several maps one after the other."""

    def __init__(self, parts: Sequence[Transform], cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.parts = [part.with_cache(cache_size) for part in parts] if cache_size else list(parts)

    @property
    def domain(self) -> constraints.Constraint:
        if not self.parts:
            return constraints.real
        first = self.parts[0].domain
        dims = self.parts[-1].codomain.event_dim
        for part in reversed(self.parts):
            dims = max(dims + part.domain.event_dim - part.codomain.event_dim, part.domain.event_dim)
        return constraints.independent(first, dims - first.event_dim) if dims > first.event_dim else first

    @property
    def codomain(self) -> constraints.Constraint:
        if not self.parts:
            return constraints.real
        last = self.parts[-1].codomain
        dims = self.parts[0].domain.event_dim
        for part in self.parts:
            dims = max(dims + part.codomain.event_dim - part.domain.event_dim, part.codomain.event_dim)
        return constraints.independent(last, dims - last.event_dim) if dims > last.event_dim else last

    @property
    def bijective(self) -> bool:
        return all(part.bijective for part in self.parts)

    @property
    def sign(self) -> Any:
        return math.prod(part.sign for part in self.parts)

    @property
    def inv(self) -> Transform:
        return ComposeTransform([part.inv for part in reversed(self.parts)], self._cache_size)

    def with_cache(self, cache_size: int = 1) -> Transform:
        return self if self._cache_size == cache_size else ComposeTransform(self.parts, cache_size)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ComposeTransform) and self.parts == other.parts

    __hash__ = object.__hash__

    def __call__(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x

    def _inv_call(self, y: Tensor) -> Tensor:
        for part in reversed(self.parts):
            y = part._inv_call(y)
        return y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        if not self.parts:
            return ondol.zeros_like(x)
        total, dims = 0, self.domain.event_dim
        for part in self.parts:
            after = part(x)
            total = total + _sum_rightmost(part.log_abs_det_jacobian(x, after), dims - part.domain.event_dim)
            dims += part.codomain.event_dim - part.domain.event_dim
            x = after
        return total

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape: Sequence[int]) -> Sequence[int]:
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return shape

    def __repr__(self) -> str:
        return "ComposeTransform(\n    " + ",\n    ".join(map(repr, self.parts)) + "\n)"


identity_transform = ComposeTransform([])


class IndependentTransform(Transform):
    """Another map of which further trailing dimensions count as one event."""

    def __init__(self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.base_transform, self.reinterpreted_batch_ndims = base_transform, reinterpreted_batch_ndims

    @property
    def domain(self) -> constraints.Constraint:
        return constraints.independent(self.base_transform.domain, self.reinterpreted_batch_ndims)

    @property
    def codomain(self) -> constraints.Constraint:
        return constraints.independent(self.base_transform.codomain, self.reinterpreted_batch_ndims)

    @property
    def bijective(self) -> bool:
        return self.base_transform.bijective

    @property
    def sign(self) -> Any:
        return self.base_transform.sign

    def _call(self, x: Tensor) -> Tensor:
        return self.base_transform(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.base_transform._inv_call(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return _sum_rightmost(self.base_transform.log_abs_det_jacobian(x, y), self.reinterpreted_batch_ndims)

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape: Sequence[int]) -> Sequence[int]:
        return self.base_transform.inverse_shape(shape)

    def __repr__(self) -> str:
        return f"IndependentTransform({self.base_transform!r}, {self.reinterpreted_batch_ndims})"


class ReshapeTransform(Transform):
    """`reshape` of the trailing dimensions."""

    bijective = True

    def __init__(self, in_shape: Sequence[int], out_shape: Sequence[int], cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.in_shape, self.out_shape = Size(in_shape), Size(out_shape)
        if math.prod(in_shape) != math.prod(out_shape):
            raise ValueError("in_shape, out_shape have different numbers of elements")

    @property
    def domain(self) -> constraints.Constraint:
        return constraints.independent(constraints.real, len(self.in_shape))

    @property
    def codomain(self) -> constraints.Constraint:
        return constraints.independent(constraints.real, len(self.out_shape))

    def _call(self, x: Tensor) -> Tensor:
        return x.reshape(tuple(self.forward_shape(x.shape)))

    def _inverse(self, y: Tensor) -> Tensor:
        return y.reshape(tuple(self.inverse_shape(y.shape)))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return x.new_zeros(x.shape[: x.dim() - len(self.in_shape)])

    def _exchanged(self, shape: Sequence[int], before: Size, after: Size) -> Size:
        cut = len(shape) - len(before)
        if cut < 0 or tuple(shape[cut:]) != tuple(before):
            raise ValueError(f"Shape mismatch: expected {tuple(before)} at the end of {tuple(shape)}")
        return Size((*shape[:cut], *after))

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        return self._exchanged(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape: Sequence[int]) -> Sequence[int]:
        return self._exchanged(shape, self.out_shape, self.in_shape)


class _Alike(Transform):
    """Base of maps without parameters: all of one class are equal."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    __hash__ = object.__hash__


class ExpTransform(_Alike):
    """y = exp x."""

    codomain, bijective, sign = constraints.positive, True, +1

    def _call(self, x: Tensor) -> Tensor:
        return x.exp()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return x


class PowerTransform(Transform):
    """y = x ** exponent, on positive numbers."""

    domain, codomain, bijective = constraints.positive, constraints.positive, True

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.exponent = exponent if isinstance(exponent, Tensor) else ondol.tensor(float(exponent))

    @property
    def sign(self) -> Any:
        return self.exponent.sign()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PowerTransform) and bool((self.exponent == other.exponent).all())

    __hash__ = object.__hash__

    def _call(self, x: Tensor) -> Tensor:
        return x.pow(self.exponent)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return (self.exponent * y / x).abs().log()

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        return ondol.broadcast_shapes(shape, self.exponent.shape)

    inverse_shape = forward_shape


class SigmoidTransform(_Alike):
    """The logistic function."""

    codomain, bijective, sign = constraints.unit_interval, True, +1

    def _call(self, x: Tensor) -> Tensor:
        limits = ondol.finfo(x.dtype)
        return ondol.sigmoid(x).clamp(limits.tiny, 1 - limits.eps)

    def _inverse(self, y: Tensor) -> Tensor:
        limits = ondol.finfo(y.dtype)
        inside = y.clamp(limits.tiny, 1 - limits.eps)
        return inside.log() - ondol.log1p(-inside)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -softplus(-x) - softplus(x)


class SoftplusTransform(_Alike):
    """y = log(1 + exp x)."""

    codomain, bijective, sign = constraints.positive, True, +1

    def _call(self, x: Tensor) -> Tensor:
        return softplus(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return (-ondol.expm1(-y)).log() + y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return logsigmoid(x)


class TanhTransform(_Alike):
    """The hyperbolic tangent."""

    codomain, bijective, sign = constraints.interval(-1.0, 1.0), True, +1

    def _call(self, x: Tensor) -> Tensor:
        return x.tanh()

    def _inverse(self, y: Tensor) -> Tensor:
        return ondol.atanh(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        # log(1 - tanh² x) = 2 (log 2 - x - log(1 + exp(-2x))), without the cancellation.
        return 2 * (math.log(2) - x - softplus(-2 * x))


class AbsTransform(_Alike):
    """y = |x|; its inverse takes the positive one."""

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return x.abs()

    def _inverse(self, y: Tensor) -> Tensor:
        return y


class AffineTransform(Transform):
    """y = loc + scale · x."""

    bijective = True

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    @property
    def event_dim(self) -> int:
        return self._event_dim

    @property
    def domain(self) -> constraints.Constraint:
        return constraints.independent(constraints.real, self._event_dim) if self._event_dim else constraints.real

    codomain = domain

    @property
    def sign(self) -> Any:
        if isinstance(self.scale, Tensor):
            return self.scale.sign()
        return (self.scale > 0) - (self.scale < 0)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AffineTransform):
            return False
        pairs = ((self.loc, other.loc), (self.scale, other.scale))
        return all(bool((ondol.as_tensor(one) == ondol.as_tensor(two)).all()) for one, two in pairs)

    __hash__ = object.__hash__

    def _call(self, x: Tensor) -> Tensor:
        return self.loc + self.scale * x

    def _inverse(self, y: Tensor) -> Tensor:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        stretch = ondol.as_tensor(self.scale, dtype=x.dtype).abs().log().expand(x.shape)
        return _sum_rightmost(stretch, self._event_dim)

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        return ondol.broadcast_shapes(shape, *(getattr(one, "shape", ()) for one in (self.loc, self.scale)))

    inverse_shape = forward_shape


class SoftmaxTransform(_Alike):
    """Vectors onto the simplex by softmax; many vectors go to one point, so it has no density."""

    domain, codomain = constraints.real_vector, constraints.simplex

    def _call(self, x: Tensor) -> Tensor:
        return ondol.softmax(x, -1)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        _require_dims(shape, 1)
        return shape

    inverse_shape = forward_shape


class StickBreakingTransform(_Alike):
    """Vectors of K - 1 numbers onto the simplex of K: each number says which part of what is left is broken off.

    The offsets log(K - i) make the zero vector the centre of the simplex (Stan Reference Manual, "Unit simplex").
    """

    domain, codomain, bijective = constraints.real_vector, constraints.simplex, True

    def _offsets(self, x: Tensor) -> Tensor:
        return ondol.arange(x.shape[-1], 0, -1, dtype=x.dtype).log()

    def _call(self, x: Tensor) -> Tensor:
        limits = ondol.finfo(x.dtype)
        part = ondol.sigmoid(x - self._offsets(x)).clamp(limits.tiny, 1 - limits.eps)
        one = ondol.ones_like(part[..., :1])
        return ondol.cat([part, one], -1) * ondol.cat([one, (1 - part).cumprod(-1)], -1)

    def _inverse(self, y: Tensor) -> Tensor:
        head = y[..., :-1]
        left = (1 - head.cumsum(-1)).clamp(min=ondol.finfo(y.dtype).tiny)
        return head.log() - left.log() + self._offsets(head)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        logit = x - self._offsets(x)
        return (-logit + logsigmoid(logit) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        _require_dims(shape, 1)
        return Size((*shape[:-1], shape[-1] + 1))

    def inverse_shape(self, shape: Sequence[int]) -> Sequence[int]:
        _require_dims(shape, 1)
        return Size((*shape[:-1], shape[-1] - 1))


class LowerCholeskyTransform(_Alike):
    """Square matrices to lower triangular ones with a positive diagonal, by its exponentials."""

    domain, codomain = constraints.independent(constraints.real, 2), constraints.lower_cholesky

    def _call(self, x: Tensor) -> Tensor:
        return x.tril(-1) + x.diagonal(0, -2, -1).exp().diag_embed()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.tril(-1) + y.diagonal(0, -2, -1).log().diag_embed()


class CorrCholeskyTransform(_Alike):
    """Vectors of D (D - 1) / 2 numbers to Cholesky factors of correlation matrices with D rows.

    Their tanh are the canonical partial correlations z: row i of the factor is z_ij √∏_{k<j} (1 - z_ik²), and on the
    diagonal what makes its length 1 (Lewandowski, Kurowicka & Joe 2009; Stan Reference Manual, "Cholesky factors of
    correlation matrices").
    """

    domain, codomain, bijective = constraints.real_vector, constraints.corr_cholesky, True

    def _call(self, x: Tensor) -> Tensor:
        eps = ondol.finfo(x.dtype).eps
        z = vec_to_tril_matrix(x.tanh().clamp(-1 + eps, 1 - eps), diag=-1)
        left = (1 - z**2).sqrt().cumprod(-1)
        left = ondol.cat([ondol.ones_like(left[..., :1]), left[..., :-1]], -1)
        return (z + ondol.eye(z.shape[-1], dtype=z.dtype)) * left

    def _inverse(self, y: Tensor) -> Tensor:
        left = (1 - (y**2).cumsum(-1))[..., :-1]
        left = ondol.cat([ondol.ones_like(y[..., :1]), left], -1)
        z = tril_matrix_to_vec(y, diag=-1) / tril_matrix_to_vec(left, diag=-1).sqrt()
        return (ondol.log1p(z) - ondol.log1p(-z)) / 2  # atanh, with finite slopes at the ends

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        # Each element is z times the square root of what was left before it; the first of a row has all left.
        left = tril_matrix_to_vec(1 - (y**2).cumsum(-1), diag=-2)
        return 0.5 * left.log().sum(-1) + TanhTransform().log_abs_det_jacobian(x, y).sum(-1)

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        _require_dims(shape, 1)
        root = math.isqrt(1 + 8 * shape[-1])
        if root * root != 1 + 8 * shape[-1]:
            raise ValueError(f"Input is not a flattened lower-diagonal number: {shape[-1]}")
        rows = (1 + root) // 2
        return Size((*shape[:-1], rows, rows))

    def inverse_shape(self, shape: Sequence[int]) -> Sequence[int]:
        _require_dims(shape, 2)
        if shape[-2] != shape[-1]:
            raise ValueError(f"Input is not square: {tuple(shape[-2:])}")
        return Size((*shape[:-2], shape[-1] * (shape[-1] - 1) // 2))


class PositiveDefiniteTransform(_Alike):
    """Square matrices to positive definite ones, by their Cholesky factors."""

    domain, codomain = constraints.independent(constraints.real, 2), constraints.positive_definite

    def _call(self, x: Tensor) -> Tensor:
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y: Tensor) -> Tensor:
        return LowerCholeskyTransform().inv(ondol.linalg.cholesky(y))


class CumulativeDistributionTransform(Transform):
    """The cumulative distribution function of a distribution of numbers, which makes its values uniform.

    >>> from ondol.distributions import CumulativeDistributionTransform, Normal
    >>> CumulativeDistributionTransform(Normal(0.0, 1.0))(ondol.zeros(()))
    tensor(0.5000)
    """

    bijective, codomain, sign = True, constraints.unit_interval, +1

    def __init__(self, distribution: Distribution, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.distribution = distribution

    @property
    def domain(self) -> constraints.Constraint:
        return self.distribution.support

    def _call(self, x: Tensor) -> Tensor:
        return self.distribution.cdf(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return self.distribution.log_prob(x)


class _Several(Transform):
    """Base of maps that treat parts of a tensor along `dim` differently."""

    def __init__(self, tseq: Sequence[Transform], dim: int, cache_size: int) -> None:
        super().__init__(cache_size)
        self.transforms = list(tseq)
        if not all(isinstance(one, Transform) for one in self.transforms):
            raise AssertionError("All elements of tseq must be Transform instances")
        if cache_size:
            self.transforms = [one.with_cache(cache_size) for one in self.transforms]
        self.dim = dim

    @property
    def bijective(self) -> bool:
        return all(one.bijective for one in self.transforms)

    def _parts(self, value: Tensor) -> Sequence[Tensor]:
        raise NotImplementedError(type(self).__name__)

    def _joined(self, parts: list[Tensor]) -> Tensor:
        return ondol.cat(parts, self.dim)

    def _require_size(self, value: Tensor, size: int) -> None:
        if not -value.dim() <= self.dim < value.dim() or value.shape[self.dim] != size:
            raise AssertionError(
                f"{type(self).__name__} takes {size} elements along dimension {self.dim}, got shape "
                f"{tuple(value.shape)}"
            )

    def _call(self, x: Tensor) -> Tensor:
        return self._joined([one(part) for one, part in zip(self.transforms, self._parts(x))])

    def _inverse(self, y: Tensor) -> Tensor:
        return self._joined([one._inv_call(part) for one, part in zip(self.transforms, self._parts(y))])


class StackTransform(_Several):
    """A map for each slice along `dim`."""

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(tseq, dim, cache_size)

    @property
    def domain(self) -> constraints.Constraint:
        return constraints.stack([one.domain for one in self.transforms], self.dim)

    @property
    def codomain(self) -> constraints.Constraint:
        return constraints.stack([one.codomain for one in self.transforms], self.dim)

    def _parts(self, value: Tensor) -> Sequence[Tensor]:
        self._require_size(value, len(self.transforms))
        return value.unbind(self.dim)

    def _joined(self, parts: list[Tensor]) -> Tensor:
        return ondol.stack(parts, self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        each = zip(self.transforms, self._parts(x), self._parts(y))
        return self._joined([one.log_abs_det_jacobian(a, b) for one, a, b in each])


class CatTransform(_Several):
    """A map for each of consecutive stretches of `dim`, whose lengths are given (1 by default)."""

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, lengths: Any = None, cache_size: int = 0) -> None:
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertionError(f"{len(self.transforms)} transforms, but {len(self.lengths)} lengths")

    @property
    def event_dim(self) -> int:
        return max(one.event_dim for one in self.transforms)

    @property
    def length(self) -> int:
        """The number of elements along `dim`."""
        return sum(self.lengths)

    @property
    def domain(self) -> constraints.Constraint:
        return constraints.cat([one.domain for one in self.transforms], self.dim, self.lengths)

    @property
    def codomain(self) -> constraints.Constraint:
        return constraints.cat([one.codomain for one in self.transforms], self.dim, self.lengths)

    def _parts(self, value: Tensor) -> Sequence[Tensor]:
        self._require_size(value, self.length)
        return value.split(self.lengths, self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        events, stretches = self.event_dim, []
        for one, a, b in zip(self.transforms, self._parts(x), self._parts(y)):
            stretch = one.log_abs_det_jacobian(a, b)
            stretches.append(_sum_rightmost(stretch, events - one.event_dim))
        # Along a dimension that belongs to the events the parts add up, along one of the batch they stand side by side.
        dim = self.dim if self.dim < 0 else self.dim - x.dim()
        dim += events
        return ondol.cat(stretches, dim) if dim < 0 else sum(stretches)
