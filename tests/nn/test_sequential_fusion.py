"""What `Sequential` computes in one native operation is what the separate calls compute, to the bit and error."""

from __future__ import annotations

import copy
import itertools
import pickle
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

import ondol
from ondol import nn

CONVOLUTIONS = {  # arguments of Conv2d, by the kernel that computes it
    "1x1": (16, 24, 1),
    "first layer": (3, 8, 3, 2, 1),
    "large kernel": (3, 16, 7, 2, 3),
    "winograd": (32, 48, 3, 1, 1),
    "one channel": (1, 32, 3),
    "depthwise": (32, 32, 3, 1, 1, 1, 32),
    "depthwise, stride 2": (32, 32, 5, 2, 2, 1, 32),
    "depthwise, dilated": (8, 16, 3, 1, 2, 2, 8),
    "groups": (16, 32, 5, 1, 2, 1, 8),
}
SIZES = [(7, 7), (14, 13), (33, 28), (56, 56)]


@pytest.fixture
def fused() -> Iterator[mock.Mock]:
    """Counts the calls of the native operation."""
    with mock.patch.object(
        ondol._native.nn, "_conv2d_epilogue", side_effect=ondol._native.nn._conv2d_epilogue
    ) as operation:
        yield operation


def make_norm(channels: int, **kwargs: Any) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, **kwargs)
    with ondol.no_grad():
        for tensor in norm.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.1, 2)
    return norm.eval()


def make_block(activation: type = nn.ReLU6) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), make_norm(8), activation(inplace=True)).eval()


def separately(chain: nn.Sequential, x: ondol.Tensor) -> ondol.Tensor:
    for module in chain:
        x = separately(module, x) if isinstance(module, nn.Sequential) else module(x)
    return x


def same_bits(a: ondol.Tensor, b: ondol.Tensor) -> bool:
    return a.stride() == b.stride() and ondol.equal(a.contiguous().view(ondol.int32), b.contiguous().view(ondol.int32))


def images(*sizes: int) -> ondol.Tensor:
    return ondol.randn(*sizes, generator=ondol.Generator().manual_seed(0))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("arguments", CONVOLUTIONS.values(), ids=CONVOLUTIONS.keys())
def test_same_bits_as_separate_calls(arguments: tuple, size: tuple, fused: mock.Mock) -> None:
    channels_in, channels_out = arguments[:2]
    norms = [None, make_norm(channels_out), make_norm(channels_out, affine=False)]
    activations = [None, nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.ReLU6(inplace=True)]
    convolutions = [nn.Conv2d(*arguments), nn.Conv2d(*arguments, bias=False)]
    for modules in itertools.product(convolutions, norms, activations):
        chain = nn.Sequential(*(module for module in modules if module is not None))
        for batch in (1, 3):
            with ondol.no_grad():
                x = images(batch, channels_in, *size)
                assert same_bits(chain(x), separately(chain, x))
            assert fused.call_count == (len(chain) > 1)
            fused.reset_mock()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("arguments", CONVOLUTIONS.values(), ids=CONVOLUTIONS.keys())
def test_pool_of_squares_has_the_same_bits(arguments: tuple, size: tuple, fused: mock.Mock) -> None:
    conv, norm, pool = nn.Conv2d(*arguments), make_norm(arguments[1]), nn.MaxPool2d(2)
    x = images(3, arguments[0], *size)
    if min(conv(x).shape[2:]) < 2:
        with pytest.raises(RuntimeError, match="Output size is too small"):
            nn.Sequential(conv, nn.ReLU(), pool)(x)
        return
    x[0, 0, 3, 4], x[1, 0, size[0] - 1, size[1] - 1], x[2, 0, 0, 0] = float("nan"), float("inf"), -float("inf")
    for chain in (nn.Sequential(conv, nn.ReLU(), pool), nn.Sequential(conv, norm, nn.ReLU6(), pool, nn.ReLU())):
        with ondol.no_grad():
            assert same_bits(chain(x), separately(chain, x))
        assert fused.call_count == 1
        fused.reset_mock()


@pytest.mark.parametrize("arguments", CONVOLUTIONS.values(), ids=CONVOLUTIONS.keys())
def test_nan_and_infinity_pass_as_in_separate_calls(arguments: tuple, fused: mock.Mock) -> None:
    for modules in ([make_norm(arguments[1])], [make_norm(arguments[1]), nn.ReLU()], [nn.ReLU()], [nn.ReLU6()]):
        chain = nn.Sequential(nn.Conv2d(*arguments), *modules)
        x = images(2, arguments[0], 20, 21)
        x[0, 0, 3, 4], x[0, 0, 19, 20], x[1, 0, 0, 0] = float("nan"), float("inf"), -float("inf")
        with ondol.no_grad():
            result = chain(x)
            assert result.isnan().any() and same_bits(result, separately(chain, x))
    assert fused.call_count == 4


