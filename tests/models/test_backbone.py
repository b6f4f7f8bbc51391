"""Backbones: weights go in key by key, or not at all."""

from __future__ import annotations

import re

import pytest
import timm
import torch
from safetensors.torch import save_file

from hemline.errors import RecipeError, WeightsError
from hemline.models.backbone import OWN_BACKBONES, build_backbone
from hemline.recipe import read_recipe, shipped_recipes

pytestmark = pytest.mark.usefixtures("one_thread")


def save(state, path):
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, path)
    return str(path)


def assert_same_weights(backbone, model):
    stored = {key.replace(".", "_"): tensor for key, tensor in model.state_dict().items()}
    for key, tensor in backbone.extractor.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(tensor, stored[key.removeprefix("model.").replace(".", "_")]), key


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "resnext26ts",
        "mobilenetv2_050",
        "mobilenetv3_small_050",
        "densenet121",
        "vgg11_bn",
        "seresnet33ts",
        "legacy_seresnet18",
        "hrnet_w18_small",
        "efficientnet_b0",
    ],
)
def test_timm_weights_go_round(name, tmp_path):
    """What timm's classifier computes on the way, its weights in the backbone compute too."""
    torch.manual_seed(1)
    model = timm.create_model(name).eval()
    path = save(model.state_dict(), tmp_path / "weights.safetensors")
    torch.manual_seed(2)
    backbone = build_backbone(name, weights=path).eval()
    assert_same_weights(backbone, model)

    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        levels = backbone(images)
    assert [level.shape[1] for level in levels] == backbone.channels
    assert [64 // level.shape[2] for level in levels] == backbone.strides


def backbones_of_recipes():
    backbones = {read_recipe(path).model.backbone for path in shipped_recipes(task="keypoints").values()}
    return sorted(name for name in backbones - set(OWN_BACKBONES) if name)


@pytest.mark.slow
@pytest.mark.parametrize("name", backbones_of_recipes())
def test_weights_of_every_recipes_backbone_go_round(name, tmp_path):
    model = timm.create_model(name)
    path = save(model.state_dict(), tmp_path / "weights.safetensors")
    transformer = "vit" in name  # with one level only
    backbone = build_backbone(name, weights=path, levels=1 if transformer else 4)
    assert_same_weights(backbone, model)


def test_features_are_those_of_the_classifier(tmp_path):
    torch.manual_seed(1)
    model = timm.create_model("resnet18").eval()
    backbone = build_backbone("resnet18", weights=save(model.state_dict(), tmp_path / "w.safetensors")).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(backbone(images)[-1], model.forward_features(images))


def test_weights_without_classifier_load(tmp_path):
    state = timm.create_model("resnet18", num_classes=0).state_dict()
    backbone = build_backbone("resnet18", weights=save(state, tmp_path / "w.safetensors"))
    assert torch.equal(backbone.extractor.state_dict()["conv1.weight"], state["conv1.weight"])


def test_weights_of_a_transformer_go_round(tmp_path):
    torch.manual_seed(1)
    model = timm.create_model("vit_tiny_patch16_224").eval()
    path = save(model.state_dict(), tmp_path / "w.safetensors")
    torch.manual_seed(2)
    backbone = build_backbone("vit_tiny_patch16_224", weights=path, levels=1).eval()
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        patches = model.forward_features(images)[:, 1:]  # (1, 14 * 14, C) behind the class token
        (level,) = backbone(images)
        torch.testing.assert_close(model.norm(level.flatten(2).transpose(1, 2)), patches)


def test_position_embeddings_fit_another_size(tmp_path):
    model = timm.create_model("vit_tiny_patch16_224")
    torch.nn.init.constant_(model.pos_embed, 0.25)
    path = save(model.state_dict(), tmp_path / "w.safetensors")
    backbone = build_backbone("vit_tiny_patch16_224", weights=path, levels=1, img_size=96)
    positions = backbone.extractor.state_dict()["model.pos_embed"]
    assert positions.shape == (1, 1 + 6 * 6, 192)
    torch.testing.assert_close(positions, torch.full_like(positions, 0.25))


@pytest.mark.parametrize(
    ("name", "strides"), [("detnet50", [8, 16, 16, 16]), ("detnext50", [8, 16, 16, 16]), ("shn50", [4, 8, 8, 8])]
)
def test_own_backbones_go_round(name, strides, tmp_path):
    first = build_backbone(name).eval()
    path = save(first.extractor.state_dict(), tmp_path / "w.safetensors")
    second = build_backbone(name, weights=path).eval()
    copied = second.extractor.state_dict()
    assert all(torch.equal(tensor, copied[key]) for key, tensor in first.extractor.state_dict().items())
    assert second.strides == strides
    with torch.no_grad():
        levels = second(torch.zeros(1, 3, 64, 64))
    assert [64 // level.shape[2] for level in levels] == strides
    assert [level.shape[1] for level in levels] == second.channels


@pytest.mark.parametrize(
    ("name", "donor", "shared"),
    [
        ("detnet50", "resnet50", ["conv1.weight", "layer1.0.conv2.weight", "layer3.5.conv3.weight"]),
        ("detnext50", "seresnext50_32x4d", ["bn1.bias", "layer2.0.conv2.weight", "layer3.5.se.fc2.weight"]),
        ("shn50", "resnet50", ["conv1.weight", "layer1.2.conv3.weight"]),
    ],
)
def test_own_backbones_share_the_weights_of_timm(name, donor, shared, monkeypatch):
    """weights="timm" starts what is a plain ResNet with that ResNet's pretrained weights."""
    published = timm.create_model(donor)
    asked = []

    def create_model(model, *, pretrained):
        asked.append((model, pretrained))
        return published

    monkeypatch.setattr(timm, "create_model", create_model)
    state = build_backbone(name, weights="timm").extractor.state_dict()
    assert asked == [(donor, True)]
    assert all(torch.equal(state[key], published.state_dict()[key]) for key in shared)


def test_every_misfit_is_listed(tmp_path):
    state = timm.create_model("resnet18").state_dict()
    del state["layer1.0.conv1.weight"]
    state["layer9.weight"] = torch.zeros(1)
    state["bn1.bias"] = torch.zeros(3)
    path = save(state, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError) as error:
        build_backbone("resnet18", weights=path)
    message = str(error.value)
    assert "w.safetensors" in message
    assert "missing: layer1.0.conv1.weight" in message
    assert "unexpected: layer9.weight" in message
    assert "wrong shape: bn1.bias (3,) instead of (64,)" in message


def test_weights_of_another_network_do_not_load(tmp_path):
    path = save(timm.create_model("resnet18").state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"missing: .* and \d+ more; wrong shape"):
        build_backbone("resnet26", weights=path)


def test_files_that_are_no_weights(tmp_path):
    with pytest.raises(WeightsError, match="no such file"):
        build_backbone("resnet18", weights=str(tmp_path / "none.safetensors"))
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not weights")
    with pytest.raises(WeightsError, match=re.escape(str(broken))):
        build_backbone("resnet18", weights=str(broken))


def test_a_failed_download_says_what_to_do(monkeypatch):
    def offline(*_, pretrained=False, **__):
        if pretrained:
            raise OSError("no route to host")
        return create(*_, **__)

    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(WeightsError, match=r"no route to host.*go online"):
        build_backbone("resnet18", weights="timm")


def test_hybrid_dilation():
    """Rates repeat along a stage, and the maps keep stride 8."""
    backbone = build_backbone(
        "resnet50", output_stride=8, dilations={"layer3": [1, 2, 5, 9], "layer4": [5, 9, 17]}
    ).eval()
    rates = [block.conv2.dilation[0] for block in backbone.extractor.layer3]
    assert rates == [1, 2, 5, 9, 1, 2]
    assert [block.conv2.dilation[0] for block in backbone.extractor.layer4] == [5, 9, 17]
    with torch.no_grad():
        assert [level.shape[-1] for level in backbone(torch.zeros(1, 3, 64, 64))] == [16, 8, 8, 8]
    assert backbone.strides == [4, 8, 8, 8]


def test_unknown_stage_of_dilation():
    with pytest.raises(RecipeError, match="layer7"):
        build_backbone("resnet18", dilations={"layer7": [1]})
