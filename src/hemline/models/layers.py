"""Blocks that three or more networks share."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


def conv_bn_relu(inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Build convolution, batch norm and ReLU; the size is kept, or divided by `stride`."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def predictor(inputs: int, outputs: int, kernel: int = 1) -> nn.Conv2d:
    """Build the last convolution of a head, started near zero so that training begins from flat maps."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    nn.init.normal_(conv.weight, std=0.001)
    nn.init.zeros_(conv.get_parameter("bias"))
    return conv


def resize_to(features: Tensor, like: Tensor) -> Tensor:
    """Resize features (B, C, h, w) bilinearly to the height and width of `like`."""
    if features.shape[-2:] == like.shape[-2:]:
        return features
    return F.interpolate(features, size=like.shape[-2:], mode="bilinear", align_corners=False)


class Bottleneck(nn.Module):
    """Residual unit of 1x1, 3x3 and 1x1 convolutions (He et al. 2015, arXiv 1512.03385).

    The shortcut is a 1x1 convolution where the size or the number of channels changes.
    """

    def __init__(
        self, inputs: int, outputs: int, *, middle: int | None = None, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        middle = middle or outputs // 2
        self.body = nn.Sequential(
            conv_bn_relu(inputs, middle, 1),
            conv_bn_relu(middle, middle, 3, stride=stride, dilation=dilation),
            nn.Conv2d(middle, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(self.body(features) + self.shortcut(features))


class FeaturePyramid(nn.Module):
    """Bring the levels of a backbone to one width and add each to its finer neighbour (arXiv 1612.03144).

    Args:
        inputs: channels of the levels, finest first.
        channels: width of the pyramid.
    """

    def __init__(self, inputs: Sequence[int], channels: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(conv_bn_relu(count, channels, 1) for count in inputs)
        self.merges = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)) for _ in inputs[1:]
        )

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Return the pyramid, finest first, each level at the size of the one that it came from."""
        pyramid = [lateral(level) for lateral, level in zip(self.laterals, levels, strict=True)]
        for index in range(len(self.merges) - 1, -1, -1):
            pyramid[index] = pyramid[index] + self.merges[index](resize_to(pyramid[index + 1], pyramid[index]))
        return pyramid
