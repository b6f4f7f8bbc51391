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
    source: dict[str, Any] = {}
    if weights == "timm":
        source = {"pretrained": True}
    elif weights != "random":
        if not Path(weights).is_file():
            raise WeightsError(f"model.backbone_weights: no such file '{weights}'; or use 'random' or 'timm'")
        source = {"pretrained": True, "pretrained_cfg_overlay": {"file": weights, "hf_hub_id": None}}
        _check_keys(name, Path(weights), options)
    try:
        count = len(timm.create_model(name, features_only=True, **options).feature_info)
        extractor = timm.create_model(
            name, features_only=True, out_indices=tuple(range(count))[-levels:], **source, **options
        )
    except (RuntimeError, TypeError, AttributeError) as error:
        raise RecipeError(f"backbone '{name}' cannot be built with {options or 'no options'}: {error}") from error
    except OSError as error:
        raise WeightsError(
            f"the pretrained weights of '{name}' could not be downloaded ({error}); go online, or set "
            "model.backbone_weights to a local .safetensors file or to 'random'"
        ) from error
    if weights not in ("random", "timm"):
        _check_loaded(extractor, Path(weights))
    return Backbone(extractor, extractor.feature_info.channels(), extractor.feature_info.reduction())


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a safetensors file ({error})") from error


def _check_keys(name: str, path: Path, options: dict[str, Any]) -> None:
    """Compare a weights file with the whole classifier that timm would build; its head may be missing."""
    with torch.device("meta"):
        whole = timm.create_model(name, **{key: value for key, value in options.items() if key != "output_stride"})
        trunk = timm.create_model(name, num_classes=0)
    expected, got = whole.state_dict(), _read_weights(path)
    head = {key for key in expected if key not in trunk.state_dict()}
    missing = sorted(key for key in expected if key not in got and key not in head)
    unexpected = sorted(key for key in got if key not in expected)
    misshapen = sorted(
        f"{key} {tuple(got[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in expected
        if key in got and key not in head and got[key].shape != expected[key].shape
    )
    if missing or unexpected or misshapen:
        raise WeightsError(
            f"{path} does not hold the weights of '{name}'. "
            + "; ".join(
                f"{title}: {', '.join(keys[:8])}{f' and {len(keys) - 8} more' if len(keys) > 8 else ''}"
                for title, keys in (("missing", missing), ("unexpected", unexpected), ("wrong shape", misshapen))
                if keys
            )
        )


def _check_loaded(extractor: nn.Module, path: Path) -> None:
    """Make sure that every parameter of the extractor now holds a value of the file."""

    def plain(key: str) -> str:
        return key.removeprefix("model.").replace(".", "_")

    stored = {plain(key): tensor for key, tensor in _read_weights(path).items()}
    absent = [
        key
        for key, tensor in extractor.state_dict().items()
        if plain(key) not in stored or not torch.equal(stored[plain(key)].to(tensor.dtype), tensor)
    ]
    if absent:
        raise WeightsError(f"{path}: these weights of the backbone were not loaded: {', '.join(absent[:8])}")
