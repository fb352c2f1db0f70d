"""Give a trained network a new head and train that alone: `python examples/transfer_learning.py`."""

from __future__ import annotations

import pathlib
import tempfile

import ondol
from ondol import Tensor, datasets, nn, optim
from ondol.nn import functional as F


def train(model: nn.Module, images: Tensor, labels: Tensor, steps: int) -> float:
    """Take full-batch steps and return the accuracy that they reach."""
    optimizer = optim.Adam(model.parameters(), lr=0.01)  # frozen parameters have no gradient, so it skips them
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
    with ondol.no_grad():
        return (model(images).argmax(dim=1) == labels).float().mean().item()


def main() -> None:
    ondol.manual_seed(0)
    images, labels = datasets.digits()
    parity = labels % 2

    body = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU())
    reader = nn.Sequential(body, nn.Linear(32, 10))
    print(f"ten digits: {train(reader, images, labels, 60):.1%}")

    body.requires_grad_(False)
    even_or_odd = nn.Sequential(body, nn.Linear(32, 2))
    print(f"even or odd, only the head learns: {train(even_or_odd, images, parity, 60):.1%}")
    for name, parameter in even_or_odd.named_parameters():
        print(f"  {name:12} requires_grad={parameter.requires_grad}")

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.pt"
        ondol.save(even_or_odd, path)  # the whole model: structure, weights and flags
        again = ondol.load(path)
    print("flags after loading:", [parameter.requires_grad for parameter in again.parameters()])

    again.requires_grad_(True)
    print(f"even or odd, everything learns: {train(again, images, parity, 60):.1%}")


if __name__ == "__main__":
    main()
