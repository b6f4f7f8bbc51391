"""Cascaded pyramid with part affinity fields: one network for all 24 keypoints.

System: luoyetx/FashionAI.KPS, the best public score of FashionAI 2018 (NE 3.62 %; no licence named): a cascade
over strides 16, 8 and 4, fields of 38 pairs of keypoints beside the heatmaps, context blocks, attention from
the maps found so far, and a refinement at the finest stride.
Papers: arXiv 1611.08050 (part affinity fields), 1711.07319 (the cascade).
Differs: its versions 2 (context, attention, fields) and 3 (cascade, refinement) in one network; batch norm
after every convolution; stride 32 gives the pyramid's top; fields have their magnitude only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from hemline.models.backbone import build_backbone
from hemline.models.layers import FeaturePyramid, conv_bn_relu, predictor, resize_to
from hemline.models.network import Network, Stages


class ContextBlock(nn.Module):
    """Three branches of one, two and three 3x3 convolutions, joined."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(conv_bn_relu(inputs, channels), *(conv_bn_relu(channels, channels) for _ in range(extra)))
            for extra in range(3)
        )
        self.join = conv_bn_relu(3 * channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.join(torch.cat([branch(features) for branch in self.branches], 1))  # (B, 3*C, h, w) joined


class Step(nn.Module):
    """One step of the cascade: context, then heatmaps and fields."""

    def __init__(self, inputs: int, channels: int, keypoints: int, limbs: int) -> None:
        super().__init__()
        self.context = ContextBlock(inputs, channels)
        self.heatmaps = predictor(channels, keypoints, 3)
        self.fields = predictor(channels, limbs, 3)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        context = self.context(features)
        return self.heatmaps(context), self.fields(context)


class JointPAF(Network):
    """Each step sees its level of the pyramid, lit up where the step before found keypoints, and what it found.

    Stages: strides 16, 8 and 4, then the refinement; all brought to stride 4.

    Args:
        limbs: number of fields, one channel each.
        channels: width of the pyramid and the steps.
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
        later = channels + keypoints + limbs
        self.steps = nn.ModuleList(Step(inputs, channels, keypoints, limbs) for inputs in (channels, later, later))
        self.refine = nn.Sequential(
            *(conv_bn_relu(later if first else channels, channels, 7) for first in (True, False))
        )
        self.refine_step = Step(channels, channels, keypoints, limbs)

    def stages(self, images: Tensor) -> Stages:
        fine, middle, coarse, _ = self.pyramid(self.backbone(images))
        found = [self.steps[0](coarse)]
        for step, features in zip(self.steps[1:], (middle, fine), strict=True):
            found.append(step(_attend(features, *found[-1])))
        found.append(self.refine_step(self.refine(_attend(fine, *found[-1]))))
        return [{"heatmaps": resize_to(maps, fine), "paf": resize_to(fields, fine)} for maps, fields in found]


def _attend(features: Tensor, heatmaps: Tensor, fields: Tensor) -> Tensor:
    """Light features up by exp(3 * highest map) and join them with the maps and fields (B, C + K + L, h, w).

    The map is held between 0 and 1, so that a wild one cannot make the exponential explode; no gradient flows
    through the light.
    """
    heatmaps, fields = resize_to(heatmaps, features), resize_to(fields, features)
    light = (3 * heatmaps.detach().amax(1, keepdim=True).clamp(0, 1)).exp()
    return torch.cat([features * light, heatmaps, fields], 1)
