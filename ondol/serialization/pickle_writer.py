"""A pickler that does not recurse.

Python's own pickler descends into containers with the C stack and gives up, or dies, at a few thousand levels. This one
keeps the descent in a list of generators: each writes the opcodes of one object and yields the parts of it that have to
be written in between. The bytes are those of protocol 2, which PyTorch's restricted loader reads.
"""

from __future__ import annotations

import copyreg
import functools
import itertools
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from pickle import PicklingError
from types import FunctionType
from typing import Any

from .names import to_torch

PROTO, STOP, MARK, POP, POP_MARK = b"\x80", b".", b"(", b"0", b"1"
NONE, NEWTRUE, NEWFALSE = b"N", b"\x88", b"\x89"
BININT, BININT1, BININT2, LONG1, LONG4, BINFLOAT = b"J", b"K", b"M", b"\x8a", b"\x8b", b"G"
BINUNICODE, BINBYTES, SHORT_BINBYTES = b"X", b"B", b"C"
EMPTY_TUPLE, TUPLE, EMPTY_LIST, EMPTY_DICT = b")", b"t", b"]", b"}"
SHORT_TUPLES = (EMPTY_TUPLE, b"\x85", b"\x86", b"\x87")
APPEND, APPENDS, SETITEM, SETITEMS = b"a", b"e", b"s", b"u"
GLOBAL, REDUCE, BUILD, NEWOBJ, BINPERSID = b"c", b"R", b"b", b"\x81", b"Q"
BINGET, LONG_BINGET, BINPUT, LONG_BINPUT = b"h", b"j", b"q", b"r"

BATCH = 1000
PYTHON_2_MODULES = {"builtins": "__builtin__", "copyreg": "copy_reg"}

# Answers an object with what stands for it in the file, or None.
PersistentId = Callable[[Any], Any]


class GlobalName:
    """Stands in a pickle for the global of this name, which need not exist here."""

    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name


# Answers an object with the tuple that `__reduce_ex__` would give or with a name; None leaves it to the object.
Reducer = Callable[[Any], "tuple | GlobalName | None"]


