"""Layers."""
from .module import Module
from .linear import *
from .activation import *
from .container import *
from .conv import *
