"""How a tensor is written as text: PyTorch's own layout, number for number."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import ondol

PROFILES = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}
_options: dict[str, Any] = {**PROFILES["default"], "sci_mode": None}

# From these on, fixed notation gives way to scientific notation.
SCI_RATIO, SCI_LARGEST, SCI_SMALLEST = 1000.0, 1.0e8, 1.0e-4


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose how tensors are printed.

    `precision` is the number of digits behind the point, `threshold` the number of elements above which only
    `edgeitems` are shown at each end of a dimension, `linewidth` where lines are broken. `profile` is "default",
    "short" or "full". `sci_mode` forces scientific notation on or off; None, also when it is left out, lets each tensor
    decide.

    >>> ondol.set_printoptions(precision=2)
    >>> ondol.tensor([1.12345])
    tensor([1.12])
    >>> ondol.set_printoptions(profile="default")
    """
    if profile is not None:
        if profile not in PROFILES:
            raise ValueError(f"profile must be one of {', '.join(PROFILES)}, not {profile!r}")
        _options.update(PROFILES[profile])
    chosen = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    _options.update({name: value for name, value in chosen.items() if value is not None})
    _options["sci_mode"] = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options of `set_printoptions`, as a dict that it takes as keywords."""
    return dict(_options)


class printoptions:
    """Context manager: other print options for the time of a block.

    >>> with ondol.printoptions(precision=1):
    ...     print(ondol.tensor([0.25, 1.0]))
    tensor([0.2, 1.0])
    """

    def __init__(self, **options: Any):
        self._chosen = options

    def __enter__(self) -> None:
        self._before = get_printoptions()
        set_printoptions(**self._chosen)

    def __exit__(self, *exception: Any) -> None:
        set_printoptions(**self._before)


def _str(tensor: Any, *, tensor_contents: str | None = None) -> str:
    """The text of `repr(tensor)`; `tensor_contents` replaces the numbers."""
    plain = type(tensor) in (ondol.Tensor, ondol.nn.Parameter)
    prefix = "tensor(" if plain else f"{type(tensor).__name__}("
    contents = _contents(tensor, len(prefix)) if tensor_contents is None else tensor_contents
    return _with_suffixes(prefix + contents, _suffixes(tensor), len(prefix))


def tensor_format(tensor: Any, spec: str) -> str:
    """`Tensor.__format__`: a tensor without dimensions is formatted as its number.

    >>> f"{ondol.tensor(3.14159):.2f}"
    '3.14'
    """
    if tensor.dim() == 0 and type(tensor) is ondol.Tensor:
        return format(tensor.item(), spec)
    return object.__format__(tensor, spec)


# --- what stands behind the numbers ---


def _suffixes(tensor: Any) -> list[str]:
    default = ondol.get_default_dtype()
    complex_default = ondol.complex128 if default == ondol.float64 else ondol.complex64
    suffixes = [] if tensor.device.type == "cpu" else [f"device='{tensor.device}'"]
    if tensor.numel() == 0:  # there are no numbers to tell an integer from a float by
        shown = (default,)
        size_shown = tensor.dim() != 1
    else:
        shown = default, complex_default, ondol.int64, ondol.bool
        size_shown = not _options["edgeitems"]
    if size_shown:
        suffixes.append(f"size={tuple(tensor.shape)}")
    if tensor.dtype not in shown:
        suffixes.append(f"dtype={tensor.dtype}")
    grad_fn = tensor.grad_fn
    if grad_fn is not None:
        suffixes.append(f"grad_fn=<{grad_fn.name().rpartition('::')[2]}>")
    elif tensor.requires_grad:
        suffixes.append("requires_grad=True")
    return suffixes


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    """Suffixes go on the last line as long as they fit; the one that does not begins a new line."""
    length = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if length + len(suffix) + 2 > _options["linewidth"]:
            text += ",\n" + " " * indent + suffix
            length = indent + len(suffix)
        else:
            text += ", " + suffix
            length += len(suffix) + 2
    return text + ")"


# --- the numbers ---


def _contents(tensor: Any, indent: int) -> str:
    if tensor.numel() == 0:
        return "[]"
    summarize = tensor.numel() > _options["threshold"]
    if summarize and not _options["edgeitems"]:
        return "[...]"
    values = _as_numpy(tensor)
    shape = values.shape
    if summarize:
        values = _edges(values)
    if tensor.dtype == ondol.bfloat16:  # the upper half of a float32
        values = (values.astype(np.uint16).astype(np.uint32) << 16).view(np.float32)
    write, width = _formatter(values)
    texts = iter([write(value) for value in values.ravel().tolist()])
    return _nested(texts, shape, width, indent, summarize)


def _as_numpy(tensor: Any) -> np.ndarray:
    """The values without a copy; of bfloat16, which NumPy lacks, the bits; of rarer dtypes a wider copy."""
    tensor = tensor.detach()
    if tensor.dtype == ondol.bfloat16:
        return tensor.view(ondol.int16).numpy()
    if tensor.dtype in (ondol.float8_e5m2, ondol.float8_e4m3fn):
        return tensor.float().numpy()
    if tensor.dtype == ondol.complex32:
        return tensor.cfloat().numpy()
    if tensor.dtype.is_complex:
        tensor = tensor.resolve_conj()
    return tensor.resolve_neg().numpy()


def _edges(values: np.ndarray) -> np.ndarray:
    """The first and last `edgeitems` of every dimension that is cut."""
    edge = _options["edgeitems"]
    for axis, size in enumerate(values.shape):
        if size > 2 * edge:
            values = values.take([*range(edge), *range(size - edge, size)], axis)
    return values


def _nested(texts: Iterator[str], shape: tuple[int, ...], width: int, indent: int, summarize: bool) -> str:
    """Brackets around the texts of the numbers, which come in order."""
    if not shape:
        return next(texts)
    edge = _options["edgeitems"]
    cut = summarize and shape[0] > 2 * edge
    if len(shape) == 1:
        row = [next(texts) for _ in range(2 * edge if cut else shape[0])]
        if cut:
            row.insert(edge, " ...")
        per_line = max(1, (_options["linewidth"] - indent) // (width + 2))
        lines = [", ".join(row[start : start + per_line]) for start in range(0, len(row), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    parts = [_nested(texts, shape[1:], width, indent + 1, summarize) for _ in range(2 * edge if cut else shape[0])]
    if cut:
        parts.insert(edge, "...")
    return "[" + ("," + "\n" * (len(shape) - 1) + " " * (indent + 1)).join(parts) + "]"


def _formatter(values: np.ndarray) -> tuple[Callable[[Any], str], int]:
    """A function from number to text for all numbers of a tensor, and the width of a column."""
    if values.dtype.kind == "c":
        write_real, real_width = _float_formatter(values.real)
        write_imag, imag_width = _float_formatter(values.imag)

        def write(value: complex) -> str:
            imag = write_imag(value.imag).lstrip() + "j"
            return write_real(value.real) + ("" if imag[0] in "+-" else "+") + imag

        return write, real_width + imag_width + 1
    if values.dtype.kind == "f":
        return _float_formatter(values)
    width = max(len(str(value)) for value in values.ravel().tolist())
    return lambda value: str(value).rjust(width), width


def _float_formatter(values: np.ndarray) -> tuple[Callable[[float], str], int]:
    flat = values.ravel().astype(np.float64)
    telling = flat[np.isfinite(flat) & (flat != 0)]
    if not len(telling):
        return _whole_number, 1
    whole = bool((telling == np.ceil(telling)).all())
    scientific = _options["sci_mode"]
    if scientific is None:
        sizes = np.abs(telling)
        largest, smallest = sizes.max(), sizes.min()
        with np.errstate(over="ignore"):
            ratio = largest / smallest
        scientific = bool(ratio > SCI_RATIO or largest > SCI_LARGEST or smallest < SCI_SMALLEST)
    if not scientific and whole:
        unpadded = _whole_number
    else:
        spec = f".{_options['precision']}{'e' if scientific else 'f'}"

        def unpadded(value: float) -> str:
            return format(value, spec)

    width = max(len(unpadded(value)) for value in telling.tolist())
    return lambda value: unpadded(value).rjust(width), width


def _whole_number(value: float) -> str:
    """A point marks an integral number as a float; infinities and NaN need none."""
    return f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"
