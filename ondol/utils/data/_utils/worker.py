"""What a worker process does: seed itself, make batches of the indices that it is sent, send them back."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import ondol

RESUME = "resume"
"""Sent to a persistent worker for a new pass over the dataset, and sent back when it is ready for it."""


SECONDS_BETWEEN_LOOKS = 2.0
"""How often a worker that hears nothing looks whether its parent is there."""


class WorkerInfo(NamedTuple):
    """What a worker knows of itself: its number, how many there are, its seed, and its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker process of a DataLoader, its `id`, `num_workers`, `seed` and `dataset`; elsewhere None."""
    return _worker_info


class EndOfDataset:
    """Sent instead of a batch by a worker whose iterable dataset has ended."""


class ExceptionWrapper:
    """An exception on its way to the parent: its type, and its traceback as text, since frames cannot travel."""

    def __init__(self, error: BaseException, where: str) -> None:
        import traceback

        self.exc_type = type(error)
        self.exc_msg = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.where = where

    def reraise(self) -> None:
        """Raise an exception of that type with that text; a RuntimeError if the type cannot be made from a text."""
        text = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        try:
            error = self.exc_type(_AsIs(text) if issubclass(self.exc_type, KeyError) else text)
        except Exception:
            error = RuntimeError(text)
        raise error


class _AsIs(str):
    """KeyError shows the repr of its argument, in which a traceback would be one line with `\\n` in it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class WorkerTask(NamedTuple):
    """What a worker is started with."""

    id: int
    num_workers: int
    base_seed: int
    dataset: Any
    make_fetcher: Callable[[Any], Any]
    init_fn: Callable[[int], None] | None


def work(task: WorkerTask, connection: Any) -> None:
    """The main function of a worker. It ends when the parent closes its end of the connection, or dies."""
    import signal

    from ondol.utils.data._utils.transport import Channel

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what ends
    channel = Channel(connection)
    try:
        _serve(task, channel, _Inbox(channel))
    except (BrokenPipeError, ConnectionResetError):
        pass  # the parent no longer wants the batch
    finally:
        channel.close()


class _Inbox:
    """What the parent sends, taken in by a thread of its own, so that the parent never waits while sending."""

    def __init__(self, channel: Any) -> None:
        import queue
        import threading

        self._channel = channel
        self._parent = os.getppid()
        self._messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._closed = False
        threading.Thread(target=self._receive, name="inbox of a DataLoader worker", daemon=True).start()

    def get(self) -> Any:
        """The next message, or None if the parent has closed the connection or is gone."""
        message = self._messages.get()
        return None if self._closed else message

    def _receive(self) -> None:
        try:
            # The end of the parent closes the connection, unless some other process has a copy of its end.
            while os.getppid() == self._parent:
                if self._channel.connection.poll(SECONDS_BETWEEN_LOOKS):
                    self._messages.put(self._channel.receive())
        except (EOFError, OSError):
            pass
        self._closed = True
        self._messages.put(None)


def _serve(task: WorkerTask, channel: Any, inbox: _Inbox) -> None:
    global _worker_info
    where = f"in DataLoader worker process {task.id}"
    seed = task.base_seed + task.id
    _seed_everything(task, seed)
    _worker_info = WorkerInfo(task.id, task.num_workers, seed, task.dataset)
    fetcher, failure = None, None
    try:
        if task.init_fn is not None:
            task.init_fn(task.id)
        fetcher = task.make_fetcher(task.dataset)
    except Exception as error:
        failure = ExceptionWrapper(error, where)

    ended = False
    while (message := inbox.get()) is not None:
        number, index = message
        if number == RESUME:
            channel.send(RESUME, None)
            fetcher, failure, ended = _made_again(task, where)
            continue
        if ended:
            continue
        if failure is not None:
            channel.send(number, failure)
            continue
        try:
            data = fetcher.fetch(index)
        except StopIteration as stop:
            ended = hasattr(fetcher, "ended")
            data = EndOfDataset() if ended else ExceptionWrapper(stop, where)
        except Exception as error:
            data = ExceptionWrapper(error, where)
        try:
            channel.send(number, data)
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:  # the batch, or the type of the exception, cannot be pickled
            text = f"the worker could not send what it made: {error!r}"
            if isinstance(data, ExceptionWrapper):
                text += f"\n{data.exc_msg}"
            channel.send(number, ExceptionWrapper(RuntimeError(text), where))
        del data


def _made_again(task: WorkerTask, where: str) -> tuple[Any, ExceptionWrapper | None, bool]:
    try:
        return task.make_fetcher(task.dataset), None, False
    except Exception as error:
        return None, ExceptionWrapper(error, where), False


def _seed_everything(task: WorkerTask, seed: int) -> None:
    import random

    ondol.set_num_threads(1)  # the workers are the parallelism
    random.seed(seed)
    ondol.manual_seed(seed)
    # NumPy's generator has 32-bit seeds, in which neighbouring workers would be too alike; this is PyTorch's mixing.
    low, high = task.base_seed & 0xFFFFFFFF, task.base_seed >> 32
    np.random.seed(np.random.SeedSequence([task.id, low, high, 0]).generate_state(4))  # noqa: NPY002
