"""SimpleBaseline: a backbone and three deconvolutions.

Paper: Xiao et al., "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018, arXiv 1804.06208.
Authors' code: microsoft/human-pose-estimation.pytorch (MIT).
Differs: any timm backbone with stride 32.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from hemline.models.backbone import build_backbone
from hemline.models.layers import predictor
from hemline.models.network import Network, Stages


def deconvolutions(inputs: int, channels: int, count: int) -> nn.Sequential:
    """Build `count` transposed convolutions, each of which doubles the size, with batch norm and ReLU."""
    layers: list[nn.Module] = []
    for number in range(count):
        layers += [
            nn.ConvTranspose2d(channels if number else inputs, channels, 4, 2, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class SimpleBaseline(Network):
    """The coarsest features, brought up three times, give the maps.

    Stages: one, at an eighth of the backbone's stride.

    Args:
        channels: width of the deconvolutions.
    """

    def __init__(
        self,
        *,
        keypoints: int,
        backbone: str | None,
        backbone_weights: str = "random",
        channels: int = 256,
        **normalisation: Any,
    ) -> None:
        super().__init__(**normalisation)
        self.backbone = build_backbone(backbone, weights=backbone_weights, levels=1)
        self.size_multiple = self.backbone.strides[0]
        self.output_stride = self.size_multiple // 8
        self.deconvolutions = deconvolutions(self.backbone.channels[0], channels, 3)
        self.head = predictor(channels, keypoints)

    def stages(self, images: Tensor) -> Stages:
        (features,) = self.backbone(images)
        return [{"heatmaps": self.head(self.deconvolutions(features))}]
