"""Operations that act element by element: the batch is one more dimension to broadcast over."""

from __future__ import annotations

from typing import Any

import ondol
from ondol._native import Tensor, _overrides
from ondol._vmap.call import Call, NeedsLoop, rule

_ONE_TENSOR = """
    abs acos acosh angle asin asinh atan atanh bitwise_not ceil celu conj conj_physical cos cosh deg2rad digamma elu erf
    erfc erfinv exp exp2 expm1 fill floor frac gelu hardshrink hardsigmoid hardswish hardtanh imag isfinite isinf isnan
    isneginf isposinf isreal leaky_relu lgamma log log10 log1p log2 logical_not logit logsigmoid mish nan_to_num neg
    polygamma positive rad2deg real reciprocal relu relu6 resolve_conj resolve_neg round rsqrt selu sgn sigmoid sign
    signbit silu sin sinc sinh softplus softshrink sqrt square tan tanh threshold trunc zero
"""
_SEVERAL_TENSORS = """
    add addcdiv addcmul atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor clamp clamp_max
    clamp_min complex copysign div eq float_power floor_divide fmax fmin fmod gcd ge gt heaviside hypot lcm ldexp le
    lerp logaddexp logaddexp2 logical_and logical_or logical_xor lt maximum minimum mul ne nextafter polar
    pow remainder rsub special_xlog1py sub where xlogy
"""
_CONDITIONS = frozenset({"condition"})  # parameters that take no part in type promotion


def aligned(batch: Tensor, rank: int) -> Tensor:
    """A batch of examples of fewer dimensions, with dimensions of size 1 behind the batch dimension up to `rank`."""
    missing = rank - (batch.dim() - 1)
    return batch if missing <= 0 else batch.reshape(batch.shape[0], *(1,) * missing, *batch.shape[1:])


@rule(_ONE_TENSOR)
def one_tensor(call: Call) -> Tensor:
    """The batch in the place of the example; a second tensor is refused to the general rule below."""
    return call.run() if len(call.tensor_names()) == 1 else several_tensors(call)


@rule(_SEVERAL_TENSORS)
def several_tensors(call: Call) -> Tensor:
    """Batches are aligned so that they broadcast as their examples do."""
    names = call.tensor_names()
    rank = max(call.rank(name) for name in names)
    changes: dict[str, Any] = {name: aligned(call.values[name], rank) for name in names if name in call.batched}
    _promote_like_examples(call, names, changes)
    if call.name == "fill":
        return call.batch("self").clone().copy_(changes["value"]) if not call.in_place else call.run(**changes)
    return call.run(**changes)


@rule("masked_fill")
def masked_fill(call: Call) -> Tensor:
    """Values where a mask is true; a value of each example is no scalar for the batch."""
    if "value" in call.batched and call.rank("value"):
        raise NeedsLoop
    rank = max(call.rank("self"), call.rank("mask"))
    x = aligned(call.batch("self"), rank)
    mask, value = (
        aligned(call.values[name], rank) if name in call.batched else call.values[name] for name in ("mask", "value")
    )
    if "value" not in call.batched:
        return call.run(self=call.values["self"] if call.in_place else x, mask=mask)
    return ondol.where(mask, value.to(x.dtype), x)


def _promote_like_examples(call: Call, names: list[str], changes: dict[str, Any]) -> None:
    """A 0-d example hardly counts in type promotion, its batch would: it becomes what the examples promote to."""
    operands = [name for name in names if name not in _CONDITIONS]
    scalars = [name for name in operands if call.rank(name) == 0]
    if not scalars or len({call.outer[name].dtype for name in operands}) == 1 or call.name == "ldexp":
        return
    dtype = result_type([call.outer[name] for name in operands])
    for name in scalars:
        changes[name] = changes.get(name, call.values[name]).to(dtype)


def result_type(examples: list[Tensor]) -> Any:
    """The dtype that an operation on these examples has."""
    before = _overrides.set_disabled(1)  # the examples' form alone matters
    try:
        blank = [ondol.empty((1,) * example.dim(), dtype=example.dtype) for example in examples]
    finally:
        _overrides.set_disabled(before)
    full = [tensor for tensor in blank if tensor.dim()]
    dtype = full[0].dtype if full else blank[0].dtype
    for tensor in full or blank:
        dtype = ondol.promote_types(dtype, tensor.dtype)
    for tensor in blank if full else ():
        if tensor.dim() == 0:
            dtype = ondol.result_type(ondol.empty(1, dtype=dtype), tensor)
    return dtype


@rule("max min")
def extreme(call: Call) -> Any:
    """max(x, y) is pointwise, the others reduce."""
    if "other" in call.values:
        return several_tensors(call)
    from ondol._vmap.rules_reduction import reduction

    return reduction(call)


@rule("dropout rrelu")
def random_pointwise(call: Call) -> Tensor:
    """Drawn for the whole batch, or for one example and shared."""
    from ondol._vmap.rules_random import draws_per_example

    name = next(iter(call.values))
    training = call.get("train") if call.name == "dropout" else call.get("training")
    if not training or draws_per_example(call.level):
        return call.run()
    if call.name == "rrelu":
        raise NeedsLoop
    kept = ondol.nn.functional.dropout(ondol.ones_like(call.values[name].select(0, 0)), call.get("p"))
    return call.values[name].mul_(kept) if call.in_place else call.values[name] * kept


@rule("prelu")
def prelu(call: Call) -> Tensor:
    """One slope, or one for each channel (dimension 1 of an example of two or more dimensions)."""
    x, weight = call.batch("self"), call.batch("weight")
    rank = x.dim() - 1
    if weight.dim() == 2:
        shape = [x.shape[0], *(1,) * rank]
        if rank >= 2 or weight.shape[1] != 1:
            shape[min(2, rank)] = weight.shape[1]
        weight = weight.reshape(shape)
    return ondol.where(x > 0, x, aligned(weight, rank) * x)


@rule("bernoulli")
def bernoulli(call: Call) -> Tensor:
    """See `random_pointwise`."""
    from ondol._vmap.rules_random import draw

    return draw(call)
