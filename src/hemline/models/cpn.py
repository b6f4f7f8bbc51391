"""Cascaded Pyramid Network.

Paper: Chen et al., "Cascaded Pyramid Network for Multi-Person Pose Estimation", CVPR 2018,
arXiv 1711.07319. Authors' code: chenyilun95/tf-cpn (MIT).
Differs: any timm backbone; the width is a parameter.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from hemline.models.backbone import build_backbone
from hemline.models.layers import Bottleneck, conv_bn_relu, predictor, resize_to
from hemline.models.network import Network, Stages


class GlobalNet(nn.Module):
    """Feature pyramid with a prediction on every level.

    Args:
        inputs: channels of the backbone's levels, finest first.
        keypoints: K.
        channels: width of the pyramid.
    """

    def __init__(self, inputs: list[int], keypoints: int, channels: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(conv_bn_relu(count, channels, 1) for count in inputs)
        self.smooths = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)) for _ in inputs[1:]
        )
        self.heads = nn.ModuleList(
            nn.Sequential(conv_bn_relu(channels, channels, 1), predictor(channels, keypoints, 3)) for _ in inputs
        )

    def forward(self, levels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the pyramid, finest first, and the heatmaps of all levels, coarsest first."""
        pyramid = [self.laterals[-1](levels[-1])]
        for lateral, smooth, level in zip(
            reversed(self.laterals[:-1]), reversed(self.smooths), reversed(levels[:-1]), strict=True
        ):
            fine = lateral(level)
            pyramid.append(fine + smooth(resize_to(pyramid[-1], fine)))
        heatmaps = [head(features) for head, features in zip(reversed(self.heads), pyramid, strict=True)]
        return pyramid[::-1], [resize_to(maps, pyramid[-1]) for maps in heatmaps]


class RefineNet(nn.Module):
    """Bottlenecks on every level, deeper on the coarser ones, joined on the finest."""

    def __init__(self, levels: int, keypoints: int, channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(Bottleneck(channels, channels) for _ in range(depth))) for depth in range(levels)
        )
        self.join = Bottleneck(levels * channels, channels)
        self.head = predictor(channels, keypoints, 3)

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        branches = [branch(features) for branch, features in zip(self.branches, pyramid, strict=True)]
        joined = torch.cat([resize_to(features, pyramid[0]) for features in branches], 1)  # (B, levels*C, h, w)
        return self.head(self.join(joined))


class CPN(Network):
    """GlobalNet finds the easy points on every pyramid level, RefineNet mends the hard ones.

    Stages: one per pyramid level, coarsest first, then the refined one; all at the finest stride.
    """

    def __init__(
        self,
        *,
        keypoints: int,
        backbone: str | None,
        backbone_weights: str = "random",
        backbone_options: dict[str, Any] | None = None,
        channels: int = 256,
        **normalisation: Any,
    ) -> None:
        super().__init__(**normalisation)
        self.backbone = build_backbone(backbone, weights=backbone_weights, **(backbone_options or {}))
        self.output_stride = self.backbone.strides[0]
        self.size_multiple = self.backbone.strides[-1]
        self.global_net = GlobalNet(self.backbone.channels, keypoints, channels)
        self.refine_net = RefineNet(len(self.backbone.channels), keypoints, channels)

    def stages(self, images: Tensor) -> Stages:
        pyramid, heatmaps = self.global_net(self.backbone(images))
        return [{"heatmaps": maps} for maps in [*heatmaps, self.refine_net(pyramid)]]
