"""Which exceptions a call may raise: those that PyTorch raises for the same kinds of mistakes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

import ondol

USUAL = (TypeError, ValueError, RuntimeError, IndexError)  # NotImplementedError is a RuntimeError
# The C++ library's own texts; PyTorch's uniform_ names numeric_limits, and so does ours.
UNFORESEEN = re.compile(r"bad_|bad optional|std::(?!numeric_limits)|basic_string|vector::|_M_|^$")


# Of single functions, as PyTorch 2.13's raise them: `assert`, divisions by an argument, powers of one.
ALSO = {
    "int": OverflowError,  # of an infinite number
    "Tensor.__int__": OverflowError,
    "nn.functional.multi_head_attention_forward": AssertionError,
    "nn.functional.embedding": AssertionError,
    "nn.functional.lp_pool1d": ZeroDivisionError,
    "nn.functional.lp_pool2d": ZeroDivisionError,
    "nn.functional.lp_pool3d": ZeroDivisionError,
    "nn.init.dirac": ZeroDivisionError,
    "nn.init.dirac_": ZeroDivisionError,
    "nn.init.trunc_normal_": (ZeroDivisionError, OverflowError),
    "nn.init.calculate_gain": OverflowError,
    "nn.init.kaiming_normal": OverflowError,
    "nn.init.kaiming_normal_": OverflowError,
    "nn.init.kaiming_uniform": OverflowError,
    "nn.init.kaiming_uniform_": OverflowError,
    "nn.init.xavier_normal": ZeroDivisionError,
    "nn.init.xavier_normal_": ZeroDivisionError,
    "nn.init.xavier_uniform": ZeroDivisionError,
    "nn.init.xavier_uniform_": ZeroDivisionError,
    "nn.init.sparse": OverflowError,
    "nn.init.sparse_": OverflowError,
}
# Written in Python in PyTorch as here: what is no tensor fails by the first attribute it lacks.
DUCK_TYPED = ("nn.functional.", "nn.init.", "Tensor.apply_", "Tensor.backward")


def is_foreseen(error: Exception, name: str, arguments: list[Any]) -> bool:
    if UNFORESEEN.search(str(error)) or isinstance(error, np.linalg.LinAlgError):  # ondol has its own
        return False
    if isinstance(error, USUAL):
        return True
    if isinstance(error, AssertionError) and "CUDA" in str(error):  # the device cuda
        return True
    if isinstance(error, ALSO.get(name, ())):
        return True
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
