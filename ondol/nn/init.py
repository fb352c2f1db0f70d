"""Filling tensors with the values that a network is born with. The streams are PyTorch's."""

from __future__ import annotations

import math
import warnings

import ondol

__all__ = [
    "calculate_gain", "constant_", "dirac_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_",
    "orthogonal_", "sparse_", "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip

_UNIT_GAIN = (
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid"
)  # fmt: skip


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By what factor weights must be larger to make up for a nonlinearity.

    Args:
        nonlinearity: its name in `nn.functional`.
        param: the negative slope of `leaky_relu`.

    Raises:
        ValueError: for a name without a known gain.

    >>> ondol.nn.init.calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity in _UNIT_GAIN:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "selu":
        return 3.0 / 4
    if nonlinearity == "leaky_relu":
        if param is None:
            slope = 0.01
        elif isinstance(param, (int, float)) and not isinstance(param, bool):
            slope = param
        else:
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def uniform_(
    tensor: ondol.Tensor, a: float = 0.0, b: float = 1.0, generator: ondol.Generator | None = None
) -> ondol.Tensor:
    """Fill with numbers from [a, b)."""
    with ondol.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(
    tensor: ondol.Tensor, mean: float = 0.0, std: float = 1.0, generator: ondol.Generator | None = None
) -> ondol.Tensor:
    """Fill with normal numbers."""
    with ondol.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: ondol.Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: ondol.Generator | None = None,
) -> ondol.Tensor:
    """Fill with normal numbers that lie in [a, b], by rejection (Robert 1995).

    Where most of the distribution lies in [a, b], normal numbers are drawn again until they do. Where little does,
    uniform numbers from [a, b] are kept with a probability in proportion to the density.
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    share_inside = _normal_cdf((b - mean) / std) - _normal_cdf((a - mean) / std)
    draw = _redraw_normals if share_inside > 0.3 else _thin_out_uniforms
    with ondol.no_grad():
        return tensor.copy_(draw(tensor, mean, std, a, b, generator))


def _redraw_normals(
    tensor: ondol.Tensor, mean: float, std: float, a: float, b: float, generator: ondol.Generator | None
) -> ondol.Tensor:
    low, high = (tensor.new_tensor(limit).item() for limit in (a, b))  # as the dtype can represent them
    values = ondol.empty_like(tensor).normal_(mean, std, generator=generator)
    outside = (values < low) | (values > high)
    while outside.any():
        values = ondol.where(outside, ondol.empty_like(values).normal_(mean, std, generator=generator), values)
        outside = (values < low) | (values > high)
    return values


def _thin_out_uniforms(
    tensor: ondol.Tensor, mean: float, std: float, a: float, b: float, generator: ondol.Generator | None
) -> ondol.Tensor:
    peak = max(a, min(mean, b))
    distance = (peak - mean) / std
    scale = abs(std) / max(1.0, abs(distance))  # over which the density falls to a fraction
    if scale < ondol.finfo(tensor.dtype).eps * abs(peak):  # closer to the peak than the dtype can tell
        return ondol.full_like(tensor, peak)
    # Of numbers much further away than the density reaches none would ever be kept.
    reach = 1e4 * scale
    a, b = max(a, peak - reach), min(b, peak + reach)

    def draw() -> tuple[ondol.Tensor, ondol.Tensor]:
        values = ondol.empty_like(tensor).uniform_(a, b, generator=generator)
        # Relative to the peak: (p - m)^2 - (v - m)^2 = (p - v) (p + v - 2m), without the cancellation of the squares.
        log_density = (peak - values).mul_(0.5 / std).mul_((values - mean).div_(std).add_(distance))
        return values, ondol.empty_like(values).uniform_(generator=generator).log_().gt(log_density)

    values, rejected = draw()
    for _ in range(300_000):  # of which one in ten thousand is kept at the worst
        if not rejected.any():
            return values
        candidates, rejected_again = draw()
        values = ondol.where(rejected, candidates, values)
        rejected = rejected & rejected_again
    raise RuntimeError(f"trunc_normal_: no numbers of mean {mean} and std {std} were found in [{a}, {b}]")


def _normal_cdf(x: float) -> float:
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


def constant_(tensor: ondol.Tensor, val: float) -> ondol.Tensor:
    """Fill with one value."""
    with ondol.no_grad():
        return tensor.fill_(val)


def ones_(tensor: ondol.Tensor) -> ondol.Tensor:
    """Fill with 1."""
    return constant_(tensor, 1.0)


def zeros_(tensor: ondol.Tensor) -> ondol.Tensor:
    """Fill with 0."""
    with ondol.no_grad():
        return tensor.zero_()


def eye_(tensor: ondol.Tensor) -> ondol.Tensor:
    """Fill a matrix with 1 on the diagonal and 0 elsewhere: a linear layer that keeps its inputs.

    Raises:
        ValueError: if the tensor is not 2-d.
    """
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with ondol.no_grad():
        return tensor.copy_(ondol.eye(*tensor.shape, dtype=tensor.dtype, device=tensor.device))


def dirac_(tensor: ondol.Tensor, groups: int = 1) -> ondol.Tensor:
    """Fill a convolution's weight so that it keeps its input channels.

    Raises:
        ValueError: if the tensor is not 3-d, 4-d or 5-d, or its first dimension not divisible by `groups`.
    """
    if tensor.ndimension() not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.size(0) % groups:
        raise ValueError("dim 0 must be divisible by groups")
    out_per_group = tensor.size(0) // groups
    channels = min(out_per_group, tensor.size(1))
    centre = tuple(size // 2 for size in tensor.shape[2:])
    with ondol.no_grad():
        tensor.zero_()
        for group in range(groups if channels else 0):  # of nothing there may be any number
            for channel in range(channels):
                tensor[(group * out_per_group + channel, channel, *centre)] = 1
        return tensor


def _calculate_fan_in_and_fan_out(tensor: ondol.Tensor) -> tuple[int, int]:
    if tensor.dim() < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    receptive_field = math.prod(tensor.shape[2:])
    return tensor.size(1) * receptive_field, tensor.size(0) * receptive_field


def _calculate_correct_fan(tensor: ondol.Tensor, mode: str) -> int:
    modes = ("fan_in", "fan_out")
    if mode.lower() not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {list(modes)}")
    return _calculate_fan_in_and_fan_out(tensor)[modes.index(mode.lower())]


def xavier_uniform_(tensor: ondol.Tensor, gain: float = 1.0, generator: ondol.Generator | None = None) -> ondol.Tensor:
    """Uniform numbers with variance gain² · 2 / (fan_in + fan_out) (Glorot & Bengio 2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    bound = math.sqrt(3.0) * (gain * math.sqrt(2.0 / float(fan_in + fan_out)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: ondol.Tensor, gain: float = 1.0, generator: ondol.Generator | None = None) -> ondol.Tensor:
    """Normal numbers with variance gain² · 2 / (fan_in + fan_out) (Glorot & Bengio 2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / float(fan_in + fan_out)), generator)


def kaiming_uniform_(
    tensor: ondol.Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: ondol.Generator | None = None,
) -> ondol.Tensor:
    """Uniform numbers with variance gain² / fan (He et al. 2015).

    Args:
        a: the negative slope, where the nonlinearity is `leaky_relu`.
        mode: `"fan_in"` keeps the variance in the forward pass, `"fan_out"` in the backward pass.
    """
    if _has_no_elements(tensor):
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: ondol.Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: ondol.Generator | None = None,
) -> ondol.Tensor:
    """Normal numbers with variance gain² / fan (He et al. 2015); arguments as in `kaiming_uniform_`."""
    if _has_no_elements(tensor):
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _has_no_elements(tensor: ondol.Tensor) -> bool:
    if 0 not in tensor.shape:
        return False
    warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
    return True


def _kaiming_std(tensor: ondol.Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def orthogonal_(tensor: ondol.Tensor, gain: float = 1, generator: ondol.Generator | None = None) -> ondol.Tensor:
    """Orthogonal rows or columns, by the QR factors of a normal matrix (Saxe et al. 2014).

    Raises:
        ValueError: if the tensor has fewer than 2 dimensions; all after the first count as one.
    """
    if tensor.ndimension() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows, columns = tensor.size(0), tensor.numel() // tensor.size(0)
    flat = tensor.new_empty((rows, columns)).normal_(0, 1, generator=generator)
    if rows < columns:
        flat.t_()
    q, r = ondol.linalg.qr(flat)
    q *= ondol.diag(r, 0).sign()  # makes the distribution uniform (Mezzadri 2007)
    if rows < columns:
        q.t_()
    with ondol.no_grad():
        tensor.view_as(q).copy_(q * gain)
    return tensor


def sparse_(
    tensor: ondol.Tensor, sparsity: float, std: float = 0.01, generator: ondol.Generator | None = None
) -> ondol.Tensor:
    """Normal numbers, a fraction `sparsity` of each column set to zero (Martens 2010).

    Raises:
        ValueError: if the tensor is not 2-d.
    """
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with ondol.no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns if rows else 0):  # of nothing there may be any number
            tensor[ondol.randperm(rows)[:zeros], column] = 0
    return tensor


def _deprecated(name: str) -> object:
    function = globals()[name + "_"]

    def old_name(*args: object, **kwargs: object) -> ondol.Tensor:
        warnings.warn(f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`.", FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    old_name.__name__ = old_name.__qualname__ = name
    old_name.__doc__ = f"Deprecated: the old name of `{name}_`."
    return old_name


uniform = _deprecated("uniform")
normal = _deprecated("normal")
constant = _deprecated("constant")
eye = _deprecated("eye")
dirac = _deprecated("dirac")
xavier_uniform = _deprecated("xavier_uniform")
xavier_normal = _deprecated("xavier_normal")
kaiming_uniform = _deprecated("kaiming_uniform")
kaiming_normal = _deprecated("kaiming_normal")
orthogonal = _deprecated("orthogonal")
sparse = _deprecated("sparse")
