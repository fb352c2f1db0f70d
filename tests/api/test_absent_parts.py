"""Namespaces that ondol does not have: questions are answered, what cannot work says what to use."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ondol
from ondol import nn


@pytest.mark.parametrize("answer, expected", [
    (lambda: ondol.distributed.is_available(), False), (lambda: ondol.distributed.is_initialized(), False),
    (lambda: ondol.mps.is_available(), False), (lambda: ondol.xpu.is_available(), False),
    (lambda: ondol.cpu.is_available(), True), (lambda: ondol.accelerator.is_available(), False),
    (lambda: ondol.accelerator.current_accelerator(), None), (lambda: ondol.jit.is_scripting(), False),
    (lambda: ondol.jit.is_tracing(), False), (lambda: ondol.compiler.is_compiling(), False),
    (lambda: ondol.onnx.is_in_onnx_export(), False), (lambda: ondol.version.cuda, None),
    (lambda: ondol.cuda.max_memory_allocated(), 0), (lambda: ondol.cuda.get_rng_state_all(), []),
])  # fmt: skip
def test_question_has_its_answer(answer, expected):
    assert answer() == expected


@pytest.mark.parametrize("call", [
    lambda: ondol.cuda.manual_seed_all(0), lambda: ondol.cuda.set_rng_state_all([]), lambda: ondol.mps.manual_seed(0),
    lambda: ondol.xpu.empty_cache(), lambda: ondol.compiler.reset(), lambda: ondol.cpu.synchronize(),
    lambda: ondol.cuda.reset_peak_memory_stats(), lambda: ondol.compiler.set_stance("force_eager"),
])  # fmt: skip
def test_preparation_without_effect_is_accepted(call):
    call()


@pytest.mark.parametrize("call, use", [
    (lambda: ondol.jit.script(len), "itself"), (lambda: ondol.jit.trace(len, ()), "itself"),
    (lambda: ondol.jit.save(None, "x"), "state_dict"), (lambda: ondol.jit.load("x"), "load_state_dict"),
    (lambda: ondol.hub.load("a/b", "c"), "load_state_dict"), (lambda: ondol.onnx.export(None), "in PyTorch"),
    (lambda: ondol.hub.load_state_dict_from_url("https://example.org"), "ondol.load"),
    (lambda: ondol.utils.benchmark.Timer("1"), "timeit"),
    (lambda: ondol.distributed.init_process_group("gloo"), "one process"),
    (lambda: nn.parallel.DistributedDataParallel(nn.Linear(1, 1)), "module itself"),
    (lambda: ondol.jit.ScriptModule(), "nn.Module"), (lambda: ondol.profiler.profile(), "cProfile"),
    (lambda: ondol.multiprocessing.spawn(len, nprocs=2), "Process"),
])  # fmt: skip
def test_what_is_missing_names_what_to_use(call, use):
    with pytest.raises(NotImplementedError, match=use):
        call()


@pytest.mark.parametrize("call, error", [
    (lambda: ondol.distributed.get_rank(), ValueError), (lambda: ondol.mps.synchronize(), RuntimeError),
    (lambda: ondol.xpu.synchronize(), AssertionError), (lambda: ondol.cuda.get_device_capability(), AssertionError),
    (lambda: ondol.cuda.Stream(), RuntimeError), (lambda: ondol.accelerator.synchronize(), RuntimeError),
    (lambda: ondol.cuda.device(0).__enter__(), AssertionError),
])  # fmt: skip
def test_use_of_what_is_not_there_raises_as_in_pytorch(call, error):
    with pytest.raises(error):
        call()


def test_marks_for_the_script_compiler_leave_functions_as_they_are(monkeypatch):
    def function():
        return 1

    jit = ondol.jit
    for mark in (jit.ignore, jit.ignore(drop=True), jit.unused, jit.export, jit.script_if_tracing):
        assert mark(function) is function
    assert jit.annotate(int, 3) == 3
    monkeypatch.setenv("PYTORCH_JIT", "0")
    assert jit.script(function) is function and jit.trace(function, ()) is function


@pytest.mark.parametrize("value, kind, expected", [
    ([1], list[int], True), ([1, "a"], list[int], False), ({"a": [1]}, dict[str, list[int]], True),
    ((1, "a"), tuple[int, str], True), ((1, 2), tuple[int, str], False), (None, int | None, True),
    (1, (str, int), True),
])  # fmt: skip
def test_jit_isinstance_looks_at_elements(value, kind, expected):
    assert ondol.jit.isinstance(value, kind) is expected


def test_data_parallel_calls_its_module():
    model = nn.DataParallel(nn.Linear(2, 3), device_ids=[0, 1])
    x = ondol.rand(4, 2)
    assert model(x).equal(model.module(x)) and list(model.state_dict()) == ["module.weight", "module.bias"]
    assert model.device_ids == [] and isinstance(model, nn.parallel.DataParallel)


def test_compile_returns_what_it_is_given():
    model = nn.Linear(1, 1)
    assert ondol.compile(model, mode="max-autotune", fullgraph=True) is model
    assert ondol.compile(dynamic=True)(len) is len and ondol.compiler.disable()(len) is len
    with pytest.raises(AssertionError, match="int"):
        ondol.compile(3)
    with pytest.raises(TypeError, match="optimize"):
        ondol.compile(len, optimize=True)
    with pytest.raises(RuntimeError, match="both"):
        ondol.compile(len, mode="default", options={})


def test_deterministic_mode_is_remembered():
    try:
        ondol.set_deterministic_debug_mode("warn")
        assert ondol.get_deterministic_debug_mode() == 1 and ondol.is_deterministic_algorithms_warn_only_enabled()
        for wrong, error in ((3, RuntimeError), ("x", RuntimeError), (1.5, TypeError)):
            with pytest.raises(error, match="debug_mode"):
                ondol.set_deterministic_debug_mode(wrong)
        with pytest.raises(TypeError, match="bool"):
            ondol.use_deterministic_algorithms(1)
        assert ondol.get_deterministic_debug_mode() == 1
        ondol.use_deterministic_algorithms(True)
        assert ondol.get_deterministic_debug_mode() == 2
    finally:
        ondol.use_deterministic_algorithms(False)


def test_names_of_types_for_annotations():
    from ondol.nn import common_types
    from ondol.types import Device, Number, _size

    assert isinstance(1.5, Number) and isinstance("cpu", Device) and _size is not None
    assert common_types._size_2_t == int | tuple[int, int]


def test_directory_of_the_hub(monkeypatch):
    monkeypatch.setenv("TORCH_HOME", "somewhere")
    assert ondol.hub.get_dir().replace("\\", "/") == "somewhere/hub"


@pytest.mark.parametrize("path", [
    "cuda.amp", "cpu.amp", "nn.parallel", "nn.attention.bias", "utils.tensorboard", "backends.mps",
])  # fmt: skip
def test_module_is_found_without_an_import_of_its_own(path):
    modules = subprocess.run([sys.executable, "-c", f"import ondol; print(ondol.{path}.__name__)"], capture_output=True)
    assert modules.stdout.decode().strip() == f"ondol.{path}", modules.stderr.decode()


def test_tensors_go_through_queues_by_value():
    multiprocessing = ondol.multiprocessing
    multiprocessing.set_sharing_strategy("file_system")
    assert multiprocessing.get_sharing_strategy() == "file_system"
    with pytest.raises(AssertionError, match="sharing strategy"):
        multiprocessing.set_sharing_strategy("telepathy")
    queue = multiprocessing.get_context("spawn").Queue()
    queue.put(ondol.arange(3))
    assert queue.get(timeout=60).tolist() == [0, 1, 2]
    multiprocessing.set_sharing_strategy("file_descriptor")


def test_region_named_for_a_profiler_runs():
    @ondol.profiler.record_function("forward")
    def function():
        return 1

    assert function() == 1
