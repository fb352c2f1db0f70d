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


def test_edges_in_the_place_of_tensors():
    x = leaf(1.0, 2.0, 3.0)
    y = x * x
    z = y.sum()
    edge, end = graph.get_gradient_edge(y), graph.get_gradient_edge(z)
    assert ondol.autograd.grad(z, edge, retain_graph=True)[0].tolist() == [1, 1, 1]
    by_x, by_y = ondol.autograd.grad(end, [x, edge], retain_graph=True)
    assert by_x.tolist() == [2, 4, 6] and by_y.tolist() == [1, 1, 1]
    ondol.autograd.backward(edge, ondol.tensor([1.0, 0.0, 2.0]), retain_graph=True)
    assert x.grad.tolist() == [2, 0, 12]
    ondol.autograd.backward(end, inputs=[graph.get_gradient_edge(x)], retain_graph=True)
    assert x.grad.tolist() == [4, 4, 18]
    ondol.autograd.backward(z, inputs=edge, retain_graph=True)
    assert x.grad.tolist() == [4, 4, 18] and y.grad is None


def test_edges_that_lead_nowhere_are_refused():
    x = leaf(1.0, 2.0)
    y = x * 2
    z, edge, other = y.sum(), graph.get_gradient_edge(y), leaf(1.0).sum()
    with pytest.raises(RuntimeError, match="only for scalar outputs"):
        ondol.autograd.backward(edge)
    with pytest.raises(RuntimeError, match="not have been used"):
        ondol.autograd.grad(other, edge)
    assert ondol.autograd.grad(other, edge, allow_unused=True) == (None,)
    with pytest.raises(RuntimeError, match="materialize_grads cannot be used"):
        ondol.autograd.grad(other, edge, materialize_grads=True)
    for output in (1, -1):
        with pytest.raises(IndexError, match="has 1 outputs"):
            ondol.autograd.grad(z, graph.GradientEdge(y.grad_fn, output))
    for node, output in ((None, 0), ("node", 0), (y.grad_fn, "0"), (y.grad_fn, 2**70)):
        with pytest.raises(TypeError):
            ondol.autograd.grad(z, graph.GradientEdge(node, output))
    with pytest.raises(TypeError, match="must be Tensors"):
        ondol.autograd.grad(z, [(y.grad_fn, 0)])
    assert ondol.autograd.grad(z, x)[0].tolist() == [2, 2]


def test_anomaly_mode_finds_the_operation_that_brings_forth_nan():
    a = leaf(-1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ondol.autograd.anomaly_mode.detect_anomaly(), pytest.raises(RuntimeError, match="SqrtBackward0"):
            (a.sqrt() * 0).sum().backward()
