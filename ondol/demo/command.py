"""The options of `ondol demo`, and one clear line for everything that can go wrong."""

from __future__ import annotations

import argparse
import os
import pathlib
import sys

import ondol
from ondol.demo import story
from ondol.demo.proof import ProofFailed

SUMMARY = "Train a small network on real handwritten digits, and look inside it on the way."
FAILED = 1
INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C stopped: 128 + SIGINT


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the demo's options to its parser."""
    parser.add_argument("--epochs", type=_positive, default=12, metavar="N", help="passes over the data (default 12)")
    parser.add_argument(
        "--out", type=pathlib.Path, default=pathlib.Path("ondol-demo"), metavar="DIR", help="folder for what is made"
    )
    parser.add_argument("--seed", type=_seed, default=0, metavar="S", help="same seed, same numbers (default 0)")
    parser.add_argument("--threads", type=_positive, metavar="N", help="threads to compute with (default: all cores)")


def run(options: argparse.Namespace) -> int:
    """Run the demo and return its exit status; whatever fails is said in one line on stderr."""
    if hasattr(sys.stdout, "reconfigure"):  # a folder's name may hold letters that the terminal's encoding lacks
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if options.threads:
            ondol.set_num_threads(options.threads)
        story.tell(options.epochs, options.out, options.seed)
        sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        return _end(f"stopped by Ctrl-C; whatever is in {options.out} is whole", INTERRUPTED)
    except OSError as error:
        where = f"cannot write {error.filename}: " if error.filename else "cannot write its output: "
        return _end(where + (error.strerror or str(error)), FAILED)
    except ProofFailed as error:
        return _end(f"this should be true and is not: {error}", FAILED)


def _end(line: str, status: int) -> int:
    try:
        sys.stdout.flush()
    except OSError:  # stdout itself is what broke; without this Python would complain once more as it exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    print(f"ondol demo: {line}", file=sys.stderr)
    return status


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, not {text!r}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to 2**63 - 1, not {text!r}")
    return int(text)
