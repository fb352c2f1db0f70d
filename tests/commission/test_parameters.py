"""The commission, P: parameters and buffers. Each test is named for its row in FEATURES."""

import pytest

import ondol as torch
from ondol import nn


class Three(nn.Module):
    """One parameter, one plain tensor, one buffer."""

    def __init__(self):
        super().__init__()
        self.W = nn.Parameter(torch.ones(2))
        self.plain = torch.ones(2, requires_grad=True)
        self.register_buffer("running", torch.ones(2))
        self.register_buffer("scratch", torch.ones(2), persistent=False)

    def forward(self, x):
        return x * self.W * self.plain * self.running


def test_P1_an_assigned_parameter_is_registered_a_plain_tensor_is_not():
    model = Three()
    assert isinstance(model.W, nn.Parameter) and isinstance(model.W, torch.Tensor)
    assert not isinstance(model.plain, nn.Parameter)
    assert [name for name, _ in model.named_parameters()] == ["W"]
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    assert len(optimizer.param_groups[0]["params"]) == 1 and optimizer.param_groups[0]["params"][0] is model.W
    assert nn.Parameter(torch.zeros(1)).requires_grad
    assert not nn.Parameter(torch.zeros(1), requires_grad=False).requires_grad


def test_P2_a_plain_tensor_where_a_parameter_stands_is_refused():
    model = Three()
    before = model.W
    with pytest.raises(TypeError, match=r"(?i)parameter") as refused:
        model.W = torch.zeros(2)
    assert "nn.Parameter" in str(refused.value)
    assert model.W is before
    model.W = nn.Parameter(torch.zeros(2))
    assert model.W.tolist() == [0, 0]
    model.W = None
    assert model.W is None and dict(model.named_parameters()) == {}


def test_P3_a_parameter_has_data_grad_and_requires_grad():
    layer = nn.Linear(2, 1)
    assert type(layer.weight) is nn.Parameter and type(layer.weight.data) is torch.Tensor
    assert layer.weight.data.data_ptr() == layer.weight.data_ptr()

    layer.weight.data = torch.tensor([[3.0, 4.0]])
    assert layer.weight.tolist() == [[3, 4]] and layer.weight.requires_grad and type(layer.weight) is nn.Parameter
    layer.weight.data.fill_(2)
    assert layer.weight.tolist() == [[2, 2]]

    layer.weight.grad = torch.ones(1, 2)
    assert layer.weight.grad.tolist() == [[1, 1]]
    layer.weight.grad = None
    assert layer.weight.grad is None
    layer.weight.requires_grad = False
    assert not layer.weight.requires_grad


def test_P3_a_gradient_of_another_shape_or_dtype_is_refused():
    layer = nn.Linear(2, 1)
    for wrong in (torch.ones(3), torch.ones(1, 2, dtype=torch.float64)):
        with pytest.raises(RuntimeError):
            layer.weight.grad = wrong
    with pytest.raises(TypeError):
        layer.weight.grad = [1.0, 2.0]
    with pytest.raises(TypeError):
        layer.weight.data = [[1.0, 2.0]]
    assert layer.weight.grad is None


def test_P4_frozen_parameters_get_no_gradient_and_no_update():
    torch.manual_seed(0)
    model = nn.Sequential()
    model.add_module("body", nn.Linear(3, 4))
    model.add_module("fc", nn.Linear(4, 2))
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("fc.")
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}

    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(5, 3)).pow(2).sum().backward()
        optimizer.step()
    for name, parameter in model.named_parameters():
        bits, bits_before = parameter.detach().numpy().tobytes(), before[name].numpy().tobytes()
        assert (bits == bits_before) is name.startswith("body.")
        assert (parameter.grad is None) is name.startswith("body.")


def test_P4_a_whole_module_is_frozen_at_once():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    assert model.requires_grad_(False) is model
    assert not any(parameter.requires_grad for parameter in model.parameters())
    model[1].requires_grad_()
    assert [parameter.requires_grad for parameter in model.parameters()] == [False, False, True, True]


def test_P5_parameter_plain_tensor_and_buffer_in_one_module():
    model = Three()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    model(torch.ones(2)).sum().backward()
    optimizer.step()
    assert model.W.tolist() == [0, 0]  # gradient, update, saved
    assert model.plain.tolist() == [1, 1]  # none of them by the module's doing
    assert model.running.grad is None and model.running.tolist() == [1, 1]  # saved only
    assert list(model.state_dict()) == ["W", "running"]
    assert [name for name, _ in model.named_buffers()] == ["running", "scratch"]


