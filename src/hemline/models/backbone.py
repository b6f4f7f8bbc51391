"""Backbones: timm's feature extractors, with pretrained weights that are checked key by key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from hemline.errors import RecipeError, WeightsError, unknown_name


class Backbone(nn.Module):
    """A feature extractor with its channels and strides.

    Attributes:
        channels: of each level, finest first.
        strides: input pixels per cell of each level.
    """

    def __init__(self, extractor: nn.Module, channels: list[int], strides: list[int]) -> None:
        super().__init__()
        self.extractor = extractor
        self.channels = channels
        self.strides = strides

    def forward(self, images: Tensor) -> list[Tensor]:
        return list(self.extractor(images))


def build_backbone(name: str | None, *, weights: str = "random", levels: int = 4, **options: Any) -> Backbone:
    """Build a timm backbone that returns its last `levels` feature maps, finest first.

    Args:
        name: timm model name, e.g. "resnet50".
        weights: "random"; "timm" for timm's own pretrained weights, downloaded once; or the path of a
            .safetensors file that holds timm's state dict of this model, with or without classifier.
        levels: number of feature maps; 4 means strides 4, 8, 16, 32 for most backbones.
        options: passed to timm, e.g. output_stride=8 or pad_type="same".
    Raises:
        RecipeError: no such backbone, or it has no feature maps, or an option is unknown.
        WeightsError: the file does not fit; lists the keys.
    """
    if name is None:
        raise RecipeError("this architecture needs model.backbone, the timm name of a backbone, e.g. 'resnet50'")
    if not timm.is_model(name):
        raise RecipeError(unknown_name("backbone", name, timm.list_models(f"*{name[:6]}*")[:20] or ["resnet50"]))
    if weights not in ("random", "timm") and not Path(weights).is_file():
        raise WeightsError(f"model.backbone_weights: no such file '{weights}'; or use 'random' or 'timm'")
    try:
        count = len(timm.create_model(name, features_only=True, **options).feature_info)
        extractor = timm.create_model(
            name,
            features_only=True,
            out_indices=tuple(range(count))[-levels:],
            pretrained=weights == "timm",
            **options,
        )
    except (RuntimeError, TypeError, AttributeError) as error:
        raise RecipeError(f"backbone '{name}' cannot be built with {options or 'no options'}: {error}") from error
    except OSError as error:
        raise WeightsError(
            f"the pretrained weights of '{name}' could not be downloaded ({error}); go online, or set "
            "model.backbone_weights to a local .safetensors file or to 'random'"
        ) from error
    if weights not in ("random", "timm"):
        _load_weights(extractor, name, Path(weights), options)
    return Backbone(extractor, extractor.feature_info.channels(), extractor.feature_info.reduction())


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a safetensors file ({error})") from error


def _load_weights(extractor: nn.Module, name: str, path: Path, options: dict[str, Any]) -> None:
    """Copy a weights file into the extractor, after comparing it with the whole classifier, key by key."""
    got = _read_weights(path)
    with torch.device("meta"):
        whole = timm.create_model(name, **{key: value for key, value in options.items() if key != "output_stride"})
        trunk = timm.create_model(name, num_classes=0)
    expected = {key: tensor for key, tensor in whole.state_dict().items() if not _is_counter(key)}
    head = expected.keys() - trunk.state_dict().keys()
    problems = {
        "missing": [key for key in expected if key not in got and key not in head],
        "unexpected": [key for key in got if key not in expected and not _is_counter(key)],
        "wrong shape": [
            f"{key} {tuple(got[key].shape)} instead of {tuple(tensor.shape)}"
            for key, tensor in expected.items()
            if key in got and key not in head and got[key].shape != tensor.shape
        ],
    }
    if any(problems.values()):
        raise WeightsError(
            f"{path} does not hold the weights of '{name}'. "
            + "; ".join(f"{title}: {_shorten(keys)}" for title, keys in problems.items() if keys)
        )
    stored = {_flat_key(key): tensor for key, tensor in got.items()}
    with torch.no_grad():
        for key, tensor in extractor.state_dict().items():
            if not _is_counter(key):
                tensor.copy_(stored[_flat_key(key)])


def _is_counter(key: str) -> bool:
    """Tell batch norm's step counters, which no network needs, from weights."""
    return key.endswith("num_batches_tracked")


def _flat_key(key: str) -> str:
    """Name a tensor alike in timm's classifiers and in its feature extractors, which rename submodules."""
    return key.removeprefix("model.").replace(".", "_")


def _shorten(keys: list[str], count: int = 8) -> str:
    return ", ".join(keys[:count]) + (f" and {len(keys) - count} more" if len(keys) > count else "")
