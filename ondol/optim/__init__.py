"""Optimizers, learning-rate schedulers and weight averaging, with PyTorch's names and checkpoints."""

from ondol.optim import lr_scheduler, swa_utils
from ondol.optim._adafactor import Adafactor
from ondol.optim._muon import Muon
from ondol.optim._stateless import swap_in_optimizer_params_and_state
from ondol.optim.adadelta import Adadelta
from ondol.optim.adagrad import Adagrad
from ondol.optim.adam import Adam
from ondol.optim.adamax import Adamax
from ondol.optim.adamw import AdamW
from ondol.optim.asgd import ASGD
from ondol.optim.lbfgs import LBFGS
from ondol.optim.nadam import NAdam
from ondol.optim.optimizer import Optimizer
from ondol.optim.radam import RAdam
from ondol.optim.rmsprop import RMSprop
from ondol.optim.rprop import Rprop
from ondol.optim.sgd import SGD
from ondol.optim.sparse_adam import SparseAdam

# PyTorch names these by the package, and pickles of them say so.
Adafactor.__module__ = Muon.__module__ = swap_in_optimizer_params_and_state.__module__ = __name__

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "lr_scheduler",
    "swa_utils",
    "swap_in_optimizer_params_and_state",
]
