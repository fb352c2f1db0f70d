"""Learning rates that change while training. A scheduler's `step` comes after the optimizer's, usually per epoch."""

from ondol.optim.lr_scheduler._base import LRScheduler
from ondol.optim.lr_scheduler._composed import ChainedScheduler, SequentialLR
from ondol.optim.lr_scheduler._cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from ondol.optim.lr_scheduler._cyclic import CyclicLR
from ondol.optim.lr_scheduler._decay import (
    ConstantLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from ondol.optim.lr_scheduler._function import LambdaLR, MultiplicativeLR
from ondol.optim.lr_scheduler._one_cycle import OneCycleLR
from ondol.optim.lr_scheduler._plateau import ReduceLROnPlateau

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

# Pickles name PyTorch's module, which is a single one.
for _name in __all__:
    globals()[_name].__module__ = __name__

_LRScheduler = LRScheduler  # its old name, which training scripts still subclass
