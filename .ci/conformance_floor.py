"""Compare a conformance run with the floor below which no suite may fall.

    python .ci/conformance_floor.py RUN.json           exit status 1 if a suite fell
    python .ci/conformance_floor.py RUN.json --raise   write higher percentages into the floor, and never lower ones

The floor holds a percentage for each suite of a run with `--quick`; it may only rise.
"""

import json
import pathlib
import sys

FLOOR = pathlib.Path(__file__).with_name("conformance_floor.json")


def percentages(run: dict) -> dict[str, float]:
    """Rounded down to a tenth, so that 100.0 means all."""
    return {row["label"]: row["passed"] * 1000 // row["cases"] / 10 for row in run["summary"]}


def main(run_file: str, raise_floor: bool) -> int:
    floor = json.loads(FLOOR.read_text())
    now = percentages(json.loads(pathlib.Path(run_file).read_text()))
    fallen = [
        f"{suite}: {now.get(suite, 0.0)} %, the floor is {least} %"
        for suite, least in floor.items()
        if now.get(suite, 0.0) < least
    ]
    risen = {suite: share for suite, share in now.items() if share > floor.get(suite, 0.0)}
    if raise_floor:
        FLOOR.write_text(json.dumps(floor | risen, indent=1) + "\n")
    for suite, share in risen.items():
        print(f"{suite}: {share} %, the floor is {floor.get(suite, 0.0)} %" + ("" if raise_floor else "; raise it"))
    for line in fallen:
        print("FELL:", line)
    return 1 if fallen else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], "--raise" in sys.argv[2:]))