@pytest.mark.parametrize("arguments", CONVOLUTIONS.values(), ids=CONVOLUTIONS.keys())
def test_same_bits_for_any_number_of_threads(arguments: tuple, fused: mock.Mock) -> None:
    chain, x = nn.Sequential(nn.Conv2d(*arguments), make_norm(arguments[1]), nn.ReLU()), images(2, arguments[0], 30, 29)
    before, results = ondol.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            ondol.set_num_threads(threads)
            with ondol.no_grad():
                results.append(chain(x))
    finally:
        ondol.set_num_threads(before)
    assert same_bits(results[0], results[1]) and same_bits(results[0], results[2]) and fused.call_count == 3


def test_negative_zero_stays_as_in_separate_calls(fused: mock.Mock) -> None:
    conv = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(conv.weight, -1e-30)
    x = ondol.full((1, 1, 5, 5), 1e-30)
    for activation in (nn.ReLU(), nn.ReLU6()):
        with ondol.no_grad():
            assert same_bits(nn.Sequential(conv, activation)(x), activation(conv(x)))
    assert fused.call_count == 2


def test_empty_batch(fused: mock.Mock) -> None:
    with ondol.no_grad():
        assert make_block()(ondol.empty(0, 4, 6, 6)).shape == (0, 8, 6, 6)
    assert fused.call_count == 1


def test_input_that_is_not_contiguous(fused: mock.Mock) -> None:
    block = make_block()
    for x in (images(2, 4, 9, 8).contiguous(memory_format=ondol.channels_last), images(2, 4, 9, 8).transpose(2, 3)):
        with ondol.no_grad():
            assert same_bits(block(x), separately(block, x))
    assert fused.call_count == 2


def test_modules_around_and_nested(fused: mock.Mock) -> None:
    block = make_block()
    chain = nn.Sequential(nn.ReLU(), block, nn.Conv2d(8, 8, 1), nn.MaxPool2d(2), nn.Conv2d(8, 2, 1), nn.ReLU()).eval()
    x = images(2, 4, 8, 8)
    with ondol.no_grad():
        assert same_bits(chain(x), separately(chain, x))
    assert fused.call_count == 2


def test_input_is_left_alone(fused: mock.Mock) -> None:
    x = images(2, 4, 8, 8)
    before = x.clone()
    with ondol.no_grad():
        make_block()(x)
    assert fused.called and ondol.equal(x, before)


def test_inference_mode_makes_inference_tensors(fused: mock.Mock) -> None:
    with ondol.inference_mode():
        assert make_block()(images(1, 4, 5, 5)).is_inference()
    assert fused.called


def test_what_is_not_a_relu_alone_is_recorded_separately(fused: mock.Mock) -> None:
    block = make_block()
    for model in (block, copy.deepcopy(block).requires_grad_(False), nn.Sequential(block[0], nn.ReLU6())):
        x = images(1, 4, 5, 5).requires_grad_()
        model(x).sum().backward()
        assert x.grad is not None
    assert not fused.called


