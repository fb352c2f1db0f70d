"""The commission, T: tensors. Each test is named for its row in FEATURES."""

import numpy
import pytest

import ondol as torch
from ondol import nn


def test_T1_tensor_from_list_and_from_array():
    from_list = torch.tensor([[1, 2], [3, 4]])
    assert from_list.dtype is torch.int64 and from_list.shape == (2, 2) and from_list.tolist() == [[1, 2], [3, 4]]
    assert torch.tensor([1.5, 2]).dtype is torch.float32
    assert torch.tensor([True, False]).dtype is torch.bool
    assert torch.tensor([1 + 2j]).dtype is torch.complex64

    array = numpy.zeros((3, 2))
    copied = torch.tensor(array)
    assert copied.shape == (3, 2) and copied.dtype is torch.float64
    array[0, 0] = 7
    assert copied[0, 0] == 0  # tensor() copies


def test_T1_from_numpy_and_numpy_share_memory():
    array = numpy.arange(6, dtype=numpy.float32).reshape(2, 3)
    tensor = torch.from_numpy(array)
    tensor[0, 0] = 10
    array[1, 2] = 20
    assert array[0, 0] == 10 and tensor[1, 2] == 20

    view = tensor.t().numpy()
    assert view.shape == (3, 2) and view.strides == (4, 12)
    view[0, 1] = 30
    assert tensor[1, 0] == 30 and array[1, 0] == 30


def test_T1_array_protocol_buffer_and_dlpack_both_ways():
    tensor = torch.arange(4.0)
    assert isinstance(tensor.__array__(), numpy.ndarray)
    assert numpy.asarray(tensor).tolist() == [0, 1, 2, 3]
    assert numpy.sqrt(tensor * tensor).tolist() == [0, 1, 2, 3]

    seen_by_numpy = numpy.from_dlpack(tensor)
    tensor[0] = 5
    assert seen_by_numpy[0] == 5

    array = numpy.arange(3.0)
    seen_by_us = torch.from_dlpack(array)
    array[1] = 9
    assert seen_by_us[1] == 9 and seen_by_us.dtype is torch.float64

    memory = bytearray(numpy.arange(3, dtype=numpy.int32).tobytes())
    buffered = torch.frombuffer(memory, dtype=torch.int32)
    buffered[2] = 7
    assert buffered.tolist() == [0, 1, 7] and memory[8] == 7


def test_T1_a_gradient_keeps_a_tensor_out_of_numpy_until_it_is_detached():
    tensor = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"detach\(\)"):
        tensor.numpy()
    assert tensor.detach().numpy().tolist() == [1, 1]


def test_T1_slices_masks_fancy_indices_ellipsis_and_none():
    x = torch.arange(24).view(2, 3, 4)
    assert x[1, 2, 3] == 23 and x[-1, -1, -1] == 23
    assert x[:, 1:, ::2].tolist() == [[[4, 6], [8, 10]], [[16, 18], [20, 22]]]
    assert x[..., 0].tolist() == [[0, 4, 8], [12, 16, 20]]
    assert x[None].shape == (1, 2, 3, 4) and x[:, None, ..., None].shape == (2, 1, 3, 4, 1)
    assert x[x % 7 == 0].tolist() == [0, 7, 14, 21]
    assert x[[0, 1], [2, 0]].tolist() == [[8, 9, 10, 11], [12, 13, 14, 15]]
    assert x[:, torch.tensor([0, 2]), 1].tolist() == [[1, 9], [13, 21]]
    assert x[torch.tensor([True, False])].shape == (1, 3, 4)
    with pytest.raises(IndexError):
        x[2]
    with pytest.raises(IndexError):
        x[0, 0, 0, 0]


def test_T1_assignment_through_an_index_is_in_place():
    x = torch.zeros(3, 3)
    same = x
    x[0] = 1
    x[:, 2] = torch.tensor([5.0, 6.0, 7.0])
    x[[1, 2], [0, 0]] = -1
    x[x == 0] = 9
    x[1, 1:] += 1
    assert same is x
    assert x.tolist() == [[1, 1, 5], [-1, 10, 7], [-1, 9, 7]]


def test_T2_a_tensor_has_a_device_and_the_program_can_ask_what_there_is():
    x = torch.ones(2)
    assert x.device == torch.device("cpu") and x.device.type == "cpu" and str(x.device) == "cpu"
    assert x.to("cpu") is x and x.cpu() is x
    assert isinstance(torch.cuda.is_available(), bool)


