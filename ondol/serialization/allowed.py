"""What a file may name when it is loaded safely: the allow-list of globals, and what may be done with each of them."""

from __future__ import annotations

import functools
import importlib
import sys
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from pickle import UnpicklingError
from typing import Any

import ondol

from . import rebuild
from .names import DTYPE_OF_STORAGE, from_torch, is_dotted_name, is_own
from .pickle_reader import check_key

_PYTHON_2_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}
# Not even a user's own list opens these: whoever reaches them can run anything.
_NEVER_ALLOWED = {"os", "posix", "nt", "sys", "subprocess", "importlib", "ctypes", "shutil", "socket", "runpy", "pty"}
_NEVER_ALLOWED_BUILTINS = {"eval", "exec", "compile", "__import__", "open", "input", "breakpoint", "globals", "getattr"}

_user_globals: dict[str, Any] = {}


class StorageClass:
    """Stands for a class such as `torch.FloatStorage`, of which only the dtype matters. None: bytes."""

    __slots__ = ("dtype_name",)

    def __init__(self, dtype_name: str | None):
        self.dtype_name = dtype_name

    @property
    def dtype(self) -> Any:
        return getattr(ondol, self.dtype_name or "uint8")


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Let files name these classes and functions. An item is one of them, or a pair (it, its full name in the file).

    A class on this list is built as pickle builds it, `__setstate__` and `__reduce__` included: list what you trust.

    >>> import fractions
    >>> ondol.serialization.add_safe_globals([fractions.Fraction])
    >>> ondol.serialization.clear_safe_globals()
    """
    for item in safe_globals:
        value, name = item if isinstance(item, tuple) else (item, f"{item.__module__}.{item.__qualname__}")
        if not isinstance(name, str):
            raise TypeError(f"expected a class, a function or a pair (it, name), got {item!r}")
        _refuse_dangerous(*name.rpartition(".")[::2])
        _user_globals[name] = value


def get_safe_globals() -> list[Any]:
    """What `add_safe_globals` has added."""
    return list(_user_globals.values())


def clear_safe_globals() -> None:
    """Take back everything that `add_safe_globals` has added."""
    _user_globals.clear()


class safe_globals:
    """Context manager: `add_safe_globals` for the time of a block.

    >>> import fractions
    >>> with ondol.serialization.safe_globals([fractions.Fraction]):
    ...     ondol.serialization.get_safe_globals()
    [<class 'fractions.Fraction'>]
    """

    def __init__(self, safe_globals: list[Any]):
        self._added = list(safe_globals)

    def __enter__(self) -> None:
        self._before = dict(_user_globals)
        add_safe_globals(self._added)

    def __exit__(self, *exception: Any) -> None:
        _user_globals.clear()
        _user_globals.update(self._before)


def _refuse_dangerous(module: str, name: str) -> None:
    if module.partition(".")[0] in _NEVER_ALLOWED or (module == "builtins" and name in _NEVER_ALLOWED_BUILTINS):
        raise UnpicklingError(
            f"the file names {module}.{name}, which can run anything and is never allowed in safe loading"
        )


class SafeBuilder:
    """Answers the interpreter from the allow-list (`pickle_reader.Builder`)."""

    def __init__(self) -> None:
        self._fixed = _fixed_globals()
        self._user = dict(_user_globals)
        self._user_values = {id(value) for value in self._user.values()}
        self._calls = _allowed_calls(self)
        self._allowance = 0

    def allow_copies(self, count: int) -> None:
        """Called before a pickle of this many bytes is run. See `charge`."""
        self._allowance = 4 * count + 4096

    def charge(self, count: int) -> None:
        """Account for `count` items that are copied or hashed.

        A file may use one long list in thousands of calls, each of which copies it: memory would grow with the square
        of the file. An honest file copies what it holds about once.
        """
        self._allowance -= count
        if self._allowance < 0:
            raise UnpicklingError("the file copies its values again and again, as only a hostile file does")

    def find_global(self, module: str, name: str, protocol: int) -> Any:
        module = _PYTHON_2_MODULES.get(module, module)
        full = f"{module}.{name}"
        if full in self._user:
            return self._user[full]
        if full in self._fixed:
            return self._fixed[full]
        if not is_dotted_name(module) or not is_dotted_name(name):
            raise UnpicklingError(f"the file names the global {full!r:.200}, which is not a name")
        own_module, own_name = from_torch(module, name)
        if f"{own_module}.{own_name}" in self._user:
            return self._user[f"{own_module}.{own_name}"]
        _refuse_dangerous(module, name)
        found = _own_global(own_module, own_name) if is_own(own_module) else _imported_module_class(module, name)
        if found is None:
            raise UnpicklingError(_refusal(module, name))
        return found

    def call(self, function: Any, arguments: tuple) -> Any:
        if id(function) in self._user_values:
            return function(*arguments)
        build = self._calls.get(id(function))
        if build is None and isinstance(function, type) and _is_lazy_parameter(function):
            build = function
        if build is None:
            raise UnpicklingError(f"the file calls {function!r:.200}, which is not allowed when loading safely")
        for argument in arguments:
            self.charge(len(argument) if type(argument) in _SIZED else 1)
        if function is rebuild._rebuild_from_type_v2:
            self._check_rebuild_from_type(*arguments)
        return build(*arguments)

    def new(self, cls: Any, arguments: tuple, keywords: dict) -> Any:
        if id(cls) in self._user_values and isinstance(cls, type):
            return cls.__new__(cls, *arguments, **keywords)
        if cls is OrderedDict and not arguments and not keywords:
            return OrderedDict()
        if not _is_buildable(cls) or arguments or keywords:
            raise UnpicklingError(f"the file makes an object of {cls!r:.200}, which is not allowed when loading safely")
        return object.__new__(cls)

    def set_state(self, value: Any, state: Any) -> None:
        cls = type(value)
        self.charge(len(state) if type(state) in _SIZED else 1)
        if id(cls) in self._user_values:
            _set_state_like_pickle(value, state)
        elif cls is OrderedDict:
            value.__dict__.update(_attributes(state, cls))
        elif _is_buildable(cls):
            _set_own_state(value, _attributes(state, cls))
        else:
            raise UnpicklingError(
                f"the file sets the state of a {cls.__qualname__}, which is not allowed when loading safely"
            )

    def may_be_key(self, value: Any) -> bool:
        if isinstance(value, type):
            return type(value).__hash__ is type.__hash__
        return isinstance(value, (ondol.Tensor, ondol.dtype, ondol.device, ondol.Size)) or (
            type(value).__hash__ is object.__hash__ and type(value).__eq__ is object.__eq__
        )

    def _check_rebuild_from_type(
        self, function: Any = None, subclass: Any = None, args: Any = (), state: Any = None
    ) -> None:
        if not any(function is allowed for allowed in _REBUILD_FUNCTIONS) or type(args) is not tuple:
            raise UnpicklingError(
                f"the file rebuilds a tensor by {function!r:.200}, which is not allowed when loading safely"
            )
        if (
            subclass is not ondol.Tensor
            and subclass is not ondol.nn.Parameter
            and id(subclass) not in self._user_values
        ):
            raise UnpicklingError(f"the file makes a tensor of {subclass!r:.200}; {_remedy(str(subclass))}")


_SIZED = (str, bytes, bytearray, list, tuple, dict, set, frozenset, OrderedDict)


class ScanningBuilder(SafeBuilder):
    """Finds out which globals are not allowed, and builds nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[str] = []

    def look_at(self, module: str, name: str) -> None:
        full = f"{_PYTHON_2_MODULES.get(module, module)}.{name}"
        try:
            self.find_global(module, name, 2)
        except UnpicklingError:
            if full not in self.refused:
                self.refused.append(full)


