"""Stateless forms of the layers: `import ondol.nn.functional as F`."""

from .activation import *  # noqa: F403
from .attention import *  # noqa: F403
from .convolution import *  # noqa: F403
from .dropout import *  # noqa: F403
from .linear import *  # noqa: F403
from .padding import *  # noqa: F403
