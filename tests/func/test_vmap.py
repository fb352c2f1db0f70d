"""vmap: dimensions, trees, nesting, what is refused."""

import pytest

import ondol
from ondol import vmap

B, N = 4, 3


@pytest.fixture
def x():
    return ondol.arange(float(B * N)).reshape(B, N)


def test_the_function_sees_one_example(x):
    shapes = []

    def function(example):
        shapes.append((example.shape, example.dim(), example.stride(), example.dtype))
        return example * 2

    assert vmap(function)(x).equal(x * 2)
    assert shapes == [((N,), 1, (1,), ondol.float32)]


def test_in_dims_and_out_dims(x):
    assert vmap(lambda a: a + 1, in_dims=1, out_dims=1)(x).equal(x + 1)
    assert vmap(lambda a: a + 1, in_dims=-1)(x).equal(x.T + 1)
    assert vmap(lambda a, b: a * b, in_dims=(0, None))(x, x[0]).equal(x * x[0])
    assert vmap(lambda a: (a, a.sum()), out_dims=(1, 0))(x)[0].equal(x.T)


def test_trees_of_arguments_and_results(x):
    result = vmap(lambda tree: {"sum": tree["a"] + tree["b"][0]}, in_dims=({"a": 0, "b": [None]},))(
        {"a": x, "b": [x[0]]}
    )
    assert result["sum"].equal(x + x[0])


def test_keyword_arguments_are_batched_along_their_first_dimension(x):
    assert vmap(lambda a, b: a + b)(x, b=x).equal(2 * x)


def test_results_that_are_the_same_for_all_are_repeated(x):
    assert vmap(lambda a: ondol.ones(2))(x).equal(ondol.ones(B, 2))
    assert vmap(lambda a: (a, 7), out_dims=(0, None))(x)[1] == 7


def test_nested_vmaps(x):
    outer = vmap(vmap(lambda a, b: a * b, in_dims=(None, 0)), in_dims=(0, None))
    assert outer(ondol.arange(3), ondol.arange(4)).equal(ondol.outer(ondol.arange(3), ondol.arange(4)))
    assert vmap(vmap(vmap(lambda a: a + 1)))(ondol.zeros(2, 3, 4)).equal(ondol.ones(2, 3, 4))


def test_chunks_give_the_same(x):
    for chunk_size in (1, 3, 10):
        assert vmap(lambda a: a.sum() + a, chunk_size=chunk_size)(x).equal(x.sum(1, keepdim=True) + x)


def test_an_empty_batch(x):
    assert vmap(lambda a: (a * 2).sum(0))(x[:0]).shape == (0,)
    assert vmap(lambda a: ondol.linalg.norm(a))(x[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((ondol.ones(2), ondol.ones(3)), {}, "same size"),
        ((ondol.ones(2),), {"in_dims": 1}, "dimensionality"),
        ((ondol.ones(2),), {"in_dims": None}, "in_dims"),
        ((ondol.ones(2), 3), {}, "non-Tensor"),
        ((ondol.ones(2),), {"in_dims": (0, 0)}, "structure"),
        ((), {}, "no inputs"),
    ],
)
def test_inputs_that_do_not_fit(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        vmap(lambda *values: values[0], **options)(*arguments)


def test_python_results_need_an_out_dim_of_none(x):
    with pytest.raises(ValueError, match="must only return Tensors"):
        vmap(lambda a: 1)(x)
    with pytest.raises(ValueError, match="BatchedTensor"):
        vmap(lambda a: a, out_dims=None)(x)


@pytest.mark.parametrize(
    "ask",
    [
        lambda a: a.sum().item(), lambda a: bool(a.sum()), lambda a: float(a.sum()), lambda a: int(a.sum()),
        lambda a: a.tolist(), lambda a: a.numpy(), lambda a: a.data_ptr(), lambda a: [0, 1][a.long()[0]],
    ],
)  # fmt: skip
def test_python_cannot_have_values(ask, x):
    with pytest.raises(RuntimeError, match="vmap"):
        vmap(ask)(x)


def test_shapes_cannot_depend_on_values(x):
    for function in (ondol.nonzero, ondol.unique, lambda a: a[a > 3], lambda a: a.masked_select(a > 3)):
        with pytest.raises(RuntimeError, match="vmap"):
            vmap(function)(x)


def test_in_place_operations_on_batched_tensors(x):
    def function(a):
        made = a.new_zeros(N)
        made.add_(a).mul_(2)
        made[0] = a[1]
        made[1:] += 1
        return made

    expected = 2 * x
    expected[:, 0] = x[:, 1]
    expected[:, 1:] += 1
    assert vmap(function)(x).equal(expected)


def test_in_place_operations_change_the_argument_outside(x):
    before = x.clone()
    vmap(lambda a: a.add_(1))(x)
    assert x.equal(before + 1)


def test_in_place_changes_of_shape(x):
    def function(a):
        a = a.clone()
        a.unsqueeze_(0)
        assert a.shape == (1, N)
        a.t_()
        assert a.shape == (N, 1)
        return a.squeeze_(1)

    assert vmap(function)(x).equal(x)


def test_no_batched_values_into_what_all_examples_share(x):
    shared = ondol.zeros(N)
    for write in (lambda a: shared.add_(a), lambda a: shared.copy_(a), lambda a: shared.__setitem__(0, a[0])):
        with pytest.raises(RuntimeError, match="vmap"):
            vmap(write)(x)
    assert not shared.any()


def test_composed_functions_may_ask_for_values(x):
    rows = ondol.stack([ondol.quantile(row, 0.5) for row in x])
    assert vmap(lambda a: ondol.quantile(a, 0.5))(x).equal(rows)


def test_an_example_cannot_be_resized(x):
    with pytest.raises(RuntimeError, match="resize_"):
        vmap(lambda a: a.clone().resize_(2))(x)


def test_a_tensor_cannot_escape(x):
    kept = []
    vmap(lambda a: (kept.append(a), a)[1])(x)
    with pytest.raises(RuntimeError, match="had returned"):
        kept[0] + 1


def test_after_an_error_vmap_works_again(x):
    with pytest.raises(ZeroDivisionError):
        vmap(lambda a: 1 // 0)(x)
    assert vmap(lambda a: a + 1)(x).equal(x + 1)
    assert ondol.rand(1).shape == (1,)


def test_gradients_flow_through_vmap(x):
    x.requires_grad_()
    vmap(lambda a: (a**2).sum())(x).sum().backward()
    assert x.grad.equal(2 * x.detach())


def test_autograd_functions_under_vmap(x):
    class Cube(ondol.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            ctx.save_for_backward(a)
            return a**3

        @staticmethod
        def backward(ctx, gradient):
            (a,) = ctx.saved_tensors
            return 3 * a**2 * gradient

    with pytest.raises(RuntimeError, match="generate_vmap_rule"):
        vmap(Cube.apply)(x)
    Cube.generate_vmap_rule = True
    assert vmap(Cube.apply)(x).equal(x**3)
    Cube.vmap = staticmethod(lambda info, in_dims, a: (a**3 + info.batch_size, 0))
    assert vmap(Cube.apply)(x).equal(x**3 + B)


def test_repr_shows_the_batch(x):
    texts = []
    vmap(lambda a: (texts.append(repr(a)), a)[1])(x[:1])
    assert texts == ["BatchedTensor(lvl=1, bdim=0, value=tensor([[0., 1., 2.]]))"]
