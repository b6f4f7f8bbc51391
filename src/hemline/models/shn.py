"""SHN: asymmetric and dilated stacked hourglass networks.

System: first place of FashionAI 2018 (NE 3.30 %), known from its slides and a report on them only: a heavy
encoder, pretrained, with a light decoder; spatial sizes 64, 32, 32, 32 instead of 64, 32, 16, 8; two of these in
a row; CPN's refinement (arXiv 1711.07319); a near mask and offset vectors per keypoint (G-RMI, arXiv 1701.01779).
Differs: see `shn_encoder`; the decoder is a feature pyramid, as the slides do not draw it. Any backbone whose
levels have strides 4 and 8 fits, e.g. backbone = "resnet50" with backbone_options = {output_stride = 8}.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from hemline.models.backbone import build_backbone
from hemline.models.cpn import RefineNet
from hemline.models.layers import FeaturePyramid, predictor
from hemline.models.network import Network, Stages
from hemline.models.shn_encoder import LEVEL_CHANNELS, DilatedLevels

_RARE = -4.6
"""Logit of 1 %, the share of cells near a keypoint: training need not begin by unlearning that half of them are."""


class SHN(Network):
    """Encoders and decoders in a row, then a refinement.

    Stages: one per decoder, then the refined one; all at the backbone's finest stride.

    Args:
        stacks: number of encoder-decoder pairs; the backbone is the first encoder.
        channels: width of the decoders.
    """

    def __init__(
        self,
        *,
        keypoints: int,
        backbone: str | None = "shn50",
        backbone_weights: str = "random",
        backbone_options: dict[str, Any] | None = None,
        stacks: int = 2,
        channels: int = 256,
        **normalisation: Any,
    ) -> None:
        super().__init__(**normalisation)
        self.keypoints = keypoints
        self.backbone = build_backbone(backbone, weights=backbone_weights, **(backbone_options or {}))
        self.output_stride = self.backbone.strides[0]
        self.size_multiple = self.backbone.strides[-1]
        self.encoders = nn.ModuleList(DilatedLevels(channels) for _ in range(stacks - 1))
        self.decoders = nn.ModuleList(
            FeaturePyramid(inputs, channels)
            for inputs in [self.backbone.channels, *([(channels, *LEVEL_CHANNELS)] * (stacks - 1))]
        )
        self.heads = nn.ModuleList(predictor(channels, 3 * keypoints, 3) for _ in range(stacks))
        self.links = nn.ModuleList(nn.Conv2d(3 * keypoints, channels, 1) for _ in range(stacks - 1))
        self.refine_net = RefineNet(len(self.backbone.channels), 3 * keypoints, channels)
        for head in [*self.heads, self.refine_net.head]:
            nn.init.constant_(head.get_parameter("bias")[:keypoints], _RARE)

    def stages(self, images: Tensor) -> Stages:
        pyramid = self.decoders[0](self.backbone(images))
        outputs = [self.heads[0](pyramid[0])]
        for encoder, decoder, head, link in zip(
            self.encoders, self.decoders[1:], self.heads[1:], self.links, strict=True
        ):
            trunk = pyramid[0] + link(outputs[-1])
            pyramid = decoder([trunk, *encoder(trunk)])
            outputs.append(head(pyramid[0]))
        outputs.append(self.refine_net(pyramid))
        return [{"near": maps[:, : self.keypoints], "offsets": maps[:, self.keypoints :]} for maps in outputs]
