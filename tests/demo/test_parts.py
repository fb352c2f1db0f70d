"""The parts of the demo, each on its own."""

import errno
import os

import pytest

import ondol
from ondol import datasets
from ondol.demo import chart, files, inspection, model, proof, transfer
from ondol.demo.training import Task, train


@pytest.fixture
def small_task():
    ondol.manual_seed(0)
    images, labels = datasets.digits()
    return Task(images[:64], images[64:96], labels[:64], labels[64:96])


@pytest.fixture
def quiet():
    from rich.console import Console

    return Console(quiet=True)


def test_write_whole_replaces_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    files.write_whole(path, b"new")
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, failure):
    def fail(_):
        raise failure

    path = tmp_path / "weights.pt"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(failure)) as raised:
        files.write_whole(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["weights.pt"]
    if isinstance(failure, OSError):
        assert raised.value.errno == errno.ENOSPC and raised.value.filename == str(path)


def test_a_failed_save_names_the_file_and_leaves_the_old_one(tmp_path, monkeypatch):
    def fail(content, path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ondol, "save", fail)
    with pytest.raises(OSError, match="weights.pt"):
        files.save({}, tmp_path / "weights.pt")
    assert os.listdir(tmp_path) == []


def test_training_with_a_frozen_body_moves_the_head_alone(small_task, quiet):
    net = model.DigitsNet()
    transfer.replace_head(net, 2)
    body, head = transfer.snapshot(net.body), transfer.snapshot(net.head)
    train(net, transfer.parity_task(small_task), 1, quiet, learning=net.head)
    assert transfer.unchanged(net.body, body)
    assert not transfer.unchanged(net.head, head)


def test_unchanged_notices_a_single_bit():
    layer = ondol.nn.Linear(2, 2)
    with ondol.no_grad():
        layer.bias.zero_()
    before = transfer.snapshot(layer)
    assert transfer.unchanged(layer, before)
    with ondol.no_grad():
        layer.bias[0] = -0.0
    assert not transfer.unchanged(layer, before)


def test_inspection_sees_each_leaf_layer_and_leaves_no_trace(small_task):
    net = model.DigitsNet()
    weight = net.head.weight
    weight.grad = ondol.ones_like(weight)
    seen = inspection.inspect(net, small_task.train_images, small_task.train_labels)
    leaves = [name for name, layer in net.named_modules() if not list(layer.children())]
    assert list(seen.activations) == leaves and sorted(seen.gradients) == sorted(leaves)
    assert seen.activations["head"].shape == (64, 10)
    assert 0.3 < seen.activations["body.relu1"].zeros < 0.7
    assert all(gradient.largest > 0 for gradient in seen.gradients.values())
    assert ondol.equal(weight.grad, ondol.ones_like(weight)) and net.head.bias.grad is None
    assert all(not layer._forward_hooks and not layer._backward_hooks for layer in net.modules())


def test_a_claim_that_does_not_hold_ends_the_demo(quiet):
    proof.prove(quiet, "true", True)
    with pytest.raises(proof.ProofFailed, match="the moon is green"):
        proof.prove(quiet, "the moon is green", False)


@pytest.mark.parametrize("values", [[0.0], [5.0, 5.0], [0.001, 0.0011], [1e6, 3.0], [float("nan")], [-2.0, 2.0]])
def test_ticks_span_the_values_and_are_few(values):
    ticks = chart.nice_ticks(values)
    finite = [value for value in values if value == value]
    assert 2 <= len(ticks) <= 7 and ticks == sorted(set(ticks))
    assert all(ticks[0] <= value <= ticks[-1] for value in finite)


def test_a_chart_of_one_epoch_can_be_drawn():
    page = chart.Page(300, 200)
    chart.line_chart(page, chart.Box(0, 0, 300, 200), "One", [chart.Line("a", [0.5], "#000000")], percent=True)
    assert page.png().startswith(b"\x89PNG")
