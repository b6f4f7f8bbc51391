"""Cascaded pyramid with part affinity fields: one network for all 24 keypoints.

System: luoyetx/FashionAI.KPS, version 3, the best public score of FashionAI 2018 (NE 3.62 %; no licence named): a
cascade over strides 16, 8 and 4, beside the heatmaps the magnitudes of the fields of 38 pairs of keypoints, context
blocks, and a refinement that joins the three levels.
Papers: arXiv 1611.08050 (part affinity fields), 1711.07319 (the cascade).
Differs: batch norm after every convolution; stride 32 gives the pyramid's top, where version 3 began at stride 16;
all steps are judged at stride 4. Version 2, context blocks in stages at stride 8, is not here.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from hemline.models.backbone import build_backbone
from hemline.models.layers import FeaturePyramid, conv_bn_relu, predictor, resize_to
from hemline.models.network import Network, Stages

STEPS = 3
"""At strides 16, 8 and 4."""


class ContextBlock(nn.Module):
    """One, two and three 3x3 convolutions side by side, the first of the longer two shared.

    (B, inputs, h, w) becomes (B, 2 * channels, h, w).
    """

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.near = conv_bn_relu(inputs, channels)
        self.first = conv_bn_relu(inputs, half)
        self.wide = conv_bn_relu(half, half)
        self.widest = nn.Sequential(conv_bn_relu(half, half), conv_bn_relu(half, half))

    def forward(self, features: Tensor) -> Tensor:
        first = self.first(features)
        return torch.cat([self.near(features), self.wide(first), self.widest(first)], 1)


class Step(nn.Module):
    """Context blocks, then heatmaps (B, K, h, w) and fields (B, L, h, w) from (B, inputs, h, w)."""

    def __init__(self, inputs: int, channels: int, keypoints: int, limbs: int, *, blocks: int = 1) -> None:
        super().__init__()
        widths = [inputs, *[2 * channels] * (blocks - 1)]
        self.context = nn.Sequential(*(ContextBlock(width, channels) for width in widths))
        self.heatmaps, self.fields = (
            nn.Sequential(conv_bn_relu(2 * channels, channels), predictor(channels, outputs))
            for outputs in (keypoints, limbs)
        )

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        context = self.context(features)
        return self.heatmaps(context), self.fields(context)


class JointPAF(Network):
    """Each step sees its level of the pyramid, and the refinement all three.

    Stages: strides 16, 8 and 4, then the refinement; all brought to stride 4.

    Args:
        limbs: number of fields, one channel each.
        channels: width of the pyramid and the steps, an even number.
    """

    def __init__(
        self,
        *,
        keypoints: int,
        limbs: int,
        backbone: str | None,
        backbone_weights: str = "random",
        channels: int = 128,
        **normalisation: Any,
    ) -> None:
        super().__init__(**normalisation)
        self.backbone = build_backbone(backbone, weights=backbone_weights)
        self.output_stride, _, self.size_multiple, _ = self.backbone.strides
        self.pyramid = FeaturePyramid(self.backbone.channels, channels)
        self.steps = nn.ModuleList(Step(channels, channels, keypoints, limbs) for _ in range(STEPS))
        self.join = conv_bn_relu(STEPS * channels, channels)
        self.refine = Step(channels, channels, keypoints, limbs, blocks=2)

    def stages(self, images: Tensor) -> Stages:
        levels = self.pyramid(self.backbone(images))[:STEPS]
        finest = levels[0]
        found = [step(level) for step, level in zip(self.steps, reversed(levels), strict=True)]
        joined = self.join(torch.cat([resize_to(level, finest) for level in levels], 1))  # (B, 3 * C, h, w) before
        found.append(self.refine(joined))
        return [{"heatmaps": resize_to(maps, finest), "paf": resize_to(fields, finest)} for maps, fields in found]
