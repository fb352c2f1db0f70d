"""The loss of label sequences without alignment."""

from __future__ import annotations

import itertools
import math

import pytest

import ondol
import ondol.nn.functional as F

STEPS, BATCH, CLASSES = 5, 3, 4
TARGETS = [[1, 2], [3, 3], [2, 0]]  # of the last one only the first label counts
IN_LENGTHS, OUT_LENGTHS = [5, 4, 3], [2, 2, 1]


def scores(dtype: ondol.dtype = ondol.float64) -> ondol.Tensor:
    return ondol.randn(STEPS, BATCH, CLASSES, generator=ondol.Generator().manual_seed(3), dtype=dtype)


def by_enumeration(log_probs: ondol.Tensor, target: list[int], blank: int = 0) -> float:
    """−log of the summed probability of all paths that collapse to the target."""
    total = 0.0
    for path in itertools.product(range(CLASSES), repeat=log_probs.size(0)):
        labels = [label for label, _ in itertools.groupby(path) if label != blank]
        if labels == target:
            total += math.exp(sum(log_probs[t, label].item() for t, label in enumerate(path)))
    return -math.log(total)


@pytest.mark.parametrize("dtype", [ondol.float32, ondol.float64])
def test_loss_is_that_of_all_alignments(dtype):
    log_probs = scores(dtype).log_softmax(2)
    losses = F.ctc_loss(log_probs, ondol.tensor(TARGETS), IN_LENGTHS, OUT_LENGTHS, reduction="none")
    expected = [
        by_enumeration(log_probs[:length, n], TARGETS[n][:labels])
        for n, (length, labels) in enumerate(zip(IN_LENGTHS, OUT_LENGTHS))
    ]
    ondol.testing.assert_close(losses, ondol.tensor(expected, dtype=dtype))


def test_concatenated_targets_are_the_same_as_rows():
    log_probs = scores().log_softmax(2)
    rows = F.ctc_loss(log_probs, ondol.tensor(TARGETS), IN_LENGTHS, OUT_LENGTHS)
    line = F.ctc_loss(log_probs, ondol.tensor([1, 2, 3, 3, 2]), IN_LENGTHS, OUT_LENGTHS)
    assert rows.item() == line.item()


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_gradient_through_log_softmax(reduction):
    def loss(x: ondol.Tensor) -> ondol.Tensor:
        return F.ctc_loss(x.log_softmax(2), ondol.tensor(TARGETS), IN_LENGTHS, OUT_LENGTHS, reduction=reduction)

    assert ondol.autograd.gradcheck(loss, (scores().requires_grad_(),))


def test_gradient_is_linear_in_that_of_the_loss():
    x = scores().requires_grad_()
    losses = F.ctc_loss(x.log_softmax(2), ondol.tensor(TARGETS), IN_LENGTHS, OUT_LENGTHS, reduction="none")
    weights = ondol.ones(BATCH, dtype=ondol.float64, requires_grad=True)
    (gradient,) = ondol.autograd.grad(losses, x, weights, create_graph=True)
    (of_weights,) = ondol.autograd.grad((gradient * scores()).sum(), weights)
    ondol.testing.assert_close(of_weights, (gradient * scores()).sum((0, 2)).detach())


def test_second_derivative_is_refused():
    x = scores().requires_grad_()
    loss = F.ctc_loss(x.log_softmax(2), ondol.tensor(TARGETS), IN_LENGTHS, OUT_LENGTHS)
    (gradient,) = ondol.autograd.grad(loss, x, create_graph=True)
    with pytest.raises(RuntimeError, match="second derivative"):
        gradient.sum().backward()


def test_steps_beyond_the_input_length_have_no_gradient():
    x = scores().requires_grad_()
    F.ctc_loss(x, ondol.tensor(TARGETS), IN_LENGTHS, OUT_LENGTHS).backward()
    assert x.grad[4, 1].eq(0).all() and x.grad[3:, 2].eq(0).all() and x.grad[:3].ne(0).all()


@pytest.mark.parametrize(("zero_infinity", "loss"), [(False, math.inf), (True, 0.0)])
def test_target_that_does_not_fit(zero_infinity, loss):
    x = scores().requires_grad_()
    losses = F.ctc_loss(
        x, ondol.tensor(TARGETS), [5, 2, 0], OUT_LENGTHS, reduction="none", zero_infinity=zero_infinity
    )  # the second needs a blank between two equal labels
    losses.sum().backward()
    assert losses[1:].tolist() == [loss, loss]
    assert x.grad[:2, 1].isnan().all() == (not zero_infinity)
    assert x.grad[2:, 1].eq(0).all() and x.grad[:, 2].eq(0).all() and x.grad[:, 0].isfinite().all()


def test_probability_too_small_for_a_number():
    steps = 2000
    log_probs = ondol.full((steps, 1, 2), math.log(1e-3), dtype=ondol.float64)
    loss = F.ctc_loss(log_probs, ondol.tensor([[1]]), [steps], [1], reduction="sum")
    alignments = steps * (steps + 1) // 2
    ondol.testing.assert_close(loss, ondol.tensor(-steps * math.log(1e-3) - math.log(alignments), dtype=ondol.float64))


def test_one_sequence_without_batch():
    log_probs = scores().log_softmax(2)
    single = F.ctc_loss(log_probs[:, 0], ondol.tensor(TARGETS[0]), ondol.tensor(5), ondol.tensor(2), reduction="none")
    batch = F.ctc_loss(log_probs[:, :1], ondol.tensor(TARGETS[:1]), [5], [2], reduction="none")
    assert single.shape == () and single.item() == batch.item()


@pytest.mark.parametrize(
    ("targets", "in_lengths", "out_lengths", "blank", "message"),
    [
        (TARGETS, [5, 6, 3], OUT_LENGTHS, 0, "input_lengths .* value 6"),
        (TARGETS, [5, 4], OUT_LENGTHS, 0, "input_lengths must be of size batch_size"),
        (TARGETS, IN_LENGTHS, [2, 3, 1], 0, "target_lengths .* value 3"),
        (TARGETS, IN_LENGTHS, OUT_LENGTHS, 4, "blank must be in label range"),
        ([[1, 4]] * 3, IN_LENGTHS, OUT_LENGTHS, 0, "got 4 as label 1 of sequence 0"),
        ([1, 2, 3], IN_LENGTHS, OUT_LENGTHS, 0, "too short for target_lengths"),
        (TARGETS[:2], IN_LENGTHS, OUT_LENGTHS, 0, "3 rows, one for each sequence"),
        ([[1.0, 2.0]] * 3, IN_LENGTHS, OUT_LENGTHS, 0, "integral dtype"),
    ],
)
def test_bad_input_is_refused(targets, in_lengths, out_lengths, blank, message):
    with pytest.raises(RuntimeError, match=message):
        F.ctc_loss(scores(), ondol.tensor(targets), in_lengths, out_lengths, blank)
