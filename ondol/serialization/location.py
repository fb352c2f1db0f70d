"""Where the storages of a file go: `map_location`, and the tag that each storage bears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ondol

# Tags of devices that PyTorch has and this library does not.
_OTHER_DEVICES = ("cuda", "xpu", "mps", "hpu", "xla", "privateuseone", "hip", "mtia")


def location_map(map_location: Any) -> Callable[[Any, str], Any]:
    """From what the user gave as `map_location`, a function from (storage, tag) to the storage in its place."""
    if map_location is None:
        return _restore
    if isinstance(map_location, dict):
        return lambda storage, location: _restore(storage, map_location.get(location, location))
    if isinstance(map_location, (str, ondol.device)):
        target = str(map_location)
        _restore(None, target, asked=True)  # an impossible target is refused before anything is read
        return lambda storage, location: storage
    if callable(map_location):
        return lambda storage, location: _mapped_by_user(map_location, storage, location)
    raise TypeError(f"map_location must be a device, a string, a dict or a callable, not {type(map_location).__name__}")


def _mapped_by_user(function: Callable, storage: Any, location: str) -> Any:
    result = function(storage, location)
    if result is None:
        return _restore(storage, location)
    if not isinstance(result, ondol.UntypedStorage) or result.nbytes() != storage.nbytes():
        raise TypeError(f"map_location must return a storage of {storage.nbytes()} bytes or None, got {result!r:.200}")
    return result


def _restore(storage: Any, location: Any, asked: bool = False) -> Any:
    kind = str(location).partition(":")[0]
    if kind == "cpu":
        return storage
    if kind in _OTHER_DEVICES:
        name = "CUDA" if kind == "cuda" else kind
        advice = (
            "ondol computes on the CPU only; use map_location='cpu'"
            if asked
            else f"If you are running on a CPU-only machine, please use ondol.load with "
            f"map_location=ondol.device('cpu') to map your storages to the CPU. (The file says {str(location)!r:.100}.)"
        )
        available = f" but {kind}.is_available() is False" if kind == "cuda" else ", which is not available"
        raise RuntimeError(f"Attempting to deserialize object on a {name} device{available}. {advice}")
    raise RuntimeError(
        f"don't know how to restore data location of an UntypedStorage (tagged with {str(location)!r:.100})"
    )
