"""The commission, A: autograd. Each test is named for its row in FEATURES."""

import warnings

import pytest

import ondol as torch
from ondol.utils.checkpoint import checkpoint


def test_A1_backward_on_a_scalar_fills_grad_of_the_leaves():
    w = torch.tensor(2.0, requires_grad=True)
    z = 10 * w**2 + 50
    assert w.grad is None
    z.backward()
    assert w.grad.item() == 40
    assert w.grad.requires_grad is False and w.grad.shape == w.shape


def test_A2_a_non_scalar_needs_an_external_gradient():
    a = torch.tensor([2.0, 3.0], requires_grad=True)
    b = torch.tensor([2.0, 3.0], requires_grad=True)
    q = 3 * a**3 - b**2
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        q.backward()
    with pytest.raises(RuntimeError):
        q.backward(gradient=torch.ones(3))
    q.backward(gradient=torch.tensor([1.0, 1.0]))
    assert a.grad.tolist() == [36, 81]
    assert b.grad.tolist() == [-4, -6]


def test_A3_gradients_accumulate_until_they_are_zeroed():
    layer = torch.nn.Linear(2, 1, bias=False)
    x = torch.tensor([[1.0, 2.0]])
    layer(x).sum().backward()
    layer(x).sum().backward()
    assert layer.weight.grad.tolist() == [[2, 4]]

    layer.zero_grad(set_to_none=False)
    assert layer.weight.grad.tolist() == [[0, 0]]
    layer.zero_grad()
    assert layer.weight.grad is None

    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(x).sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert layer.weight.grad.tolist() == [[0, 0]]
    optimizer.zero_grad()
    assert layer.weight.grad is None


def test_A4_no_grad_enable_grad_and_set_grad_enabled_as_contexts_and_decorators():
    x = torch.ones(1, requires_grad=True)
    assert torch.is_grad_enabled()
    with torch.no_grad():
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
        assert not torch.is_grad_enabled()
    with torch.set_grad_enabled(False):
        assert not (x * 2).requires_grad
    assert torch.is_grad_enabled()

    @torch.no_grad()
    def silent(value):
        return value * 2

    @torch.enable_grad()
    def loud(value):
        return value * 2

    assert not silent(x).requires_grad
    with torch.no_grad():
        assert loud(x).requires_grad
    with pytest.raises(ZeroDivisionError), torch.no_grad():
        raise ZeroDivisionError
    assert torch.is_grad_enabled()


def test_A4_inference_mode():
    x = torch.ones(1, requires_grad=True)
    with torch.inference_mode():
        inside = x * 2
    assert inside.is_inference() and not inside.requires_grad
    with pytest.raises(RuntimeError, match="(?i)inference"):
        (x * inside).sum().backward()

    @torch.inference_mode()
    def silent(value):
        return value * 2

    assert silent(x).is_inference()


def test_A4_requires_grad_detach_data_is_leaf_and_retain_grad():
    x = torch.ones(2, requires_grad=True)
    y = x * 3
    assert x.is_leaf and not y.is_leaf and torch.ones(2).is_leaf
    assert x.grad_fn is None and y.grad_fn is not None

    detached = y.detach()
    assert not detached.requires_grad and detached.data_ptr() == y.data_ptr()
    assert not x.data.requires_grad
    x.data[0] = 5
    assert x.tolist() == [5, 1]

    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.tolist() == [6, 6] and x.grad.tolist() == [18, 18]

    assert torch.ones(1).requires_grad_().requires_grad
    with pytest.raises(RuntimeError, match="only Tensors of floating point"):
        torch.ones(1, dtype=torch.int64).requires_grad_()
    with pytest.raises(RuntimeError, match="leaf"):
        y.requires_grad_(False)


def test_A5_a_graph_is_freed_after_backward_unless_retained():
    x = torch.tensor(3.0, requires_grad=True)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()

    x.grad = None
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12


def test_A5_create_graph_gives_second_and_third_derivatives():
    x = torch.tensor(2.0, requires_grad=True)
    (first,) = torch.autograd.grad(x**4, x, create_graph=True)
    (second,) = torch.autograd.grad(first, x, create_graph=True)
    (third,) = torch.autograd.grad(second, x)
    assert (first.item(), second.item(), third.item()) == (32, 48, 48)


def test_A6_in_place_changes_that_would_spoil_a_derivative_are_caught():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x += 1
    with pytest.raises(RuntimeError, match="leaf"):
        x[0] = 3
    with pytest.raises(RuntimeError, match="leaf"):
        x.view(2).add_(1)

    y = x * 2
    z = y * y  # the derivative of z needs y as it is now
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()

    y = x * 2
    z = y + 1  # this derivative needs nothing of y
    y.add_(1)
    z.sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_A6_the_version_counter_is_shared_by_views():
    x = torch.zeros(4)
    before = x._version
    x[:2].add_(1)
    assert x._version == before + 1
    y = torch.ones(2, requires_grad=True) * 1
    y[0] = 5  # allowed: the graph follows the change
    y.sum().backward()


