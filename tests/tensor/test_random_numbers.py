"""The normal numbers of a seed are PyTorch's, bit for bit: digests of what PyTorch 2.13 draws."""

import hashlib

import pytest

import ondol

DIGESTS = {
    "float32": "a25207107225c7f610397660248fee8c2aac455439e6b113fdf5cfea11eff662",
    "float16": "7a81083652102825ec6d29d84f3fd907c2a7c4a739415c5f39c0319fc821aa96",
}


def digest(x):
    return hashlib.sha256(x.numpy().tobytes()).hexdigest()


@pytest.mark.parametrize("dtype", DIGESTS)
def test_standard_normal_numbers(dtype):
    ondol.manual_seed(0)
    assert digest(ondol.randn(4096, dtype=getattr(ondol, dtype))) == DIGESTS[dtype]


def test_normal_numbers_with_a_mean_and_a_deviation():
    ondol.manual_seed(0)
    x = ondol.empty(4096).normal_(0.7, 1.3)
    assert digest(x) == "c74892b43eff88ab32b162cb2d4d71250c2a13be240ad90eaeee98f98b25b281"


def test_the_first_normal_numbers_of_seed_0():
    ondol.manual_seed(0)
    first = ondol.randn(4096).view(ondol.int32)[:4]
    assert first.tolist() == [-1081074811, -1080852342, -1098888234, -1092737699]
