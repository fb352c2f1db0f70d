"""Normalizations, embeddings and losses."""

from __future__ import annotations

import math
from typing import Any

import ondol
from ondol._native import Tensor
from ondol._vmap.call import Call, NeedsLoop, rule
from ondol._vmap.rules_convolution import fold, unfold
from ondol._vmap.rules_pointwise import aligned


@rule("layer_norm rms_norm")
def row_norm(call: Call) -> Tensor:
    """Over the last dimensions; a weight of each example is applied afterwards."""
    if "input" in call.batched and len(call.batched) == 1:
        return call.run()
    weight, bias = call.values.get("weight"), call.values.get("bias")
    plain = {name: None for name in ("weight", "bias") if name in call.values}
    result = call.run(input=call.batch("input"), **plain)
    return _affine(call, result, weight, bias)


def _affine(call: Call, result: Tensor, weight: Tensor | None, bias: Tensor | None, shape: Any = None) -> Tensor:
    """result · weight + bias; `shape` of one example, to broadcast over the channels."""
    rank = result.dim() - 1

    def ready(name: str, value: Tensor) -> Tensor:
        if shape is None:
            return aligned(value, rank) if name in call.batched else value
        return value.reshape((-1, *shape) if name in call.batched else shape)

    if weight is not None:
        result = result * ready("weight", weight)
    return result if bias is None else result + ready("bias", bias)


@rule("group_norm")
def group_norm(call: Call) -> Tensor:
    """Each sample by itself: the batch joins the samples."""
    if call.rank("input") < 2 or call.level.size == 0:
        raise NeedsLoop
    weight, bias = call.values.get("weight"), call.values.get("bias")
    plain = {name: None for name in ("weight", "bias") if name in call.values}
    result = unfold(call.run(input=fold(call.batch("input"), 0), **plain), 0, call.level.size)
    return _affine(call, result, weight, bias, (1, result.shape[2], *(1,) * (call.rank("input") - 2)))


@rule("batch_norm instance_norm")
def channel_norm(call: Call) -> Tensor:
    """Statistics of each channel: the batch becomes more channels. Running statistics must be batched to be updated."""
    size, rank = call.level.size, call.rank("input")
    if rank < 2 or size == 0:
        raise NeedsLoop
    statistics = [call.values.get(name) for name in ("running_mean", "running_var")]
    updates = call.get("training") if call.name == "batch_norm" else call.get("use_input_stats")
    if updates:
        for name, value in zip(("running_mean", "running_var"), statistics):
            if value is not None and name not in call.batched:
                raise RuntimeError(
                    f"vmap: {call.name}() is not possible because `{name}` is one tensor for all examples of the "
                    "batch, and the statistics of each example are to be written into it. Use "
                    "ondol.func.functional_call with "
                    "batched buffers, track_running_stats=False, or another normalization such as GroupNorm; "
                    "ondol.func.replace_all_batch_norm_modules_ changes a model so"
                )
    folded = {"input": fold(call.batch("input"), 1)}
    for name in ("weight", "bias", "running_mean", "running_var"):
        value = call.values.get(name)
        if value is not None:
            folded[name] = value.reshape(-1) if name in call.batched else value.repeat(size)
    result = unfold(call.run(**folded), 1, size)
    if updates:
        for name, value in zip(("running_mean", "running_var"), statistics):
            if value is not None and folded[name].data_ptr() != value.data_ptr():
                value.copy_(folded[name].reshape(value.shape))
    return result


@rule("embedding")
def embedding(call: Call) -> Tensor:
    """Rows of a table; tables of the examples are put below each other."""
    if "weight" not in call.batched:
        return call.run()
    if call.get("padding_idx") != -1 or call.get("scale_grad_by_freq") or call.rank("weight") != 2:
        raise NeedsLoop
    weight, indices = call.values["weight"], call.values["indices"]
    size, rows = weight.shape[0], weight.shape[1]
    if not ((call.outer["indices"].numel() == 0) or rows):
        raise NeedsLoop
    first = ondol.arange(size, dtype=indices.dtype) * rows
    indices = indices if "indices" in call.batched else indices.unsqueeze(0)
    _check_in_range(indices, rows)
    return call.run(weight=weight.flatten(0, 1), indices=indices + first.reshape(-1, *(1,) * (indices.dim() - 1)))


def _check_in_range(indices: Tensor, rows: int) -> None:
    """An index outside its own table must not reach into the next one."""
    from ondol._vmap.batched import BatchedTensor

    while type(indices) is BatchedTensor:
        indices = indices._value
    if indices.numel() and (indices.min() < 0 or indices.max() >= rows):
        raise IndexError(f"index out of range in self: embedding() has {rows} rows")


@rule("mse_loss l1_loss smooth_l1_loss huber_loss")
def elementwise_loss(call: Call) -> Tensor:
    """The losses of all elements, reduced for each example."""
    rank = max(call.rank("input"), call.rank("target"))
    x, target = (aligned(call.batch(name), rank) for name in ("input", "target"))
    losses = call.run(input=x, target=target, reduction="none")
    reduction = call.get("reduction")
    if reduction == "none":
        return losses
    if reduction not in ("sum", "mean"):
        raise NeedsLoop
    flat = losses.reshape(losses.shape[0], math.prod(losses.shape[1:]))
    return flat.sum(1) if reduction == "sum" else flat.mean(1)


@rule("nll_loss cross_entropy")
def classification_loss(call: Call) -> Tensor:
    """Without reduction the batch joins the samples; sums and weighted means are then those of each example."""
    rank, size = call.rank("input"), call.level.size
    if rank == 0 or "weight" in call.batched or size == 0:
        raise NeedsLoop
    reduction = call.get("reduction")
    x, target = call.batch("input"), call.batch("target")
    if rank == 1:
        losses = call.run(input=x, target=target, reduction="none")
        sums = losses
    else:
        losses = call.run(input=fold(x, 0), target=fold(target, 0), reduction="none")
        losses = unfold(losses, 0, size)
        sums = losses
    if reduction == "none":
        return losses
    total = sums.reshape(size, -1).sum(1)
    if reduction == "sum":
        return total
    if reduction != "mean":
        raise NeedsLoop
    return total / _weight_of_targets(call, x, target, rank)


def _weight_of_targets(call: Call, x: Tensor, target: Tensor, rank: int) -> Any:
    """What a mean divides by: the weights of the classes that count; with class probabilities the number of samples."""
    if call.rank("target") == rank:
        return max(1, x[0].numel() // x.shape[1 if rank == 1 else 2])
    ones = ondol.full_like(x, -1.0).detach()
    if rank > 1:
        ones, target = fold(ones, 0), fold(target, 0)
    options = {"weight": call.values.get("weight"), "ignore_index": call.get("ignore_index")}
    counted = ondol._native.nn.nll_loss(ones, target, reduction="none", **options)
    return counted.reshape(call.level.size, -1).sum(1)
