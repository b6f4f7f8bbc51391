"""ViTPose: a plain vision transformer and two deconvolutions.

Paper: Xu et al., "ViTPose: Simple Vision Transformer Baselines for Human Pose Estimation", NeurIPS 2022,
arXiv 2204.12484. Authors' code: ViTAE-Transformer/ViTPose (Apache-2.0).
Differs: patches have no padding of 2; with timm's ViT-S 6 heads of 64 channels instead of 12 of 32, and no drop
path; the class token stays, as pretrained; the norm before the head is new.
"""

from __future__ import annotations

from typing import Any

from timm.layers import LayerNorm2d
from torch import Tensor

from hemline.models.backbone import build_backbone
from hemline.models.layers import predictor
from hemline.models.network import Network, Stages
from hemline.models.simple import deconvolutions


class ViTPose(Network):
    """The transformer's patches, brought up twice, give the maps.

    Stages: one, at stride 4 for patches of 16.

    Args:
        size: side of the square input that the position embeddings are for; those of a weights file are resampled to
            it once, and those of the network to every input of another size.
        backbone: one of timm's vit_*_patch16_*.
        channels: width of the deconvolutions.
    """

    def __init__(
        self,
        *,
        keypoints: int,
        size: int,
        backbone: str | None,
        backbone_weights: str = "random",
        channels: int = 256,
        **normalisation: Any,
    ) -> None:
        super().__init__(**normalisation)
        self.backbone = build_backbone(
            backbone, weights=backbone_weights, levels=1, img_size=size, dynamic_img_size=True
        )
        self.size_multiple = self.backbone.strides[0]
        self.output_stride = self.size_multiple // 4
        self.norm = LayerNorm2d(self.backbone.channels[0])
        self.deconvolutions = deconvolutions(self.backbone.channels[0], channels, 2)
        self.head = predictor(channels, keypoints)

    def stages(self, images: Tensor) -> Stages:
        (features,) = self.backbone(images)
        return [{"heatmaps": self.head(self.deconvolutions(self.norm(features)))}]
