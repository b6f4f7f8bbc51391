"""DeepPose: direct regression of coordinates relative to the box.

Paper: Toshev & Szegedy, "DeepPose: Human Pose Estimation via Deep Neural Networks", CVPR 2014, arXiv 1312.4659.
System: 5 (trivialfis, 2018), where it collapsed to one constant layout.
Differs: one regression, no cascade; any timm backbone, or four convolutions of its own. Against the collapse:
the head sees a grid of features instead of their mean, which does not know where anything is; batch norm
everywhere before it; it starts at the middle of the crop; a loss that pulls on small errors, `coordinate_l1`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hemline.models.backbone import Backbone, build_backbone
from hemline.models.layers import conv_bn_relu
from hemline.models.network import Network, Stages

GRID = 8


class Conv4(nn.Sequential):
    """Four convolutions, each at half the size of the one before; the last one is the only level."""

    widths = (32, 64, 128, 256)

    def __init__(self) -> None:
        super().__init__(
            *(
                nn.Sequential(conv_bn_relu(inputs, outputs), nn.MaxPool2d(2))
                for inputs, outputs in zip((3, *self.widths), self.widths, strict=False)
            )
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        return [super().forward(images)]


class DeepPose(Network):
    """A grid of features, flattened, and two linear layers.

    Stages: one, of coordinates.

    Args:
        backbone: timm name; None for four convolutions.
        channels: of each cell of the grid.
        hidden: width between the linear layers.
    """

    output_stride = 1

    def __init__(
        self,
        *,
        keypoints: int,
        backbone: str | None = None,
        backbone_weights: str = "random",
        channels: int = 64,
        hidden: int = 1024,
        **normalisation: Any,
    ) -> None:
        super().__init__(**normalisation)
        self.keypoints = keypoints
        if backbone is None:
            self.backbone = Backbone(Conv4(), [Conv4.widths[-1]], [2 ** len(Conv4.widths)])
        else:
            self.backbone = build_backbone(backbone, weights=backbone_weights, levels=1)
        self.size_multiple = self.backbone.strides[0]
        self.reduce = conv_bn_relu(self.backbone.channels[0], channels, 1)
        self.hidden = nn.Sequential(nn.Linear(channels * GRID * GRID, hidden), nn.ReLU(inplace=True))
        self.head = nn.Linear(hidden, 2 * keypoints)
        nn.init.normal_(self.head.weight, std=0.001)
        nn.init.constant_(self.head.bias, 0.5)

    def stages(self, images: Tensor) -> Stages:
        (features,) = self.backbone(images)
        grid = F.interpolate(self.reduce(features), size=(GRID, GRID), mode="bilinear", align_corners=False)
        coordinates = self.head(self.hidden(torch.flatten(grid, 1)))  # (B, 2K)
        return [{"coordinates": coordinates.unflatten(1, (self.keypoints, 2))}]  # (B, K, 2)
