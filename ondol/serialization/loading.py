"""`load`: files of PyTorch and of this library, in both of PyTorch's formats, without running code from them."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import struct
import sys
from collections.abc import Callable, Iterator
from pickle import UnpicklingError
from typing import Any, BinaryIO, NamedTuple

import ondol
from ondol import _native

from .allowed import SafeBuilder, StorageClass, refused_names
from .location import location_map
from .names import DTYPE_OF_STORAGE, from_torch, is_own
from .pickle_reader import PickleReader
from .rebuild import TypedStorage
from .saving import MAGIC_NUMBER, PROTOCOL_VERSION, get_crc32_options
from .zip_archive import LOCAL_MAGIC, ArchiveError, ArchiveReader

# Runs the pickle at a position of some bytes, with a persistent_load; returns the object and the position behind it.
RunPickle = Callable[[bytes, Callable[[Any], Any], int], "tuple[Any, int]"]


class _Source(NamedTuple):
    file: BinaryIO
    start: int
    size: int
    name: str
    path: str | None


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Load what `save` or PyTorch's `torch.save` has written.

    `f` is a path or a binary file object. `map_location` (a device, a string, a dict from tag to tag, or a function of
    storage and tag) says where the storages go. `mmap=True` maps the file instead of reading it; changes stay in
    memory, and the file must not be cut short while its tensors live.

    Nothing in the file is run: it may hold tensors, plain values and containers, ondol's own modules and optimizers,
    and modules of your own whose class is imported already (built without running their code). Other classes are named
    in the error; `add_safe_globals` allows them. `weights_only=False` runs whatever the file says: for files you trust.

    Raises pickle.UnpicklingError for what is refused or damaged inside the pickle and for other formats, RuntimeError
    for a damaged archive, EOFError for an empty file.
    """
    if weights_only is None:
        weights_only = pickle_module is None
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if mmap and not isinstance(f, (str, os.PathLike)):
        raise ValueError("f must be a file filename in order to use the mmap argument")
    place = location_map(map_location)
    encoding = pickle_load_args.pop("encoding", "utf-8")
    if weights_only and pickle_load_args:
        raise TypeError(
            f"load got unexpected arguments {sorted(pickle_load_args)}; they apply to weights_only=False only"
        )
    run = (
        _run_safely(encoding)
        if weights_only
        else _run_python_pickle(pickle_module or pickle, {"encoding": encoding, **pickle_load_args})
    )
    with _opened(f) as source:
        if _is_archive(source):
            return _load_archive(source, run, place, bool(mmap))
        if mmap:
            raise RuntimeError(
                "mmap can only be used with files saved in the zip format (the default since PyTorch 1.6)"
            )
        return _load_legacy(source, run, place)


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """The full names of the globals in a zip checkpoint that `load` would refuse. Nothing in the file is built."""
    with _opened(f) as source:
        if not _is_archive(source):
            raise RuntimeError(f"{source.name}: get_unsafe_globals_in_checkpoint reads the zip format only")
        return refused_names(_globals_of(_archive(source).read("data.pkl")))


# --- the two ways to run a pickle ---


def _run_safely(encoding: str) -> RunPickle:
    builder = SafeBuilder()

    def run(data: bytes, persistent_load: Callable[[Any], Any], position: int) -> tuple[Any, int]:
        reader = PickleReader(data, builder, persistent_load, position, encoding)
        return reader.load(), reader.position

    return run


def _run_python_pickle(pickle_module: Any, arguments: dict[str, Any]) -> RunPickle:
    class Unpickler(pickle_module.Unpickler):
        persistent_load: Any

        def find_class(self, module: str, name: str) -> Any:
            if module in ("torch", "torch.storage") and (name in DTYPE_OF_STORAGE or name == "UntypedStorage"):
                return StorageClass(DTYPE_OF_STORAGE.get(name))
            own_module, own_name = from_torch(module, name)
            if not is_own(own_module):
                return super().find_class(module, name)
            try:
                return super().find_class(own_module, own_name)
            except (ImportError, AttributeError) as error:
                raise UnpicklingError(f"the file needs {module}.{name}, which ondol does not have") from error

    def run(data: bytes, persistent_load: Callable[[Any], Any], position: int) -> tuple[Any, int]:
        file = io.BytesIO(data)
        file.seek(position)
        unpickler = Unpickler(file, **arguments)
        unpickler.persistent_load = persistent_load
        return unpickler.load(), file.tell()

    return run


# --- the file ---


