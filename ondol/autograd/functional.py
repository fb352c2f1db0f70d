"""Products with Jacobians and Hessians, and these themselves, of functions from tensors to tensors.

With y = f(x) and J = ∂y/∂x: `vjp` is vᵀJ by one backward pass. `jvp` is Jv by two: the first pass is linear in its
cotangent u, so that differentiating uᵀJ once more with respect to u gives Jv (the double-backward trick,
J. Townsend, 2017). `jacobian` and `hessian` put rows together from `vjp`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ondol

Tensors = Any  # a tensor or a tuple of tensors

# When the vector of a product may be left out.
_SINGLE_INPUT = "the input to the user-provided function is a single Tensor with a single"
_SINGLE_OUTPUT = "the user-provided function returns a single Tensor with a single"


def vjp(
    func: Callable, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """The outputs of `func(*inputs)` and the product of `v` with its Jacobian, in the form of the inputs.

    `v` has the form of the outputs and may be left out for a single output of one element. With `create_graph` both
    results can be differentiated. With `strict` an output that does not depend on an input raises instead of giving
    zeros. Raises RuntimeError where shapes do not fit, TypeError for what is not a tensor.

    >>> ondol.autograd.functional.vjp(lambda x: x * x, ondol.tensor([1.0, 2.0]), ondol.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with ondol.enable_grad():
        single_in, inputs = _as_tuple(inputs, "inputs", "vjp")
        inputs = _prepare(inputs, create_graph, need_graph=True)
        single_out, outputs = _as_tuple(func(*inputs), "outputs of the user-provided function", "vjp")
        _expect_grad(outputs, "outputs", strict)
        v = _vector(v, outputs, single_out, create_graph, "vjp")
    with ondol.set_grad_enabled(create_graph or ondol.is_grad_enabled()):
        gradients = _grad(outputs, inputs, v, create_graph=create_graph)
        gradients = _zeros_for_none(gradients, inputs, strict, create_graph, "back")
    return _result(outputs, create_graph, single_out), _result(gradients, create_graph, single_in)


def jvp(
    func: Callable, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """The outputs of `func(*inputs)` and the product of its Jacobian with `v`, in the form of the outputs.

    `v` has the form of the inputs and may be left out for a single input of one element. The other arguments and the
    errors are those of `vjp`.

    >>> ondol.autograd.functional.jvp(lambda x: x * x, ondol.tensor([1.0, 2.0]), ondol.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with ondol.enable_grad():
        single_in, inputs = _as_tuple(inputs, "inputs", "jvp")
        inputs = _prepare(inputs, create_graph, need_graph=True)
        v = _vector(v, inputs, single_in, create_graph, "jvp")
        single_out, outputs = _as_tuple(func(*inputs), "outputs of the user-provided function", "jvp")
        _expect_grad(outputs, "outputs", strict)
        # The value of u does not matter, since uᵀJ is linear in it.
        u = tuple(ondol.zeros_like(output, requires_grad=True) for output in outputs)
        product = _grad(outputs, inputs, u, create_graph=True)
        _expect_grad(product, "grad_inputs", strict)
    with ondol.set_grad_enabled(create_graph or ondol.is_grad_enabled()):
        tangents = _grad(product, u, v, create_graph=create_graph)
        tangents = _zeros_for_none(tangents, outputs, strict, create_graph, "back_trick")
    return _result(outputs, create_graph, single_out), _result(tangents, create_graph, single_out)


def jacobian(
    func: Callable,
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Tensors:
    """The Jacobian of `func`: for output shape (m...) and input shape (n...) a tensor of shape (m..., n...).

    A tuple of inputs gives a tuple for each output, a tuple of outputs a tuple of these. `vectorize` and
    `strategy="forward-mode"` are accepted; the rows are computed one after the other all the same.

    >>> ondol.autograd.functional.jacobian(lambda x: x.exp(), ondol.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    _check_strategy(strategy, vectorize, strict, "jacobian")
    with ondol.enable_grad():
        single_in, inputs = _as_tuple(inputs, "inputs", "jacobian")
        inputs = _prepare(inputs, create_graph, need_graph=True)
        single_out, outputs = _as_tuple(func(*inputs), "outputs of the user-provided function", "jacobian")
        _expect_grad(outputs, "outputs", strict)
        blocks = tuple(
            _jacobian_of(output, index, inputs, create_graph, strict) for index, output in enumerate(outputs)
        )
    rows = tuple(_result(block, create_graph, single_in) for block in blocks)
    return rows[0] if single_out else rows


def _jacobian_of(output: Any, output_index: int, inputs: tuple, create_graph: bool, strict: bool) -> tuple:
    """The Jacobians of one output with respect to all inputs, row by row."""
    rows: list[list[Any]] = [[] for _ in inputs]
    for element in output.reshape(-1).unbind() if output.numel() else ():
        gradients = _grad((element,), inputs, None, create_graph=create_graph, retain_graph=True)
        for index, (gradient, input) in enumerate(zip(gradients, inputs)):
            if gradient is None:
                if strict:
                    raise RuntimeError(
                        f"Output {output_index} of the user-provided function is independent of input {index}. "
                        "This is not allowed in strict mode."
                    )
                gradient = ondol.zeros_like(input)
            elif strict and create_graph and not gradient.requires_grad:
                raise RuntimeError(
                    f"The jacobian of the user-provided function is independent of input {output_index}. "
                    "This is not allowed in strict mode when create_graph=True."
                )
            rows[index].append(gradient)
    return tuple(
        ondol.stack(row).view(*output.shape, *input.shape) if row else input.new_zeros((*output.shape, *input.shape))
        for row, input in zip(rows, inputs)
    )


def hessian(
    func: Callable,
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Tensors:
    """The second derivatives of a `func` with one output of one element: the Jacobian of its gradient.

    For an input of shape (n...) a tensor of shape (n..., n...); a tuple of inputs gives a tuple of tuples.

    >>> ondol.autograd.functional.hessian(lambda x: (x**3).sum(), ondol.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    single_in, inputs = _as_tuple(inputs, "inputs", "hessian")
    _check_strategy(outer_jacobian_strategy, vectorize, strict, "hessian")

    def scalar(*args: Any) -> Any:
        output = func(*args)
        single, outputs = _as_tuple(output, "outputs of the user-provided function", "hessian")
        _expect_grad(outputs, "outputs", strict)
        return _scalar_output(outputs, single, "hessian").squeeze()

    def gradient(*args: Any) -> tuple:
        result = jacobian(scalar, args, create_graph=True)
        _expect_grad(result, "jacobian", strict)
        return result

    blocks = jacobian(gradient, inputs, create_graph=create_graph, strict=strict)
    return blocks[0][0] if single_in else blocks


def vhp(
    func: Callable, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """The output of a scalar `func` and the product of `v` with its Hessian, by two backward passes.

    >>> ondol.autograd.functional.vhp(lambda x: (x**3).sum(), ondol.tensor([1.0, 2.0]), ondol.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    with ondol.enable_grad():
        single_in, inputs, v, output, gradients = _scalar_gradient(func, inputs, v, create_graph, strict, "vhp")
    with ondol.set_grad_enabled(create_graph or ondol.is_grad_enabled()):
        product = _grad(gradients, inputs, v, create_graph=create_graph)
        product = _zeros_for_none(product, inputs, strict, create_graph, "double_back")
    return _result((output,), create_graph, True), _result(product, create_graph, single_in)


def hvp(
    func: Callable, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """The output of a scalar `func` and the product of its Hessian with `v`, by the double-backward trick.

    For a twice continuously differentiable function the Hessian is symmetric, and `vhp` is the cheaper way.

    >>> ondol.autograd.functional.hvp(lambda x: (x**3).sum(), ondol.tensor([1.0, 2.0]), ondol.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    with ondol.enable_grad():
        single_in, inputs, v, output, gradients = _scalar_gradient(func, inputs, v, create_graph, strict, "hvp")
        u = tuple(ondol.zeros_like(input, requires_grad=True) for input in inputs)
        second = _grad(gradients, inputs, u, create_graph=True)
        second = _zeros_for_none(second, inputs, strict, create_graph, "double_back")
    with ondol.set_grad_enabled(create_graph or ondol.is_grad_enabled()):
        product = _grad(second, u, v, create_graph=create_graph)
        product = _zeros_for_none(product, inputs, strict, create_graph, "double_back_trick")
    return _result((output,), create_graph, True), _result(product, create_graph, single_in)


def _scalar_gradient(
    func: Callable, inputs: Tensors, v: Tensors | None, create_graph: bool, strict: bool, name: str
) -> tuple:
    """What `vhp` and `hvp` begin with: the checked arguments, the output and its differentiable gradient."""
    single_in, inputs = _as_tuple(inputs, "inputs", name)
    inputs = _prepare(inputs, create_graph, need_graph=True)
    v = _vector(v, inputs, single_in, create_graph, name)
    single_out, outputs = _as_tuple(func(*inputs), "outputs of the user-provided function", name)
    _expect_grad(outputs, "outputs", strict)
    output = _scalar_output(outputs, single_out, name)
    gradients = _grad((output,), inputs, None, create_graph=True)
    _expect_grad(gradients, "jacobian", strict)
    gradients = _zeros_for_none(gradients, inputs, strict, create_graph, "double_back")
    return single_in, inputs, v, output, gradients


# --- arguments and results ---


def _as_tuple(value: Any, what: str, function: str) -> tuple[bool, tuple]:
    """Whether it was a single tensor, and the tensors as a tuple."""
    single = not isinstance(value, tuple)
    tensors = (value,) if single else value
    for index, tensor in enumerate(tensors):
        if not isinstance(tensor, ondol.Tensor):
            where = f"given {what}" if single else f"value at index {index}"
            raise TypeError(
                f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but the {where} has "
                f"type {type(tensor)}."
            )
    return single, tensors


def _prepare(tensors: tuple, create_graph: bool, need_graph: bool) -> tuple:
    """The arguments as tensors of our own, linked to the user's only if gradients shall flow there."""
    if create_graph:
        return tuple(t.view_as(t) if t.requires_grad else t.detach().requires_grad_(need_graph) for t in tensors)
    return tuple(t.detach().requires_grad_(need_graph) for t in tensors)


def _vector(v: Any, like: tuple, single: bool, create_graph: bool, function: str) -> tuple | None:
    """The vector of a product, checked against what it is multiplied with."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            when = _SINGLE_OUTPUT if function == "vjp" else _SINGLE_INPUT
            raise RuntimeError(f"The vector v can only be None if {when} element.")
        return None
    _, v = _as_tuple(v, "v", function)
    v = _prepare(v, create_graph, need_graph=False)
    if len(v) != len(like):
        if single:
            raise RuntimeError("The given v should contain a single Tensor.")
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}.")
    for index, (given, other) in enumerate(zip(v, like)):
        if given.shape != other.shape:
            entry = "" if single else f"Entry {index} in "
            raise RuntimeError(f"{entry}v has invalid size: should be {other.shape} but got {given.shape}.")
    return v


def _check_strategy(strategy: str, vectorize: bool, strict: bool, name: str) -> None:
    if strategy not in ("forward-mode", "reverse-mode"):
        raise ValueError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs '
            'than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only implemented for "
            "`vectorize=True`."
        )
    if strict and vectorize:
        raise RuntimeError(
            f"ondol.autograd.functional.{name}: `strict=True` and `vectorized=True` are not supported together. "
            "Please either set `strict=False` or `vectorize=False`."
        )


def _scalar_output(outputs: tuple, single: bool, function: str) -> Any:
    if not single:
        raise RuntimeError(f"The function given to {function} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {function} should contain a single element")
    return outputs[0]


def _result(tensors: tuple, create_graph: bool, single: bool) -> Any:
    if not create_graph:
        tensors = tuple(tensor.detach() for tensor in tensors)
    return tensors[0] if single else tensors


# --- gradients ---


def _grad(
    outputs: tuple, inputs: tuple, cotangents: tuple | None, create_graph: bool, retain_graph: bool | None = None
) -> tuple:
    """`autograd.grad` that leaves out the outputs which do not depend on anything."""
    cotangents = (None,) * len(outputs) if cotangents is None else cotangents
    pairs = [(output, u) for output, u in zip(outputs, cotangents) if output is not None and output.requires_grad]
    if not pairs:
        return (None,) * len(inputs)
    return ondol.autograd.grad(
        tuple(output for output, _ in pairs),
        inputs,
        tuple(u for _, u in pairs),
        allow_unused=True,
        create_graph=create_graph,
        retain_graph=retain_graph,
    )


_INDEPENDENT = {
    "back": "The output of the user-provided function is independent of input {}. This is not allowed in strict mode.",
    "back_trick": (
        "The gradient with respect to the input is independent of entry {} in the grad_outputs when using the double "
        "backward trick to compute forward mode gradients. This is not allowed in strict mode."
    ),
    "double_back": (
        "The jacobian of the user-provided function is independent of input {}. This is not allowed in strict mode."
    ),
    "double_back_trick": (
        "The hessian of the user-provided function is independent of entry {} in the grad_jacobian. This is not "
        "allowed in strict mode as it prevents from using the double backward trick to replace forward mode AD."
    ),
}

_WITHOUT_GRAD = {
    "outputs": (
        "Output {} of the user-provided function does not require gradients. The outputs must be computed in a "
        "differentiable manner from the input when running in strict mode."
    ),
    "grad_inputs": (
        "The gradient with respect to input {} is independent of the inputs of the user-provided function. This is not "
        "allowed in strict mode."
    ),
    "jacobian": (
        "While computing the hessian, found that the jacobian of the user-provided function with respect to input {} "
        "is independent of the input. This is not allowed in strict mode. You should ensure that your function is "
        "twice differentiable and that the jacobian depends on the inputs (this would be violated by a linear function "
        "for example)."
    ),
}


def _zeros_for_none(gradients: tuple, like: tuple, strict: bool, create_graph: bool, stage: str) -> tuple:
    filled = []
    for index, (gradient, other) in enumerate(zip(gradients, like)):
        if gradient is None:
            if strict:
                raise RuntimeError(_INDEPENDENT[stage].format(index))
            gradient = ondol.zeros_like(other)
        elif strict and create_graph and not gradient.requires_grad:
            what = "hessian" if stage.startswith("double") else "jacobian"
            raise RuntimeError(
                f"The {what} of the user-provided function is independent of input {index}. This is not allowed in "
                "strict mode when create_graph=True."
            )
        filled.append(gradient)
    return tuple(filled)


def _expect_grad(tensors: tuple, stage: str, strict: bool) -> None:
    for index, tensor in enumerate(tensors if strict else ()):
        if tensor is None:
            raise RuntimeError(_INDEPENDENT["back"].format(index))
        if not tensor.requires_grad:
            raise RuntimeError(_WITHOUT_GRAD[stage].format(index))
