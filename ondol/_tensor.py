"""Methods of Tensor that are written in Python. The others come from the native core."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import ondol
from ondol import _native
from ondol._native import Tensor


class _Methods:
    """Copied to Tensor below; `self` is a Tensor."""

    # Autograd.

    def backward(
        self: Tensor,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Adds the gradients of this tensor to the `.grad` of its leaves: see `ondol.autograd.backward`."""
        keep = create_graph if retain_graph is None else retain_graph
        if inputs is not None:
            ondol.autograd.backward(self, gradient, retain_graph, create_graph, inputs=inputs)
            return
        _native.autograd.run_backward((self,), (gradient,), keep, create_graph, None, True, True)

    def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> Any:
        """Calls `hook(grad)` whenever a gradient for this tensor is computed; a result replaces the gradient.

        Returns a handle whose `remove()` takes the hook away.

        >>> x = ondol.ones(2, requires_grad=True)
        >>> handle = x.register_hook(lambda grad: grad * 10)
        >>> x.sum().backward()
        >>> x.grad
        tensor([10., 10.])
        """
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self._backward_hooks is None:
            self._backward_hooks = OrderedDict()
        from ondol.utils.hooks import RemovableHandle

        handle = RemovableHandle(self._backward_hooks)
        self._backward_hooks[handle.id] = hook
        return handle

    def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], None]) -> Any:
        """Calls `hook(tensor)` after a gradient was added to the `.grad` of this leaf."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self.grad_fn is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        hooks = self.__dict__.get("_post_accumulate_grad_hooks")
        if hooks is None:
            hooks = self.__dict__["_post_accumulate_grad_hooks"] = OrderedDict()
            _native.autograd.set_post_accumulate_hooks(self, hooks)
        from ondol.utils.hooks import RemovableHandle

        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    def retain_grad(self: Tensor) -> None:
        """Keeps the gradient of this non-leaf in its `.grad`, as backward does for leaves."""
        _native.autograd.retain_grad(self)

    # The protocols of Python, and PyTorch's.

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        from ondol.overrides import default_torch_function

        return default_torch_function(cls, func, types, args, kwargs)

    def __repr__(self: Tensor, *, tensor_contents: str | None = None) -> str:
        from ondol import _tensor_str

        return _tensor_str._str(self, tensor_contents=tensor_contents)

    def __format__(self: Tensor, specification: str) -> str:
        from ondol import _tensor_str

        return _tensor_str.tensor_format(self, specification)

    def __iter__(self: Tensor) -> Iterator[Tensor]:
        if self.dim() == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __contains__(self: Tensor, element: Any) -> bool:
        if isinstance(element, (Tensor, int, float, complex)):
            return bool((element == self).any().item())
        raise RuntimeError(
            f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element).__name__}."
        )

    def __reversed__(self: Tensor) -> Tensor:
        return self if self.dim() == 0 else self.flip(0)

    def __complex__(self: Tensor) -> complex:
        return complex(self.item())

    def __deepcopy__(self: Tensor, memo: dict) -> Tensor:
        from ondol.serialization import reduce

        return reduce.tensor_deepcopy(self, memo)

    def __reduce_ex__(self: Tensor, protocol: int) -> tuple:
        from ondol.serialization import reduce

        return reduce.tensor_reduce_ex(self, protocol)

    def __dir__(self: Tensor) -> list[str]:
        return sorted({*dir(type(self)), *self.__dict__})

    # NumPy and DLPack.

    __array_priority__ = 1000  # so that `array * tensor` is asked of the tensor

    def numpy(self: Tensor, *, force: bool = False) -> Any:
        """A NumPy array on the same memory. `force=True` detaches a tensor that requires grad first.

        Raises RuntimeError if it requires grad, TypeError for bfloat16, which NumPy lacks.
        """
        return _native._to_numpy(self, force)

    def __array__(self: Tensor, dtype: Any = None, copy: bool | None = None) -> Any:
        return _native._array_protocol(self, dtype, copy)

    def __array_wrap__(self: Tensor, array: Any, context: Any = None, return_scalar: bool = False) -> Tensor:
        return ondol.from_numpy(array) if array.ndim else ondol.tensor(array.item())

    def __dlpack__(self: Tensor, **options: Any) -> Any:
        return _native._to_dlpack(self)

    def __dlpack_device__(self: Tensor) -> tuple[int, int]:
        return (1, 0)  # kDLCPU

    # Devices, dtypes, memory.

    def type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The name of PyTorch's old tensor type; with a dtype or such a name, the tensor converted to it."""
        from ondol import _tensor_types

        return _tensor_types.type_of(self) if dtype is None else self.to(_tensor_types.dtype_from(dtype))

    def type_as(self: Tensor, other: Tensor) -> Tensor:
        """Converted to the dtype of `other`."""
        if not isinstance(other, Tensor):
            raise TypeError(f"type_as(): argument 'other' (position 1) must be Tensor, not {type(other).__name__}")
        return self.to(other.dtype)

    def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
        """Itself: all memory is the CPU's."""
        return self

    def cuda(self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
        """Raises AssertionError: ondol computes on the CPU."""
        return self.to("cuda")

    def pin_memory(self: Tensor, device: Any = None) -> Tensor:
        raise RuntimeError(
            "Cannot access accelerator device when none is available: memory is pinned for transfers to one"
        )

    def is_pinned(self: Tensor, device: Any = None) -> bool:
        return False

    def share_memory_(self: Tensor) -> Tensor:
        raise NotImplementedError(
            "share_memory_() is not supported: DataLoader workers send their batches without it; between processes of "
            "your own use multiprocessing.shared_memory with ondol.frombuffer"
        )

    def is_shared(self: Tensor) -> bool:
        return False

    def storage(self: Tensor) -> Any:
        """The memory behind the tensor, as bytes: use `untyped_storage()`."""
        return self.untyped_storage()

    def new_tensor(
        self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
    ) -> Tensor:
        """A copy of `data` with the dtype of this tensor unless another is given."""
        source = data.detach().clone() if isinstance(data, Tensor) else data
        made = ondol.as_tensor(source, dtype=dtype or self.dtype, device=device)
        made = made.clone() if made is data else made
        return made.requires_grad_() if requires_grad else made

    def where(self: Tensor, condition: Tensor, other: Any) -> Tensor:
        """Its elements where `condition` is true, those of `other` elsewhere: `ondol.where(condition, self, other)`."""
        return ondol.where(condition, self, other)

    def index(self: Tensor, indices: Any) -> Tensor:
        """What `self[...]` gives for one index tensor a dimension, with None for a whole one."""
        return self[tuple(slice(None) if index is None else index for index in indices)]

    def set_(self: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None) -> Tensor:
        """Looks at other memory from now on: that of a tensor, or a window on a storage; without a source, at none.

        Raises RuntimeError if the tensor given has another dtype.
        """
        if source is None:
            source = ondol.empty(0, dtype=self.dtype)
        elif not isinstance(source, (Tensor, _native.UntypedStorage)):
            raise TypeError(f"set_(): argument 'source' must be Tensor or Storage, not {type(source).__name__}")
        elif not isinstance(source, Tensor):
            size = (source.nbytes() // self.itemsize - storage_offset,) if size is None else tuple(size)
            stride = ondol.empty(size).stride() if stride is None else tuple(stride)
            source = _native.tensor_from_storage(source, self.dtype, storage_offset, size, stride)
        elif size is not None:
            source = source.as_strided(size, ondol.empty(size).stride() if stride is None else stride, storage_offset)
        if source.dtype != self.dtype:
            raise RuntimeError(f"set_(): expected a source of dtype {self.dtype}, got {source.dtype}")
        self.data = source
        return self

    def as_subclass(self: Tensor, cls: type) -> Any:
        """The same memory and history as an object of a subclass of Tensor."""
        view = self.view_as(self)
        view._become(cls)
        return view

    def const_data_ptr(self: Tensor) -> int:
        """`data_ptr()`, for readers."""
        return self.data_ptr()

    def apply_(self: Tensor, function: Callable[[Any], Any]) -> Tensor:
        """Replaces each element by `function(element)`: slow, for CPU tensors only, as in PyTorch."""
        if self.requires_grad:
            raise TypeError("can't use apply_ on a tensor that requires grad")
        values = [function(value) for value in self.flatten().tolist()]
        return self.copy_(ondol.tensor(values, dtype=self.dtype).view(self.shape))

    def map_(self: Tensor, tensor: Tensor, function: Callable[[Any, Any], Any]) -> Tensor:
        """Replaces each element by `function(element, element of tensor)`."""
        if self.requires_grad:
            raise TypeError("can't use map_ on a tensor that requires grad")
        if not isinstance(tensor, Tensor):
            raise TypeError(f"map_(): argument 'tensor' (position 1) must be Tensor, not {type(tensor).__name__}")
        others = tensor.expand_as(self).flatten().tolist()
        values = [function(a, b) for a, b in zip(self.flatten().tolist(), others)]
        return self.copy_(ondol.tensor(values, dtype=self.dtype).view(self.shape))

    def is_neg(self: Tensor) -> bool:
        return False

    def is_conj(self: Tensor) -> bool:
        return False

    def is_nonzero(self: Tensor) -> bool:
        return bool(self)

    def dim_order(self: Tensor, *, ambiguity_check: bool | list = False) -> tuple[int, ...]:
        """The dimensions from the one with the largest stride to the one with the smallest.

        Args:
            ambiguity_check: raise RuntimeError if other orders describe the memory too; with a list of memory formats:
                unless exactly one of them does.
        """
        if isinstance(ambiguity_check, bool):
            strides = [self.stride(dim) for dim in range(self.dim())]
            unique = not ambiguity_check or (len(set(strides)) == len(strides) and 1 not in self.shape)
        elif isinstance(ambiguity_check, list) and all(isinstance(one, ondol.memory_format) for one in ambiguity_check):
            unique = sum(self.is_contiguous(memory_format=one) for one in ambiguity_check) == 1
        else:
            raise TypeError("The ambiguity_check argument must be a bool or a list of memory formats.")
        if not unique:
            raise RuntimeError(
                "The tensor does not have unique dim order, or cannot map to exact one of the given memory formats."
            )
        return tuple(sorted(range(self.dim()), key=lambda dim: -self.stride(dim)))

    def module_load(self: Tensor, other: Tensor, assign: bool = False) -> Tensor:
        """What `load_state_dict` puts in the place of this tensor: by default its own memory, copied into."""
        return other.detach() if assign else self.copy_(other).detach()


for _name, _value in vars(_Methods).items():
    if _name not in ("__module__", "__qualname__", "__doc__", "__dict__", "__weakref__"):
        setattr(Tensor, _name, _value)

# Python 2's names of the reflected operators, which PyTorch keeps.
Tensor.__rdiv__ = Tensor.__rtruediv__
Tensor.__div__ = Tensor.__truediv__
Tensor.__idiv__ = Tensor.__itruediv__