def _fixed_globals() -> dict[str, Any]:
    table: dict[str, Any] = {
        "collections.OrderedDict": OrderedDict,
        "collections.Counter": Counter,
        "collections.defaultdict": defaultdict,
        "_codecs.encode": _encode,
        "torch.Size": ondol.Size,
        "torch.device": ondol.device,
        "torch.Tensor": ondol.Tensor,
        "torch.nn.parameter.Parameter": ondol.nn.Parameter,
        "torch.nn.Parameter": ondol.nn.Parameter,
        "torch._tensor._rebuild_from_type_v2": rebuild._rebuild_from_type_v2,
        "torch.serialization._get_layout": rebuild._get_layout,
        "torch.storage.UntypedStorage": StorageClass(None),
        "torch.UntypedStorage": StorageClass(None),
    }
    for function in _REBUILD_FUNCTIONS:
        table[f"torch._utils.{function.__name__}"] = function
        table[f"{function.__module__}.{function.__name__}"] = function
    for kind in (bytearray, bytes, set, frozenset, complex, slice, range, *_FACTORIES):
        table[f"builtins.{kind.__name__}"] = kind
    for storage, dtype in DTYPE_OF_STORAGE.items():
        table[f"torch.{storage}"] = table[f"torch.storage.{storage}"] = StorageClass(dtype)
    return table


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """How protocol 2 writes bytes."""
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise ValueError("bytes in the file are damaged")
    return text.encode("latin1")