def test_A7_a_tensor_hook_sees_the_gradient_and_may_change_it():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    seen = []
    watching = x.register_hook(lambda gradient: seen.append(gradient.tolist()))
    doubling = x.register_hook(lambda gradient: gradient * 2)
    (x * 3).sum().backward()
    assert seen == [[3, 3]] and x.grad.tolist() == [6, 6]

    watching.remove()
    doubling.remove()
    x.grad = None
    (x * 3).sum().backward()
    assert seen == [[3, 3]] and x.grad.tolist() == [3, 3]

    inner = x * 3
    inner.register_hook(lambda gradient: torch.zeros_like(gradient))
    x.grad = None
    inner.sum().backward()
    assert x.grad.tolist() == [0, 0]
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        torch.ones(1).register_hook(print)


def test_A7_a_post_accumulate_hook_runs_after_grad_has_been_filled():
    x = torch.tensor([1.0], requires_grad=True)
    seen = []
    handle = x.register_post_accumulate_grad_hook(lambda tensor: seen.append((tensor is x, tensor.grad.item())))
    (x * 4).backward()
    (x * 4).backward()
    handle.remove()
    (x * 4).backward()
    assert seen == [(True, 4), (True, 8)] and x.grad.item() == 12


def test_A8_autograd_grad():
    x, unused = torch.tensor(3.0, requires_grad=True), torch.tensor(1.0, requires_grad=True)
    y = x**2
    (gradient,) = torch.autograd.grad(y, x, retain_graph=True)
    assert gradient.item() == 6 and x.grad is None
    with pytest.raises(RuntimeError, match="(?i)not have been used in the graph"):
        torch.autograd.grad(y, [x, unused], retain_graph=True)
    assert torch.autograd.grad(y, [x, unused], allow_unused=True)[1] is None
    vector = x * torch.ones(2)
    assert torch.autograd.grad(vector, x, grad_outputs=torch.tensor([1.0, 10.0]))[0].item() == 11


def test_A8_a_function_of_ones_own():
    class Scale(torch.autograd.Function):
        """Two outputs, one of them without a derivative; remembers which gradients were asked for."""

        @staticmethod
        def forward(ctx, x, factor):
            ctx.save_for_backward(x, factor)
            signs = (x > 0).to(x.dtype)
            ctx.mark_non_differentiable(signs)
            return x * factor, signs

        @staticmethod
        def backward(ctx, grad_product, grad_signs):
            x, factor = ctx.saved_tensors
            asked.append(ctx.needs_input_grad)
            return grad_product * factor, (grad_product * x).sum()

    asked = []
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    factor = torch.tensor(5.0)
    product, signs = Scale.apply(x, factor)
    assert product.tolist() == [5, -10] and signs.tolist() == [1, 0]
    assert product.requires_grad and not signs.requires_grad
    assert "ScaleBackward" in type(product.grad_fn).__name__
    product.sum().backward()
    assert x.grad.tolist() == [5, 5] and factor.grad is None
    assert asked == [(True, False)]

    factor.requires_grad_()
    Scale.apply(x.detach(), factor)[0].sum().backward()
    assert factor.grad.item() == -1 and asked[-1] == (False, True)


def test_A8_gradcheck_and_gradgradcheck_tell_right_from_wrong():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        def backward(ctx, gradient):
            return gradient * 3 * ctx.saved_tensors[0]  # should be 2

    x = torch.tensor([0.5, -1.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: v.sin() * v, (x,))
    assert torch.autograd.gradgradcheck(lambda v: v.sin() * v, (x,))
    with pytest.raises(RuntimeError, match="(?i)jacobian mismatch"):
        torch.autograd.gradcheck(Wrong.apply, (x,))
    assert not torch.autograd.gradcheck(Wrong.apply, (x,), raise_exception=False)


def test_A8_functional_jacobian_hessian_vjp_jvp():
    functional = torch.autograd.functional
    x = torch.tensor([1.0, 2.0])
    cubes = lambda v: v**3  # noqa: E731
    assert functional.jacobian(cubes, x).tolist() == [[3, 0], [0, 12]]
    assert functional.hessian(lambda v: (v**3).sum(), x).tolist() == [[6, 0], [0, 12]]
    value, product = functional.vjp(cubes, x, torch.tensor([1.0, 10.0]))
    assert value.tolist() == [1, 8] and product.tolist() == [3, 120]
    value, product = functional.jvp(cubes, x, torch.tensor([1.0, 10.0]))
    assert value.tolist() == [1, 8] and product.tolist() == [3, 120]


def test_A8_anomaly_detection_names_the_function_that_made_a_nan():
    x = torch.tensor(0.0, requires_grad=True)
    with warnings.catch_warnings(), torch.autograd.detect_anomaly():
        warnings.simplefilter("ignore")
        y = torch.sqrt(x) * 0
        with pytest.raises(RuntimeError, match=r"SqrtBackward.*nan"):
            y.backward()


def test_A8_checkpointing_gives_the_same_gradients_and_computes_again():
    calls = []

    def block(v):
        calls.append(torch.is_grad_enabled())
        return torch.tanh(v) * v

    x = torch.tensor([0.5, -1.0], requires_grad=True)
    block(x).sum().backward()
    expected, x.grad = x.grad, None
    calls.clear()
    output = checkpoint(block, x, use_reentrant=False)
    assert len(calls) == 1
    output.sum().backward()
    assert len(calls) == 2 and torch.equal(x.grad, expected)
