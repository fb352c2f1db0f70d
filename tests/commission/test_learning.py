"""The commission, L: learning. Each test is named for its row in FEATURES.

`data/learning_values.json` holds what PyTorch 2.13 answered: for each loss its arguments, value and gradient by the
first argument; for each optimizer a 2 x 2 parameter after five steps on a quadratic bowl.
"""

import json
import pathlib

import pytest

import ondol as torch
from ondol import datasets, nn, optim
from ondol.nn import functional as F
from ondol.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    get_worker_info,
    random_split,
)

PYTORCH = json.loads((pathlib.Path(__file__).parent / "data" / "learning_values.json").read_text())
LOSSES_WITH_WEIGHTS = {"AdaptiveLogSoftmaxWithLoss", "LinearCrossEntropyLoss"}  # these have a test of their own
OPTIMIZERS_APART = {"Optimizer", "SparseAdam", "Muon"}  # the base; for sparse gradients only; a test of its own


def test_L1_the_loop_learns():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = torch.tensor([0, 1, 1, 0])
    optimizer, loss_of = optim.Adam(model.parameters(), lr=0.05), nn.CrossEntropyLoss()
    first = loss_of(model(x), y).item()
    for _ in range(100):
        loss = loss_of(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05 < first
    assert torch.equal(model(x).argmax(1), y)


@pytest.mark.parametrize("expression", PYTORCH["losses"])
def test_L1_every_loss_has_pytorchs_value_and_gradient(expression):
    names = {"nn": nn, "torch": torch, "T": torch.tensor}
    expected = PYTORCH["losses"][expression]
    first, *others = (eval(argument, names) for argument in expected["arguments"])
    loss = eval(expression, names)(first.requires_grad_(), *others)
    loss.backward()
    assert loss.item() == pytest.approx(expected["value"], rel=1e-5, abs=1e-6)
    assert first.grad.flatten().tolist() == pytest.approx(expected["gradient"], rel=1e-4, abs=1e-6)


def test_L1_no_loss_of_pytorchs_is_left_out():
    covered = {expression.partition("(")[0].removeprefix("nn.") for expression in PYTORCH["losses"]}
    assert {name for name in dir(nn) if name.endswith("Loss")} == covered | LOSSES_WITH_WEIGHTS


def test_L1_losses_that_hold_the_last_layer():
    x, y = torch.tensor([[0.5, -1.0], [2.0, 0.25]]), torch.tensor([0, 2])
    loss = nn.LinearCrossEntropyLoss(2, 3)
    with torch.no_grad():
        loss.linear.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 2.0]]))
    assert loss(x, y).item() == pytest.approx(F.cross_entropy(x @ loss.linear.weight.t(), y).item(), rel=1e-6)

    adaptive = nn.AdaptiveLogSoftmaxWithLoss(4, 10, cutoffs=[3, 6], div_value=2.0)
    output, value = adaptive(torch.randn(5, 4), torch.tensor([0, 2, 4, 7, 9]))
    assert output.shape == (5,) and value.item() == pytest.approx(-output.mean().item(), rel=1e-6)
    assert adaptive.log_prob(torch.randn(2, 4)).exp().sum(1).tolist() == pytest.approx([1, 1], rel=1e-5)


@pytest.mark.parametrize("expression", PYTORCH["optimizers"])
def test_L1_every_optimizer_walks_pytorchs_path(expression):
    x = torch.tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True)
    optimizer = eval("optim." + expression, {"optim": optim, "p": [x]})

    def closure():
        optimizer.zero_grad()
        loss = (x**2 * torch.tensor([[1.0, 0.5], [2.0, 0.25]])).sum()
        loss.backward()
        return loss

    for _ in range(5):
        assert optimizer.step(closure) is not None
    assert x.flatten().tolist() == pytest.approx(PYTORCH["optimizers"][expression], rel=1e-4, abs=1e-5)


def test_L1_no_optimizer_of_pytorchs_is_left_out():
    covered = {expression.partition("(")[0] for expression in PYTORCH["optimizers"]}
    there = {name for name in dir(optim) if isinstance(getattr(optim, name), type) and not name.startswith("_")}
    assert there - {"Any"} == covered | OPTIMIZERS_APART


def test_L1_muon_moves_a_matrix_orthogonally():
    x = torch.zeros(2, 2, requires_grad=True)
    optimizer = optim.Muon([x], lr=0.1, weight_decay=0.0)
    (x * torch.tensor([[3.0, 0.0], [0.0, 0.1]])).sum().backward()
    optimizer.step()
    assert x[0, 0] < -0.05 and x[1, 1] < -0.05  # both directions move alike, however unequal the gradient
    assert abs(x[0, 1].item()) < 0.01


