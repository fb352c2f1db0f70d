"""Files that are whole or not there at all, and errors that name them."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import ondol


def prepare_folder(folder: pathlib.Path) -> None:
    """Make the folder if it is missing and try to write in it, so that a hopeless run ends before its work."""
    probe = folder / ".probe"
    write_whole(probe, b"")
    probe.unlink()


def save(content: Any, path: pathlib.Path) -> None:
    """`ondol.save`, which itself writes beside and then renames; an error that names no file gets this one's name."""
    with _ready(path):
        ondol.save(content, path)


def write_whole(path: pathlib.Path, data: bytes) -> None:
    """Write beside the file, then rename: at every moment `path` holds all of the old bytes or all of the new.

    Raises OSError with the path in it if the disk is full or the folder cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _ready(path):
        try:
            with open(beside, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # a full disk may say so only now
            os.replace(beside, path)
        except BaseException:  # Ctrl-C too
            with contextlib.suppress(OSError):  # the first error matters more
                beside.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _ready(path: pathlib.Path) -> Iterator[None]:
    """Have a folder to write into, and let every OSError name the file: a full disk does not say whose it is."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
