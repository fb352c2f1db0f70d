"""Switches of libraries that ondol does not use: kept, checked, and without effect."""

from __future__ import annotations

import pytest

import ondol
from ondol import backends


def test_names_that_scripts_set_at_their_start():
    assert backends.cudnn.benchmark is False
    with backends.cudnn.flags(enabled=True):
        backends.cudnn.benchmark = True
        backends.cudnn.deterministic = True
        backends.cuda.matmul.allow_tf32 = True
        assert backends.cudnn.benchmark and backends.cuda.matmul.allow_tf32
    backends.cuda.matmul.allow_tf32 = False
    assert not backends.cudnn.benchmark and not backends.cudnn.deterministic


@pytest.mark.parametrize("module", ["cudnn", "mkl", "mkldnn", "mps", "openmp", "opt_einsum"])
def test_no_foreign_library_is_there(module):
    assert getattr(backends, module).is_available() is False


def test_processor_says_what_the_kernels_use():
    assert backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2", "AVX512")


@pytest.mark.parametrize("target, name", [
    (backends.cudnn, "benchmark"), (backends.cudnn, "enabled"), (backends.mkldnn, "enabled"),
    (backends.opt_einsum, "enabled"), (backends.cuda.matmul, "allow_tf32"),
])  # fmt: skip
def test_switch_takes_a_truth_value_only(target, name):
    before = getattr(target, name)
    with pytest.raises(RuntimeError, match=f"{name} expects a bool, but got int"):
        setattr(target, name, 1)
    assert getattr(target, name) is before


def test_unknown_precision_and_unknown_switch():
    with pytest.raises(RuntimeError, match="Unknown precision: half"):
        backends.cudnn.fp32_precision = "half"
    with pytest.raises(AttributeError, match="no switch 'tf32'"):
        backends.cuda.matmul.tf32 = True


def test_flags_change_all_or_nothing():
    with pytest.raises(RuntimeError, match="expects a bool"), backends.mkldnn.flags(enabled=False, deterministic=1):
        pass
    assert backends.mkldnn.enabled
    with backends.mkldnn.flags():
        assert not backends.mkldnn.enabled
    assert backends.mkldnn.enabled


def test_switches_of_attention():
    cuda = backends.cuda
    with pytest.warns(FutureWarning, match="sdpa_kernel"), cuda.sdp_kernel(enable_flash=False):
        assert not cuda.flash_sdp_enabled() and cuda.math_sdp_enabled()
    assert cuda.flash_sdp_enabled()
    cuda.enable_mem_efficient_sdp(False)
    assert not cuda.mem_efficient_sdp_enabled()
    cuda.enable_mem_efficient_sdp(True)
    with pytest.raises(RuntimeError, match="expects a bool"):
        cuda.enable_math_sdp(1)


def test_opt_einsum_cannot_be_turned_on():
    with pytest.raises(ValueError, match="not available"), backends.opt_einsum.flags(strategy="optimal"):
        pass
    with backends.opt_einsum.flags(enabled=False):
        assert ondol.einsum("i,i->", ondol.ones(2), ondol.ones(2)) == 2
