"""What single networks promise beyond the contract of all."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import timm
import torch
from torch import nn

from hemline.errors import RecipeError
from hemline.learn.losses import total_loss
from hemline.models import build_model

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def photos(count: int, size: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8)


@pytest.mark.parametrize("backbone", ["vgg19", "vgg19_bn"])
def test_openpose_keeps_the_first_ten_convolutions_of_vgg19(backbone):
    with torch.device("meta"):
        model = build_model("openpose", keypoints=4, limbs=4, backbone=backbone, stages=1)
    layers = list(model.backbone.modules())
    widths = [layer.out_channels for layer in layers if isinstance(layer, nn.Conv2d)]
    assert widths == [64, 64, 128, 128, 256, 256, 256, 256, 512, 512]
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in layers) == 3
    assert isinstance(layers[-1], nn.ReLU)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("cpn", {"unit": "pyramid"}),
        ("cpn", {"levels": 3}),
        ("cpn", {"channels": 72}),
        ("cpm", {"neck": "pyramid"}),
        ("cpm", {"background": True}),
        ("cpm", {"stages": 2}),
        ("openpose", {"stages": 2}),
        ("openpose", {"depthwise": True}),
        ("simple", {"channels": 72}),
        ("rtmpose", {"channels": 72}),
        ("simcc", {"bins": 3}),
        ("hourglass", {"stacks": 3}),
        ("hourglass", {"unit": "multilevel"}),
    ],
)
def test_an_option_changes_the_network(name, option):
    def shapes(**options):
        backbone = {} if name == "hourglass" else {"backbone": "resnet18"}
        with torch.device("meta"):
            model = build_model(name, keypoints=4, limbs=4, size=64, **backbone, **options)
        return [weight.shape for weight in model.parameters()]

    assert shapes(**option) != shapes()


def test_depthwise_openpose_has_no_full_convolution_behind_the_neck():
    with torch.device("meta"):
        model = build_model("openpose", keypoints=4, limbs=4, backbone="resnet18", depthwise=True)
    for branch in [*model.fields, *model.maps]:
        for conv in branch.modules():
            if isinstance(conv, nn.Conv2d) and conv.kernel_size != (1, 1):
                assert conv.groups == conv.in_channels


def test_the_transformer_sees_the_same_at_its_own_size_and_more_at_others():
    """Position embeddings are resampled for other sizes: patches keep their places, relative to the photo."""
    model = build_model("vitpose", keypoints=4, size=64, backbone="vit_tiny_patch16_224", channels=8).eval()
    seen = []
    transformer = model.backbone.extractor.model
    transformer.pos_drop.register_forward_hook(lambda _module, _inputs, output: seen.append(output[0, 1:]))
    with torch.no_grad():
        nn.init.zeros_(transformer.patch_embed.proj.weight)
        nn.init.zeros_(transformer.patch_embed.proj.bias)
        rows = torch.arange(4.0).repeat_interleave(4)  # of the 4 x 4 patches at 64 pixels
        transformer.pos_embed[0, 1:] = rows[:, None]
        model(photos(1, 64))
        model(photos(1, 128))
    assert torch.equal(seen[0][:, 0], rows)
    assert seen[1].shape[0] == 64
    assert (seen[1][:, 0].reshape(8, 8).diff(dim=0) > 0).all()  # still rising from row to row


@pytest.mark.parametrize(("name", "options"), [("openpose", {"limbs": 4}), ("cpm", {"background": True})])
def test_the_background_starts_at_one_and_the_maps_at_zero(name, options):
    model = build_model(name, keypoints=4, backbone="resnet18", stages=2, channels=16, **options).eval()
    with torch.no_grad():
        for output in model(photos(1, 64)):
            assert (output["background"] - 1).abs().max() < 0.2
            assert output["heatmaps"].abs().max() < 0.2


@pytest.mark.parametrize("neck", ["joined", "pyramid"])
def test_cpm_needs_features_at_stride_eight(neck):
    with pytest.raises(RecipeError, match="stride 8"):
        build_model("cpm", keypoints=4, backbone="vit_tiny_patch16_224", neck=neck)


def test_unknown_neck():
    with pytest.raises(RecipeError, match="pyramid"):
        build_model("cpm", keypoints=4, backbone="resnet18", neck="pyramids")


def test_hrnet_without_the_unused_exchange_computes_the_same():
    model = build_model("hrnet", keypoints=4, backbone="hrnet_w18_small").eval()
    whole = timm.create_model("hrnet_w18_small", features_only=True, feature_location="", out_indices=(1,)).eval()
    missing = whole.load_state_dict(model.backbone.extractor.state_dict(), strict=False)
    assert missing.missing_keys
    assert not missing.unexpected_keys
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model.backbone(images)[0], whole(images)[0])


@pytest.mark.parametrize(("name", "backbone"), [("hrnet", "resnet18"), ("vitpose", "resnet18")])
def test_backbones_of_another_kind_are_refused(name, backbone):
    with pytest.raises(RecipeError, match="resnet18"):
        build_model(name, keypoints=4, backbone=backbone)


@pytest.mark.parametrize("name", ["simcc", "rtmpose"])
def test_simcc_names_the_next_size_that_fits(name):
    with pytest.raises(RecipeError, match="use 288"):
        build_model(name, keypoints=4, size=270, backbone="resnet18")


def test_deeppose_starts_in_the_middle_and_does_not_collapse():
    size, count = 64, 4
    images = np.full((count, size, size, 3), 90, np.uint8)
    centres = np.array([[12.0, 16.0], [48.0, 20.0], [20.0, 50.0], [50.0, 46.0]])
    for image, centre in zip(images, centres, strict=True):
        cv2.circle(image, centre.astype(int).tolist(), 8, (220, 60, 60), -1)
    batch = torch.from_numpy(images).permute(0, 3, 1, 2)
    target = {"coordinates": torch.from_numpy(centres / size).float()[:, None]}  # (4, 1, 2)
    model = build_model("deeppose", keypoints=1, hidden=64)
    with torch.no_grad():
        assert (model(batch)[-1]["coordinates"] - 0.5).abs().max() < 0.1
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(60):
        loss, _ = total_loss(model(batch), target, torch.ones(count, 1), terms=[("coordinate_l1", 1.0)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        found = model.eval()(batch)[-1]["coordinates"]
    # One constant for all four is wrong by 0.25 of the crop and more.
    assert (found - target["coordinates"]).abs().max() < 0.06
