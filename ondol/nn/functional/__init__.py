"""Stateless forms of the layers: `import ondol.nn.functional as F`."""

from .activation import *  # noqa: F403
from .annotation import *  # noqa: F403
from .attention import *  # noqa: F403
from .classification import *  # noqa: F403
from .convolution import *  # noqa: F403
from .distance import *  # noqa: F403
from .dropout import *  # noqa: F403
from .embedding import *  # noqa: F403
from .linear import *  # noqa: F403
from .loss import *  # noqa: F403
from .normalization import *  # noqa: F403
from .padding import *  # noqa: F403
from .pooling import *  # noqa: F403
from .vision import *  # noqa: F403

for _function in list(globals().values()):  # functions of the core are found here, by pickle too, under their own names
    if getattr(_function, "__module__", None) == "ondol._native.nn":
        _function.__module__ = __name__
del _function
