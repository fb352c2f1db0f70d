"""`import ondol` stays light: what it must not load, and how much it may."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORBIDDEN = {
    *("asyncio", "concurrent", "importlib.metadata", "logging", "multiprocessing", "queue", "tempfile", "unittest"),
    *("zipfile", "matplotlib", "PIL", "rich", "torch"),
}

MODULES_BEYOND_NUMPY = 90
"""A bound on our own modules and what they need beside NumPy: room for a few more, not for a new dependency."""


def modules_after(statement: str) -> set[str]:
    """Names of the modules that a fresh interpreter has loaded after a statement."""
    program = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_loads_nothing_heavy():
    already = modules_after("import numpy")
    loaded = modules_after("import ondol")
    heavy = sorted(FORBIDDEN & (loaded - already))
    assert not heavy, f"`import ondol` loads {', '.join(heavy)}: import inside the function that needs it"


def test_import_loads_few_modules():
    added = modules_after("import ondol") - modules_after("import numpy")
    assert len(added) <= MODULES_BEYOND_NUMPY, f"{len(added)} modules: {' '.join(sorted(added))}"


@pytest.mark.parametrize("name", ["save", "optim.AdamW", "linalg.norm", "fft.fft", "utils.data.DataLoader", "finfo"])
def test_lazy_name_needs_no_further_import(name):
    modules_after(f"import ondol; ondol.{name}")
