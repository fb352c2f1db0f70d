"""Prints docs/errors.md: what ondol says to the mistakes that users make most, beside PyTorch's words.

    python tools/error_table.py > docs/errors.md

Needs PyTorch, which it asks at once; the sentences of both libraries are those of the versions installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
INTRODUCTION = """# What ondol says when something goes wrong

The mistakes that users make most, with the errors of both libraries. The type is PyTorch's, or a class that inherits
from it (`ShapeError` is a RuntimeError and a ValueError), and PyTorch's opening words are kept, so that programs and
tests that look for them work. Beyond them a message says what was asked of which shapes and dtypes, and what to do.

Printed by `python tools/error_table.py`, ondol {ondol} beside PyTorch {torch}; `tests/errors/` holds ondol to it.
"""


def mistakes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mistakes", ROOT / "tests" / "errors" / "mistakes.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["mistakes"] = module
    spec.loader.exec_module(module)
    return module


def said(library: ModuleType, code: str) -> str:
    """The type and the words of the exception that a program ends with; notes are part of it."""
    try:
        exec(compile(code, "<mistake>", "exec"), {"torch": library})
    except Exception as error:
        words = "\n".join([str(error), *getattr(error, "__notes__", [])])
        return f"{type(error).__name__}: {_without_paths(words)}"
    return "no error"


def _without_paths(text: str) -> str:
    """Where PyTorch was compiled is of no interest."""
    text = re.sub(r"\nException raised from .*", "", text, flags=re.S)
    return re.sub(r"(/\w[\w.-]*)+/(\w+\.(cpp|h|py))", r"\2", text).strip()


def main() -> int:
    libraries = {name: importlib.import_module(name) for name in ("torch", "ondol")}
    versions = {name: library.__version__.partition("+")[0] for name, library in libraries.items()}
    print(INTRODUCTION.format(**versions))
    for number, mistake in enumerate(mistakes().MISTAKES, 1):
        print(f"## {number}. {mistake.title}\n\n```python\n{mistake.code}\n```\n")
        for name, title in (("torch", "PyTorch"), ("ondol", "ondol")):
            print(f"{title}:\n\n```text\n{said(libraries[name], mistake.code)}\n```\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