class TestRecordedRelu:
    """A convolution and its relu are one operation in training too, with the graph of two."""

    @pytest.fixture(autouse=True)
    def make(self, fused: mock.Mock) -> None:
        self.fused, self.x = fused, images(2, 4, 9, 8).requires_grad_()
        self.chain = nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(inplace=True))

    def gradients(self, y: ondol.Tensor, **options: Any) -> tuple[ondol.Tensor, ...]:
        return ondol.autograd.grad((y * y).sum(), [self.x, *self.chain.parameters()], **options)

    def test_results_graph_and_gradients(self) -> None:
        y, expected = self.chain(self.x), separately(self.chain, self.x)
        assert self.fused.call_count == 2 and same_bits(y.detach(), expected.detach()) and y._version == 0
        names, node = [], y.grad_fn
        while node.name() != "AccumulateGrad":
            names.append(node.name())
            node = node.next_functions[0][0]
        assert names == ["ReluBackward0", "ConvolutionBackward0"] * 2
        for ours, theirs in zip(self.gradients(y), self.gradients(expected), strict=True):
            assert same_bits(ours, theirs)

    def test_gradients_of_some(self) -> None:
        self.x = images(2, 4, 9, 8)
        self.chain[0].requires_grad_(False)
        self.chain(self.x).sum().backward()
        assert self.fused.call_count == 2
        assert [p.grad is not None for p in self.chain.parameters()] == [False, False, True, True]
        assert not self.chain.requires_grad_(False)(self.x).requires_grad

    def test_second_derivatives(self) -> None:
        second = []
        for y in (self.chain(self.x), separately(self.chain, self.x)):
            first = self.gradients(y, create_graph=True)
            second.append(ondol.autograd.grad(sum((g * g).sum() for g in first), [self.x, self.chain[0].weight]))
        assert self.fused.called
        for ours, theirs in zip(*second, strict=True):
            assert same_bits(ours, theirs)

    def test_change_of_the_result_is_noticed(self) -> None:
        y = self.chain(self.x)
        with ondol.no_grad():
            y.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()

    def test_transforms(self) -> None:
        def loss(x: ondol.Tensor) -> ondol.Tensor:
            return (self.chain(x) ** 2).sum()

        x, tangent = images(3, 4, 9, 8), images(3, 4, 9, 8).sin()
        gradient = ondol.func.grad(loss)(x)
        value, slope = ondol.func.jvp(loss, (x,), (tangent,))
        ondol.testing.assert_close(slope, (gradient * tangent).sum())
        ondol.testing.assert_close(value, (separately(self.chain, x) ** 2).sum())
        for i, one in enumerate(ondol.vmap(ondol.func.grad(loss))(x.unsqueeze(1))):
            ondol.testing.assert_close(one[0], gradient[i])

    def test_backward_hooks_see_each_module(self) -> None:
        seen: list = []
        for i, module in enumerate(self.chain):
            module.register_full_backward_hook(lambda module, grad_in, grad_out, i=i: seen.append(i))
        self.chain(self.x).sum().backward()
        assert seen == [3, 2, 1, 0] and not self.fused.called

    def test_hooks_on_saved_tensors(self) -> None:
        def shapes_saved_by(run: Any) -> list[tuple]:
            shapes: list[tuple] = []
            with ondol.autograd.graph.saved_tensors_hooks(lambda t: shapes.append(tuple(t.shape)) or t, lambda t: t):
                run(self.x).sum().backward()
            return shapes

        assert shapes_saved_by(self.chain) == shapes_saved_by(lambda x: separately(self.chain, x))


