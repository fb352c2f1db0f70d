"""Models as people get them wrong, as programs that `import ondol as torch` and `import torch` both run.

`tools/error_table.py` prints what the two libraries say, for docs/errors.md; `test_broken_models.py` checks what ondol
says. `mistakes.py` has the mistakes in single calls; here it matters where in the model the error came out.
"""

from __future__ import annotations

from textwrap import dedent
from typing import NamedTuple


class BrokenModel(NamedTuple):
    title: str
    code: str  # the last line fails
    error: type[Exception]
    where: str  # the module whose call failed, by its path from the root; empty where no call failed
    facts: tuple[str, ...]  # what the message must hold: PyTorch's own words, the shapes, dtypes, names, the remedy


def program(text: str) -> str:
    """The program, with the name that all of them use."""
    return "nn = torch.nn\n\n" + dedent(text).strip()


BROKEN_MODELS = (
    # Widths and shapes
    BrokenModel(
        "A layer deep inside has the wrong width",
        program("""
            class Block(nn.Module):
                def __init__(self, width, hidden):
                    super().__init__()
                    self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(256, width))

                def forward(self, x):
                    return x + self.mlp(x)

            model = nn.Sequential(nn.Linear(32, 64), nn.Sequential(Block(64, 256), Block(64, 128)), nn.Linear(64, 10))
            model(torch.zeros(8, 32))
        """),
        RuntimeError,
        "in 1.1.mlp.2: Linear(in_features=256, out_features=64, bias=True)",
        (
            "cannot be multiplied (8x128 and 256x64)",
            "input [8, 128] has 128 features",
            "weight [64, 256] takes 256",
        ),
    ),
    BrokenModel(
        "Flatten is missing between the convolutions and the head",
        program("""
            model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Linear(8 * 13 * 13, 10))
            model(torch.zeros(4, 1, 28, 28))
        """),
        RuntimeError,
        "in 3: Linear(in_features=1352, out_features=10, bias=True)",
        (
            "cannot be multiplied (416x13 and 1352x10)",
            "[4, 8, 13, 13]",
            "weight [10, 1352]",
            "flatten(1) makes the input [4, 1352]",
        ),
    ),
    BrokenModel(
        "A residual block changes the number of channels",
        program("""
            class Residual(nn.Module):
                def __init__(self, channels, out):
                    super().__init__()
                    self.conv = nn.Conv2d(channels, out, 3, padding=1)

                def forward(self, x):
                    return x + self.conv(x)

            model = nn.Sequential(Residual(16, 16), Residual(16, 32))
            model(torch.zeros(4, 16, 8, 8))
        """),
        RuntimeError,
        "in 1: Residual",
        (
            "The size of tensor a (16) must match the size of tensor b (32)",
            "[4, 16, 8, 8] and [4, 32, 8, 8]",
        ),
    ),
    # Images
    BrokenModel(
        "The second convolution expects other channels",
        program("""
            model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(32, 64, 3)))
            model(torch.zeros(4, 3, 32, 32))
        """),
        RuntimeError,
        "in 1.1: Conv2d(32, 64, kernel_size=(3, 3), stride=(1, 1))",
        ("weight of size [64, 32, 3, 3], expected input[4, 16, 30, 30] to have 32 channels, but got 16",),
    ),
    BrokenModel(
        "Images with their channels last",
        program("""
            model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU())
            model(torch.zeros(4, 224, 224, 3))
        """),
        RuntimeError,
        "in 0: Conv2d(3, 16, kernel_size=(3, 3), stride=(1, 1))",
        (
            "weight of size [16, 3, 3, 3], expected input[4, 224, 224, 3] to have 3 channels",
            "movedim(3, 1)",
        ),
    ),
    BrokenModel(
        "Images as bytes",
        program("""
            model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU())
            model(torch.zeros(4, 3, 32, 32, dtype=torch.uint8))
        """),
        RuntimeError,
        "in 0: Conv2d(3, 16, kernel_size=(3, 3), stride=(1, 1))",
        (
            "Input type (Byte)",
            "should be the same",
            "[4, 3, 32, 32]",
            "[16, 3, 3, 3]",
            ".float()",
        ),
    ),
    BrokenModel(
        "Pooled once too often",
        program("""
            model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.MaxPool2d(4), nn.MaxPool2d(4), nn.MaxPool2d(4))
            model(torch.zeros(4, 1, 28, 28))
        """),
        RuntimeError,
        "in 3: MaxPool2d(kernel_size=4, stride=4, padding=0, dilation=1, ceil_mode=False)",
        (
            "Given input size: [4, 8, 1, 1]",
            "Output size is too small",
            "kernel_size=[4, 4]",
            "larger than the input",
        ),
    ),
    BrokenModel(
        "A transposed convolution with too much output padding",
        program("""
            model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ConvTranspose2d(8, 3, 3, stride=2, output_padding=2))
            model(torch.zeros(4, 3, 16, 16))
        """),
        RuntimeError,
        "in 1: ConvTranspose2d(8, 3, kernel_size=(3, 3), stride=(2, 2), output_padding=(2, 2))",
        (
            "output padding must be smaller than either stride or dilation",
            "output_padding=[2, 2], stride=[2, 2]",
        ),
    ),
    BrokenModel(
        "A padding mode that does not exist",
        program("""
            nn.Conv2d(3, 8, 3, padding=1, padding_mode='reflection')
        """),
        ValueError,
        "",
        (
            "padding_mode must be one of",
            "'reflect'",
            "padding_mode='reflection'",
        ),
    ),
    # Normalization
    BrokenModel(
        "BatchNorm of another number of features",
        program("""
            model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(32), nn.ReLU())
            model(torch.zeros(4, 3, 8, 8))
        """),
        RuntimeError,
        "in 1: BatchNorm2d(32, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)",
        (
            "running_mean should contain 16 elements not 32",
            "[4, 16, 6, 6] has 16 channels",
        ),
    ),
    BrokenModel(
        "LayerNorm over the channels of an image",
        program("""
            model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.LayerNorm(16))
            model(torch.zeros(4, 3, 8, 8))
        """),
        RuntimeError,
        "in 1: LayerNorm((16,), eps=1e-05, elementwise_affine=True, bias=True)",
        (
            "Given normalized_shape=[16], expected input with shape [*, 16], but got input of size[4, 16, 8, 8]",
            "movedim(1, 3)",
        ),
    ),
    # Sequences
    BrokenModel(
        "A token that the vocabulary does not have",
        program("""
            class Tagger(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.tokens = nn.Embedding(100, 16)
                    self.head = nn.Linear(16, 5)

                def forward(self, ids):
                    return self.head(self.tokens(ids))

            Tagger()(torch.tensor([[5, 17, 100]]))
        """),
        IndexError,
        "in tokens: Embedding(100, 16)",
        (
            "index out of range in self",
            "index 100 at position [0, 2]",
            "100 rows",
            "0 to 99",
        ),
    ),
    BrokenModel(
        "An LSTM that does not know that the batch comes first",
        program("""
            class Reader(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.lstm = nn.LSTM(8, 16)

                def forward(self, x):
                    start = (torch.zeros(1, len(x), 16), torch.zeros(1, len(x), 16))
                    return self.lstm(x, start)[0]

            Reader()(torch.zeros(4, 7, 8))
        """),
        RuntimeError,
        "in lstm: LSTM(8, 16)",
        (
            "Expected hidden[0] size (1, 7, 16), got [1, 4, 16]",
            "batch_first=False",
            "[4, 7, 8] has 4 steps of 7 sequences",
        ),
    ),
    BrokenModel(
        "The state of an LSTM without its layers and directions",
        program("""
            lstm = nn.LSTM(8, 16, num_layers=2, bidirectional=True, batch_first=True)
            lstm(torch.zeros(4, 7, 8), (torch.zeros(2, 4, 16), torch.zeros(2, 4, 16)))
        """),
        RuntimeError,
        "in LSTM(8, 16, num_layers=2, batch_first=True, bidirectional=True)",
        (
            "Expected hidden[0] size (4, 4, 16), got [2, 4, 16]",
            "num_layers=2 times 2 directions",
        ),
    ),
    BrokenModel(
        "An LSTM inside of Sequential",
        program("""
            model = nn.Sequential(nn.Embedding(100, 8), nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 5))
            model(torch.tensor([[5, 17, 3]]))
        """),
        TypeError,
        "in 2: Linear(in_features=16, out_features=5, bias=True)",
        (
            "linear(): argument 'input' (position 1) must be Tensor, not tuple",
            "(float32 [1, 3, 16], (float32 [1, 1, 16]",
            "what 1 (LSTM) returned: a tuple",
        ),
    ),
    BrokenModel(
        "Attention to keys of another width",
        program("""
            class Decoder(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.cross = nn.MultiheadAttention(64, 4, batch_first=True)

                def forward(self, x, memory):
                    return self.cross(x, memory, memory)[0]

            Decoder()(torch.zeros(2, 5, 64), torch.zeros(2, 9, 48))
        """),
        RuntimeError,
        "in cross: MultiheadAttention",
        (
            "cannot be multiplied (18x48 and 64x64)",
            "the key has 48 features, embed_dim is 64",
            "kdim=48",
            "[2, 9, 48]",
        ),
    ),
    # Dtypes
    BrokenModel(
        "Double precision from NumPy",
        program("""
            import numpy as np

            model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))
            model(torch.from_numpy(np.zeros((4, 3))))
        """),
        RuntimeError,
        "in 0: Linear(in_features=3, out_features=8, bias=True)",
        (
            "mat1 and mat2 must have the same dtype, but got Double and Float",
            "input is float64, the weight float32",
            ".to(torch.float32)",
        ),
    ),
    BrokenModel(
        "A head that stayed in float32",
        program("""
            model = nn.Sequential(nn.Linear(8, 16).bfloat16(), nn.ReLU(), nn.Linear(16, 4))
            model(torch.zeros(2, 8, dtype=torch.bfloat16))
        """),
        RuntimeError,
        "in 2: Linear(in_features=16, out_features=4, bias=True)",
        (
            "mat1 and mat2 must have the same dtype, but got BFloat16 and Float",
            "input is bfloat16, the weight float32",
        ),
    ),
    # Losses
    BrokenModel(
        "Targets without the last dimension",
        program("""
            model, criterion = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)), nn.BCEWithLogitsLoss()
            criterion(model(torch.zeros(16, 3)), torch.ones(16))
        """),
        ValueError,
        "in BCEWithLogitsLoss",
        (
            "Target size (torch.Size([16])) must be the same as input size (torch.Size([16, 1]))",
            "squeeze(-1)",
        ),
    ),
    BrokenModel(
        "Classes that begin with 1",
        program("""
            model, criterion = nn.Linear(3, 4), nn.CrossEntropyLoss()
            criterion(model(torch.zeros(4, 3)), torch.tensor([1, 2, 3, 4]))
        """),
        IndexError,
        "in CrossEntropyLoss",
        (
            "Target 4 is out of bounds",
            "4 classes, 0 to 3",
            "place 3",
        ),
    ),
    # How modules are written
    BrokenModel(
        "forward() misspelt",
        program("""
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = nn.Linear(3, 2)

                def foward(self, x):
                    return self.layer(x)

            nn.Sequential(Net(), nn.ReLU())(torch.zeros(4, 3))
        """),
        NotImplementedError,
        "in 0: Net",
        (
            'Module [Net] is missing the required "forward" function',
            "foward()",
        ),
    ),
    BrokenModel(
        "The mask is not handed on",
        program("""
            class Pool(nn.Module):
                def forward(self, x, mask):
                    return (x * mask).sum(1)

            model = nn.Sequential(nn.Linear(3, 8), Pool(), nn.Linear(8, 2))
            model(torch.zeros(4, 7, 3))
        """),
        TypeError,
        "in 1: Pool",
        (
            "forward() missing 1 required positional argument: 'mask'",
            "float32 [4, 7, 8]",
        ),
    ),
    BrokenModel(
        "forward() without return",
        program("""
            class Encoder(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = nn.Linear(3, 8)

                def forward(self, x):
                    self.layer(x).relu()

            nn.Sequential(Encoder(), nn.Linear(8, 2))(torch.zeros(4, 3))
        """),
        TypeError,
        "in 1: Linear(in_features=8, out_features=2, bias=True)",
        (
            "linear(): argument 'input' (position 1) must be Tensor, not NoneType",
            "what 0 (Encoder) returned: None",
            "`return`",
        ),
    ),
    BrokenModel(
        "A module in place of its output",
        program("""
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = nn.Linear(3, 2)

                def forward(self, x):
                    return torch.relu(self.layer)

            nn.Sequential(nn.Flatten(), Net())(torch.zeros(4, 3))
        """),
        TypeError,
        "in 1: Net",
        ("relu(): argument 'input' (position 1) must be Tensor, not Linear", "float32 [4, 3]"),
    ),
    BrokenModel(
        "A class where a module is meant",
        program("""
            nn.Sequential(nn.Linear(3, 8), nn.ReLU, nn.Linear(8, 2))
        """),
        TypeError,
        "",
        (
            "torch.nn.modules.activation.ReLU is not a Module subclass",
            "ReLU()",
        ),
    ),
    BrokenModel(
        "Layers in an ordinary list",
        program("""
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layers = [nn.Linear(3, 8), nn.Linear(8, 2)]

                def forward(self, x):
                    for layer in self.layers:
                        x = layer(x)
                    return x

            torch.optim.SGD(Net().parameters(), lr=0.1)
        """),
        ValueError,
        "",
        (
            "optimizer got an empty parameter list",
            "nn.ModuleList",
        ),
    ),
    BrokenModel(
        "Counting the parameters of a lazy model",
        program("""
            model = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(2))
            sum(parameter.numel() for parameter in model.parameters())
        """),
        ValueError,
        "",
        (
            "Attempted to use an uninitialized parameter in numel()",
            "one batch",
        ),
    ),
    # Checkpoints
    BrokenModel(
        "A checkpoint of a wrapped model, of which a layer was renamed and the head is another",
        program("""
            def network(classes, body):
                layers = {body: nn.Linear(16, 32), 'norm': nn.BatchNorm1d(32), 'head': nn.Linear(32, classes)}
                return nn.ModuleDict(layers)

            saved = {f'module.{key}': value for key, value in network(1000, 'body').state_dict().items()}
            network(10, 'trunk').load_state_dict(saved)
        """),
        RuntimeError,
        "",
        (
            'Missing key(s) in state_dict: "trunk.weight", "trunk.bias", "norm.weight"',
            'Unexpected key(s) in state_dict: "module.body.weight", "module.body.bias"',
            '"module.": saved from a model wrapped in DataParallel; strip the prefix',
            '"trunk" may have been renamed: the dictionary has "body"',
            '"head" has 1000 outputs (rows) in the dictionary and 10 in the model',
            "Nothing was loaded",
        ),
    ),
    BrokenModel(
        "A weight as other libraries store it",
        program("""
            model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
            kernels = {'0.weight': torch.zeros(8, 32), '0.bias': torch.zeros(32)}
            model.load_state_dict(kernels)
        """),
        RuntimeError,
        "",
        (
            'Missing key(s) in state_dict: "2.weight", "2.bias"',
            "size mismatch for 0.weight: copying a param with shape torch.Size([8, 32]) from checkpoint, "
            "the shape in current model is torch.Size([32, 8])",
            '"0.weight" has the transposed shape; pass `weight.t()`',
        ),
    ),
    BrokenModel(
        "A pretrained model with another number of classes",
        program("""
            def network(classes):
                return nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, classes))

            network(10).load_state_dict(network(1000).state_dict())
        """),
        RuntimeError,
        "",
        (
            "size mismatch for 3.weight: copying a param with shape torch.Size([1000, 32]) from checkpoint, "
            "the shape in current model is torch.Size([10, 32])",
            "size mismatch for 3.bias",
            '"3" has 1000 outputs (rows) in the dictionary and 10 in the model',
            "strict=False",
        ),
    ),
)
