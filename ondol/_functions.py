"""Functions of the top level that ask about tensors and settings rather than compute."""

from __future__ import annotations

from typing import Any

import ondol
from ondol import _native
from ondol._native import Tensor
from ondol._ops.clear_errors import with_clear_errors

__all__ = [
    "_assert",
    "are_deterministic_algorithms_enabled",
    "asarray",
    "compile",
    "detach",
    "e",
    "from_file",
    "get_default_device",
    "get_deterministic_debug_mode",
    "get_device",
    "get_float32_matmul_precision",
    "get_num_interop_threads",
    "inf",
    "is_complex",
    "is_conj",
    "is_deterministic_algorithms_warn_only_enabled",
    "is_floating_point",
    "is_inference",
    "is_neg",
    "is_nonzero",
    "is_signed",
    "is_storage",
    "is_tensor",
    "is_warn_always_enabled",
    "nan",
    "newaxis",
    "numel",
    "pi",
    "result_type",
    "set_default_device",
    "set_deterministic_debug_mode",
    "set_float32_matmul_precision",
    "set_flush_denormal",
    "set_num_interop_threads",
    "set_warn_always",
    "typename",
    "use_deterministic_algorithms",
]

from math import e, inf, nan, pi

newaxis = None

_settings: dict[str, Any] = {
    "deterministic": False,
    "warn_only": False,
    "matmul_precision": "highest",
    "warn_always": False,
}


def is_tensor(obj: Any, /) -> bool:
    """Whether it is a Tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any, /) -> bool:
    """Whether it is the memory behind a tensor."""
    return isinstance(obj, _native.UntypedStorage)


@with_clear_errors
def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a floating-point one."""
    return input.is_floating_point()


@with_clear_errors
def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex."""
    return input.is_complex()


@with_clear_errors
def is_signed(input: Tensor) -> bool:
    """Whether the dtype is signed."""
    return input.is_signed()


def is_conj(input: Tensor) -> bool:
    """False: conjugation is carried out at once."""
    return False


def is_neg(input: Tensor) -> bool:
    """False: negation is carried out at once."""
    return False


@with_clear_errors
def is_inference(input: Tensor) -> bool:
    """Whether it was made under inference_mode."""
    return input.is_inference()


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element of the tensor is not zero."""
    return bool(input)


@with_clear_errors
def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()


def result_type(tensor1: Any, tensor2: Any) -> Any:
    """The dtype of an operation on two tensors or numbers.

    >>> ondol.result_type(ondol.tensor([1, 2]), 1.5)
    torch.float32
    """
    if not isinstance(tensor1, Tensor) and not isinstance(tensor2, Tensor):
        tensor1 = ondol.tensor(tensor1)
    return _native.where(_native.zeros((), dtype=ondol.bool), tensor1, tensor2).dtype


def _assert(condition: Any, message: str) -> None:
    """`assert` as a function, which code for PyTorch's tracers uses."""
    if not condition:
        raise AssertionError(message)


