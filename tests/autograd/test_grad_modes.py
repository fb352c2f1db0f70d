"""Grad modes inside one another, and what is on after them."""

from __future__ import annotations

import pytest

import ondol


@pytest.mark.parametrize("inner", [ondol.no_grad, ondol.enable_grad, lambda: ondol.set_grad_enabled(False)])
@pytest.mark.parametrize("outer", [ondol.no_grad, ondol.enable_grad])
def test_inference_mode_leaves_the_grad_mode_that_it_found(outer, inner):
    with outer():
        before = ondol.is_grad_enabled()
        with ondol.inference_mode(), inner():
            assert not (ondol.ones(1, requires_grad=True) * 2).requires_grad
        assert ondol.is_grad_enabled() == before
    assert ondol.is_grad_enabled()


def test_inference_mode_undoes_what_was_set_in_it():
    with ondol.inference_mode():
        ondol.set_grad_enabled(False)
    assert ondol.is_grad_enabled()
