"""pyright reads the examples and `typed_usage.py` as an editor does."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PYRIGHT = shutil.which("pyright") or shutil.which("pyright", path=str(Path(sys.executable).parent))


def test_typed_usage_runs():
    runpy.run_path(str(HERE / "typed_usage.py"), run_name="__main__")


@pytest.mark.slow
@pytest.mark.skipif(PYRIGHT is None, reason="pyright is not installed")
def test_pyright_finds_nothing_in_typed_usage_and_examples():
    """The sources beside the tests are what pyright sees, with the stub that their build wrote."""
    if not (REPOSITORY / "ondol" / "_native" / "__init__.pyi").exists():
        pytest.skip("no stub beside the sources: it is written by a build in place")
    files = [HERE / "typed_usage.py", *sorted((REPOSITORY / "examples").glob("*.py"))]
    done = subprocess.run(
        [PYRIGHT, "--pythonpath", sys.executable, *map(str, files)], capture_output=True, text=True, cwd=REPOSITORY
    )
    assert done.returncode == 0, done.stdout
