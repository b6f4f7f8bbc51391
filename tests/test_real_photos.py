"""The main job on real photos: learned by heart, found again through the files that a user writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from hemline.formats.fashionai import write_annotations
from hemline.formats.roots import read_roots
from hemline.recipe import read_recipe, recipe_path, shipped_recipes


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_eight_real_photos_are_learned_by_heart(garments: Path, tmp_path: Path, hemline) -> None:
    torch.set_num_threads(2)
    table, _ = read_roots([f"{garments}:Annotations/train.csv"])
    rows = [table.categories.index(category) + turn for category in dict.fromkeys(table.categories) for turn in (0, 1)]
    labels = tmp_path / "eight.csv"
    write_annotations(labels, table.select(rows[:8]))
    (tmp_path / "Images").symlink_to(garments / "Images")
    still = ["flip", "rotation", "shift", "brightness", "contrast", "saturation", "hue", "gray", "erase"]
    changes = [f"augment.{name}=0.0" for name in still] + ["augment.scale=[1.0, 1.0]"]
    changes += ["predict.flip=false", "predict.second_pass=false"]
    changes += ["model.backbone_weights=random", "train.accelerator=cpu", "train.epochs=150", "train.batch_size=8"]
    changes += ["train.freeze_backbone_norm=false", "train.validate_every=150", "train.workers=0"]
    changes += ["train.precision=32-true", "train.ema=0.9", "input.size=192"]
    sets = [part for change in changes for part in ("--set", change)]
    data, run = f"{tmp_path}:eight.csv", tmp_path / "run"
    recipe, prediction, report = recipe_path("cpn_mobilenetv2"), tmp_path / "pred.csv", tmp_path / "report.json"
    for command in (
        ("train", recipe, "--data", data, "--val", data, "--out", run, *sets),
        ("predict", run, labels, "--data", tmp_path, "--out", prediction),
        ("evaluate", prediction, labels, "--json", report),
    ):
        code, _, errors = hemline(*command)
        assert code == 0, errors
    assert json.loads(report.read_text())["ne"] < 2.0


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("name", [name for name in shipped_recipes(task="keypoints") if name != "demo"])
def test_every_network_learns_eight_real_photos_by_heart(
    garments: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    from overfit_networks import eight_photos, overfit

    photos = eight_photos(read_roots([f"{garments}:Annotations/train.csv"])[0])
    result = overfit(read_recipe(recipe_path(name)), photos)
    assert result["ne"] < 1.0
    assert result["ne"] < result["constant"] / 10  # so that the network looks at the photo


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("name", shipped_recipes(task="detection"))
def test_every_detector_learns_twenty_real_photos_by_heart(
    garments: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    from overfit_detectors import overfit, twenty_photos

    photos = twenty_photos(read_roots([f"{garments}:Annotations/train.csv"])[0])
    assert overfit(name, photos)["ap50"] >= 0.95
