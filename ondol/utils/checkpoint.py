"""Checkpointing (Chen et al. 2016): compute a part of the model again in backward instead of keeping what it needs.

The part runs once to give its result, and its graph is dropped at once. In its place stands one node, whose inputs are
the tensors given to the part and the leaves that it captured, such as the parameters of modules. Its derivative runs
the part again, with the same random numbers, and differentiates that.
"""

from __future__ import annotations

import enum
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NoReturn

import ondol
from ondol._native import _autocast

if TYPE_CHECKING:
    from ondol import Tensor

__all__ = [
    "CheckpointError", "CheckpointPolicy", "checkpoint", "checkpoint_sequential",
    "create_selective_checkpoint_contexts", "detach_variable", "noop_context_fn", "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
]  # fmt: skip


class CheckpointError(RuntimeError):
    """The part did something else when it was run again."""


def noop_context_fn() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Two contexts that do nothing, for the first run and for the second."""
    return nullcontext(), nullcontext()


class CheckpointPolicy(enum.Enum):
    """What selective checkpointing would do with an operation's result; for code that is shared with PyTorch."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


def create_selective_checkpoint_contexts(policy_fn_or_list: Any, allow_cache_entry_mutation: bool = False) -> NoReturn:
    """Raises NotImplementedError: a part is computed again as a whole."""
    raise NotImplementedError(
        "selective checkpointing is not supported: checkpoint smaller parts, and leave out those whose results are "
        "to be kept"
    )


@contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Accepted: the second run always goes to its end, which changes no gradient."""
    yield


@contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Accepts None and False.

    Raises:
        NotImplementedError: True.
    """
    if enabled:
        _refuse_debug()
    yield


