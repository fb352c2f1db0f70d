"""The DataLoader with worker processes: the same batches, errors that arrive, and nothing left behind."""

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import ondol
from ondol.utils.data import DataLoader, IterableDataset, TensorDataset, get_worker_info

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="starts its workers by fork")


def forked(dataset, **options):
    return DataLoader(dataset, **{"num_workers": 2, "multiprocessing_context": "fork", **options})


class Items:
    """Computes sample i by a function."""

    def __init__(self, function, n=8):
        self.function, self.n = function, n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return self.function(index)


class Range(IterableDataset):
    """The numbers below n, shared among the workers."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = get_worker_info()
        return iter(range(info.id, self.n, info.num_workers))


def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return file.read().split()


def ends_within(seconds, condition):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def raise_error(error):
    raise error


def test_batches_come_in_the_order_of_the_sampler_even_if_a_worker_is_slow():
    dataset = Items(lambda i: (time.sleep(0.05 if i < 2 else 0), i)[1], n=12)
    assert [batch.tolist() for batch in forked(dataset, batch_size=2)] == [[i, i + 1] for i in range(0, 12, 2)]


def test_without_order_a_slow_batch_does_not_hold_up_the_others():
    dataset = Items(lambda i: (time.sleep(0.5 if i == 0 else 0), i)[1], n=6)
    order = [batch.item() for batch in forked(dataset, in_order=False)]
    assert order[0] != 0 and sorted(order) == list(range(6))


def test_spawned_workers_give_the_same_batches():
    dataset = TensorDataset(ondol.arange(4))
    loader = DataLoader(dataset, batch_size=2, num_workers=1, multiprocessing_context="spawn")
    assert [batch.tolist() for [batch] in loader] == [[0, 1], [2, 3]]


@pytest.mark.parametrize("n", [0, 1, 7, 8])
@pytest.mark.parametrize("persistent", [False, True])
def test_an_iterable_dataset_ends_when_all_workers_have(n, persistent):
    loader = forked(Range(n), batch_size=2, persistent_workers=persistent)
    for _ in range(2):
        assert sorted(i for batch in loader for i in batch.tolist()) == list(range(n))


def test_workers_are_seeded_with_the_base_seed_plus_their_number():
    def draw(index):
        return get_worker_info().seed, ondol.initial_seed(), random.random(), float(np.random.rand())  # noqa: NPY002

    generator = ondol.Generator().manual_seed(3)
    base = int(ondol.empty((), dtype=ondol.int64).random_(generator=ondol.Generator().manual_seed(3)))
    rows = list(forked(Items(draw, n=2), batch_size=None, generator=generator))
    for worker, (seed, initial, python, numpy) in enumerate(rows):
        assert seed == initial == base + worker
        assert python == random.Random(seed).random()
        words = np.random.SeedSequence([worker, base & 0xFFFFFFFF, base >> 32, 0]).generate_state(4)
        assert numpy == np.random.RandomState(words).rand()


def test_a_worker_knows_who_it_is_and_the_parent_is_none():
    assert get_worker_info() is None
    rows = list(forked(Items(lambda i: (get_worker_info().id, get_worker_info().num_workers), n=2), batch_size=None))
    assert rows == [[0, 2], [1, 2]]


def test_worker_init_fn_runs_in_each_worker():
    dataset = Items(lambda i: os.environ["WHO"], n=2)
    rows = list(forked(dataset, batch_size=None, worker_init_fn=lambda worker: os.environ.update(WHO=f"w{worker}")))
    assert rows == ["w0", "w1"]


def test_all_kinds_of_samples_survive_the_way():
    def sample(index):
        return {
            "small": ondol.tensor([1, 2]),
            "large": ondol.full((50, 1000), 3.0),
            "bfloat16": ondol.ones(3, dtype=ondol.bfloat16),
            "scalar": ondol.tensor(2.5),
            "empty": ondol.zeros(0, 3),
            "turned": ondol.arange(6).view(2, 3).t(),
            "array": np.arange(3),
            "text": "text",
            "parameter": ondol.ones(2, requires_grad=True),
        }

    got = next(iter(forked(Items(sample), batch_size=None)))
    assert got["small"].tolist() == [1, 2] and got["large"].sum().item() == 150000.0
    assert got["bfloat16"].dtype == ondol.bfloat16 and got["scalar"].item() == 2.5 and got["empty"].shape == (0, 3)
    assert got["turned"].tolist() == [[0, 3], [1, 4], [2, 5]] and got["turned"].stride() == (1, 3)
    assert got["array"].tolist() == [0, 1, 2] and got["text"] == "text" and got["parameter"].requires_grad
    got["large"].add_(1.0)  # what arrives may be written to
    got["small"].add_(1)


@pytest.mark.parametrize("error", [KeyError("no such key"), ValueError("bad value"), ZeroDivisionError("by zero")])
def test_an_error_in_a_worker_arrives_with_its_type_and_the_traceback_of_the_worker(error):
    with pytest.raises(type(error)) as caught:
        list(forked(Items(lambda i: raise_error(error) if i == 3 else i)))
    text = str(caught.value)
    assert f"Caught {type(error).__name__} in DataLoader worker process 1" in text
    assert error.args[0] in text and "raise_error" in text and "\n" in text


def test_an_error_that_needs_more_than_a_text_arrives_as_a_runtime_error():
    class Odd(Exception):
        def __init__(self, one, two):
            super().__init__(one, two)

    with pytest.raises(RuntimeError, match="Odd"):
        list(forked(Items(lambda i: raise_error(Odd(1, 2)))))


def test_after_an_error_the_other_batches_still_come():
    iterator = iter(forked(Items(lambda i: raise_error(ValueError("three")) if i == 3 else i, n=6)))
    seen = []
    for _ in range(6):
        try:
            seen.append(next(iterator).item())
        except ValueError:
            seen.append(None)
    assert seen == [0, 1, 2, None, 4, 5]


def test_errors_of_the_start_of_a_worker_arrive_too():
    with pytest.raises(ValueError, match="not today"):
        list(forked(Items(lambda i: i), worker_init_fn=lambda worker: raise_error(ValueError("not today"))))


def test_a_batch_that_cannot_be_pickled_is_an_error_and_no_hang():
    with pytest.raises(RuntimeError, match="could not send"):
        list(forked(Items(lambda i: lambda: None), batch_size=None))


def test_a_killed_worker_is_an_error_at_once():
    dataset = Items(lambda i: os.kill(os.getpid(), signal.SIGKILL) if i == 3 else i)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"worker \(pid\(s\) \d+\) exited unexpectedly.*-9"):
        list(forked(dataset))
    assert time.monotonic() - start < 5


def test_a_killed_worker_is_replaced_in_the_next_pass_over_a_persistent_loader():
    loader = forked(Items(lambda i: i), persistent_workers=True)
    iterator = iter(loader)
    os.kill(iterator._workers[0].process.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(iterator)
    assert len(list(loader)) == 8


def test_a_worker_that_takes_too_long_is_an_error():
    with pytest.raises(RuntimeError, match=r"timed out after 0\.2 seconds"):
        next(iter(forked(Items(lambda i: time.sleep(1.0)), timeout=0.2)))


def test_no_process_is_left_when_the_iterator_is_exhausted_dropped_or_failed():
    before = set(children())
    list(forked(Items(lambda i: i)))
    next(iter(forked(Items(lambda i: i))))
    with pytest.raises(ValueError):
        list(forked(Items(lambda i: raise_error(ValueError()))))
    gc.collect()
    assert ends_within(5, lambda: set(children()) <= before)


def test_a_loader_ends_at_once_though_workers_of_a_later_one_are_running():
    training = iter(forked(Items(lambda i: i)))
    validation = iter(forked(Items(lambda i: i)))
    start = time.monotonic()
    list(training)
    assert time.monotonic() - start < 3
    assert len(list(validation)) == 8


def test_persistent_workers_stay_from_one_pass_to_the_next_and_go_with_the_loader():
    before = set(children())
    loader = forked(Items(lambda i: os.getpid()), batch_size=None, persistent_workers=True)
    assert set(loader) == set(loader)
    next(iter(loader))  # a pass that is not finished does not spoil the next one
    assert len(list(loader)) == 8
    del loader
    gc.collect()
    assert ends_within(5, lambda: set(children()) <= before)


def resources():
    """What a process may leave behind: descriptors, shared memory that is mapped or has a name, children, threads."""
    gc.collect()
    with open("/proc/self/maps") as maps:
        mapped = sum("ondol batch" in line for line in maps)
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "mapped": mapped,
        "named": set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set(),
        "children": set(children()),
        "threads": threading.active_count(),
    }


def nothing_left(before):
    now = resources()
    return all(now[what] <= before[what] for what in before if what != "named") and not {
        name for name in now["named"] - before["named"] if str(os.getpid()) in name or "ondol" in name
    }


@pytest.mark.slow
@pytest.mark.parametrize("persistent", [False, True])
def test_a_hundred_epochs_leave_nothing_behind(persistent):
    dataset = Items(lambda i: ondol.zeros(20000), n=4)
    list(forked(dataset))
    before = resources()
    loader = forked(dataset, persistent_workers=persistent)
    for _ in range(100):
        for _batch in loader:
            pass
    del _batch, loader
    assert ends_within(5, lambda: nothing_left(before)), (before, resources())


@pytest.mark.slow
@pytest.mark.parametrize("persistent", [False, True])
def test_iterators_dropped_half_way_leave_nothing_behind(persistent):
    dataset = Items(lambda i: ondol.zeros(20000), n=8)
    list(forked(dataset))
    before = resources()
    loader = forked(dataset, persistent_workers=persistent)
    for _ in range(25):
        for _batch in loader:
            break
    del _batch, loader
    assert ends_within(5, lambda: nothing_left(before)), (before, resources())


@pytest.mark.slow
def test_workers_killed_at_any_moment_are_an_error_within_five_seconds():
    dataset = Items(lambda i: ondol.zeros(300_000), n=10_000)
    for trial in range(15):
        iterator = iter(forked(dataset, batch_size=4))
        next(iterator)
        timer = threading.Timer(0.004 * trial, os.kill, (iterator._workers[trial % 2].process.pid, signal.SIGKILL))
        timer.start()
        with pytest.raises(RuntimeError, match=r"exited unexpectedly with exit code\(s\) -9"):
            for _ in iterator:
                killed = time.monotonic() if timer.finished.is_set() else None
        assert killed is None or time.monotonic() - killed < 5


def test_a_batch_that_cannot_be_read_here_ends_the_workers():
    iterator = iter(forked(Items(lambda i: Unreadable()), batch_size=None))
    with pytest.raises(ValueError, match="not to be read"):
        next(iterator)
    with pytest.raises(RuntimeError, match="have ended"):
        next(iterator)


class Unreadable:
    def __reduce__(self):
        return raise_error, (ValueError("not to be read"),)


SCRIPT = """
import time
from ondol.utils.data import DataLoader
class Slow:
    def __len__(self): return 100
    def __getitem__(self, i): time.sleep(0.1); return i
iterator = iter(DataLoader(Slow(), num_workers=2, multiprocessing_context="fork"))
next(iterator)
print(*[worker.process.pid for worker in iterator._workers], flush=True)
for _ in iterator: pass
"""


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent_however_it_ends(how):
    parent = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(workers) == 2
    if how == signal.SIGINT:
        os.killpg(parent.pid, how)  # as Ctrl-C does: the whole group gets it
    else:
        os.kill(parent.pid, how)
    parent.wait(timeout=10)
    assert ends_within(5, lambda: not any(map(is_running, workers)))


def test_importing_the_package_does_not_import_multiprocessing():
    code = "import sys, ondol.utils.data; sys.exit(any(m in sys.modules for m in ('multiprocessing', 'queue')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
