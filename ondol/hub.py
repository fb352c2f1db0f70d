"""Models from the network: not supported, ondol downloads nothing."""

from __future__ import annotations

import os
from typing import Any, NoReturn

__all__ = [
    "download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir",
]  # fmt: skip

_chosen: dict[str, str] = {}


def get_dir() -> str:
    """Where PyTorch keeps what it downloaded: of `set_dir`, else `$TORCH_HOME/hub`, else in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME", os.path.join("~", ".cache"))
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return _chosen.get("dir", os.path.join(os.path.expanduser(home), "hub"))


def set_dir(d: str | os.PathLike[str]) -> None:
    """What `get_dir` shall answer."""
    _chosen["dir"] = os.path.expanduser(d)


def load(repo_or_dir: Any, model: str, *args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError."""
    _refuse("load", "import the model's class and use model.load_state_dict(ondol.load(file))")


def list(github: str, *args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError."""
    _refuse("list", "read the repository's hubconf.py")


def help(github: str, model: str, *args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError."""
    _refuse("help", "read the repository's hubconf.py")


def load_state_dict_from_url(url: str, *args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError."""
    _refuse("load_state_dict_from_url", "download the file and use ondol.load(file)")


def download_url_to_file(url: str, dst: str, *args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError."""
    _refuse("download_url_to_file", "use urllib.request.urlretrieve(url, dst)")


def _refuse(name: str, instead: str) -> NoReturn:
    raise NotImplementedError(f"hub.{name} is not supported: {instead}")
