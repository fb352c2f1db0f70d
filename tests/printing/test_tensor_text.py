"""The text of a tensor is PyTorch's, character for character."""

import json
from pathlib import Path

import pytest

import ondol

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())


@pytest.fixture(autouse=True)
def default_options():
    yield
    ondol.set_printoptions(profile="default")


@pytest.mark.parametrize(("expression", "options", "text"), GOLDEN, ids=[f"{e} {o or ''}" for e, o, _ in GOLDEN])
def test_text_equals_pytorchs(expression, options, text):
    ondol.set_printoptions(**(options or {"profile": "default"}))
    assert repr(eval(expression, {"torch": ondol})) == text


def test_options_hold_for_a_block_only():
    before = ondol.get_printoptions()
    with ondol.printoptions(precision=1, sci_mode=True):
        assert repr(ondol.tensor([0.25])) == "tensor([2.5e-01])"
    assert ondol.get_printoptions() == before


def test_a_number_is_formatted_as_a_number():
    assert f"{ondol.tensor(3.14159):.2f} {ondol.tensor(7):>3}" == "3.14   7"


def test_a_vector_refuses_a_number_format():
    with pytest.raises(TypeError):
        f"{ondol.ones(2):.2f}"


def test_an_unknown_profile_is_refused():
    with pytest.raises(ValueError, match="default, short, full"):
        ondol.set_printoptions(profile="long")
