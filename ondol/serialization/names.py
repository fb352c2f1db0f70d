"""What a class or function of ondol is called in a file that PyTorch reads, and the other way round.

Pickles name globals by module and name. Files written here use PyTorch's names, so that both libraries read them:
an explicit table for what lives elsewhere in PyTorch, and otherwise `ondol.` <-> `torch.` by prefix.
"""

from __future__ import annotations

import re

# The packages whose classes are trusted to be built from a file without being named by the user.
OWN_PACKAGES = ("ondol",)

_REBUILD = "ondol.serialization.rebuild"

# (module, name) in ondol -> (module, name) in PyTorch, where the prefix rule does not hold.
_EXPLICIT = {
    (_REBUILD, "_rebuild_tensor"): ("torch._utils", "_rebuild_tensor"),
    (_REBUILD, "_rebuild_tensor_v2"): ("torch._utils", "_rebuild_tensor_v2"),
    (_REBUILD, "_rebuild_tensor_v3"): ("torch._utils", "_rebuild_tensor_v3"),
    (_REBUILD, "_rebuild_parameter"): ("torch._utils", "_rebuild_parameter"),
    (_REBUILD, "_rebuild_parameter_with_state"): ("torch._utils", "_rebuild_parameter_with_state"),
    (_REBUILD, "_rebuild_from_type_v2"): ("torch._tensor", "_rebuild_from_type_v2"),
    (_REBUILD, "_get_layout"): ("torch.serialization", "_get_layout"),
    ("ondol", "Generator"): ("torch._C", "Generator"),
    ("ondol", "UntypedStorage"): ("torch.storage", "UntypedStorage"),
}
_EXPLICIT_BACK = {theirs: ours for ours, theirs in _EXPLICIT.items()}
_EXPLICIT_BACK["torch.nn", "Parameter"] = ("ondol.nn.parameter", "Parameter")
_EXPLICIT_BACK["torch", "UntypedStorage"] = ("ondol", "UntypedStorage")

# Modules of PyTorch whose functions stand under another roof here.
_MODULES_BACK = {"torch._C._nn": "ondol.nn.functional", "torch._C": "ondol", "torch._tensor": "ondol"}

_DOTTED_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)

# Storage classes of PyTorch by the dtype of their elements, in files that carry the dtype in the storage.
STORAGE_OF_DTYPE = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "complex64": "ComplexFloatStorage",
    "complex128": "ComplexDoubleStorage",
}
DTYPE_OF_STORAGE = {storage: dtype for dtype, storage in STORAGE_OF_DTYPE.items()}


def is_own(module: str | None) -> bool:
    """Whether a module of this name is part of ondol itself; the demo is a user's program that ships with it."""
    return bool(module) and module.partition(".")[0] in OWN_PACKAGES and not module.startswith("ondol.demo.")


def to_torch(module: str, name: str) -> tuple[str, str]:
    """PyTorch's name for what ondol calls `module.name`; names of other packages stay."""
    if (module, name) in _EXPLICIT:
        return _EXPLICIT[module, name]
    root, dot, rest = module.partition(".")
    if root != "ondol" or rest.startswith("demo."):
        return module, name
    if rest.startswith("nn.functional."):  # one module in PyTorch, a package here
        return "torch.nn.functional", name
    if rest.startswith("_native"):  # a native class or function is known by its public name
        return _EXPLICIT.get(("ondol", name), ("torch", name))
    return f"torch{dot}{rest}", name


def from_torch(module: str, name: str) -> tuple[str, str]:
    """ondol's name for what PyTorch calls `module.name`; names of other packages stay."""
    if (module, name) in _EXPLICIT_BACK:
        return _EXPLICIT_BACK[module, name]
    if module in _MODULES_BACK:
        return _MODULES_BACK[module], name
    root, dot, rest = module.partition(".")
    return (f"ondol{dot}{rest}", name) if root == "torch" else (module, name)


def is_dotted_name(text: str) -> bool:
    return _DOTTED_NAME.fullmatch(text) is not None