def _bytearray(content: Any = b"", encoding: Any = None) -> bytearray:
    """Not `bytearray(n)`, which allocates as much as a file asks for."""
    return bytearray(_encode(content, encoding) if type(content) is str else _of_type(content, bytes))


def _of_type(value: Any, *kinds: type) -> Any:
    if type(value) not in kinds:
        raise TypeError(f"expected {' or '.join(kind.__name__ for kind in kinds)}, got {type(value).__name__}")
    return value


def _hashable_items(items: Any, builder: SafeBuilder) -> Any:
    for item in _of_type(items, list, tuple, set, frozenset):
        check_key(item, builder)
    return items


def _ordered_dict(builder: SafeBuilder, pairs: Any = ()) -> OrderedDict:
    for pair in _of_type(pairs, list, tuple):
        if len(_of_type(pair, list, tuple)) != 2:
            raise ValueError("an item of an OrderedDict is not a pair")
        check_key(pair[0], builder)
    return OrderedDict(pairs)


def _defaultdict(factory: Any = None, content: Any = None) -> defaultdict:
    if factory is not None and not any(factory is allowed for allowed in (*_FACTORIES, OrderedDict, set)):
        raise ValueError(
            f"a defaultdict that calls {factory!r:.200} for missing keys is not allowed when loading safely"
        )
    return defaultdict(factory, _of_type(content, dict) if content is not None else {})


def _only_numbers(kind: type) -> Callable:
    return lambda *numbers: kind(*(_of_type(number, int, float, type(None)) for number in numbers))


def _empty(kind: type) -> Callable:
    return lambda: kind()


def _size(lengths: Any = ()) -> Any:
    return ondol.Size([_of_type(length, int) for length in _of_type(lengths, tuple, list)])


def _device(kind: Any, index: Any = None) -> Any:
    _of_type(kind, str)
    return ondol.device(kind) if index is None else ondol.device(kind, _of_type(index, int))


_FACTORIES = (list, dict, tuple, int, float, str, bool)
_REBUILD_FUNCTIONS = (
    rebuild._rebuild_tensor,
    rebuild._rebuild_tensor_v2,
    rebuild._rebuild_tensor_v3,
    rebuild._rebuild_parameter,
    rebuild._rebuild_parameter_with_state,
)


def _allowed_calls(builder: SafeBuilder) -> dict[int, Callable]:
    """What may be called by a file, by identity, and the guarded form in which it is called."""
    calls: dict[Any, Callable] = {
        OrderedDict: functools.partial(_ordered_dict, builder),
        Counter: lambda content=None: Counter(_of_type(content, dict) if content is not None else {}),
        defaultdict: _defaultdict,
        set: lambda items=(): set(_hashable_items(items, builder)),
        frozenset: lambda items=(): frozenset(_hashable_items(items, builder)),
        bytearray: _bytearray,
        bytes: _empty(bytes),
        complex: _only_numbers(complex),
        slice: _only_numbers(slice),
        range: _only_numbers(range),
        _encode: _encode,
        ondol.Size: _size,
        ondol.device: _device,
        rebuild._get_layout: rebuild._get_layout,
        rebuild._rebuild_from_type_v2: rebuild._rebuild_from_type_v2,
    }
    calls.update({function: function for function in _REBUILD_FUNCTIONS})
    return {id(function): build for function, build in calls.items()}


