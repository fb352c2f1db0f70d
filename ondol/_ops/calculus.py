"""Finite differences and the trapezoidal rule."""

from __future__ import annotations

from typing import Any

import ondol
from ondol import Tensor
from ondol._ops.checks import floating, is_inexact, wrap_dim
from ondol._ops.registry import operation
from ondol._ops.stacking import dims_or_all


@operation(method=True)
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None, *,
    out: Any = None,
) -> Tensor:  # fmt: skip
    """The `n`-th differences of neighbours along a dimension, after joining `prepend` and `append` to it.

    >>> ondol.diff(ondol.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    if input.dim() == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    dim = wrap_dim(dim, input.dim())
    for extra in (prepend, append):
        if extra is not None and extra.dim() != input.dim():
            raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    if n == 0:
        return input.clone()
    parts = [part for part in (prepend, input, append) if part is not None]
    result = ondol.cat(parts, dim) if len(parts) > 1 else input
    if result.numel() == 0:  # it may be of any length
        return result.narrow(dim, 0, max(result.shape[dim] - n, 0)).clone()
    for _ in range(min(n, result.shape[dim])):
        size = result.shape[dim]
        after, before = result.narrow(dim, 1, size - 1), result.narrow(dim, 0, size - 1)
        result = after.logical_xor(before) if result.dtype == ondol.bool else after - before
    return result


def _spacings(y: Tensor, x: Tensor, dim: int) -> Tensor:
    """Differences of sample points, shaped to multiply averages of neighbours of `y` along `dim`."""
    if x.dim() == 1:
        if x.shape[0] != y.shape[dim]:
            raise RuntimeError(f"trapezoid: There must be one `x` value for each sample point, got {x.shape[0]} values "
                               f"for {y.shape[dim]} points")  # fmt: skip
        shape = [1] * y.dim()
        shape[dim] = x.shape[0]
        x = x.reshape(shape)
    elif x.dim() < y.dim():
        x = x.reshape([1] * (y.dim() - x.dim()) + list(x.shape))
    at = dim + max(x.dim() - y.dim(), 0)
    size = x.shape[at]
    return x.narrow(at, 1, size - 1) - x.narrow(at, 0, size - 1)


def _areas(y: Tensor, x: Tensor | None, dx: Any, dim: int) -> Tensor:
    """Twice the area of each trapezoid."""
    size = y.shape[dim]
    pairs = y.narrow(dim, 1, size - 1) + y.narrow(dim, 0, size - 1)
    return pairs * (dx if x is None else _spacings(y, x, dim))


def _check_spacing(y: Tensor, x: Tensor | None, name: str) -> None:
    for tensor, what in ((y, "y"), (x, "x")):
        if tensor is not None and tensor.dtype == ondol.bool:
            raise RuntimeError(f"{name}: received a bool input for `{what}`, but bool is not supported")
    if x is not None and x.dim() == 0:
        raise RuntimeError(f"{name}: Currently we only support dx as a real number, got a scalar tensor for `x`")


@operation
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral of samples `y` along a dimension, at points `x` or evenly `dx` (1) apart.

    >>> ondol.trapezoid(ondol.tensor([1.0, 2.0, 3.0]))
    tensor(4.)
    """
    dim = wrap_dim(dim, y.dim())
    _check_spacing(y, x, "trapezoid")
    if y.shape[dim] == 0:
        shape = list(y.shape)
        del shape[dim]
        return y.new_zeros(shape)
    return _areas(y, x, 1 if dx is None else dx, dim).sum(dim) / 2.0