def typename(obj: Any) -> str:
    """The full name of a class or of the class of an object; for a tensor PyTorch's old type name."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) else type(obj)
    module = getattr(kind, "__module__", "")
    return kind.__qualname__ if module in ("", "builtins") else f"{module}.{kind.__qualname__}"


def compile(
    model: Any = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = "inductor",
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    name: str | None = None,
    disable: bool = False,
    recompile_limit: int | None = None,
    isolate_recompiles: bool = False,
    shapes_spec: Any = None,
) -> Any:
    """The function or module itself: ondol runs everything eagerly, so there is nothing to compile.

    Without `model` a decorator. What says how to compile is accepted.

    Raises:
        AssertionError: `model` is not callable.
        RuntimeError: both `mode` and `options`.
    """
    if mode is not None and options is not None:
        raise RuntimeError("compile takes either mode or options, not both at the same time")
    if model is not None and not callable(model):
        raise AssertionError(f"compile needs a function or module, got {type(model).__name__}")
    return compile if model is None else model


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accepted: ondol's results do not vary from run to run, nor with the number of threads.

    Raises:
        TypeError: anything but bools.
    """
    for name, value in (("mode", mode), ("warn_only", warn_only)):
        if not isinstance(value, bool):
            raise TypeError(f"use_deterministic_algorithms(): {name} must be bool, not {type(value).__name__}")
    _settings["deterministic"], _settings["warn_only"] = mode, warn_only


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` was told."""
    return _settings["deterministic"]


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """Accepted, as `use_deterministic_algorithms`.

    Args:
        debug_mode: 0 or "default", 1 or "warn", 2 or "error".

    Raises:
        TypeError, RuntimeError: anything else.
    """
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode).__name__}")
    modes = ("default", "warn", "error")
    mode = modes.index(debug_mode) if debug_mode in modes else debug_mode
    if mode not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, 2 or one of {modes}, but got {debug_mode}")
    use_deterministic_algorithms(mode != 0, warn_only=mode == 1)


def set_float32_matmul_precision(precision: str) -> None:
    """Accepted: products of float32 are always computed in float32."""
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(f"precision must be 'highest', 'high' or 'medium', not {precision!r}")
    _settings["matmul_precision"] = precision


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` was told."""
    return _settings["matmul_precision"]


def set_default_device(device: Any) -> None:
    """Only the CPU can be the default."""
    if device is not None:
        ondol.empty(0, device=device)


def get_default_device() -> Any:
    """The CPU."""
    return ondol.device("cpu")


@with_clear_errors
def get_device(input: Tensor) -> int:
    """-1: the index of no accelerator."""
    return input.get_device()


@with_clear_errors
def detach(input: Tensor) -> Tensor:
    """The same memory without history."""
    return input.detach()


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of anything, on the same memory where that can be.

    `copy=True` always copies; `copy=False` raises ValueError where a copy is needed.

    >>> ondol.asarray([1, 2])
    tensor([1, 2])
    """
    shared = hasattr(obj, "__dlpack__") or hasattr(obj, "__array_interface__")
    source = obj if isinstance(obj, Tensor) else ondol.as_tensor(obj, device=device)
    made = source if dtype is None else source.to(dtype)
    if copy is False and (not shared or made.data_ptr() != source.data_ptr()):
        raise ValueError("can't alias arbitrary object into a tensor: it must be copied to be one of this dtype")
    made = made.clone() if copy and made is source and shared else made
    if requires_grad:
        return made.detach().requires_grad_()
    return made if isinstance(obj, Tensor) and obj.requires_grad else made.detach()


def from_file(
    filename: str, shared: bool = False, size: int = 0, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A 1-d tensor of `size` elements on a mapped file; if `shared`, changes reach the file, made if needed."""
    import os

    import numpy as np

    kind = ondol.empty(0, dtype=dtype or ondol.get_default_dtype()).numpy().dtype
    if shared and (not os.path.exists(filename) or os.path.getsize(filename) < size * kind.itemsize):
        with open(filename, "ab") as file:
            file.truncate(size * kind.itemsize)
    mapped = np.memmap(filename, dtype=kind, mode="r+" if shared else "c", shape=(size,))
    return ondol.from_numpy(mapped).requires_grad_(requires_grad)


def get_deterministic_debug_mode() -> int:
    """What `set_deterministic_debug_mode` or `use_deterministic_algorithms` was told: 0, 1 (warn) or 2 (error)."""
    if not _settings["deterministic"]:
        return 0
    return 1 if _settings["warn_only"] else 2


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What `use_deterministic_algorithms` was told."""
    return _settings["warn_only"]


def set_flush_denormal(mode: bool) -> bool:
    """False: the mode of the processor is left as it is."""
    return False


def get_num_interop_threads() -> int:
    """1: operations run one after the other."""
    return 1


def set_num_interop_threads(num: int) -> None:
    """Accepted: operations run one after the other."""
    if num < 1:
        raise RuntimeError(f"expected a positive number of threads, got {num}")


def set_warn_always(b: bool, /) -> None:
    """Whether warnings that appear once in a process appear every time. ondol has none of that kind: Python's filters
    (`warnings.simplefilter("always")`) say how often a warning is shown."""
    if not isinstance(b, bool):
        raise TypeError(f"set_warn_always expects a bool, but got {type(b).__name__}")
    _settings["warn_always"] = b


def is_warn_always_enabled() -> bool:
    """What `set_warn_always` was told."""
    return _settings["warn_always"]
