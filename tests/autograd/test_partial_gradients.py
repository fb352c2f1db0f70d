"""autograd.grad computes what was asked for and nothing else."""

import ondol


def counting(calls):
    class Counting(ondol.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, gradient):
            calls.append(ctx.needs_input_grad)
            return gradient, gradient

    return Counting


def test_branches_that_lead_elsewhere_are_not_followed():
    ran = []
    x, y = ondol.ones(3, requires_grad=True), ondol.ones(3, requires_grad=True)
    other = y * 2
    other.register_hook(lambda gradient: ran.append("other"))
    z = x * other
    (gradient,) = ondol.autograd.grad(z.sum(), x)
    assert gradient.tolist() == [2.0, 2.0, 2.0]
    assert ran == []


def test_one_gradient_of_a_layer_leaves_out_the_others():
    layer, x = ondol.nn.Conv2d(3, 4, 3), ondol.randn(2, 3, 8, 8, requires_grad=True)
    inputs = (x, layer.weight, layer.bias)
    together = ondol.autograd.grad(layer(x).pow(2).sum(), inputs)
    for one, expected in zip(inputs, together):
        (alone,) = ondol.autograd.grad(layer(x).pow(2).sum(), one)
        assert ondol.equal(alone, expected)


def test_a_function_still_sees_which_inputs_require_grad():
    calls = []
    x, y = ondol.ones(2, requires_grad=True), ondol.ones(2, requires_grad=True)
    ondol.autograd.grad(counting(calls).apply(x, y).sum(), x)
    assert calls == [(True, True)]
