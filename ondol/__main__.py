"""The command `ondol`, also `python -m ondol`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import ondol


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (by default the process's own) name, and return its exit status."""
    parser = argparse.ArgumentParser(prog="ondol", description="PyTorch's programming model on a small native floor.")
    parser.add_argument("--version", action="version", version=f"ondol {ondol.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    from ondol.demo import command as demo  # here, so that `import ondol` never pays for what only the demo needs

    demo.add_options(commands.add_parser("demo", help=demo.SUMMARY, description=demo.SUMMARY))
    return demo.run(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
