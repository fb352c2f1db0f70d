"""Checkpoints made by hand, honest and hostile ones."""

import io
import pickle

from ondol.serialization.zip_archive import ArchiveWriter

PROTO = b"\x80\x02"


def archive(pickled: bytes, storages: dict[str, bytes] | None = None, byteorder: bytes = b"little") -> io.BytesIO:
    """A zip checkpoint around a pickle."""
    out = io.BytesIO()
    writer = ArchiveWriter(out, "archive")
    writer.add("data.pkl", pickled)
    writer.add("byteorder", byteorder)
    for key, content in (storages or {}).items():
        writer.add(f"data/{key}", content)
    writer.add("version", b"3\n")
    writer.finish()
    out.seek(0)
    return out


def text(value: str) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def storage(kind: str = "FloatStorage", key: str = "0", location: str = "cpu", count: int = 2) -> bytes:
    """Opcodes that put a storage on the stack."""
    number = pickle.dumps(count, 2)[2:-1]
    return b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text(location) + number + b"tQ"


def tensor(storage_opcodes: bytes, offset: int = 0, size: tuple = (2,), stride: tuple = (1,)) -> bytes:
    """Opcodes that put a tensor on the stack."""
    layout = b"".join(pickle.dumps(part, 2)[2:-1] for part in (offset, size, stride))
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage_opcodes + layout + b"\x89ccollections\nOrderedDict\n)RtR"
