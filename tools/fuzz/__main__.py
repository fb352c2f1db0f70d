"""Calls every public operator with random, wrong and extreme arguments, looking for what must not happen.

A call may refuse what it is given with an exception of PyTorch's usual kinds. It must not crash, hang, raise another
exception, change a tensor that is not its output, write beside one, change anything when it fails or, in a build with
sanitizers (`-DONDOL_SANITIZE=ON`), touch memory that is not its own:

    python tools/fuzz --seconds 60 --seed 3
    python tools/fuzz --seed 3 --first 1234 --calls 1     the one call at which it ended
    python tools/fuzz --only 'linalg.*' --go-on           some names, and all their findings

Each call depends on the seed and its own number only, so the last line of the report of a crash (`--trace`, or the
message of faulthandler) is all that is needed to see it again.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import re
import resource
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import guard
from arguments import Arguments
from refusals import is_foreseen
from targets import Target, targets

import ondol

MEMORY = 2 << 30  # bytes beyond what the interpreter has at the start: extreme sizes must fail and not swap
CHANGED = ("running_mean", "running_var")  # which normalizations update


def arguments_of(make: Arguments, target: Target) -> tuple[list[Any], dict[str, Any]]:
    positional: list[Any] = []
    named: dict[str, Any] = {}
    by_name = False
    for parameter in make.random.choice(target.signatures):
        omitted = parameter.optional and make.random.random() < (0.7 if parameter.keyword_only else 0.4)
        if omitted or (parameter.type != "Self" and make.wild() and make.wild()):
            by_name = True
            continue
        value = make.of(parameter.type)
        if (parameter.keyword_only or by_name) and parameter.name:
            named[parameter.name] = value
        else:
            positional.append(value)
    if target.out and make.random.random() < 0.15:
        named["out"] = make.out(tensors_in(positional), target.out == "several")
    return positional, named


def is_small(tensor: Any, elements: int) -> bool:
    """Whether its nested list is short; (2**62, 0) has no elements, and a list of as many empty ones."""
    return tensor.numel() <= elements and max(tensor.shape, default=0) <= elements


def described(value: Any) -> str:
    if isinstance(value, ondol.Tensor):
        grad = ", requires_grad" if value.requires_grad else ""
        text = str(value.detach().clone().tolist()) if is_small(value, 24) else "..."
        return f"<{value.dtype} {tuple(value.shape)} strides {value.stride()}{grad} {text}>"
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return ("({})" if isinstance(value, tuple) else "[{}]").format(", ".join(map(described, value)))
    return repr(value)


def written(name: str, positional: list[Any], named: dict[str, Any]) -> str:
    parts = [described(value) for value in positional]
    parts += [f"{key}={described(value)}" for key, value in named.items()]
    return f"{name}({', '.join(parts)})"


def tensors_in(value: Any) -> list[Any]:
    if isinstance(value, ondol.Tensor):
        return [value]
    if isinstance(value, dict):
        return [tensor for one in value.values() for tensor in tensors_in(one)]
    return [tensor for one in value for tensor in tensors_in(one)] if isinstance(value, (list, tuple)) else []


def use(result: Any, inputs: list[Any]) -> None:
    """Reads every element of what came out, and differentiates it twice where that is possible."""
    outputs = tensors_in(result)
    for tensor in outputs:
        guard.check_sense(tensor)
        if is_small(tensor, 4096):
            tensor.detach().tolist()
    leaves = [tensor for tensor in inputs if tensor.requires_grad]
    roots = [tensor for tensor in outputs if tensor.requires_grad and tensor.numel() <= 4096]
    for level in range(2):
        if not roots or not leaves:
            return
        ones = [ondol.ones_like(root) for root in roots]
        gradients = ondol.autograd.grad(roots, leaves, ones, allow_unused=True, create_graph=level == 0)
        for gradient in gradients:
            if gradient is not None and is_small(gradient, 4096):
                gradient.detach().tolist()
        roots = [gradient for gradient in gradients if gradient is not None and gradient.requires_grad]


def bound(target: Target, positional: list[Any], named: dict[str, Any]) -> list[tuple[str, Any]]:
    """The arguments with the names of their parameters."""
    names = [one.name for one in target.signatures[0]]
    return [*zip(names, positional), *named.items()]


def twin_result(target: Target, positional: list[Any], named: dict[str, Any]) -> Any:
    """What the function gives of which the target is the in-place form; None if it has none or refuses."""
    drawn = any(
        isinstance(one, ondol.Generator) for one in [*positional, *named.values()]
    )  # and would be drawn from twice
    if target.twin is None or drawn:
        return None
    state = ondol.get_rng_state()
    try:
        with ondol.no_grad():
            result = target.twin(*positional, **named)
            return result.clone() if isinstance(result, ondol.Tensor) else None
    except Exception:  # what it may raise is seen when it is called for itself
        return None
    finally:
        ondol.set_rng_state(state)


def call(target: Target, positional: list[Any], named: dict[str, Any]) -> str:
    """How it went: "succeeded" or the name of the exception.

    Raises what must not be raised, and Corruption.
    """
    inputs = tensors_in(positional) + tensors_in(named)
    before = [guard.picture(tensor) for tensor in inputs]
    changes_first = target.changes_first or any(one.name == "inplace" for one in target.signatures[0])
    outputs = tensors_in(named.get("out")) + (tensors_in([*positional, *named.values()][:1]) if changes_first else [])
    outputs += tensors_in([value for name, value in bound(target, positional, named) if name in CHANGED])
    expected = twin_result(target, positional, named)
    try:
        result = target.function(*positional, **named)
    except Exception as refusal:
        guard.check_untouched(before, outputs, failed=True)
        if not is_foreseen(refusal, target.name, [*positional, *named.values()]):
            raise
        return type(refusal).__name__
    guard.check_untouched(before, outputs, failed=False)
    if isinstance(expected, ondol.Tensor):
        guard.check_same(result, expected, target.name)
    try:
        use(result, inputs)
    except Exception as refusal:
        if not is_foreseen(refusal, target.name, [*positional, *named.values()]):
            raise
        return f"{type(refusal).__name__} in its derivative"
    return "succeeded"


def fuzz(options: argparse.Namespace) -> tuple[Counter[str], list[str]]:
    """How often calls went in which way, and the findings: one, or with `go_on` one for each operator."""
    candidates = [target for target in targets() if re.fullmatch(options.only, target.name)]
    outcomes: Counter[str] = Counter()
    findings: dict[str, str] = {}
    ends = time.monotonic() + options.seconds
    for number in range(options.first, options.first + options.calls):
        if time.monotonic() > ends:
            break
        state = random.Random(f"{options.seed} {number}")
        ondol.manual_seed(number)
        target = state.choice(candidates)
        positional, named = arguments_of(Arguments(state, options.vast), target)
        if options.trace:
            print(f"{number}: {written(target.name, positional, named)}", file=sys.stderr, flush=True)
        text = written(target.name, positional, named) if options.go_on else target.name
        faulthandler.dump_traceback_later(options.patience, exit=True)
        try:
            outcomes[call(target, positional, named)] += 1
        except BaseException as failure:
            key = f"{target.name} {type(failure).__name__}"
            findings.setdefault(key, f"seed {options.seed}, call {number}: {text[:1500]} raised {failure!r}")
            if not options.go_on:
                raise RuntimeError(findings[key]) from failure
        faulthandler.cancel_dump_traceback_later()
    return outcomes, list(findings.values())


def limit_memory() -> None:
    """More than this is refused by the system, so that no extreme size is really written."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tools/fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first call")
    parser.add_argument("--calls", type=int, default=10**9)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--only", default=".*", help="names of operators, a regular expression")
    parser.add_argument("--patience", type=float, default=60, help="seconds for a call, then it counts as hanging")
    parser.add_argument("--vast", type=float, default=0.01, help="share of calls with tensors as (0, 2**62)")
    parser.add_argument("--go-on", action="store_true", help="collect findings instead of ending at the first")
    parser.add_argument("--trace", action="store_true", help="write each call to stderr before it happens")
    options = parser.parse_args()
    limit_memory()
    warnings.simplefilter("ignore")
    outcomes, findings = fuzz(options)
    for finding in findings:
        print(finding)
    print(f"{sum(outcomes.values())} calls:", ", ".join(f"{name} {count}" for name, count in outcomes.most_common()))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
