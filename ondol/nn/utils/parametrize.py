"""Parameters that are computed from others by modules."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any

import ondol

from ..modules import Module, ModuleDict, ModuleList
from ..parameter import Parameter

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations",
    "transfer_parametrizations_and_params", "type_before_parametrizations",
]  # fmt: skip

_cache_depth = 0
_cache: dict[tuple[int, str], ondol.Tensor] = {}


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Inside the `with`, each parametrized tensor is computed once and then remembered."""
    global _cache_depth
    _cache_depth += 1
    try:
        yield
    finally:
        _cache_depth -= 1
        if _cache_depth == 0:
            _cache.clear()


def _register_parameter_or_buffer(module: Module, name: str, tensor: ondol.Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, in the order in which they are applied, and what they start from.

    The start is `original`, or `original0`, `original1`, … where a `right_inverse` returns several tensors.

    Args:
        modules: the parametrizations.
        original: the tensor that is parametrized.
        unsafe: allow another shape or dtype than the tensor's.
    """

    original: ondol.Tensor
    unsafe: bool

    def __init__(self, modules: Sequence[Module], original: ondol.Tensor, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        with ondol.no_grad():
            start: Any = original
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    start = self._inverted(module, start)
        self.is_tensor = isinstance(start, ondol.Tensor)
        self.ntensors = 1 if self.is_tensor else len(start)
        if not self.is_tensor and not all(isinstance(part, ondol.Tensor) for part in start):
            raise ValueError(f"right_inverse must return tensors, got {[type(part).__name__ for part in start]}")
        self._keep(original, start)
        if not unsafe:
            self._check_result(original, shape, dtype)

    @staticmethod
    def _inverted(module: Module, value: Any) -> Any:
        try:
            return module.right_inverse(value)  # type: ignore[operator]
        except NotImplementedError:
            return value

    def _keep(self, original: ondol.Tensor, start: Any) -> None:
        """Register what the parametrizations start from; the original parameter stays the same object."""
        if self.is_tensor:
            if not self.unsafe and original.dtype != start.dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {original.dtype}\nright_inverse(original).dtype: {start.dtype}"
                )
            with ondol.no_grad():
                if start is not original:
                    original.data = start.data
            _register_parameter_or_buffer(self, "original", original)
            return
        for i, part in enumerate(start):
            if isinstance(original, Parameter):
                part = Parameter(part, original.requires_grad)
            part.requires_grad_(original.requires_grad)
            _register_parameter_or_buffer(self, f"original{i}", part)

    def _check_result(self, original: ondol.Tensor, shape: Any, dtype: Any) -> None:
        result = self()
        if not isinstance(result, ondol.Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {type(result).__name__}.")
        if result.dtype != dtype:
            raise ValueError(
                "Registering a parametrization may not change the dtype of the tensor, unless `unsafe` flag is enabled."
                f"\nunparametrized dtype: {dtype}\nparametrized dtype: {result.dtype}"
            )
        if result.shape != shape:
            raise ValueError(
                "Registering a parametrization may not change the shape of the tensor, unless `unsafe` flag is enabled."
                f"\nunparametrized shape: {shape}\nparametrized shape: {result.shape}"
            )

    def right_inverse(self, value: ondol.Tensor) -> None:
        """Set the originals so that the parametrized tensor takes a value: what assigning to it does."""
        with ondol.no_grad():
            start: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse, so that nothing "
                        "can be assigned to the tensor"
                    )
                start = module.right_inverse(start)
            parts = [start] if self.is_tensor else list(start)
            names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
            if len(parts) != len(names):
                raise ValueError(f"right_inverse must return {len(names)} tensors, got {len(parts)}")
            for name, part in zip(names, parts):
                kept = getattr(self, name)
                if kept.dtype != part.dtype:
                    raise ValueError(f"Tensor {name} has dtype {kept.dtype}, right_inverse returned {part.dtype}")
                kept.data = part.data if part is not value else part.clone().data

    def forward(self) -> ondol.Tensor:
        if self.is_tensor:
            value = self[0](self.original)
        else:
            value = self[0](*(getattr(self, f"original{i}") for i in range(self.ntensors)))
        for module in list(self)[1:]:
            value = module(value)
        return value


def _inject_new_class(module: Module) -> None:
    """Give a module a class of its own, so that it can have properties of its own."""
    base = type(module)

    def deepcopied(self: Module, memo: dict) -> Module:
        if id(self) in memo:
            return memo[id(self)]
        replica = self.__new__(type(self))
        memo[id(self)] = replica
        replica.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return replica

    def unpicklable(self: Module) -> dict:
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict(): save that, and register the "
            "parametrizations again before loading it."
        )

    contents: dict[str, Any] = {"__getstate__": unpicklable}
    if not hasattr(base, "__deepcopy__"):
        contents["__deepcopy__"] = deepcopied
    module.__class__ = type(f"Parametrized{base.__name__}", (base,), contents)


def _inject_property(module: Module, tensor_name: str) -> None:
    def get(self: Module) -> ondol.Tensor:
        if not _cache_depth:
            return self.parametrizations[tensor_name]()
        key = (id(self), tensor_name)
        if key not in _cache:
            _cache[key] = self.parametrizations[tensor_name]()
        return _cache[key]

    def set_(self: Module, value: ondol.Tensor) -> None:
        self.parametrizations[tensor_name].right_inverse(value)

    setattr(type(module), tensor_name, property(get, set_))


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Make a parameter or buffer the result of a module: `module.weight` is then `parametrization(original)`.

    A `right_inverse` of the parametrization, if there is one, gives the original for the present value, and makes
    assignment possible.

    Args:
        unsafe: allow another shape or dtype than the tensor's.

    Raises:
        ValueError: if the module has no such tensor, or shape or dtype would change.

    >>> class Symmetric(ondol.nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).T
    >>> layer = ondol.nn.utils.parametrize.register_parametrization(ondol.nn.Linear(3, 3), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.T).all())
    True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        existing = module.parametrizations[tensor_name]
        if not unsafe:
            before = getattr(module, tensor_name)
            _check_step(parametrization, before)
        if hasattr(parametrization, "right_inverse"):
            value = parametrization.right_inverse(getattr(module, tensor_name))
            existing.right_inverse(value)
        existing.append(parametrization)
        existing.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        listed = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _inject_new_class(module)
            module.parametrizations = ModuleDict()
        _inject_property(module, tensor_name)
        module.parametrizations[tensor_name] = listed
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    return module


def _check_step(parametrization: Module, before: ondol.Tensor) -> None:
    """A further parametrization must keep shape and dtype, in both directions."""
    with ondol.no_grad():
        after = parametrization(before)
        steps = [("", after)]
        if hasattr(parametrization, "right_inverse"):
            steps.append(("right_inverse of ", parametrization.right_inverse(before)))
    for which, value in steps:
        if not isinstance(value, ondol.Tensor):
            raise ValueError(f"{which}a parametrization must return a tensor. Got {type(value).__name__}.")
        if value.dtype != before.dtype or value.shape != before.shape:
            raise ValueError(
                f"Registering a parametrization may not change the shape or dtype of the tensor, unless `unsafe` flag "
                f"is enabled: {before.dtype} {list(before.shape)} became {value.dtype} {list(value.shape)}"
            )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module, or one tensor of it, has parametrizations."""
    parametrizations = module._modules.get("parametrizations") if isinstance(module, Module) else None
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make a tensor an ordinary one again.

    Args:
        leave_parametrized: keep the computed value; otherwise go back to the original.

    Raises:
        ValueError: if it is not parametrized, or the original consists of several tensors and is to be restored.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    listed = module.parametrizations[tensor_name]
    if listed.is_tensor:
        original = listed.original
        if leave_parametrized:
            with ondol.no_grad():
                value = getattr(module, tensor_name)
            original.data = value.detach().clone()
    else:
        if not leave_parametrized:
            raise ValueError(
                "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
                "sequence of tensors."
            )
        with ondol.no_grad():
            value = getattr(module, tensor_name).detach().clone()
        learned = any(isinstance(part, Parameter) for part in listed._parameters.values())
        original = Parameter(value) if learned else value
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register_parameter_or_buffer(module, tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that a module had before it was parametrized."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Register copies of one module's parametrizations on another one, with their originals."""
    if not is_parametrized(from_module):
        return to_module
    names = from_module.parametrizations if tensor_name is None else [tensor_name]
    for name in list(names):
        listed = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, copy.deepcopy(getattr(from_module, name)))
        for parametrization in listed:
            register_parametrization(to_module, name, copy.deepcopy(parametrization), unsafe=listed.unsafe)
        target = to_module.parametrizations[name]
        for key, value in [*listed._parameters.items(), *listed._buffers.items()]:
            getattr(target, key).data = value.detach().clone()
    return to_module
