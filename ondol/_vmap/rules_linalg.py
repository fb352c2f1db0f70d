"""Linear algebra: the native operations take batches of matrices already."""

from __future__ import annotations

from typing import Any

from ondol._vmap.call import Call, NeedsLoop, rule


@rule("cholesky_ex det eig eigh geqrf inv_ex lu_factor_ex qr slogdet svd")
def of_matrices(call: Call) -> Any:
    """A function of one matrix, or of several."""
    name = next(iter(call.values))
    if call.batched != {name} or call.rank(name) < 2:
        raise NeedsLoop
    return call.run()


@rule("solve_ex")
def system(call: Call) -> Any:
    """A X = B, where A or B may be the same for all examples."""
    if call.rank("A") < 2 or call.rank("A") != call.rank("B"):
        raise NeedsLoop
    size = call.level.size
    parts = {name: call.values[name] for name in ("A", "B")}
    return call.run(
        **{name: part if name in call.batched else part.expand(size, *part.shape) for name, part in parts.items()}
    )
