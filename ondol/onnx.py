"""Export to ONNX: not supported."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["export", "is_in_onnx_export"]


def is_in_onnx_export() -> bool:
    """False."""
    return False


def export(model: Any, *args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError."""
    raise NotImplementedError(
        "onnx.export is not supported: ondol records no graph. Save model.state_dict() with ondol.save, load it into "
        "the same model in PyTorch, and export it there"
    )