def _refuse_debug() -> NoReturn:
    raise NotImplementedError("checkpoint(debug=True) is not available; use autograd.detect_anomaly() instead")


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values with tensors detached, each of which requires grad if the given one did.

    Raises:
        RuntimeError: not a tuple.
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(f"detach_variable takes a tuple of tensors, got {type(inputs).__name__}")
    return tuple(
        each.detach().requires_grad_(each.requires_grad) if isinstance(each, ondol.Tensor) else each for each in inputs
    )


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[AbstractContextManager[Any], AbstractContextManager[Any]]] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """Return `function(*args, **kwargs)`, without keeping what its derivative needs; backward computes that again.

    Both settings of `use_reentrant` run the same way here: `autograd.grad`, `backward(inputs=...)` and derivatives of
    derivatives work with either. What PyTorch refuses or warns of for True is refused and warned of.

    Args:
        function: the part. It must compute the same when called again; dropout does, see `preserve_rng_state`.
        args, kwargs: for it; tensors may be nested in lists, tuples and dicts (with True: positional ones only).
        use_reentrant: must be given in new code; None means True, with a warning.
        context_fn: gives a context for the first run and one for the second (not with True).
        determinism_check: "default" compares shapes and dtypes of both results, "none" nothing.
        debug: not available.
        early_stop: accepted and ignored: the second run always goes to its end.
        preserve_rng_state: (among `kwargs`, default True) draw the same random numbers in the second run.

    Raises:
        ValueError: options that do not go together.
        CheckpointError: in backward, the second run gave something else.
        NotImplementedError: `debug=True`.

    >>> import ondol
    >>> x = ondol.tensor([2.0], requires_grad=True)
    >>> checkpoint(lambda x: (x * x).exp(), x, use_reentrant=False).backward()
    >>> round(x.grad.item(), 2)
    218.39
    """
    preserve_rng_state = kwargs.pop("preserve_rng_state", True)
    if use_reentrant is None:
        use_reentrant = _reentrant_by_default()
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug is not False:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
    if debug:
        _refuse_debug()
    if determinism_check not in ("default", "none"):
        raise ValueError(f"determinism_check should be one of ['default', 'none'], but got {determinism_check}")
    if not ondol.is_grad_enabled():
        return function(*args, **kwargs)
    if use_reentrant and not any(isinstance(arg, ondol.Tensor) and arg.requires_grad for arg in args):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)
        with ondol.no_grad():
            return function(*args)
    part = _Part(function, args, kwargs, preserve_rng_state, context_fn(), determinism_check == "default")
    return part.run()


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Run functions one after the other, in `segments` checkpointed parts of equal length; the last one is not.

    Args:
        functions: a Sequential, or a list of functions of one argument.
        segments: how many parts.
        input: of the first function.
        use_reentrant, preserve_rng_state: as for `checkpoint`.

    Raises:
        ValueError: more segments than functions, or what `checkpoint` refuses.

    >>> import ondol
    >>> x = ondol.ones(2, requires_grad=True)
    >>> checkpoint_sequential([ondol.exp, ondol.log, ondol.neg], 2, x, use_reentrant=False).sum().backward()
    >>> x.grad
    tensor([-1., -1.])
    """
    preserve_rng_state = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if use_reentrant is None:
        use_reentrant = _reentrant_by_default()
    functions = list(functions.children()) if isinstance(functions, ondol.nn.Sequential) else list(functions)
    length = len(functions) // segments
    if length == 0:
        raise ValueError(f"{segments} segments of {len(functions)} functions: there must be as many functions at least")

    def in_sequence(some: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            for function in some:
                x = function(x)
            return x

        return run

    last = length * (segments - 1)
    for start in range(0, last, length or 1):
        part = in_sequence(functions[start : start + length])
        input = checkpoint(part, input, use_reentrant=use_reentrant, preserve_rng_state=preserve_rng_state)
    return in_sequence(functions[last:])(input)


def _reentrant_by_default() -> bool:
    warnings.warn(
        "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. use_reentrant=False is "
        "recommended; without it, use_reentrant=True is taken.",
        stacklevel=3,
    )
    return True


class _Part:
    """A checkpointed call: what is needed to run it again."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        preserve_rng_state: bool,
        contexts: tuple[AbstractContextManager[Any], AbstractContextManager[Any]],
        check: bool,
    ) -> None:
        self.function = function
        self.inputs = [tensor for tensor in _tensors((args, kwargs)) if tensor.requires_grad]
        # The tensors themselves are kept by the node, which lets go of them after backward and checks their versions.
        self.arguments = _replaced((args, kwargs), {id(tensor): _Slot(i) for i, tensor in enumerate(self.inputs)})
        self.random_state = ondol.get_rng_state() if preserve_rng_state else None
        self.autocast = _autocast.enabled(), _autocast.dtype(), _autocast.keeps_weights()
        self.forward_context, self.recompute_context = contexts
        self.check = check
        self.forms: list[Any] = []

    def run(self) -> Any:
        """The result of the call, connected to its inputs by one node."""
        stand_ins = [tensor.detach().requires_grad_() for tensor in self.inputs]
        with self.forward_context:
            result = self._call(stand_ins)
        outputs = _differentiable(result)
        self.forms = [_form(output) for output in outputs]
        if not outputs:
            return result
        captured = _captured_leaves(outputs, stand_ins)
        plain = [output.detach() for output in outputs]
        inputs, self.inputs = self.inputs, []
        connected = _Recompute.apply(self, plain, *inputs, *captured)
        return _replaced(result, {id(output): new for output, new in zip(outputs, connected)})

    def run_again(self, inputs: list[Tensor]) -> list[Tensor]:
        """The differentiable results of a second call."""
        enabled, dtype, keeps_weights = self.autocast
        autocast = ondol.autocast("cpu", dtype, enabled, keeps_weights)
        with _random_state(self.random_state), ondol.enable_grad(), autocast, self.recompute_context:
            outputs = _differentiable(self._call(inputs))
        forms = [_form(output) for output in outputs]
        if len(forms) != len(self.forms) or (self.check and forms != self.forms):
            raise CheckpointError(
                "torch.utils.checkpoint: the recomputed results differ from those of the forward pass, so the function "
                f"is not deterministic: forward gave {self.forms}, recomputation {forms}"
            )
        return outputs

    def _call(self, inputs: list[Tensor]) -> Any:
        args, kwargs = _filled(self.arguments, inputs)
        return self.function(*args, **kwargs)


