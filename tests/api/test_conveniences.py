"""Names that are put together from others: their results, and what they do to autograd."""

from __future__ import annotations

import pytest

import ondol


@pytest.mark.parametrize("change", [
    lambda x: x.squeeze_(), lambda x: x.squeeze_(1), lambda x: x.squeeze_((1,)), lambda x: x.unsqueeze_(0),
    lambda x: x.t_(), lambda x: x.transpose_(0, 1), lambda x: x.swapaxes_(0, 1), lambda x: x.as_strided_((3,), (1,)),
])  # fmt: skip
@pytest.mark.parametrize("of_view", [False, True])
def test_gradient_passes_an_in_place_change_of_the_shape(change, of_view):
    x = ondol.ones(3, 1, requires_grad=True)
    base = x * 2
    y = base[:] if of_view else base
    assert change(y) is y
    y.mul_(ondol.arange(1.0, 4.0).reshape(y.shape))
    y.sum().backward()
    assert x.grad.flatten().tolist() == [2, 4, 6]


def test_leaf_keeps_its_shape():
    x = ondol.ones(3, 1, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        x.squeeze_()
    assert x.shape == (3, 1)


def test_fill_and_tile():
    x = ondol.arange(3.0, requires_grad=True)
    value = ondol.tensor(2.0, requires_grad=True)
    ondol.fill(x, value).sum().backward()
    assert value.grad == 3 and x.tolist() == [0, 1, 2]
    assert ondol.tile(x, (2, 2)).shape == (2, 6)
    assert ondol.ones(2, 3).tile(2).shape == (2, 6)


def test_set_looks_at_other_memory():
    source, x = ondol.arange(4.0), ondol.zeros(2)
    assert x.set_(source) is x and x.data_ptr() == source.data_ptr()
    assert x.set_(source.untyped_storage(), 1, (2,), (2,)).tolist() == [1, 3]
    assert x.set_().numel() == 0
    with pytest.raises(RuntimeError, match="dtype"):
        x.set_(ondol.zeros(2, dtype=ondol.int64))


def test_subclass_keeps_the_history():
    class Marked(ondol.Tensor):
        pass

    x = ondol.ones(2, requires_grad=True)
    marked = x.as_subclass(Marked)
    assert isinstance(marked, Marked) and marked.data_ptr() == x.data_ptr()
    (marked * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_asarray_shares_or_copies_as_told():
    import numpy as np

    array = np.zeros(2, dtype=np.float32)
    ondol.asarray(array)[0] = 1
    ondol.asarray(array, copy=True)[1] = 1
    assert array.tolist() == [1, 0]
    with pytest.raises(ValueError, match="alias"):
        ondol.asarray([1, 2], copy=False)
    with pytest.raises(ValueError, match="alias"):
        ondol.asarray(array, dtype=ondol.float64, copy=False)


def test_from_file_maps_it(tmp_path):
    path = str(tmp_path / "numbers")
    mapped = ondol.from_file(path, shared=True, size=3)
    mapped[1] = 5
    del mapped
    own = ondol.from_file(path, size=3)
    own[0] = 7
    assert own.tolist() == [7, 5, 0] and ondol.from_file(path, size=3).tolist() == [0, 5, 0]


def test_out_of_another_dtype_is_refused():
    x = ondol.ones(2, 2)
    calls = [
        lambda: ondol.gather(x, 1, ondol.zeros(2, 2, dtype=ondol.int64), out=ondol.empty(2, 2, dtype=ondol.float64)),
        lambda: ondol.multinomial(x, 1, out=ondol.empty(2, 1)),
        lambda: ondol.complex(x, x, out=ondol.empty(2, 2, dtype=ondol.complex128)),
        lambda: ondol.aminmax(x, dim=0, out=(ondol.empty(2), ondol.empty(2, dtype=ondol.float64))),
    ]
    for call in calls:
        with pytest.raises(RuntimeError, match="Expected out tensor to have dtype"):
            call()


def test_layers_at_the_top_level():
    image, grid = ondol.rand(1, 1, 3, 3), ondol.zeros(1, 2, 2, 2)
    expected = ondol.nn.functional.grid_sample(image, grid, "nearest", "border", True)
    assert ondol.equal(ondol.grid_sampler_2d(image, grid, 1, 1, True), expected)
    assert ondol.pixel_shuffle(ondol.ones(1, 4, 2, 2), 2).shape == (1, 1, 4, 4)
    assert ondol.where(image > 0.5, image, 0.0).equal(image.where(image > 0.5, 0.0))


def test_old_type_sets_the_default_dtype():
    before = ondol.get_default_dtype()
    try:
        for kind in ("torch.DoubleTensor", ondol.DoubleTensor):
            with pytest.warns(UserWarning, match="set_default_dtype"):
                ondol.set_default_tensor_type(kind)
            assert ondol.zeros(1).dtype == ondol.float64
            ondol.set_default_dtype(before)
        for wrong in ("torch.LongTensor", ondol.float64, "foo", 3):
            with pytest.raises(TypeError, match="default type"):
                ondol.set_default_tensor_type(wrong)
        assert ondol.get_default_dtype() == before
    finally:
        ondol.set_default_dtype(before)


def test_capsule_of_dlpack_shares_memory():
    from ondol.utils.dlpack import from_dlpack, to_dlpack

    x = ondol.zeros(2)
    from_dlpack(to_dlpack(x))[0] = 1
    assert x.tolist() == [1, 0]


def test_assertion_as_a_function():
    ondol._assert(ondol.tensor(True), "fine")
    with pytest.raises(AssertionError, match="too long"):
        ondol._assert(ondol.tensor(1) > 2, "too long")
