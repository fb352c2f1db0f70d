"""What is timed: small pieces of work, each written once for any library with PyTorch's API.

A workload is a function of the library that builds what it needs and returns one step, a function without arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Step = Callable[[], Any]


class Workload(NamedTuple):
    """A row of the table."""

    name: str
    build: Callable[[Any], Step]


def small_add(lib: Any) -> Step:
    a, b = lib.ones(6), lib.ones(6)
    return lambda: a + b


def small_add_recorded(lib: Any) -> Step:
    a, b = lib.ones(6, requires_grad=True), lib.ones(6, requires_grad=True)
    return lambda: a + b


def module_call(lib: Any) -> Step:
    layer, x = lib.nn.Linear(16, 16), lib.randn(4, 16)
    lib.set_grad_enabled(False)  # for good: a process measures one workload
    return lambda: layer(x)


def chain(lib: Any) -> Step:
    x, factor = lib.ones(6, requires_grad=True), lib.ones(6)

    def step() -> None:
        y = x
        for _ in range(500):
            y = y * factor
        y.sum().backward()
        x.grad = None

    return step


def mlp_step(lib: Any) -> Step:
    nn = lib.nn
    model = nn.Sequential(nn.Linear(48, 80), nn.ReLU(), nn.Linear(80, 80), nn.ReLU(), nn.Linear(80, 7))
    return _training_step(lib, model, lib.randn(24, 48), lib.randint(7, (24,)))


def large_add(lib: Any) -> Step:
    x = lib.ones(8 * 1024 * 1024)  # 32 MB of float32
    return lambda: x + 1.0


def cnn_step(lib: Any) -> Step:
    nn = lib.nn
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    return _training_step(lib, model, lib.randn(32, 3, 32, 32), lib.randint(10, (32,)))


def lstm_step(lib: Any) -> Step:
    nn = lib.nn

    class Last(nn.Module):
        """An LSTM, and a linear layer on its last output."""

        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(32, 64, batch_first=True)
            self.head = nn.Linear(64, 5)

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(x)[0][:, -1])

    return _training_step(lib, Last(), lib.randn(16, 40, 32), lib.randint(5, (16,)))


def transformer_step(lib: Any) -> Step:
    nn = lib.nn
    layer = nn.TransformerEncoderLayer(128, 4, 256, dropout=0.0, batch_first=True)
    model = nn.Sequential(layer, nn.Linear(128, 11))
    return _training_step(lib, model, lib.randn(8, 64, 128), lib.randint(11, (8, 64)))


def _training_step(lib: Any, model: Any, x: Any, y: Any) -> Step:
    optimizer = lib.optim.AdamW(model.parameters(), lr=1e-3)
    cross_entropy = lib.nn.functional.cross_entropy

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(model(x).flatten(0, -2), y.flatten()).backward()
        optimizer.step()

    return step


WORKLOADS = {
    "add": Workload("`a + b`, 6 elements", small_add),
    "add_grad": Workload("`a + b`, 6 elements, gradient recorded", small_add_recorded),
    "module_call": Workload("`nn.Linear(16, 16)` on (4, 16), no_grad", module_call),
    "chain": Workload("500 multiplications, forward and backward", chain),
    "mlp": Workload("MLP 48-80-80-7, AdamW step, batch 24", mlp_step),
    "add_32mb": Workload("`x + 1.0` on 32 MB", large_add),
    "cnn": Workload("CNN 32-64 on 3x32x32, AdamW step, batch 32", cnn_step),
    "lstm": Workload("LSTM 32-64 over 40 steps, AdamW step, batch 16", lstm_step),
    "transformer": Workload("Transformer layer 128, 64 tokens, AdamW step, batch 8", transformer_step),
}
