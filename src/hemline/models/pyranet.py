"""PyraNet: stacked hourglasses of Pyramid Residual Modules.

Paper: Yang et al., "Learning Feature Pyramids for Human Pose Estimation", ICCV 2017, arXiv 1708.01101.
Authors' code: bearpaw/PyraNet (no licence found; read for facts, no code taken). System 1 began with it.
Differs: branches are shrunk bilinearly, as system 1 did, instead of by random fractional max pooling, so that
the same photo gives the same answer; weights start as PyTorch starts them, not by the paper's rule for branches; the
first unit has a batch norm in front, as all others.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hemline.models.hourglass import Residual, StackedHourglass, bn_relu_conv
from hemline.models.layers import resize_to


class PyramidBranches(nn.Module):
    """One 3x3 convolution at each of several sizes between full and half, enlarged again and summed up.

    Args:
        channels: in and out.
        branches: number of sizes; branch i works at 2^(-i / branches) of the full one.
    """

    def __init__(self, channels: int, branches: int) -> None:
        super().__init__()
        self.ratios = [2 ** (-index / branches) for index in range(1, branches + 1)]
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in self.ratios)

    def forward(self, features: Tensor) -> Tensor:
        height, width = features.shape[-2:]
        branches = []
        for ratio, conv in zip(self.ratios, self.convs, strict=True):
            size = (max(1, int(height * ratio)), max(1, int(width * ratio)))
            small = F.interpolate(features, size=size, mode="bilinear", align_corners=False)
            branches.append(resize_to(conv(small), features))
        return reduce(torch.add, branches)


class PyramidResidual(nn.Module):
    """Pre-activated bottleneck with a narrow pyramid beside its 3x3 convolution (PRM-B of the paper).

    Args:
        project: convolve the shortcut, also where the number of channels stays; the paper does so before sums
            of units, where activations would grow from stack to stack.
        reduction: the pyramid has this many times fewer channels than the unit.
        branches: sizes in the pyramid.
    """

    def __init__(
        self, inputs: int, outputs: int, *, project: bool = False, reduction: int = 9, branches: int = 4
    ) -> None:
        super().__init__()
        middle, narrow = outputs // 2, outputs // reduction
        self.plain = nn.Sequential(bn_relu_conv(inputs, middle), bn_relu_conv(middle, middle, 3))
        self.pyramid = nn.Sequential(
            bn_relu_conv(inputs, narrow),
            nn.BatchNorm2d(narrow),
            nn.ReLU(inplace=True),
            PyramidBranches(narrow, branches),
            bn_relu_conv(narrow, middle),
        )
        self.join = bn_relu_conv(middle, outputs)
        self.shortcut = bn_relu_conv(inputs, outputs) if project or inputs != outputs else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        return self.join(self.plain(features) + self.pyramid(features)) + self.shortcut(features)


def pyranet(*, keypoints: int, stacks: int = 8, channels: int = 256, **normalisation: Any) -> StackedHourglass:
    """Build the paper's network: pyramid units at strides 4, 8 and 16, plain ones where maps get small."""
    units = [PyramidResidual] * 3 + [Residual] * 2
    return StackedHourglass(
        keypoints=keypoints,
        stacks=stacks,
        channels=channels,
        stem_unit=PyramidResidual,
        units=units,
        project=True,
        last_unit=False,
        **normalisation,
    )
