"""Discrete Fourier transforms.

Three native transforms suffice: complex to complex, real to half complex, half complex to real.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ondol
from ondol import Tensor, _native
from ondol._ops.checks import complex_dtype, floating, wrap_dim, wrap_dims
from ondol._ops.registry import operation

_OTHER_NORM = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def _factor(norm: str, forward: bool) -> int:
    """PyTorch's number for the factor of a transform: none, one over the root of the size, one over the size."""
    if norm == "ortho":
        return 1
    return 0 if (norm == "backward") == forward else 2


def resized(x: Tensor, dims: Sequence[int], sizes: Sequence[int]) -> Tensor:
    """Cut, or filled with zeros at the end, to the given sizes of some dimensions."""
    for dim, size in zip(dims, sizes):
        own = x.shape[dim]
        if size < own:
            x = x.narrow(dim, 0, size)
        elif size > own:
            shape = list(x.shape)
            shape[dim] = size - own
            x = ondol.cat([x, x.new_zeros(shape)], dim)
    return x


def _input(input: Tensor, name: str, *, real: bool = False, complex: bool = False) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
    if real and input.is_complex():
        raise RuntimeError(f"{name} expects a real input tensor, but got {input.dtype}")
    if input.dtype in (ondol.float16, ondol.bfloat16):
        raise RuntimeError(f"{name}: Unsupported dtype {input.dtype}; use float32")
    input = floating(input)
    return input.to(complex_dtype(input.dtype)) if complex else input


def _norm(norm: str | None) -> str:
    norm = "backward" if norm is None else norm
    if norm not in _OTHER_NORM:
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    return norm


def _axes(input: Tensor, s: Any, dim: Any) -> tuple[tuple[int, ...], list[int | None]]:
    """The dimensions to transform and the size wanted of each, None for its own."""
    s = None if s is None else [s] if isinstance(s, int) else list(s)
    if dim is None:
        if s is None:
            dims = tuple(range(input.dim()))
        else:
            if len(s) > input.dim():
                raise RuntimeError(
                    f"Got shape with {len(s)} values but input tensor only has {input.dim()} dimensions."
                )
            dims = tuple(range(input.dim() - len(s), input.dim()))
    else:
        dim = [dim] if isinstance(dim, int) else list(dim)
        if input.dim() == 0 and dim:
            raise IndexError(f"Dimension specified as {dim[0]} but tensor has no dimensions")
        dims = tuple(wrap_dim(at, input.dim()) for at in dim)
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
    if s is not None and len(s) != len(dims):
        raise RuntimeError(f"When given, dim and shape arguments must have the same length: {len(dims)} and {len(s)}")
    sizes = [None] * len(dims) if s is None else [None if size == -1 else size for size in s]
    for at, size in zip(dims, sizes):
        _check_size(input.shape[at] if size is None else size)
    return dims, sizes


def _check_size(size: int) -> None:
    if size < 1:
        raise RuntimeError(f"Invalid number of data points ({size}) specified")


def _sizes(input: Tensor, dims: Sequence[int], sizes: Sequence[int | None]) -> list[int]:
    return [input.shape[dim] if size is None else size for dim, size in zip(dims, sizes)]


def _complex_transform(input: Tensor, s: Any, dim: Any, norm: str | None, forward: bool, name: str) -> Tensor:
    input = _input(input, name, complex=True)
    dims, sizes = _axes(input, s, dim)
    if not dims:
        return input.clone()
    signal = resized(input, dims, _sizes(input, dims, sizes))
    return _native._fft_c2c(signal, dims, _factor(_norm(norm), forward), forward)


def _real_transform(input: Tensor, s: Any, dim: Any, norm: str, name: str) -> Tensor:
    input = _input(input, name, real=True)
    dims, sizes = _axes(input, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    return _native._fft_r2c(resized(input, dims, _sizes(input, dims, sizes)), dims, _factor(norm, True), True)


def _to_real_transform(input: Tensor, s: Any, dim: Any, norm: str, name: str, conjugate: bool = False) -> Tensor:
    input = _input(input, name, complex=True)
    dims, sizes = _axes(input, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    size = sizes[-1]
    if size is None:
        size = 2 * (input.shape[dims[-1]] - 1)
        _check_size(size)
    half = resized(input, dims, [*_sizes(input, dims[:-1], sizes[:-1]), size // 2 + 1])
    return _native._fft_c2r(half.conj() if conjugate else half, dims, _factor(norm, False), size)


@operation(namespace="fft")
def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Tensor:
    """The discrete Fourier transform along a dimension: X[k] = Σ x[j] exp(-2πi jk/n); complex.

    The signal is cut or zero-filled to `n`. `norm`: "backward" (no factor, the default), "forward" (1/n), "ortho".

    >>> ondol.fft.fft(ondol.tensor([1.0, 0.0]))
    tensor([1.+0.j, 1.+0.j])
    """
    return _complex_transform(input, n, dim, norm, True, "fft")


@operation(namespace="fft")
def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Tensor:
    """The inverse of `fft`; "backward" is the factor 1/n here."""
    return _complex_transform(input, n, dim, norm, False, "ifft")


@operation(namespace="fft")
def fft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None, *, out: Any = None) -> Tensor:
    """`fft` over two dimensions."""
    return _complex_transform(input, s, dim, norm, True, "fft2")


@operation(namespace="fft")
def ifft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None, *, out: Any = None) -> Tensor:
    """The inverse of `fft2`."""
    return _complex_transform(input, s, dim, norm, False, "ifft2")


@operation(namespace="fft")
def fftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Tensor:
    """`fft` over several dimensions, all by default; sizes `s` of the last ones if only those are given."""
    return _complex_transform(input, s, dim, norm, True, "fftn")


@operation(namespace="fft")
def ifftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Tensor:
    """The inverse of `fftn`."""
    return _complex_transform(input, s, dim, norm, False, "ifftn")


@operation(namespace="fft")
def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Tensor:
    """The first n // 2 + 1 bins of `fft` of a real signal; the others are their conjugates.

    >>> ondol.fft.rfft(ondol.ones(4)).real
    tensor([4., 0., 0.])
    """
    return _real_transform(input, n, dim, _norm(norm), "rfft")


@operation(namespace="fft")
def irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Tensor:
    """The inverse of `rfft`: a real signal of length `n`, 2 (bins - 1) by default."""
    return _to_real_transform(input, n, dim, _norm(norm), "irfft")


@operation(namespace="fft")
def rfft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None, *, out: Any = None) -> Tensor:
    """`rfft` over the last of two dimensions, `fft` over the other."""
    return _real_transform(input, s, dim, _norm(norm), "rfft2")


@operation(namespace="fft")
def irfft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None, *, out: Any = None) -> Tensor:
    """The inverse of `rfft2`."""
    return _to_real_transform(input, s, dim, _norm(norm), "irfft2")