class PickleWriter:
    """Writes one object, however deep, as a pickle of protocol 2.

    `reduce_override` and `persistent_id` are asked for each object that is not of a plain built-in type.
    """

    def __init__(self, persistent_id: PersistentId, reduce_override: Reducer, protocol: int = 2):
        if not 2 <= protocol <= 5:
            raise ValueError(f"pickle_protocol must be 2, 3, 4 or 5, not {protocol}")
        self._persistent_id, self._reduce_override, self._protocol = persistent_id, reduce_override, protocol
        self._out = bytearray()
        self._memo: dict[int, int] = {}
        self._alive: list[Any] = []  # an id in the memo is only good as long as its object lives
        self._containers: dict[type, Callable[[Any], Iterator[Any]]] = {
            tuple: self._tuple,
            list: self._list,
            dict: self._dict,
        }
        self._atoms: dict[type, Callable[[Any], None]] = {
            type(None): lambda _: self._emit(NONE),
            bool: lambda value: self._emit(NEWTRUE if value else NEWFALSE),
            int: self._int,
            float: lambda value: self._emit(BINFLOAT + struct.pack(">d", value)),
            str: self._str,
            GlobalName: self._global_name,
            FunctionType: self._global,
        }
        if protocol >= 3:
            self._atoms[bytes] = self._bytes

    def dump(self, root: Any) -> bytes:
        """The pickle of `root`. Raises pickle.PicklingError for what cannot be found again by its name."""
        self._emit(PROTO + bytes([self._protocol]))
        descent: list[Iterator[Any]] = [iter((root,))]
        while descent:
            for part in descent[-1]:
                parts = self._begin(part)
                if parts is not None:
                    descent.append(parts)
                    break
            else:
                descent.pop()
        self._emit(STOP)
        return bytes(self._out)

    def _begin(self, value: Any) -> Iterator[Any] | None:
        """Write a value that has no parts; for another return the generator that writes it."""
        place = self._memo.get(id(value))
        if place is not None:
            self._get(place)
            return None
        kind = type(value)
        atom = self._atoms.get(kind)
        if atom is not None:
            atom(value)
            return None
        container = self._containers.get(kind)
        if container is not None:
            return container(value)
        stand_in = self._persistent_id(value)
        if stand_in is not None:
            return self._persistent(stand_in)
        reduced = self._reduce_override(value)
        if reduced is None:
            if isinstance(value, type):
                return self._class(value)
            reduced = self._reduced_by_itself(value)
        if isinstance(reduced, GlobalName):
            self._emit(GLOBAL + f"{reduced.module}\n{reduced.name}\n".encode())
            self._memoize(value)
            return None
        if isinstance(reduced, str):
            self._global(value, reduced)
            return None
        if not isinstance(reduced, tuple) or not 2 <= len(reduced) <= 6:
            raise PicklingError(f"__reduce_ex__ of {kind.__qualname__} must return a name or a tuple of 2 to 6 items")
        return self._call(value, *reduced)

    def _reduced_by_itself(self, value: Any) -> Any:
        if type(value) is bytes:
            return (_ENCODE, (value.decode("latin1"), "latin1")) if value else (bytes, ())
        registered = copyreg.dispatch_table.get(type(value))
        if registered is not None:
            return registered(value)
        return value.__reduce_ex__(min(self._protocol, 2))

    # --- opcodes ---

    def _emit(self, opcodes: bytes) -> None:
        self._out += opcodes

    def _memoize(self, value: Any) -> None:
        place = len(self._memo)
        self._memo[id(value)] = place
        self._alive.append(value)
        self._emit(BINPUT + bytes([place]) if place < 256 else LONG_BINPUT + struct.pack("<I", place))

    def _get(self, place: int) -> None:
        self._emit(BINGET + bytes([place]) if place < 256 else LONG_BINGET + struct.pack("<I", place))

    # --- values without parts ---

    def _int(self, value: int) -> None:
        if 0 <= value < 1 << 8:
            self._emit(BININT1 + bytes([value]))
        elif 0 <= value < 1 << 16:
            self._emit(BININT2 + struct.pack("<H", value))
        elif -(1 << 31) <= value < 1 << 31:
            self._emit(BININT + struct.pack("<i", value))
        else:
            digits = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            short = len(digits) < 256
            self._emit((LONG1 + bytes([len(digits)]) if short else LONG4 + struct.pack("<i", len(digits))) + digits)

    def _str(self, value: str) -> None:
        encoded = value.encode("utf-8", "surrogatepass")
        if len(encoded) >= 1 << 32:
            raise PicklingError("a string of 4 GiB or more cannot be saved")
        self._emit(BINUNICODE + struct.pack("<I", len(encoded)) + encoded)
        self._memoize(value)

    def _bytes(self, value: bytes) -> None:
        if len(value) < 256:
            self._emit(SHORT_BINBYTES + bytes([len(value)]) + value)
        elif len(value) < 1 << 32:
            self._emit(BINBYTES + struct.pack("<I", len(value)) + value)
        else:
            raise PicklingError("a bytes object of 4 GiB or more cannot be saved")
        self._memoize(value)

    def _global_name(self, value: GlobalName) -> None:
        self._emit(GLOBAL + f"{value.module}\n{value.name}\n".encode())
        self._memoize(value)

    def _global(self, value: Any, name: str | None = None) -> None:
        module, name = _importable_name(value, name)
        module, name = to_torch(module, name)
        self._emit(GLOBAL + f"{PYTHON_2_MODULES.get(module, module)}\n{name}\n".encode())
        self._memoize(value)

    # --- values with parts: generators of the parts ---

    def _class(self, value: type) -> Iterator[Any]:
        if value in _SINGLETON_OF_TYPE:
            yield from self._call(value, type, (_SINGLETON_OF_TYPE[value],))
        elif "." in value.__qualname__ and "<locals>" not in value.__qualname__:
            outer, _, name = value.__qualname__.rpartition(".")  # protocol 2 reaches a nested class by getattr only
            _importable_name(value, None)
            yield from self._call(value, getattr, (_walk(sys.modules[value.__module__], outer), name))
        else:
            self._global(value)

    def _tuple(self, value: tuple) -> Iterator[Any]:
        if not value:
            self._emit(EMPTY_TUPLE)
            return
        short = len(value) < len(SHORT_TUPLES)
        if not short:
            self._emit(MARK)
        yield from value
        if id(value) in self._memo:  # the tuple holds itself, and writing its parts has written it
            self._emit(POP * len(value) if short else POP_MARK)
            self._get(self._memo[id(value)])
            return
        self._emit(SHORT_TUPLES[len(value)] if short else TUPLE)
        self._memoize(value)

    def _list(self, value: list) -> Iterator[Any]:
        self._emit(EMPTY_LIST)
        self._memoize(value)
        yield from self._appends(value)

    def _dict(self, value: dict) -> Iterator[Any]:
        self._emit(EMPTY_DICT)
        self._memoize(value)
        yield from self._setitems(value.items())

    def _appends(self, items: Iterable[Any]) -> Iterator[Any]:
        for batch in _batches(items):
            if len(batch) == 1:
                yield batch[0]
                self._emit(APPEND)
            else:
                self._emit(MARK)
                yield from batch
                self._emit(APPENDS)

    def _setitems(self, items: Iterable[tuple[Any, Any]]) -> Iterator[Any]:
        for batch in _batches(items):
            if len(batch) > 1:
                self._emit(MARK)
            for key, item in batch:
                yield key
                yield item
            self._emit(SETITEMS if len(batch) > 1 else SETITEM)

    def _persistent(self, stand_in: Any) -> Iterator[Any]:
        yield stand_in
        self._emit(BINPERSID)

    def _call(
        self,
        value: Any,
        function: Any,
        arguments: tuple,
        state: Any = None,
        items: Iterable[Any] | None = None,
        pairs: Iterable[tuple[Any, Any]] | None = None,
        state_setter: Any = None,
    ) -> Iterator[Any]:
        """The object as its class says it is made again (see `object.__reduce_ex__`)."""
        name = getattr(function, "__name__", "")
        if name == "__newobj__":
            yield arguments[0]
            yield arguments[1:]
            self._emit(NEWOBJ)
        elif name == "__newobj_ex__":
            cls, args, kwargs = arguments  # protocol 2 has no opcode for keywords
            yield functools.partial(cls.__new__, cls, *args, **kwargs)
            yield ()
            self._emit(REDUCE)
        else:
            yield function
            yield arguments
            self._emit(REDUCE)
        if id(value) in self._memo:  # met itself among its arguments
            self._emit(POP)
            self._get(self._memo[id(value)])
        else:
            self._memoize(value)
        if items is not None:
            yield from self._appends(items)
        if pairs is not None:
            yield from self._setitems(pairs)
        if state is not None and state_setter is None:
            yield state
            self._emit(BUILD)
        elif state is not None:
            yield state_setter
            yield value
            yield state
            self._emit(SHORT_TUPLES[2] + REDUCE + POP)


_SINGLETON_OF_TYPE = {type(None): None, type(NotImplemented): NotImplemented, type(...): ...}
_ENCODE = GlobalName("_codecs", "encode")


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, BATCH)):
        yield batch


def _walk(module: Any, path: str) -> Any:
    found = module
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _importable_name(value: Any, name: str | None) -> tuple[str, str]:
    """Module and name under which the value can be found again. Raises pickle.PicklingError where there is none."""
    if name is None:
        name = getattr(value, "__qualname__", None) or value.__name__
    module = getattr(value, "__module__", None) or "__main__"
    try:
        found = _walk(sys.modules[module], name)
    except (KeyError, AttributeError):
        found = None
    if found is value:
        return module, name
    if "<lambda>" in name or "<locals>" in name:
        why = "it is defined inside a function or a lambda; define it with a name at the top level of a module"
    elif found is None:
        why = f"it is not found as {module}.{name}"
    else:
        why = f"{module}.{name} is another object now"
    raise PicklingError(f"cannot save {value!r}: {why}, or save the state_dict alone")