def test_L2_transfer_learning_on_real_digits():
    torch.manual_seed(0)
    images, labels = datasets.digits()
    images, labels = images[:600], labels[:600]
    body = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU())
    model = nn.Sequential(body, nn.Linear(32, 10))

    def train(y, epochs):
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        for _ in range(epochs):
            optimizer.zero_grad()
            F.cross_entropy(model(images), y).backward()
            optimizer.step()
        return (model(images).argmax(1) == y).float().mean().item()

    assert train(labels, 60) > 0.95

    model.requires_grad_(False)
    model[1] = nn.Linear(32, 2)
    frozen = [parameter.detach().numpy().tobytes() for parameter in body.parameters()]
    head_alone = train(labels % 2, 60)
    assert head_alone > 0.85
    assert frozen == [parameter.detach().numpy().tobytes() for parameter in body.parameters()]

    model.requires_grad_(True)
    assert train(labels % 2, 40) > head_alone
    assert frozen != [parameter.detach().numpy().tobytes() for parameter in body.parameters()]


class Squares(Dataset):
    """A map-style data set of one's own."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return torch.tensor([float(index)]), index**2


class Countdown(IterableDataset):
    """A stream; each worker yields its own share."""

    def __iter__(self):
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        return iter(range(first, 6, step))


def test_L3_a_loader_batches_a_data_set():
    batches = list(DataLoader(Squares(), batch_size=4))
    assert [len(y) for _, y in batches] == [4, 4, 2] and len(DataLoader(Squares(), batch_size=4)) == 3
    x, y = batches[1]
    assert x.shape == (4, 1) and x.dtype is torch.float32 and y.dtype is torch.int64
    assert x.flatten().tolist() == [4, 5, 6, 7] and y.tolist() == [16, 25, 36, 49]
    assert len(list(DataLoader(Squares(), batch_size=4, drop_last=True))) == 2
    words = DataLoader([{"a": 1, "b": "one"}, {"a": 2, "b": "two"}], batch_size=2)
    (batch,) = words
    assert batch["a"].tolist() == [1, 2] and batch["b"] == ["one", "two"]
    (joined,) = DataLoader(Squares(), batch_size=10, collate_fn=lambda rows: sum(y for _, y in rows))
    assert joined == 285


def test_L3_shuffling_follows_the_seed_and_loses_nothing():
    def order(seed):
        return [y.item() for _, y in DataLoader(Squares(), shuffle=True, generator=torch.Generator().manual_seed(seed))]

    assert order(1) == order(1) != order(2)
    assert sorted(order(1)) == [i**2 for i in range(10)]


def test_L3_samplers():
    assert list(SequentialSampler(range(3))) == [0, 1, 2]
    assert sorted(RandomSampler(range(5))) == [0, 1, 2, 3, 4]
    assert len(list(RandomSampler(range(3), replacement=True, num_samples=7))) == 7
    assert sorted(SubsetRandomSampler([4, 2, 9])) == [2, 4, 9]
    assert set(WeightedRandomSampler([0.0, 1.0, 0.0, 3.0], 50)) == {1, 3}
    assert list(BatchSampler(SequentialSampler(range(5)), 2, drop_last=False)) == [[0, 1], [2, 3], [4]]
    loader = DataLoader(Squares(), batch_sampler=BatchSampler(SequentialSampler(range(10)), 5, drop_last=False))
    assert [len(y) for _, y in loader] == [5, 5]
    with pytest.raises(ValueError):
        DataLoader(Squares(), shuffle=True, sampler=SequentialSampler(range(10)))


def test_L3_data_sets_from_data_sets():
    x = torch.arange(6)
    pairs = TensorDataset(x, x * 10)
    assert len(pairs) == 6 and pairs[2][1].item() == 20
    assert [pairs[i][0].item() for i in (5, 0)] == [row[0].item() for row in Subset(pairs, [5, 0])]
    assert len(ConcatDataset([pairs, pairs])) == 12 and ConcatDataset([pairs, pairs])[7][0].item() == 1
    first, second = random_split(range(10), [0.7, 0.3], generator=torch.Generator().manual_seed(0))
    assert len(first) == 7 and sorted([*first, *second]) == list(range(10))
    with pytest.raises((AssertionError, ValueError)):
        TensorDataset(x, x[:3])


def test_L3_workers_give_the_same_batches_in_the_same_order():
    alone = [y.tolist() for _, y in DataLoader(Squares(), batch_size=3)]
    assert [y.tolist() for _, y in DataLoader(Squares(), batch_size=3, num_workers=2)] == alone
    streamed = [batch.tolist() for batch in DataLoader(Countdown(), batch_size=2, num_workers=2)]
    assert sorted(value for batch in streamed for value in batch) == [0, 1, 2, 3, 4, 5]


def test_L3_an_error_in_a_worker_reaches_the_program():
    class Broken(Squares):
        def __getitem__(self, index):
            raise ZeroDivisionError(f"row {index} is broken")

    with pytest.raises(ZeroDivisionError, match="row 0 is broken"):
        list(DataLoader(Broken(), num_workers=1))
