"""Garment detectors of torchvision, by name.

Adding a detector: one builder here, one line in DETECTORS, one recipe; tests/models/test_detectors.py picks it up.
"""

from __future__ import annotations

import inspect
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import detection
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.fcos import FCOSHead
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.models.detection.retinanet import RetinaNetClassificationHead
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from hemline.errors import RecipeError, WeightsError, name_eight, unknown_name
from hemline.models.backbone import Backbone, build_backbone, read_state_dict
from hemline.models.network import IMAGENET_MEAN, IMAGENET_STD, check_multiple, fix_norm

LEAST_SCORE = 0.05
"""Garments that a network is less sure of are not even looked at: COCO's AP asks for no more."""

_MOST = 100  # garments per photo that a network answers, as COCO's AP counts

Losses = dict[str, Tensor]
Boxes = list[dict[str, Tensor]]


class DetectorNetwork(nn.Module):
    """A detector: photos in; losses out while it trains, garments otherwise.

    Args:
        detector: torchvision's.
        body: the part of it that may come pretrained.

    Attributes:
        size_multiple: input height and width must be multiples of this.
    """

    size_multiple = 32

    def __init__(self, detector: nn.Module, body: nn.Module) -> None:
        super().__init__()
        self.detector = detector
        for name, module in detector.named_modules():
            if name in _HEADS:
                module.register_forward_hook(_in_full_precision)
        self._body = (body,)  # not a second name for its parameters

    def forward(self, images: Tensor, targets: list[dict[str, Tensor]] | None = None) -> Losses | Boxes:
        """Run the detector.

        Args:
            images: (B, 3, H, W) RGB, 0 to 255, any dtype.
            targets: of each photo, for training: "boxes" (N, 4) float left, top, right, bottom, "labels" (N,) int64
                from 1 on and, for detectors with masks, "masks" (N, H, W) uint8 in {0, 1}.
        Returns:
            with targets the losses by name, each a scalar; else for each photo "boxes" (M, 4), "labels" (M,) and
            "scores" (M,), the surest first.
        Raises:
            ShapeError: H or W is not a multiple of `size_multiple`.
        """
        height, width = images.shape[-2:]
        check_multiple(height, width, self.size_multiple, subject="a detector")
        found: Any = self.detector(list(images.float() / 255), targets)
        if targets is not None and self.training:
            losses: Losses = found
            return losses
        # Detectors of one stage may name label 0, which stands for nothing here and which nothing taught them.
        return [{name: values[each["labels"] > 0] for name, values in each.items()} for each in found]

    def backbone_parameters(self) -> list[nn.Parameter]:
        """List the parameters that came pretrained, for a learning rate of their own."""
        return list(self._body[0].parameters())

    def freeze_backbone_norm(self) -> None:
        """Make the backbone's batch norm use its stored statistics until `train` is called again."""
        fix_norm(self._body[0])


_HEADS = ("head", "rpn.head", "roi_heads.box_predictor")
"""The parts of detectors after which losses are computed and boxes decoded."""


def _in_full_precision(head: nn.Module, inputs: Any, outputs: Any) -> Any:
    """Leave mixed precision behind a head: scores in bfloat16 differ by 0.004, boxes by a pixel or two."""
    if isinstance(outputs, dict):
        return {name: output.float() for name, output in outputs.items()}
    return tuple(
        [each.float() for each in output] if isinstance(output, list) else output.float() for output in outputs
    )


class _Pyramid(nn.Module):
    """A backbone with a feature pyramid on top, and two levels more."""

    def __init__(self, body: Backbone, channels: int) -> None:
        super().__init__()
        self.body = body
        self.out_channels = channels
        extra = LastLevelP6P7(channels, channels)
        self.pyramid = FeaturePyramidNetwork(body.channels, channels, extra_blocks=extra)
        self.strides = [*body.strides, 2 * body.strides[-1], 4 * body.strides[-1]]

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        levels = OrderedDict((str(at), level) for at, level in enumerate(self.body(images)))
        pyramid: OrderedDict[str, Tensor] = self.pyramid(levels)
        return pyramid


