"""Double precision and one seed for all tests of distributions."""

from __future__ import annotations

import pytest

import ondol


@pytest.fixture(autouse=True)
def _double():
    before = ondol.get_default_dtype()
    ondol.set_default_dtype(ondol.float64)
    ondol.manual_seed(0)
    yield
    ondol.set_default_dtype(before)
