"""Transforms by reverse-mode differentiation: grad, vjp, jacrev."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import ondol
from ondol._native import Tensor
from ondol._vmap.batched import innermost_level
from ondol._vmap.fallback import loop
from ondol.func._tape import Tape, gathered, spread
from ondol.utils._pytree import TreeSpec, tree_flatten, tree_map, tree_unflatten

Argnums = Any  # a position or a tuple of positions


def grad(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """The function that computes the gradient of `func`, which returns a scalar tensor.

    Args:
        func: its first result is differentiated.
        argnums: by which of its arguments, trees of tensors; a tuple of positions gives a tuple of gradients.
        has_aux: `func` returns (scalar, aux); the gradient comes with aux then.

    Raises:
        RuntimeError: if func does not return a scalar tensor, or an argument is not of floating dtype.

    >>> cube = lambda x: x**3
    >>> ondol.func.grad(cube)(ondol.tensor(2.0))
    tensor(12.)
    >>> ondol.func.grad(ondol.func.grad(cube))(ondol.tensor(2.0))
    tensor(12.)

    Gradients of single examples, without a loop:

    >>> loss = lambda weight, x: (weight * x).sum() ** 2
    >>> each = ondol.vmap(ondol.func.grad(loss), in_dims=(None, 0))
    >>> each(ondol.tensor([1.0, 1.0]), ondol.tensor([[1.0, 0.0], [1.0, 1.0]]))
    tensor([[2., 0.],
            [4., 4.]])
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        gradients, value = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return gradient


def grad_and_value(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """The function that computes (gradient, value) of `func`, or (gradient, (value, aux)): see `grad`.

    >>> ondol.func.grad_and_value(lambda x: x**2)(ondol.tensor(3.0))
    (tensor(6.), tensor(9.))
    """

    @functools.wraps(func)
    def gradient_and_value(*args: Any, **kwargs: Any) -> Any:
        tape = Tape()
        with ondol.enable_grad():
            chosen, spec, variables, args = variables_of(tape, args, argnums)
            output = func(*args, **kwargs)
            output, aux = split_aux(output, "grad_and_value(f)(*args)") if has_aux else (output, None)
            _check_scalar(output)
            roots = [spread(output, tape.levels)]
            outer = tape.is_outer(roots)
            gradients = tape.gradients(roots, variables, [ondol.ones_like(roots[0])], create_graph=outer)
            results = [
                ondol.zeros_like(x) if gradient is None else gathered(gradient, tape.levels)
                for x, gradient in zip(chosen, gradients)
            ]
        value, aux = tape.result(output), detached(tape, aux)
        tape.rest()
        return tree_unflatten(results, spec), ((value, aux) if has_aux else value)

    return gradient_and_value


def variables_of(tape: Tape, args: tuple, argnums: Argnums) -> tuple[list, TreeSpec, list, tuple]:
    """The tensors to differentiate by and their tree, their variables, and the arguments with these in their place."""
    places = _positions(argnums, len(args))
    chosen, spec = tree_flatten(args[places[0]] if isinstance(argnums, int) else tuple(args[at] for at in places))
    for x in chosen:
        if not isinstance(x, Tensor):
            raise RuntimeError(f"expected the arguments to differentiate by to be Tensors, got {type(x)}")
        if not (x.is_floating_point() or x.is_complex()):
            raise RuntimeError(f"only Tensors of floating point and complex dtype can require gradients, not {x.dtype}")
    pairs = [tape.variable(x) for x in chosen]
    replaced = tree_unflatten([example for example, _ in pairs], spec)
    new_args = list(args)
    for at, value in zip(places, (replaced,) if isinstance(argnums, int) else replaced):
        new_args[at] = value
    return chosen, spec, [variable for _, variable in pairs], tuple(new_args)


def _positions(argnums: Argnums, count: int) -> list[int]:
    numbers = [argnums] if isinstance(argnums, int) else list(argnums)
    if not numbers or any(isinstance(number, bool) or not isinstance(number, int) for number in numbers):
        raise RuntimeError(f"argnums must be a position or a tuple of positions, got {argnums!r}")
    for number in numbers:
        if not -count <= number < count:
            raise RuntimeError(f"Got argnum={number}, but only {count} positional inputs")
    places = [number % count for number in numbers]
    if len(set(places)) != len(places):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return places


def split_aux(output: Any, what: str) -> tuple:
    """(output, aux) of a function with has_aux=True."""
    if not isinstance(output, tuple) or len(output) != 2:
        raise RuntimeError(
            f"{what}: output of function f should be a tuple: (output, aux) if has_aux is True, got {type(output)}"
        )
    return output


def detached(tape: Tape, tree: Any) -> Any:
    """A tree of results without the transform's own graph."""
    return tree_map(lambda leaf: tape.result(leaf) if isinstance(leaf, Tensor) else leaf, tree)


def _check_scalar(output: Any) -> None:
    what = "grad_and_value(f)(*args): Expected f(*args) to return a"
    if not isinstance(output, Tensor):
        raise RuntimeError(f"{what} Tensor, got {type(output)}")
    if output.dim() != 0:
        raise RuntimeError(
            f"{what} scalar Tensor, got tensor with {output.dim()} dims. Maybe you wanted to use the vjp or jacrev "
            "APIs instead?"
        )
    if output.is_complex():
        raise RuntimeError(f"{what} real Tensor, got {output.dtype}; take its real part or its absolute value first")


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """The results of `func(*primals)`, and the function from cotangents of these to v ᵀ ∂func/∂primals.

    That function may be called several times, under vmap too. It returns a tuple with an entry for each of the primals,
    or the entry itself if there is one.

    >>> y, pull = ondol.func.vjp(lambda x: x**2, ondol.tensor([1.0, 2.0]))
    >>> y, pull(ondol.ones(2))
    (tensor([1., 4.]), (tensor([2., 4.]),))
    """
    tape = Tape()
    with ondol.enable_grad():
        pullback, output, aux = recorded(tape, func, primals, tuple(range(len(primals))), has_aux, "vjp(f, *primals)")
    output, aux = detached(tape, output), detached(tape, aux)
    tape.rest()
    return (output, pullback, aux) if has_aux else (output, pullback)


def recorded(tape: Tape, func: Callable, args: tuple, argnums: Argnums, has_aux: bool, what: str) -> tuple:
    """A call of func on variables: its Pullback, its results and aux."""
    if not args:
        raise RuntimeError(f"{what}: expected at least one primal to differentiate by")
    chosen, spec, variables, args = variables_of(tape, args, argnums)
    output = func(*args)
    output, aux = split_aux(output, what) if has_aux else (output, None)
    leaves, out_spec = tree_flatten(output)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise RuntimeError(
                f"{what}: expected f(*primals) to return only tensors, got unsupported type {type(leaf)}"
            )
    if not leaves:
        raise RuntimeError(f"{what}: expected f(*primals) to return at least one tensor")
    return Pullback(tape, chosen, spec, variables, leaves, out_spec), output, aux


class Pullback:
    """From cotangents of the results to those of the arguments."""

    def __init__(
        self, tape: Tape, chosen: list, spec: TreeSpec, variables: list, outputs: list, out_spec: TreeSpec
    ) -> None:
        self.tape, self.spec, self.variables = tape, spec, variables
        self.forms = [(x.shape, x.dtype) for x in chosen]
        self.outputs = [spread(output, tape.levels) for output in outputs]
        self.shapes, self.out_spec = [output.shape for output in outputs], out_spec

    def __call__(self, cotangents: Any) -> Any:
        leaves, spec = tree_flatten(cotangents)
        if spec != self.out_spec:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the "
                "function: "
                f"cotangents: {spec}, primal output: {self.out_spec}"
            )
        for leaf, shape in zip(leaves, self.shapes):
            if not isinstance(leaf, Tensor) or leaf.shape != shape:
                got = tuple(leaf.shape) if isinstance(leaf, Tensor) else type(leaf)
                raise RuntimeError(f"Mismatch in shape: a cotangent has shape {got} and its output {tuple(shape)}")
        return tree_unflatten(self.leaves(leaves), self.spec)

    def leaves(self, cotangents: list) -> list:
        """The cotangents of the variables, as a list; a cotangent may be None for zeros."""
        level = innermost_level(cotangents)
        if level is not None and level not in self.tape.levels:  # a vmap around the pass alone
            return loop(lambda *each: self.leaves(list(each)), tuple(cotangents), {}, level)
        given = [(output, spread(cotangent, self.tape.levels))
                 for output, cotangent in zip(self.outputs, cotangents) if cotangent is not None]  # fmt: skip
        roots, values = [output for output, _ in given], [value for _, value in given]
        self.tape.resume()
        outer = ondol.is_grad_enabled() and self.tape.is_outer([*roots, *values])
        gradients = self.tape.gradients(roots, self.variables, values, create_graph=outer)
        self.tape.rest()
        return [
            gathered(variable.new_zeros(variable.shape) if gradient is None else gradient, self.tape.levels)
            for variable, gradient in zip(self.variables, gradients)
        ]


