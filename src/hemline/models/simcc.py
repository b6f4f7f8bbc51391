"""SimCC: coordinates as classification along each axis.

Paper: Li et al., "SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation", ECCV 2022,
arXiv 2107.03332. Authors' code: leeyegy/SimCC (MIT).
Differs: any timm backbone; no deconvolutions, the paper's variant for small networks.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from hemline.errors import RecipeError
from hemline.models.backbone import build_backbone
from hemline.models.network import Network, Stages


def cells_of(size: int, stride: int) -> int:
    """Count the cells of a square map.

    Raises:
        RecipeError: the size is not a multiple of the stride; names the next one that is.
    """
    if size % stride:
        raise RecipeError(
            f"this network needs an input.size that is a multiple of {stride}, got {size}; "
            f"use {-(-size // stride) * stride}"
        )
    return (size // stride) ** 2


class SimCC(Network):
    """One map per keypoint, flattened, and two linear layers that all keypoints share.

    Stages: one, of logits over bins.

    Args:
        size: side of the square input.
        bins: bins per pixel.
    """

    output_stride = 1

    def __init__(
        self,
        *,
        keypoints: int,
        size: int,
        backbone: str | None,
        backbone_weights: str = "random",
        bins: int = 2,
        **normalisation: Any,
    ) -> None:
        super().__init__(**normalisation)
        self.backbone = build_backbone(backbone, weights=backbone_weights, levels=1)
        self.only_size = size
        self.size_multiple = self.backbone.strides[0]
        self.maps = nn.Conv2d(self.backbone.channels[0], keypoints, 1)
        cells = cells_of(size, self.size_multiple)
        self.head_x = nn.Linear(cells, size * bins)
        self.head_y = nn.Linear(cells, size * bins)

    def stages(self, images: Tensor) -> Stages:
        (features,) = self.backbone(images)
        maps = self.maps(features).flatten(2)  # (B, K, h*w)
        return [{"simcc_x": self.head_x(maps), "simcc_y": self.head_y(maps)}]
