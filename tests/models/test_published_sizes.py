"""Parameters and multiply-adds of published networks, against papers and their authors' code.

Networks are built without memory (meta tensors), with the number of keypoints of the published model. A figure
that does not fit says why in its comment and is not tested.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hemline.models import build_model
from hemline.models.backbone import build_backbone
from hemline.models.count import count_flops, count_parameters
from hemline.models.hourglass import MultiLevelUnit, Residual

TOLERANCE = 0.02

# name, options, (height, width), parameters, multiply-adds
PUBLISHED: dict[str, tuple[str, dict[str, Any], tuple[int, int], float | None, float | None]] = {
    # HRNet's table (arXiv 1902.09212): 27.0 M. The CPN paper's 6.20 GFLOPs leave out most of GlobalNet (its table 3
    # has 0.36 G for it; its lateral convolutions alone are 0.38 G). The authors' code by hand, at strides 4 to 32
    # with 3072, 768, 192 and 48 cells: laterals 377.5 M, merges 264.2 M, heads 427.2 M, RefineNet 276.0 + 1761.6 +
    # 120.3 M; and torchvision's figure for ResNet-50, 4.09 G at 224 x 224, scaled.
    "cpn_resnet50": (
        "cpn",
        {"keypoints": 17, "backbone": "resnet50"},
        (256, 192),
        27.0e6,
        3226.8e6 + 4.09e9 * (256 * 192) / (224 * 224),
    ),
    # The CPN paper, table 3: 3.92 and 6.14 GFLOPs. Its 12 and 23 MB of weights are some 12 % below the authors' code.
    "hourglass of one stack": ("hourglass", {"keypoints": 17, "stacks": 1}, (256, 192), None, 3.92e9),
    "hourglass2": ("hourglass", {"keypoints": 17, "stacks": 2}, (256, 192), None, 6.14e9),
    # HRNet's table: 25.1 M. FLOPs differ between tables: 14.3 G (HRNet), 19.48 G (CPN). The authors' code by hand:
    # stem 1688.4 M, 8 stacks of 2175.1 M, 7 links of 214.7 M.
    "hourglass8": ("hourglass", {"keypoints": 17, "stacks": 8}, (256, 192), 25.1e6, 20_592e6),
    # HRNet's table: 28.1 M. Its 26.7 GFLOPs at 320 x 256 are 6 % below the 28.5 counted here; why is not known.
    "pyranet of eight stacks": ("pyranet", {"keypoints": 16, "stacks": 8}, (256, 256), 28.1e6, None),
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
MobileNetV2 have no published figure; nor have CPN on other backbones than ResNet, and SHN, whose slides give 49 M
and 7.9 GFLOPs for a network of one stage that they do not describe."""


@pytest.mark.parametrize("entry", PUBLISHED)
def test_size_is_the_published_one(entry):
    name, options, shape_hw, parameters, flops = PUBLISHED[entry]
    with torch.device("meta"):
        model = build_model(name, **options)
    if parameters is not None:
        assert count_parameters(model) == pytest.approx(parameters, rel=TOLERANCE)
    if flops is not None:
        assert count_flops(model, shape_hw) == pytest.approx(flops, rel=TOLERANCE)


def test_detnet_is_the_published_one():
    """4.8 GFLOPs at 224 x 224 (arXiv 1804.06215), whose ResNet shrinks in the 1x1 convolutions.

    timm's shrinks in the 3x3 ones: 256 x 128 multiplications more on 56^2 - 28^2 cells, and 512 x 256 on
    28^2 - 14^2. DetNeXt has no published figure.
    """
    with torch.device("meta"):
        backbone = build_backbone("detnet50", levels=5)
    later = 256 * 128 * (56**2 - 28**2) + 512 * 256 * (28**2 - 14**2)
    assert count_flops(backbone, 224) == pytest.approx(4.8e9 + later, rel=TOLERANCE)


def test_multi_level_unit_costs_what_the_slide_says():
    """0.95 of the plain bottleneck; where the size stays, a cell costs as many multiplications as there are weights."""

    def work(unit: torch.nn.Module) -> int:
        return sum(module.weight.numel() for module in unit.modules() if isinstance(module, torch.nn.Conv2d))

    assert work(Residual(256, 256)) == 212_992
    assert work(MultiLevelUnit(128, 128)) / work(Residual(256, 256)) == pytest.approx(0.95, rel=TOLERANCE)


def test_counts_by_hand():
    """A 3x3 convolution from 3 to 4 channels, with bias, and a 1x1 one at half the size."""
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Conv2d(4, 5, 1, stride=2, bias=False))
    assert count_parameters(model) == 3 * 4 * 9 + 4 + 4 * 5
    assert count_flops(model, (8, 6)) == 3 * 4 * 9 * 8 * 6 + 4 * 5 * 4 * 3
    assert count_flops(model, 8) == 3 * 4 * 9 * 8 * 8 + 4 * 5 * 4 * 4
    assert model.training
