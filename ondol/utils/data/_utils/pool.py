"""The parent's side of multi-process loading: start workers, hand out indices, put batches into order, clean up."""

from __future__ import annotations

import functools
import os
import time
import weakref
from itertools import cycle
from multiprocessing.connection import wait
from typing import Any

from ondol.utils.data._utils.transport import Channel, close_inherited
from ondol.utils.data._utils.worker import RESUME, EndOfDataset, ExceptionWrapper, WorkerTask, work
from ondol.utils.data.dataloader import DataLoader, _BaseDataLoaderIter, _DatasetKind

PATIENCE = 5.0
"""Seconds that a worker gets to finish its batch before it is ended."""


class _Worker:
    """A process, the channel to it, and what it is doing."""

    def __init__(self, process: Any, channel: Channel) -> None:
        self.process = process
        self.channel = channel
        self.active = True
        self.tasks = 0


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """One way through a loader with workers.

    Every list of indices gets a number, in the order of the sampler. At most prefetch_factor · num_workers of them are
    with the workers at a time; for each batch that is taken, the next list is sent.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        super().__init__(loader)
        self._in_order = loader.in_order
        self._most_tasks = loader.prefetch_factor * loader.num_workers  # type: ignore[operator]
        self._workers: list[_Worker] = []
        # Runs when the iterator is collected or the interpreter ends, and only in the process that started the workers.
        self._shutdown = weakref.finalize(self, _end_workers, self._workers, os.getpid())
        try:
            for number in range(loader.num_workers):
                self._workers.append(self._started(loader, number))
        except BaseException:
            self._shutdown()
            raise
        self._begin_pass()

    def _started(self, loader: DataLoader[Any], number: int) -> _Worker:
        import multiprocessing

        context = loader.multiprocessing_context or multiprocessing
        make_fetcher = functools.partial(
            _make_fetcher, self._dataset_kind, self._auto_collation, self._collate_fn, self._drop_last
        )
        task = WorkerTask(
            number, self._num_workers, self._base_seed, self._dataset, make_fetcher, loader.worker_init_fn
        )
        ours, theirs = context.Pipe(duplex=True)
        channel = Channel(ours)
        try:
            process = context.Process(target=_main, args=(task, theirs), daemon=True)
            process.start()
        except BaseException:
            channel.close()
            raise
        finally:
            theirs.close()
        return _Worker(process, channel)

    def _begin_pass(self) -> None:
        self._sent = 0
        self._taken = 0
        self._task_of: dict[int, _Worker] = {}
        self._ready: dict[int, Any] = {}
        self._turn = cycle(range(self._num_workers))
        for worker in self._workers:
            worker.active, worker.tasks = True, 0
        for _ in range(self._most_tasks):
            self._send_next()

    def _reset(self, loader: DataLoader[Any]) -> None:
        super()._reset(loader)
        for worker in self._workers:
            worker.active = True
            self._send(worker, RESUME, None)
        resumed = 0
        while resumed < self._num_workers:  # what arrives before is left from a pass that was not finished
            _, (number, _) = self._receive()
            resumed += number == RESUME
        self._begin_pass()

    @property
    def _has_ended(self) -> bool:
        return not self._workers

    def _next_data(self) -> Any:
        while True:
            self._skip_tasks_of_ended_workers()
            if self._taken == self._sent:
                if not self._persistent_workers:
                    self._shutdown()
                raise StopIteration
            if self._has_ended:
                raise RuntimeError("the workers of this DataLoader iterator have ended; make a new one by iter(loader)")
            if self._taken in self._ready:
                return self._take(self._taken)
            worker, (number, data) = self._receive()
            if isinstance(data, EndOfDataset):
                worker.active = False
                self._send_next()
                continue
            self._ready[number] = data
            if not self._in_order:
                return self._take(number)

    def _skip_tasks_of_ended_workers(self) -> None:
        while self._taken < self._sent and self._taken not in self._ready:
            worker = self._task_of.get(self._taken)
            if worker is not None and worker.active:
                return
            self._task_of.pop(self._taken, None)
            self._taken += 1

    def _take(self, number: int) -> Any:
        data = self._ready.pop(number)
        self._task_of.pop(number).tasks -= 1
        if number == self._taken:
            self._taken += 1
        self._send_next()
        if isinstance(data, ExceptionWrapper):
            data.reraise()
        return data

    def _send_next(self) -> None:
        worker = self._next_worker()
        if worker is None:
            return
        try:
            index = next(self._sampler_iter)
        except StopIteration:
            return
        self._task_of[self._sent] = worker
        worker.tasks += 1
        self._send(worker, self._sent, index)
        self._sent += 1

    def _next_worker(self) -> _Worker | None:
        """The active worker whose turn it is; without order, one that has not more than its share to do."""
        share = self._most_tasks // max(1, sum(worker.active for worker in self._workers))
        for _ in self._workers:
            worker = self._workers[next(self._turn)]
            if worker.active and (self._in_order or worker.tasks < share):
                return worker
        return None

    def _send(self, worker: _Worker, *message: Any) -> None:
        try:
            worker.channel.send(*message)
        except (BrokenPipeError, ConnectionResetError):
            self._fail([worker])

    def _receive(self) -> tuple[_Worker, Any]:
        """The next message of any worker: a number and what belongs to it. Raises if one has died or the time is up."""
        by_channel = {worker.channel.connection: worker for worker in self._workers}
        by_process = {worker.process.sentinel: worker for worker in self._workers}
        deadline = time.monotonic() + self._timeout if self._timeout > 0 else None
        while True:
            rest = None if deadline is None else max(0.0, deadline - time.monotonic())
            signs = wait([*by_channel, *by_process], rest)
            if not signs:
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
            for sign in signs:  # messages first: a worker may have died after sending
                if sign in by_channel:
                    try:
                        return by_channel[sign], by_channel[sign].channel.receive()
                    except EOFError:
                        self._fail([by_channel[sign]])
                    except Exception:  # it cannot be unpickled here, so which batch it was remains unknown
                        self._shutdown()
                        raise
            self._fail([by_process[sign] for sign in signs])

    def _fail(self, dead: list[_Worker]) -> None:
        for worker in dead:
            worker.process.join(PATIENCE)  # the channel may be closed a moment before the process has ended
        pids = ", ".join(str(worker.process.pid) for worker in dead)
        codes = ", ".join(str(worker.process.exitcode) for worker in dead)
        self._shutdown()
        raise RuntimeError(
            f"DataLoader worker (pid(s) {pids}) exited unexpectedly with exit code(s) {codes}. "
            "A negative code is the signal that ended it, such as -9 when memory ran out; "
            "num_workers=0 shows errors of the dataset where they happen."
        ) from None


def _make_fetcher(kind: int, auto_collation: bool, collate_fn: Any, drop_last: bool, dataset: Any) -> Any:
    return _DatasetKind.create_fetcher(kind, dataset, auto_collation, collate_fn, drop_last)


def _main(task: WorkerTask, connection: Any) -> None:
    close_inherited()
    work(task, connection)


def _end_workers(workers: list[_Worker], owner: int) -> None:
    """Close the channels, which ends workers that are waiting or sending; end the others after a while."""
    if os.getpid() != owner:
        return
    for worker in workers:
        worker.channel.hang_up()
    deadline = time.monotonic() + PATIENCE
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
    for stop in ("terminate", "kill"):
        for worker in workers:
            if worker.process.is_alive():
                getattr(worker.process, stop)()
                worker.process.join(1.0)
    workers.clear()
