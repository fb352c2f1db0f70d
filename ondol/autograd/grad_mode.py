"""Which operations are recorded: `no_grad`, `enable_grad`, `set_grad_enabled`, `inference_mode`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ondol._native import autograd as _native

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
    "set_multithreading_enabled",
]

F = TypeVar("F", bound=Callable[..., Any])

is_grad_enabled = _native.is_grad_enabled
is_inference_mode_enabled = _native.is_inference_mode_enabled


class _Mode:
    """A context manager that is a decorator too, also of generators (the mode holds while their code runs)."""

    def clone(self) -> _Mode:
        return type(self)()

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(self, *exception: object) -> None:
        raise NotImplementedError

    def __call__(self, function: F) -> F:
        import inspect

        if isinstance(function, type):
            raise TypeError(f"{type(self).__name__} decorates functions; put it on the methods of the class instead")
        if inspect.isgeneratorfunction(function):
            return self._wrap_generator(function)

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]

    def _wrap_generator(self, function: F) -> F:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            generator = function(*args, **kwargs)
            sent: Any = None
            failure: BaseException | None = None
            while True:
                try:
                    with self.clone():
                        item = generator.send(sent) if failure is None else generator.throw(failure)
                except StopIteration as stop:
                    return stop.value
                failure = None
                try:
                    sent = yield item
                except GeneratorExit:
                    generator.close()
                    raise
                except BaseException as error:  # goes on into the generator, which may handle it
                    failure = error

        return wrapped  # type: ignore[return-value]


class no_grad(_Mode):
    """Operations are not recorded; their results do not require grad.

    >>> x = ondol.ones(1, requires_grad=True)
    >>> with ondol.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    @overload
    def __new__(cls, orig_func: None = None) -> Self: ...
    @overload
    def __new__(cls, orig_func: F) -> F: ...
    def __new__(cls, orig_func: Callable | None = None) -> Any:
        self = super().__new__(cls)
        return self if orig_func is None else self(orig_func)

    def __enter__(self) -> None:
        self.before = _native.is_grad_enabled()
        _native.set_grad_enabled(False)

    def __exit__(self, *exception: object) -> None:
        _native.set_grad_enabled(self.before)


class enable_grad(_Mode):
    """Operations are recorded again inside `no_grad`."""

    @overload
    def __new__(cls, orig_func: None = None) -> Self: ...
    @overload
    def __new__(cls, orig_func: F) -> F: ...
    def __new__(cls, orig_func: Callable | None = None) -> Any:
        self = super().__new__(cls)
        return self if orig_func is None else self(orig_func)

    def __enter__(self) -> None:
        self.before = _native.is_grad_enabled()
        _native.set_grad_enabled(True)

    def __exit__(self, *exception: object) -> None:
        _native.set_grad_enabled(self.before)


class set_grad_enabled(_Mode):
    """Recording on or off: at once as a call, for a block as a context manager."""

    def __init__(self, mode: bool) -> None:
        self.before = _native.is_grad_enabled()
        self.mode = bool(mode)
        _native.set_grad_enabled(self.mode)

    def __call__(self, function: F) -> F:
        _native.set_grad_enabled(self.before)  # a decorator changes nothing until the function runs
        return super().__call__(function)

    def __enter__(self) -> None:
        _native.set_grad_enabled(self.mode)

    def __exit__(self, *exception: object) -> None:
        _native.set_grad_enabled(self.before)

    def clone(self) -> set_grad_enabled:
        before = _native.is_grad_enabled()
        copy = type(self)(self.mode)
        _native.set_grad_enabled(before)
        copy.before = before
        return copy


class inference_mode(_Mode):
    """As `no_grad`; the tensors made in it can never take part in a recorded computation.

    >>> with ondol.inference_mode():
    ...     y = ondol.ones(1) * 2
    >>> y.is_inference()
    True
    """

    @overload
    def __new__(cls, mode: bool = True) -> Self: ...
    @overload
    def __new__(cls, mode: F) -> F: ...
    def __new__(cls, mode: Any = True) -> Any:
        self = super().__new__(cls)
        if isinstance(mode, bool):
            return self
        self.mode = True
        return self(mode)

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        # The grad mode too: no_grad inside finds it off, and leaves it off.
        self.before = _native.is_inference_mode_enabled(), _native.is_grad_enabled()
        _native.set_inference_mode(self.mode)

    def __exit__(self, *exception: object) -> None:
        inference, recorded = self.before
        _native.set_inference_mode(inference)
        _native.set_grad_enabled(recorded)

    def clone(self) -> inference_mode:
        return type(self)(self.mode)


class set_multithreading_enabled(_Mode):
    """Whether a backward pass may use threads of its own. It never does: it runs on the thread that calls it, and its
    operations share the one pool of threads (`ondol.set_num_threads`). So this changes nothing, in either form."""

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        pass

    def clone(self) -> set_multithreading_enabled:
        return type(self)(self.mode)
