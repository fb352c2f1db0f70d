"""Views and rearrangements against NumPy: the same elements, in shared memory where PyTorch shares it."""

from __future__ import annotations

import numpy as np
import pytest
from array_strategies import DTYPES, as_numpy, assert_same, examples, made, numbers, pairs, shapes
from hypothesis import given
from hypothesis import strategies as st

import ondol


@st.composite
def view(draw, shape):
    """A function of NumPy's arrays and one of tensors that show the same elements of the same memory."""
    ndim = len(shape)
    dim = draw(st.integers(-ndim, ndim - 1)) if ndim else 0
    other = draw(st.integers(-ndim, ndim - 1)) if ndim else 0
    size = shape[dim] if ndim else 0
    kinds = ["permute", "unsqueeze", "squeeze", "expand"]
    if ndim:
        kinds += ["transpose", "movedim", "select", "narrow", "slice", "split", "chunk", "unfold", "unflatten", "swap"]
        kinds += ["unbind", "tensor_split", "squeeze_dim"]
    if ndim >= 2:
        kinds += ["diagonal", "mT", "flatten_view"]
    kind = draw(st.sampled_from(kinds))
    if kind == "permute":
        order = draw(st.permutations(range(ndim)))
        return (lambda a: a.transpose(order)), (lambda t: t.permute(order))
    if kind == "unsqueeze":
        place = draw(st.integers(-ndim - 1, ndim))
        return (lambda a: np.expand_dims(a, place)), (lambda t: t.unsqueeze(place))
    if kind == "squeeze":
        return (lambda a: a.squeeze()), (lambda t: t.squeeze())
    if kind == "squeeze_dim":
        return (lambda a: a.squeeze(dim) if size == 1 else a), (lambda t: t.squeeze(dim))
    if kind == "expand":
        front = draw(st.sampled_from([(), (2,), (1, 3)]))
        wanted = (*front, *(draw(st.integers(0, 3)) if one == 1 else one for one in shape))
        given_sizes = tuple(
            -1 if i >= len(front) and shape[i - len(front)] == one and draw(st.booleans()) else one
            for i, one in enumerate(wanted)
        )
        return (lambda a: np.broadcast_to(a, wanted)), (lambda t: t.expand(given_sizes))
    if kind == "transpose":
        return (lambda a: a.swapaxes(dim, other)), (lambda t: t.transpose(dim, other))
    if kind == "swap":
        return (lambda a: a.swapaxes(dim, other)), (lambda t: ondol.swapdims(t, dim, other))
    if kind == "movedim":
        return (lambda a: np.moveaxis(a, dim, other)), (lambda t: t.movedim(dim, other))
    if kind == "mT":
        return (lambda a: a.swapaxes(-1, -2)), (lambda t: t.mT)
    if kind == "select" and size:
        place = draw(st.integers(-size, size - 1))
        return (lambda a: along(a, dim)[place, ...]), (lambda t: t.select(dim, place))
    if kind == "narrow":
        start = draw(st.integers(0, size))
        length = draw(st.integers(0, size - start))
        return (lambda a: cut(a, dim, slice(start, start + length))), (lambda t: t.narrow(dim, start, length))
    if kind == "slice":
        bounds = st.none() | st.integers(-size - 2, size + 2)
        part = slice(draw(bounds), draw(bounds), draw(st.integers(1, 3)))
        return (lambda a: cut(a, dim, part)), (lambda t: t[(slice(None),) * (dim % ndim) + (part,)])
    if kind in ("split", "chunk", "tensor_split", "unbind") and size:
        count = draw(st.integers(1, size + 1))
        which = draw(st.integers(0, size - 1))
        if kind == "unbind":
            return (lambda a: along(a, dim)[which, ...]), (lambda t: t.unbind(dim)[which])
        if kind == "tensor_split":
            which %= count
            return (lambda a: np.array_split(a, count, dim)[which]), (lambda t: t.tensor_split(count, dim)[which])
        length = count if kind == "split" else -(-size // count)
        which %= -(-size // length)
        part = slice(which * length, (which + 1) * length)
        return (lambda a: cut(a, dim, part)), (lambda t: getattr(t, kind)(count, dim)[which])
    if kind == "unfold" and size:
        length, step = draw(st.integers(1, size)), draw(st.integers(1, 3))
        return (lambda a: windows(a, dim % ndim, length, step)), (lambda t: t.unfold(dim, length, step))
    if kind == "unflatten" and size:
        divisor = draw(st.sampled_from([one for one in range(1, size + 1) if size % one == 0]))
        place = dim % ndim
        wanted = (*shape[:place], divisor, size // divisor, *shape[place + 1 :])
        return (lambda a: split_dim(a, place, divisor)), (lambda t: t.unflatten(dim, (wanted[place], -1)))
    if kind == "diagonal" and (dim - other) % ndim:
        offset = draw(st.integers(-3, 3))
        return (lambda a: writeable_diagonal(a, offset, dim, other)), (lambda t: t.diagonal(offset, dim, other))
    return (lambda a: a[...]), (lambda t: t.view_as(t))


def along(array, dim):
    return np.moveaxis(array, dim, 0)


def cut(array, dim, part):
    return array[(slice(None),) * (dim % array.ndim) + (part,)]


def windows(array, dim, length, step):
    every = np.lib.stride_tricks.sliding_window_view(array, length, dim, writeable=array.flags.writeable)
    return cut(every, dim, slice(None, None, step))


def split_dim(array, dim, parts):
    size, stride = array.shape[dim], array.strides[dim]
    shape = (*array.shape[:dim], parts, size // parts, *array.shape[dim + 1 :])
    strides = (*array.strides[:dim], stride * (size // parts), stride, *array.strides[dim + 1 :])
    return np.lib.stride_tricks.as_strided(array, shape, strides)


def writeable_diagonal(array, offset, dim, other):
    result = np.diagonal(array, offset, dim, other)
    result.flags.writeable = array.flags.writeable
    return result


def storage(tensor):
    return tensor.untyped_storage().data_ptr()


@examples(300)
@given(st.data())
def test_views_of_views_show_and_change_the_same_elements(data):
    name = data.draw(st.sampled_from(DTYPES))
    shape = data.draw(shapes())
    state = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    base = numbers(state, name, int(np.prod(shape)), True).reshape(shape)
    whole = made(base, name)
    array, tensor = base[...], whole
    for _ in range(data.draw(st.integers(1, 4))):
        if array.ndim > 6:
            break
        of_numpy, of_ondol = data.draw(view(array.shape))
        array, tensor = of_numpy(array), of_ondol(tensor)
        assert tuple(tensor.shape) == array.shape and storage(tensor) == storage(whole)
        if array.size > 1 and name != "bfloat16":
            strides = zip(array.shape, array.strides, tensor.stride())
            assert all(size == 1 or mine == theirs * array.itemsize for size, mine, theirs in strides)
    assert_same(tensor, array, name)

    if array.flags.writeable and array.size == len(np.unique(places(array))):  # each element once
        changed = numbers(state, name, array.size, False).reshape(array.shape)
        array[...] = changed
        tensor.copy_(made(changed, name))
        assert_same(whole, base, name)
        if name != "bool":
            tensor.mul_(1).masked_fill_(tensor == 0, 1)
            array[array == 0] = 1
            assert_same(whole, base, name)


def places(array):
    """Where each element lies, in bytes after the first."""
    offsets = np.zeros(array.shape, dtype=np.int64)
    for dim, (size, stride) in enumerate(zip(array.shape, array.strides)):
        offsets += (np.arange(size) * stride).reshape((-1,) + (1,) * (array.ndim - dim - 1))
    return offsets


def new_shape(draw, count):
    """Sizes with the product `count`, one of them perhaps -1."""
    sizes, rest = [], count
    while rest > 1 and len(sizes) < 5:
        sizes.append(draw(st.sampled_from([one for one in range(1, rest + 1) if rest % one == 0])))
        rest //= sizes[-1]
    sizes = draw(st.permutations([*sizes, rest])) if count else [*sizes, 0, 3]
    asked = list(sizes)
    if count and draw(st.booleans()):
        asked[draw(st.integers(0, len(asked) - 1))] = -1
    return tuple(sizes), tuple(asked)


@examples(200)
@given(st.data())
def test_view_and_reshape_share_where_the_layout_allows(data):
    array, tensor = data.draw(pairs(special=True))
    shape, asked = new_shape(data.draw, array.size)
    expected = array.reshape(shape)
    assert_same(tensor.reshape(asked), expected)
    assert_same(ondol.reshape(tensor, shape), expected)
    try:
        seen = tensor.view(asked)
    except RuntimeError:
        # NumPy's reshape without a copy is the same question.
        copied = np.lib.stride_tricks.as_strided(array, array.shape, array.strides).reshape(shape)
        assert not np.shares_memory(copied, array)
        assert storage(tensor.reshape(shape)) != storage(tensor)
        return
    assert_same(seen, expected)
    assert storage(seen) == storage(tensor) == storage(tensor.reshape(shape))


@examples(60)
@given(st.data())
def test_a_view_of_another_number_of_elements_is_refused(data):
    _, tensor = data.draw(pairs())
    wanted = data.draw(shapes())
    if np.prod(wanted) == tensor.numel():
        return
    for call in (tensor.view, tensor.reshape):
        with pytest.raises(RuntimeError, match="invalid for input of size"):
            call(wanted)


@examples(150)
@given(st.data())
def test_as_strided_reads_what_numpy_reads(data):
    name = data.draw(st.sampled_from(DTYPES))
    base = numbers(np.random.default_rng(data.draw(st.integers(0, 9))), name, 24, False)
    tensor = made(base, name)
    size = data.draw(st.lists(st.integers(0, 4), max_size=3))
    stride = [data.draw(st.integers(0, 4)) for _ in size]
    offset = data.draw(st.integers(0, 6))
    last = offset + sum((one - 1) * step for one, step in zip(size, stride))
    if 0 not in size and last >= 24:
        with pytest.raises(RuntimeError):
            tensor.as_strided(size, stride, offset)
        return
    expected = np.lib.stride_tricks.as_strided(base[offset:], size, [step * base.itemsize for step in stride])
    found = tensor.as_strided(size, stride, offset)
    assert_same(found, expected, name)
    assert storage(found) == storage(tensor) and found.storage_offset() == offset


@examples(150)
@given(st.data())
def test_rearrangements_that_copy(data):
    array, tensor = data.draw(pairs(special=True))
    ndim = array.ndim
    dims = data.draw(st.permutations(range(ndim)))[: data.draw(st.integers(0, ndim))]
    assert_same(tensor.flip(dims), np.flip(array, dims))
    shifts = [data.draw(st.integers(-5, 5)) for _ in dims]
    if dims:
        assert_same(tensor.roll(shifts, dims), np.roll(array, shifts, dims))
    assert_same(tensor.roll(3), np.roll(array, 3))
    if ndim >= 2:
        first, second = data.draw(st.permutations(range(ndim)))[:2]
        turns = data.draw(st.integers(-5, 5))
        assert_same(ondol.rot90(tensor, turns, (first, second)), np.rot90(array, turns, (first, second)))
        diagonal = data.draw(st.integers(-4, 4))
        assert_same(tensor.tril(diagonal), np.tril(array, diagonal))
        assert_same(tensor.triu(diagonal), np.triu(array, diagonal))
    times = [data.draw(st.integers(0, 3)) for _ in range(ndim + data.draw(st.integers(0, 1)))]
    if times:
        assert_same(tensor.repeat(times), np.tile(array, times))
    if ndim:
        dim = data.draw(st.integers(-ndim, ndim - 1))
        count = data.draw(st.integers(0, 3))
        assert_same(tensor.repeat_interleave(count, dim), np.repeat(array, count, dim))
        assert_same(ondol.cat([tensor, tensor.flip(dim)], dim), np.concatenate([array, np.flip(array, dim)], dim))
    dim = data.draw(st.integers(-ndim - 1, ndim))
    assert_same(ondol.stack([tensor, tensor], dim), np.stack([array, array], dim))
    for copy in (tensor.clone(), tensor.contiguous(), tensor.flatten()):
        assert copy.numel() == array.size and np.array_equal(
            as_numpy(copy).reshape(-1), array.reshape(-1), equal_nan=array.dtype.kind in "fc"
        )


@examples(60)
@given(st.data())
def test_writing_where_elements_share_a_place_is_refused(data):
    array, tensor = data.draw(pairs(data.draw(shapes(smallest=1))))
    target = tensor.clone().unsqueeze(0).expand(data.draw(st.integers(2, 3)), *tensor.shape)
    for write in (lambda: target.fill_(1), lambda: target.add_(1), lambda: target.copy_(ondol.ones(target.shape))):
        with pytest.raises(RuntimeError, match="single memory location"):
            write()
    assert_same(target[0], array)
