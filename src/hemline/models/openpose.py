"""OpenPose: heatmaps and part affinity fields, refined together over stages.

Paper: Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields", CVPR 2017,
arXiv 1611.08050. Authors' code: ZheC/Realtime_Multi-Person_Pose_Estimation (non-commercial).
System: 3 (tabsun/FashionAI: VGG-19, or SE-ResNet-50 with conv2-5 resized and joined).
Differs: batch norm follows every convolution of the trunk and the stages, because VGG-19 without it does not
learn from random weights; depthwise convolutions, which system 3 tried, are an option.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hemline.models.backbone import Backbone, build_backbone
from hemline.models.cpm import STRIDE, JoinedLevels, map_predictor, named_maps, stage
from hemline.models.layers import conv_bn_relu, predictor
from hemline.models.network import Network, Stages

VGG19_LAYERS = {"vgg19": 23, "vgg19_bn": 33}
"""How many of timm's modules hold VGG-19's first ten convolutions, up to conv4_2 and its ReLU."""


def depthwise_conv(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Build a depthwise and a pointwise convolution in the place of a full one."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, kernel, padding=kernel // 2, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        conv_bn_relu(inputs, outputs, 1),
    )


class OpenPose(Network):
    """Two branches per stage, one for fields and one for maps; each stage sees the outputs of the one before.

    Stages: as many as asked for, all at stride 8.

    Args:
        limbs: L, fields of x and y each.
        backbone: VGG-19 is cut after its tenth convolution; of others, all levels are joined at stride 8.
        stages: how many.
        channels: width of the stages.
        depthwise: whether the stages' convolutions are depthwise.
    """

    def __init__(
        self,
        *,
        keypoints: int,
        limbs: int,
        backbone: str | None,
        backbone_weights: str = "random",
        stages: int = 6,
        channels: int = 128,
        depthwise: bool = False,
        **normalisation: Any,
    ) -> None:
        super().__init__(**normalisation)
        self.keypoints = keypoints
        self.output_stride = self.size_multiple = STRIDE
        self.backbone = build_backbone(backbone, weights=backbone_weights)
        if backbone in VGG19_LAYERS:
            self.backbone = _first_layers(self.backbone, VGG19_LAYERS[backbone])
        self.neck = JoinedLevels(self.backbone.channels, self.backbone.strides, channels)
        conv = depthwise_conv if depthwise else conv_bn_relu
        later = channels + 2 * limbs + keypoints + 1
        field_head = partial(predictor, outputs=2 * limbs)
        map_head = partial(map_predictor, keypoints=keypoints, background=True)
        self.fields, self.maps = (
            nn.ModuleList(
                stage(later if number else channels, channels, head, first=number == 0, conv=conv)
                for number in range(stages)
            )
            for head in (field_head, map_head)
        )

    def stages(self, images: Tensor) -> Stages:
        features = self.neck(self.backbone(images))
        seen, outputs = features, []
        for field_branch, map_branch in zip(self.fields, self.maps, strict=True):
            fields, maps = field_branch(seen), map_branch(seen)
            outputs.append({**named_maps(maps, self.keypoints), "paf": fields})
            seen = torch.cat([features, fields, maps], 1)  # (B, C + 2L + K + 1, h, w)
        return outputs


class _Layers(nn.Sequential):
    """Layers whose last output is the only level."""

    def forward(self, images: Tensor) -> list[Tensor]:
        return [super().forward(images)]


def _first_layers(backbone: Backbone, count: int) -> Backbone:
    """Keep a backbone's first modules, already loaded, and their last output."""
    layers = list(backbone.extractor.children())[:count]
    return Backbone(_Layers(*layers), [512], [STRIDE])