def test_T2_to_changes_dtype_or_follows_another_tensor():
    x = torch.tensor([1.7, -1.7])
    assert x.to(torch.int64).tolist() == [1, -1]
    assert x.to(torch.float64).dtype is torch.float64
    assert x.to(torch.zeros(1, dtype=torch.float16)).dtype is torch.float16
    assert x.to("cpu", torch.int32).dtype is torch.int32
    assert x.to(torch.float32) is x and x.to(torch.float32, copy=True) is not x


def test_T2_a_missing_device_is_a_clear_error():
    if not torch.cuda.is_available():
        with pytest.raises((RuntimeError, AssertionError), match=r"(?i)cuda"):
            torch.ones(2).to("cuda")
    with pytest.raises(RuntimeError, match="(?i)device"):
        torch.device("no-such-device")


def test_T3_view_shares_memory_and_needs_a_compatible_layout():
    x = torch.arange(6).view(2, 3)
    flat = x.view(-1)
    flat[0] = 9
    assert x[0, 0] == 9 and flat.data_ptr() == x.data_ptr()
    with pytest.raises(RuntimeError, match="reshape"):
        x.t().view(-1)
    with pytest.raises(RuntimeError, match="invalid for input of size 6"):
        x.view(4, 2)


def test_T3_reshape_copies_only_when_it_must():
    x = torch.arange(6).view(2, 3)
    assert x.reshape(3, 2).data_ptr() == x.data_ptr()
    copied = x.t().reshape(-1)
    assert copied.tolist() == [0, 3, 1, 4, 2, 5] and copied.data_ptr() != x.data_ptr()


def test_T3_strides_and_contiguity_can_be_seen():
    x = torch.zeros(2, 3, 4)
    assert x.stride() == (12, 4, 1) and x.stride(0) == 12 and x.is_contiguous()
    turned = x.transpose(0, 2)
    assert turned.stride() == (1, 4, 12) and not turned.is_contiguous()
    assert turned.contiguous().stride() == (6, 2, 1) and turned.contiguous().is_contiguous()
    assert x.contiguous() is x


def test_T4_unsqueeze_and_squeeze_at_every_position():
    x = torch.arange(4).view(2, 2)
    for position, shape in ((0, (1, 2, 2)), (1, (2, 1, 2)), (2, (2, 2, 1)), (-1, (2, 2, 1)), (-3, (1, 2, 2))):
        wide = x.unsqueeze(position)
        assert wide.shape == shape
        assert wide.squeeze(position).shape == (2, 2) and torch.equal(wide.squeeze(), x)
        assert wide.data_ptr() == x.data_ptr()
    assert x.squeeze(0).shape == (2, 2)  # a dimension of another size stays
    assert torch.zeros(1, 2, 1, 3).squeeze((0, 2)).shape == (2, 3)
    for outside in (3, -4):
        with pytest.raises(IndexError):
            x.unsqueeze(outside)


def test_T5_mm_does_not_broadcast_matmul_does_dot_takes_vectors():
    a, b = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(3, 4)
    product = [[20, 23, 26, 29], [56, 68, 80, 92]]
    assert torch.mm(a, b).tolist() == product
    assert torch.matmul(a, b).tolist() == product and (a @ b).tolist() == product
    with pytest.raises(RuntimeError):
        torch.mm(a.unsqueeze(0), b)
    with pytest.raises(RuntimeError):
        torch.mm(a, a)

    batch = torch.stack([a, 2 * a])
    assert (batch @ b).tolist() == [product, [[2 * value for value in row] for row in product]]
    assert torch.matmul(torch.ones(5, 1, 2, 3), torch.ones(4, 3, 2)).shape == (5, 4, 2, 2)
    with pytest.raises(RuntimeError):
        torch.matmul(torch.ones(2, 2, 3), torch.ones(3, 3, 2))

    assert torch.dot(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])) == 11
    with pytest.raises(RuntimeError, match="1D"):
        torch.dot(a, a)
    with pytest.raises(RuntimeError):
        torch.dot(torch.ones(2), torch.ones(3))


def test_T5_vectors_batches_and_inner():
    a, v = torch.arange(6.0).view(2, 3), torch.tensor([1.0, 2.0, 3.0])
    assert (a @ v).tolist() == [8, 26] and torch.mv(a, v).tolist() == [8, 26]
    assert (torch.ones(2) @ a).tolist() == [3, 5, 7]
    assert (v @ v).shape == () and (v @ v) == 14
    assert torch.bmm(torch.ones(2, 3, 4), torch.ones(2, 4, 5)).tolist() == [[[4.0] * 5] * 3] * 2
    with pytest.raises(RuntimeError):
        torch.bmm(torch.ones(2, 3, 4), torch.ones(3, 4, 5))
    assert torch.inner(a, v).tolist() == [8, 26]
    assert torch.inner(a, a).tolist() == [[5, 14], [14, 50]]


