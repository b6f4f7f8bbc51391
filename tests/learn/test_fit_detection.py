"""Detectors are trained by the same loop: they learn, are resumed to the bit, and say what is wrong."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hemline.annotation import AnnotationTable
from hemline.errors import RecipeError, WeightsError
from hemline.formats.roots import read_roots
from hemline.images import read_image
from hemline.infer.torch_backend import load_detector, load_predictor
from hemline.learn.checkpoint import read_weights
from hemline.learn.fit import fit
from hemline.learn.run_folder import Progress
from hemline.models.detectors import DetectorNetwork
from hemline.recipe import DetectorRecipe
from hemline.report.detection import judge_detector, label_photos
from hemline.synth.stream import write_drawn_set
from hemline.toml_file import parse_section

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL: dict[str, Any] = {
    "name": "small",
    "task": "detection",
    "model": {"name": "fcos", "backbone": "test_resnet", "options": {"channels": 64, "convs": 1}},
    "input": {"size": 64},
    "augment": {"rotation": 10.0},
    "scenes": {"share": 0.5},
    "train": {"epochs": 2, "batch_size": 4, "workers": 0, "accelerator": "cpu", "lr": 2e-3, "clip": 5.0},
}
STILL = {
    **{"flip": 0.0, "rotation": 0.0, "scale": [1.0, 1.0], "shift": 0.0, "brightness": 0.0, "contrast": 0.0},
    **{"saturation": 0.0, "hue": 0.0, "gray": 0.0},
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> AnnotationTable:
    root = tmp_path_factory.mktemp("drawn")
    list(write_drawn_set(root, count=10, seed=0, size=96))
    return read_roots([str(root)])[0]


def recipe(**changes: Any) -> DetectorRecipe:
    content = {**SMALL, **{key: {**SMALL.get(key, {}), **value} for key, value in changes.items()}}
    return parse_section(DetectorRecipe, content, source="test")


def test_learns_a_few_garments_and_the_saved_detector_answers_as_well(table, tmp_path):
    few = table.select(range(5))
    still = recipe(
        augment=STILL, scenes={"share": 0.0}, train={"epochs": 150, "batch_size": 5, "validate_every": 50, "ema": 0.9}
    )
    epochs: list[Progress] = []
    weights = fit(still, few, out=tmp_path / "run", validation=few, on_epoch=epochs.append)
    scores = [epoch.scores for epoch in epochs if epoch.scores]
    assert [list(each) for each in scores] == [["ap", "ap50", "keypoint_recall"]] * 3
    assert scores[-1]["ap50"] > 0.9, scores
    assert scores[-1]["keypoint_recall"] > 0.9, scores
    assert epochs[-1].best == max(each["ap"] for each in scores)
    assert weights.name == "best.safetensors"
    assert read_weights(weights)[1]["ap"] == epochs[-1].best
    detector = load_detector(tmp_path / "run", device="cpu")
    measured = judge_detector(detector, label_photos(few, margin=detector.margin))
    assert measured.ap == pytest.approx(epochs[-1].best, abs=0.02)
    with (tmp_path / "run" / "log.csv").open() as stream:
        assert [row["ap"] != "" for row in csv.DictReader(stream)] == ([False] * 49 + [True]) * 3


def test_an_interrupted_run_ends_as_if_never_interrupted(table, tmp_path):
    content = recipe(train={"epochs": 2, "checkpoint_steps": 1})

    class Killed(Exception):  # noqa: N818 (no error)
        pass

    def kill(step: int, steps: int, loss: float) -> None:
        calls.append(step)
        if len(calls) == 2:
            raise Killed

    fit(content, table, out=tmp_path / "whole", validation=table)
    calls: list[int] = []
    with pytest.raises(Killed):
        fit(content, table, out=tmp_path / "killed", validation=table, on_step=kill)
    fit(content, table, out=tmp_path / "killed", validation=table, resume=True)
    for name in ("last.safetensors", "best.safetensors", "state.safetensors"):
        expected, got = (read_weights(tmp_path / run / name)[0] for run in ("whole", "killed"))
        assert [key for key in expected if not torch.equal(expected[key], got[key])] == [], name


@pytest.mark.parametrize(
    "model", [SMALL["model"], {"name": "fasterrcnn", "backbone": None, "options": {"samples": 16, "proposals": 16}}]
)
def test_mixed_precision_leaves_the_true_boxes_exact(model, table, tmp_path, monkeypatch):
    seen: list[torch.Tensor] = []
    forward = DetectorNetwork.forward

    def watched(self, images, targets=None):
        if targets is not None:
            seen.extend(target["boxes"] for target in targets)
        return forward(self, images, targets)

    monkeypatch.setattr(DetectorNetwork, "forward", watched)
    # At 64 px the last level is a stride of 2 on a map of 1 x 1: there PyTorch's CPU gradient in bfloat16 is wrong.
    content = {
        **SMALL,
        "model": {**model, "backbone_weights": "random"},
        "input": {"size": 128},
        "train": {**SMALL["train"], "epochs": 1, "precision": "bf16-mixed"},
    }
    fit(parse_section(DetectorRecipe, content, source="test"), table.select(range(3)), out=tmp_path / "run")
    assert {boxes.dtype for boxes in seen} == {torch.float32}
    boxes = torch.cat(seen)
    assert (boxes.bfloat16().float() != boxes).any()


def test_a_trained_detector_can_be_the_start_of_another(table, tmp_path):
    first = fit(recipe(train={"epochs": 1}), table, out=tmp_path / "first")
    second = recipe(model={"weights": str(first)}, train={"epochs": 1, "lr": 1e-12, "ema": 0.0})
    tensors = read_weights(fit(second, table, out=tmp_path / "second"))[0]
    expected = read_weights(first)[0]
    weights = [key for key in expected if key.endswith("weight")]
    assert all(torch.allclose(tensors[key], expected[key], atol=1e-6) for key in weights)
    with pytest.raises(WeightsError, match="its categories are others; give a network of skirt"):
        fit(
            recipe(model={"weights": str(first)}).model_copy(update={"categories": ("skirt",)}),
            table,
            out=tmp_path / "x",
        )


def test_what_is_no_detector_is_refused(table, tmp_path):
    run = fit(recipe(train={"epochs": 1}), table, out=tmp_path / "run").parent
    with pytest.raises(WeightsError, match="a training state, not a network"):
        load_detector(run / "state.safetensors")
    with pytest.raises(WeightsError, match="a garment detector, which has no keypoints; give it as --detect"):
        load_predictor(run)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"options": {"size": 3}}}, "model.options must not set size"),
        ({"train": {"swa": 0.5}}, "train.swa is not for detectors"),
        ({"augment": {"paste": 0.5}}, "augment.paste is not for detectors"),
        ({"sampling": {"hard": 0.5}}, "sampling.hard is not for detectors"),
        ({"model": {"name": "yolo"}}, "unknown detector 'yolo'"),
    ],
)
def test_recipes_that_cannot_be(table, tmp_path, changes, message):
    with pytest.raises(RecipeError, match=message):
        fit(recipe(**changes), table, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_photos_without_a_labelled_point_teach_nothing(table, tmp_path, hemline):
    points = table.points.copy()
    points[:2] = -1
    unlabelled = AnnotationTable(table.image_ids, table.categories, points, table.paths)
    for name, data in (("some", unlabelled), ("fewer", table.select(range(2, 10)))):
        fit(recipe(train={"epochs": 1}), data, out=tmp_path / name)
    first, second = (read_weights(tmp_path / name / "last.safetensors")[0] for name in ("some", "fewer"))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_known_weights_need_no_others(table, tmp_path):
    """A start replaces all weights, so that none are fetched for the backbone."""
    first = fit(recipe(train={"epochs": 1}), table, out=tmp_path / "first")
    second = recipe(model={"weights": str(first), "backbone_weights": "nowhere.safetensors"}, train={"epochs": 1})
    assert fit(second, table, out=tmp_path / "second").is_file()


def test_the_detector_sees_photos_as_it_was_trained_to(table, tmp_path):
    """Its input for a photo is the data set's for the same photo without augmentation."""
    from hemline.learn.augment import Augmenter
    from hemline.learn.detection_dataset import DetectionDataset

    run = fit(recipe(train={"epochs": 1}), table, out=tmp_path / "run").parent
    detector = load_detector(Path(run), device="cpu")
    plain = DetectionDataset(
        table, categories=detector.categories, size=64, augmenter=Augmenter(), margin=detector.margin
    )
    shown = detector.prepare(read_image(table.paths[3]))
    assert np.array_equal(shown.pixels, plain[0, 3]["image"])
