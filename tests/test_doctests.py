"""Every example in a docstring of the package gives what it says."""

import doctest
import importlib
import pkgutil

import pytest

import ondol

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules():
    found = ["ondol"]
    for module in pkgutil.walk_packages(ondol.__path__, "ondol."):
        if not module.name.startswith("ondol._native") and not module.name.endswith("__main__"):
            found.append(module.name)
    return found


def examples(module):
    """The docstrings with examples; a name that the doctests of a module need is a name of the module, or ondol."""
    return [test for test in doctest.DocTestFinder().find(module, extraglobs={"ondol": ondol}) if test.examples]


@pytest.fixture(autouse=True)
def state_of_the_session():
    """Examples may change what is global, the default dtype and the random numbers."""
    dtype, state = ondol.get_default_dtype(), ondol.get_rng_state()
    yield
    ondol.set_default_dtype(dtype)
    ondol.set_rng_state(state)
    ondol.set_printoptions(profile="default")


@pytest.mark.parametrize("name", modules())
def test_the_examples_hold(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # examples may write files
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    report = []
    for test in examples(importlib.import_module(name)):
        runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)
