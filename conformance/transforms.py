"""vmap and forward-mode AD over the operators of PyTorch's database.

`python transforms.py [--only REGEX] [--samples K] [--suite vmap,forward] [--extended]`, in this folder, needs PyTorch
and ondol.

vmap: three different inputs of each sample are stacked; the result must be that of calling the operator on each of them
in ondol itself. All tensors are batched, or the first alone. What raises in PyTorch's own vmap as well is not counted.
Forward mode: the tangents of make_dual and unpack_dual, against PyTorch's, where it has them.
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections import Counter, defaultdict

import torch
from conformance.library import Library, remember_constructor_arguments
from conformance.results import Mismatch
from conformance.suites.base import pick
from conformance.suites.op_catalog import not_aimed_at, tier
from conformance.suites.ops import locate
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils._pytree import tree_flatten, tree_unflatten

import ondol

EXAMPLES = 3
REPEATED_INDICES = "nn.functional.max_unpool"  # whose values are undefined; its variants `.grad` have none
SEED = 42


def variants(leaf: torch.Tensor) -> list[torch.Tensor]:
    """Three inputs: numbers are scaled, which keeps matrices positive definite and factors triangular; integers and
    truth values are moved round."""
    leaf = leaf.detach()
    if leaf.is_floating_point() or leaf.is_complex():
        return [leaf * factor for factor in (1.0, 0.9, 0.8)]
    return [leaf.flatten().roll(shift).view(leaf.shape) for shift in range(EXAMPLES)]


def is_tensor(leaf) -> bool:
    return isinstance(leaf, torch.Tensor)


def seeded(library, function, *args, **kwargs):
    library.module.manual_seed(SEED)
    return function(*args, **kwargs)


def transformed(library: Library, function, leaves: list, spec, batched: list[int]):
    """The operator under vmap, as a function of nothing; `leaves` holds batches where `batched` says."""

    def on_examples(*examples):
        values = list(leaves)
        for position, example in zip(batched, examples):
            values[position] = example
        first, rest, keywords = tree_unflatten(values, spec)
        return function(first, *rest, **keywords)

    mapped = library.module.vmap(on_examples, randomness="same")
    return seeded(library, mapped, *(leaves[position] for position in batched))


def flat_tensors(library: Library, output) -> list:
    return [leaf for leaf in tree_flatten(library.to_torch(output))[0] if is_tensor(leaf)]


def check_vmap(op, sample, ours: Library, theirs: Library, first_only: bool) -> str:
    """Empty if right, 'skip' if PyTorch refuses too, else what is wrong."""
    leaves, spec = tree_flatten((sample.input, sample.args, sample.kwargs))
    positions = [i for i, leaf in enumerate(leaves) if is_tensor(leaf)]
    if first_only:
        if len(positions) < 2:
            return "skip"
        positions = positions[:1]
    if not positions:
        return "skip"
    stacks = {i: variants(leaves[i]) for i in positions}
    plain = [leaf.detach() if is_tensor(leaf) else leaf for leaf in leaves]
    function = locate(ours, op.op, op.name)
    expected = []
    for example in range(EXAMPLES):
        values = [stacks[i][example] if i in stacks else leaf for i, leaf in enumerate(plain)]
        first, rest, keywords = ours.translate(tree_unflatten(values, spec))
        try:
            expected.append(flat_tensors(ours, seeded(ours, function, first, *rest, **keywords)))
        except Exception:  # not a matter of vmap: the suite ops judges plain calls
            return "skip"
    batches = [torch.stack(stacks[i]) if i in stacks else leaf for i, leaf in enumerate(plain)]
    try:
        # Containers of the sample are taken apart before, so that only leaves are translated.
        output = transformed(ours, function, [ours.translate(leaf) for leaf in batches], spec, positions)
        actual = flat_tensors(ours, output)
        if len(actual) != len(expected[0]):
            return f"{len(actual)} tensors instead of {len(expected[0])}"
        for place, batch in enumerate(actual):
            for example in range(EXAMPLES):
                if "empty" in op.name:  # uninitialised memory
                    assert batch[example].shape == expected[example][place].shape
                    continue
                torch.testing.assert_close(
                    batch[example], expected[example][place], equal_nan=True, rtol=1e-6, atol=1e-7
                )
        return ""
    except Exception as error:
        problem = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    try:
        transformed(theirs, locate(theirs, op.op, op.name), batches, spec, positions)
    except Exception:  # PyTorch's own vmap refuses the sample
        return "skip"
    return problem


def tangents(library: Library, op, sample, directions: list):
    forward_ad = library.resolve("autograd.forward_ad")
    function = locate(library, op.op, op.name)
    leaves, spec = tree_flatten((sample.input, sample.args, sample.kwargs))
    with forward_ad.dual_level():
        values = []
        for leaf, direction in zip(leaves, directions):
            value = library.translate(leaf.detach() if is_tensor(leaf) else leaf)
            values.append(value if direction is None else forward_ad.make_dual(value, library.translate(direction)))
        first, rest, keywords = tree_unflatten(values, spec)
        wrapper = library.translate(op.gradcheck_wrapper)  # makes matrices hermitian where only those are meant
        output = seeded(library, wrapper, function, first, *rest, **keywords)
        output = library.translate(sample.output_process_fn_grad)(output)  # to what is unique in it
        flat = output if isinstance(output, (list, tuple)) else [output]
        found = []
        for item in flat:
            if not isinstance(item, library.module.Tensor):
                continue
            dual = forward_ad.unpack_dual(item)
            tangent = None if dual.tangent is None else library.to_torch(dual.tangent)
            if tangent is None and (item.is_floating_point() or item.is_complex()):
                tangent = torch.zeros_like(library.to_torch(dual.primal))
            found.append(tangent)
        return found


def check_forward(op, sample, ours: Library, theirs: Library) -> str:
    leaves, _ = tree_flatten((sample.input, sample.args, sample.kwargs))
    torch.manual_seed(SEED)
    directions = [
        torch.randn_like(leaf.detach()) if is_tensor(leaf) and leaf.requires_grad else None for leaf in leaves
    ]
    if not any(direction is not None for direction in directions):
        return "skip"
    try:
        expected = tangents(theirs, op, sample, directions)
    except Exception:  # PyTorch has no tangent for the sample
        return "skip"
    try:
        actual = tangents(ours, op, sample, directions)
        if len(actual) != len(expected):
            return f"{len(actual)} tensors instead of {len(expected)}"
        for mine, reference in zip(actual, expected):
            if (mine is None) != (reference is None):
                return "a tangent is missing" if mine is None else "a tangent too many"
            if mine is not None:
                torch.testing.assert_close(mine, reference, equal_nan=True, rtol=1e-5, atol=1e-6)
        return ""
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--samples", type=int, default=6)
    parser.add_argument("--suite", default="vmap,forward")
    parser.add_argument("--extended", action="store_true", help="all operators rather than the core tier")
    options = parser.parse_args()
    remember_constructor_arguments()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    ours, theirs = Library(ondol), Library(torch)
    checks = {
        "vmap, all batched": lambda op, sample: check_vmap(op, sample, ours, theirs, False),
        "vmap, first batched": lambda op, sample: check_vmap(op, sample, ours, theirs, True),
        "forward mode": lambda op, sample: check_forward(op, sample, ours, theirs),
    }
    counts, operators, problems = defaultdict(Counter), defaultdict(dict), defaultdict(Counter)
    for op in op_db:
        name = op.full_name
        if (
            not_aimed_at(name)
            or (tier(op.name) != "core" and not options.extended)
            or not re.search(options.only, name)
        ):
            continue
        dtype = next((d for d in (torch.float64, torch.int64, torch.bool) if d in op.dtypes), None)
        if dtype is None:
            continue
        try:
            locate(ours, op.op, op.name)
        except Mismatch:
            continue  # a missing name, which is counted elsewhere
        for check, run in checks.items():
            if check.split(",")[0].split(" ")[0] not in options.suite:
                continue
            forward = check == "forward mode"
            if forward and name.startswith(REPEATED_INDICES) and not name.endswith(".grad"):
                continue
            if forward and not (op.supports_forward_ad and dtype == torch.float64):
                continue
            samples = pick(list(op.sample_inputs("cpu", dtype, requires_grad=forward)), options.samples)
            for sample in samples:
                problem = run(op, sample)
                if problem == "skip":
                    continue
                counts[check]["wrong" if problem else "right"] += 1
                operators[check][name] = operators[check].get(name, True) and not problem
                if problem:
                    problems[check][f"{name}: {problem}"] += 1
    for check, count in counts.items():
        right = sum(operators[check].values())
        total = len(operators[check])
        print(f"{check}: {right} of {total} operators ({100 * right / total:.1f} %), {count['right']} samples right, "
              f"{count['wrong']} wrong")  # fmt: skip
        for problem, times in sorted(problems[check].items()):
            print(f"    {problem}" + (f" (x{times})" if times > 1 else ""))
    return int(any(problems.values()))


if __name__ == "__main__":
    sys.exit(main())
