"""ondol: PyTorch's programming model on a small native floor.

`import ondol as torch` is the aim: names, signatures, results, errors and files are PyTorch's.
"""

# Imports stand in the order in which they need each other. `name as name` tells type checkers that a name is public.
# ruff: noqa: E402, F403, I001

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ondol import _native

__version__ = "0.1.0"

# Everything that the core provides: Tensor, dtypes, operations.
_SCOPES = ("autograd", "linalg", "nn", "optim", "return_types")  # native parts of packages that are written in Python
globals().update({name: value for name, value in vars(_native).items() if name[0] != "_" and name not in _SCOPES})
if TYPE_CHECKING:  # What the line above and `__getattr__` do, for editors. tools/stub.py writes these two.
    from ondol._native.composed import *
    from ondol._native import *
from ondol import _blas as _blas  # loads the matrix library
from ondol._native import (
    Tensor as Tensor,
    _dirichlet_grad as _dirichlet_grad,
    _sample_dirichlet as _sample_dirichlet,
    _standard_gamma as _standard_gamma,
    _standard_gamma_grad as _standard_gamma_grad,
)
from ondol._size import Size as Size
from ondol.autograd.grad_mode import (
    enable_grad as enable_grad,
    inference_mode as inference_mode,
    is_grad_enabled as is_grad_enabled,
    is_inference_mode_enabled as is_inference_mode_enabled,
    no_grad as no_grad,
    set_grad_enabled as set_grad_enabled,
)
from ondol.random import (
    fork_rng as fork_rng,
    get_rng_state as get_rng_state,
    initial_seed as initial_seed,
    manual_seed as manual_seed,
    seed as seed,
    set_rng_state as set_rng_state,
)

from ondol import _tensor as _tensor  # gives Tensor its Python methods
from ondol._functions import *
from ondol._ops import exports as _exports
from ondol._ops.registry import attach_methods as _attach_methods

_attach_methods(Tensor)

from ondol import autograd as autograd, nn as nn

if TYPE_CHECKING:
    from ondol import (
        accelerator as accelerator,
        amp as amp,
        backends as backends,
        compiler as compiler,
        cpu as cpu,
        cuda as cuda,
        datasets as datasets,
        distributed as distributed,
        distributions as distributions,
        fft as fft,
        func as func,
        functional as functional,
        hub as hub,
        jit as jit,
        linalg as linalg,
        mps as mps,
        multiprocessing as multiprocessing,
        onnx as onnx,
        optim as optim,
        overrides as overrides,
        profiler as profiler,
        random as random,
        return_types as return_types,
        serialization as serialization,
        signal as signal,
        special as special,
        testing as testing,
        types as types,
        utils as utils,
        version as version,
        xpu as xpu,
    )
    from ondol._dtype_info import finfo as finfo, iinfo as iinfo
    from ondol._layer_functions import (
        alpha_dropout as alpha_dropout,
        embedding_bag as embedding_bag,
        feature_alpha_dropout as feature_alpha_dropout,
        grid_sampler as grid_sampler,
        grid_sampler_2d as grid_sampler_2d,
        grid_sampler_3d as grid_sampler_3d,
    )
    from ondol._tensor_types import set_default_tensor_type as set_default_tensor_type
    from ondol._vmap.api import vmap as vmap
    from ondol._tensor_str import (
        get_printoptions as get_printoptions,
        printoptions as printoptions,
        set_printoptions as set_printoptions,
    )
    from ondol.amp import GradScaler as GradScaler, autocast as autocast
    from ondol.amp.autocast_state import (
        autocast_decrement_nesting as autocast_decrement_nesting,
        autocast_increment_nesting as autocast_increment_nesting,
        clear_autocast_cache as clear_autocast_cache,
        get_autocast_cpu_dtype as get_autocast_cpu_dtype,
        get_autocast_dtype as get_autocast_dtype,
        get_autocast_gpu_dtype as get_autocast_gpu_dtype,
        is_autocast_cache_enabled as is_autocast_cache_enabled,
        is_autocast_cpu_enabled as is_autocast_cpu_enabled,
        is_autocast_enabled as is_autocast_enabled,
        set_autocast_cache_enabled as set_autocast_cache_enabled,
        set_autocast_cpu_dtype as set_autocast_cpu_dtype,
        set_autocast_cpu_enabled as set_autocast_cpu_enabled,
        set_autocast_dtype as set_autocast_dtype,
        set_autocast_enabled as set_autocast_enabled,
        set_autocast_gpu_dtype as set_autocast_gpu_dtype,
    )
    from ondol.nn.functional import (
        channel_shuffle as channel_shuffle,
        cosine_similarity as cosine_similarity,
        pairwise_distance as pairwise_distance,
        pixel_shuffle as pixel_shuffle,
        pixel_unshuffle as pixel_unshuffle,
    )
    from ondol.serialization import load as load, save as save

