"""DetNet: a ResNet that stops shrinking at stride 16 and looks wider by dilation, and its ResNeXt form.

Paper: Li et al., "DetNet: A Backbone network for Object Detection", ECCV 2018, arXiv 1804.06215 (DetNet-59).
The authors published no code. The ResNeXt form, with squeeze and excitation, is system 2's DetNeXt
(HiKapok/tf.fashionAI, Apache-2.0).
Differs: stem and first three stages are timm's ResNet-50 or SE-ResNeXt-50, so that its ImageNet weights fit there.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import timm
from timm.models.resnet import Bottleneck
from torch import Tensor, nn


class DetNet(nn.Module):
    """Return five levels, finest first: strides 4, 8, 16, 16, 16.

    Args:
        resnet: timm name of the network that lends the stem and stages up to stride 16.
        pretrained: start these with timm's ImageNet weights, downloaded once; the two dilated stages start at random.
        block_options: of the blocks, as timm's ResNet builds them.
    """

    channels = (256, 512, 1024, 1024, 1024)
    strides = (4, 8, 16, 16, 16)

    def __init__(self, resnet: str, *, pretrained: bool = False, **block_options: Any) -> None:
        super().__init__()
        donor: Any = timm.create_model(resnet, pretrained=pretrained)
        self.conv1, self.bn1, self.act1, self.maxpool = donor.conv1, donor.bn1, donor.act1, donor.maxpool
        self.layer1, self.layer2, self.layer3 = donor.layer1, donor.layer2, donor.layer3
        self.layer4 = _dilated_stage(**block_options)
        self.layer5 = _dilated_stage(**block_options)

    def forward(self, images: Tensor) -> list[Tensor]:
        features = self.maxpool(self.act1(self.bn1(self.conv1(images))))
        levels = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4, self.layer5):
            features = stage(features)
            levels.append(features)
        return levels


def _dilated_stage(*, blocks: int = 3, channels: int = 1024, **options: Any) -> nn.Sequential:
    """Build one stage at stride 16: the first block's shortcut is a 1x1 convolution, which marks a new stage."""
    block = partial(Bottleneck, channels, channels // 4, dilation=2, first_dilation=2, **options)
    shortcut = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))
    stage = nn.Sequential(block(downsample=shortcut), *(block() for _ in range(blocks - 1)))
    for module in stage.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return stage


def detnet50(*, pretrained: bool = False) -> DetNet:
    """Build DetNet-59: the stages of ResNet-50 and one more."""
    return DetNet("resnet50", pretrained=pretrained)


def detnext50(*, pretrained: bool = False) -> DetNet:
    """Build system 2's DetNeXt-50: 32 groups of 4 channels, squeeze and excitation."""
    return DetNet("seresnext50_32x4d", pretrained=pretrained, cardinality=32, base_width=4, attn_layer="se")
