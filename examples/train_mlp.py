"""Train a small network on the digits that ondol carries: `python examples/train_mlp.py`."""

from __future__ import annotations

import ondol
from ondol import Tensor, datasets, nn, optim
from ondol.nn import functional as F
from ondol.utils.data import DataLoader, TensorDataset


class MLP(nn.Module):
    """Two linear layers: 64 grey levels in, ten scores out."""

    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        self.hidden = nn.Linear(64, hidden)
        self.output = nn.Linear(hidden, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.output(F.relu(self.hidden(images.flatten(1))))


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    with ondol.no_grad():
        return (model(images).argmax(dim=1) == labels).float().mean().item()


def main() -> None:
    ondol.manual_seed(0)
    train_images, test_images, train_labels, test_labels = datasets.train_test_split(*datasets.digits())
    loader = DataLoader(TensorDataset(train_images, train_labels), batch_size=32, shuffle=True)

    model = MLP()
    optimizer = optim.AdamW(model.parameters(), lr=3e-3)
    for epoch in range(1, 11):
        for images, labels in loader:
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch:2}: {accuracy(model, test_images, test_labels):.1%} of the test digits read right")


if __name__ == "__main__":
    main()