def test_T6_einsum_products_sums_transposes_traces_batches():
    a, b = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(3, 4)
    square = torch.arange(9.0).view(3, 3)
    assert torch.equal(torch.einsum("ij,jk->ik", a, b), a @ b)
    assert torch.equal(torch.einsum("ij,jk", a, b), a @ b)  # without an arrow: the letters that occur once, sorted
    assert torch.einsum("ij->", a) == 15 and torch.einsum("ij->j", a).tolist() == [3, 5, 7]
    assert torch.equal(torch.einsum("ij->ji", a), a.t())
    assert torch.einsum("ii", square) == 12 and torch.einsum("ii->i", square).tolist() == [0, 4, 8]
    assert torch.einsum("i,j->ij", torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])).tolist() == [[3, 4], [6, 8]]
    assert torch.einsum("bij,bjk->bik", torch.ones(2, 3, 4), torch.ones(2, 4, 5)).tolist() == [[[4.0] * 5] * 3] * 2
    assert (
        torch.einsum("bn,anm,bm->ba", torch.ones(2, 3), torch.ones(5, 3, 4), torch.ones(2, 4)).tolist()
        == [[12.0] * 5] * 2
    )


def test_T6_einsum_ellipsis_sublists_and_errors():
    a = torch.arange(24.0).view(2, 3, 4)
    assert torch.equal(torch.einsum("...ij->...ji", a), a.transpose(1, 2))
    assert torch.equal(torch.einsum("...i,i->...", a, torch.ones(4)), a.sum(-1))
    left, right = a[0], a[1].t()
    assert torch.equal(torch.einsum(left, [0, 1], right, [1, 2], [0, 2]), left @ right)
    assert torch.equal(torch.einsum(a, [..., 0, 1], [..., 1, 0]), a.transpose(1, 2))
    for equation, operands in (("ij,jk->ik", (left, left)), ("ij->ik", (left,)), ("ijk->i", (left,))):
        with pytest.raises(RuntimeError):
            torch.einsum(equation, *operands)

    x = torch.ones(2, 3, requires_grad=True)
    torch.einsum("ij,ij->", x, a[0, :2, :3]).backward()
    assert torch.equal(x.grad, a[0, :2, :3])


def test_T7_gather_picks_and_scatter_places():
    x = torch.tensor([[1, 2], [3, 4]])
    index = torch.tensor([[0, 0], [1, 0]])
    assert torch.gather(x, 1, index).tolist() == [[1, 1], [4, 3]]
    assert x.gather(0, index).tolist() == [[1, 2], [3, 2]]
    assert torch.take_along_dim(x, x.argsort(1, descending=True), 1).tolist() == [[2, 1], [4, 3]]

    source = torch.arange(1.0, 11.0).view(2, 5)
    placed = torch.zeros(3, 5).scatter_(0, torch.tensor([[0, 1, 2, 0]]), source)
    assert placed.tolist() == [[1, 0, 0, 4, 0], [0, 2, 0, 0, 0], [0, 0, 3, 0, 0]]
    assert torch.zeros(2, 4).scatter_(1, torch.tensor([[2], [3]]), 1.5).tolist() == [[0, 0, 1.5, 0], [0, 0, 0, 1.5]]


def test_T7_scatter_add_scatter_reduce_index_select_index_add():
    ones, index = torch.ones(1, 4), torch.tensor([[0, 1, 1, 1]])
    assert torch.zeros(1, 2).scatter_add_(1, index, ones).tolist() == [[1, 3]]
    values = torch.tensor([[2.0, 3.0, 4.0, 5.0]])
    for reduce, expected in (
        ("sum", [3, 13]),
        ("prod", [2, 60]),
        ("mean", [1.5, 3.25]),
        ("amax", [2, 5]),
        ("amin", [1, 1]),
    ):
        assert torch.ones(1, 2).scatter_reduce_(1, index, values, reduce).tolist() == [expected]
    assert torch.ones(1, 2).scatter_reduce_(1, index, values, "amin", include_self=False).tolist() == [[2, 3]]

    x = torch.arange(6.0).view(3, 2)
    assert x.index_select(0, torch.tensor([2, 0])).tolist() == [[4, 5], [0, 1]]
    assert x.clone().index_add_(0, torch.tensor([0, 0]), torch.ones(2, 2), alpha=2).tolist() == [[4, 5], [2, 3], [4, 5]]


