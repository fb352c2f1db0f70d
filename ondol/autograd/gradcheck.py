"""Derivatives compared with small differences: the test that every derivative in this library has to pass.

For a real function the Jacobian is compared entry by entry with (f(x + ε) - f(x - ε)) / 2ε. For a complex input
z = x + iy and a real output s the gradient is by convention ∂s/∂x + i ∂s/∂y; a complex output is tested as two real
ones.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import ondol


class GradcheckError(RuntimeError):
    """A derivative is not what the function's values say."""


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare the gradients of `func` with numerical ones; True if they agree.

    `inputs` is a tensor or a tuple; those that require gradients should be float64 or complex128. `func` returns a
    tensor or a tuple. `eps` is the step, `atol` and `rtol` are the tolerances, `nondet_tol` how far two backward passes
    may differ. `check_undefined_grad` also tests that outputs may be left out of the backward pass.
    `fast_mode` is accepted; the whole Jacobian is compared all the same. Forward mode and batched gradients are not
    supported (NotImplementedError).

    Raises GradcheckError with both Jacobians, or returns False if `raise_exception` is off.

    >>> x = ondol.ones(3, dtype=ondol.float64, requires_grad=True)
    >>> ondol.autograd.gradcheck(lambda x: x.exp(), (x,))
    True
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    _refuse_unsupported(
        check_forward_ad=check_forward_ad,
        check_batched_grad=check_batched_grad,
        check_batched_forward_grad=check_batched_forward_grad,
    )
    inputs = _as_tuple(inputs)
    _check_inputs(inputs)
    try:
        _compare_jacobians(func, inputs, eps, atol, rtol, nondet_tol, check_grad_dtypes)
        outputs = _differentiable(func(*inputs))
        if outputs:
            _check_zero_cotangent_gives_zero(outputs, inputs)
            if check_undefined_grad:
                _check_undefined_cotangents(func, inputs, len(outputs))
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """`gradcheck` of the gradient of `func`, as a function of the inputs and of `grad_outputs` (random if None).

    >>> x = ondol.ones(3, dtype=ondol.float64, requires_grad=True)
    >>> ondol.autograd.gradgradcheck(lambda x: x.exp(), (x,))
    True
    """
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError("Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    _refuse_unsupported(check_fwd_over_rev=check_fwd_over_rev)
    inputs = _as_tuple(inputs)
    if grad_outputs is None:
        outputs = _differentiable(func(*inputs))
        grad_outputs = tuple(_random_cotangent(output, gen_non_contig_grad_outputs) for output in outputs)
    else:
        grad_outputs = _as_tuple(grad_outputs)

    def gradient(*args: Any) -> tuple:
        own, cotangents = args[: len(inputs)], args[len(inputs) :]
        outputs = _differentiable(func(*own))
        gradients = ondol.autograd.grad(
            outputs, tuple(_requiring_grad(own)), cotangents, create_graph=True, allow_unused=True
        )
        return tuple(gradient for gradient in gradients if gradient is not None)

    return gradcheck(
        gradient,
        inputs + grad_outputs,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
    )


def _refuse_unsupported(**flags: bool) -> None:
    for name, wanted in flags.items():
        if wanted:
            raise NotImplementedError(
                f"gradcheck: {name}=True is not supported; ondol has reverse-mode derivatives only"
            )


def _random_cotangent(output: Any, noncontiguous: bool) -> Any:
    real = not (output.is_floating_point() or output.is_complex())
    return ondol.testing.make_tensor(
        output.shape,
        dtype=ondol.float64 if real else output.dtype,
        device=output.device,
        low=-1,
        high=1,
        requires_grad=True,
        noncontiguous=noncontiguous,
    )


# --- arguments ---


def _as_tuple(value: Any) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _requiring_grad(values: Iterable[Any]) -> Iterable[Any]:
    return (value for value in values if isinstance(value, ondol.Tensor) and value.requires_grad)


def _differentiable(outputs: Any) -> tuple:
    return tuple(_requiring_grad(_as_tuple(outputs)))


def _check_inputs(inputs: tuple) -> None:
    for index, tensor in enumerate(inputs):
        if not isinstance(tensor, ondol.Tensor) or not tensor.requires_grad:
            continue
        if tensor.dtype not in (ondol.float64, ondol.complex128):
            warnings.warn(
                f"Input #{index} requires gradient and is not a double precision floating point or complex. This check "
                "will likely fail if all the inputs are not of double precision floating point or complex. ",
                stacklevel=3,
            )
        if any(step == 0 and size > 1 for step, size in zip(tensor.stride(), tensor.shape)):
            raise RuntimeError(
                f"The {index}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                "non-overlapping to be able to compute the numerical gradients correctly. You should call .contiguous "
                "on the input before passing it to gradcheck."
            )
    if not any(True for _ in _requiring_grad(inputs)):
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )


