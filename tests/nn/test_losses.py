"""Losses against their formulas."""

import math

import numpy as np
import pytest

import ondol
from ondol import nn
from ondol.nn import functional as F

X, Y = ondol.tensor([0.5, -1.0, 3.0]), ondol.tensor([1.0, 1.0, 0.5])


def close(actual, expected):
    np.testing.assert_allclose(actual.detach().numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (nn.MSELoss(reduction="none"), [0.25, 4.0, 6.25]),
        (nn.L1Loss(reduction="none"), [0.5, 2.0, 2.5]),
        (nn.HuberLoss(reduction="none"), [0.125, 1.5, 2.0]),
        (nn.SmoothL1Loss(reduction="none", beta=2.0), [0.0625, 1.0, 1.5]),
        (nn.MSELoss(), 3.5),
        (nn.MSELoss(reduction="sum"), 10.5),
    ],
)
def test_losses_of_differences(loss, expected):
    close(loss(X, Y), expected)


def test_an_unknown_reduction_is_refused():
    with pytest.raises(ValueError, match="not a valid value for reduction"):
        F.mse_loss(X, Y, reduction="median")


def test_different_sizes_warn():
    with pytest.warns(UserWarning, match="different to the input size"):
        F.mse_loss(ondol.zeros(2, 1), ondol.zeros(2))


def test_cross_entropy_is_the_negative_log_probability():
    scores = ondol.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    log_probs = scores.numpy() - np.log(np.exp(scores.numpy()).sum(1, keepdims=True))
    close(nn.CrossEntropyLoss()(scores, ondol.tensor([2, 0])), -(log_probs[0, 2] + log_probs[1, 0]) / 2)
    close(nn.CrossEntropyLoss(ignore_index=0)(scores, ondol.tensor([2, 0])), -log_probs[0, 2])


def test_binary_cross_entropy_of_logits_and_of_probabilities_agree():
    target = ondol.tensor([1.0, 0.0, 1.0])
    close(F.binary_cross_entropy_with_logits(X, target), F.binary_cross_entropy(X.sigmoid(), target).item())


def test_binary_cross_entropy_refuses_targets_of_another_dtype():
    x = ondol.tensor([0.5])
    with pytest.raises(RuntimeError, match="Found dtype Long but expected Float"):
        F.binary_cross_entropy(x, ondol.tensor([1]))
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Long"):
        F.binary_cross_entropy_with_logits(x, ondol.tensor([1]))


def test_binary_cross_entropy_refuses_what_is_no_probability():
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        F.binary_cross_entropy(ondol.tensor([1.5]), ondol.tensor([1.0]))


def test_kl_divergence_of_equal_distributions_is_zero():
    p = ondol.tensor([[0.2, 0.8]])
    close(nn.KLDivLoss(reduction="batchmean")(p.log(), p), 0.0)


def test_gaussian_nll_of_a_perfect_guess():
    close(nn.GaussianNLLLoss(full=True)(X, X, ondol.ones(3)), 0.5 * math.log(2 * math.pi))


def test_multi_margin_and_multilabel_margin():
    x = ondol.tensor([[0.1, 0.2, 0.4, 0.8]])
    close(nn.MultiMarginLoss()(x, ondol.tensor([3])), (0.3 + 0.4 + 0.6) / 4)
    close(nn.MultiLabelMarginLoss()(x, ondol.tensor([[3, 0, -1, 1]])), 0.85)


def test_triplet_margin():
    a, p, n = ondol.zeros(1, 2), ondol.tensor([[3.0, 4.0]]), ondol.tensor([[0.0, 2.0]])
    close(nn.TripletMarginLoss()(a, p, n), 4.0)


def test_ctc_of_all_alignments_by_hand():
    """Two steps, target "a": the paths aa, a-, -a."""
    probabilities = np.array([[0.6, 0.4], [0.3, 0.7]])
    expected = -math.log(0.4 * 0.7 + 0.4 * 0.3 + 0.6 * 0.7)
    log_probs = ondol.tensor(np.log(probabilities)).unsqueeze(1)
    close(F.ctc_loss(log_probs, ondol.tensor([[1]]), [2], [1], reduction="sum"), expected)


def test_ctc_of_a_target_that_does_not_fit():
    log_probs = ondol.zeros(1, 1, 3).log_softmax(2).requires_grad_()
    target = ondol.tensor([[1, 2]])
    assert F.ctc_loss(log_probs, target, [1], [2], reduction="sum").item() == math.inf
    loss = F.ctc_loss(log_probs, target, [1], [2], reduction="sum", zero_infinity=True)
    loss.backward()
    assert loss.item() == 0.0 and log_probs.grad.abs().sum().item() == 0.0


def test_linear_cross_entropy_is_its_two_parts():
    loss = nn.LinearCrossEntropyLoss(4, 3, bias=True)
    x, y = ondol.randn(5, 4), ondol.tensor([0, 1, 2, 0, 1])
    close(loss(x, y), F.cross_entropy(loss.linear(x), y).item())


def test_soft_margin_loss_refuses_what_is_no_tensor() -> None:
    for wrong in ((1, "a"), "a"):
        with pytest.raises(TypeError, match="expected Tensor"):
            F.soft_margin_loss(wrong, ondol.tensor([3]))


@pytest.mark.parametrize("dtype", [ondol.float32, ondol.float64])
@pytest.mark.parametrize("classes", [1, 2, 7, 8, 9, 15, 16, 17, 65, 128, 129, 300])
def test_cross_entropy_of_rows_of_any_length_and_number(classes, dtype):
    generator = np.random.default_rng(classes)
    for rows in (1, 3, 4, 8, 15, 16, 17, 50):
        x = generator.standard_normal((rows, classes)).astype(np.float32) * 9
        x[rows // 2, classes // 2] = -np.inf
        x[0, classes - 1] = np.nan if rows > 3 else 80
        targets = generator.integers(0, classes, rows)
        targets[rows // 2] = (classes // 2 + 1) % classes
        wide = x.astype(np.float64)
        largest = np.where(np.isneginf(wide.max(1, keepdims=True)), 0, wide.max(1, keepdims=True))
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = largest[:, 0] + np.log(np.exp(wide - largest).sum(1)) - wide[np.arange(rows), targets]
        loss = F.cross_entropy(ondol.tensor(x, dtype=dtype), ondol.tensor(targets), reduction="none")
        np.testing.assert_allclose(loss.numpy(), expected, rtol=2e-6, atol=4e-6)
