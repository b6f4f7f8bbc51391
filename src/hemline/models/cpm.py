"""Convolutional Pose Machine on the features of a pretrained backbone.

Paper: Wei et al., "Convolutional Pose Machines", CVPR 2016, arXiv 1602.00134. Authors' code:
shihenw/convolutional-pose-machines-release (no licence named).
Systems: 4 (hongge831/FashionAI_KeyPoints_Detection: on a ResNet-50 feature pyramid, with background) and 5
(trivialfis, 2018: on DenseNet, VGG and ResNet, beliefs under a spatial softmax).
Differs: features come from a backbone; later stages have the 7x7 convolutions of OpenPose instead of 11x11;
batch norm follows every convolution, so that the stages learn from random weights too. System 4's code ends after
the first stage, model.options.stages = 1. What joined system 5's backbones to the stages is not known: here all
levels are joined at stride 8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hemline.errors import RecipeError, unknown_name
from hemline.models.backbone import build_backbone
from hemline.models.layers import FeaturePyramid, conv_bn_relu, predictor, resize_to
from hemline.models.network import Network, Stages

STRIDE = 8
PYRAMID_CHANNELS = 256


class JoinedLevels(nn.Module):
    """Resize all levels of a backbone to stride 8, join them, and reduce them by two convolutions.

    Args:
        inputs: channels of the levels, finest first.
        strides: of the levels; one of them is 8.
        channels: of the result.
    """

    def __init__(self, inputs: Sequence[int], strides: Sequence[int], channels: int) -> None:
        super().__init__()
        if STRIDE not in strides:
            raise RecipeError(f"this network needs a backbone with features at stride 8; it has {list(strides)}")
        self.at = list(strides).index(STRIDE)
        self.reduce = nn.Sequential(conv_bn_relu(sum(inputs), 256), conv_bn_relu(256, channels))

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        joined = torch.cat([resize_to(level, levels[self.at]) for level in levels], 1)  # (B, sum(C), h, w)
        return self.reduce(joined)


class PyramidLevels(nn.Module):
    """Join the levels of a feature pyramid at stride 8 and reduce them once; arguments as `JoinedLevels`."""

    def __init__(self, inputs: Sequence[int], strides: Sequence[int], channels: int) -> None:
        super().__init__()
        if strides[0] != STRIDE:
            raise RecipeError(f"neck 'pyramid' needs a backbone whose last levels begin at stride 8, not {strides[0]}")
        self.pyramid = FeaturePyramid(inputs, PYRAMID_CHANNELS)
        self.smooth = nn.ModuleList(conv_bn_relu(PYRAMID_CHANNELS, PYRAMID_CHANNELS) for _ in inputs[1:])
        self.reduce = conv_bn_relu(len(inputs) * PYRAMID_CHANNELS, channels)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        *finer, coarsest = self.pyramid(levels)
        finer = [smooth(level) for smooth, level in zip(self.smooth, finer, strict=True)]
        return self.reduce(torch.cat([resize_to(level, finer[0]) for level in [*finer, coarsest]], 1))


NECKS: dict[str, Callable[[Sequence[int], Sequence[int], int], nn.Module]] = {
    "joined": JoinedLevels,
    "pyramid": PyramidLevels,
}

LEVELS = {"joined": 4, "pyramid": 3}
"""How many of the backbone's levels each neck takes, counted from the coarsest."""


def stage(
    inputs: int,
    channels: int,
    head: Callable[[int], nn.Module],
    *,
    first: bool,
    conv: Callable[[int, int, int], nn.Module] = conv_bn_relu,
) -> nn.Sequential:
    """Build one stage: small convolutions on the image's features first, large ones on what was found later.

    Args:
        inputs: channels that come in.
        channels: width.
        head: builds the predictor from its number of input channels.
        first: whether it is the first stage.
        conv: builds a convolution from its inputs, outputs and kernel.
    """
    kernels, wide = ((3,) * 3, 4 * channels) if first else ((7,) * 5, channels)
    widths = [inputs, *[channels] * len(kernels)]
    body = [conv(before, after, kernel) for before, after, kernel in zip(widths[:-1], widths[1:], kernels, strict=True)]
    return nn.Sequential(*body, conv_bn_relu(channels, wide, 1), head(wide))


def map_predictor(inputs: int, *, keypoints: int, background: bool) -> nn.Conv2d:
    """Build the predictor of keypoint maps and, behind them, of the background's map, which starts at 1."""
    head = predictor(inputs, keypoints + background)
    nn.init.ones_(head.get_parameter("bias")[keypoints:])
    return head


def named_maps(maps: Tensor, keypoints: int) -> dict[str, Tensor]:
    """Split maps (B, K or K + 1, h, w) into "heatmaps" and, where there is one, "background"."""
    named = {"heatmaps": maps[:, :keypoints], "background": maps[:, keypoints:]}
    return {name: part for name, part in named.items() if part.shape[1]}


class CPM(Network):
    """Each stage sees the image's features and the maps of the stage before.

    Stages: as many as asked for, all at stride 8.

    Args:
        neck: how the backbone's levels become one, a key of NECKS.
        stages: how many.
        channels: width of the stages.
        background: whether each stage has a map of "no keypoint here".
    """

    def __init__(
        self,
        *,
        keypoints: int,
        backbone: str | None,
        backbone_weights: str = "random",
        neck: str = "joined",
        stages: int = 6,
        channels: int = 128,
        background: bool = False,
        **normalisation: Any,
    ) -> None:
        super().__init__(**normalisation)
        if neck not in NECKS:
            raise RecipeError(unknown_name("neck", neck, NECKS))
        self.keypoints = keypoints
        self.output_stride = self.size_multiple = STRIDE
        self.backbone = build_backbone(backbone, weights=backbone_weights, levels=LEVELS[neck])
        self.neck = NECKS[neck](self.backbone.channels, self.backbone.strides, channels)
        head = partial(map_predictor, keypoints=keypoints, background=background)
        later = channels + keypoints + background
        self.branches = nn.ModuleList(
            stage(later if number else channels, channels, head, first=number == 0) for number in range(stages)
        )

    def stages(self, images: Tensor) -> Stages:
        features = self.neck(self.backbone(images))
        outputs: list[Tensor] = []
        for branch in self.branches:
            outputs.append(branch(torch.cat([features, *outputs[-1:]], 1)))  # (B, C + K + 1, h, w) after the first
        return [named_maps(maps, self.keypoints) for maps in outputs]
