"""vmap and grad together: gradients of single samples, and gradients of batches."""

import pytest

import ondol
from ondol import nn, vmap
from ondol.func import (
    functional_call,
    grad,
    grad_and_value,
    jacrev,
    replace_all_batch_norm_modules_,
    stack_module_state,
)


def test_gradients_of_single_samples_of_a_network():
    ondol.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.GroupNorm(1, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 5)
    ).double()
    parameters = {name: parameter.detach() for name, parameter in model.named_parameters()}
    images, labels = ondol.randn(6, 1, 4, 4, dtype=ondol.float64), ondol.tensor([0, 1, 2, 3, 4, 0])

    def loss(parameters, image, label):
        logits = functional_call(model, parameters, image.unsqueeze(0))
        return nn.functional.cross_entropy(logits, label.unsqueeze(0))

    gradients, losses = vmap(grad_and_value(loss), in_dims=(None, 0, 0))(parameters, images, labels)
    for i in range(6):
        model.zero_grad()
        expected = nn.functional.cross_entropy(model(images[i : i + 1]), labels[i : i + 1])
        expected.backward()
        ondol.testing.assert_close(losses[i], expected.detach())
        for name, parameter in model.named_parameters():
            ondol.testing.assert_close(gradients[name][i], parameter.grad)


def test_shared_weights_get_the_sum_of_the_gradients():
    x = ondol.randn(4, 3, dtype=ondol.float64)
    weight = ondol.randn(3, dtype=ondol.float64)
    loss = lambda w, x: (w * x).sum() ** 2  # noqa: E731
    each = vmap(grad(loss), in_dims=(None, 0))(weight, x)
    whole = grad(lambda w: vmap(loss, in_dims=(None, 0))(w, x).sum())(weight)
    ondol.testing.assert_close(each.sum(0), whole)
    ondol.testing.assert_close(each, 2 * (x @ weight).unsqueeze(1) * x)


def test_gradient_of_a_function_of_gradients():
    x, w = ondol.randn(4, 3, dtype=ondol.float64), ondol.randn(3, dtype=ondol.float64)
    penalty = lambda w: (vmap(grad(lambda x: (w * x**2).sum()))(x) ** 2).sum()  # noqa: E731
    ondol.testing.assert_close(grad(penalty)(w), (8 * w * x**2).sum(0))  # the penalty is the sum of (2 w x)²


def test_jacobian_of_a_batch_by_weights_outside():
    x = ondol.randn(4, 3, dtype=ondol.float64)
    w = ondol.randn(3, dtype=ondol.float64)
    ondol.testing.assert_close(jacrev(lambda w: vmap(lambda x: w @ x)(x))(w), x)


def test_ensembles():
    models = [nn.Linear(3, 2) for _ in range(5)]
    parameters, buffers = stack_module_state(models)
    x = ondol.randn(7, 3)
    result = vmap(lambda p, b, x: functional_call(models[0], (p, b), x), in_dims=(0, 0, None))(parameters, buffers, x)
    ondol.testing.assert_close(result, ondol.stack([model(x) for model in models]))
    result.sum().backward()
    assert parameters["weight"].grad.shape == (5, 2, 3)


def test_batch_norm_cannot_update_shared_statistics():
    model = nn.BatchNorm1d(3)
    x = ondol.randn(4, 5, 3)
    with pytest.raises(RuntimeError, match="running_mean"):
        vmap(model)(x)
    replace_all_batch_norm_modules_(model)
    ondol.testing.assert_close(vmap(model)(x)[0], model(x[0]))


def test_functional_call_with_several_dicts():
    model = nn.Linear(1, 1)
    weight, bias = {"weight": ondol.ones(1, 1)}, {"bias": ondol.ones(1)}
    assert functional_call(model, (weight, bias), ondol.ones(1)).item() == 2
    with pytest.raises(ValueError, match="multiple dictionaries"):
        functional_call(model, (weight, weight), ondol.ones(1))


def test_stacking_refuses_what_does_not_match():
    for models in ([], [nn.Linear(1, 1), nn.ReLU()], [nn.Linear(1, 1), nn.Linear(1, 1).eval()]):
        with pytest.raises(RuntimeError, match="stack_module_state"):
            stack_module_state(models)


def test_functionalize_says_what_to_do():
    with pytest.raises(NotImplementedError, match="itself"):
        ondol.func.functionalize(lambda x: x)
