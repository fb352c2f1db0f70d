"""The recorded graph from outside: nodes and edges, hooks on several gradients, hooks on what is saved for backward."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import ondol
from ondol import _native

Node = _native.autograd.Node


class GradientEdge(NamedTuple):
    """Where a tensor's gradient flows: a node, and which of the outputs of its forward call the tensor is.

    `autograd.grad` and `autograd.backward` take edges in the place of tensors. `ownership_token` keeps alive what the
    edge belongs to.
    """

    node: Any
    output_nr: int
    ownership_token: Any = None


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The edge of a tensor's gradient. Raises RuntimeError for a tensor that does not require gradients."""
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    return GradientEdge(*_native.autograd.gradient_edge(tensor))


def increment_version(tensor: Any) -> None:
    """Tell autograd that the values of a tensor, or of several, were changed behind its back."""
    for item in (tensor,) if isinstance(tensor, ondol.Tensor) else tensor:
        _native.autograd.increment_version(item)


# --- what is saved for backward ---

_thread = threading.local()


class saved_tensors_hooks:
    """Context manager: what operations save for backward goes through `pack_hook`, and through `unpack_hook` when used.

    `pack_hook(tensor)` returns anything; `unpack_hook` makes of it a tensor of the same values. Of nested blocks the
    inner one counts. A hook must not change the tensor it is given.

    >>> sizes = []
    >>> a = ondol.ones(3, requires_grad=True)
    >>> with ondol.autograd.graph.saved_tensors_hooks(lambda t: (sizes.append(t.numel()), t)[1], lambda t: t):
    ...     b = a * a
    >>> sizes
    [3, 3]
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        refusal = getattr(_thread, "refusal", None)
        if refusal is not None:
            raise RuntimeError(refusal)
        _native.autograd.push_saved_tensors_hooks(self.pack_hook, self.unpack_hook)
        _active_hooks().append(self)

    def __exit__(self, *exception: Any) -> None:
        active = _active_hooks()
        active.pop()
        _native.autograd.pop_saved_tensors_hooks()
        if active:  # the native side knows one pair; the pairs of outer blocks are kept here
            _native.autograd.push_saved_tensors_hooks(active[-1].pack_hook, active[-1].unpack_hook)


def _active_hooks() -> list[saved_tensors_hooks]:
    if not hasattr(_thread, "active"):
        _thread.active = []
    return _thread.active


class save_on_cpu(saved_tensors_hooks):
    """Context manager: tensors saved for backward are kept in the CPU's memory. On the CPU that is where they are."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        super().__init__(lambda tensor: (tensor.device, tensor.cpu()), lambda packed: packed[1].to(packed[0]))


class disable_saved_tensors_hooks:
    """Context manager: inside, `saved_tensors_hooks` raises RuntimeError with this message."""

    def __init__(self, error_message: str):
        self._message = error_message

    def __enter__(self) -> None:
        if _active_hooks():
            raise RuntimeError(self._message)
        self._before = getattr(_thread, "refusal", None)
        _thread.refusal = self._message

    def __exit__(self, *exception: Any) -> None:
        _thread.refusal = self._before


# --- hooks on several gradients ---


class _Handles:
    """Removes several hooks at once."""

    def __init__(self, handles: Sequence[Any]):
        self.handles = tuple(handles)

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> _Handles:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.remove()


def register_multi_grad_hook(tensors: Sequence[Any], fn: Callable[..., None], *, mode: str = "all") -> _Handles:
    """Call `fn` in each backward pass once the gradients of all `tensors` are there.

    It gets the list of them, with None for tensors that the pass does not reach. With `mode="any"` it is called with
    the first gradient instead. Returns a handle with `remove()`.

    >>> a, b = ondol.ones(2, requires_grad=True), ondol.ones(2, requires_grad=True)
    >>> handle = ondol.autograd.graph.register_multi_grad_hook((a, b), lambda grads: print(grads))
    >>> (a * 2 + b).sum().backward()
    [tensor([2., 2.]), tensor([1., 1.])]
    """
    if mode == "any":
        first = _FirstGradient(fn)
        return _Handles([t.register_hook(first) for t in tensors if t.requires_grad])
    if mode != "all":
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    collector = _GradientCollector(tensors, fn)
    return _Handles([t.register_hook(collector.hook_of(index)) for index, t in enumerate(tensors)])


class _FirstGradient:
    """One hook for several tensors that calls `fn` once in each pass."""

    def __init__(self, fn: Callable[[Any], None]):
        self._fn, self._latest_pass = fn, None

    def __call__(self, gradient: Any) -> None:
        current = _native.autograd.current_graph_task_id()
        if current != self._latest_pass:
            self._latest_pass = current
            self._fn(gradient)


class _GradientCollector:
    """Gathers the gradients of several tensors in each pass and calls `fn` with the last of them."""

    def __init__(self, tensors: Sequence[Any], fn: Callable[[list[Any]], None]):
        self._nodes = [get_gradient_edge(tensor).node for tensor in tensors]
        self._fn = fn
        self._lock = threading.Lock()
        self._passes: dict[int, tuple[list[Any], list[int]]] = {}  # pass -> gradients, [how many are missing]

    def hook_of(self, index: int) -> Callable[[Any], None]:
        def hook(gradient: Any) -> None:
            current = _native.autograd.current_graph_task_id()
            with self._lock:
                if current not in self._passes:
                    expected = sum(map(_native.autograd.will_engine_execute_node, self._nodes))
                    self._passes[current] = [None] * len(self._nodes), [expected]
                gradients, missing = self._passes[current]
                gradients[index] = gradient
                missing[0] -= 1
                complete = missing[0] == 0
                if complete:
                    del self._passes[current]
            if complete:
                self._fn(gradients)

        return hook
