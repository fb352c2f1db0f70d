"""Hooks, retained gradients and in-place changes together."""

import pytest

import ondol


def leaf_and_double(n=2):
    leaf = ondol.ones(n, requires_grad=True)
    return leaf, leaf * 1.5


def test_a_hook_sees_the_gradient_of_the_value_it_was_registered_for():
    seen = []
    _, x = leaf_and_double()
    x.register_hook(lambda g: seen.append(("before", g.tolist())))
    x.mul_(2)
    x.register_hook(lambda g: seen.append(("after", g.tolist())))
    (x * 3).sum().backward()
    assert seen == [("after", [3.0, 3.0]), ("before", [6.0, 6.0])]


def test_a_hook_after_a_change_through_a_view_sees_the_new_value():
    seen = []
    _, x = leaf_and_double(4)
    x[:2].mul_(2)
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * 3).sum().backward()
    assert seen == [[3.0, 3.0, 3.0, 3.0]]


def test_a_retained_gradient_follows_the_tensor_through_changes():
    _, x = leaf_and_double()
    x.retain_grad()
    x.mul_(2)
    (x * 3).sum().backward()
    assert x.retains_grad and x.grad.tolist() == [3.0, 3.0]


def test_a_retained_gradient_of_a_view_survives_a_change_of_its_base():
    _, x = leaf_and_double(4)
    view = x[:2]
    view.retain_grad()
    x.mul_(2)
    (view * 3).sum().backward()
    assert view.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("name", ["sin_", "exp_", "tanh_", "sqrt_", "sigmoid_", "log_", "reciprocal_"])
def test_an_in_place_function_knows_its_old_input(name):
    leaf = ondol.tensor([0.5, 1.0], dtype=ondol.float64, requires_grad=True)
    x = leaf * 1
    getattr(x, name)()
    (expected,) = ondol.autograd.grad(getattr(leaf, name[:-1])().sum(), leaf)
    (found,) = ondol.autograd.grad(x.sum(), leaf)
    assert found.tolist() == pytest.approx(expected.tolist())


def test_in_place_product_by_a_tensor_that_requires_grad():
    x = ondol.tensor([2.0, 3.0], requires_grad=True)
    y = ondol.tensor([5.0, 7.0], requires_grad=True)
    z = x * 1
    z *= y
    z.sum().backward()
    assert x.grad.tolist() == [5.0, 7.0] and y.grad.tolist() == [2.0, 3.0]


def test_in_place_product_by_itself_is_caught():
    x = ondol.ones(2, requires_grad=True) * 1
    x.mul_(x)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        x.sum().backward()


def test_the_message_of_a_spoiled_derivative():
    y = ondol.ones(3, requires_grad=True).exp()
    y.add_(1)
    with pytest.raises(RuntimeError) as caught:
        y.sum().backward()
    assert str(caught.value) == (
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        "[torch.FloatTensor [3]], which is output 0 of Exp, is at version 1; expected version 0 instead. "
        "The backward of Exp needs it as it was: make a new tensor in place of changing this one "
        "(y = y + 1, not y += 1). "
        "Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
        "torch.autograd.set_detect_anomaly(True, check_nan=False)."
    )


def test_backward_with_inputs_reaches_non_leaves():
    x = ondol.ones(2, requires_grad=True)
    y = x * 2
    (y * 3).sum().backward(inputs=[y])
    assert y.grad.tolist() == [3.0, 3.0] and x.grad is None


def test_a_gradient_lies_like_its_leaf():
    x = ondol.ones(3, 2).t().requires_grad_()
    (x.contiguous() * 2).sum().backward()
    assert x.grad.stride() == x.stride()
    overlapping = ondol.ones(1).expand(3).requires_grad_()
    for _ in range(2):
        overlapping.sum().backward()
    assert overlapping.grad.stride() == (1,) and overlapping.grad.tolist() == [2.0, 2.0, 2.0]


def test_a_hook_may_run_another_backward():
    x, w = ondol.ones(2, requires_grad=True), ondol.ones(2, requires_grad=True)
    y = x * 2

    def hook(grad):
        with ondol.enable_grad():
            (w * w).sum().backward()
        return grad + 1

    y.register_hook(hook)
    (y * y).sum().backward()
    assert x.grad.tolist() == [10.0, 10.0] and w.grad.tolist() == [2.0, 2.0]


def test_a_hook_that_raises_leaves_the_engine_ready():
    x = ondol.ones(2, requires_grad=True)
    y = x * 2

    def hook(grad):
        raise ValueError("from the hook")

    y.register_hook(hook)
    with pytest.raises(ValueError, match="from the hook"):
        y.sum().backward()
    x.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_tensors_of_inference_mode_are_not_changed_outside():
    with ondol.inference_mode():
        x = ondol.ones(2)
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
        x.add_(1)


def test_a_saved_output_has_its_history_outside_of_its_own_node():
    class Exp(ondol.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.saved_tensors[0]

    x = ondol.zeros(1, dtype=ondol.float64, requires_grad=True)
    y = Exp.apply(x)
    assert y.grad_fn.saved_tensors[0].grad_fn is y.grad_fn
    first = y
    for _ in range(3):
        (first,) = ondol.autograd.grad(first, x, create_graph=True)
    assert first.item() == 1.0


def test_a_long_chain_neither_recurses_forward_nor_back():
    x = ondol.ones((), requires_grad=True)
    y = x
    for _ in range(200_000):
        y = y + 1
    y.backward()
    del y
    assert x.grad.item() == 1.0
