"""What an editor must know. pyright reads this file (`test_types.py`); it also runs."""

from __future__ import annotations

import io
import sys

if sys.version_info >= (3, 11):
    from typing import assert_type
else:
    from typing_extensions import assert_type

import ondol
from ondol import Tensor, nn, optim
from ondol.nn import functional as F


def make_tensors() -> Tensor:
    assert_type(ondol.zeros(2, 3), Tensor)
    assert_type(ondol.zeros((2, 3), dtype=ondol.float64), Tensor)
    assert_type(ondol.ones(2, requires_grad=True), Tensor)
    assert_type(ondol.full((2,), 1.5), Tensor)
    assert_type(ondol.arange(0, 10, 2), Tensor)
    assert_type(ondol.tensor([[1.0, 2.0]], device="cpu"), Tensor)
    assert_type(ondol.zeros_like(ondol.eye(3)), Tensor)
    return ondol.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def read_attributes(x: Tensor) -> None:
    assert_type(x.shape, ondol.Size)
    assert_type(x.shape[0], int)
    assert_type(x.size(-1), int)
    assert_type(x.size(), ondol.Size)
    assert_type(x.dtype, ondol.dtype)
    assert_type(x.device, ondol.device)
    assert_type(x.requires_grad, bool)
    assert_type(x.grad, Tensor | None)
    assert_type(x.dim(), int)
    assert_type(x.is_contiguous(), bool)
    assert_type(ondol.float32, ondol.dtype)


def compute(x: Tensor) -> None:
    assert_type(x + 1, Tensor)
    assert_type(2 * x @ x.T, Tensor)
    assert_type(-x, Tensor)
    assert_type(x == x, Tensor)
    assert_type(x[:, 0], Tensor)
    assert_type(x.sum(), Tensor)
    assert_type(x.sum(dim=1), Tensor)
    assert_type(x.sum(dim=(0, 1), keepdim=True, dtype=ondol.float64), Tensor)
    assert_type(x.view(3, 2).reshape((-1,)).unsqueeze(0), Tensor)
    assert_type(x.clone().add_(1, alpha=2).mul_(x), Tensor)
    assert_type(x.float().double().to(ondol.float32).to("cpu"), Tensor)
    assert_type(ondol.add(x, x, out=ondol.empty(2, 3)), Tensor)
    assert_type(ondol.cat([x, x], dim=1), Tensor)
    assert_type(x.split(1), tuple[Tensor, ...])
    assert_type(ondol.diff(x), Tensor)  # composed in Python
    assert_type(x.diff(dim=0), Tensor)
    y = x.clone().requires_grad_()
    y.register_hook(lambda grad: grad * 2)
    y.sum().backward()


def choose(x: Tensor) -> None:
    largest = x.max(dim=1)
    assert_type(largest.values, Tensor)
    assert_type(largest.indices, Tensor)
    values, indices = x.topk(2)
    assert_type(values, Tensor)
    assert_type(indices, Tensor)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.linear(x))


@ondol.no_grad()
def evaluate(model: nn.Module, x: Tensor) -> float:
    return float(model(x).sum())


def train(x: Tensor) -> None:
    model = Model()
    optimizer = optim.AdamW(model.parameters(), lr=1e-3)
    assert_type(ondol.optim.SGD(model.parameters(), lr=0.1), optim.SGD)
    assert_type(model.linear, nn.Linear)
    with ondol.enable_grad():
        loss = F.cross_entropy(model(x), ondol.tensor([0, 1]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    assert_type(evaluate(model, x), float)

    file = io.BytesIO()
    ondol.save(model.state_dict(), file)
    file.seek(0)
    model.load_state_dict(ondol.load(file))


def main() -> None:
    ondol.manual_seed(0)
    x = make_tensors()
    read_attributes(x)
    compute(x)
    choose(x)
    train(x)


if __name__ == "__main__":
    main()
