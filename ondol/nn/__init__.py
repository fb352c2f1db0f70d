"""Layers, containers, losses and their functions."""
from .parameter import Parameter, Buffer, UninitializedParameter, UninitializedBuffer
from .modules import *
from . import functional, init, modules, parameter