def _own_global(module: str, name: str) -> Any:
    """A dtype, a class of ondol's own modules, optimizers and parameters, or a public function of `nn.functional`."""
    if module == "ondol":
        found = vars(ondol).get(name)
        return found if isinstance(found, ondol.dtype) else None
    if module == "ondol.nn.functional":
        function = getattr(ondol.nn.functional, name, None)
        public = callable(function) and not isinstance(function, type) and not name.startswith("_")
        origin = getattr(function, "__module__", None)
        return function if public and (origin is None or is_own(origin)) else None
    if not module.startswith(("ondol.nn", "ondol.optim")):
        return None
    try:
        found = vars(importlib.import_module(module)).get(name)
    except ImportError:
        return None
    return found if isinstance(found, type) and is_own(found.__module__) and _is_buildable(found) else None


def _imported_module_class(module: str, name: str) -> Any:
    """A user's `nn.Module` class, if it has been imported already: a file does not make us import anything."""
    scope = sys.modules.get(module)
    found = vars(scope).get(name) if scope is not None else None
    return found if isinstance(found, type) and issubclass(found, ondol.nn.Module) else None


def _is_lazy_parameter(cls: type) -> bool:
    return is_own(cls.__module__) and cls.__name__ in ("UninitializedParameter", "UninitializedBuffer")


def _is_buildable(cls: Any) -> bool:
    """Whether an empty object of the class may be made and given its attributes."""
    if not isinstance(cls, type):
        return False
    if issubclass(cls, ondol.nn.Module) or _is_lazy_parameter(cls):
        return True
    optimizer = getattr(sys.modules.get("ondol.optim"), "Optimizer", None)
    return optimizer is not None and issubclass(cls, optimizer) and is_own(cls.__module__)


def _attributes(state: Any, cls: type) -> dict[str, Any]:
    if type(state) not in (dict, OrderedDict) or not all(type(name) is str for name in state):
        raise UnpicklingError(
            f"the state of a {cls.__qualname__} is not a dictionary of names; {_remedy(cls.__qualname__)}"
        )
    return dict(state)


def _set_own_state(value: Any, attributes: dict[str, Any]) -> None:
    """Give a module its attributes by the nearest `__setstate__` that is ondol's; a user's own is not run."""
    for cls in type(value).__mro__:
        set_state = vars(cls).get("__setstate__")
        if set_state is not None and is_own(cls.__module__):
            set_state(value, attributes)
            return
    value.__dict__.update(attributes)


def _set_state_like_pickle(value: Any, state: Any) -> None:
    """For classes that the user has listed: `__setstate__`, or attributes and slots."""
    set_state = getattr(value, "__setstate__", None)
    if set_state is not None:
        set_state(state)
        return
    attributes, slots = state if type(state) is tuple and len(state) == 2 else (state, None)
    if attributes:
        value.__dict__.update(_attributes(attributes, type(value)))
    for name, item in _attributes(slots or {}, type(value)).items():
        setattr(value, name, item)


def _remedy(name: str) -> str:
    return (
        f"if you trust the file, allow it with ondol.serialization.add_safe_globals([{name}]) or with "
        f"ondol.serialization.safe_globals([{name}]), or run everything in it with load(..., weights_only=False)"
    )


def _refusal(module: str, name: str) -> str:
    own_module, own_name = from_torch(module, name)
    if is_own(own_module):
        return f"the file needs {module}.{name}, and ondol has no {own_module}.{own_name} that may be built from a file"
    short = name.rpartition(".")[2]
    imported = "" if module in sys.modules else f" (if it is a Module of yours, import {module} before loading)"
    return f"the file names {module}.{name}, which is not allowed when loading safely{imported}; {_remedy(short)}"


def refused_names(names: Iterable[tuple[str, str]]) -> list[str]:
    """Of these globals, the full names of those that safe loading would refuse."""
    scanner = ScanningBuilder()
    for module, name in names:
        scanner.look_at(module, name)
    return scanner.refused
