"""Transforms by forward-mode differentiation: jvp, linearize, jacfwd; and hessian."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import ondol
from ondol._native import Tensor
from ondol._vmap.api import vmap
from ondol.func._reverse import Argnums, _positions, detached, jacrev, split_aux
from ondol.func._tape import Linear, Tape, gathered, is_differentiable, spread
from ondol.utils._pytree import tree_flatten, tree_map, tree_unflatten


def jvp(func: Callable, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> tuple:
    """The results of `func(*primals)`, and ∂func/∂primals · tangents; with `has_aux` aux as well.

    It costs one call of func and two backward passes. `tangents` has the form of `primals`, a tuple. With `strict` a
    result that does not depend on the primals raises RuntimeError instead of having a tangent of zeros.

    >>> ondol.func.jvp(ondol.sin, (ondol.tensor(0.0),), (ondol.tensor(2.0),))
    (tensor(0.), tensor(2.))
    """
    what = "jvp(f, primals, tangents)"
    _check_primals(primals, tangents, what)
    tape = Tape()
    with ondol.enable_grad():
        linear, output, aux, leaves, spec = _linear(tape, func, primals, has_aux, what)
        given = [spread(tangent, tape.levels) for tangent in tree_flatten(tangents)[0]]
        found = linear(given)
    if strict and any(tangent is None for tangent in found):
        raise RuntimeError(
            f"{what}: an output of f is independent of the primals. This is not allowed with strict=True."
        )
    products = tree_unflatten(_or_zeros(found, leaves, tape), spec)
    output, aux = detached(tape, output), detached(tape, aux)
    tape.rest()
    return (output, products, aux) if has_aux else (output, products)


def _check_primals(primals: Any, tangents: Any, what: str) -> None:
    for name, value in (("primals", primals), ("tangents", tangents)):
        if not isinstance(value, tuple):
            raise RuntimeError(f"{what}: Expected {name} to be a tuple. E.g. it should be valid to call f(*primals).")
    leaves, spec = tree_flatten(primals)
    others, other_spec = tree_flatten(tangents)
    if spec != other_spec:
        raise RuntimeError(f"{what}: Expected primals and tangents to have the same python structure.")
    if not leaves:
        raise RuntimeError(f"{what}: Expected at least one Tensor in primals")
    for primal, tangent in zip(leaves, others):
        if not isinstance(primal, Tensor) or not isinstance(tangent, Tensor):
            raise RuntimeError(f"{what}: primals and tangents must be Tensors, got {type(primal)} and {type(tangent)}")
        check_tangent(primal, tangent)


def check_tangent(primal: Tensor, tangent: Tensor) -> None:
    """Raise unless a tangent fits."""
    if not is_differentiable(primal):
        raise ValueError(f"Expected primal to be floating point or complex, but got: {primal.dtype}")
    if not is_differentiable(tangent):
        raise ValueError(f"Expected tangent to be floating point or complex, but got: {tangent.dtype}")
    if primal.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            f"supported. Tensor is of size {list(primal.shape)} while the given forward gradient is of size "
            f"{list(tangent.shape)}."
        )


def _linear(tape: Tape, func: Callable, primals: tuple, has_aux: bool, what: str) -> tuple:
    """A call of func on variables, and its linear part."""
    inputs, in_spec = tree_flatten(primals)
    pairs = [tape.variable(x) for x in inputs]
    output = func(*tree_unflatten([example for example, _ in pairs], in_spec))
    output, aux = split_aux(output, what) if has_aux else (output, None)
    leaves, spec = tree_flatten(output)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise RuntimeError(
                f"{what}: expected f(*primals) to return only tensors, got unsupported type {type(leaf)}"
            )
    linear = Linear(tape, [spread(leaf, tape.levels) for leaf in leaves], [variable for _, variable in pairs])
    return linear, output, aux, leaves, spec


def _or_zeros(tangents: list, outputs: list, tape: Tape) -> list:
    return [
        ondol.zeros_like(output).detach() if tangent is None else gathered(tangent, tape.levels)
        for output, tangent in zip(outputs, tangents)
    ]


def linearize(func: Callable, *primals: Any) -> tuple[Any, Callable]:
    """The results of `func(*primals)`, and the linear function tangents → ∂func/∂primals · tangents.

    func is called once; each call of the linear function costs one backward pass. Use it instead of `jvp` for many
    tangents at one point.

    >>> y, push = ondol.func.linearize(lambda x: x**2, ondol.tensor([1.0, 2.0]))
    >>> push(ondol.ones(2)), push(ondol.tensor([0.0, 1.0]))
    (tensor([2., 4.]), tensor([0., 4.]))
    """
    what = "linearize(f, *primals)"
    tape = Tape()
    with ondol.enable_grad():
        linear, output, _, leaves, spec = _linear(tape, func, primals, False, what)
    output = detached(tape, output)
    leaves = [leaf.detach() for leaf in leaves]
    tape.rest()
    expected = tree_flatten(primals)

    def push(*tangents: Any) -> Any:
        given, given_spec = tree_flatten(tangents)
        if given_spec != expected[1]:
            raise RuntimeError(
                f"{what}: expected the tangents to have the structure of the primals {expected[1]}, got {given_spec}"
            )
        for primal, tangent in zip(expected[0], given):
            check_tangent(primal, tangent)
        return tree_unflatten(_pushed(tape, linear, leaves, given), spec)

    return output, push


def _pushed(tape: Tape, linear: Linear, outputs: list, tangents: list) -> list:
    from ondol._vmap.batched import innermost_level
    from ondol._vmap.fallback import loop

    level = innermost_level(tangents)
    if level is not None and level not in tape.levels:  # a vmap around the tangents alone
        return loop(lambda *each: _pushed(tape, linear, outputs, list(each)), tuple(tangents), {}, level)
    tape.resume()
    found = linear([spread(tangent, tape.levels) for tangent in tangents])
    tape.rest()
    return _or_zeros(found, outputs, tape)


def jacfwd(func: Callable, argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error") -> Callable:
    """The function that computes the Jacobian of `func` by forward mode, all columns at once under vmap.

    The form of the result is that of `jacrev`, which is cheaper where there are fewer results than arguments.
    `randomness` is vmap's.

    >>> ondol.func.jacfwd(lambda x: x**2)(ondol.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        places = _positions(argnums, len(args))
        chosen, spec = tree_flatten(args[places[0]] if isinstance(argnums, int) else tuple(args[at] for at in places))
        for x in chosen:
            if not isinstance(x, Tensor):
                raise RuntimeError(f"jacfwd: expected the arguments to differentiate by to be Tensors, got {type(x)}")

        def of_chosen(*values: Tensor) -> Any:
            replaced = tree_unflatten(values, spec)
            new_args = list(args)
            for at, value in zip(places, (replaced,) if isinstance(argnums, int) else replaced):
                new_args[at] = value
            return func(*new_args, **kwargs)

        def push(*tangents: Tensor) -> tuple:
            return jvp(of_chosen, tuple(chosen), tangents, has_aux=has_aux)[1:]

        # aux is the same for all columns, but batched if it was computed from the variables: the first is returned.
        out_dims = (-1, 0) if has_aux else (-1,)
        columns, *aux = vmap(push, out_dims=out_dims, randomness=randomness)(*_basis(chosen))
        outputs, out_spec = tree_flatten(columns)
        blocks = [tree_unflatten(_split(output, chosen), spec) for output in outputs]
        result = tree_unflatten(blocks, out_spec)
        return (result, tree_map(lambda leaf: leaf[0], aux[0])) if has_aux else result

    return jacobian


def _basis(inputs: list) -> list:
    """For each input a batch of tangents; together they run through all unit vectors of all inputs."""
    counts = [x.numel() for x in inputs]
    rows = []
    for position, (x, count) in enumerate(zip(inputs, counts)):
        before, after = sum(counts[:position]), sum(counts[position + 1 :])
        own = ondol.cat([
            ondol.zeros(before, count, dtype=x.dtype), ondol.eye(count, dtype=x.dtype),
            ondol.zeros(after, count, dtype=x.dtype),
        ])  # fmt: skip
        rows.append(own.reshape(sum(counts), *x.shape))
    return rows


def _split(columns: Tensor, inputs: list) -> list:
    """The Jacobians by each input from the columns, which stand in the last dimension."""
    parts = columns.split([x.numel() for x in inputs], -1)
    return [part.reshape(*columns.shape[:-1], *x.shape) for part, x in zip(parts, inputs)]


def hessian(func: Callable, argnums: Argnums = 0) -> Callable:
    """The function that computes the second derivatives of `func`: jacfwd of jacrev.

    For a scalar result and an argument of shape (n...) it is a tensor of shape (n..., n...).

    >>> ondol.func.hessian(lambda x: (x**3).sum())(ondol.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
