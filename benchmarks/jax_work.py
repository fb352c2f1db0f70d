"""The little that is also timed with JAX: matrix products, a training step of an MLP, and GPT's forward pass.

JAX compiles a whole function before it runs, so these figures stand beside torch.compile's rather than eager PyTorch's.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import os
import sys
from collections.abc import Callable
from typing import Any

from timing import Step

PRODUCTS = (256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)


def is_installed() -> bool:
    """Whether JAX is there; says so if it is not."""
    if importlib.util.find_spec("jax"):
        return True
    print("JAX is not installed: its column is left out.", file=sys.stderr)
    return False


def _jax(threads: int) -> Any:
    """The module, with as many threads: JAX has as many as the process may use processors, and no other setting."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:threads]))
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax  # type: ignore[import-not-found]

    return jax


def products(threads: int) -> dict[str, Callable[[], Step]]:
    """The steps of the square products, by the names of `kernel_cases.py`."""
    jax = _jax(threads)
    multiply = jax.jit(jax.numpy.matmul)

    def build(n: int) -> Step:
        keys = jax.random.split(jax.random.key(0))
        x, y = (jax.random.uniform(key, (n, n), minval=-2.0, maxval=2.0) for key in keys)
        return lambda: multiply(x, y).block_until_ready()

    return {f"{n}² × {n}²": functools.partial(build, n) for n in PRODUCTS}


def models(threads: int) -> dict[str, dict[str, Callable[[], Step]]]:
    """The steps of the models, by the names of `model_zoo.py` and of the figures of `models.py`."""
    jax = _jax(threads)
    return {
        "mlp": {"train": functools.partial(_mlp_training, jax)},
        "gpt": {"infer": functools.partial(_gpt_inference, jax)},
    }


def _mlp_training(jax: Any) -> Step:
    """The MLP of `model_zoo.py` with Adam (Kingma and Ba 2015), one compiled function that updates in place."""
    np, widths = jax.numpy, (64, 64, 64, 10)
    keys = iter(jax.random.split(jax.random.key(0), 8))
    layers = [
        (jax.random.normal(next(keys), (before, after)) * before**-0.5, np.zeros(after))
        for before, after in itertools.pairwise(widths)
    ]
    x, target = jax.random.normal(next(keys), (32, 64)), jax.random.randint(next(keys), (32,), 0, 10)

    def loss(layers: Any) -> Any:
        y = x
        for i, (weight, bias) in enumerate(layers):
            y = y @ weight + bias
            y = jax.nn.relu(y) if i + 1 < len(layers) else y
        return -np.take_along_axis(jax.nn.log_softmax(y), target[:, None], 1).mean()

    def update(state: Any) -> Any:
        layers, mean, square, count = state
        count += 1
        gradients = jax.grad(loss)(layers)
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradients)
        square = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, square, gradients)
        rate, correction = 1e-3 / (1 - 0.9**count), 1 - 0.999**count
        layers = jax.tree.map(lambda p, m, v: p - rate * m / (np.sqrt(v / correction) + 1e-8), layers, mean, square)
        return layers, mean, square, count

    compiled = jax.jit(update, donate_argnums=0)
    state = [(layers, jax.tree.map(np.zeros_like, layers), jax.tree.map(np.zeros_like, layers), np.zeros(()))]

    def step() -> None:
        state[0] = jax.block_until_ready(compiled(state[0]))

    return step


def _gpt_inference(jax: Any) -> Step:
    """The GPT of `model_zoo.py`, forward."""
    np, random = jax.numpy, jax.random
    width, heads, length, words, depth = 384, 6, 256, 65, 6
    keys = iter(random.split(random.key(0), 64))

    def weight(before: int, after: int) -> Any:
        return random.normal(next(keys), (before, after)) * before**-0.5, np.zeros(after)

    def norm() -> Any:
        return np.ones(width), np.zeros(width)

    def normalize(x: Any, scale: Any, shift: Any) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        return centred * jax.lax.rsqrt((centred * centred).mean(-1, keepdims=True) + 1e-5) * scale + shift

    def linear(x: Any, weight: Any, bias: Any) -> Any:
        return x @ weight + bias

    blocks = [
        (
            norm(),
            weight(width, 3 * width),
            weight(width, width),
            norm(),
            weight(width, 4 * width),
            weight(4 * width, width),
        )
        for _ in range(depth)
    ]
    token, place = random.normal(next(keys), (words, width)), random.normal(next(keys), (length, width))
    parameters = token, place, blocks, norm(), weight(width, words)

    def forward(parameters: Any, tokens: Any) -> Any:
        token, place, blocks, last, head = parameters
        x = token[tokens] + place
        for norm1, qkv, out, norm2, wide, narrow in blocks:
            parts = linear(normalize(x, *norm1), *qkv).reshape(*x.shape[:2], 3, heads, width // heads)
            y = jax.nn.dot_product_attention(parts[:, :, 0], parts[:, :, 1], parts[:, :, 2], is_causal=True)
            x = x + linear(y.reshape(x.shape), *out)
            x = x + linear(jax.nn.gelu(linear(normalize(x, *norm2), *wide), approximate=False), *narrow)
        return linear(normalize(x, *last), *head)

    compiled = jax.jit(forward)
    tokens = random.randint(next(keys), (8, length), 0, words)
    return lambda: compiled(parameters, tokens).block_until_ready()
