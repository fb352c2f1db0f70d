"""Pruning: parameters multiplied by masks before each call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ondol

__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "PruningContainer",
    "RandomStructured", "RandomUnstructured", "custom_from_mask", "global_unstructured", "identity", "is_pruned",
    "l1_unstructured", "ln_structured", "random_structured", "random_unstructured", "remove",
]  # fmt: skip


class BasePruningMethod:
    """A forward pre-hook that sets `name` to `name_orig` · `name_mask`. Subclasses define `compute_mask`."""

    PRUNING_TYPE = "unstructured"
    _tensor_name: str

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    def compute_mask(self, t: ondol.Tensor, default_mask: ondol.Tensor) -> ondol.Tensor:
        """The mask, 1 where an element of importance `t` is kept, given what is pruned already."""
        raise NotImplementedError

    def apply_mask(self, module: Any) -> ondol.Tensor:
        original = getattr(module, self._tensor_name + "_orig")
        return getattr(module, self._tensor_name + "_mask").to(original.dtype) * original

    @classmethod
    def apply(cls, module: Any, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any) -> Any:
        """Prune a parameter of a module, after what is pruned already, and return the hook."""
        method: Any = cls(*args, **kwargs)
        method._tensor_name = name
        earlier = _hook_id(module, name)
        if earlier is None:
            original = getattr(module, name)
            mask = ondol.ones_like(original)
        else:
            existing = module._forward_pre_hooks[earlier]
            before = existing if isinstance(existing, PruningContainer) else [existing]
            container = PruningContainer(*before)
            container.add_pruning_method(method)
            method, original = container, getattr(module, name + "_orig")
            mask = getattr(module, name + "_mask")
        scores = getattr(module, name) if importance_scores is None else importance_scores
        if scores.shape != original.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as parameter {name}: {list(scores.shape)} for "
                f"{list(original.shape)}"
            )
        new_mask = method.compute_mask(scores.detach(), default_mask=mask)
        if earlier is not None:
            del module._forward_pre_hooks[earlier]
        else:
            del module._parameters[name]
            module.register_parameter(name + "_orig", original)
        module.register_buffer(name + "_mask", new_mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t: ondol.Tensor, default_mask: Any = None, importance_scores: Any = None) -> ondol.Tensor:
        """A pruned copy of a tensor."""
        mask = ondol.ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(t if importance_scores is None else importance_scores, default_mask=mask)

    def remove(self, module: Any) -> None:
        """Make the pruned values permanent."""
        name = self._tensor_name
        value = self.apply_mask(module)
        delattr(module, name)
        original = module._parameters.pop(name + "_orig")
        original.data = value.data
        del module._buffers[name + "_mask"]
        setattr(module, name, original)


def _hook_id(module: Any, name: str) -> int | None:
    for id, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return id
    return None


class PruningContainer(BasePruningMethod):
    """Several methods, one after the other, on one parameter."""

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods = tuple(args)
        if args:
            self._tensor_name = args[0]._tensor_name

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        if method._tensor_name != self._tensor_name:
            raise ValueError(
                f"Can only add pruning methods acting on {self._tensor_name!r}, got {method._tensor_name!r}"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Any:
        return iter(self._pruning_methods)

    def __getitem__(self, index: Any) -> Any:
        return self._pruning_methods[index]

    def compute_mask(self, t: ondol.Tensor, default_mask: ondol.Tensor) -> ondol.Tensor:
        """The last method's mask of what the earlier ones left: single elements, or whole channels."""
        method, mask = self._pruning_methods[-1], default_mask.clone()
        if method.PRUNING_TYPE == "structured":
            dim = method.dim % t.dim()  # type: ignore[attr-defined]
            others = [d for d in range(t.dim()) if d != dim]
            alive = (default_mask.sum(others) > 0).nonzero().squeeze(1)
            part = method.compute_mask(t.index_select(dim, alive), default_mask.index_select(dim, alive))
            return mask.index_copy(dim, alive, part.to(mask.dtype))
        if method.PRUNING_TYPE == "global":
            return method.compute_mask(t, default_mask)
        alive = default_mask == 1
        mask[alive] = method.compute_mask(t[alive], default_mask[alive]).to(mask.dtype)
        return mask


class Identity(BasePruningMethod):
    """Prunes nothing."""

    def compute_mask(self, t: ondol.Tensor, default_mask: ondol.Tensor) -> ondol.Tensor:
        return default_mask


