"""The network of the demo: a body that sees strokes and a head that names the digit."""

from __future__ import annotations

from collections import OrderedDict

from ondol import Tensor, nn

FEATURES = 64 * 4 * 4  # what the body makes of an 8 x 8 image: 64 maps of 4 x 4


class DigitsNet(nn.Module):
    """Two convolutions and one linear layer.

    Body and head are kept apart so that chapter 4 can put another head on the same body.

    Shape: input float32 [N, 1, 8, 8] -> output float32 [N, classes], the score of each class.

    >>> import ondol
    >>> DigitsNet(classes=10)(ondol.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 10])
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.body = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(1, 32, kernel_size=3, padding=1),
                norm1=nn.BatchNorm2d(32),
                relu1=nn.ReLU(),
                conv2=nn.Conv2d(32, 64, kernel_size=3, padding=1),
                norm2=nn.BatchNorm2d(64),
                relu2=nn.ReLU(),
                pool=nn.MaxPool2d(2),
                flatten=nn.Flatten(),
                dropout=nn.Dropout(0.3),
            )
        )
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))
