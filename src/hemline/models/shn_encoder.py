"""The encoder of SHN: a narrow, deep residual network that shrinks to stride 8 only and dilates from there.

System: first place of FashionAI 2018, known from its slides only. Where ResNet-50 has 512(128), 1024(256) and
2048(512) channels (in brackets: of the 3x3 convolutions) at strides 8, 16 and 32, each of its two stages has
256(64), 512(64) and 512(64), all at stride 8, for the same work.
Differs: numbers of blocks and dilation rates are not on the slides; they are ResNet-50's 4, 6, 3 and 1, 2, 4.
Stem and first stage are timm's ResNet-50, so that its ImageNet weights fit there; the team pretrained all of it.
"""

from __future__ import annotations

from typing import Any

import timm
from torch import Tensor, nn

from hemline.models.layers import Bottleneck

LEVEL_CHANNELS = (256, 512, 512)


class DilatedLevels(nn.Module):
    """Three levels at half the size of the input, each looking wider than the one before.

    Args:
        inputs: channels of the features that come in.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        for outputs, blocks, stride, dilation in zip(LEVEL_CHANNELS, (4, 6, 3), (2, 1, 1), (1, 2, 4), strict=True):
            first = Bottleneck(inputs, outputs, middle=64, stride=stride, dilation=dilation)
            rest = (Bottleneck(outputs, outputs, middle=64, dilation=dilation) for _ in range(blocks - 1))
            self.levels.append(nn.Sequential(first, *rest))
            inputs = outputs

    def forward(self, features: Tensor) -> list[Tensor]:
        outputs = []
        for level in self.levels:
            features = level(features)
            outputs.append(features)
        return outputs


class SHNEncoder(nn.Module):
    """Return four levels, finest first: stride 4, then three at stride 8."""

    channels = (256, *LEVEL_CHANNELS)
    strides = (4, 8, 8, 8)

    def __init__(self, *, pretrained: bool = False) -> None:
        super().__init__()
        donor: Any = timm.create_model("resnet50", pretrained=pretrained)
        self.conv1, self.bn1, self.act1, self.maxpool = donor.conv1, donor.bn1, donor.act1, donor.maxpool
        self.layer1 = donor.layer1
        self.dilated = DilatedLevels(self.channels[0])

    def forward(self, images: Tensor) -> list[Tensor]:
        finest = self.layer1(self.maxpool(self.act1(self.bn1(self.conv1(images)))))
        return [finest, *self.dilated(finest)]