@contextlib.contextmanager
def _opened(f: Any) -> Iterator[_Source]:
    """The file with its size and a name for messages; every error about its content says which file it was."""
    if isinstance(f, (str, os.PathLike)):
        path = os.fspath(f)
        with open(path, "rb") as file:
            source = _Source(file, 0, os.fstat(file.fileno()).st_size, str(path), path)
            with _errors_name(source):
                yield source
        return
    if not hasattr(f, "read"):
        raise TypeError(f"expected a path or a binary file object with read, got {type(f).__name__}")
    if not (hasattr(f, "seek") and hasattr(f, "tell")) or (hasattr(f, "seekable") and not f.seekable()):
        f = io.BytesIO(f.read())
    start = f.tell()
    f.seek(0, os.SEEK_END)
    source = _Source(f, start, f.tell() - start, str(getattr(f, "name", None) or type(f).__name__), None)
    with _errors_name(source):
        yield source


@contextlib.contextmanager
def _errors_name(source: _Source) -> Iterator[None]:
    try:
        yield
    except (UnpicklingError, ArchiveError) as error:
        raise type(error)(f"{source.name}: {error}") from error.__cause__


def _is_archive(source: _Source) -> bool:
    source.file.seek(source.start)
    head = source.file.read(8)
    if isinstance(head, str):
        raise TypeError(f"{source.name} is opened as text; open it in binary mode ('rb')")
    if not head:
        raise EOFError(f"{source.name} is empty (0 bytes): expected a zip archive or a pickle")
    if head.startswith(LOCAL_MAGIC):
        return True
    if head[:1] != b"\x80" or (len(head) > 1 and not 2 <= head[1] <= 5):
        raise UnpicklingError(
            f"not a checkpoint ({source.size} bytes): starts with {head!r}, expected a zip archive or a pickle"
        )
    return False


# --- the zip format ---


def _archive(source: _Source) -> ArchiveReader:
    archive = ArchiveReader(source.file, source.start, source.size, check_crc=get_crc32_options())
    if "constants.pkl" in archive:
        raise RuntimeError(
            f"{source.name} is a TorchScript archive, which needs PyTorch; save the state_dict of the model there"
        )
    return archive


def _load_archive(source: _Source, run: RunPickle, place: Callable[[Any, str], Any], mapped: bool) -> Any:
    archive = _archive(source)
    byteorder = archive.read("byteorder") if "byteorder" in archive else b"little"
    if byteorder not in (b"little", b"big"):
        raise ArchiveError(f"the byte order of the file is said to be {byteorder[:20]!r}, expected little or big")
    storages: dict[str, Any] = {}

    def persistent_load(reference: Any) -> Any:
        dtype, key, location, nbytes = _parse_reference(reference)
        if key not in storages:
            if archive.size_of(f"data/{key}") != nbytes:
                size = archive.size_of(f"data/{key}")
                raise UnpicklingError(f"storage {key!r} is said to have {nbytes} bytes, and its entry has {size}")
            storage = _map_storage(source, archive, key) if mapped else None
            storage = _read_storage(archive, key) if storage is None else storage
            if byteorder.decode() != sys.byteorder:
                storage = _swapped(storage, dtype)
            storages[key] = place(storage, location)
        return TypedStorage(storages[key], dtype) if dtype is not None else storages[key]

    return run(archive.read("data.pkl"), persistent_load, 0)[0]


def _parse_reference(reference: Any) -> tuple[Any, str, str, int]:
    """Dtype (None: bytes), key, location and number of bytes from what stands for a storage in the pickle."""
    if type(reference) is not tuple or len(reference) < 5 or reference[0] not in ("storage", b"storage"):
        raise UnpicklingError(f"the file refers to something that is not a storage: {reference!r:.200}")
    kind, key, location, count = reference[1:5]
    if (
        not isinstance(kind, StorageClass)
        or type(key) is not str
        or type(location) is not str
        or type(count) is not int
    ):
        raise UnpicklingError(f"the file refers to a storage in a damaged way: {reference!r:.200}")
    if count < 0:
        raise UnpicklingError(f"storage {key!r:.100} is said to have {count} elements")
    dtype = kind.dtype if kind.dtype_name else None
    return dtype, key, location, count * (dtype.itemsize if dtype is not None else 1)


def _read_storage(archive: ArchiveReader, key: str) -> Any:
    nbytes = archive.size_of(f"data/{key}")
    storage = ondol.UntypedStorage(nbytes)
    if nbytes:
        archive.read_into(f"data/{key}", memoryview(storage).cast("B"))
    return storage


def _map_storage(source: _Source, archive: ArchiveReader, key: str) -> Any:
    """The entry as memory that the system reads on first touch and copies on first write; None if it is not aligned."""
    import numpy as np

    nbytes, offset = archive.size_of(f"data/{key}"), archive.offset_of(f"data/{key}")
    if not nbytes or offset % 16:
        return None
    return ondol.from_numpy(np.memmap(source.path, np.uint8, "c", offset, (nbytes,))).untyped_storage()


def _swapped(storage: Any, dtype: Any) -> Any:
    """The storage with the bytes of each number in the other order."""
    import numpy as np

    width = 1 if dtype is None else dtype.itemsize // (2 if dtype.is_complex else 1)
    if width == 1 or not storage.nbytes():
        return storage
    return _native.storage_from_buffer(np.frombuffer(memoryview(storage), f"u{width}").byteswap().tobytes())