class CustomFromMask(BasePruningMethod):
    """Prunes by a given mask."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: ondol.Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: ondol.Tensor, default_mask: ondol.Tensor) -> ondol.Tensor:
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"the mask has shape {list(self.mask.shape)}, but what it prunes {list(default_mask.shape)}"
            )
        return default_mask * self.mask.to(default_mask.dtype)


def _how_many(amount: float, size: int) -> int:
    """`amount` itself if it is an integer, or that part of `size`."""
    if isinstance(amount, bool) or not isinstance(amount, (int, float)):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    if amount < 0 or (isinstance(amount, float) and amount > 1):
        raise ValueError(f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer")
    if isinstance(amount, int):
        if amount > size:
            raise ValueError(f"amount={amount} should be smaller than the number of parameters to prune={size}")
        return amount
    return round(amount * size)


class _ByAmount(BasePruningMethod):
    def __init__(self, amount: float) -> None:
        _how_many(amount, amount if isinstance(amount, int) else 0)
        self.amount = amount

    def _scores(self, t: ondol.Tensor) -> ondol.Tensor:
        raise NotImplementedError

    def compute_mask(self, t: ondol.Tensor, default_mask: ondol.Tensor) -> ondol.Tensor:
        count = _how_many(self.amount, t.numel())
        mask = default_mask.clone()
        if count:
            lowest = ondol.topk(self._scores(t).reshape(-1), k=count, largest=False)[1]
            mask.view(-1)[lowest] = 0
        return mask


class L1Unstructured(_ByAmount):
    """Prunes the elements of smallest absolute value."""

    def _scores(self, t: ondol.Tensor) -> ondol.Tensor:
        return t.abs()


class RandomUnstructured(_ByAmount):
    """Prunes random elements."""

    def _scores(self, t: ondol.Tensor) -> ondol.Tensor:
        return -ondol.rand_like(t)  # PyTorch prunes where the number is large


class _Structured(BasePruningMethod):
    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        _how_many(amount, amount if isinstance(amount, int) else 0)
        self.amount, self.dim = amount, dim

    def _scores(self, t: ondol.Tensor) -> ondol.Tensor:
        raise NotImplementedError

    def compute_mask(self, t: ondol.Tensor, default_mask: ondol.Tensor) -> ondol.Tensor:
        if t.dim() <= 1:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. Found tensor of shape "
                f"{t.shape} with {t.dim()} dims"
            )
        if not -t.dim() <= self.dim < t.dim():
            raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")
        count = _how_many(self.amount, t.shape[self.dim])
        if count == 0:
            return default_mask
        kept = ondol.topk(self._scores(t), k=t.shape[self.dim] - count, largest=True)[1]
        channels = ondol.zeros(t.shape[self.dim], dtype=default_mask.dtype)
        channels[kept] = 1
        shape = [1] * t.dim()
        shape[self.dim] = -1
        return default_mask * channels.view(shape)


class RandomStructured(_Structured):
    """Prunes random channels along a dimension."""

    def _scores(self, t: ondol.Tensor) -> ondol.Tensor:
        return ondol.rand(t.shape[self.dim])


class LnStructured(_Structured):
    """Prunes the channels of smallest n-norm along a dimension."""

    def __init__(self, amount: float, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def _scores(self, t: ondol.Tensor) -> ondol.Tensor:
        others = [d for d in range(t.dim()) if d != self.dim % t.dim()]
        return t.norm(self.n, dim=others)


def identity(module: Any, name: str) -> Any:
    """Prepare a parameter for pruning without pruning it."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Any, name: str, amount: float) -> Any:
    """Prune random elements: so many, or such a part of them."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Any, name: str, amount: float, importance_scores: Any = None) -> Any:
    """Prune the elements of smallest absolute value.

    >>> layer = ondol.nn.utils.prune.l1_unstructured(ondol.nn.Linear(4, 1, bias=False), "weight", amount=3)
    >>> int((layer.weight != 0).sum())
    1
    """
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Any, name: str, amount: float, dim: int) -> Any:
    """Prune random channels along a dimension."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module: Any, name: str, amount: float, n: Any, dim: int, importance_scores: Any = None) -> Any:
    """Prune the channels of smallest n-norm along a dimension."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Any, name: str, mask: ondol.Tensor) -> Any:
    """Prune by a mask."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Any, str]], pruning_method: type, importance_scores: Any = None, **kwargs: Any
) -> None:
    """Prune several parameters as if they were one vector: `parameters` are pairs of module and name."""
    pairs = list(parameters)
    if getattr(pruning_method, "PRUNING_TYPE", None) != "unstructured":
        raise TypeError('Only "unstructured" PRUNING_TYPE supported for the `pruning_method`.')
    scores = importance_scores or {}
    values = [scores.get(pair, getattr(*pair)).detach().reshape(-1) for pair in pairs]
    masks = [
        getattr(module, name + "_mask", ondol.ones_like(getattr(module, name))).reshape(-1) for module, name in pairs
    ]
    container = PruningContainer()
    container._tensor_name = "temp"
    method = pruning_method(**kwargs)
    method._tensor_name = "temp"
    container.add_pruning_method(method)
    final = container.compute_mask(ondol.cat(values), ondol.cat(masks))
    begin = 0
    for module, name in pairs:
        tensor = getattr(module, name)
        custom_from_mask(module, name, final[begin : begin + tensor.numel()].view_as(tensor))
        begin += tensor.numel()


def remove(module: Any, name: str) -> Any:
    """Make the pruned values of a parameter permanent.

    Raises:
        ValueError: if it is not pruned.
    """
    id = _hook_id(module, name)
    if id is None:
        raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")
    module._forward_pre_hooks.pop(id).remove(module)
    return module


def is_pruned(module: Any) -> bool:
    """Whether a module, or one below it, is pruned."""
    return any(
        isinstance(hook, BasePruningMethod)
        for submodule in module.modules()
        for hook in submodule._forward_pre_hooks.values()
    )
