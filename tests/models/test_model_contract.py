"""What every network must hold, looped over MODELS: adding a model means adding a cheap configuration here."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from hemline.errors import RecipeError, ShapeError
from hemline.models import MODELS, build_model
from hemline.models.joint_paf import JointPAF
from hemline.models.network import Network

pytestmark = pytest.mark.usefixtures("one_thread")

KEYPOINTS, LIMBS = 5, 3

CONFIGS: dict[str, tuple[str, dict[str, Any], int]] = {
    "cpn": ("cpn", {"backbone": "resnet18", "channels": 16}, 5),
    "cpn on five levels": ("cpn", {"backbone": "detnet50", "channels": 16, "levels": 5}, 6),
    "cpn dilated": (
        "cpn",
        {
            "backbone": "resnet50",
            "channels": 16,
            "backbone_options": {"output_stride": 8, "dilations": {"layer3": [1, 2, 5], "layer4": [5, 9]}},
        },
        5,
    ),
    "cpn of pyramids": ("cpn", {"backbone": "resnet18", "channels": 36, "unit": "pyramid"}, 5),
    "hourglass": ("hourglass", {"stacks": 2, "channels": 16}, 2),
    "hourglass of levels": ("hourglass", {"stacks": 1, "channels": 16, "unit": "multilevel"}, 1),
    "pyranet": ("pyranet", {"stacks": 2, "channels": 36}, 2),
    "shn": ("shn", {"backbone": "shn50", "channels": 16}, 3),
    "shn on a dilated resnet": (
        "shn",
        {"backbone": "resnet50", "channels": 16, "stacks": 1, "backbone_options": {"output_stride": 8}},
        2,
    ),
    "cpm": ("cpm", {"backbone": "resnet18", "channels": 8, "stages": 3}, 3),
    "cpm on a pyramid": ("cpm", {"backbone": "resnet18", "channels": 8, "stages": 2, "neck": "pyramid"}, 2),
    "openpose": ("openpose", {"backbone": "vgg11_bn", "channels": 8, "stages": 3}, 3),
    "openpose depthwise": ("openpose", {"backbone": "resnet18", "channels": 8, "stages": 2, "depthwise": True}, 2),
    "deeppose": ("deeppose", {"backbone": "resnet18", "hidden": 16}, 1),
    "deeppose conv4": ("deeppose", {"hidden": 16}, 1),
    "joint_paf": ("joint_paf", {"backbone": "resnet18", "channels": 8}, 4),
    "simple": ("simple", {"backbone": "resnet18", "channels": 8}, 1),
    "hrnet": ("hrnet", {"backbone": "hrnet_w18_small"}, 1),
    "vitpose": ("vitpose", {"backbone": "vit_tiny_patch16_224", "channels": 8}, 1),
    "simcc": ("simcc", {"backbone": "resnet18"}, 1),
    "rtmpose": ("rtmpose", {"backbone": "resnet18", "channels": 16}, 1),
}
"""Each configuration: the network, its options, and on how many outputs it is supervised."""

every_config = pytest.mark.parametrize("config", CONFIGS)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@cache
def build(config: str, size: int = 64) -> Network:
    name, options, _ = CONFIGS[config]
    torch.manual_seed(0)
    return build_model(name, keypoints=KEYPOINTS, limbs=LIMBS, size=size, **options)


def photos(height: int, width: int, count: int = 2) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8)


def expected_shape(name: str, model: Network, height: int, width: int) -> tuple[int, ...]:
    cells = (height // model.output_stride, width // model.output_stride)
    bins = getattr(model, "bins", 2)
    fields = LIMBS if isinstance(model, JointPAF) else 2 * LIMBS
    return {
        "heatmaps": (2, KEYPOINTS, *cells),
        "background": (2, 1, *cells),
        "near": (2, KEYPOINTS, *cells),
        "offsets": (2, 2 * KEYPOINTS, *cells),
        "paf": (2, fields, *cells),
        "simcc_x": (2, KEYPOINTS, width * bins),
        "simcc_y": (2, KEYPOINTS, height * bins),
        "coordinates": (2, KEYPOINTS, 2),
    }[name]


def test_every_model_has_a_configuration():
    assert {name for name, *_ in CONFIGS.values()} == set(MODELS)


@every_config
def test_outputs_of_all_stages_have_the_stated_shapes_at_every_fitting_size(config):
    only_one, multiple = build(config).only_size is not None, build(config).size_multiple
    others = [(96, 96)] if only_one else [(128, 64), (64 + multiple, 128 - multiple)]
    for height, width in [(64, 64), *others]:
        model = build(config, size=height if only_one else 64).eval()
        with torch.no_grad():
            stages = model(photos(height, width))
        assert len(stages) == CONFIGS[config][2]
        for output in stages:
            for name, tensor in output.items():
                assert tuple(tensor.shape) == expected_shape(name, model, height, width), name
                assert tensor.isfinite().all(), name


@every_config
def test_every_parameter_gets_a_gradient(config):
    model = build(config).train()
    for module in model.modules():
        # Residual branches of some backbones start at zero, which would hide what lies behind them.
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    model.zero_grad()
    outputs = [tensor for output in model(photos(64, 64)) for tensor in output.values()]
    sum((tensor * torch.randn_like(tensor)).sum() for tensor in outputs).backward()
    without = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not without


@every_config
def test_a_batch_of_two_equals_two_singles(config):
    model = build(config).eval()
    images = photos(64, 64)
    with torch.no_grad():
        together = model(images)
        apart = [model(images[:1]), model(images[1:])]
    for stage, output in enumerate(together):
        for name, tensor in output.items():
            singles = torch.cat([single[stage][name] for single in apart])
            torch.testing.assert_close(tensor, singles, rtol=1e-4, atol=1e-4 * float(tensor.abs().max()))


@every_config
def test_the_state_goes_round(config):
    name, options, _ = CONFIGS[config]
    model = build(config).eval()
    other = build_model(name, keypoints=KEYPOINTS, limbs=LIMBS, size=64, **options).eval()
    other.load_state_dict(model.state_dict())
    images = photos(64, 64, 1)
    with torch.no_grad():
        for output, again in zip(model(images), other(images), strict=True):
            for key, tensor in output.items():
                assert torch.equal(tensor, again[key])


@every_config
def test_a_wrong_size_names_one_that_fits(config):
    model = build(config)
    side = model.size_multiple * 2 + 1
    fitting = model.only_size or model.size_multiple * 3
    with pytest.raises(ShapeError, match=f"{fitting} x {fitting}"):
        model(photos(side, side))


@every_config
def test_bfloat16_and_channels_last_run(config):
    model = build(config).eval().to(memory_format=torch.channels_last)
    images = photos(64, 64).to(memory_format=torch.channels_last)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for output in model(images):
            assert all(tensor.isfinite().all() for tensor in output.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "cpm_"}, "cpm"),
        ({"name": "hourglass", "backbone": "resnet18"}, "no exchangeable backbone"),
        ({"name": "hourglass", "stack": 2}, "stacks"),
        ({"name": "hourglass", "unit": "multi"}, "multilevel"),
        ({"name": "cpn"}, "model.backbone"),
        ({"name": "cpn", "backbone": "resnet5"}, "resnet50"),
        ({"name": "cpn", "backbone": "resnet18", "unit": "pyramids"}, "pyramid"),
        ({"name": "cpn", "backbone": "resnet18", "levels": 9}, "5 feature maps"),
        ({"name": "cpn", "backbone": "resnet18", "backbone_options": {"output_strides": 8}}, "output_strides"),
        (
            {"name": "cpn", "backbone": "mobilenetv3_small_050", "backbone_options": {"dilations": {"layer3": [2]}}},
            "layer3",
        ),
    ],
)
def test_a_wrong_recipe_says_what_to_do(arguments, message):
    with pytest.raises(RecipeError, match=message):
        build_model(keypoints=KEYPOINTS, **arguments)