def fcos(
    classes: int,
    *,
    weights: str,
    backbone: str | None = "mobilenetv2_100",
    channels: int = 96,
    convs: int = 2,
    **common: Any,
) -> DetectorNetwork:
    """FCOS on any timm backbone: light enough for a CPU with mobilenetv2_100.

    Args:
        classes: number of labels, 0 included.
        weights: of the backbone, see `build_backbone`.
        backbone: timm's name of it.
        channels: of the pyramid (strides 8 to 128) and of the heads; a multiple of 32.
        convs: convolutions in each head.
        common: what all torchvision detectors take.
    Source: Tian et al. 2019, arXiv 1904.01355. Differs: 96 channels and 2 convolutions instead of 256 and 4.
    """
    if channels % 32 or channels < 32:
        raise RecipeError(f"fcos: channels is a multiple of 32, got {channels}")
    body = build_backbone(backbone, weights=weights, levels=3)
    pyramid = _Pyramid(body, channels)
    anchors = AnchorGenerator(tuple((stride,) for stride in pyramid.strides), ((1.0,),) * len(pyramid.strides))
    network = detection.FCOS(
        pyramid,
        classes,
        anchor_generator=anchors,
        head=FCOSHead(channels, 1, classes, num_convs=convs),
        score_thresh=LEAST_SCORE,
        detections_per_img=_MOST,
        **common,
    )
    return DetectorNetwork(network, body)


def fasterrcnn(
    classes: int, *, weights: str, samples: int = 512, proposals: int = 1000, **common: Any
) -> DetectorNetwork:
    """Faster R-CNN on a ResNet-50 feature pyramid, version 2.

    Args:
        classes: number of labels, 0 included.
        weights: see `build_detector`.
        samples: proposals per photo that the second stage learns from.
        proposals: most of them per photo that the second stage looks at.
        common: what all torchvision detectors take.
    Source: Ren et al. 2015, arXiv 1506.01497; torchvision's recipe after Li et al. 2021, arXiv 2111.11429.
    """
    network = _build(
        detection.fasterrcnn_resnet50_fpn_v2, classes, weights, **_two_stages(samples, proposals), **common
    )
    if weights == "torchvision":
        _replace_box_predictor(network, classes)
    return DetectorNetwork(network, network.backbone.body)


def maskrcnn(
    classes: int, *, weights: str, samples: int = 512, proposals: int = 1000, **common: Any
) -> DetectorNetwork:
    """Mask R-CNN on a ResNet-50 feature pyramid, version 2.

    Source: He et al. 2017, arXiv 1703.06870; otherwise as Faster R-CNN.
    """
    network = _build(detection.maskrcnn_resnet50_fpn_v2, classes, weights, **_two_stages(samples, proposals), **common)
    if weights == "torchvision":
        _replace_box_predictor(network, classes)
        inner = network.roi_heads.mask_predictor.conv5_mask
        network.roi_heads.mask_predictor = MaskRCNNPredictor(inner.in_channels, inner.out_channels, classes)
    return DetectorNetwork(network, network.backbone.body)


def retinanet(classes: int, *, weights: str, **common: Any) -> DetectorNetwork:
    """RetinaNet on a ResNet-50 feature pyramid, version 2.

    Source: Lin et al. 2017, arXiv 1708.02002; torchvision's recipe after Zhang et al. 2019, arXiv 1912.02424.
    """
    network = _build(detection.retinanet_resnet50_fpn_v2, classes, weights, score_thresh=LEAST_SCORE, **common)
    if weights == "torchvision":
        before = network.head.classification_head
        network.head.classification_head = RetinaNetClassificationHead(
            network.backbone.out_channels, before.num_anchors, classes, norm_layer=partial(nn.GroupNorm, 32)
        )
    return DetectorNetwork(network, network.backbone.body)


DETECTORS: dict[str, Callable[..., DetectorNetwork]] = {
    "fcos": fcos,
    "fasterrcnn": fasterrcnn,
    "maskrcnn": maskrcnn,
    "retinanet": retinanet,
}


