"""The models of `models.py`, each written once for any library with PyTorch's API.

A model of the table is a function of the library that returns the module, an input and a target of class numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Built = tuple[Any, Any, Any]  # the module, its input, the target


class Model(NamedTuple):
    """A row of the table."""

    title: str
    build: Callable[[Any], Built]
    optimizer: Callable[[Any, Any], Any]
    inference: bool = True


def sgd(lib: Any, parameters: Any) -> Any:
    return lib.optim.SGD(parameters, lr=0.01, momentum=0.9)


def adam(lib: Any, parameters: Any) -> Any:
    return lib.optim.Adam(parameters, lr=1e-3)


def adamw(lib: Any, parameters: Any) -> Any:
    return lib.optim.AdamW(parameters, lr=1e-3)


def mlp(lib: Any) -> Built:
    nn = lib.nn
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    return model, lib.randn(32, 64), lib.randint(10, (32,))


def mnist_cnn(lib: Any) -> Built:
    """The CNN of PyTorch's MNIST example, without its dropout."""
    nn = lib.nn
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    return model, lib.randn(64, 1, 28, 28), lib.randint(10, (64,))


def resnet18(lib: Any, batch: int = 8) -> Built:
    """He et al. 2015."""
    nn = lib.nn

    class Block(nn.Module):
        def __init__(self, before: int, width: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.relu = nn.ReLU(inplace=True)
            self.shortcut = nn.Identity()
            if stride != 1 or before != width:
                self.shortcut = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))

        def forward(self, x: Any) -> Any:
            y = self.relu(self.bn1(self.conv1(x)))
            return self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))

    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    before = 64
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(before, width, stride), Block(width, width, 1)]
        before = width
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))
    return model, lib.randn(batch, 3, 224, 224), lib.randint(1000, (batch,))


def resnet18_of_one(lib: Any) -> Built:
    return resnet18(lib, 1)


def mobilenet_v2(lib: Any) -> Built:
    """Sandler et al. 2018."""
    nn = lib.nn

    def convolution(before: int, after: int, size: int, stride: int, groups: int = 1) -> list[Any]:
        return [
            nn.Conv2d(before, after, size, stride, size // 2, groups=groups, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU6(inplace=True),
        ]

    class InvertedResidual(nn.Module):
        def __init__(self, before: int, after: int, stride: int, expansion: int) -> None:
            super().__init__()
            inner = before * expansion
            layers = convolution(before, inner, 1, 1) if expansion > 1 else []
            layers += convolution(inner, inner, 3, stride, groups=inner)
            self.conv = nn.Sequential(*layers, nn.Conv2d(inner, after, 1, bias=False), nn.BatchNorm2d(after))
            self.residual = stride == 1 and before == after

        def forward(self, x: Any) -> Any:
            return x + self.conv(x) if self.residual else self.conv(x)

    layers, before = convolution(3, 32, 3, 2), 32
    for expansion, width, count, stride in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for i in range(count):
            layers.append(InvertedResidual(before, width, stride if i == 0 else 1, expansion))
            before = width
    layers += [*convolution(320, 1280, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000)]
    return nn.Sequential(*layers), lib.randn(8, 3, 224, 224), lib.randint(1000, (8,))


def gpt(lib: Any) -> Built:
    """A decoder of 6 layers of width 384 with 6 heads on 8 x 256 tokens (Radford et al. 2019)."""
    nn, functional = lib.nn, lib.nn.functional
    width, heads, length, words = 384, 6, 256, 65

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x: Any) -> Any:
            batch, length, _ = x.shape
            parts = self.qkv(self.norm1(x)).view(batch, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
            y = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(batch, length, width))
            return x + self.mlp(self.norm2(x))

    class Gpt(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token, self.place = nn.Embedding(words, width), nn.Embedding(length, width)
            self.blocks = nn.Sequential(*[Block() for _ in range(6)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, words)

        def forward(self, tokens: Any) -> Any:
            x = self.token(tokens) + self.place(lib.arange(tokens.shape[1]))
            return self.head(self.norm(self.blocks(x)))

    return Gpt(), lib.randint(words, (8, length)), lib.randint(words, (8, length))


def _language_model(lib: Any, recurrent: str) -> Built:
    """Two layers of width 200 on 20 sequences of 35 of 10,000 words (Zaremba et al. 2014, small)."""
    nn = lib.nn

    class LanguageModel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(1000, 200)
            self.rnn = getattr(nn, recurrent)(200, 200, 2)
            self.head = nn.Linear(200, 1000)

        def forward(self, tokens: Any) -> Any:
            return self.head(self.rnn(self.embedding(tokens))[0])

    return LanguageModel(), lib.randint(1000, (35, 20)), lib.randint(1000, (35, 20))


def lstm(lib: Any) -> Built:
    return _language_model(lib, "LSTM")


def gru(lib: Any) -> Built:
    return _language_model(lib, "GRU")


def transformer_encoder(lib: Any) -> Built:
    """Vaswani et al. 2017: 4 layers of width 256 with 8 heads on 16 x 128 tokens, with the usual dropout."""
    nn = lib.nn
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(256, 8, 1024, batch_first=True), 4)
    return nn.Sequential(encoder, nn.Linear(256, 100)), lib.randn(16, 128, 256), lib.randint(100, (16, 128))


def unet(lib: Any) -> Built:
    """Ronneberger et al. 2015, with padding and batch norm: three levels from 32 channels on 4 images of 128 x 128."""
    nn = lib.nn

    def twice(before: int, after: int) -> Any:
        layers = []
        for channels in (before, after):
            layers += [nn.Conv2d(channels, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers)

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            widths = (32, 64, 128)
            self.down = nn.ModuleList([twice(3, 32), twice(32, 64), twice(64, 128)])
            self.bottom = twice(128, 256)
            self.raising = nn.ModuleList([nn.ConvTranspose2d(2 * w, w, 2, 2) for w in widths])
            self.up = nn.ModuleList([twice(2 * w, w) for w in widths])
            self.pool, self.head = nn.MaxPool2d(2), nn.Conv2d(32, 4, 1)

        def forward(self, x: Any) -> Any:
            kept = []
            for layer in self.down:
                x = layer(x)
                kept.append(x)
                x = self.pool(x)
            x = self.bottom(x)
            for i in (2, 1, 0):
                x = self.up[i](lib.cat([kept[i], self.raising[i](x)], 1))
            return self.head(x).permute(0, 2, 3, 1)

    return UNet(), lib.randn(4, 3, 128, 128), lib.randint(4, (4, 128, 128))


MODELS = {
    "mlp": Model("MLP 64-64-64-10, batch 32, Adam", mlp, adam),
    "cnn": Model("MNIST CNN, batch 64, Adam", mnist_cnn, adam),
    "resnet18": Model("ResNet-18, 8 x 224², SGD", resnet18, sgd),
    "resnet18_1": Model("ResNet-18, 1 x 224², SGD", resnet18_of_one, sgd),
    "mobilenet": Model("MobileNetV2, 8 x 224², SGD", mobilenet_v2, sgd),
    "gpt": Model("GPT, 6 layers of 384, 8 x 256, AdamW", gpt, adamw),
    "lstm": Model("LSTM, 2 layers of 200, 35 x 20, SGD", lstm, sgd),
    "gru": Model("GRU, 2 layers of 200, 35 x 20, SGD", gru, sgd),
    "encoder": Model("TransformerEncoder, 4 layers of 256, 16 x 128, Adam", transformer_encoder, adam),
    "unet": Model("U-Net, 4 x 128², Adam", unet, adam),
}
