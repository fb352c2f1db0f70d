"""The Python object of a tensor lives as long as the tensor, wherever the tensor is kept."""

import gc
import weakref

import pytest

import ondol
from ondol.overrides import DisableTorchFunctionSubclass


class Weight(ondol.Tensor):
    pass


def make_weight(value=2.0):
    weight = ondol.Tensor._make_subclass(Weight, ondol.tensor([value]), True)
    weight.label = "w"
    return weight


def test_a_tensor_saved_for_backward_keeps_its_class_and_attributes():
    seen = []

    class Keep(ondol.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            seen.append((type(x), x.label))
            return grad

    y = Keep.apply(make_weight())
    gc.collect()
    y.sum().backward()
    assert seen == [(Weight, "w")]


def test_the_variable_of_a_leaf_node_is_the_object_that_was_used():
    weight = make_weight()
    with DisableTorchFunctionSubclass():  # a result of the class Weight would be an alias of the product
        y = weight * 3
    del weight
    gc.collect()
    variable = y.grad_fn.next_functions[0][0].variable
    assert type(variable) is Weight and variable.label == "w"
    y.sum().backward()
    assert variable.grad.tolist() == [3.0]


def test_a_gradient_keeps_attributes_put_on_it():
    x = ondol.ones(2, requires_grad=True)
    x.sum().backward()
    x.grad.note = "kept"
    gc.collect()
    assert x.grad.note == "kept"


def test_the_base_of_a_view_keeps_its_class():
    view = make_weight()[0]
    gc.collect()
    assert type(view._base) is Weight and view._base.label == "w"


def test_an_object_that_slept_and_woke_can_sleep_again():
    holder = ondol.ones(1, requires_grad=True)
    holder.grad = ondol.ones(1)
    holder.grad.count = 0
    for _ in range(1000):
        holder.grad.count += 1
    assert holder.grad.count == 1000


def test_a_sleeping_object_goes_with_its_tensor():
    class Noted:
        pass

    note = Noted()
    alive = weakref.ref(note)
    x = ondol.ones(1, requires_grad=True)
    x.grad = ondol.ones(1)
    x.grad.note = note
    del note
    assert alive() is not None
    x.grad = None
    assert alive() is None


def test_subclasses_with_finalizers_and_slots_are_freed():
    freed = []

    class Final(ondol.Tensor):
        def __del__(self):
            freed.append("final")

    class Slotted(ondol.Tensor):
        __slots__ = ("extra",)

    Final([1.0])
    slotted = Slotted([1.0])
    slotted.extra = token = type("Token", (), {})()
    alive = weakref.ref(token)
    del slotted, token
    gc.collect()
    assert freed == ["final"] and alive() is None


@pytest.mark.parametrize("kind", ["attribute", "hook", "post_hook"])
def test_cycles_through_a_tensor_are_collected(kind):
    class Token:
        pass

    token = Token()
    alive = weakref.ref(token)
    x = ondol.ones(2, requires_grad=True)
    if kind == "attribute":
        x.me, x.token = x, token
    elif kind == "hook":
        x.register_hook(lambda grad, x=x, token=token: None)
    else:
        x.register_post_accumulate_grad_hook(lambda p, x=x, token=token: None)
    (x * 2).sum().backward()
    del x, token
    gc.collect()
    assert alive() is None


def test_weak_reference_callbacks_may_ask_for_the_tensor_again():
    x = ondol.ones(1, requires_grad=True)
    x.grad = ondol.ones(1)
    seen = []
    reference = weakref.ref(x.grad, lambda _: seen.append(x.grad.tolist()))
    gc.collect()
    assert seen == [[1.0]] and reference() is None


def test_a_detached_tensor_that_retained_its_gradient_may_be_freed():
    x = ondol.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    z = (y * y).sum()
    node = z.grad_fn
    y.detach_()
    del y
    z.backward()
    assert x.grad.tolist() == [8.0, 8.0] and node is not None


def test_nodes_of_functions_show_what_their_context_holds():
    class Scale(ondol.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.factor = factor
            ctx.save_for_backward(x)
            return x * factor

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.factor, None

    y = Scale.apply(ondol.ones(1, requires_grad=True), 3)
    assert y.grad_fn.factor == 3 and y.grad_fn.saved_tensors[0].tolist() == [1.0]
    assert repr(y.grad_fn).startswith("<ScaleBackward object at 0x")
    assert not hasattr(y.grad_fn, "nothing")
