"""Instance normalization."""

from __future__ import annotations

import warnings

import ondol

from .. import functional as F
from .batchnorm import _LazyNormBase, _NormBase

__all__ = [
    "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "LazyInstanceNorm1d", "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]  # fmt: skip


class _InstanceNorm(_NormBase):
    """Each channel of each sample by its own mean and variance (Ulyanov et al. 2016).

    Without weight, bias and running values unless `affine` and `track_running_stats` ask for them.
    """

    _no_batch_dim: int
    """Dimensions of an input without batch."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: object = None,
        dtype: object = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _get_no_batch_dim(self) -> int:
        return self._no_batch_dim

    def _check_input_dim(self, input: ondol.Tensor) -> None:
        dims = self._no_batch_dim
        if input.dim() not in (dims, dims + 1):
            raise ValueError(f"expected {dims}D or {dims + 1}D input (got {input.dim()}D input)")

    def forward(self, input: ondol.Tensor) -> ondol.Tensor:
        self._check_input_dim(input)
        channels = input.size(input.dim() - self._no_batch_dim)
        if channels != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim=1 to match num_features ({self.num_features}), but got: {channels}."
                )
            warnings.warn(
                f"input's size at dim=1 does not match num_features. You can silence this warning by not passing in "
                f"num_features, which is not used because affine={self.affine}"
            )
        if input.dim() == self._no_batch_dim:
            return self._normalize(input.unsqueeze(0)).squeeze(0)
        return self._normalize(input)

    def _normalize(self, input: ondol.Tensor) -> ondol.Tensor:
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )

    def _load_from_state_dict(
        self,
        state_dict: dict,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list,
        unexpected_keys: list,
        error_msgs: list,
    ) -> None:
        if local_metadata.get("version") is None and not self.track_running_stats:
            found = [key for key in (prefix + "running_mean", prefix + "running_var") if key in state_dict]
            if found:
                error_msgs.append(
                    f"Unexpected running stats buffer(s) {' and '.join(map(repr, found))} for {self._get_name()} with "
                    "track_running_stats=False. They were saved by PyTorch before 0.4, which tracked them by default; "
                    "remove them from the state_dict, or create the layer with track_running_stats=True."
                )
                for key in found:
                    state_dict.pop(key)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )

    _load_from_state_dict._plans_only = True  # type: ignore[attr-defined]


class InstanceNorm1d(_InstanceNorm):
    """Normalize each channel of each sample of (N, C, L) or (C, L) (Ulyanov et al. 2016).

    >>> ondol.nn.InstanceNorm1d(3)(ondol.randn(2, 3, 5)).shape
    torch.Size([2, 3, 5])
    """

    _no_batch_dim = 2


class InstanceNorm2d(_InstanceNorm):
    """Normalize each channel of each sample of (N, C, H, W) or (C, H, W) (Ulyanov et al. 2016).

    >>> ondol.nn.InstanceNorm2d(3)(ondol.randn(2, 3, 5, 5)).shape
    torch.Size([2, 3, 5, 5])
    """

    _no_batch_dim = 3


class InstanceNorm3d(_InstanceNorm):
    """Normalize each channel of each sample of (N, C, D, H, W) or (C, D, H, W) (Ulyanov et al. 2016).

    >>> ondol.nn.InstanceNorm3d(3)(ondol.randn(2, 3, 4, 4, 4)).shape
    torch.Size([2, 3, 4, 4, 4])
    """

    _no_batch_dim = 4


class LazyInstanceNorm1d(_LazyNormBase, _InstanceNorm):
    """An `InstanceNorm1d` that takes `num_features` from its first input."""

    cls_to_become = InstanceNorm1d
    _no_batch_dim = 2


class LazyInstanceNorm2d(_LazyNormBase, _InstanceNorm):
    """An `InstanceNorm2d` that takes `num_features` from its first input."""

    cls_to_become = InstanceNorm2d
    _no_batch_dim = 3


class LazyInstanceNorm3d(_LazyNormBase, _InstanceNorm):
    """An `InstanceNorm3d` that takes `num_features` from its first input."""

    cls_to_become = InstanceNorm3d
    _no_batch_dim = 4