class TestRecordedPool:
    """Convolution, relu and a pool of squares are one operation in training, with the graph of three."""

    @pytest.fixture(autouse=True)
    def make(self, fused: mock.Mock) -> None:
        self.fused = fused

    def chain(self, channels_in: int = 32, channels_out: int = 48, padding: int = 1) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(channels_in, channels_out, 3, padding=padding), nn.ReLU(), nn.MaxPool2d(2))

    @pytest.mark.parametrize("size", [*SIZES, (9, 30)], ids=str)
    @pytest.mark.parametrize("channels", [(32, 48), (64, 32), (4, 8)])
    def test_results_graph_and_gradients(self, channels: tuple, size: tuple) -> None:
        chain, x = self.chain(*channels), images(3, channels[0], *size)
        x[1, 0, 2, 3] = float("nan")
        x.requires_grad_()
        y, expected = chain(x), separately(chain, x)
        assert self.fused.call_count == 1 and same_bits(y.detach(), expected.detach())
        names, node = [], y.grad_fn
        while node.name() != "AccumulateGrad":
            names.append(node.name())
            node = node.next_functions[0][0]
        assert names == ["MaxPool2DWithIndicesBackward0", "ReluBackward0", "ConvolutionBackward0"]
        g, inputs = images(*y.shape), [x, *chain.parameters()]
        for ours, theirs in zip(
            ondol.autograd.grad(y, inputs, g), ondol.autograd.grad(expected, inputs, g), strict=True
        ):
            assert same_bits(ours, theirs)

    def test_second_derivatives(self) -> None:
        chain, x = self.chain(), images(2, 32, 10, 11).requires_grad_()
        second = []
        for y in (chain(x), separately(chain, x)):
            first = ondol.autograd.grad((y * y).sum(), [x, *chain.parameters()], create_graph=True)
            second.append(ondol.autograd.grad(sum((g * g).sum() for g in first), [x, chain[0].weight]))
        assert self.fused.called
        for ours, theirs in zip(*second, strict=True):
            assert same_bits(ours, theirs)

    def test_gradients_of_some(self) -> None:
        chain, x = self.chain(), images(2, 32, 10, 11)
        chain[0].weight.requires_grad_(False)
        chain(x).sum().backward()
        assert chain[0].weight.grad is None and chain[0].bias.grad is not None
        assert not chain.requires_grad_(False)(x).requires_grad and self.fused.call_count == 2

    def test_gradients_between_that_are_looked_at(self) -> None:
        """Without a look the pool's gradient is never spread over the image; with one it is what it should be."""
        chain, x = self.chain(), images(2, 32, 11, 14).requires_grad_()
        inputs, results = [x, *chain.parameters()], []
        expected = separately(chain, x)
        seen: list[ondol.Tensor] = []
        for y in (chain(x), expected, chain(x)):
            if len(results) < 2:
                relu = y.grad_fn.next_functions[0][0]
                convolution = relu.next_functions[0][0]
                relu.register_prehook(lambda incoming: seen.append(incoming[0].clone()))
                convolution.register_hook(lambda outgoing, incoming: seen.append(incoming[0].clone()))
            results.append(ondol.autograd.grad(y.square().sum(), inputs))
        assert seen[0].shape == (2, 48, 11, 14) and int((seen[0] != 0).sum()) == int((expected > 0).sum())
        # The relu has its turn in the middle; where it lets nothing through, the fused gradient is 0 before it already.
        assert same_bits(seen[1], seen[3]) and len(seen) == 4
        for other in results[1:]:
            assert all(map(same_bits, results[0], other))

    def test_gradients_between_that_are_asked_for(self) -> None:
        chain, x = self.chain(), images(2, 32, 10, 10).requires_grad_()
        found = []
        for y in (chain(x), separately(chain, x)):
            convolution = y.grad_fn.next_functions[0][0].next_functions[0][0]
            edge = ondol.autograd.graph.GradientEdge(convolution, 0)
            found.append(ondol.autograd.grad(y.square().sum(), [edge, x]))
        assert found[0][0].shape == (2, 48, 10, 10) and all(map(same_bits, *found))

    def test_a_second_pass(self) -> None:
        chain, x = self.chain(), images(2, 32, 10, 10).requires_grad_()
        loss, inputs = chain(x).square().sum(), [x, *chain.parameters()]
        first = ondol.autograd.grad(loss, inputs, retain_graph=True)
        with ondol.autograd.detect_anomaly():
            second = ondol.autograd.grad(loss, inputs, retain_graph=True)
        assert all(map(same_bits, first, second))
        assert all(map(same_bits, first, ondol.autograd.grad(loss, inputs)))
        with pytest.raises(RuntimeError, match="second time"):
            ondol.autograd.grad(loss, inputs)

    def test_a_pass_that_breaks_off(self) -> None:
        chain, x = self.chain(), images(2, 32, 10, 10).requires_grad_()
        y = chain(x)
        inputs = [x, *chain.parameters()]

        def refuse(gradient: ondol.Tensor) -> None:
            raise ValueError("no further")

        handle = x.register_hook(refuse)
        with pytest.raises(ValueError, match="no further"):
            y.square().sum().backward(retain_graph=True)
        handle.remove()
        expected = ondol.autograd.grad(separately(chain, x).square().sum(), inputs)
        assert all(map(same_bits, ondol.autograd.grad(y.square().sum(), inputs), expected))

    def test_same_bits_for_any_number_of_threads(self) -> None:
        chain, x, before, results = self.chain(), images(3, 32, 30, 29), ondol.get_num_threads(), []
        try:
            for threads in (1, 2, 3):
                ondol.set_num_threads(threads)
                y = chain(x)
                results.append((y.detach(), *ondol.autograd.grad(y.sum(), list(chain.parameters()))))
        finally:
            ondol.set_num_threads(before)
        for other in results[1:]:
            assert all(map(same_bits, results[0], other))

    def test_hooks_on_saved_tensors(self) -> None:
        def shapes_saved_by(run: Any) -> list[tuple]:
            shapes: list[tuple] = []
            with ondol.autograd.graph.saved_tensors_hooks(lambda t: shapes.append(tuple(t.shape)) or t, lambda t: t):
                run(images(2, 32, 10, 11)).sum().backward()
            return shapes

        chain = self.chain()
        assert shapes_saved_by(chain) == shapes_saved_by(lambda x: separately(chain, x))

    @pytest.mark.parametrize(
        "pool",
        [
            nn.MaxPool2d(3), nn.MaxPool2d(2, 1), nn.MaxPool2d(2, padding=1), nn.MaxPool2d(2, dilation=2),
            nn.MaxPool2d(2, ceil_mode=True), nn.MaxPool2d(2, return_indices=True), nn.MaxPool2d((2, 1)),
        ],
        ids=str,
    )  # fmt: skip
    def test_other_windows_are_pooled_by_the_module(self, pool: nn.MaxPool2d) -> None:
        chain, x = self.chain(), images(2, 32, 11, 13)
        chain[2] = pool
        result, expected = chain(x), separately(chain, x)
        if pool.return_indices:
            (result, indices), (expected, places) = result, expected
            assert ondol.equal(indices, places)
        assert same_bits(result.detach(), expected.detach()) and self.fused.call_count == 1
        assert self.fused.call_args.args[-1] is False

    def test_window_as_a_pair(self) -> None:
        chain, x = self.chain(), images(2, 32, 11, 13)
        chain[2] = nn.MaxPool2d((2, 2))
        assert same_bits(chain(x).detach(), separately(chain, x).detach())
        assert self.fused.call_args.args[-1] is True

    def test_hook_on_the_pool(self) -> None:
        chain, seen = self.chain(), []
        chain[2].register_forward_hook(lambda module, args, output: seen.append(args[0].shape))
        chain(images(2, 32, 10, 12))
        assert seen == [(2, 48, 10, 12)] and not self.fused.called

    def test_empty_batch(self) -> None:
        assert self.chain()(ondol.empty(0, 32, 6, 6)).shape == (0, 48, 3, 3)


