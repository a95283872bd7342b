"""The paper's classifier: ResNet-20 with pre-activation (He et al. 2016, arXiv 1603.05027)."""

from __future__ import annotations

from torch import Tensor, nn

from sap_rl.errors import UsageError

WIDTHS = (16, 32, 64)
"""Channels of the three stages."""
UNITS = 3
"""Residual units of a stage."""
EPS = 2e-5
"""Of every batch normalisation, as in the authors' notebook."""


class Unit(nn.Module):
    """Batch norm, ReLU and 3x3 convolution, twice, beside a shortcut.

    Where the unit changes size, a 1x1 convolution of the first activation is the shortcut, so that
    it reads that activation as a defence leaves it; elsewhere the input itself is.
    """

    def __init__(self, entering: int, leaving: int, *, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(entering, eps=EPS)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(entering, leaving, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(leaving, eps=EPS)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(leaving, leaving, 3, padding=1, bias=False)
        same = entering == leaving and stride == 1
        self.shortcut = None if same else nn.Conv2d(entering, leaving, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        active = self.relu1(self.norm1(x))
        beside = x if self.shortcut is None else self.shortcut(active)
        out: Tensor = self.conv2(self.relu2(self.norm2(self.conv1(active)))) + beside
        return out


class ResNet20(nn.Module):
    """Unit images [B, 3, H, W] -> logits [B, classes]; 19 activations, each a place of SAP.

    The images go through a batch norm first, whose scale stays 1. UsageError for fewer than two
    classes.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        if classes < 2:
            raise UsageError(f"a classifier needs at least 2 classes, got {classes}")
        self.input_norm = nn.BatchNorm2d(3, eps=EPS)
        self.input_norm.weight.requires_grad_(False)
        self.conv = nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False)
        self.units = nn.Sequential(*_units())
        self.norm = nn.BatchNorm2d(WIDTHS[-1], eps=EPS)
        self.relu = nn.ReLU()
        self.dense = nn.Linear(WIDTHS[-1], classes)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight)

    def forward(self, images: Tensor) -> Tensor:
        features = self.relu(self.norm(self.units(self.conv(self.input_norm(images)))))
        logits: Tensor = self.dense(features.mean((2, 3)))
        return logits


def _units() -> list[Unit]:
    found, entering = [], WIDTHS[0]
    for width in WIDTHS:
        for number in range(UNITS):
            stride = 2 if number == 0 and width != WIDTHS[0] else 1
            found.append(Unit(entering, width, stride=stride))
            entering = width
    return found
