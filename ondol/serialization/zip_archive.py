"""The zip archive that a checkpoint is: stored entries, nothing compressed, data aligned to 64 bytes.

Own code rather than `zipfile`: alignment needs padding in the local header, a hostile archive must not make us allocate
more than the file holds, and importing `zipfile` costs 11 ms. Format: PKWARE APPNOTE 6.3.10.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, BinaryIO, NamedTuple

ALIGNMENT = 64
LOCAL_MAGIC, CENTRAL_MAGIC, END_MAGIC = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
END64_MAGIC, END64_LOCATOR_MAGIC = b"PK\x06\x06", b"PK\x06\x07"
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_END64_LOCATOR = struct.Struct("<4sIQI")
_UTF8, _ENCRYPTED = 0x0800, 0x0001
_ZIP64_ID, _PADDING_ID = 0x0001, 0x4246  # the padding is marked "FB", as PyTorch's
_MAX32, _MAX16 = 0xFFFFFFFF, 0xFFFF
_CRC_PIECE = 1 << 24


class ArchiveError(RuntimeError):
    """The file is not a sound zip archive."""


class Entry(NamedTuple):
    name: str
    size: int
    crc: int
    header_offset: int


class ArchiveWriter:
    """Writes entries one after the other to anything that has `write`; nothing is sought or read back."""

    def __init__(self, out: BinaryIO, root: str, with_crc: bool = True):
        self._out, self._root, self._with_crc = out, root, with_crc
        self._offset = 0
        self._entries: list[Entry] = []

    def add(self, name: str, content: Any) -> None:
        """Add an entry below the root folder; `content` is bytes or anything with the buffer protocol."""
        view = memoryview(content).cast("B") if len(memoryview(content)) else memoryview(b"")
        crc = zlib.crc32(view) if self._with_crc else 0
        path = f"{self._root}/{name}".encode()
        entry = Entry(f"{self._root}/{name}", view.nbytes, crc, self._offset)
        large = view.nbytes >= _MAX32
        extra = struct.pack("<HHQQ", _ZIP64_ID, 16, view.nbytes, view.nbytes) if large else b""
        unpadded = self._offset + _LOCAL.size + len(path) + len(extra) + 4
        padding = -unpadded % ALIGNMENT
        extra += struct.pack("<HH", _PADDING_ID, padding) + b"Z" * padding
        size = _MAX32 if large else view.nbytes
        self._write(_LOCAL.pack(LOCAL_MAGIC, 0, _UTF8, 0, 0, 0, crc, size, size, len(path), len(extra)))
        self._write(path + extra)
        self._write(view)
        self._entries.append(entry)

    def combined_crc(self) -> int:
        """A number that changes with any entry."""
        return zlib.crc32(b"".join(struct.pack("<I", entry.crc) for entry in self._entries))

    def finish(self) -> None:
        """Write the central directory."""
        start = self._offset
        for entry in self._entries:
            self._write(_central_record(entry))
        size, count = self._offset - start, len(self._entries)
        if count >= _MAX16 or size >= _MAX32 or start >= _MAX32:
            end64 = self._offset
            self._write(_END64.pack(END64_MAGIC, _END64.size - 12, 45, 45, 0, 0, count, count, size, start))
            self._write(_END64_LOCATOR.pack(END64_LOCATOR_MAGIC, 0, end64, 1))
        count, size, start = min(count, _MAX16), min(size, _MAX32), min(start, _MAX32)
        self._write(_END.pack(END_MAGIC, 0, 0, count, count, size, start, 0))

    def _write(self, content: Any) -> None:
        self._out.write(content)
        self._offset += len(content)


def _central_record(entry: Entry) -> bytes:
    path = entry.name.encode()
    wide = [number for number in (entry.size, entry.size, entry.header_offset) if number >= _MAX32]
    extra = struct.pack(f"<HH{len(wide)}Q", _ZIP64_ID, 8 * len(wide), *wide) if wide else b""
    size, offset = min(entry.size, _MAX32), min(entry.header_offset, _MAX32)
    fixed = (CENTRAL_MAGIC, 0, 0, _UTF8, 0, 0, 0, entry.crc, size, size, len(path), len(extra), 0, 0, 0, 0, offset)
    return _CENTRAL.pack(*fixed) + path + extra


class ArchiveReader:
    """The entries of an archive, each checked against the size of the file before anything is read.

    `file` must be seekable; the archive begins at its offset `start` and ends where the file ends.
    """

    def __init__(self, file: BinaryIO, start: int, size: int, check_crc: bool = True):
        self._file, self._start, self._size, self._check_crc = file, start, size, check_crc
        entries = self._read_directory()
        if not entries:
            raise ArchiveError("the zip archive is empty")
        self.root = entries[0].name.partition("/")[0]
        self._entries: dict[str, Entry] = {}
        for entry in entries:
            if entry.name in self._entries:
                raise ArchiveError(f"the zip archive holds {entry.name!r:.200} twice")
            self._entries[entry.name] = entry
        if sum(entry.size for entry in entries) > size:
            raise ArchiveError(f"the entries of the zip archive are said to be larger than the file ({size} bytes)")

    def __contains__(self, name: str) -> bool:
        return f"{self.root}/{name}" in self._entries

    def names(self) -> list[str]:
        """The paths of the entries below the root folder."""
        return [name.partition("/")[2] for name in self._entries if name.startswith(f"{self.root}/")]

    def size_of(self, name: str) -> int:
        return self._entry(name).size

    def offset_of(self, name: str) -> int:
        """Where in the file the bytes of an entry begin."""
        return self._start + self._data_offset(self._entry(name))

    def read(self, name: str) -> bytes:
        content = bytearray(self.size_of(name))
        self.read_into(name, memoryview(content))
        return bytes(content)

    def read_into(self, name: str, target: memoryview) -> None:
        """Fill `target`, which is as large as the entry. Raises ArchiveError if the checksum does not fit."""
        entry = self._entry(name)
        self._file.seek(self._start + self._data_offset(entry))
        filled = 0
        while filled < entry.size:
            filled += self._read_piece(target[filled:], entry)
        if self._check_crc and zlib.crc32(target) != entry.crc:
            raise ArchiveError(
                f"the entry {entry.name!r:.200} is damaged: its checksum does not fit "
                "(for a file written without checksums call set_crc32_options(False) first)"
            )

    def _read_piece(self, target: memoryview, entry: Entry) -> int:
        readinto = getattr(self._file, "readinto", None)
        if readinto is not None:
            count = readinto(target)
        else:
            piece = self._file.read(min(len(target), _CRC_PIECE))
            count = len(piece)
            target[:count] = piece
        if not count:
            raise ArchiveError(f"the file ends inside the entry {entry.name!r:.200}")
        return count

    def _entry(self, name: str) -> Entry:
        try:
            return self._entries[f"{self.root}/{name}"]
        except KeyError:
            raise ArchiveError(f"the zip archive has no entry {self.root + '/' + name!r:.200}") from None

    def _bytes_at(self, offset: int, count: int, what: str) -> bytes:
        if offset < 0 or count < 0 or offset + count > self._size:
            raise ArchiveError(f"the zip archive is cut short or damaged: {what} is said to lie outside the file")
        self._file.seek(self._start + offset)
        content = self._file.read(count)
        if len(content) != count:
            raise ArchiveError(f"the file ends inside {what}")
        return content

    def _data_offset(self, entry: Entry) -> int:
        header = _LOCAL.unpack(self._bytes_at(entry.header_offset, _LOCAL.size, f"the header of {entry.name!r:.200}"))
        if header[0] != LOCAL_MAGIC:
            raise ArchiveError(f"the header of {entry.name!r:.200} is damaged")
        offset = entry.header_offset + _LOCAL.size + header[9] + header[10]
        if offset + entry.size > self._size:
            raise ArchiveError(f"the entry {entry.name!r:.200} is said to reach beyond the end of the file")
        return offset

    def _read_directory(self) -> list[Entry]:
        count, size, offset = self._find_directory()
        if count * _CENTRAL.size > size:
            raise ArchiveError(f"the zip directory of {size} bytes is too small for {count} entries")
        directory = self._bytes_at(offset, size, "the zip directory")
        entries, position = [], 0
        for _ in range(count):
            entry, position = _parse_central_record(directory, position)
            entries.append(entry)
        return entries

    def _find_directory(self) -> tuple[int, int, int]:
        """Number of entries, size and offset of the directory, from the record at the end of the file."""
        tail_size = min(self._size, _END.size + _MAX16)
        tail = self._bytes_at(self._size - tail_size, tail_size, "the end of the file")
        at = tail.rfind(END_MAGIC)
        if at < 0 or at + _END.size > len(tail):
            raise ArchiveError("the zip archive is cut short: it has no directory at its end")
        _, _, _, _, count, size, offset, _ = _END.unpack_from(tail, at)
        if count != _MAX16 and _MAX32 not in (size, offset):
            return count, size, offset
        locator = at - _END64_LOCATOR.size
        if locator < 0 or tail[locator : locator + 4] != END64_LOCATOR_MAGIC:
            return count, size, offset
        where = _END64_LOCATOR.unpack_from(tail, locator)[2]
        record = _END64.unpack(self._bytes_at(where, _END64.size, "the zip64 directory"))
        if record[0] != END64_MAGIC:
            raise ArchiveError("the zip64 directory is damaged")
        return record[7], record[8], record[9]


def _parse_central_record(directory: bytes, position: int) -> tuple[Entry, int]:
    if position + _CENTRAL.size > len(directory) or directory[position : position + 4] != CENTRAL_MAGIC:
        raise ArchiveError("the zip directory is damaged")
    fields = _CENTRAL.unpack_from(directory, position)
    flags, method, crc, stored, size, name_size, extra_size, comment_size = *fields[3:5], *fields[7:13]
    offset = fields[16]
    end = position + _CENTRAL.size + name_size + extra_size + comment_size
    if end > len(directory):
        raise ArchiveError("the zip directory is damaged")
    name_at = position + _CENTRAL.size
    name = directory[name_at : name_at + name_size].decode("utf-8", "replace")
    extra = directory[name_at + name_size : name_at + name_size + extra_size]
    size, stored, offset = _widened([size, stored, offset], extra)
    if flags & _ENCRYPTED:
        raise ArchiveError(f"the entry {name!r:.200} is encrypted")
    if method != 0 or size != stored:
        raise ArchiveError(
            f"the entry {name!r:.200} is compressed; PyTorch's files are not: pack it again with `zip -0`"
        )
    return Entry(name, size, crc, offset), end


def _widened(numbers: list[int], extra: bytes) -> list[int]:
    """The three numbers with those that did not fit into 32 bits taken from the zip64 field."""
    if _MAX32 not in numbers:
        return numbers
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        if kind == _ZIP64_ID:
            missing = numbers.count(_MAX32)
            if length < 8 * missing or position + 4 + 8 * missing > len(extra):
                raise ArchiveError("the zip64 field of an entry is damaged")
            wide = iter(struct.unpack_from(f"<{missing}Q", extra, position + 4))
            return [next(wide) if number == _MAX32 else number for number in numbers]
        position += 4 + length
    return numbers
