"""Files that are whole or not there at all."""

from __future__ import annotations

import io
import os
import pathlib
from typing import Any

import ondol


def prepare_folder(folder: pathlib.Path) -> None:
    """Make the folder if it is missing and try to write in it, so that a hopeless run ends before its work."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / ".probe"
    write_whole(probe, b"")
    probe.unlink()


def save_whole(content: Any, path: pathlib.Path) -> None:
    """`ondol.save`, but a failure leaves what stood at `path` before, never half a checkpoint."""
    buffer = io.BytesIO()
    ondol.save(content, buffer)
    write_whole(path, buffer.getvalue())


def write_whole(path: pathlib.Path, data: bytes) -> None:
    """Write beside the file, then rename: at every moment `path` holds all of the old bytes or all of the new.

    Raises OSError with the path in it if the disk is full or the folder cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # a full disk may say so only now
        os.replace(beside, path)
    except OSError as error:
        _discard(beside)
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:  # Ctrl-C
        _discard(beside)
        raise


def _discard(path: pathlib.Path) -> None:
    try:
        path.unlink()
    except (
        OSError
    ):  # it never came to be, or its folder is gone: nothing to clear away, and the first error matters more
        return