class TestStateOfTheModules:
    """What the modules hold and are is looked at in each call."""

    @pytest.fixture(autouse=True)
    def make(self, fused: mock.Mock) -> Iterator[None]:
        self.fused, self.block, self.x = fused, make_block(), images(2, 4, 6, 6)
        with ondol.no_grad():
            self.before = self.block(self.x)
            assert fused.call_count == 1
            fused.reset_mock()
            yield

    def check(self, *, fused: bool, changed: bool = True) -> None:
        result = self.block(self.x)
        assert self.fused.called == fused
        assert same_bits(result, separately(self.block, self.x))
        assert ondol.equal(result, self.before) != changed

    def test_training(self) -> None:
        self.block.train()
        result, mean = self.block(self.x), self.block[1].running_mean.clone()
        assert not self.fused.called and not ondol.equal(result, self.before)
        self.block.eval()
        self.check(fused=True)
        assert ondol.equal(self.block[1].running_mean, mean)

    def test_running_mean_changed_in_place(self) -> None:
        self.block[1].running_mean.sub_(1)
        self.check(fused=True)

    def test_parameters_replaced(self) -> None:
        self.block[0].weight = nn.Parameter(images(8, 4, 3, 3))
        self.block[1].bias = None
        self.check(fused=True)

    def test_module_replaced(self) -> None:
        self.block[2] = nn.Sigmoid()
        self.check(fused=True)
        self.block[1] = nn.Identity()
        self.fused.reset_mock()
        self.check(fused=False)

    def test_limits_changed(self) -> None:
        self.block[2].max_val = 0.5
        self.check(fused=True)

    def test_without_running_statistics(self) -> None:
        self.block[1] = nn.BatchNorm2d(8, track_running_stats=False).eval()
        self.check(fused=False)

    def test_forward_of_an_instance(self) -> None:
        self.block[1].forward = lambda x: x + 1
        self.check(fused=False)

    def test_forward_of_a_class(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(nn.ReLU6, "forward", lambda self, x: x + 1)
        self.check(fused=False)

    def test_subclass(self) -> None:
        class Doubled(nn.Conv2d):
            def forward(self, input: ondol.Tensor) -> ondol.Tensor:
                return 2 * super().forward(input)

        self.block[0] = Doubled(4, 8, 3)
        self.check(fused=False)

    def test_parametrization(self) -> None:
        nn.utils.parametrizations.weight_norm(self.block[0])
        with ondol.no_grad():
            self.block[0].parametrizations.weight.original0.mul_(2)
        self.check(fused=False)

    def test_padding_modes(self) -> None:
        self.block[0].padding_mode = "circular"
        self.block[0]._reversed_padding_repeated_twice = [1, 1, 1, 1]
        self.check(fused=False)

    def test_padding_by_name(self) -> None:
        self.block[0].padding = "valid"
        result = self.block(self.x)
        assert not self.fused.called and result.shape == (2, 8, 4, 4)

    @pytest.mark.parametrize("position", range(3))
    def test_hooks(self, position: int) -> None:
        for register in (self.block[position].register_forward_hook, self.block[position].register_forward_pre_hook):
            hook = mock.Mock(return_value=None)
            handle = register(hook)
            self.check(fused=False, changed=False)
            assert hook.call_args.args[0] is self.block[position]
            handle.remove()
        self.check(fused=False, changed=False)  # the call that finds the hook gone ...
        self.check(fused=True, changed=False)

    def test_global_hooks(self) -> None:
        seen: list = []
        handle = nn.modules.module.register_module_forward_hook(lambda module, *rest: seen.append(module))
        self.block(self.x)
        handle.remove()
        assert not self.fused.called and seen == [*self.block, self.block]

    def test_copies(self) -> None:
        for block in (copy.deepcopy(self.block), pickle.loads(pickle.dumps(self.block))):
            assert same_bits(block(self.x), self.before)
        assert self.fused.call_count == 2


class TestWhoElseTakesPart:
    @pytest.fixture(autouse=True)
    def without_gradients(self) -> Iterator[None]:
        with ondol.no_grad():
            yield

    def test_autocast(self, fused: mock.Mock) -> None:
        with ondol.autocast("cpu", dtype=ondol.bfloat16):
            assert make_block()(images(1, 4, 5, 5)).dtype is ondol.bfloat16
        assert not fused.called

    def test_function_mode_sees_separate_calls(self, fused: mock.Mock) -> None:
        names: list[str] = []

        class Names(ondol.overrides.TorchFunctionMode):
            def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
                names.append(func.__name__)
                return func(*args, **(kwargs or {}))

        block, x = make_block(), images(1, 4, 5, 5)
        with Names():
            block(x)
        assert not fused.called and {"conv2d", "batch_norm", "hardtanh_"} <= set(names)

    def test_subclass_of_tensor_keeps_its_class(self, fused: mock.Mock) -> None:
        class Image(ondol.Tensor):
            pass

        assert type(make_block()(images(1, 4, 5, 5).as_subclass(Image))) is Image
        assert not fused.called

    def test_vmap_over_images_and_over_models(self, fused: mock.Mock) -> None:
        blocks, x = [make_block() for _ in range(3)], images(3, 2, 4, 5, 5)
        for i, result in enumerate(ondol.vmap(blocks[0])(x)):
            ondol.testing.assert_close(result, separately(blocks[0], x[i]))
        states = [dict(block.state_dict()) for block in blocks]
        stacked = {name: ondol.stack([state[name] for state in states]) for name in states[0]}
        results = ondol.vmap(lambda state: ondol.func.functional_call(blocks[0], state, (x[0],)))(stacked)
        for block, result in zip(blocks, results):
            ondol.testing.assert_close(result, separately(block, x[0]))
        assert not fused.called

    def test_functional_call(self, fused: mock.Mock) -> None:
        block, other, x = make_block(), make_block(), images(2, 4, 5, 5)
        result = ondol.func.functional_call(block, dict(other.state_dict()), (x,))
        assert same_bits(result, separately(other, x)) and fused.call_count == 1

    def test_other_dtypes_and_ranks(self, fused: mock.Mock) -> None:
        block = make_block()
        assert block[0::2](images(4, 5, 5)).shape == (8, 5, 5)
        assert block.double()(images(1, 4, 5, 5).double()).dtype is ondol.float64
        assert not fused.called


@pytest.mark.parametrize(
    "spoil",
    [
        lambda block: setattr(block[0], "weight", nn.Parameter(ondol.ones(8, 5, 3, 3))),
        lambda block: setattr(block[0], "dilation", (9, 9)),
        lambda block: setattr(block[0], "stride", (0, 1)),
        lambda block: delattr(block[0], "bias"),
        lambda block: setattr(block[1], "running_mean", ondol.ones(7)),
        lambda block: setattr(block[1], "running_var", None),
        lambda block: block[1].double(),
        lambda block: setattr(block[2], "max_val", -1.0),
    ],
)
def test_errors_are_those_of_the_separate_calls(spoil: Any, fused: mock.Mock) -> None:
    block, x = make_block(), images(1, 4, 5, 5)
    spoil(block)
    errors = []
    for mode in (ondol.no_grad, ondol.enable_grad):
        with mode(), pytest.raises(Exception) as caught:
            block(x)
        errors.append((caught.type, str(caught.value), getattr(caught.value, "__notes__", None)))
    assert errors[0] == errors[1]
