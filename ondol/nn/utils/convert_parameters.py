"""All parameters in one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import ondol

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[ondol.Tensor]) -> ondol.Tensor:
    """The elements of all parameters, one after the other.

    >>> ondol.nn.utils.parameters_to_vector([ondol.zeros(2), ondol.ones(1, 1)])
    tensor([0., 0., 1.])
    """
    return ondol.cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: ondol.Tensor, parameters: Iterable[ondol.Tensor]) -> None:
    """Set the parameters' data to the slices of a vector; they share its memory from then on.

    Raises:
        TypeError: if `vec` is no tensor.
        RuntimeError: if it is shorter than the parameters together.
    """
    if not isinstance(vec, ondol.Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    parameters = list(parameters)
    needed = sum(parameter.numel() for parameter in parameters)
    if vec.numel() < needed:
        raise RuntimeError(f"vector_to_parameters: the vector has {vec.numel()} elements, the parameters have {needed}")
    begin = 0
    for parameter in parameters:
        end = begin + parameter.numel()
        parameter.data = vec[begin:end].view_as(parameter).data
        begin = end
