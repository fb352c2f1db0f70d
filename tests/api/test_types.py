"""pyright reads the examples and `typed_usage.py` as an editor does."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PYRIGHT = shutil.which("pyright") or shutil.which("pyright", path=str(Path(sys.executable).parent))


def test_typed_usage_runs():
    runpy.run_path(str(HERE / "typed_usage.py"), run_name="__main__")


@pytest.fixture
def installed(tmp_path) -> Path:
    """An environment with the package as a wheel installs it: there, pyright asks what a module means to export."""
    if not (REPOSITORY / "ondol" / "_native" / "__init__.pyi").exists():
        pytest.skip("no stub beside the sources: it is written by a build in place")
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False)
    packages = next(environment.glob("[Ll]ib/**/site-packages"))
    ignored = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__", "*.npz")
    shutil.copytree(REPOSITORY / "ondol", packages / "ondol", ignore=ignored)
    return environment


@pytest.mark.slow
@pytest.mark.skipif(PYRIGHT is None, reason="pyright is not installed")
def test_pyright_finds_nothing_in_typed_usage_and_examples(installed, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    for file in (HERE / "typed_usage.py", *(REPOSITORY / "examples").glob("*.py")):
        shutil.copy(file, project)
    interpreter = installed / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    command = [PYRIGHT, "--pythonpath", str(interpreter), "--project", str(project)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=project)
    assert done.returncode == 0, done.stdout
