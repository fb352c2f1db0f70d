"""Writes golden.json, what PyTorch prints for each expression; run by hand where torch is installed."""

import json
from pathlib import Path

DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool", "complex64", "complex128")
VALUES = "[[0, 1, 2], [30, 4, -5]]"
EXPRESSIONS = [
    *(f"torch.tensor({VALUES}).to(torch.{name})" for name in DTYPES if name != "uint8"),
    *(f"torch.empty(0, dtype=torch.{name})" for name in DTYPES),
    *(f"torch.empty(2, 0, 3, dtype=torch.{name})" for name in DTYPES[:2]),
    *(f"torch.ones((), dtype=torch.{name})" for name in DTYPES),
    "torch.tensor([1.5, -2.25, 1e-3])",
    "torch.tensor([1e10, 1.0])",
    "torch.tensor([1e-5, 1.0])",
    "torch.tensor([1e5, 1e9])",
    "torch.tensor([123456.0, 0.5])",
    "torch.tensor([-0.0, 0.0])",
    "torch.tensor([float('nan'), float('inf'), -float('inf'), 1.0])",
    "torch.tensor([float('nan'), float('inf'), -float('inf'), 1.5])",
    "torch.tensor([float('nan')])",
    "torch.tensor([1e30, float('inf'), 2.0])",
    "torch.tensor([1 + 2j, -1.5 - 0.25j, 1e-7j])",
    "torch.tensor([1 + 2j]).conj()",
    "torch.arange(30)",
    "torch.arange(30.0) / 7",
    "torch.arange(1000)",
    "torch.arange(1001)",
    "torch.arange(1001.0) * 1.5",
    "torch.arange(2000).view(2, 1000)",
    "torch.arange(24).view(2, 3, 4)",
    "torch.arange(2000).view(10, 20, 10)",
    "torch.arange(1100.0).view(1100, 1, 1)",
    "torch.arange(6).view(2, 3).t()",
    "torch.ones(2, requires_grad=True)",
    "torch.ones(2, requires_grad=True) * 2",
    "torch.ones(2, requires_grad=True).exp().sum()",
    "torch.ones(1, 1, 1, 1)",
    "torch.arange(24.0, requires_grad=True).view(2, 12) * 1.01",
    "torch.ones(20, dtype=torch.float64, requires_grad=True)",
    "torch.nn.Parameter(torch.ones(2, 2))",
    "torch.tensor([True, False])",
    "torch.tensor(3.14159)",
    "torch.tensor(12345678.0)",
]
OPTIONS = [
    {"precision": 2},
    {"sci_mode": True},
    {"sci_mode": False},
    {"linewidth": 40},
    {"threshold": 5},
    {"threshold": 5, "edgeitems": 1},
    {"threshold": 5, "edgeitems": 0},
    {"profile": "short"},
    {"profile": "full"},
]
WITH_OPTIONS = ["torch.arange(24.0).view(4, 6) / 7", "torch.tensor([1e-5, 1.0])", "torch.arange(12).view(2, 3, 2)"]


def main() -> None:
    import torch

    golden = []
    for options in [{}, *OPTIONS]:
        torch.set_printoptions(**(options or {"profile": "default"}))
        for expression in WITH_OPTIONS if options else EXPRESSIONS:
            golden.append([expression, options, repr(eval(expression, {"torch": torch}))])
        torch.set_printoptions(profile="default")
    Path(__file__).with_name("golden.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
