"""Which exceptions a call may raise: those that PyTorch raises for the same kinds of mistakes."""

from __future__ import annotations

import re
from typing import Any

import ondol

USUAL = (TypeError, ValueError, RuntimeError, IndexError)  # NotImplementedError is a RuntimeError
UNFORESEEN = re.compile(r"bad_|bad optional|std::|basic_string|vector::|_M_|^$")  # the C++ library's own texts


# Written in Python in PyTorch as here: what is no tensor fails by the first attribute it lacks.
DUCK_TYPED = ("nn.functional.", "nn.init.", "channel_shuffle", "pixel_", "grid_sampler", "pairwise_distance")
DUCK_TYPED += ("cosine_similarity", "alpha_dropout", "feature_alpha_dropout", "Tensor.apply_", "Tensor.backward")


def is_foreseen(error: Exception, name: str, arguments: list[Any]) -> bool:
    if UNFORESEEN.search(str(error)):
        return False
    if isinstance(error, USUAL):
        return True
    if isinstance(error, AssertionError):  # the device cuda, and what PyTorch checks by `assert`
        return "CUDA" in str(error) or name == "nn.functional.multi_head_attention_forward"
    if isinstance(error, OverflowError):  # of a number, where a size or a dim is a ValueError or a TypeError
        return any(isinstance(one, int) and not -(2**63) <= one < 2**63 for one in flat(arguments))
    if isinstance(error, AttributeError) and name.startswith(DUCK_TYPED):
        wrong = name.startswith("nn.init.") or not isinstance(error.obj, ondol.Tensor)
        return wrong and any(error.obj is one for one in flat(arguments))
    return False


def flat(arguments: list[Any]) -> list[Any]:
    found = []
    for one in arguments:
        found.append(one)
        if isinstance(one, (list, tuple)):
            found += flat(list(one))
    return found
