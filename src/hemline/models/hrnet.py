"""HRNet: four resolutions side by side that exchange what they find; the finest gives the maps.

Paper: Sun et al., "Deep High-Resolution Representation Learning for Human Pose Estimation", CVPR 2019,
arXiv 1902.09212. Authors' code: leoxiaobin/deep-high-resolution-net.pytorch (MIT).
Differs: nothing; the trunk is timm's, without the classifier's layers and, as in the paper, without the last
exchange's way to the coarser resolutions.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from hemline.models.backbone import Backbone, build_backbone
from hemline.models.layers import predictor
from hemline.models.network import Network, Stages


class HRNet(Network):
    """One prediction on the finest resolution.

    Stages: one, at stride 4.

    Args:
        backbone: one of timm's hrnet_w*.
    """

    def __init__(
        self,
        *,
        keypoints: int,
        backbone: str | None,
        backbone_weights: str = "random",
        **normalisation: Any,
    ) -> None:
        super().__init__(**normalisation)
        self.backbone = _keep_finest(build_backbone(backbone, weights=backbone_weights, feature_location=""))
        self.output_stride = self.backbone.strides[0]
        self.size_multiple = 32
        self.head = predictor(self.backbone.channels[0], keypoints)

    def stages(self, images: Tensor) -> Stages:
        (features,) = self.backbone(images)
        return [{"heatmaps": self.head(features)}]


def _keep_finest(backbone: Backbone) -> Backbone:
    """Remove the layers that only the coarser results of the last stage need."""
    last = backbone.extractor.get_submodule("stage4")[-1]  # type: ignore[index]
    last.fuse_layers = nn.ModuleList(last.fuse_layers[:1])
    return Backbone(backbone.extractor, backbone.channels[:1], backbone.strides[:1])
