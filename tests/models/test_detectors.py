"""The contract of every garment detector."""

from __future__ import annotations

import urllib.error

import pytest
import torch
from safetensors.torch import save_file

from hemline.errors import RecipeError, ShapeError, WeightsError
from hemline.models import detectors
from hemline.models.detectors import DETECTORS, LEAST_SCORE, DetectorNetwork, build_detector

pytestmark = pytest.mark.usefixtures("one_thread")

FAST = {"samples": 16, "proposals": 20}
OPTIONS = {
    "fcos": {"backbone": "test_resnet", "channels": 64, "convs": 1},
    "fasterrcnn": FAST,
    "maskrcnn": FAST,
    "retinanet": {},
}


def build(name: str, *, size: int = 64, **options) -> DetectorNetwork:
    torch.manual_seed(0)
    return build_detector(name, categories=5, size=size, **OPTIONS[name], **options)


def two_photos(size: int = 64) -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


TARGETS = [
    {
        "boxes": torch.tensor([[4.0, 6.0, 40.0, 60.0], [30.0, 2.0, 62.0, 30.0]]),
        "labels": torch.tensor([2, 5]),
        "masks": torch.ones(2, 64, 64, dtype=torch.uint8),
    },
    {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "masks": torch.zeros(0, 64, 64, dtype=torch.uint8),
    },
]


def test_every_detector_has_options_here():
    assert OPTIONS.keys() == DETECTORS.keys()


@pytest.mark.parametrize("name", DETECTORS)
def test_training_gives_losses_and_moves_every_weight(name):
    """Also with a photo that shows nothing."""
    network = build(name)
    losses = network(two_photos(), TARGETS)
    assert all(loss.shape == () and torch.isfinite(loss) for loss in losses.values())
    sum(losses.values()).backward()
    still = [key for key, weight in network.named_parameters() if weight.grad is None]
    assert still == []
    backbone = {id(weight) for weight in network.backbone_parameters()}
    assert 0 < len(backbone) < len(list(network.parameters()))


@pytest.mark.parametrize("name", DETECTORS)
def test_answers_are_boxes_labels_and_scores_of_each_photo_alone(name):
    network = build(name).eval()
    with torch.inference_mode():
        both = network(two_photos())
        singles = [network(photo[None])[0] for photo in two_photos()]
    for together, alone in zip(both, singles, strict=True):
        count = len(together["boxes"])
        assert together["boxes"].shape == (count, 4)
        assert together["labels"].shape == together["scores"].shape == (count,)
        assert ((together["labels"] >= 1) & (together["labels"] <= 5)).all()
        assert (together["scores"] >= LEAST_SCORE).all()
        assert ((together["boxes"] >= 0) & (together["boxes"] <= 64)).all()
        assert torch.allclose(together["scores"], alone["scores"], atol=1e-4)


@pytest.mark.parametrize("name", DETECTORS)
def test_size_must_fit_the_strides(name):
    with pytest.raises(ShapeError, match="multiples of 32, got 70 x 70; use 96 x 96"):
        build(name)(torch.zeros(1, 3, 70, 70))


def test_fixed_norm_stays_fixed_until_training_starts_again():
    network = build("fcos")
    norms = [each for each in network.modules() if isinstance(each, torch.nn.BatchNorm2d)]
    network.train()
    network.freeze_backbone_norm()
    assert norms
    assert not any(each.training for each in norms)
    assert all(each.training for each in network.train().modules() if isinstance(each, torch.nn.BatchNorm2d))


def test_a_resnet_50_file_becomes_the_body(tmp_path):
    source = build("retinanet").detector.backbone.body.state_dict()
    changed = {key: value + 0.5 if value.is_floating_point() else value for key, value in source.items()}
    file = tmp_path / "resnet50.safetensors"
    save_file({**changed, "fc.weight": torch.zeros(10, 2048)}, file)
    body = build("fasterrcnn", weights=str(file)).detector.backbone.body.state_dict()
    assert all(torch.equal(body[key], changed[key]) for key in changed)
    save_file({key: value for key, value in changed.items() if not key.startswith("layer4.0")}, file)
    with pytest.raises(WeightsError, match=r"does not hold the weights of a ResNet-50: missing layer4\.0\.conv1"):
        build("fasterrcnn", weights=str(file))
    with pytest.raises(WeightsError, match="no such file 'nowhere'; or use 'random' or 'torchvision'"):
        build("retinanet", weights="nowhere")


def test_weights_that_cannot_be_fetched_say_what_to_do(monkeypatch):
    def offline(**options):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(detectors.detection, "fasterrcnn_resnet50_fpn_v2", offline)
    offline.__name__ = "fasterrcnn_resnet50_fpn_v2"
    with pytest.raises(
        WeightsError, match=r"could not be downloaded .*no route.*fasterrcnn_resnet50_fpn_v2_coco.*\.pth"
    ):
        build("fasterrcnn", weights="torchvision")


def test_torchvisions_detector_gets_heads_for_garments(monkeypatch):
    """As if the weights had been fetched: a detector of 91 classes."""
    real = detectors.detection.maskrcnn_resnet50_fpn_v2

    def fetched(*, weights, **options):
        assert weights == "DEFAULT"
        return real(
            weights=None, weights_backbone=None, num_classes=91, **options | {"trainable_backbone_layers": None}
        )

    monkeypatch.setattr(detectors.detection, "maskrcnn_resnet50_fpn_v2", fetched)
    heads = build("maskrcnn", weights="torchvision").detector.roi_heads
    assert heads.box_predictor.cls_score.out_features == 6
    assert heads.box_predictor.bbox_pred.out_features == 24
    assert heads.mask_predictor.mask_fcn_logits.out_channels == 6


def test_unknown_names_are_errors_with_the_nearest():
    with pytest.raises(RecipeError, match=r"unknown detector 'fastercnn'\. Did you mean 'fasterrcnn'"):
        build_detector("fastercnn", categories=5, size=64)
    with pytest.raises(RecipeError, match=r"detector 'fcos': unknown option 'channel'\. Did you mean 'channels'"):
        build_detector("fcos", categories=5, size=64, channel=3)
    with pytest.raises(RecipeError, match="channels is a multiple of 32, got 48"):
        build_detector("fcos", categories=5, size=64, channels=48)
    with pytest.raises(RecipeError, match="detector 'retinanet' has no option 'backbone', nor any other"):
        build_detector("retinanet", categories=5, size=64, backbone="resnet18")


@pytest.mark.parametrize("name", DETECTORS)
def test_scores_and_boxes_keep_their_precision_under_mixed_precision(name):
    """As float32 numbers between those that bfloat16 has."""
    network = build(name).eval()
    heads = network.detector.head.classification_head.cls_logits if hasattr(network.detector, "head") else None
    if heads is not None:
        with torch.no_grad():
            heads.bias += 3.0
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        [found] = network(two_photos()[:1])
    assert len(found["scores"]) > 5
    for values in (found["scores"], found["boxes"]):
        assert values.dtype == torch.float32
        assert (values.bfloat16().float() != values).any()


def test_options_of_a_wrong_kind_are_errors():
    for options in ({"channels": "wide"}, {"channels": 0}, {"convs": "two"}):
        with pytest.raises(RecipeError):
            build_detector("fcos", categories=5, size=64, **options)
