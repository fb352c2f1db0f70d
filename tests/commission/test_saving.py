"""The commission, S: saving and loading. Each test is named for its row in FEATURES.

`data/pytorch_weights.pt` and `data/pytorch_model.pt` were written by PyTorch 2.13: a network of the layers that `build`
makes, in evaluation mode, its first layer frozen.
"""

import io
import os
import pathlib
import pickle
import pickletools
import zipfile

import pytest

import ondol as torch
from ondol import nn
from ondol.serialization import safe_globals

DATA = pathlib.Path(__file__).parent / "data"
X = torch.linspace(-1, 1, 25).view(1, 1, 5, 5)
PYTORCH_ANSWER = [[0.01787450537085533, -0.13025347888469696]]


class Net(nn.Module):
    """A class of the user's own."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(3, 4)
        self.fc = nn.Linear(4, 2)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        return self.fc(torch.relu(self.body(x)))


class Settings:
    """A plain class of the user's own."""

    def __init__(self, depth):
        self.depth = depth


def build():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(18, 2))


def flags(model):
    return {name: parameter.requires_grad for name, parameter in model.named_parameters()}


def same_bits(first, second):
    return first.detach().numpy().tobytes() == second.detach().numpy().tobytes()


def test_S1_weights_only_go_into_a_model_that_was_built_first(tmp_path):
    model = Net()
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    state = torch.load(tmp_path / "weights.pt")
    assert list(state) == ["steps", "body.weight", "body.bias", "fc.weight", "fc.bias"]
    again = Net()
    x = torch.randn(5, 3)
    assert not same_bits(again(x), model(x))
    again.load_state_dict(state)
    assert same_bits(again(x), model(x))
    with pytest.raises(FileNotFoundError):
        torch.load(tmp_path / "nothing.pt")


def test_S1_ondol_opens_the_weights_that_pytorch_wrote():
    model = build()
    answer = model.load_state_dict(torch.load(DATA / "pytorch_weights.pt"))
    assert answer.missing_keys == [] and answer.unexpected_keys == []
    model.eval()
    assert torch.allclose(model(X), torch.tensor(PYTORCH_ANSWER), rtol=0, atol=1e-7)
    assert model[1].num_batches_tracked.item() == 1 and model[1].num_batches_tracked.dtype is torch.int64
    assert model[0].bias.tolist() == [-0.22598037123680115, -0.14515428245067596]


def test_S1_the_file_of_weights_names_only_what_pytorch_knows(tmp_path):
    torch.save(build().state_dict(), tmp_path / "weights.pt")
    with zipfile.ZipFile(tmp_path / "weights.pt") as archive:
        names = {name.partition("/")[2] for name in archive.namelist()}
        assert {"data.pkl", "version", "byteorder", "data/0"} <= names
        (pickled,) = (archive.read(name) for name in archive.namelist() if name.endswith("/data.pkl"))
    assert b"ondol" not in pickled
    mentioned = {argument for _, argument, _ in pickletools.genops(pickled) if isinstance(argument, str)}
    assert "torch._utils _rebuild_tensor_v2" in mentioned and "torch FloatStorage" in mentioned


def test_S1_pytorch_opens_the_file(tmp_path):
    pytorch = pytest.importorskip("torch", reason="PyTorch is not installed; the file's contents are tested above")
    model = build()
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    state = pytorch.load(tmp_path / "weights.pt", weights_only=True)
    for name, tensor in model.state_dict().items():
        assert state[name].numpy().tobytes() == tensor.numpy().tobytes()


def test_S2_weights_alone_forget_requires_grad(tmp_path):
    model = Net()
    model.body.requires_grad_(False)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    again = Net()
    again.load_state_dict(torch.load(tmp_path / "weights.pt"))
    assert all(flags(again).values()) and not all(flags(model).values())


def test_S2_the_documented_way_to_keep_the_flags_beside_the_weights(tmp_path):
    model = Net()
    model.body.requires_grad_(False)
    torch.save({"weights": model.state_dict(), "requires_grad": flags(model)}, tmp_path / "both.pt")
    loaded = torch.load(tmp_path / "both.pt")
    again = Net()
    again.load_state_dict(loaded["weights"])
    for name, flag in loaded["requires_grad"].items():
        again.get_parameter(name).requires_grad_(flag)
    assert flags(again) == flags(model)


