"""Parameters and multiply-adds of published networks, against papers and their authors' code.

Networks are built without memory (meta tensors), with the number of keypoints of the published model. A figure
that does not fit says why in its comment and is not tested.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hemline.models import build_model
from hemline.models.count import count_flops, count_parameters

TOLERANCE = 0.02

# name, options, (height, width), parameters, multiply-adds
PUBLISHED: dict[str, tuple[str, dict[str, Any], tuple[int, int], float, float | None]] = {
    # Summary of the authors' COCO network, 18 points and 19 limbs: 52,311,446 parameters, without batch norm.
    # Its multiply-adds are known only as a rounded share: arXiv 1811.12004 calls 9 G "15 %" of two stages (here 61.6).
    "openpose": ("openpose", {"keypoints": 18, "limbs": 19, "backbone": "vgg19_bn"}, (368, 368), 52_311_446, None),
    # osmr/imgclsmob, SimplePose ResNet-50b: 33,999,697. mmpose's inference_speed_summary: 5.46 GFLOPs. The paper's
    # 8.9 GFLOPs count a deconvolution's kernel once per output cell, four times its work.
    "simple on resnet50": ("simple", {"keypoints": 17, "backbone": "resnet50"}, (256, 192), 33_999_697, 5.46e9),
    # The paper (arXiv 1902.09212): 28.5 M, 7.1 GFLOPs by a count of its own; mmpose's summary: 28.54 M, 7.7 GFLOPs.
    "hrnet_w32": ("hrnet", {"keypoints": 17, "backbone": "hrnet_w32"}, (256, 192), 28.54e6, 7.7e9),
    # The paper's table (arXiv 2303.07399): 5.47 M, 0.68 GFLOPs at 256 x 192, which is 3/4 of the square crop.
    "rtmpose_s": ("rtmpose", {"keypoints": 17, "backbone": "cspnext_s"}, (256, 256), 5.47e6, 0.68e9 * 4 / 3),
}
"""CPM on backbones, DeepPose on today's backbones, JointPAF, ViTPose-S and SimCC without deconvolutions on
MobileNetV2 have no published figure."""


@pytest.mark.parametrize("entry", PUBLISHED)
def test_size_is_the_published_one(entry):
    name, options, shape_hw, parameters, flops = PUBLISHED[entry]
    with torch.device("meta"):
        model = build_model(name, **options)
    assert count_parameters(model) == pytest.approx(parameters, rel=TOLERANCE)
    if flops is not None:
        assert count_flops(model, shape_hw) == pytest.approx(flops, rel=TOLERANCE)
