"""Stacked Hourglass, with the plain bottleneck or the Multi-level Unit.

Paper: Newell, Yang, Deng, "Stacked Hourglass Networks for Human Pose Estimation", ECCV 2016,
arXiv 1603.06937. Authors' code: princeton-vl/pose-hg-train (BSD).
The Multi-level Unit is known from the slides of a FashionAI 2018 finalist only.
Differs: convolutions that batch norm follows have no bias; batch norm and ReLU come before the last 1x1
convolution of a stack and the projected shortcuts too; any size that is a multiple of 64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hemline.errors import RecipeError, unknown_name
from hemline.models.layers import conv_bn_relu, predictor
from hemline.models.network import Network, Stages

Unit = Callable[..., nn.Module]
"""Builds a residual unit: (inputs, outputs, *, project=False) -> module that keeps the size."""


def bn_relu_conv(inputs: int, outputs: int, kernel: int = 1) -> nn.Sequential:
    """Build batch norm, ReLU and convolution, in the order of pre-activation units (arXiv 1603.05027)."""
    return nn.Sequential(
        nn.BatchNorm2d(inputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
    )


class Residual(nn.Module):
    """Pre-activated bottleneck of 1x1, 3x3 and 1x1 convolutions.

    Args:
        project: convolve the shortcut, also where the number of channels stays.
    """

    def __init__(self, inputs: int, outputs: int, *, project: bool = False) -> None:
        super().__init__()
        middle = outputs // 2
        self.body = nn.Sequential(
            bn_relu_conv(inputs, middle), bn_relu_conv(middle, middle, 3), bn_relu_conv(middle, outputs)
        )
        self.shortcut = bn_relu_conv(inputs, outputs) if project or inputs != outputs else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        return self.body(features) + self.shortcut(features)


class MultiLevelUnit(nn.Module):
    """Four parallel branches of one to four successive 3x3 convolutions, concatenated, with a shortcut.

    Each branch has a quarter of the channels. At the slide's width, 4 x 32 = 128, a unit costs
    4·9·128·32 + 6·9·32·32 = 202,752 multiplications per cell, 0.95 of the 212,992 of the plain bottleneck
    of width 256 that it replaces, as the slide says.
    """

    def __init__(self, inputs: int, outputs: int, *, project: bool = False) -> None:
        super().__init__()
        width = outputs // 4
        self.branches = nn.ModuleList(
            nn.Sequential(bn_relu_conv(inputs, width, 3), *(bn_relu_conv(width, width, 3) for _ in range(depth)))
            for depth in range(4)
        )
        self.shortcut = bn_relu_conv(inputs, outputs) if project or inputs != outputs else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        joined = torch.cat([branch(features) for branch in self.branches], 1)  # (B, C, h, w)
        return joined + self.shortcut(features)


class HourglassModule(nn.Module):
    """One hourglass: halve the size step by step, come back, and add what was there at each size.

    Args:
        channels: at every size.
        units: the kind of unit at each size, finest first; one halving fewer than units.
        project: convolve the shortcut of the unit before each enlargement.
    """

    def __init__(self, channels: int, units: Sequence[Unit], *, project: bool = False) -> None:
        super().__init__()
        fine, coarse, *rest = units
        self.skip = fine(channels, channels)
        self.down = coarse(channels, channels)
        self.inner = HourglassModule(channels, units[1:], project=project) if rest else coarse(channels, channels)
        self.up = coarse(channels, channels, project=project)

    def forward(self, features: Tensor) -> Tensor:
        coarse = self.up(self.inner(self.down(F.max_pool2d(features, 2))))
        return self.skip(features) + F.interpolate(coarse, scale_factor=2.0, mode="nearest")


class StackedHourglass(Network):
    """Hourglasses in a row, each fed with the features and the maps of the one before.

    Stages: one per hourglass, at stride 4.

    Args:
        stem_unit: the kind of unit before the first hourglass.
        units: the kind of unit at strides 4, 8, 16, 32 and 64.
        project: see `HourglassModule`.
        last_unit: put one more unit between each hourglass and its head, as the authors' code does.
    """

    output_stride = 4
    size_multiple = 64

    def __init__(
        self,
        *,
        keypoints: int,
        stacks: int,
        channels: int,
        stem_unit: Unit,
        units: Sequence[Unit],
        project: bool = False,
        last_unit: bool = True,
        **normalisation: Any,
    ) -> None:
        super().__init__(**normalisation)
        self.stem = nn.Sequential(
            conv_bn_relu(3, 64, 7, stride=2),
            stem_unit(64, 128),
            nn.MaxPool2d(2),
            stem_unit(128, 128),
            stem_unit(128, channels),
        )
        self.hourglasses = nn.ModuleList(HourglassModule(channels, units, project=project) for _ in range(stacks))
        self.features = nn.ModuleList(
            nn.Sequential(
                units[0](channels, channels) if last_unit else nn.Identity(),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
                conv_bn_relu(channels, channels, 1),
            )
            for _ in range(stacks)
        )
        self.heads = nn.ModuleList(predictor(channels, keypoints) for _ in range(stacks))
        self.feature_links = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(stacks - 1))
        self.map_links = nn.ModuleList(nn.Conv2d(keypoints, channels, 1) for _ in range(stacks - 1))

    def stages(self, images: Tensor) -> Stages:
        trunk = self.stem(images)
        outputs = []
        for index, hourglass in enumerate(self.hourglasses):
            features = self.features[index](hourglass(trunk))
            heatmaps = self.heads[index](features)
            outputs.append({"heatmaps": heatmaps})
            if index < len(self.feature_links):
                trunk = trunk + self.feature_links[index](features) + self.map_links[index](heatmaps)
        return outputs


UNITS: dict[str, Unit] = {"bottleneck": Residual, "multilevel": MultiLevelUnit}


def hourglass(
    *, keypoints: int, stacks: int = 8, channels: int = 256, unit: str = "bottleneck", **normalisation: Any
) -> StackedHourglass:
    """Build the paper's network, or with `unit="multilevel"` the finalist's.

    Args:
        keypoints: K.
        stacks: number of hourglasses.
        channels: 256 in the paper; 128 makes the branches of the Multi-level Unit 32 wide.
        unit: a key of UNITS.
    Raises:
        RecipeError: unknown unit.
    """
    if unit not in UNITS:
        raise RecipeError(unknown_name("unit", unit, UNITS))
    return StackedHourglass(
        keypoints=keypoints,
        stacks=stacks,
        channels=channels,
        stem_unit=Residual,
        units=[UNITS[unit]] * 5,
        **normalisation,
    )