def test_P5_buffers_and_parameters_move_with_to_plain_tensors_stay():
    model = Three().to(torch.float64)
    assert model.W.dtype is torch.float64 and model.running.dtype is torch.float64
    assert model.scratch.dtype is torch.float64 and model.plain.dtype is torch.float32
    model.running = torch.zeros(2)
    assert dict(model.named_buffers())["running"].tolist() == [0, 0]
    with pytest.raises(TypeError):
        model.running = "not a tensor"
    with pytest.raises(KeyError):
        model.register_buffer("W", torch.zeros(1))


def test_P6_values_as_tensors_as_data_and_in_the_stores():
    model = Three()
    assert model.W.requires_grad and model.W.is_leaf and not model.W.data.requires_grad
    assert list(model.__dict__["_parameters"]) == ["W"] and model.__dict__["_parameters"]["W"] is model.W
    assert list(model.__dict__["_buffers"]) == ["running", "scratch"]
    assert dict(model.__dict__["_modules"]) == {}
    assert "plain" in model.__dict__ and "W" not in model.__dict__
    parent = nn.Sequential(model)
    assert parent.__dict__["_modules"]["0"] is model
    assert parent.__dict__["training"] is True


def test_P7_a_lazy_layer_learns_its_shape_from_its_first_input():
    layer = nn.LazyLinear(3)
    assert isinstance(layer.weight, nn.UninitializedParameter)
    assert isinstance(layer.weight, nn.Parameter)
    with pytest.raises((RuntimeError, ValueError)):
        layer.weight.shape  # noqa: B018
    assert layer(torch.ones(2, 5)).shape == (2, 3)
    assert type(layer) is nn.Linear and type(layer.weight) is nn.Parameter and layer.weight.shape == (3, 5)
    assert layer.in_features == 5
    layer(torch.ones(2, 5)).sum().backward()
    assert layer.weight.grad.shape == (3, 5)


@pytest.mark.parametrize(
    ("lazy", "arguments", "shape", "becomes"),
    [
        (nn.LazyLinear, (3,), (2, 5), nn.Linear),
        (nn.LazyConv1d, (3, 2), (2, 5, 8), nn.Conv1d),
        (nn.LazyConv2d, (3, 2), (2, 5, 8, 8), nn.Conv2d),
        (nn.LazyConv3d, (3, 2), (2, 5, 4, 4, 4), nn.Conv3d),
        (nn.LazyConvTranspose1d, (3, 2), (2, 5, 8), nn.ConvTranspose1d),
        (nn.LazyConvTranspose2d, (3, 2), (2, 5, 8, 8), nn.ConvTranspose2d),
        (nn.LazyConvTranspose3d, (3, 2), (2, 5, 4, 4, 4), nn.ConvTranspose3d),
        (nn.LazyBatchNorm1d, (), (2, 5, 8), nn.BatchNorm1d),
        (nn.LazyBatchNorm2d, (), (2, 5, 8, 8), nn.BatchNorm2d),
        (nn.LazyBatchNorm3d, (), (2, 5, 4, 4, 4), nn.BatchNorm3d),
        (
            nn.LazyInstanceNorm1d,
            (),
            (2, 5, 8),
            lambda size: nn.InstanceNorm1d(size, affine=True, track_running_stats=True),
        ),
        (
            nn.LazyInstanceNorm2d,
            (),
            (2, 5, 8, 8),
            lambda size: nn.InstanceNorm2d(size, affine=True, track_running_stats=True),
        ),
        (
            nn.LazyInstanceNorm3d,
            (),
            (2, 5, 4, 4, 4),
            lambda size: nn.InstanceNorm3d(size, affine=True, track_running_stats=True),
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_P7_every_lazy_module_becomes_its_plain_form(lazy, arguments, shape, becomes):
    layer = lazy(*arguments)
    output = layer(torch.ones(shape))
    plain = becomes(5, *arguments)
    assert type(layer) is type(plain) and output.shape[0] == 2
    assert repr(layer) == repr(plain)


def test_P7_an_unloaded_lazy_layer_takes_its_shape_from_a_state_dict():
    layer = nn.LazyLinear(3)
    with pytest.raises(RuntimeError):
        nn.Linear(5, 3).load_state_dict(layer.state_dict())
    layer.load_state_dict(nn.Linear(5, 3).state_dict())
    assert layer.weight.shape == (3, 5)