def test_S3_a_whole_model_comes_back_with_no_model_built_first(tmp_path):
    model = build().eval()
    model[0].requires_grad_(False)
    torch.save(model, tmp_path / "model.pt")
    again = torch.load(tmp_path / "model.pt")
    assert repr(again) == repr(model) and not again.training
    assert flags(again) == flags(model) and not flags(again)["0.weight"] and flags(again)["4.weight"]
    assert same_bits(again(X), model(X))


def test_S3_a_whole_model_that_pytorch_wrote_comes_back():
    model = torch.load(DATA / "pytorch_model.pt")
    assert isinstance(model, nn.Sequential) and isinstance(model[0], nn.Conv2d) and repr(model) == repr(build())
    assert flags(model)["0.weight"] is False and flags(model)["4.weight"] is True and not model.training
    assert torch.allclose(model(X), torch.tensor(PYTORCH_ANSWER), rtol=0, atol=1e-7)


def test_S3_a_module_class_of_ones_own_comes_back_without_its_code_being_run(tmp_path, monkeypatch):
    model = Net()
    model.body.requires_grad_(False)
    torch.save(model, tmp_path / "model.pt")

    def never(*_):
        raise AssertionError("loading must not build the model by hand")

    monkeypatch.setattr(Net, "__init__", never)
    x = torch.randn(5, 3)
    for again in (torch.load(tmp_path / "model.pt"), torch.load(tmp_path / "model.pt", weights_only=False)):
        assert type(again) is Net and flags(again) == flags(model) and same_bits(again(x), model(x))
        assert [name for name, _ in again.named_buffers()] == ["steps"]


def test_S3_another_class_of_ones_own_is_refused_until_it_is_allowed(tmp_path):
    torch.save({"settings": Settings(3)}, tmp_path / "file.pt")
    with pytest.raises(pickle.UnpicklingError, match="Settings"):
        torch.load(tmp_path / "file.pt")
    with safe_globals([Settings]):
        assert torch.load(tmp_path / "file.pt")["settings"].depth == 3
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "file.pt")


def test_S3_a_hostile_file_is_refused_and_runs_nothing(tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    buffer = io.BytesIO()
    torch.save({"weights": torch.zeros(1), "more": Hostile()}, buffer)
    buffer.seek(0)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(buffer)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("whole", [True, False], ids=["whole model", "weights only"])
def test_S4_training_goes_on_as_if_it_had_never_stopped(tmp_path, whole):
    def steps(model, optimizer, count):
        for step in range(count):
            x = torch.arange(15.0).view(5, 3) / (step + 10)
            optimizer.zero_grad()
            model(x).pow(2).mean().backward()
            optimizer.step()

    torch.manual_seed(0)
    model = Net()
    model.body.bias.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    steps(model, optimizer, 3)
    saved = {"model": model if whole else model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(saved, tmp_path / "checkpoint.pt")
    steps(model, optimizer, 3)

    loaded = torch.load(tmp_path / "checkpoint.pt")
    if whole:
        again = loaded["model"]
    else:
        again = Net()
        again.load_state_dict(loaded["model"])
        again.body.bias.requires_grad_(False)
    optimizer = torch.optim.AdamW(again.parameters(), lr=0.05)
    optimizer.load_state_dict(loaded["optimizer"])
    steps(again, optimizer, 3)
    for name, tensor in model.state_dict().items():
        assert same_bits(tensor, again.state_dict()[name]), name


def test_S4_both_serve_for_inference(tmp_path):
    model = build().eval()
    torch.save(model, tmp_path / "model.pt")
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    from_weights = build().eval()
    from_weights.load_state_dict(torch.load(tmp_path / "weights.pt"))
    with torch.inference_mode():
        outputs = [each(X) for each in (model, torch.load(tmp_path / "model.pt"), from_weights)]
        assert same_bits(outputs[0], outputs[1]) and same_bits(outputs[0], outputs[2])
