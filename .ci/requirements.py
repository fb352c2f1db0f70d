"""Print the requirements of one extra of pyproject.toml, or of the build itself (`build`), one a line, for `pip -r`."""

import pathlib
import sys

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    from pip._vendor import tomli as tomllib

PROJECT = tomllib.loads((pathlib.Path(__file__).parent.parent / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"] | {"build": [*PROJECT["build-system"]["requires"], "cmake>=3.21"]}

print("\n".join(EXTRAS[sys.argv[1]]))
