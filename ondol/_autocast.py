"""Which operations convert their arguments under autocast, and to what: PyTorch's lists for the CPU.

Native operations are told by `install`, and convert in `native/bindings/autocast.cpp`; the decorator of composed
functions (`_ops/registry.py`) looks here; those of `nn.functional` that PyTorch has as one operation, and that are
composed here, call `to_float32`. What is in no list computes in the dtypes that it is given.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ondol import _native
from ondol._native import _autocast as _state

# Numbers of AutocastPolicy in native/bindings/autocast.h.
LOWER_PRECISION, FLOAT32, WIDEST, STATE = 1, 2, 3, 4
# Of composed functions, for operations that PyTorch computes as they are given: their products convert nothing.
AS_GIVEN = 0

_LISTS: dict[int, tuple[str, ...]] = {
    # Products, where lower precision is faster and sums are kept in float32.
    LOWER_PRECISION: (
        "addbmm", "addmm", "baddbmm", "bmm", "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d",
        "conv_transpose2d", "conv_transpose3d", "convolution", "linalg.vecdot", "linear", "lstm", "matmul", "mm",
        "prelu", "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell", "scaled_dot_product_attention",
    ),
    # Losses, decompositions and transforms, which need the digits, and what had no kernel in lower precision.
    FLOAT32: (
        "adaptive_avg_pool3d", "adaptive_max_pool3d", "avg_pool3d", "cdist", "cholesky", "cholesky_inverse",
        "cholesky_solve", "cross_entropy", "ctc_loss", "fractional_max_pool", "geqrf", "grid_sampler_2d",
        "grid_sampler_3d", "huber_loss", "inverse", "l1_loss", "lu", "lu_solve", "max_pool3d", "mse_loss",
        "multilabel_margin_loss", "nanquantile", "nll_loss", "orgqr", "ormqr", "pinverse", "polar", "prod", "qr",
        "quantile", "smooth_l1_loss", "stft", "svd", "trace", "triangular_solve", "view_as_complex",
        "fft.fft", "fft.fft2", "fft.fftn", "fft.hfft", "fft.ifft", "fft.ifft2", "fft.ifftn", "fft.ihfft", "fft.irfft",
        "fft.irfft2", "fft.irfftn", "fft.rfft", "fft.rfft2", "fft.rfftn",
        "linalg.cholesky", "linalg.cholesky_ex", "linalg.cond", "linalg.eig", "linalg.eigh", "linalg.eigvals",
        "linalg.eigvalsh", "linalg.householder_product", "linalg.inv", "linalg.inv_ex", "linalg.lstsq",
        "linalg.matrix_rank", "linalg.qr", "linalg.solve", "linalg.svd", "linalg.svdvals", "linalg.tensorinv",
        "linalg.tensorsolve",
    ),
    # What joins tensors.
    WIDEST: ("cat", "concat", "concatenate", "index_copy", "stack"),
    # PyTorch's are products in lower precision and a state in its own: computed here in that of the state.
    STATE: ("gru", "gru_cell", "lstm_cell"),
    AS_GIVEN: ("bilinear", "linalg.lu_solve"),
}  # fmt: skip

POLICIES: dict[str, int] = {name: policy for policy, names in _LISTS.items() for name in names}


@functools.cache
def install() -> None:
    """Tell the native operations: functions, those of `nn`, and methods. Those in place and views are in no list."""
    for name, policy in POLICIES.items():
        for place in (_native, _native.nn, _native.Tensor):
            found = vars(place).get(name)
            if isinstance(found, type(_native.add)):
                found._autocast = policy


def to_float32(*tensors: Any) -> tuple[Any, ...]:
    """Under autocast, the tensors of half precision converted to float32; else the arguments as they are."""
    return _converted(tensors, _native.float32) if _state.enabled() else tensors


def with_autocast(body: Callable, name: str) -> Callable:
    """A composed function that follows its policy; inside of it autocast is off. Itself if it is in no list."""
    policy = POLICIES.get(name)
    if policy is None:
        return body

    @functools.wraps(body)
    def casting(*args: Any, **kwargs: Any) -> Any:
        return call(body, policy, args, kwargs) if _state.enabled() else body(*args, **kwargs)

    casting._autocast = policy  # type: ignore[attr-defined]
    return casting


def call(function: Callable, policy: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Under autocast, the function of converted arguments; inside of it autocast is off."""
    if policy != AS_GIVEN:
        dtype = _native.float32 if policy == FLOAT32 else _state.dtype()
        args, kwargs = _converted(args, dtype), {name: _converted(value, dtype) for name, value in kwargs.items()}
    _state.set_enabled(False)
    try:
        return function(*args, **kwargs)
    finally:
        _state.set_enabled(True)


def _converted(value: Any, dtype: Any) -> Any:
    """What autocast converts of an argument: float32, float16 and bfloat16, in lists too."""
    if isinstance(value, _native.Tensor):
        eligible = value.dtype in (_native.float32, _native.float16, _native.bfloat16)
        return value.to(dtype) if eligible else value
    if type(value) in (list, tuple):
        return type(value)(_converted(item, dtype) for item in value)
    return value
