"""`save`: any object with tensors in it into a file that PyTorch reads."""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import ondol

from .names import STORAGE_OF_DTYPE
from .pickle_writer import GlobalName, PickleWriter
from .rebuild import TypedStorage, dtype_name
from .reduce import reduce_for_saving, storage_key
from .zip_archive import ALIGNMENT, ArchiveWriter

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
_options = {"crc32": True}


def set_crc32_options(compute_crc32: bool) -> None:
    """Whether `save` writes checksums and `load` compares them, as at first they do. It takes a pass over the data."""
    _options["crc32"] = bool(compute_crc32)


def get_crc32_options() -> bool:
    """Whether checksums are written and compared."""
    return _options["crc32"]


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Save an object in PyTorch's file format.

    `obj` is a tensor, a `state_dict`, a whole module, or containers of these and of plain values, as deep as you like.
    `f` is a path or an object with `write`. A path is written to a file beside it which then takes its name: a save
    that fails leaves an older file as it was. Tensors that share memory are written once and share it once loaded.

    A `state_dict` holds values only. The flags `requires_grad` are kept by `save(model)` and by
    `save(model.state_dict(keep_vars=True))`.

    Raises pickle.PicklingError for functions and classes that cannot be found again by their name.

    >>> import io
    >>> buffer = io.BytesIO()
    >>> ondol.save({"weight": ondol.ones(2)}, buffer)
    >>> _ = buffer.seek(0)
    >>> ondol.load(buffer)
    {'weight': tensor([1., 1.])}
    """
    storages = StorageTable(legacy=not _use_new_zipfile_serialization)
    pickled = _pickle(obj, storages, pickle_module, pickle_protocol)
    with _opened_for_writing(f) as (out, root):
        if _use_new_zipfile_serialization:
            _write_archive(out, root, pickled, storages, with_byteorder=not _disable_byteorder_record)
        else:
            _write_legacy(out, pickled, storages, pickle_protocol)


class StorageTable:
    """The storages met while pickling, each once, in the order of their keys."""

    def __init__(self, legacy: bool) -> None:
        self._view_metadata = (None,) if legacy else ()  # old files can say that a storage is a view; ours never is
        self.storages: list[Any] = []
        self._known: dict[tuple[int, int], tuple[str, Any]] = {}

    def dtype_of(self, storage: Any) -> Any:
        """The dtype with which this memory has been written already, or None."""
        known = self._known.get(storage_key(storage))
        return known[1] if known and storage.nbytes() else None

    def persistent_id(self, value: Any) -> tuple | None:
        """What stands in the pickle for a storage: kind, class, key, location, number of elements."""
        if isinstance(value, TypedStorage):
            storage, dtype = value.untyped, value.dtype
        elif isinstance(value, ondol.UntypedStorage):
            storage, dtype = value, ondol.uint8
        else:
            return None
        if dtype_name(dtype) not in STORAGE_OF_DTYPE:  # a dtype without a storage class goes as bytes
            dtype = ondol.uint8
        key, count = self._key(storage, dtype), storage.nbytes() // dtype.itemsize
        if storage is value and not self._view_metadata:
            return ("storage", GlobalName("torch.storage", "UntypedStorage"), key, "cpu", count)
        name = STORAGE_OF_DTYPE[dtype_name(dtype)]
        return ("storage", GlobalName("torch", name), key, "cpu", count, *self._view_metadata)

    def _key(self, storage: Any, dtype: Any) -> str:
        identity = storage_key(storage)
        if not storage.nbytes() or identity not in self._known:  # empty storages have no address to tell them apart
            self._known[identity] = (str(len(self.storages)), dtype)
            self.storages.append(storage)
        return self._known[identity][0]


def _pickle(obj: Any, storages: StorageTable, pickle_module: Any, protocol: int) -> bytes:
    if pickle_module is pickle:
        return PickleWriter(storages.persistent_id, lambda value: _reduce(value, storages), protocol).dump(obj)

    class Pickler(pickle_module.Pickler):
        def persistent_id(self, value: Any) -> Any:
            return storages.persistent_id(value)

    import io

    out = io.BytesIO()
    Pickler(out, protocol=protocol).dump(obj)
    return out.getvalue()


def _reduce(value: Any, storages: StorageTable) -> Any:
    """How the extension's own types stand in a file; None for everything else."""
    if isinstance(value, ondol.Tensor):
        return reduce_for_saving(value, storages.dtype_of)
    if value is ondol.Tensor:
        return GlobalName("torch", "Tensor")
    kind = type(value)
    if kind is ondol.dtype:
        return GlobalName("torch", dtype_name(value))
    if kind is ondol.Size:
        return GlobalName("torch", "Size"), (tuple(value),)
    if kind is ondol.device:
        return GlobalName("torch", "device"), ((value.type,) if value.index is None else (value.type, value.index))
    if kind is ondol.layout:
        return GlobalName("torch.serialization", "_get_layout"), (str(value),)
    return None


def _write_archive(out: BinaryIO, root: str, pickled: bytes, storages: StorageTable, with_byteorder: bool) -> None:
    archive = ArchiveWriter(out, root, with_crc=get_crc32_options())
    archive.add("data.pkl", pickled)
    archive.add(".format_version", b"1")
    archive.add(".storage_alignment", str(ALIGNMENT).encode())
    if with_byteorder:
        archive.add("byteorder", sys.byteorder.encode())
    for key, storage in enumerate(storages.storages):
        archive.add(f"data/{key}", storage)
    archive.add("version", b"3\n")
    archive.add(".data/serialization_id", f"{len(storages.storages):020d}{archive.combined_crc():020d}".encode())
    archive.finish()


def _write_legacy(out: BinaryIO, pickled: bytes, storages: StorageTable, protocol: int) -> None:
    """The format of PyTorch before 1.6: three pickles of header, the object, the keys, and then the storages."""
    sizes = {"short": 2, "int": 4, "long": 4}
    system = {"protocol_version": PROTOCOL_VERSION, "little_endian": sys.byteorder == "little", "type_sizes": sizes}
    for header in (MAGIC_NUMBER, PROTOCOL_VERSION, system):
        out.write(pickle.dumps(header, protocol))
    out.write(pickled)
    out.write(pickle.dumps([str(key) for key in range(len(storages.storages))], protocol))
    for storage in storages.storages:
        dtype = storages.dtype_of(storage)
        out.write(struct.pack("<q", storage.nbytes() // dtype.itemsize if dtype is not None else 0))
        if storage.nbytes():
            out.write(memoryview(storage))


@contextlib.contextmanager
def _opened_for_writing(f: Any) -> Iterator[tuple[Any, str]]:
    """The file to write to and the name of the folder inside the archive, which PyTorch takes from the file's name."""
    if not isinstance(f, (str, os.PathLike)):
        if not hasattr(f, "write"):
            raise AttributeError(
                "expected 'f' to be string, path, or a file-like object with a 'write' attribute, "
                f"got {type(f).__name__}"
            )
        yield f, "archive"
        return
    path = os.path.realpath(os.fspath(f))  # a link stays a link; what it points to is replaced
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {folder} does not exist.")
    root = os.path.splitext(os.path.basename(os.fspath(f)))[0] or "archive"
    if os.path.exists(path) and not os.path.isfile(path):  # a device or a pipe cannot be replaced
        with open(path, "wb") as out:
            yield out, root
        return
    beside = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    try:
        with open(beside, "wb") as out:
            yield out, root
        if os.path.exists(path):
            os.chmod(beside, os.stat(path).st_mode & 0o7777)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
        raise
