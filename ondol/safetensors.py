"""Tensors in the safetensors format, through the `safetensors` package (`pip install ondol[safetensors]`).

The names and arguments are those of `safetensors.torch`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

import ondol

# The format's codes of dtypes.
_CODES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3": "float8_e4m3fn",
}
_DTYPES = frozenset(_CODES.values())


def save_file(tensors: dict[str, Any], filename: str | os.PathLike, metadata: dict[str, str] | None = None) -> None:
    """Save tensors by name. They must not share memory and must be contiguous.

    Raises RuntimeError and ValueError as `safetensors.torch` does, TypeError for dtypes that the format lacks.
    """
    described, memory = _described(tensors)
    _package().serialize_file(described, filename, metadata=metadata)
    del memory


def save(tensors: dict[str, Any], metadata: dict[str, str] | None = None) -> bytes:
    """The bytes of the file that `save_file` would write."""
    described, memory = _described(tensors)
    content = bytes(_package().serialize(described, metadata=metadata))
    del memory
    return content


def load_file(filename: str | os.PathLike, device: Any = "cpu") -> dict[str, Any]:
    """The tensors of a file by name. Raises safetensors.SafetensorError for a damaged file."""
    _check_device(device)
    with open(filename, "rb") as file:
        return load(file.read())


def load(data: bytes) -> dict[str, Any]:
    """The tensors in the bytes of a file by name."""
    return {name: _tensor(view["dtype"], view["shape"], view["data"]) for name, view in _package().deserialize(data)}


class safe_open:
    """Context manager that opens a file without reading its tensors: `keys()`, `get_tensor(name)`, `metadata()`.

    `framework` is accepted for the signature's sake; tensors are always ondol's.
    """

    def __init__(self, filename: str | os.PathLike, framework: str = "ondol", device: Any = "cpu"):
        _check_device(device)
        self._file = _package().safe_open(filename, framework="numpy")  # checks the header
        self._filename = filename
        self._header, self._data_start = _read_header(filename)

    def __enter__(self) -> safe_open:
        self._file.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._file.__exit__(*exception)

    def keys(self) -> list[str]:
        """The names of the tensors."""
        return list(self._file.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def metadata(self) -> dict[str, str] | None:
        """The texts that were saved with the tensors."""
        return self._file.metadata()

    def get_tensor(self, name: str) -> Any:
        """One tensor. Raises safetensors.SafetensorError for a name that is not in the file."""
        self._file.get_slice(name)
        entry = self._header[name]
        begin, end = entry["data_offsets"]
        with open(self._filename, "rb") as file:  # not through the package, whose NumPy form has no bfloat16
            file.seek(self._data_start + begin)
            return _tensor(entry["dtype"], entry["shape"], file.read(end - begin))


def _package() -> Any:
    try:
        import safetensors
    except ImportError as error:
        raise ImportError("the safetensors format needs the package safetensors: pip install safetensors") from error
    return safetensors


def _check_device(device: Any) -> None:
    if str(device) != "cpu":
        raise RuntimeError(f"tensors cannot be loaded to device {device}: ondol computes on the CPU only")


def _read_header(filename: str | os.PathLike) -> tuple[dict[str, Any], int]:
    """Where the tensors lie: the JSON at the head of the file, behind its length; and where the data begin."""
    import json

    with open(filename, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return json.loads(file.read(length)), 8 + length


def _described(tensors: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Each tensor as the package's serializer takes it, and the memory that must live until it has been written."""
    if not isinstance(tensors, dict):
        raise ValueError(f"Expected a dict of [str, ondol.Tensor] but received {type(tensors)}")
    owners: dict[int, str] = {}
    described: dict[str, Any] = {}
    memory: list[Any] = []
    for name, tensor in tensors.items():
        if not isinstance(tensor, ondol.Tensor):
            raise ValueError(f"Key `{name}` is invalid, expected ondol.Tensor but received {type(tensor)}")
        _check_savable(name, tensor, owners)
        plain = tensor.detach().resolve_conj().resolve_neg()
        described[name] = _spec(plain)
        memory.append(plain)
    return described, memory


def _spec(tensor: Any) -> Any:
    dtype, shape = str(tensor.dtype).rpartition(".")[2], list(tensor.shape)
    make_spec = getattr(_package(), "TensorSpec", None)
    if make_spec is None:  # before safetensors 0.8
        bits = tensor.reshape(-1).view(ondol.uint8)  # NumPy lacks some of the dtypes
        return {"dtype": dtype, "shape": shape, "data": bits.numpy().tobytes()}
    length = tensor.numel() * tensor.dtype.itemsize
    return make_spec(dtype=dtype, shape=shape, data_ptr=tensor.data_ptr(), data_len=length)


def _check_savable(name: str, tensor: Any, owners: dict[int, str]) -> None:
    if str(tensor.dtype).rpartition(".")[2] not in _DTYPES:
        raise TypeError(f"the safetensors format has no dtype {tensor.dtype} (tensor `{name}`)")
    if not tensor.is_contiguous():
        raise ValueError(
            f"You are trying to save a non contiguous tensor: `{name}` which is not allowed. It either means you are "
            "trying to save tensors which are reference of each other in which case it's recommended to save only the "
            "full tensors, and reslice at load time, or simply call `.contiguous()` on your tensor to pack it before "
            "saving."
        )
    if tensor.numel():
        owner = owners.setdefault(tensor.untyped_storage().data_ptr(), name)
        if owner != name:
            raise RuntimeError(
                f"Some tensors share memory, this will lead to duplicate memory on disk and potential differences when "
                f"loading them again: {{{owner!r}, {name!r}}}. Save one of them, or clone() one."
            )


def _tensor(code: str, shape: list[int], content: bytes) -> Any:
    if code not in _CODES:
        raise TypeError(f"the file holds a tensor of dtype {code}, which ondol does not have")
    dtype = getattr(ondol, _CODES[code])
    if not len(content):
        return ondol.empty(shape, dtype=dtype)
    carrier = "int16" if code == "BF16" else _CODES[code]
    own = content if isinstance(content, bytearray) else bytearray(content)  # writable, and nobody else's
    array = np.frombuffer(own, np.dtype(carrier)).reshape(shape)
    tensor = ondol.from_numpy(array)
    return tensor.view(dtype) if code == "BF16" else tensor
