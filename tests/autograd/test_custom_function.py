"""Functions written in Python: what forward may return, what backward may give, and when it goes wrong."""

import pytest

import ondol
from ondol.autograd import Function


def leaf():
    return ondol.tensor([1.0, 2.0], requires_grad=True)


class ScaleAndProduct(Function):
    @staticmethod
    def forward(ctx, x, factor, y):
        ctx.factor = factor
        ctx.save_for_backward(x, y)
        return x * factor, x * y, "note"

    @staticmethod
    def backward(ctx, scaled, product, note):
        assert note is None
        x, y = ctx.saved_tensors
        return scaled * ctx.factor + product * y, None, product * x


def test_several_outputs_and_arguments_that_are_no_tensors():
    x, y = leaf(), leaf()
    scaled, product, note = ScaleAndProduct.apply(x, 3, y)
    (scaled.sum() + product.sum()).backward()
    assert x.grad.tolist() == [4.0, 5.0] and y.grad.tolist() == [1.0, 2.0] and note == "note"


def test_missing_gradients_arrive_as_zeros():
    x, y = leaf(), leaf()
    _, product, _ = ScaleAndProduct.apply(x, 3, y)
    product.sum().backward()
    assert x.grad.tolist() == [1.0, 2.0]


def test_missing_gradients_arrive_as_none_on_request():
    seen = []

    class Pair(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, first, second):
            seen.append(second)
            return first

    x = leaf()
    Pair.apply(x)[0].sum().backward()
    assert seen == [None] and x.grad.tolist() == [1.0, 1.0]


class DoubleInPlace(Function):
    @staticmethod
    def forward(ctx, x):
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx, grad):
        return grad * 2


def test_an_argument_changed_in_place_is_the_result():
    x = leaf()
    y = x * 1
    z = DoubleInPlace.apply(y)
    z.sum().backward()
    assert z is y and not y.is_leaf and y._version >= 1 and x.grad.tolist() == [2.0, 2.0]


def test_a_view_changed_in_place_changes_the_history_of_its_base():
    x = leaf()
    y = x * 1
    DoubleInPlace.apply(y[:1])
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 1.0]


def test_a_leaf_is_not_changed_in_place():
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        DoubleInPlace.apply(leaf())


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (5, RuntimeError, r"expected Variable or None \(got int\)"),
        (
            ondol.ones(7),
            RuntimeError,
            r"at index 0 - got \[7\] but expected shape compatible with \[2\]",
        ),
        ((None, ondol.ones(2)), RuntimeError, r"incorrect number of gradients \(expected 1, got 2\)"),
        ((), RuntimeError, r"incorrect number of gradients \(expected 1, got 0\)"),
    ],
)
def test_backward_is_checked(returned, error, message):
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x + 1

        @staticmethod
        def backward(ctx, grad):
            return returned

    x = leaf()
    with pytest.raises(error, match=message):
        Wrong.apply(x).sum().backward()
    x.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_an_exception_of_backward_comes_out_unchanged():
    class Raises(Function):
        @staticmethod
        def forward(ctx, x):
            return x + 1

        @staticmethod
        def backward(ctx, grad):
            raise KeyError("in backward")

    with pytest.raises(KeyError, match="in backward"):
        Raises.apply(leaf()).sum().backward()


def test_a_backward_inside_of_backward():
    class Inner(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.x = x.detach().requires_grad_()
            with ondol.enable_grad():
                ctx.y = (ctx.x**2).sum()
            return ctx.y.detach()

        @staticmethod
        def backward(ctx, grad):
            ctx.y.backward(grad)
            return ctx.x.grad

    x = leaf()
    Inner.apply(x).backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_several_threads_differentiate_at_once():
    import threading

    shared = ondol.ones(300_000, requires_grad=True)
    results = []

    def work():
        for _ in range(20):
            x = leaf()
            (x * x * shared.detach()[:2]).sum().backward()
            (shared * 2).sum()
        results.append(x.grad.tolist())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[2.0, 4.0]] * 4
