"""A run folder without training: a small network that answers something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from hemline.garments import CATEGORY_KEYPOINTS
from hemline.infer.schema import Schema, channels_of, keypoint_names
from hemline.learn.checkpoint import write_weights
from hemline.models import build_model


def write_run(folder: Path, categories: tuple[str, ...], **predict: Any) -> Path:
    """Write a run folder with an untrained network; `predict` is how it is asked."""
    keypoints, limbs = channels_of(categories)
    model = {"name": "cpn", "backbone": "test_resnet", "channels": 16, "keypoints": len(keypoints)}
    torch.manual_seed(0)
    network = build_model(**model)
    half: list[float] | None = [0.5, 0.5]
    layouts = {name: [half if at in CATEGORY_KEYPOINTS[name] else None for at in range(24)] for name in categories}
    schema = Schema(
        categories=categories,
        model=model,
        codec={"name": "belief", "size_wh": [64, 64], "stride": network.output_stride},
        keypoints=keypoint_names(keypoints),
        limbs=limbs,
        size=64,
        predict=predict,
        layouts=layouts,
        shapes=layouts,
    )
    description = {"schema": schema.to_json(), "recipe": {"predict": {"batch_size": 4}}, "epoch": 1, "ne": None}
    write_weights(folder / "last.safetensors", network.state_dict(), description)
    return folder
