"""Cascaded Pyramid Network.

Paper: Chen et al., "Cascaded Pyramid Network for Multi-Person Pose Estimation", CVPR 2018,
arXiv 1711.07319. Authors' code: chenyilun95/tf-cpn (MIT).
Differs: any backbone; the width is a parameter; batch norm follows the convolutions between the pyramid's
levels too; the units of RefineNet may be pyramid residual units, as in system 1 (cccv203/fashion_ai).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hemline.errors import RecipeError, unknown_name
from hemline.models.backbone import build_backbone
from hemline.models.layers import Bottleneck, FeaturePyramid, conv_bn_relu, predictor, resize_to
from hemline.models.network import Network, Stages
from hemline.models.pyranet import PyramidResidual

UNITS: dict[str, Callable[[int, int], nn.Module]] = {"bottleneck": Bottleneck, "pyramid": PyramidResidual}


class GlobalNet(nn.Module):
    """Feature pyramid with a prediction on every level.

    Args:
        inputs: channels of the backbone's levels, finest first.
        keypoints: K.
        channels: width of the pyramid.
    """

    def __init__(self, inputs: list[int], keypoints: int, channels: int) -> None:
        super().__init__()
        self.pyramid = FeaturePyramid(inputs, channels)
        self.heads = nn.ModuleList(
            nn.Sequential(conv_bn_relu(channels, channels, 1), predictor(channels, keypoints, 3)) for _ in inputs
        )

    def forward(self, levels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the pyramid, finest first, and the heatmaps of all levels, coarsest first."""
        pyramid = self.pyramid(levels)
        heatmaps = [head(features) for head, features in zip(self.heads, pyramid, strict=True)]
        return pyramid, [resize_to(maps, pyramid[0]) for maps in reversed(heatmaps)]


class RefineNet(nn.Module):
    """Residual units on every level, more on the coarser ones, joined on the finest."""

    def __init__(
        self, levels: int, keypoints: int, channels: int, *, unit: Callable[[int, int], nn.Module] = Bottleneck
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(unit(channels, channels) for _ in range(depth))) for depth in range(levels)
        )
        self.join = unit(levels * channels, channels)
        self.head = predictor(channels, keypoints, 3)

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        branches = [branch(features) for branch, features in zip(self.branches, pyramid, strict=True)]
        joined = torch.cat([resize_to(features, pyramid[0]) for features in branches], 1)  # (B, levels*C, h, w)
        return self.head(self.join(joined))


class CPN(Network):
    """GlobalNet finds the easy points on every pyramid level, RefineNet mends the hard ones.

    Stages: one per pyramid level, coarsest first, then the refined one; all at the finest stride.

    Args:
        levels: of the backbone, counted from the coarsest.
        channels: width of the pyramid.
        unit: of RefineNet, a key of UNITS.
    """

    def __init__(
        self,
        *,
        keypoints: int,
        backbone: str | None,
        backbone_weights: str = "random",
        backbone_options: dict[str, Any] | None = None,
        levels: int = 4,
        channels: int = 256,
        unit: str = "bottleneck",
        **normalisation: Any,
    ) -> None:
        super().__init__(**normalisation)
        if unit not in UNITS:
            raise RecipeError(unknown_name("unit", unit, UNITS))
        self.backbone = build_backbone(backbone, weights=backbone_weights, levels=levels, **(backbone_options or {}))
        self.output_stride = self.backbone.strides[0]
        self.size_multiple = self.backbone.strides[-1]
        self.global_net = GlobalNet(self.backbone.channels, keypoints, channels)
        self.refine_net = RefineNet(len(self.backbone.channels), keypoints, channels, unit=UNITS[unit])

    def stages(self, images: Tensor) -> Stages:
        pyramid, heatmaps = self.global_net(self.backbone(images))
        return [{"heatmaps": maps} for maps in [*heatmaps, self.refine_net(pyramid)]]
