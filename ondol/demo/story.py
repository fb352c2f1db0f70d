"""The demo from top to bottom, in six chapters. Read this file first."""

from __future__ import annotations

import json
import pathlib
import time

from rich.console import Console

import ondol
from ondol import datasets
from ondol.demo import picture, tables, transfer
from ondol.demo.files import prepare_folder, save, write_whole
from ondol.demo.inspection import inspect
from ondol.demo.model import DigitsNet
from ondol.demo.proof import prove, same_bits
from ondol.demo.training import Epoch, Task, predict, train

TEST_IMAGES = 360  # a fifth of the 1,797


def tell(epochs: int, folder: pathlib.Path, seed: int) -> None:
    """Run the whole demo, printing as it goes, and leave its files in `folder`.

    Raises OSError if a file cannot be written, ProofFailed if something that is claimed does not hold.
    """
    started = time.monotonic()
    console = Console(highlight=False)
    folder = folder.absolute()
    prepare_folder(folder)
    ondol.manual_seed(seed)  # from here on every random number follows from the seed

    task, model = load_and_look(console)
    history = learn(console, model, task, epochs)
    save_and_load(console, model, task, folder / "weights.pt")
    parity_history = transfer_to_parity(console, model, task, max(1, epochs // 2), folder)
    look_inside(console, task)
    draw(console, model, task, history, parity_history, folder)

    write_whole(folder / "numbers.json", _numbers(seed, history, parity_history))
    console.rule("Everything is here")
    for name, what in (
        ("weights.pt", "the digit network's weights"),
        ("parity_weights.pt", "the even-or-odd network's weights alone"),
        ("parity_model.pt", "the whole even-or-odd network"),
        ("demo.png", "curves, and test digits with what the network reads"),
        ("numbers.json", "loss and accuracy of every epoch"),
    ):
        console.print(f"{folder / name}: {what}", markup=False, soft_wrap=True)
    console.print(f"test accuracy {history[-1].test_accuracy:.2%}, {time.monotonic() - started:.1f} s in all")


def load_and_look(console: Console) -> tuple[Task, DigitsNet]:
    """Chapter 1: the data, and what a model is made of."""
    console.rule("1. Data and model")
    task = Task(*datasets.train_test_split(*datasets.digits(), test_size=TEST_IMAGES))
    console.print(f"{len(task.train_labels)} images to learn from, {len(task.test_labels)} to be judged by")

    model = DigitsNet()
    console.print(repr(model), markup=False, soft_wrap=True)  # printing a model shows its tree
    console.print(tables.parameter_table(model))
    return task, model


def learn(console: Console, model: DigitsNet, task: Task, epochs: int) -> list[Epoch]:
    """Chapter 2: the weights move until the answers are right."""
    console.rule("2. Training")
    history = train(model, task, epochs, console)
    console.print(f"after {epochs} epochs: {_scores(history[-1])}")
    return history


def save_and_load(console: Console, model: DigitsNet, task: Task, path: pathlib.Path) -> None:
    """Chapter 3: the weights go to a file and come back into a model built anew."""
    console.rule("3. Saving the weights")
    save(model.state_dict(), path)

    again = DigitsNet()  # weights alone are no model: one has to be built first, and this one's weights are random
    again.load_state_dict(ondol.load(path))
    same = same_bits(predict(model, task.test_images), predict(again, task.test_images))
    prove(console, f"a new model with the weights of {path.name} gives the same outputs, bit for bit", same)


def transfer_to_parity(
    console: Console, model: DigitsNet, task: Task, epochs: int, folder: pathlib.Path
) -> list[Epoch]:
    """Chapter 4: what was learned serves another task, even or odd; only a new head learns."""
    console.rule("4. Transfer: even or odd?")
    parity = transfer.parity_task(task)
    reader = DigitsNet()
    reader.load_state_dict(model.state_dict())
    transfer.replace_head(reader, classes=len(transfer.PARITY))
    console.print(tables.parameter_table(reader))

    body_before, head_before = transfer.snapshot(reader.body), transfer.snapshot(reader.head)
    history = train(reader, parity, epochs, console, learning=reader.head)
    console.print(f"after {epochs} epochs of the head alone: {_scores(history[-1])}")
    prove(console, "no bit of the frozen body has changed", transfer.unchanged(reader.body, body_before))
    prove(console, "the head has changed", not transfer.unchanged(reader.head, head_before))

    weights_path, model_path = folder / "parity_weights.pt", folder / "parity_model.pt"
    save(reader.state_dict(), weights_path)
    save(reader, model_path)

    from_weights = DigitsNet(classes=len(transfer.PARITY))
    from_weights.load_state_dict(ondol.load(weights_path))
    whole = ondol.load(model_path)  # nobody calls DigitsNet(): structure, weights and flags are in the file

    saved, forgot, kept = (transfer.gradient_flags(each) for each in (reader, from_weights, whole))
    console.print(tables.flag_table({"as trained": saved, weights_path.name: forgot, model_path.name: kept}))
    prove(console, f"{model_path.name} brought every requires_grad flag back", kept == saved)
    prove(console, f"{weights_path.name} had forgotten them: all are True", all(forgot.values()))
    outputs = [predict(each, task.test_images) for each in (reader, from_weights, whole)]
    prove(console, "all three give the same outputs", all(same_bits(outputs[0], output) for output in outputs[1:]))
    return history


def look_inside(console: Console, task: Task) -> None:
    """Chapter 5: hooks show what passes through each layer, forwards and backwards."""
    console.rule("5. Looking inside with hooks")
    console.print("A fresh network's first batch: what leaves each layer, and the gradient that comes back.")
    console.print(tables.inspection_table(inspect(DigitsNet(), task.train_images[:32], task.train_labels[:32])))


def draw(
    console: Console,
    model: DigitsNet,
    task: Task,
    history: list[Epoch],
    parity_history: list[Epoch],
    folder: pathlib.Path,
) -> None:
    """Chapter 6: the curves, and test digits with what the network reads in them."""
    console.rule("6. The picture")
    answers = predict(model, task.test_images).argmax(dim=1)
    mistakes = int((answers != task.test_labels).sum())
    console.print(f"{mistakes} of {len(answers)} test digits are misread; the picture shows them first")
    write_whole(folder / "demo.png", picture.draw(history, parity_history, task.test_images, task.test_labels, answers))


def _scores(epoch: Epoch) -> str:
    return f"training accuracy {epoch.train_accuracy:.2%}, test accuracy {epoch.test_accuracy:.2%}"


def _numbers(seed: int, history: list[Epoch], parity_history: list[Epoch]) -> bytes:
    numbers = {
        "seed": seed,
        "digits": [epoch._asdict() for epoch in history],
        "parity": [epoch._asdict() for epoch in parity_history],
    }
    return (json.dumps(numbers, indent=1) + "\n").encode()
