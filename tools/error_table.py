"""Prints docs/errors.md: what ondol says to the mistakes that users make most and to broken models, beside PyTorch.

    python tools/error_table.py > docs/errors.md

Needs PyTorch, which it asks at once; the sentences of both libraries are those of the versions installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
INTRODUCTION = """# What ondol says when something goes wrong

The mistakes that users make most, with the errors of both libraries. The type is PyTorch's, or a class that inherits
from it (`ShapeError` is a RuntimeError and a ValueError), and PyTorch's opening words are kept, so that programs and
tests that look for them work. Beyond them a message says what was asked of which shapes and dtypes, and what to do.

Printed by `python tools/error_table.py`, ondol {ondol} beside PyTorch {torch}; `tests/errors/` holds ondol to it.
"""


CHAPTER_OF_MODELS = """# Broken models

Small models with one mistake each. An exception that comes out of a module's call says which module it was, by its path
from the root, with its options and with the shapes and dtypes that came in.
"""


def programs(name: str) -> ModuleType:
    """A file of `tests/errors/`, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "errors" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
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
    mistakes = programs("mistakes").MISTAKES
    print_table(mistakes, libraries, first=1)
    print(CHAPTER_OF_MODELS)
    print_table(programs("broken_models").BROKEN_MODELS, libraries, first=len(mistakes) + 1)
    return 0


def print_table(entries: Sequence[Any], libraries: dict[str, ModuleType], first: int) -> None:
    """Each entry with its program and what both libraries say to it, numbered from `first`."""
    for number, entry in enumerate(entries, first):
        print(f"## {number}. {entry.title}\n\n```python\n{entry.code}\n```\n")
        for name, title in (("torch", "PyTorch"), ("ondol", "ondol")):
            print(f"{title}:\n\n```text\n{said(libraries[name], entry.code)}\n```\n")


if __name__ == "__main__":
    sys.exit(main())
