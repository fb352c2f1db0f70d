"""Batches on their way from a worker to the parent.

A message is a pickle whose arrays stay outside of it (protocol 5). Where the system has anonymous shared memory
(memfd, Linux), everything larger than a few kilobytes goes into a piece of it, whose descriptor follows the message
through the socket: nothing is copied twice, and there is no name under which memory could be left behind; it is gone
when the last tensor in it is. Elsewhere the bytes go through the socket themselves.
"""

from __future__ import annotations

import contextlib
import io
import mmap
import os
import pickle
import socket
import weakref
from multiprocessing.reduction import ForkingPickler
from typing import Any

import ondol

INLINE = 4096
"""Messages up to this size go through the socket. Small enough for many of them to wait in it without blocking."""

ALIGNMENT = 64

_open_channels: weakref.WeakSet[Channel] = weakref.WeakSet()


class Channel:
    """One end of the connection between parent and worker."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        # On Unix a duplex pipe is a pair of sockets, through which descriptors may be sent.
        self._socket = socket.socket(fileno=os.dup(connection.fileno())) if os.name == "posix" else None
        self._shares_memory = self._socket is not None and hasattr(os, "memfd_create")
        _open_channels.add(self)

    def send(self, *message: Any) -> None:
        """Send objects. Whatever cannot be pickled raises, and then nothing was sent."""
        stream = io.BytesIO()
        buffers: list[pickle.PickleBuffer] = []
        _Pickler(stream, 5, True, buffers.append).dump(message)
        pieces = [stream.getbuffer(), *(buffer.raw() for buffer in buffers)]
        sizes = [piece.nbytes for piece in pieces]
        if sum(sizes) <= INLINE or not self._shares_memory:
            self.connection.send((False, sizes))
            for piece in pieces:
                self.connection.send_bytes(piece)
            return
        descriptor = _shared_memory_with(pieces)
        try:
            self.connection.send((True, sizes))
            socket.send_fds(self._socket, [b"\0"], [descriptor])
        finally:
            os.close(descriptor)

    def receive(self) -> Any:
        """The next message, or EOFError if the other end is closed, be it in the middle of a message."""
        try:
            shared, sizes = self.connection.recv()
            if shared:
                pieces = _mapped(self._socket, sizes)
            else:
                # Into bytearrays, since what is unpickled from them is to be writable.
                pieces = [bytearray(self.connection.recv_bytes()) for _ in sizes]
        except ConnectionResetError as error:
            raise EOFError(str(error)) from error
        except OSError as error:
            if error.errno is None:  # how multiprocessing says that a message broke off
                raise EOFError(str(error)) from error
            raise
        return pickle.loads(pieces[0], buffers=pieces[1:])

    def hang_up(self) -> None:
        """Let the other end see that it is over, even if other processes have copies of this end; and close it."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # the other end may be gone already
                self._socket.shutdown(socket.SHUT_RDWR)
        self.close()

    def close(self) -> None:
        """Close this end in this process only."""
        self.connection.close()
        if self._socket is not None:
            self._socket.close()


def close_inherited() -> None:
    """In a process just forked, close the channels of the parent: they would keep its workers from seeing its end."""
    for channel in list(_open_channels):
        channel.close()


class _Pickler(ForkingPickler):
    """Pickles plain tensors as arrays, whose memory stays outside of the pickle."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not ondol.Tensor or value.device.type != "cpu":
            return NotImplemented
        if value.requires_grad and not value.is_leaf:
            raise RuntimeError(
                "a worker cannot send a tensor that is the result of recorded operations, since the record stays "
                "behind: use detach(), or make the batch under no_grad()"
            )
        plain = value.detach()
        # Arrays travel whole if they are dense in some order of their dimensions; that order is kept.
        order = sorted(range(plain.dim()), key=lambda dim: -plain.stride(dim))
        dense = plain.permute(order).contiguous()
        bits = {
            ondol.bfloat16: ondol.int16,
            ondol.float8_e5m2: ondol.uint8,
            ondol.float8_e4m3fn: ondol.uint8,
            ondol.complex32: ondol.int32,
        }.get(plain.dtype)
        if bits is not None:  # NumPy has no such dtype: it travels as its bits
            return _tensor, (dense.view(bits).numpy(), order, plain.dtype, value.requires_grad)
        return _tensor, (dense.numpy(), order, None, value.requires_grad)


def _tensor(array: Any, order: list[int], dtype_of_bits: Any, requires_grad: bool) -> Any:
    tensor = ondol.from_numpy(array)
    if dtype_of_bits is not None:
        tensor = tensor.view(dtype_of_bits)
    if order != sorted(order):
        tensor = tensor.permute([order.index(dim) for dim in range(len(order))])
    return tensor.requires_grad_() if requires_grad else tensor


def _offsets(sizes: list[int]) -> tuple[list[int], int]:
    """Where each piece starts, and the length of all."""
    offsets, end = [], 0
    for size in sizes:
        offsets.append(end)
        end += -(-size // ALIGNMENT) * ALIGNMENT
    return offsets, end


def _shared_memory_with(pieces: list[memoryview]) -> int:
    offsets, length = _offsets([piece.nbytes for piece in pieces])
    descriptor = os.memfd_create("ondol batch")
    try:
        os.ftruncate(descriptor, length)
        for offset, piece in zip(offsets, pieces):
            while piece.nbytes:  # pwrite stops at 2 GiB
                written = os.pwrite(descriptor, piece, offset)
                piece, offset = piece[written:], offset + written
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _mapped(channel: socket.socket, sizes: list[int]) -> list[memoryview]:
    _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
    if not descriptors:
        raise EOFError("the worker died while sending")
    offsets, length = _offsets(sizes)
    try:
        memory = memoryview(mmap.mmap(descriptors[0], length))
    finally:
        os.close(descriptors[0])
    return [memory[offset : offset + size] for offset, size in zip(offsets, sizes)]
