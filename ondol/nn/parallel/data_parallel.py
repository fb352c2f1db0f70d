"""One batch over several GPUs; on a CPU, the module itself."""

from __future__ import annotations

from typing import Any

from ondol.nn.modules.module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """Calls `module`, as PyTorch does where there is no GPU; the names in its state dict begin with "module.".

    Args:
        module: what is called.
        device_ids, output_device, dim: accepted: there is no device to divide the batch among.

    >>> model = DataParallel(ondol.nn.Linear(2, 3))
    >>> model(ondol.ones(1, 2)).shape, list(model.state_dict())
    (torch.Size([1, 3]), ['module.weight', 'module.bias'])
    """

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[int] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)