def jacrev(func: Callable, argnums: Argnums = 0, *, has_aux: bool = False, chunk_size: int | None = None) -> Callable:
    """The function that computes the Jacobian of `func`, one backward pass for each element of the results.

    For a result of shape (m...) and an argument of shape (n...) it is a tensor of shape (m..., n...). Trees of results
    give trees of Jacobians, whose entries are trees like the arguments. `chunk_size` is accepted: the passes run one
    after the other, so memory does not grow with their number.

    >>> ondol.func.jacrev(lambda x: x**2)(ondol.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if chunk_size is not None and not chunk_size > 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        tape = Tape()
        with ondol.enable_grad():
            call = functools.partial(func, **kwargs)
            pullback, output, aux = recorded(tape, call, args, argnums, has_aux, "vjp(f, *primals)")
        output, aux = detached(tape, output), detached(tape, aux)
        tape.rest()
        outputs, spec = tree_flatten(output)
        blocks = [_rows(pullback, outputs, position) for position in range(len(outputs))]
        result = tree_unflatten([tree_unflatten(block, pullback.spec) for block in blocks], spec)
        return (result, aux) if has_aux else result

    return jacobian


def _rows(pullback: Pullback, outputs: list, position: int) -> list:
    """The Jacobians of one result by all variables."""
    output = outputs[position]
    count = output.numel()
    basis = ondol.eye(count, dtype=output.dtype).reshape(count, *output.shape)
    rows = []
    for index in range(count):
        cotangents = [None] * len(outputs)
        cotangents[position] = basis[index]
        rows.append(pullback.leaves(cotangents))
    if not rows:
        return [ondol.zeros((*output.shape, *shape), dtype=dtype) for shape, dtype in pullback.forms]
    return [ondol.stack(column).reshape(*output.shape, *column[0].shape) for column in zip(*rows)]