# --- the two Jacobians ---


def _compare_jacobians(
    func: Callable, inputs: tuple, eps: float, atol: float, rtol: float, nondet_tol: float, check_dtypes: bool
) -> None:
    outputs = _as_tuple(func(*inputs))
    tested = [index for index, output in enumerate(outputs) if isinstance(output, ondol.Tensor)]
    numerical = _numerical_jacobians(func, inputs, tested, eps)
    places = [index for index in tested if outputs[index].requires_grad]
    if not places:
        if any((jacobian != 0).any().item() for row in numerical.values() for jacobian in row):
            raise GradcheckError("Numerical gradient for function expected to be zero")
        return
    for place, index in enumerate(places):
        output = outputs[index]
        for part in ("real", "imag") if output.is_complex() else (None,):
            expected = numerical[index, part]
            component = output if part is None else getattr(output, part)
            analytical = _analytical_jacobians(component, inputs, nondet_tol, check_dtypes)
            for input_index, (a, n) in enumerate(zip(analytical, expected)):
                common = ondol.promote_types(a.dtype, n.dtype)
                if not ondol.allclose(a.to(common), n.to(common), rtol, atol):
                    raise GradcheckError(_mismatch(a, n, place, input_index, part))


def _mismatch(analytical: Any, numerical: Any, output_index: int, input_index: int, part: str | None) -> str:
    name = {None: "", "real": "real", "imag": "imaginary"}[part]
    prefix = f"While considering the {name} part of complex outputs only, " if part else ""
    return (
        f"{prefix}Jacobian mismatch for output {output_index} with respect to input {input_index},\n"
        f"numerical:{numerical}\nanalytical:{analytical}\n"
    )


def _numerical_jacobians(
    func: Callable, inputs: tuple, tested: list[int], eps: float
) -> dict[tuple[int, str | None], list[Any]]:
    """By output and part of it: for every input a matrix (elements of the input, elements of the output)."""
    columns: dict[tuple[int, str | None], list[list[Any]]] = {}
    sizes = []
    for number, tensor in enumerate(_requiring_grad(inputs)):
        sizes.append(tensor)
        for place in itertools.product(*map(range, tensor.shape)):
            slopes = _slopes(func, inputs, tested, tensor, place, eps)
            for key, slope in slopes.items():
                columns.setdefault(key, []).extend([] for _ in range(number + 1 - len(columns.get(key, ()))))
                columns[key][number].append(slope)
    if not columns:  # inputs without elements
        columns = {key: [] for key in _parts(_as_tuple(func(*inputs)), tested)}
    outputs = _parts(_as_tuple(func(*inputs)), tested)
    return {
        key: [
            ondol.stack(rows[number])
            if number < len(rows) and rows[number]
            else ondol.zeros(tensor.numel(), outputs[key].numel(), dtype=tensor.dtype)
            for number, tensor in enumerate(sizes)
        ]
        for key, rows in columns.items()
    }


def _slopes(func: Callable, inputs: tuple, tested: list[int], tensor: Any, place: tuple, eps: float) -> dict:
    """How all outputs change with one element of one input: ∂s/∂x, and for a complex element ∂s/∂x + i ∂s/∂y."""
    slopes = _central_difference(func, inputs, tested, tensor, place, eps)
    if tensor.is_complex():
        across = _central_difference(func, inputs, tested, tensor, place, eps * 1j)
        slopes = {key: slope + 1j * across[key] for key, slope in slopes.items()}
    return slopes


def _central_difference(
    func: Callable, inputs: tuple, tested: list[int], tensor: Any, place: tuple, step: complex
) -> dict:
    data = tensor.data  # changes of it do not count as changes of what the graph has saved
    before = data[place].item()
    try:
        data[place] = before - step
        low = _parts(_as_tuple(func(*inputs)), tested)
        data[place] = before + step
        high = _parts(_as_tuple(func(*inputs)), tested)
    finally:
        data[place] = before
    slopes = {}
    for key, left in low.items():
        right = high[key]
        for what in ("shape", "dtype"):
            if getattr(left, what) != getattr(right, what):
                raise AssertionError(
                    f"Expected `func` to return outputs with the same {what} when inputs are perturbed by {step}, but "
                    f"got: {what}s {getattr(left, what)} and {getattr(right, what)}."
                )
        slopes[key] = (right - left) / (2 * abs(step))
    return slopes