@operation(namespace="fft")
def rfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Tensor:
    """`rfft` over the last of several dimensions, `fft` over the others."""
    return _real_transform(input, s, dim, _norm(norm), "rfftn")


@operation(namespace="fft")
def irfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Tensor:
    """The inverse of `rfftn`."""
    return _to_real_transform(input, s, dim, _norm(norm), "irfftn")


# A signal whose spectrum is real: the same transforms with time and frequency exchanged, hence conjugated and with the
# normalisation of the other direction.


@operation(namespace="fft")
def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Tensor:
    """The real spectrum of a signal given by its first half, the other half being conjugate."""
    return _to_real_transform(input, n, dim, _OTHER_NORM[_norm(norm)], "hfft", conjugate=True)


@operation(namespace="fft")
def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Any = None) -> Tensor:
    """The inverse of `hfft`: half of the signal whose spectrum is real."""
    return _real_transform(input, n, dim, _OTHER_NORM[_norm(norm)], "ihfft").conj().resolve_conj()


@operation(namespace="fft")
def hfft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None, *, out: Any = None) -> Tensor:
    """`hfft` over the last of two dimensions, `fft` over the other."""
    return _to_real_transform(input, s, dim, _OTHER_NORM[_norm(norm)], "hfft2", conjugate=True)


@operation(namespace="fft")
def ihfft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None, *, out: Any = None) -> Tensor:
    """The inverse of `hfft2`."""
    return _real_transform(input, s, dim, _OTHER_NORM[_norm(norm)], "ihfft2").conj().resolve_conj()


@operation(namespace="fft")
def hfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Tensor:
    """`hfft` over the last of several dimensions, `fft` over the others."""
    return _to_real_transform(input, s, dim, _OTHER_NORM[_norm(norm)], "hfftn", conjugate=True)


@operation(namespace="fft")
def ihfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *, out: Any = None) -> Tensor:
    """The inverse of `hfftn`."""
    return _real_transform(input, s, dim, _OTHER_NORM[_norm(norm)], "ihfftn").conj().resolve_conj()


@operation(namespace="fft")
def fftshift(input: Tensor, dim: Any = None) -> Tensor:
    """Move the zero frequency from the front to the middle.

    >>> ondol.fft.fftshift(ondol.tensor([0, 1, -1]))
    tensor([-1,  0,  1])
    """
    dims = list(range(input.dim())) if dim is None else list(wrap_dims(dim, input.dim()))
    return ondol.roll(input, [input.shape[at] // 2 for at in dims], dims) if dims else input.clone()


@operation(namespace="fft")
def ifftshift(input: Tensor, dim: Any = None) -> Tensor:
    """Undo `fftshift`."""
    dims = list(range(input.dim())) if dim is None else list(wrap_dims(dim, input.dim()))
    return ondol.roll(input, [(input.shape[at] + 1) // 2 for at in dims], dims) if dims else input.clone()


@operation(namespace="fft")
def fftfreq(
    n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The frequencies of the bins of `fft` for samples `d` apart: 0, 1, ..., -2, -1 over n d.

    >>> ondol.fft.fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    bins = ondol.arange(n, dtype=dtype or ondol.get_default_dtype(), device=device)
    bins = ondol.where(bins >= (n + 1) // 2, bins - n, bins)
    return (bins / (n * d)).requires_grad_(requires_grad)


@operation(namespace="fft")
def rfftfreq(
    n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The frequencies of the bins of `rfft`: 0, 1, ..., n // 2 over n d."""
    bins = ondol.arange(n // 2 + 1, dtype=dtype or ondol.get_default_dtype(), device=device)
    return (bins / (n * d)).requires_grad_(requires_grad)
