"""Backbones: timm's feature extractors and a few of our own, with pretrained weights that are checked key by key.

Adding a backbone that timm lacks: one file with a module that has `channels` and `strides` and returns all its
levels, finest first, and one line in OWN_BACKBONES.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.layers import resample_abs_pos_embed
from torch import Tensor, nn

from hemline.errors import RecipeError, WeightsError, name_eight, unknown_name
from hemline.models.detnet import detnet50, detnext50
from hemline.models.shn_encoder import SHNEncoder

OWN_BACKBONES: dict[str, Callable[..., nn.Module]] = {
    "detnet50": detnet50,
    "detnext50": detnext50,
    "shn50": SHNEncoder,
}

_SHAPELESS_OPTIONS = ("output_stride", "feature_location", "img_size", "dynamic_img_size")
"""Options of a feature extractor under which published weights keep their names and shapes."""


class Backbone(nn.Module):
    """A feature extractor with its channels and strides.

    Attributes:
        channels: of each level, finest first.
        strides: input pixels per cell of each level.
    """

    def __init__(self, extractor: nn.Module, channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        self.extractor = extractor
        self.channels = list(channels)
        self.strides = list(strides)

    def forward(self, images: Tensor) -> list[Tensor]:
        return list(self.extractor(images))[-len(self.channels) :]


def build_backbone(
    name: str | None,
    *,
    weights: str = "random",
    levels: int = 4,
    dilations: Mapping[str, Sequence[int]] | None = None,
    **options: Any,
) -> Backbone:
    """Build a backbone that returns its last `levels` feature maps, finest first.

    Args:
        name: a timm model name, e.g. "resnet50", or a key of OWN_BACKBONES.
        weights: "random"; "timm" for timm's own pretrained weights, downloaded once; or the path of a
            .safetensors file that holds timm's state dict of this model, with or without classifier.
        levels: number of feature maps; 4 means strides 4, 8, 16, 32 for most backbones.
        dilations: see `set_dilations`.
        options: passed to timm, e.g. output_stride=8 or pad_type="same".
    Raises:
        RecipeError: no such backbone, or it has no feature maps, or an option is unknown.
        WeightsError: the file does not fit; lists the keys.
    """
    if name is None:
        raise RecipeError("this architecture needs model.backbone, the timm name of a backbone, e.g. 'resnet50'")
    if name not in OWN_BACKBONES and not timm.is_model(name):
        known = timm.list_models(f"*{name[:6]}*")[:20] or ["resnet50"]
        raise RecipeError(unknown_name("backbone", name, [*known, *OWN_BACKBONES]))
    if weights not in ("random", "timm") and not Path(weights).is_file():
        raise WeightsError(f"model.backbone_weights: no such file '{weights}'; or use 'random' or 'timm'")
    try:
        backbone = _build_extractor(name, levels, options, pretrained=weights == "timm")
    except (RuntimeError, TypeError, AttributeError) as error:
        raise RecipeError(f"backbone '{name}' cannot be built with {options or 'no options'}: {error}") from error
    except OSError as error:
        raise WeightsError(
            f"the pretrained weights of '{name}' could not be downloaded ({error}); go online, or set "
            "model.backbone_weights to a local .safetensors file or to 'random'"
        ) from error
    if len(backbone.channels) < levels:
        raise RecipeError(f"backbone '{name}' has {len(backbone.channels)} feature maps; {levels} are asked for")
    if dilations:
        set_dilations(backbone.extractor, dilations)
    if weights not in ("random", "timm"):
        _load_weights(backbone.extractor, name, Path(weights), options)
    return backbone


def _build_extractor(name: str, levels: int, options: dict[str, Any], *, pretrained: bool) -> Backbone:
    if name in OWN_BACKBONES:
        own: Any = OWN_BACKBONES[name](pretrained=pretrained, **options)
        return Backbone(own, own.channels[-levels:], own.strides[-levels:])
    with torch.device("meta"):
        whole: Any = timm.create_model(name, features_only=True, **options)
    indices = tuple(range(len(whole.feature_info)))[-levels:]
    extractor: Any = timm.create_model(name, features_only=True, out_indices=indices, pretrained=pretrained, **options)
    return Backbone(extractor, extractor.feature_info.channels(), extractor.feature_info.reduction())


def set_dilations(extractor: nn.Module, dilations: Mapping[str, Sequence[int]]) -> None:
    """Set the dilation rates of a ResNet's 3x3 convolutions, block by block.

    Rates without a common factor, such as 1, 2, 5, 9, see every cell; a constant rate leaves a grid of holes
    (hybrid dilated convolution, Wang et al. 2018, arXiv 1702.08502).

    Args:
        extractor: a ResNet of timm.
        dilations: rates of each stage's blocks in turn, begun anew when they run out, e.g. {"layer3": [1, 2, 5, 9]}.
    Raises:
        RecipeError: no such stage.
    """
    for stage, rates in dilations.items():
        blocks = getattr(extractor, stage, None)
        if blocks is None or not hasattr(blocks[0], "conv2"):
            raise RecipeError(f"dilations: this backbone has no stage '{stage}' of ResNet blocks")
        for index, block in enumerate(blocks):
            rate = rates[index % len(rates)]
            block.conv2.dilation = block.conv2.padding = (rate, rate)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read somebody's published weights.

    Raises:
        WeightsError: not a safetensors file.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a safetensors file ({error})") from error


def _expected_weights(
    extractor: nn.Module, name: str, options: dict[str, Any]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """List the tensors that a weights file must hold and those of the classifier, that it may hold."""
    if name in OWN_BACKBONES:
        return extractor.state_dict(), {}
    with torch.device("meta"):
        whole = timm.create_model(name, **{key: options[key] for key in options if key not in _SHAPELESS_OPTIONS})
        trunk = timm.create_model(name, num_classes=0)
    required = trunk.state_dict()
    return required, {key: tensor for key, tensor in whole.state_dict().items() if key not in required}


def _load_weights(extractor: nn.Module, name: str, path: Path, options: dict[str, Any]) -> None:
    """Copy a weights file into the extractor, after comparing it with the whole network, key by key."""
    got = read_state_dict(path)
    required, head = _expected_weights(extractor, name, options)
    problems = {
        "missing": [key for key in required if key not in got and not _is_counter(key)],
        "unexpected": [key for key in got if key not in required and key not in head and not _is_counter(key)],
        "wrong shape": [
            f"{key} {tuple(got[key].shape)} instead of {tuple(tensor.shape)}"
            for key, tensor in required.items()
            if key in got and not _is_counter(key) and got[key].shape != tensor.shape
        ],
    }
    if any(problems.values()):
        raise WeightsError(
            f"{path} does not hold the weights of '{name}'. "
            + "; ".join(f"{title}: {name_eight(keys)}" for title, keys in problems.items() if keys)
        )
    stored = {_flat_key(key): tensor for key, tensor in got.items()}
    with torch.no_grad():
        for key, tensor in extractor.state_dict().items():
            if not _is_counter(key):
                tensor.copy_(_fit_positions(stored[_flat_key(key)], tensor, extractor))


def _fit_positions(stored: Tensor, tensor: Tensor, extractor: nn.Module) -> Tensor:
    """Resample a transformer's position embeddings (1, N, C) to another input size; leave the rest alone."""
    if stored.shape == tensor.shape:
        return stored
    transformer: Any = extractor.model
    prefix = 0 if transformer.no_embed_class else transformer.num_prefix_tokens
    return resample_abs_pos_embed(stored, list(transformer.patch_embed.grid_size), num_prefix_tokens=prefix)


def _is_counter(key: str) -> bool:
    """Tell batch norm's step counters, which no network needs, from weights."""
    return key.endswith("num_batches_tracked")


def _flat_key(key: str) -> str:
    """Name a tensor alike in timm's classifiers and in its feature extractors, which rename submodules."""
    return key.removeprefix("model.").replace(".", "_")
