"""Forward-mode differentiation: tensors with a tangent.

A dual tensor is recorded as a variable, and `unpack_dual` derives the tangent of a result from the recorded graph (see
`ondol/func/_tape.py`): computing goes at the speed of recorded operations, and unpacking costs two backward passes.
Unlike PyTorch's, a dual tensor therefore requires grad, is a copy of its primal, and operations under `no_grad` lose
the tangent.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import ondol
from ondol._native import Tensor
from ondol.func._forward import check_tangent
from ondol.func._tape import Linear, Tape, gathered, spread

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]


class UnpackedDualTensor(NamedTuple):
    """The two parts of a dual tensor; the tangent is None if it has none."""

    primal: Tensor
    tangent: Tensor | None


class _Duals:
    """What was made dual in a level."""

    def __init__(self) -> None:
        self.tape = Tape()
        self.variables: list[Tensor] = []
        self.tangents: list[Tensor] = []


class _State(threading.local):
    duals: _Duals | None = None


_state = _State()


def enter_dual_level() -> int:
    """Begin forward-mode differentiation; `dual_level` is the better form. Returns the level, 0.

    Raises RuntimeError if it has begun already: levels do not nest, `ondol.func.jvp` does.
    """
    if _state.duals is not None:
        raise RuntimeError("Nested forward mode AD is not supported at the moment: use ondol.func.jvp, which nests")
    _state.duals = _Duals()
    ondol._native.autograd.set_grad_enabled(True)
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """End it: tensors lose their tangents. Raises RuntimeError if it has not begun."""
    duals = _state.duals
    if duals is None or level not in (None, 0):
        raise RuntimeError(f"exit_dual_level(): level {level} is not the innermost one that was entered")
    _state.duals = None
    duals.tape.rest()
    ondol._native.autograd.set_grad_enabled(duals.tape.outer_grad)


class dual_level:
    """`with dual_level():` tensors may have tangents.

    >>> from ondol.autograd import forward_ad
    >>> with forward_ad.dual_level():
    ...     x = forward_ad.make_dual(ondol.tensor(3.0), ondol.tensor(1.0))
    ...     forward_ad.unpack_dual(x * x).tangent
    tensor(6.)
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *error: Any) -> None:
        exit_dual_level()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A tensor with the values of `tensor` and a tangent.

    Raises RuntimeError outside of a level and for a tangent of another shape, ValueError for dtypes without derivative.
    """
    duals = _state.duals
    if duals is None or (level is not None and level < 0):
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    check_tangent(tensor, tangent)
    example, variable = duals.tape.variable(tensor)
    duals.variables.append(variable)
    duals.tangents.append(spread(tangent, duals.tape.levels))
    return example.clone()  # that may be changed in place, as a variable may not


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The primal of a tensor, and its tangent, or None if it was not computed from a dual tensor."""
    duals = _state.duals
    if duals is None or not duals.variables or not tensor.requires_grad:
        return UnpackedDualTensor(tensor, None)
    tape = duals.tape
    known = list(tape.leaves)
    (tangent,) = Linear(tape, [spread(tensor, tape.levels)], duals.variables)(duals.tangents)
    tape.leaves = known  # without the dummies of this call
    if tangent is None:
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(tape.result(tensor), gathered(tangent, tape.levels))