# --- the format before PyTorch 1.6 ---


def _load_legacy(source: _Source, run: RunPickle, place: Callable[[Any, str], Any]) -> Any:
    source.file.seek(source.start)
    data = source.file.read()
    header_run = _run_safely("utf-8")

    def header(position: int) -> tuple[Any, int]:
        return header_run(data, _no_storage_here, position)

    magic, position = header(0)
    if type(magic) is not int or magic != MAGIC_NUMBER:
        raise UnpicklingError(
            f"a pickle ({source.size} bytes) without PyTorch's magic number, so not a checkpoint; "
            "if you trust it, load it with Python's pickle"
        )
    version, position = header(position)
    if version != PROTOCOL_VERSION:
        raise UnpicklingError(f"format version {version!r:.50} of the file is not known, expected {PROTOCOL_VERSION}")
    system, position = header(position)
    little = system.get("little_endian", True) if isinstance(system, dict) else True
    storages: dict[str, tuple[Any, Any]] = {}
    deferred: list[Callable[[], Any]] = []
    allocated = 0

    def persistent_load(reference: Any) -> Any:
        nonlocal allocated
        if (
            type(reference) is tuple
            and len(reference) == 4
            and reference[0] == "module"
            and isinstance(reference[1], type)
        ):
            return reference[1]  # the class of a module, and its source code at the time
        if type(reference) is tuple and len(reference) > 5 and reference[5] is not None:
            raise NotImplementedError(
                f"{source.name} holds views of storages, as PyTorch 0.3 wrote them; "
                "load and save it again with a newer PyTorch"
            )
        dtype, key, location, nbytes = _parse_reference(reference)
        if key not in storages:
            allocated += nbytes
            if allocated > len(data):
                raise UnpicklingError(f"the storages are said to have {allocated} bytes, and the file has {len(data)}")
            storages[key] = place(ondol.UntypedStorage(nbytes), location), dtype
        elif storages[key][0].nbytes() != nbytes:
            raise UnpicklingError(f"storage {key!r:.100} is said to have two sizes")
        return TypedStorage(storages[key][0], dtype, deferred) if dtype is not None else storages[key][0]

    result, position = run(data, persistent_load, position)
    keys, position = header(position)
    if type(keys) is not list or not all(type(key) is str for key in keys) or set(keys) != set(storages):
        raise UnpicklingError("the storages in the file are not those that its pickle refers to")
    for key in keys:
        position = _fill_storage(data, position, *storages[key], swap=little != (sys.byteorder == "little"))
    for compute in deferred:
        compute()
    source.file.seek(source.start + position)  # files may hold several objects, one after the other
    return result


def _no_storage_here(reference: Any) -> Any:
    raise UnpicklingError("the header of the file refers to a storage")


def _fill_storage(data: bytes, position: int, storage: Any, dtype: Any, swap: bool) -> int:
    end = position + 8 + storage.nbytes()
    if end > len(data):
        raise UnpicklingError(f"the file is cut short: it ends inside a storage, {end - len(data)} bytes are missing")
    count = struct.unpack_from("<q", data, position)[0]
    if count * (dtype.itemsize if dtype is not None else 1) != storage.nbytes():
        raise UnpicklingError(f"a storage of {storage.nbytes()} bytes is said to have {count} elements")
    if storage.nbytes():
        target = memoryview(storage).cast("B")
        target[:] = memoryview(data)[position + 8 : end]
        if swap:
            target[:] = memoryview(_swapped(storage, dtype)).cast("B")
    return end


# --- looking without loading ---


def _globals_of(pickled: bytes) -> Iterator[tuple[str, str]]:
    """Module and name of every global in a pickle, read from its opcodes."""
    import pickletools

    strings: list[str] = []
    memo: dict[int, str] = {}
    latest: Any = None
    try:
        for opcode, argument, _ in pickletools.genops(pickled):
            if opcode.name == "GLOBAL":
                module, _, name = argument.partition(" ")
                yield module, name
            elif opcode.name == "STACK_GLOBAL":
                if len(strings) < 2:
                    raise UnpicklingError("the pickle is damaged: a global without a name")
                yield strings[-2], strings[-1]
            elif opcode.name == "MEMOIZE":
                memo[len(memo)] = latest
            elif opcode.name in ("PUT", "BINPUT", "LONG_BINPUT"):
                memo[argument] = latest
            elif opcode.name in ("GET", "BINGET", "LONG_BINGET"):
                latest = memo.get(argument)
                if isinstance(latest, str):
                    strings.append(latest)
            else:
                latest = argument if "UNICODE" in opcode.name or "STRING" in opcode.name else None
                if latest is not None:
                    strings.append(latest)
    except (ValueError, struct.error, IndexError) as error:
        raise UnpicklingError(f"the pickle is damaged: {error}") from error