class _Recompute(ondol.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: _Part, outputs: list[Tensor], *tensors: Tensor) -> Any:
        ctx.part = part
        ctx.save_for_backward(*tensors)
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        tensors = list(ctx.saved_tensors)
        count = len(set(_slots(ctx.part.arguments)))
        create_graph = ondol.is_grad_enabled()
        gate = _Gate()
        if create_graph:  # stay connected to the real inputs, for derivatives of this derivative
            inputs = [_Gated.apply(gate, tensor) for tensor in tensors[:count]]
        else:
            inputs = [tensor.detach().requires_grad_() for tensor in tensors[:count]]
        outputs = ctx.part.run_again(inputs)
        found = ondol.autograd.grad(
            outputs,
            [*inputs, *tensors[count:]],
            list(grads),
            # What the part captured of the graph around it will be needed by backward itself.
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
        )
        gate.open = True
        return None, None, *found


class _Gate:
    """Closed while the part is differentiated, so that what comes before its inputs is not reached through them."""

    open = False


class _Gated(ondol.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: _Gate, tensor: Tensor) -> Tensor:
        ctx.gate = gate
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return None, grad if ctx.gate.open else None


class _Slot:
    """Where a tensor stood among the arguments."""

    def __init__(self, index: int) -> None:
        self.index = index


def _walk(tree: Any) -> Iterator[Any]:
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (list, tuple)):
        for item in tree:
            yield from _walk(item)
    else:
        yield tree


def _tensors(tree: Any) -> list[Tensor]:
    """The tensors of nested containers, each once."""
    return list({id(leaf): leaf for leaf in _walk(tree) if isinstance(leaf, ondol.Tensor)}.values())


def _slots(tree: Any) -> list[int]:
    return [leaf.index for leaf in _walk(tree) if isinstance(leaf, _Slot)]


def _differentiable(result: Any) -> list[Tensor]:
    return [tensor for tensor in _tensors(result) if tensor.requires_grad]


def _form(tensor: Tensor) -> tuple[list[int], Any]:
    return list(tensor.shape), tensor.dtype


def _mapped(tree: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(tree, dict):
        return type(tree)((key, _mapped(value, change)) for key, value in tree.items())
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(_mapped(item, change) for item in tree))
    if isinstance(tree, (list, tuple)):
        return type(tree)(_mapped(item, change) for item in tree)
    return change(tree)


def _replaced(tree: Any, replacements: dict[int, Any]) -> Any:
    return _mapped(tree, lambda leaf: replacements.get(id(leaf), leaf))


def _filled(tree: Any, tensors: list[Tensor]) -> Any:
    return _mapped(tree, lambda leaf: tensors[leaf.index] if isinstance(leaf, _Slot) else leaf)


def _captured_leaves(outputs: list[Tensor], stand_ins: list[Tensor]) -> list[Tensor]:
    """The leaves that the graph of `outputs` reaches, but for the stand-ins of the arguments."""
    known = {id(tensor) for tensor in stand_ins}
    captured: dict[int, Tensor] = {}
    nodes, seen = [output.grad_fn for output in outputs], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if leaf is not None and id(leaf) not in known:
            captured[id(leaf)] = leaf
        nodes.extend(following for following, _ in node.next_functions)
    for output in outputs:  # a captured leaf that is returned as it is
        if output.grad_fn is None and id(output) not in known:
            captured[id(output)] = output
    return list(captured.values())


@contextmanager
def _random_state(state: Any) -> Iterator[None]:
    """Draw from `state` inside, and go on as if nothing had been drawn; None leaves the generator alone."""
    if state is None:
        yield
        return
    current = ondol.get_rng_state()
    ondol.set_rng_state(state)
    try:
        yield
    finally:
        ondol.set_rng_state(current)
