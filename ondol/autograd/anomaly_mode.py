"""A search mode for backward passes that fail or bring forth NaN: each node remembers where it was recorded."""

from __future__ import annotations

import warnings
from typing import Any

from ondol import _native


class detect_anomaly:
    """Context manager that makes backward errors name the forward call behind them.

    With `check_nan` a gradient with NaN in it is an error too. Each operation records its stack: for debugging only.

    >>> with ondol.autograd.detect_anomaly():  # doctest: +SKIP
    ...     loss(model(x), y).backward()
    """

    def __init__(self, check_nan: bool = True):
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging.",
            stacklevel=2,
        )
        self._check_nan = check_nan

    def __enter__(self) -> None:
        self._before = _state()
        _native.autograd.set_anomaly_enabled(True, self._check_nan)

    def __exit__(self, *exception: Any) -> None:
        _native.autograd.set_anomaly_enabled(*self._before)


class set_detect_anomaly:
    """Turn the search mode on or off, for good as a function or for the time of a block as a context manager."""

    def __init__(self, mode: bool, check_nan: bool = True):
        self._before = _state()
        _native.autograd.set_anomaly_enabled(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: Any) -> None:
        _native.autograd.set_anomaly_enabled(*self._before)


def _state() -> tuple[bool, bool]:
    return _native.autograd.is_anomaly_enabled(), _native.autograd.is_anomaly_check_nan_enabled()
