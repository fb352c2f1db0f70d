"""Products of matrices and vectors: all become batched matrix products."""

from __future__ import annotations

import ondol
from ondol._native import Tensor
from ondol._vmap.call import Call, NeedsLoop, rule
from ondol._vmap.rules_pointwise import aligned


def product(call: Call, left: str, right: str) -> Tensor:
    """matmul of two arguments, of which one or both are batched."""
    a, b = call.values[left], call.values[right]
    a_rank, b_rank = call.rank(left), call.rank(right)
    if a_rank == 0 or b_rank == 0:
        raise NeedsLoop
    if a_rank == 1:
        a = a.unsqueeze(-2)
    if b_rank == 1:
        b = b.unsqueeze(-1)
    rank = max(a_rank + (a_rank == 1), b_rank + (b_rank == 1))
    a = aligned(a, rank) if left in call.batched else a
    b = aligned(b, rank) if right in call.batched else b
    result = ondol.matmul(a, b)
    if b_rank == 1:
        result = result.squeeze(-1)
    return result.squeeze(-1 if b_rank == 1 else -2) if a_rank == 1 else result


_OPERANDS = {
    "matmul": (None, None), "mm": (2, 2), "bmm": (3, 3), "mv": (2, 1), "dot": (1, 1), "vdot": (1, 1), "outer": (1, 1),
    "addmm": (2, 2), "addmv": (2, 1), "addr": (1, 1), "baddbmm": (3, 3), "addbmm": (3, 3),
}  # fmt: skip
"""The ranks that the two factors must have."""


def _factors(call: Call) -> tuple[str, str]:
    names = [parameter.name for parameter in call.schema.parameters if parameter.type == "Tensor"]
    left, right = names[-2:]
    for name, rank in zip((left, right), _OPERANDS[call.name]):
        if rank is not None and call.rank(name) != rank:
            raise NeedsLoop
    if call.outer[left].dtype != call.outer[right].dtype:
        raise NeedsLoop
    return left, right


@rule("matmul mm bmm mv dot")
def plain_product(call: Call) -> Tensor:
    """As matmul does."""
    left, right = _factors(call)
    if call.name in ("mm", "bmm", "mv", "dot"):
        inner = call.outer[right].shape[-2 if call.rank(right) > 1 else -1]
        if call.outer[left].shape[-1] != inner:
            raise NeedsLoop
    if call.name == "bmm" and call.outer[left].shape[0] != call.outer[right].shape[0]:
        raise NeedsLoop
    return product(call, left, right)


@rule("vdot")
def vdot(call: Call) -> Tensor:
    """The first factor is conjugated."""
    left, right = _factors(call)
    call.values[left] = call.values[left].conj()
    return product(call, left, right)


def _outer(call: Call, left: str, right: str) -> Tensor:
    return call.values[left].unsqueeze(-1) * call.values[right].unsqueeze(-2)


@rule("outer")
def outer(call: Call) -> Tensor:
    """Every element by every other."""
    return _outer(call, *_factors(call))


@rule("addmm addmv addr baddbmm addbmm")
def added_product(call: Call) -> Tensor:
    """beta · self + alpha · product; a beta of 0 leaves out self, NaN included."""
    left, right = _factors(call)
    result = _outer(call, left, right) if call.name == "addr" else product(call, left, right)
    if left not in call.batched and right not in call.batched:
        result = call.level.expand(result)
    if call.name == "addbmm":
        result = result.sum(1)
    rank = result.dim() - 1
    if call.rank("self") > rank or call.outer["self"].dtype != result.dtype:
        raise NeedsLoop
    alpha, beta = call.get("alpha"), call.get("beta")
    if alpha != 1:
        result = result * alpha
    if beta == 0:
        return result
    added = call.values["self"]
    added = aligned(added, rank) if "self" in call.batched else added
    return ondol.add(result, added, alpha=beta)


@rule("linear")
def linear(call: Call) -> Tensor:
    """x Wᵀ + b."""
    bias = call.values.get("bias")
    if "weight" not in call.batched and "bias" not in call.batched and call.rank("input") >= 1:
        return call.run()
    if call.rank("weight") != 2:
        raise NeedsLoop
    call.values["weight"] = call.values["weight"].transpose(-1, -2)
    if "weight" in call.batched or "input" in call.batched:
        x_rank = call.rank("input")
        x, weight = call.values["input"], call.values["weight"]
        if x_rank == 0:
            raise NeedsLoop
        x = x.unsqueeze(-2) if x_rank == 1 else x
        rank = max(x_rank, 2)
        x = aligned(x, rank) if "input" in call.batched else x
        weight = aligned(weight, rank) if "weight" in call.batched else weight
        result = ondol.matmul(x, weight)
        result = result.squeeze(-2) if x_rank == 1 else result
    else:
        result = call.level.expand(ondol.matmul(call.values["input"], call.values["weight"]))
    if bias is None:
        return result
    return result + (aligned(bias, result.dim() - 1) if "bias" in call.batched else bias)


@rule("scaled_dot_product_attention")
def attention(call: Call) -> Tensor:
    """The batch is one more dimension in front of heads."""
    from ondol._vmap.rules_random import draws_per_example

    if call.get("dropout_p") and not draws_per_example(call.level):
        raise NeedsLoop
    query, key, value = (call.batch(name) for name in ("query", "key", "value"))
    rank = max(part.dim() - 1 for part in (query, key, value))
    changes = {"query": aligned(query, rank), "key": aligned(key, rank), "value": aligned(value, rank)}
    if "attn_mask" in call.batched:
        changes["attn_mask"] = aligned(call.values["attn_mask"], rank)
    return call.run(**changes)
