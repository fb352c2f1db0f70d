"""`autocast`, the context in which products compute in lower precision, and what custom functions need of it."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

import ondol
from ondol.amp.autocast_state import (
    autocast_decrement_nesting,
    autocast_increment_nesting,
    clear_autocast_cache,
    get_autocast_dtype,
    is_autocast_available,
    is_autocast_cache_enabled,
    is_autocast_enabled,
    set_autocast_cache_enabled,
    set_autocast_dtype,
    set_autocast_enabled,
)

__all__ = ["autocast", "autocast_decorator", "custom_bwd", "custom_fwd", "is_autocast_available"]


class autocast:
    """A context, or a decorator, in which each operation computes in the precision that suits it.

    Products (linear maps, convolutions, attention) convert their arguments to `dtype`; losses, decompositions and
    Fourier transforms convert to float32; everything else takes what it is given. `ondol/_autocast.py` has the lists.
    Conversions are differentiated, so that weights stay in float32 and so do their gradients. Float64 and complex
    tensors, `out=` and operations in place are left alone. Contexts nest; `enabled=False` computes as given inside.

    Args:
        device_type: "cpu". A context for another device is entered and left without effect; "cuda" warns.
        dtype: bfloat16 or float16; by default what `get_autocast_dtype` gives, bfloat16.
        enabled: False for a context that switches autocast off.
        cache_enabled: keep a weight's conversion until the outermost context ends, so that it is made once.

    Raises:
        ValueError: `device_type` is no string.
        RuntimeError: there is no such device.

    >>> layer, x = ondol.nn.Linear(2, 2), ondol.ones(1, 2)
    >>> with ondol.autocast("cpu"):
    ...     y = layer(x)
    ...     loss = ondol.nn.functional.mse_loss(y, x)
    >>> y.dtype, loss.dtype
    (torch.bfloat16, torch.float32)
    >>> loss.backward()
    >>> layer.weight.grad.dtype
    torch.float32
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        _check_device_type(device_type)
        self.device = device_type
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        if not is_autocast_available(device_type):
            raise RuntimeError(f"autocast does not know the device {device_type!r}: ondol computes on 'cpu'")
        self._cache_enabled = is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        if enabled and device_type == "cuda":
            warnings.warn("CUDA is not available. Disabling autocast: use device_type='cpu'", stacklevel=2)
            enabled = False
        elif enabled and self.fast_dtype not in (ondol.bfloat16, ondol.float16):
            warnings.warn(
                f"In {device_type.upper()} autocast, but the target dtype {self.fast_dtype} is not supported. "
                "Disabling autocast: it computes in torch.bfloat16 or torch.float16",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled

    def __enter__(self) -> autocast:
        self.prev_cache_enabled = is_autocast_cache_enabled()
        self.prev = is_autocast_enabled(self.device)
        self.prev_fastdtype = get_autocast_dtype(self.device)
        if isinstance(self.fast_dtype, ondol.dtype):  # what else was given has been warned of
            set_autocast_dtype(self.device, self.fast_dtype)
        set_autocast_enabled(self.device, self._enabled)
        set_autocast_cache_enabled(self._cache_enabled)
        autocast_increment_nesting()
        return self

    def __exit__(self, *exception: object) -> None:
        if autocast_decrement_nesting() == 0:
            clear_autocast_cache()
        set_autocast_enabled(self.device, self.prev)
        set_autocast_dtype(self.device, self.prev_fastdtype)
        set_autocast_cache_enabled(self.prev_cache_enabled)

    def __call__(self, func: Callable) -> Callable:
        if not callable(func):
            raise TypeError(
                f"autocast()(func) requires a callable, but got {type(func).__name__}. As a context it is used so: "
                "`with torch.autocast(device_type=...):`"
            )
        return autocast_decorator(self, func)


def autocast_decorator(autocast_instance: autocast, func: Callable) -> Callable:
    """The function, each call of which is in the context."""

    @functools.wraps(func)
    def inside(*args: Any, **kwargs: Any) -> Any:
        with autocast_instance:
            return func(*args, **kwargs)

    return inside


def _check_device_type(device_type: Any) -> None:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")


def _cast(value: Any, device_type: str, dtype: Any) -> Any:
    """The tensors in nested containers converted, but for float64, integers and complex numbers."""
    if isinstance(value, ondol.Tensor):
        eligible = value.is_floating_point() and value.device.type == device_type and value.dtype is not ondol.float64
        return value.to(dtype) if eligible else value
    if isinstance(value, (str, bytes, np.ndarray)):
        return value
    if isinstance(value, Mapping):
        return {_cast(key, device_type, dtype): _cast(item, device_type, dtype) for key, item in value.items()}
    if isinstance(value, Iterable):
        items = (_cast(item, device_type, dtype) for item in value)
        return type(value)(items) if isinstance(value, (list, tuple)) else items  # type: ignore[call-arg]
    return value


def custom_fwd(fwd: Callable | None = None, *, device_type: str, cast_inputs: Any = None) -> Callable:
    """Decorate `forward` of an `autograd.Function`, for use under autocast; goes with `custom_bwd`.

    Args:
        device_type: "cpu".
        cast_inputs: under autocast, convert the floating-point arguments to this dtype and switch autocast off inside;
            if None, `forward` is under autocast as what calls it. Without autocast it changes nothing.

    Raises ValueError if `device_type` is no string.

    >>> class Square(ondol.autograd.Function):
    ...     @staticmethod
    ...     @custom_fwd(device_type="cpu", cast_inputs=ondol.float32)
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     @custom_bwd(device_type="cpu")
    ...     def backward(ctx, gradient):
    ...         return 2 * gradient * ctx.saved_tensors[0]
    >>> with ondol.autocast("cpu"):
    ...     Square.apply(ondol.ones(1, dtype=ondol.bfloat16)).dtype
    torch.float32
    """
    _check_device_type(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(*args: Any, **kwargs: Any) -> Any:
        ctx, active = args[0], is_autocast_enabled(device_type)
        ctx._dtype = get_autocast_dtype(device_type)
        ctx._fwd_used_autocast = active and cast_inputs is None
        if not active or cast_inputs is None:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            converted = _cast(kwargs, device_type, cast_inputs)
            return fwd(ctx, *_cast(args[1:], device_type, cast_inputs), **converted)

    return forward


def custom_bwd(bwd: Callable | None = None, *, device_type: str) -> Callable:
    """Decorate `backward` of an `autograd.Function`: it is under autocast if `forward`, with `custom_fwd`, was.

    Raises ValueError if `device_type` is no string.
    """
    _check_device_type(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(*args: Any, **kwargs: Any) -> Any:
        ctx = args[0]
        with autocast(device_type, enabled=ctx._fwd_used_autocast, dtype=ctx._dtype):
            return bwd(*args, **kwargs)

    return backward