def _parts(outputs: tuple, tested: list[int]) -> dict[tuple[int, str | None], Any]:
    """The outputs as flat real vectors, complex ones as two."""
    parts: dict[tuple[int, str | None], Any] = {}
    for index in tested:
        flat = outputs[index].detach().clone().reshape(-1)
        if flat.is_complex():
            parts[index, "real"], parts[index, "imag"] = flat.real, flat.imag
        else:
            parts[index, None] = flat if flat.is_floating_point() else flat.to(ondol.float64)
    return parts


def _analytical_jacobians(output: Any, inputs: tuple, nondet_tol: float, check_dtypes: bool) -> list[Any]:
    """For every input the matrix (elements of the input, elements of the output), by one backward pass an output."""
    first, second = _jacobian_by_rows(output, inputs, check_dtypes), _jacobian_by_rows(output, inputs, check_dtypes)
    for a, b in zip(first, second):
        if a.numel() and (a - b).abs().max().item() > nondet_tol:
            raise GradcheckError(
                "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times "
                "gives different values, although analytical gradient matches numerical gradient."
                f"The tolerance for nondeterminism was {nondet_tol}."
            )
    return first


def _jacobian_by_rows(output: Any, inputs: tuple, check_dtypes: bool) -> list[Any]:
    variables = tuple(_requiring_grad(inputs))
    jacobians = [
        ondol.zeros(variable.numel(), output.numel(), dtype=ondol.promote_types(variable.dtype, output.dtype))
        for variable in variables
    ]
    cotangent = ondol.zeros_like(output, memory_format=ondol.contiguous_format)
    flat = cotangent.view(-1)
    for column in range(output.numel()):
        flat.zero_()
        flat[column] = 1
        gradients = ondol.autograd.grad(output, variables, cotangent.clone(), retain_graph=True, allow_unused=True)
        for jacobian, gradient, variable in zip(jacobians, gradients, variables):
            if gradient is None:
                continue
            if gradient.dtype != variable.dtype and check_dtypes:
                raise GradcheckError("Gradient has dtype mismatch")
            if gradient.shape != variable.shape:
                raise GradcheckError("Analytical gradient has incorrect size")
            jacobian[:, column] = gradient.detach().reshape(-1)
    return jacobians


# --- what else a derivative must do ---


def _check_zero_cotangent_gives_zero(outputs: tuple, inputs: tuple) -> None:
    variables = tuple(_requiring_grad(inputs))
    zeros = tuple(ondol.zeros_like(output) for output in outputs)
    gradients = ondol.autograd.grad(outputs, variables, zeros, allow_unused=True)
    for gradient, variable in zip(gradients, variables):
        if gradient is None:
            continue
        if not (gradient == 0).all().item():
            raise GradcheckError("backward not multiplied by grad_output")
        for what in ("dtype", "device"):
            if getattr(gradient, what) != getattr(variable, what):
                raise GradcheckError(f"grad is incorrect {'type' if what == 'dtype' else what}")
        if gradient.shape != variable.shape:
            raise GradcheckError("grad is incorrect size")


def _check_undefined_cotangents(func: Callable, inputs: tuple, count: int) -> None:
    """A derivative must cope with outputs that the loss does not depend on: all of them, and each alone."""
    for left_out in [set(range(count)), *({index} for index in range(count) if count > 1)]:
        outputs = _differentiable(func(*inputs))
        outputs = [_without_gradient(o) if index in left_out else o for index, o in enumerate(outputs)]
        zeros = [ondol.zeros_like(output) for output in outputs]
        try:
            gradients = ondol.autograd.grad(outputs, tuple(_requiring_grad(inputs)), zeros, allow_unused=True)
        except RuntimeError as error:
            raise GradcheckError("Expected backward function to handle undefined output grads.") from error
        if any(gradient is not None and not (gradient == 0).all().item() for gradient in gradients):
            raise GradcheckError(
                "Expected all input grads to be undefined or zero when all output grads are undefined or zero."
            )


def _without_gradient(output: Any) -> Any:
    """The same values, with a derivative that passes nothing on."""

    class PassNothing(ondol.autograd.Function):
        @staticmethod
        def forward(ctx: Any, tensor: Any) -> Any:
            return tensor.view_as(tensor)

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> None:
            return None

    return PassNothing.apply(output)
