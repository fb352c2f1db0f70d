"""Modules that learn the shapes of their parameters from the first input."""

from __future__ import annotations

import warnings
from typing import Any

from ..parameter import is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin:
    """Make a module lazy: its parameters are `UninitializedParameter`s until it is called for the first time.

    A class that mixes this in defines `initialize_parameters(*inputs)`, which materializes them, and may name in
    `cls_to_become` the class that its instances turn into afterwards.
    """

    cls_to_become: type | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)  # type: ignore[attr-defined]
        self._initialize_hook = self.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)  # type: ignore[attr-defined]

    def _lazy_load_hook(
        self,
        state_dict: dict,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list,
        unexpected_keys: list,
        error_msgs: list,
    ) -> None:
        """Take the shapes from a state_dict. Part of a plan, the shapes come with the values (`_state_dict.py`)."""
        if getattr(local_metadata, "plan", None) is not None:
            return
        for name, tensor in self._lazy_tensors():
            saved = state_dict.get(prefix + name)
            if saved is not None and not is_lazy(saved):
                tensor.materialize(saved.shape)

    def _lazy_tensors(self) -> list[tuple[str, Any]]:
        tensors = {**self._parameters, **self._buffers}  # type: ignore[attr-defined]
        return [(name, tensor) for name, tensor in tensors.items() if is_lazy(tensor)]

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Materialize all uninitialized parameters and buffers from the first call's arguments."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether a shape is still unknown."""
        return bool(self._lazy_tensors())

    def _infer_parameters(self, module: Any, args: tuple, kwargs: dict | None = None) -> None:
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")  # type: ignore[attr-defined]
        module._initialize_hook.remove()
        module._load_hook.remove()
        delattr(module, "_initialize_hook")
        delattr(module, "_load_hook")
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

    def _replicate_for_data_parallel(self) -> None:
        raise RuntimeError(
            "Modules with uninitialized parameters can't be used with DataParallel. Run a dummy forward."
        )


def warn_lazy() -> None:
    warnings.warn("Lazy modules are a new feature under heavy development so changes to the API may happen.")
