"""The loop that learns: forward, loss, zero_grad, backward, step."""

from __future__ import annotations

from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import ondol
from ondol import Tensor, nn
from ondol.nn import functional as F
from ondol.optim import AdamW
from ondol.optim.lr_scheduler import CosineAnnealingLR
from ondol.utils.data import DataLoader, TensorDataset

BATCH_SIZE = 32
LEARNING_RATE = 3e-3


class Task(NamedTuple):
    """Images with the right answers, parted into what a model learns from and what it is judged by."""

    train_images: Tensor
    test_images: Tensor
    train_labels: Tensor
    test_labels: Tensor


class Epoch(NamedTuple):
    """How one pass over the training images went; accuracies are shares between 0 and 1."""

    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float


def train(
    model: nn.Module, task: Task, epochs: int, console: Console, learning: nn.Module | None = None
) -> list[Epoch]:
    """Train and return how each epoch went.

    Args:
        learning: the part that behaves as in training (by default the whole model); the rest stays in evaluation mode,
            so that its batch norms keep the statistics they learned earlier. Which parameters move is another matter:
            every `requires_grad` flag decides for its own.
    """
    loader = DataLoader(TensorDataset(task.train_images, task.train_labels), batch_size=BATCH_SIZE, shuffle=True)
    optimizer = AdamW(model.parameters(), lr=LEARNING_RATE)
    schedule = CosineAnnealingLR(optimizer, T_max=epochs)  # large steps first, then ever smaller ones
    history: list[Epoch] = []

    with _progress_bar(console) as bar:
        line = bar.add_task("training", total=epochs * len(loader), loss=float("nan"), accuracy=0.0)
        for number in range(1, epochs + 1):
            model.eval()
            (learning or model).train()
            loss_sum, right, seen = 0.0, 0, 0
            for images, labels in loader:
                scores = model(images)
                loss = F.cross_entropy(scores, labels)

                optimizer.zero_grad()  # gradients add up until they are cleared
                loss.backward()  # fills the .grad of every parameter that asks for one
                optimizer.step()  # moves exactly those parameters

                loss_sum += loss.item() * len(labels)
                right += int((scores.argmax(dim=1) == labels).sum())
                seen += len(labels)
                bar.update(line, advance=1, loss=loss_sum / seen, accuracy=right / seen)
            schedule.step()
            history.append(Epoch(loss_sum / seen, right / seen, *evaluate(model, task.test_images, task.test_labels)))
            if not console.is_terminal:  # no live bar in a log file; a line for each epoch instead
                console.print(_epoch_line(number, epochs, history[-1]), soft_wrap=True)
    return history


def evaluate(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Return mean loss and accuracy; leaves the model in evaluation mode."""
    scores = predict(model, images)
    return F.cross_entropy(scores, labels).item(), (scores.argmax(dim=1) == labels).float().mean().item()


def predict(model: nn.Module, images: Tensor) -> Tensor:
    """Return the model's scores without recording anything for gradients; leaves it in evaluation mode."""
    model.eval()
    with ondol.no_grad():
        return model(images)


def _progress_bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.4f}  accuracy {task.fields[accuracy]:.1%}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _epoch_line(number: int, epochs: int, epoch: Epoch) -> str:
    return (
        f"epoch {number:>{len(str(epochs))}} of {epochs}"
        f"  training: loss {epoch.train_loss:.4f}, {epoch.train_accuracy:.2%} right"
        f"  test: loss {epoch.test_loss:.4f}, {epoch.test_accuracy:.2%} right"
    )