@pytest.mark.parametrize("bad", [2, -3, 2**40, -(2**62)])
def test_T7_an_index_out_of_range_is_an_exception_never_a_crash(bad):
    x, index = torch.zeros(2, 2), torch.tensor([[bad]])
    for attempt in (
        lambda: torch.gather(x, 0, index),
        lambda: x.scatter_(0, index, 1.0),
        lambda: x.scatter_add_(0, index, torch.ones(1, 1)),
        lambda: x.scatter_reduce_(0, index, torch.ones(1, 1), "sum"),
        lambda: x.index_select(0, index[0]),
        lambda: x.index_add_(0, index[0], torch.ones(1, 2)),
        lambda: torch.take_along_dim(x, index, 0),
        lambda: x[index[0]],
        lambda: nn.functional.embedding(index, x),
    ):
        with pytest.raises((IndexError, RuntimeError)):
            attempt()
    assert x.tolist() == [[0, 0], [0, 0]]


def test_T8_a_tensor_of_every_dtype_prints_as_in_pytorch():
    for dtype, text in {
        torch.float32: "tensor([0., 1.])",
        torch.float64: "tensor([0., 1.], dtype=torch.float64)",
        torch.float16: "tensor([0., 1.], dtype=torch.float16)",
        torch.bfloat16: "tensor([0., 1.], dtype=torch.bfloat16)",
        torch.uint8: "tensor([0, 1], dtype=torch.uint8)",
        torch.int8: "tensor([0, 1], dtype=torch.int8)",
        torch.int16: "tensor([0, 1], dtype=torch.int16)",
        torch.int32: "tensor([0, 1], dtype=torch.int32)",
        torch.int64: "tensor([0, 1])",
        torch.bool: "tensor([False,  True])",
        torch.complex64: "tensor([0.+0.j, 1.+0.j])",
        torch.complex128: "tensor([0.+0.j, 1.+0.j], dtype=torch.complex128)",
    }.items():
        assert repr(torch.tensor([0, 1]).to(dtype)) == text


def test_T8_numbers_print_as_in_pytorch():
    assert repr(torch.tensor(3.5)) == "tensor(3.5000)"
    assert repr(torch.tensor([[1.0, -2.5], [1000.0, 0.125]])) == (
        "tensor([[ 1.0000e+00, -2.5000e+00],\n        [ 1.0000e+03,  1.2500e-01]])"
    )
    assert repr(torch.tensor([1e-8, 1.0])) == "tensor([1.0000e-08, 1.0000e+00])"
    assert repr(torch.tensor([float("nan"), float("inf"), -1.0])) == "tensor([nan, inf, -1.])"
    assert repr(torch.tensor([])) == "tensor([])" and repr(torch.zeros(0, 3)) == "tensor([], size=(0, 3))"
    assert f"{torch.tensor(0.5):.3f}" == "0.500"


def test_T8_large_tensors_are_cut_with_dots():
    assert repr(torch.arange(2000)) == "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"
    square = repr(torch.zeros(200, 200))
    assert square.splitlines()[0] == "tensor([[0., 0., 0.,  ..., 0., 0., 0.],"
    assert square.splitlines()[3] == "        ..."[:11] + ","


def test_T8_gradients_show():
    x = torch.ones(2, requires_grad=True)
    assert repr(x) == "tensor([1., 1.], requires_grad=True)"
    assert repr(x * 2) == "tensor([2., 2.], grad_fn=<MulBackward0>)"
    assert repr(x.sum()) == "tensor(2., grad_fn=<SumBackward0>)"
    assert repr(nn.Parameter(torch.zeros(2))) == "Parameter containing:\ntensor([0., 0.], requires_grad=True)"


def test_T8_print_options_change_the_text_and_can_be_reset():
    try:
        torch.set_printoptions(precision=2, sci_mode=False)
        assert repr(torch.tensor([1.23456, 1e-5])) == "tensor([1.23, 0.00])"
        torch.set_printoptions(threshold=3, edgeitems=1)
        assert repr(torch.arange(5)) == "tensor([0,  ..., 4])"
        torch.set_printoptions(profile="default", sci_mode=True)
        assert repr(torch.tensor([1.0, 2.5])) == "tensor([1.0000e+00, 2.5000e+00])"
    finally:
        torch.set_printoptions(profile="default", sci_mode=None)
    assert repr(torch.tensor([1.23456])) == "tensor([1.2346])"


def test_T8_shapes_print_as_in_pytorch():
    assert repr(torch.zeros(2, 3).shape) == "torch.Size([2, 3])" and str(torch.float32) == "torch.float32"
    assert repr(torch.device("cpu")) == "device(type='cpu')"