def build_detector(
    name: str,
    *,
    categories: int,
    size: int,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    backbone: str | None = None,
    weights: str = "random",
    **options: Any,
) -> DetectorNetwork:
    """Build a detector by name.

    Args:
        name: a key of DETECTORS.
        categories: number of garment categories; their labels are 1 and up.
        size: side of the square input.
        mean, std: of the RGB channels, on a scale of 0 to 1.
        backbone: timm's name of one, for detectors that take any.
        weights: "random"; "torchvision" for a detector that torchvision trained on COCO, all but its last layers,
            downloaded once (not for fcos); "timm" for a backbone of timm's (fcos); or a .safetensors file with the
            backbone's weights.
        options: further keyword arguments of the detector.
    Raises:
        RecipeError: unknown name or option.
        WeightsError: the weights cannot be had, or do not fit.
    """
    if name not in DETECTORS:
        raise RecipeError(unknown_name("detector", name, DETECTORS))
    parameters = inspect.signature(DETECTORS[name]).parameters.values()
    accepted = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "weights"]
    if backbone is not None:
        options = {"backbone": backbone, **options}
    for option in options:
        if option not in accepted:
            raise RecipeError(
                f"detector '{name}': {unknown_name('option', option, accepted)}"
                if accepted
                else f"detector '{name}' has no option '{option}', nor any other"
            )
    common = {"min_size": size, "max_size": size, "image_mean": list(mean), "image_std": list(std)}
    try:
        return DETECTORS[name](categories + 1, weights=weights, **common, **options)
    except (RuntimeError, TypeError, ValueError) as error:
        raise RecipeError(f"detector '{name}' cannot be built with {options or 'no options'}: {error}") from error


def _build(build: Callable[..., Any], classes: int, weights: str, **options: Any) -> Any:
    """Build one of torchvision's detectors on ResNet-50."""
    if weights == "torchvision":
        try:
            return build(weights="DEFAULT", trainable_backbone_layers=5, **options)
        except OSError as error:
            wanted = detection.__dict__[_weights_of(build)].DEFAULT.url.rsplit("/", 1)[-1]
            raise WeightsError(
                f"torchvision's weights could not be downloaded ({error}); go online, put the file {wanted} of "
                f"torchvision's model zoo into {os.path.join(torch.hub.get_dir(), 'checkpoints')}, or set "  # noqa: PTH118
                "model.backbone_weights to a ResNet-50's .safetensors file or to 'random'"
            ) from error
    network = build(weights=None, weights_backbone=None, num_classes=classes, **options)
    if weights != "random":
        _load_body(network.backbone.body, weights)
    return network


def _two_stages(samples: int, proposals: int) -> dict[str, Any]:
    return {
        "box_batch_size_per_image": samples,
        "rpn_post_nms_top_n_train": max(proposals, samples),
        "rpn_post_nms_top_n_test": proposals,
        "box_score_thresh": LEAST_SCORE,
    }


def _weights_of(build: Callable[..., Any]) -> str:
    names = [name for name in detection.__dict__ if name.lower() == f"{build.__name__}_weights"]
    return names[0]


def _replace_box_predictor(network: Any, classes: int) -> None:
    before = network.roi_heads.box_predictor.cls_score
    network.roi_heads.box_predictor = FastRCNNPredictor(before.in_features, classes)


def _load_body(body: nn.Module, weights: str) -> None:
    """Fill a ResNet-50 from a file with its state dict, with or without classifier."""
    path = Path(weights)
    if not path.is_file():
        raise WeightsError(f"model.backbone_weights: no such file '{weights}'; or use 'random' or 'torchvision'")
    stored = {key: tensor for key, tensor in read_state_dict(path).items() if not key.startswith("fc.")}
    expected = body.state_dict()
    problems = [
        *(f"missing {key}" for key in expected if key not in stored and not key.endswith("num_batches_tracked")),
        *(f"unexpected {key}" for key in stored if key not in expected),
        *(f"{key} has another shape" for key in stored if key in expected and stored[key].shape != expected[key].shape),
    ]
    if problems:
        raise WeightsError(f"{path} does not hold the weights of a ResNet-50: {name_eight(problems, separator='; ')}")
    body.load_state_dict({**expected, **stored})
