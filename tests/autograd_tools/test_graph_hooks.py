"""Hooks on what is saved and on several gradients; the search for NaN."""

import warnings

import pytest

import ondol
from ondol.autograd import graph


def leaf(*values):
    return ondol.tensor(values, requires_grad=True)


def test_saved_tensors_pass_through_the_hooks_of_the_inner_block():
    packed, a = [], leaf(1.0, 2.0)
    with graph.saved_tensors_hooks(lambda t: packed.append("outer") or t, lambda t: t):
        with graph.saved_tensors_hooks(lambda t: packed.append("inner") or t.tolist(), ondol.tensor):
            inner = a.exp()
        outer = a.exp()
    a.exp()
    assert packed == ["inner", "outer"]
    (inner + outer).sum().backward()
    assert ondol.allclose(a.grad, 2 * a.detach().exp())


def test_save_on_cpu_changes_no_gradient():
    a = leaf(3.0)
    with graph.save_on_cpu():
        (a * a).sum().backward()
    assert a.grad.tolist() == [6]


def test_disabled_hooks_say_why():
    with graph.disable_saved_tensors_hooks("not here"), pytest.raises(RuntimeError, match="not here"):
        with graph.save_on_cpu():
            pass


def test_a_hook_on_several_gradients_waits_for_those_that_come():
    a, b = leaf(1.0), leaf(2.0)
    c, d = a * b, a * b
    seen = []
    handle = graph.register_multi_grad_hook((a, b, c, d), lambda grads: seen.append([g is not None for g in grads]))
    c.sum().backward(retain_graph=True)
    (c + d).sum().backward(retain_graph=True)
    handle.remove()
    c.sum().backward()
    assert seen == [[True, True, True, False], [True] * 4]


def test_a_hook_on_any_gradient_is_called_once_a_pass():
    a, b = leaf(1.0), leaf(2.0)
    seen = []
    graph.register_multi_grad_hook((a, b), seen.append, mode="any")
    (a * b).sum().backward()
    (a * b).sum().backward()
    assert len(seen) == 2


def test_a_gradient_edge_names_the_node_of_its_tensor():
    product = leaf(1.0) * 2
    edge = graph.get_gradient_edge(product)
    assert (edge.node.name(), edge.output_nr) == ("MulBackward0", 0)
    with pytest.raises(RuntimeError, match="does not require gradients"):
        graph.get_gradient_edge(ondol.ones(1))


def test_anomaly_mode_finds_the_operation_that_brings_forth_nan():
    a = leaf(-1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ondol.autograd.anomaly_mode.detect_anomaly(), pytest.raises(RuntimeError, match="SqrtBackward0"):
            (a.sqrt() * 0).sum().backward()