@operation
def trapz(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The older name of `trapezoid`."""
    return trapezoid(y, x, dx=dx, dim=dim)


@operation
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integrals up to each sample but the first, by the trapezoidal rule.

    >>> ondol.cumulative_trapezoid(ondol.tensor([1.0, 2.0, 3.0]))
    tensor([1.5000, 4.0000])
    """
    dim = wrap_dim(dim, y.dim())
    _check_spacing(y, x, "cumulative_trapezoid")
    return _areas(y, x, 1 if dx is None else dx, dim).cumsum(dim) / 2.0


@operation
def gradient(input: Tensor, *, spacing: Any = None, dim: Any = None, edge_order: int = 1) -> tuple[Tensor, ...]:
    """Estimate the partial derivatives of a sampled function by central differences of second order.

    At the edges one-sided differences of order `edge_order` are used. `spacing` is a number for all dimensions, a list
    with one for each, or a list of tensors with the coordinates (Fornberg 1988 for uneven points).

    >>> ondol.gradient(ondol.tensor([1.0, 4.0, 9.0]))
    (tensor([3., 4., 5.]),)
    """
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    if input.dtype in (ondol.bool, ondol.uint8):
        raise RuntimeError(
            f"torch.gradient only supports floating point, complex and signed integers, got {input.dtype}"
        )
    dims = dims_or_all(input, dim)
    spacings = _one_for_each(spacing, dims)
    results = []
    for at, space in zip(dims, spacings):
        size = input.shape[at]
        if size < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
        if isinstance(space, Tensor):
            if space.dim() != 1 or space.shape[0] != size:
                raise RuntimeError(f"torch.gradient expected each element of `spacing` to have one coordinate for each "
                                   f"of {size} points, got shape {list(space.shape)}")  # fmt: skip
            steps = floating(space[1:] - space[:-1])
        else:
            steps = None
        results.append(_slope(input, at, space, steps, edge_order))
    return tuple(results)


def _one_for_each(spacing: Any, dims: tuple[int, ...]) -> list[Any]:
    if isinstance(spacing, Tensor) and spacing.dim() == 0:
        spacing = spacing.item()
    if spacing is None:
        spacing = 1
    if not isinstance(spacing, (list, tuple, Tensor)):
        return [spacing] * len(dims)
    spacings = list(spacing) if not isinstance(spacing, Tensor) else [spacing]
    if len(spacings) != len(dims):
        raise RuntimeError(f"torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal to "
                           f"'dim' {len(dims)}, but got a list of length {len(spacings)}")  # fmt: skip
    return [one.item() if isinstance(one, Tensor) and one.dim() == 0 else one for one in spacings]


def _slope(y: Tensor, dim: int, step: Any, steps: Tensor | None, edge_order: int) -> Tensor:
    size = y.shape[dim]
    shape = [1] * y.dim()

    def part(start: int, length: int) -> Tensor:
        return y.narrow(dim, start, length)

    def spread(values: Tensor) -> Tensor:
        shape[dim] = -1
        return values.reshape(shape)

    if steps is None:
        if not isinstance(step, Tensor) and step == 0:  # infinite slopes, which Python's own division refuses
            step = ondol.zeros((), dtype=y.dtype if is_inexact(y) else None)
        middle = (part(2, size - 2) - part(0, size - 2)) / (2.0 * step)
        first_step = last_step = second_step = before_last_step = step
    else:
        before, after = spread(steps[:-1]), spread(steps[1:])
        middle = (
            part(0, size - 2) * (-after / (before * (before + after)))
            + part(1, size - 2) * ((after - before) / (before * after))
            + part(2, size - 2) * (before / (after * (before + after)))
        )
        first_step, last_step = steps[0], steps[-1]
        second_step, before_last_step = (steps[1], steps[-2]) if size > 2 else (steps[0], steps[-1])

    if edge_order == 1:
        first = (part(1, 1) - part(0, 1)) / first_step
        last = (part(size - 1, 1) - part(size - 2, 1)) / last_step
    else:
        first = _edge(part(0, 1), part(1, 1), part(2, 1), first_step, second_step)
        last = -_edge(part(size - 1, 1), part(size - 2, 1), part(size - 3, 1), last_step, before_last_step)
    return ondol.cat([first, middle, last], dim)


def _edge(at: Tensor, next_one: Tensor, after: Tensor, h: Any, k: Any) -> Tensor:
    """One-sided derivative of second order from points at distances 0, h and h + k."""
    return at * (-(2.0 * h + k) / (h * (h + k))) + next_one * ((h + k) / (h * k)) + after * (-h / (k * (h + k)))
