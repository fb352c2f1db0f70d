"""Writes the files in golden/ with PyTorch; run by hand where torch is installed."""

from pathlib import Path

import torch
from torch import nn

GOLDEN = Path(__file__).parent / "golden"
DTYPES = (
    *("float32", "float64", "float16", "bfloat16", "complex64", "complex128"),
    *("int8", "int16", "int32", "int64", "uint8", "bool"),
)


def contents() -> dict:
    base = torch.arange(12.0)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Sequential(nn.ReLU(), nn.Linear(3, 2, bias=False)))
    model[0].weight.requires_grad_(False)
    for parameter in model.parameters():
        with torch.no_grad():
            parameter.copy_(torch.arange(parameter.numel(), dtype=torch.float32).view(parameter.shape) / 8)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)
    model(torch.arange(20.0).view(5, 4)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    attributed = torch.ones(2)
    attributed.note = "kept"
    return {
        "state_dict": model.state_dict(),
        "model": model,
        "optimizer": optimizer.state_dict(),
        "dtypes": {name: torch.arange(6).view(2, 3).to(getattr(torch, name)) for name in DTYPES},
        "views": {
            "base": base,
            "slice": base[3:7],
            "transposed": base.view(3, 4).t(),
            "conj": torch.tensor([1 + 2j]).conj(),
        },
        "values": {
            "plain": [1, -(2**70), 2.5, True, None, "text", (), [], {}, 1j, b"bytes", bytearray(b"x"), {1, 2}],
            "types": [torch.float16, torch.Size([2, 3]), torch.device("cpu"), torch.strided],
            "parameter": nn.Parameter(torch.ones(2, 2), requires_grad=False),
            "attributed": attributed,
            "empty": torch.empty(0, 3),
            "scalar": torch.tensor(7),
        },
    }


def no_source(obj: object) -> None:
    """The old format wants to hold each module's source code and where it lies; a golden file should not."""
    raise OSError


if __name__ == "__main__":
    torch.serialization.get_source_lines_and_file = no_source
    for name, content in contents().items():
        torch.save(content, GOLDEN / f"{name}.pt")
        torch.save(content, GOLDEN / f"{name}.legacy.pt", _use_new_zipfile_serialization=False)
