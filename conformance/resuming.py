"""Training that is stopped in one library and goes on in the other.

`python resuming.py [--only REGEX]`, in this folder, needs PyTorch and ondol.

Five epochs are trained in PyTorch; model, optimizer, scheduler and the state of the random numbers are written with
`torch.save`; ondol reads the file and trains five more. Then the other way round. The loss of every batch after the
change must be that of PyTorch training all ten epochs, to a relative 1e-5. Weights, batches and dropout masks are drawn
by each library from the same seed. All is in float32, but for LBFGS: it divides differences of gradients, so
that noise and rounding grow a millionfold within these ten epochs; it learns one batch in float64 without dropout.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import torch

import ondol

EPOCHS = 5  # in each of the two libraries
BATCHES, BATCH = 4, 16
CLASSES = 5
TOLERANCE = 1e-5
SEED = 2013


class Problem(NamedTuple):
    """A model and the batches it learns from."""

    build: Callable[[ModuleType, float], Any]  # of the library and the rate of dropout
    inputs: Callable[[ModuleType], Any]


class Training(NamedTuple):
    model: Any
    optimizer: Any
    scheduler: Any


def cnn(lib: ModuleType, dropout: float) -> Any:
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout2d(dropout),
        nn.Flatten(),
        nn.Linear(8 * 16, 16),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(16, CLASSES),
    )


def lstm(lib: ModuleType, dropout: float) -> Any:
    nn = lib.nn

    class Reader(nn.Module):
        """Two layers with dropout in between, and a linear layer on the last step."""

        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(30, 8)
            self.lstm = nn.LSTM(8, 12, num_layers=2, batch_first=True, dropout=dropout, bidirectional=True)
            self.head = nn.Linear(24, CLASSES)

        def forward(self, tokens: Any) -> Any:
            return self.head(self.lstm(self.embedding(tokens))[0][:, -1])

    return Reader()


def transformer(lib: ModuleType, dropout: float) -> Any:
    nn = lib.nn

    class Encoder(nn.Module):
        """Two encoder layers with dropout over embedded tokens, and a linear layer on their mean."""

        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(30, 16)
            self.position = nn.Parameter(lib.zeros(1, 9, 16))
            layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=dropout, batch_first=True, norm_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Linear(16, CLASSES)

        def forward(self, tokens: Any) -> Any:
            return self.head(self.encoder(self.embedding(tokens) + self.position).mean(1))

    return Encoder()


PROBLEMS = {
    "CNN": Problem(cnn, lambda lib: lib.randn(BATCH, 1, 8, 8)),
    "LSTM": Problem(lstm, lambda lib: lib.randint(30, (BATCH, 9))),
    "Transformer": Problem(transformer, lambda lib: lib.randint(30, (BATCH, 9))),
}

OPTIMIZERS: dict[str, Callable[[ModuleType, Any], Any]] = {
    "SGD": lambda lib, p: lib.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "Adam": lambda lib, p: lib.optim.Adam(p, lr=3e-3, amsgrad=True),
    "AdamW": lambda lib, p: lib.optim.AdamW(p, lr=3e-3, weight_decay=0.05),
    "Adamax": lambda lib, p: lib.optim.Adamax(p, lr=3e-3),
    "NAdam": lambda lib, p: lib.optim.NAdam(p, lr=3e-3),
    "RAdam": lambda lib, p: lib.optim.RAdam(p, lr=3e-3),
    "RMSprop": lambda lib, p: lib.optim.RMSprop(p, lr=1e-3, momentum=0.9, centered=True),
    "Adagrad": lambda lib, p: lib.optim.Adagrad(p, lr=0.02, lr_decay=0.01),
    "Adadelta": lambda lib, p: lib.optim.Adadelta(p, lr=0.5),
    "Adafactor": lambda lib, p: lib.optim.Adafactor(p, lr=0.01),
    "ASGD": lambda lib, p: lib.optim.ASGD(p, lr=0.05, t0=10),
    "Rprop": lambda lib, p: lib.optim.Rprop(p, lr=1e-3),
    "LBFGS": lambda lib, p: lib.optim.LBFGS(p, lr=0.1, max_iter=4, history_size=5),
}

STEPS = 2 * EPOCHS * BATCHES
SCHEDULERS: dict[str, Callable[[Any, Any], Any]] = {
    "StepLR": lambda s, o: s.StepLR(o, step_size=3, gamma=0.5),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [2, 6, 8], gamma=0.3),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, gamma=0.8),
    "LinearLR": lambda s, o: s.LinearLR(o, start_factor=0.2, total_iters=7),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, total_iters=12, power=2.0),
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, T_max=10),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2),
    "CyclicLR": lambda s, o: s.CyclicLR(o, base_lr=1e-3, max_lr=0.05, step_size_up=7),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, max_lr=0.05, total_steps=STEPS),
    "ReduceLROnPlateau": lambda s, o: s.ReduceLROnPlateau(o, patience=0, threshold=0.05),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, total_iters=3), s.CosineAnnealingLR(o, T_max=8)], milestones=[3]
    ),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.5, 4), s.ExponentialLR(o, 0.9)], o),
}
PER_BATCH = {"CyclicLR", "OneCycleLR"}


class Case(NamedTuple):
    problem: str
    optimizer: str
    scheduler: str

    @property
    def smooth(self) -> bool:
        return self.optimizer == "LBFGS"

    def batches(self, lib: ModuleType) -> list[tuple[Any, Any]]:
        lib.set_default_dtype(lib.float64 if self.smooth else lib.float32)
        lib.manual_seed(SEED)
        count = 1 if self.smooth else BATCHES
        return [(PROBLEMS[self.problem].inputs(lib), lib.randint(CLASSES, (BATCH,))) for _ in range(count)]

    def begin(self, lib: ModuleType) -> Training:
        """A new model; what is drawn after it, dropout, is drawn from the same stream."""
        lib.manual_seed(SEED + 1)
        model = PROBLEMS[self.problem].build(lib, 0.0 if self.smooth else 0.2)
        optimizer = OPTIMIZERS[self.optimizer](lib, model.parameters())
        return Training(model, optimizer, SCHEDULERS[self.scheduler](lib.optim.lr_scheduler, optimizer))


def cases() -> Iterator[Case]:
    """Every optimizer with every model, then every scheduler with one of each."""
    for problem in PROBLEMS:
        for optimizer in OPTIMIZERS:
            yield Case(problem, optimizer, "CosineAnnealingLR")
    for number, scheduler in enumerate(SCHEDULERS):
        yield Case(list(PROBLEMS)[number % len(PROBLEMS)], "SGD", scheduler)


def train(lib: ModuleType, training: Training, data: list[tuple[Any, Any]], scheduler: str, epochs: int) -> list[float]:
    """The loss of each batch before its step."""
    losses = []
    model, optimizer, schedule = training
    model.train()
    for _ in range(epochs):
        for x, y in data:

            def closure(x: Any = x, y: Any = y) -> Any:
                optimizer.zero_grad()
                loss = lib.nn.functional.cross_entropy(model(x), y)
                loss.backward()
                return loss

            losses.append(optimizer.step(closure).item())
            if scheduler in PER_BATCH:
                schedule.step()
        if scheduler == "ReduceLROnPlateau":
            schedule.step(sum(losses[-len(data) :]) / len(data))
        elif scheduler not in PER_BATCH:
            schedule.step()
    return losses


def saved(lib: ModuleType, training: Training) -> bytes:
    file = io.BytesIO()
    states = {name: part.state_dict() for name, part in training._asdict().items()}
    lib.save({**states, "random": lib.get_rng_state()}, file)
    return file.getvalue()


def resume(lib: ModuleType, written: bytes, case: Case) -> Training:
    training = case.begin(lib)
    checkpoint = lib.load(io.BytesIO(written), weights_only=True)
    for name, part in training._asdict().items():
        part.load_state_dict(checkpoint[name])
    lib.set_rng_state(checkpoint["random"])
    return training


def handed_over(first: ModuleType, then: ModuleType, case: Case) -> list[float]:
    """The losses of the epochs in the second library."""
    data, training = case.batches(first), case.begin(first)
    train(first, training, data, case.scheduler, EPOCHS)
    written, data = saved(first, training), case.batches(then)
    return train(then, resume(then, written, case), data, case.scheduler, EPOCHS)


def uninterrupted(case: Case) -> list[float]:
    data, training = case.batches(torch), case.begin(torch)
    return train(torch, training, data, case.scheduler, 2 * EPOCHS)[EPOCHS * len(data) :]


def largest_difference(losses: list[float], expected: list[float]) -> float:
    return max(abs(loss - wanted) / abs(wanted) for loss, wanted in zip(losses, expected, strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only cases whose `model optimizer scheduler` matches")
    options = parser.parse_args()
    torch.set_num_threads(1)
    failed = count = 0
    print(f"{'model':12} {'optimizer':10} {'scheduler':28} {'torch→ondol':>12} {'ondol→torch':>12}")
    for case in cases():
        if not re.search(options.only, " ".join(case)):
            continue
        expected = uninterrupted(case)
        differences = [
            largest_difference(handed_over(first, then, case), expected)
            for first, then in ((torch, ondol), (ondol, torch))
        ]
        wrong = not all(difference <= TOLERANCE for difference in differences)  # NaN is wrong too
        failed, count = failed + wrong, count + 1
        numbers = " ".join(f"{difference:12.1e}" for difference in differences)
        print(
            f"{case.problem:12} {case.optimizer:10} {case.scheduler:28} {numbers}{'  WRONG' if wrong else ''}",
            flush=True,
        )
    print(f"resuming: {count - failed} of {count} go on as if they had not been interrupted, to {TOLERANCE:g}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
