"""Functions as arguments of functions: derivatives, batches, modules without state.

Transforms nest in any order: `vmap(grad(f))` gives the gradient of each example, `grad(vmap(f) ...)` the gradient of a
batch, `jacfwd(jacrev(f))` second derivatives. How it works is in `ondol/func/_tape.py` and `ondol/_vmap`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from ondol._native import Tensor
from ondol._vmap.api import vmap
from ondol._vmap.batched import BatchedTensor
from ondol.func._forward import hessian, jacfwd, jvp, linearize
from ondol.func._module import functional_call, replace_all_batch_norm_modules_, stack_module_state
from ondol.func._reverse import grad, grad_and_value, jacrev, vjp

__all__ = [
    "debug_unwrap", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp",
    "linearize", "replace_all_batch_norm_modules_", "stack_module_state", "vjp", "vmap",
]  # fmt: skip


def debug_unwrap(tensor: Tensor, *, recurse: bool = True) -> Tensor:
    """What a tensor inside of vmap holds, for a debugger: all examples, the batch in front.

    With `recurse` through all vmaps, else through the innermost. Do not compute with the result.
    """
    while isinstance(tensor, BatchedTensor):
        tensor = tensor._value
        if not recurse:
            break
    return tensor


def functionalize(func: Callable, *, remove: str = "mutations") -> NoReturn:
    """Raises NotImplementedError: it serves compilers, and ondol has none."""
    raise NotImplementedError(
        "functionalize() is not supported: it rewrites in-place operations for a compiler, and ondol runs everything "
        "eagerly. Call the function itself; grad, vjp, jvp and vmap take in-place operations as they are"
    )
