"""Operations along dimensions: a dimension of the example is the next one of the batch."""

from __future__ import annotations

from typing import Any

from ondol import _native
from ondol._native import Tensor
from ondol._vmap.call import Call, NeedsLoop, rule

_DIMENSIONS = ("dim", "dims", "dim0", "dim1", "dim2", "start_dim", "end_dim", "dimension")

_REDUCTIONS = """
    all amax amin aminmax any argmax argmin count_nonzero linalg_vector_norm logsumexp mean median nanmean nanmedian
    nansum prod std std_mean sum var var_mean
"""
_WHOLE_BY_ANOTHER = {"max": "amax", "min": "amin"}  # max(x) gives no indices, max(x, dim) does
_ALONG = """
    _fft_c2c _fft_c2r _fft_r2c argsort cummax cummin cumprod cumsum flip glu kthvalue log_softmax logcumsumexp mode
    resample roll softmax sort topk
"""


def shift(dim: Any) -> Any:
    """Dimensions of an example as those of the batch; negative ones stay."""
    if isinstance(dim, (list, tuple)):
        return [shift(item) for item in dim]
    return dim + 1 if dim is not None and dim >= 0 else dim


def check_dims(call: Call, dims: Any, rank: int) -> None:
    """Leave dimensions that the example does not have to the operation on one example, whose message fits."""
    for dim in dims if isinstance(dims, (list, tuple)) else [dims]:
        if not isinstance(dim, int) or not -rank <= dim < rank:
            raise NeedsLoop


def along(call: Call) -> Any:
    """The operation along the shifted dimensions."""
    name = "self" if "self" in call.values else next(iter(call.values))
    rank = call.rank(name)
    if rank == 0 or call.batched != {name}:
        raise NeedsLoop
    changes = {}
    for parameter in call.schema.parameters:
        if parameter.name in _DIMENSIONS:
            dims = call.get(parameter.name)
            check_dims(call, dims, rank)
            changes[parameter.name] = shift(dims)
    return call.run(**changes)


@rule(_ALONG)
def scan(call: Call) -> Any:
    """Softmax, cumulative sums, sorting: the shape stays."""
    if call.name == "roll" and call.get("dims") in ((), []):
        x = call.values["self"]
        return call.func(x.reshape(x.shape[0], x.shape[1:].numel()), call.values["shifts"], 1).reshape(x.shape)
    return along(call)


@rule(_REDUCTIONS)
def reduction(call: Call) -> Any:
    """Along given dimensions, or over the whole of each example."""
    if "self" not in call.batched:
        raise NeedsLoop
    dim = call.values.get("dim")
    if dim is not None and dim != () and dim != []:
        return along(call)
    if call.name == "logsumexp" or (call.name == "linalg_vector_norm" and call.get("keepdim")):
        raise NeedsLoop
    return _whole(call)


def _whole(call: Call) -> Any:
    x = call.values["self"]
    rank = x.dim() - 1
    others = {name: value for name, value in call.values.items() if name not in ("self", "dim")}
    keepdim = others.pop("keepdim", False)
    if isinstance(keepdim, Tensor) or (rank == 0 and call.name in ("median", "nanmedian")):
        raise NeedsLoop
    if call.name in ("std", "var", "std_mean", "var_mean") and "unbiased" in others:
        others["correction"] = int(others.pop("unbiased"))
    flat = x.reshape(x.shape[0], x.shape[1:].numel())
    result = getattr(_native, _WHOLE_BY_ANOTHER.get(call.name, call.name))(flat, dim=1, **others)
    if call.name in ("median", "nanmedian"):
        return result.values
    if not keepdim:
        return result
    shape = (x.shape[0], *(1,) * rank)
    if isinstance(result, Tensor):
        return result.reshape(shape)
    reshaped = [part.reshape(shape) for part in result]
    return type(result)(reshaped)


@rule("trace")
def trace(call: Call) -> Tensor:
    """The sum of the diagonal."""
    return call.values["self"].diagonal(0, 1, 2).sum(-1)


@rule("msort")
def msort(call: Call) -> Tensor:
    """Sorting along the first dimension."""
    if call.rank("self") == 0:
        raise NeedsLoop
    return call.values["self"].sort(dim=1).values
