"""Random calls of every public operator for some seconds; under the sanitizers too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "fuzz"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
@pytest.mark.parametrize("seed", [0, 1])
def test_no_call_ends_the_process(seed, tmp_path):
    trace = tmp_path / "trace.txt"
    with trace.open("w") as errors:
        command = [sys.executable, str(TOOL), "--seed", str(seed), "--seconds", "10", "--trace"]
        done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=180)
    assert done.returncode == 0, trace.read_text(errors="replace")[-8000:]
    assert "succeeded" in done.stdout
