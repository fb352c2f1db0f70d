"""__torch_function__ of subclasses of Tensor, of unrelated classes, and modes."""

import pytest

import ondol
from ondol import overrides


class Plain(ondol.Tensor):
    """Inherits Tensor's __torch_function__."""


def logging(log):
    class Logging(ondol.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            log.append(func.__name__)
            return super().__torch_function__(func, types, args, kwargs)

    return Logging


class Foreign:
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return func.__name__, args


@pytest.mark.parametrize("compute", [
    lambda x: x + 1, lambda x: 1 - x, lambda x: x @ x, lambda x: -x, lambda x: x == 1, lambda x: x.sum(),
    lambda x: x[0], lambda x: x.T, lambda x: ondol.stack([x, x]), lambda x: x.split(1)[0],
    lambda x: ondol.max(x, 0).values,
    lambda x: ondol.add(ondol.ones(3), x), lambda x: x.detach(), lambda x: x.clone().add_(1), lambda x: x.data,
    lambda x: ondol.nn.functional.softmax(x, 0), lambda x: ondol.fft.fft(x),
])  # fmt: skip
def test_results_have_the_class_of_the_argument(compute):
    assert type(compute(ondol.ones(3).as_subclass(Plain))) is Plain


def test_gradients_flow_through_a_subclass():
    x = ondol.ones(3, requires_grad=True)
    (x.as_subclass(Plain) * 2).sum().backward()
    assert x.grad.equal(ondol.full((3,), 2.0))


def test_parameters_take_no_part():
    parameter = ondol.nn.Parameter(ondol.ones(2))
    assert type(parameter + 1) is ondol.Tensor
    assert type(parameter + ondol.ones(2).as_subclass(Plain)) is Plain


def test_the_handler_sees_functions_methods_operators_and_attributes():
    log = []
    x = ondol.ones(2, 2).as_subclass(logging(log))
    log.clear()
    ondol.relu(x), x.sum(0), x + 1, x[0], x.T, x.shape, x.add_(1), ondol.cat([x, x]), 2 / x, ondol.linalg.norm(x)
    assert log[:4] == ["relu", "sum", "add", "__getitem__"]
    assert log[4:8] == ["__get__", "__get__", "add_", "cat"] and log[8] == "__rtruediv__" and log[-1] == "norm"


def test_the_handler_sees_questions_about_the_form_too():
    class Taller(ondol.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return func.__name__

    x = ondol.Tensor._make_subclass(Taller, ondol.ones(2, 3))
    assert (x.dim(), x.size(0), x.shape, x.numel(), x.is_contiguous()) == (
        "dim", "size", "__get__", "numel", "is_contiguous"
    )  # fmt: skip


def test_functions_are_themselves():
    seen = []

    class Seeing(ondol.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            seen.append((func, types, args, kwargs))
            return 1

    x = ondol.ones(1).as_subclass(Seeing)
    seen.clear()
    assert ondol.add(x, 2, alpha=3) == 1
    (func, types, args, kwargs) = seen.pop()
    assert func is ondol.add and types == (Seeing,) and args[1] == 2 and kwargs == {"alpha": 3}
    assert x.requires_grad == 1 and seen.pop()[0] == ondol.Tensor.requires_grad.__get__


def test_unrelated_classes():
    foreign = Foreign()
    assert ondol.add(ondol.ones(1), foreign)[0] == "add"
    assert (ondol.ones(1) + foreign)[0] == "add" and (ondol.ones(1) @ foreign)[0] == "matmul"
    assert ondol.stack([ondol.ones(1), foreign])[0] == "stack"
    assert ondol.nn.functional.linear(foreign, foreign) == ("linear", (foreign, foreign))
    assert ondol.linalg.inv(foreign) == ("inv", (foreign,))
    with pytest.raises(TypeError):
        ondol.add(ondol.ones(1), object())


def test_subclasses_are_asked_before_their_bases():
    order = []

    class Base(ondol.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            order.append(cls.__name__)
            return NotImplemented

    class Derived(Base):
        pass

    base, derived = ondol.ones(1).as_subclass(Plain), None
    base, derived = Base._make_subclass(Base, ondol.ones(1)), Base._make_subclass(Derived, ondol.ones(1))
    with pytest.raises(TypeError, match="NotImplemented"):
        ondol.add(base, derived)
    assert order == ["Derived", "Base"]


def test_unrelated_subclasses_do_not_mix_by_default():
    class Other(ondol.Tensor):
        pass

    with pytest.raises(TypeError):
        ondol.add(ondol.ones(1).as_subclass(Plain), ondol.ones(1).as_subclass(Other))


def test_switching_the_protocol_off():
    x = ondol.ones(1).as_subclass(Plain)
    with overrides.DisableTorchFunctionSubclass():
        assert type(x + 1) is ondol.Tensor
    assert type(x + 1) is Plain


class Recording(overrides.TorchFunctionMode):
    def __init__(self, log, name=""):
        self.log, self.name = log, name

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.log.append(self.name + func.__name__)
        return func(*args, **(kwargs or {}))


def test_modes_see_every_call_and_nest():
    log = []
    with Recording(log, "outer "), Recording(log, "inner "):
        ondol.ones(2) + 1
    ondol.ones(2)
    assert log == ["inner ones", "outer ones", "inner add", "outer add"]


def test_a_mode_may_answer_and_may_raise():
    class Answer(overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            if func is ondol.zeros:
                raise ValueError("no zeros")
            return 42

    with Answer():
        assert ondol.ones(2) == 42
        with pytest.raises(ValueError, match="no zeros"):
            ondol.zeros(1)
        assert ondol.ones(2) == 42
    assert ondol.ones(2).shape == (2,)


def test_python_functions_can_ask():
    def double(x):
        if overrides.has_torch_function((x,)):
            return overrides.handle_torch_function(double, (x,), x)
        return x * 2

    assert double(Foreign())[0] == "double"
    assert double(3) == 6
    assert overrides.wrap_torch_function(lambda x: (x,))(abs)(Foreign())[0] == "abs"


def test_what_counts_as_a_tensor():
    assert overrides.is_tensor_like(Foreign()) and overrides.is_tensor_like(ondol.ones(1))
    assert not overrides.is_tensor_like(3)
    assert overrides.has_torch_function_unary(Foreign()) and not overrides.has_torch_function_unary(ondol.ones(1))
    assert overrides.has_torch_function_variadic(1, Foreign())


def test_names():
    assert overrides.resolve_name(ondol.add) == "ondol.add"
    assert overrides.is_tensor_method_or_property(ondol.Tensor.add)
    assert ondol.add in overrides.get_overridable_functions()[ondol]
