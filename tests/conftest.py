"""Where tests run: in a folder of their own, as a user's program would."""

import os
import signal

import pytest

# A CI job may be started with SIGINT ignored, which its children inherit: tests of Ctrl-C need it to arrive.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def away_from_the_checkout(tmp_path_factory):
    """A process that a test starts has its folder first on sys.path: in the checkout it would import the sources,
    which have no compiled extension, in place of the installed package."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("somewhere"))
    yield
    os.chdir(before)
