"""RTMPose: SimCC whose keypoints exchange what they found in a gated attention unit.

Paper: Jiang et al., "RTMPose: Real-Time Multi-Person Pose Estimation based on MMPose", arXiv 2303.07399; the
unit is from Hua et al., "Transformer Quality in Linear Time", arXiv 2202.10447. Authors' code:
open-mmlab/mmpose (Apache-2.0).
Differs: trained without the paper's second stage of augmentation; dropout in the unit is 0, as in its code.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hemline.models.backbone import build_backbone
from hemline.models.network import Network, Stages
from hemline.models.simcc import cells_of


class ScaleNorm(nn.Module):
    """Divide by the root mean square of the features, and scale by one learnt number (arXiv 1910.05895)."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, features: Tensor) -> Tensor:
        return features * (features.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * self.gain


class GatedAttention(nn.Module):
    """Attention between keypoints, gated channel by channel, with a shortcut.

    Args:
        channels: of each token.
        shared: channels in which queries and keys are compared.
        expansion: how much wider the values and the gate are.
    """

    def __init__(self, channels: int, *, shared: int = 128, expansion: int = 2) -> None:
        super().__init__()
        self.widths = [channels * expansion, channels * expansion, shared]
        self.norm = ScaleNorm()
        self.expand = nn.Linear(channels, sum(self.widths), bias=False)
        self.query_key = nn.Parameter(torch.rand(2, shared))
        self.query_key_bias = nn.Parameter(torch.rand(2, shared))
        self.reduce = nn.Linear(channels * expansion, channels, bias=False)
        self.shortcut_scale = nn.Parameter(torch.ones(channels))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, K, channels) to the same."""
        gate, values, shared = F.silu(self.expand(self.norm(tokens))).split(self.widths, -1)
        pair = shared.unsqueeze(2) * self.query_key + self.query_key_bias  # (B, K, 2, shared)
        queries, keys = pair.unbind(2)
        attention = F.relu(queries @ keys.transpose(1, 2) / self.widths[-1] ** 0.5).square()  # (B, K, K)
        return self.shortcut_scale * tokens + self.reduce(gate * (attention @ values))


class RTMPose(Network):
    """One map per keypoint, flattened to a token; attention between tokens; two linear layers.

    Stages: one, of logits over bins.

    Args:
        size: side of the square input.
        bins: bins per pixel.
        channels: of each token.
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
        channels: int = 256,
        **normalisation: Any,
    ) -> None:
        super().__init__(**normalisation)
        self.backbone = build_backbone(backbone, weights=backbone_weights, levels=1)
        self.only_size = size
        self.size_multiple = self.backbone.strides[0]
        self.maps = nn.Conv2d(self.backbone.channels[0], keypoints, 7, padding=3)
        self.tokens = nn.Sequential(
            ScaleNorm(), nn.Linear(cells_of(size, self.size_multiple), channels, bias=False), GatedAttention(channels)
        )
        self.head_x = nn.Linear(channels, size * bins, bias=False)
        self.head_y = nn.Linear(channels, size * bins, bias=False)

    def stages(self, images: Tensor) -> Stages:
        (features,) = self.backbone(images)
        tokens = self.tokens(self.maps(features).flatten(2))  # (B, K, channels)
        return [{"simcc_x": self.head_x(tokens), "simcc_y": self.head_y(tokens)}]
