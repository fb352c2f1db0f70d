"""A pickle interpreter that builds data and runs no code of the file's choosing.

Python's unpickler calls whatever a file names. This one knows the opcodes of protocols 0 to 5, hands every global to an
allow-list, and treats the three opcodes that act (REDUCE, NEWOBJ, BUILD) as questions to that list. It is one loop: a
deep file does not recurse. Every length is compared with what is left of the file before anything is allocated.
"""

from __future__ import annotations

import codecs
import struct
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any, Protocol

# A key is hashed by C code that recurses without a limit and visits shared tuples again and again.
MAX_KEY_PARTS = 1000

_DICTS = (dict, OrderedDict, defaultdict, Counter)
_PLAIN_KEYS = frozenset({str, int, float, bool, type(None), bytes, complex, frozenset})


class Builder(Protocol):
    """What the interpreter asks before it acts. Each method raises UnpicklingError to refuse."""

    def find_global(self, module: str, name: str, protocol: int) -> Any: ...
    def call(self, function: Any, arguments: tuple) -> Any: ...
    def new(self, cls: Any, arguments: tuple, keywords: dict) -> Any: ...
    def set_state(self, value: Any, state: Any) -> None: ...
    def may_be_key(self, value: Any) -> bool: ...
    def allow_copies(self, count: int) -> None: ...
    def charge(self, count: int) -> None: ...


# What Python raises when the values on the stack are not those that an opcode expects.
_DAMAGE = (
    *(ArithmeticError, AttributeError, LookupError, MemoryError),
    *(RuntimeError, TypeError, ValueError, struct.error),
)


class _StorageFailure(Exception):
    """Carries what went wrong with a storage past the handling of damaged pickles."""

    def __init__(self, error: Exception):
        super().__init__(str(error))
        self.error = error


class _Mark:
    __slots__ = ()


_MARK = _Mark()