_MODULES = frozenset({
    "accelerator", "amp", "backends", "compiler", "cpu", "cuda", "datasets", "demo", "distributed", "distributions",
    "fft", "func", "functional", "hub", "jit", "linalg", "mps", "multiprocessing", "onnx", "optim", "overrides",
    "profiler", "random", "return_types", "serialization", "signal", "special", "testing", "types", "utils",
    "version", "xpu",
})  # fmt: skip
_ON_USE = {
    "finfo": "_dtype_info",
    "iinfo": "_dtype_info",
    "save": "serialization",
    "load": "serialization",
    "set_printoptions": "_tensor_str",
    "get_printoptions": "_tensor_str",
    "printoptions": "_tensor_str",
    "GradScaler": "amp",
    "autocast": "amp",
    "autocast_decrement_nesting": "amp.autocast_state",
    "autocast_increment_nesting": "amp.autocast_state",
    "clear_autocast_cache": "amp.autocast_state",
    "get_autocast_cpu_dtype": "amp.autocast_state",
    "get_autocast_dtype": "amp.autocast_state",
    "get_autocast_gpu_dtype": "amp.autocast_state",
    "is_autocast_cache_enabled": "amp.autocast_state",
    "is_autocast_cpu_enabled": "amp.autocast_state",
    "is_autocast_enabled": "amp.autocast_state",
    "set_autocast_cache_enabled": "amp.autocast_state",
    "set_autocast_cpu_dtype": "amp.autocast_state",
    "set_autocast_cpu_enabled": "amp.autocast_state",
    "set_autocast_dtype": "amp.autocast_state",
    "set_autocast_enabled": "amp.autocast_state",
    "set_autocast_gpu_dtype": "amp.autocast_state",
    "alpha_dropout": "_layer_functions",
    "embedding_bag": "_layer_functions",
    "feature_alpha_dropout": "_layer_functions",
    "grid_sampler": "_layer_functions",
    "grid_sampler_2d": "_layer_functions",
    "grid_sampler_3d": "_layer_functions",
    "set_default_tensor_type": "_tensor_types",
    "vmap": "_vmap.api",
    "channel_shuffle": "nn.functional",
    "cosine_similarity": "nn.functional",
    "pairwise_distance": "nn.functional",
    "pixel_shuffle": "nn.functional",
    "pixel_unshuffle": "nn.functional",
}
_OLD_TYPES = (
    "FloatTensor", "DoubleTensor", "HalfTensor", "BFloat16Tensor", "ByteTensor", "CharTensor", "ShortTensor",
    "IntTensor", "LongTensor", "BoolTensor",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    """What is not needed by every program is imported when it is first asked for (PEP 562)."""
    if name in _MODULES:
        return importlib.import_module(f"ondol.{name}")
    if name in _ON_USE:
        value = getattr(importlib.import_module(f"ondol.{_ON_USE[name]}"), name)
    elif name in _exports.FUNCTIONS:
        value = getattr(importlib.import_module(f"ondol._ops.{_exports.FUNCTIONS[name]}"), name)
    elif name in _OLD_TYPES:
        value = importlib.import_module("ondol._tensor_types").TYPES[name]
    else:
        raise AttributeError(f"module 'ondol' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_ON_USE, *_exports.FUNCTIONS, *_OLD_TYPES})