def check_key(key: Any, builder: Builder) -> None:
    """Refuse a dict key or set member that cannot be hashed safely and without running a user's code."""
    pending, seen = [key], 0
    while pending:
        part = pending.pop()
        seen += 1
        if seen > MAX_KEY_PARTS:
            raise UnpicklingError("a key of a dictionary or a member of a set is a tuple of too many parts")
        if type(part) is int:
            builder.charge(part.bit_length() // 64)
        elif type(part) is tuple:
            builder.charge(len(part))
            pending.extend(part)
        elif type(part) not in _PLAIN_KEYS and not builder.may_be_key(part):
            raise UnpicklingError(
                f"an object of type {type(part).__qualname__} cannot be a key in a file loaded safely"
            )


class PickleReader:
    """Runs one pickle that begins at `position` of `data`; afterwards `position` is just behind it."""

    def __init__(
        self,
        data: bytes,
        builder: Builder,
        persistent_load: Callable[[Any], Any],
        position: int = 0,
        encoding: str = "utf-8",
    ):
        self._data, self._builder, self._persistent_load = memoryview(data), builder, persistent_load
        self.position, self._encoding = position, encoding
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._protocol = 0

    def load(self) -> Any:
        """The object in the pickle. Raises pickle.UnpicklingError, whatever is wrong with it."""
        handlers, data, end = _HANDLERS, self._data, len(self._data)
        start = self.position
        self._builder.allow_copies(len(data) - start)
        try:
            while True:
                start = self.position
                if start >= end:
                    raise UnpicklingError("the pickle is cut short: it ends without a STOP")
                opcode = data[start]
                self.position = start + 1
                if opcode == _STOP:
                    return self._finish()
                handler = handlers[opcode]
                if handler is None:
                    raise UnpicklingError(
                        f"opcode {bytes([opcode])!r} has no place in a checkpoint, or the file is damaged"
                    )
                handler(self)
        except UnpicklingError as error:
            raise UnpicklingError(f"{error} (at byte {start} of the pickle)") from error.__cause__
        except _StorageFailure as failure:
            raise failure.error from failure.error.__cause__
        except NotImplementedError:
            raise
        except _DAMAGE as error:
            reason = f"{type(error).__name__}: {error}" if not isinstance(error, IndexError) else "the stack is empty"
            raise UnpicklingError(f"the pickle is damaged at byte {start}: {reason:.500}") from error

    def _finish(self) -> Any:
        value = self._stack.pop()
        if self._stack or value is _MARK:
            raise UnpicklingError("the pickle is damaged: values are left over at its end")
        return value

    # --- reading ---

    def _take(self, count: int) -> memoryview:
        start = self.position
        if count < 0 or start + count > len(self._data):
            raise UnpicklingError(
                f"the pickle is cut short or damaged: {count} bytes wanted, {len(self._data) - start} left"
            )
        self.position = start + count
        return self._data[start : start + count]

    def _number(self, format: struct.Struct) -> Any:
        return format.unpack(self._take(format.size))[0]

    def _line(self) -> str:
        window = bytes(self._data[self.position : self.position + 8192])
        length = window.find(b"\n")
        if length < 0:
            raise UnpicklingError("the pickle is damaged: a line does not end")
        self.position += length + 1
        return window[:length].decode("utf-8")

    def _pop_mark(self) -> list[Any]:
        stack = self._stack
        for index in range(len(stack) - 1, -1, -1):
            if stack[index] is _MARK:
                items = stack[index + 1 :]
                del stack[index:]
                return items
        raise UnpicklingError("the pickle is damaged: a MARK is missing")

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise UnpicklingError("the pickle is damaged: a MARK where a value should be")
        return value

    def _top(self, *kinds: type) -> Any:
        top = self._stack[-1]
        if type(top) not in kinds:
            raise UnpicklingError(f"cannot put items into a {type(top).__qualname__} when loading safely")
        return top

    # --- opcodes ---

    def _proto(self) -> None:
        self._protocol = self._take(1)[0]
        if self._protocol > 5:
            raise UnpicklingError(f"pickle protocol {self._protocol} is not known")

    def _frame(self) -> None:
        self._take(8)

    def _mark(self) -> None:
        self._push(_MARK)

    def _pop_one(self) -> None:
        self._stack.pop()

    def _dup(self) -> None:
        self._push(self._stack[-1])

    def _text_int(self) -> None:
        line = self._line()
        self._push({"00": False, "01": True}[line] if line in ("00", "01") else int(line))

    def _text_long(self) -> None:
        self._push(int(self._line().removesuffix("L")))

    def _long(self, size: int) -> None:
        self._push(int.from_bytes(self._take(size), "little", signed=True))

    def _text_float(self) -> None:
        self._push(float(self._line()))

    def _text_string(self) -> None:
        line = self._line()
        if len(line) < 2 or line[0] != line[-1] or line[0] not in "'\"":
            raise UnpicklingError("the pickle is damaged: a string is not quoted")
        value = codecs.escape_decode(line[1:-1].encode("latin1"))[0]
        self._push(value.decode(self._encoding) if self._encoding != "bytes" else value)

    def _text_unicode(self) -> None:
        self._push(self._line().encode("latin1", "backslashreplace").decode("raw-unicode-escape"))

    def _old_string(self, size: int) -> None:
        value = bytes(self._take(size))
        self._push(value.decode(self._encoding) if self._encoding != "bytes" else value)

    def _unicode(self, size: int) -> None:
        self._push(str(self._take(size), "utf-8", "surrogatepass"))

    def _bytes(self, size: int) -> None:
        self._push(bytes(self._take(size)))

    def _bytearray(self) -> None:
        self._push(bytearray(self._take(self._number(_U64))))

    def _tuple(self) -> None:
        self._push(tuple(self._pop_mark()))

    def _short_tuple(self, length: int) -> None:
        items = [self._pop() for _ in range(length)]
        self._push(tuple(reversed(items)))

    def _list(self) -> None:
        self._push(self._pop_mark())

    def _dict(self) -> None:
        items = self._pop_mark()
        self._push({})
        self._set_items(items)

    def _append(self) -> None:
        value = self._pop()
        self._top(list).append(value)

    def _appends(self) -> None:
        items = self._pop_mark()
        self._top(list).extend(items)

    def _setitem(self) -> None:
        value, key = self._pop(), self._pop()
        self._set_items([key, value])

    def _setitems(self) -> None:
        self._set_items(self._pop_mark())

    def _set_items(self, items: list[Any]) -> None:
        target = self._top(*_DICTS)
        if len(items) % 2:
            raise UnpicklingError("the pickle is damaged: a key without a value")
        for key, value in zip(items[::2], items[1::2]):
            if type(key) is not str:
                check_key(key, self._builder)
            target[key] = value

    def _additems(self) -> None:
        items = self._pop_mark()
        target = self._top(set)
        for item in items:
            check_key(item, self._builder)
            target.add(item)

    def _frozenset(self) -> None:
        items = self._pop_mark()
        for item in items:
            check_key(item, self._builder)
        self._push(frozenset(items))

    def _put(self, place: int) -> None:
        if self._stack[-1] is _MARK:
            raise UnpicklingError("the pickle is damaged: a MARK cannot be remembered")
        self._memo[place] = self._stack[-1]

    def _get(self, place: int) -> None:
        if place not in self._memo:
            raise UnpicklingError(f"the pickle is damaged: it refers to value {place}, which was not stored")
        self._push(self._memo[place])

    def _global(self) -> None:
        module, name = self._line(), self._line()
        self._push(self._builder.find_global(module, name, self._protocol))

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if type(name) is not str or type(module) is not str:
            raise UnpicklingError("the pickle is damaged: a global is named by something that is not a string")
        self._push(self._builder.find_global(module, name, self._protocol))

    def _arguments(self) -> tuple:
        arguments = self._pop()
        if type(arguments) is not tuple:
            raise UnpicklingError("the pickle is damaged: the arguments of a call are not a tuple")
        return arguments

    def _reduce(self) -> None:
        arguments = self._arguments()
        self._push(self._builder.call(self._pop(), arguments))

    def _newobj(self) -> None:
        arguments = self._arguments()
        self._push(self._builder.new(self._pop(), arguments, {}))

    def _newobj_ex(self) -> None:
        keywords, arguments = self._pop(), self._arguments()
        if type(keywords) is not dict or not all(type(key) is str for key in keywords):
            raise UnpicklingError("the pickle is damaged: the keywords of a call are not a dictionary of names")
        self._push(self._builder.new(self._pop(), arguments, keywords))

    def _build(self) -> None:
        state = self._pop()
        self._builder.set_state(self._stack[-1], state)

    def _binpersid(self) -> None:
        reference = self._pop()
        try:
            self._push(self._persistent_load(reference))
        except UnpicklingError:
            raise
        except Exception as error:  # not the pickle's fault: shown as it is
            raise _StorageFailure(error) from error


_U8, _U16, _I32, _U32, _U64 = (struct.Struct(code) for code in ("<B", "<H", "<i", "<I", "<Q"))
_F64 = struct.Struct(">d")
_STOP = ord(".")


def _pushes(value: Any) -> Callable:
    return lambda reader: reader._push(value)


def _pushes_new(kind: type) -> Callable:
    return lambda reader: reader._push(kind())


def _sized(action: Callable, size: struct.Struct) -> Callable:
    """An opcode that is followed by a number, which `action` takes."""
    return lambda reader: action(reader, reader._number(size))


def _text_sized(action: Callable) -> Callable:
    return lambda reader: action(reader, int(reader._line()))


_OPCODES: dict[bytes, Callable] = {
    b"\x80": PickleReader._proto,
    b"\x95": PickleReader._frame,
    b"(": PickleReader._mark,
    b"0": PickleReader._pop_one,
    b"1": PickleReader._pop_mark,
    b"2": PickleReader._dup,
    b"N": _pushes(None),
    b"\x88": _pushes(True),
    b"\x89": _pushes(False),
    b"I": PickleReader._text_int,
    b"L": PickleReader._text_long,
    b"J": _sized(PickleReader._push, _I32),
    b"K": _sized(PickleReader._push, _U8),
    b"M": _sized(PickleReader._push, _U16),
    b"\x8a": _sized(PickleReader._long, _U8),
    b"\x8b": _sized(PickleReader._long, _I32),
    b"F": PickleReader._text_float,
    b"G": lambda reader: reader._push(reader._number(_F64)),
    b"S": PickleReader._text_string,
    b"V": PickleReader._text_unicode,
    b"T": _sized(PickleReader._old_string, _I32),
    b"U": _sized(PickleReader._old_string, _U8),
    b"\x8c": _sized(PickleReader._unicode, _U8),
    b"X": _sized(PickleReader._unicode, _U32),
    b"\x8d": _sized(PickleReader._unicode, _U64),
    b"C": _sized(PickleReader._bytes, _U8),
    b"B": _sized(PickleReader._bytes, _U32),
    b"\x8e": _sized(PickleReader._bytes, _U64),
    b"\x96": PickleReader._bytearray,
    b")": _pushes(()),
    b"t": PickleReader._tuple,
    b"\x85": lambda reader: reader._short_tuple(1),
    b"\x86": lambda reader: reader._short_tuple(2),
    b"\x87": lambda reader: reader._short_tuple(3),
    b"]": _pushes_new(list),
    b"l": PickleReader._list,
    b"}": _pushes_new(dict),
    b"d": PickleReader._dict,
    b"\x8f": _pushes_new(set),
    b"\x91": PickleReader._frozenset,
    b"a": PickleReader._append,
    b"e": PickleReader._appends,
    b"s": PickleReader._setitem,
    b"u": PickleReader._setitems,
    b"\x90": PickleReader._additems,
    b"p": _text_sized(PickleReader._put),
    b"q": _sized(PickleReader._put, _U8),
    b"r": _sized(PickleReader._put, _U32),
    b"\x94": lambda reader: reader._put(len(reader._memo)),
    b"g": _text_sized(PickleReader._get),
    b"h": _sized(PickleReader._get, _U8),
    b"j": _sized(PickleReader._get, _U32),
    b"c": PickleReader._global,
    b"\x93": PickleReader._stack_global,
    b"R": PickleReader._reduce,
    b"\x81": PickleReader._newobj,
    b"\x92": PickleReader._newobj_ex,
    b"b": PickleReader._build,
    b"Q": PickleReader._binpersid,
}
_HANDLERS: list[Callable | None] = [_OPCODES.get(bytes([code])) for code in range(256)]
