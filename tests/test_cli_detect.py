"""`hemline predict --detect` and `evaluate-boxes` on small untrained networks: files, messages, exit codes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from untrained import write_run

from hemline.formats import coco
from hemline.formats.fashionai import INSTANCE_COLUMNS, read_annotations
from hemline.garments import CATEGORIES, CATEGORY_KEYPOINTS
from hemline.images import read_image, write_image
from hemline.infer.detector import DetectorSchema
from hemline.infer.torch_backend import load_detector, load_predictor
from hemline.learn.checkpoint import write_weights
from hemline.models.detectors import build_detector
from hemline.synth.stream import write_drawn_set

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    """Run folders of an untrained keypoint network, and of detectors that find much and nothing."""
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "points", CATEGORIES, margin=0.1)
    detector = {"name": "fcos", "categories": 5, "size": 64, "backbone": "test_resnet", "channels": 64, "convs": 1}
    found = build_detector(**detector)
    with torch.no_grad():
        found.detector.head.classification_head.cls_logits.bias += 5.0  # by chance it finds garments everywhere
    for name, least in (("much", 0.1), ("nothing", 0.999)):
        detect = {"margin": 0.05, "score": least, "overlap": 0.5, "most": 3}
        described = {
            "schema": DetectorSchema(CATEGORIES, detector, 64, detect).to_json(),
            "recipe": {"detect": {"batch_size": 2}},
        }
        write_weights(folder / name / "last.safetensors", found.state_dict(), described)
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("drawn")
    list(write_drawn_set(root, count=5, seed=0, size=96))
    return root


def read_instances(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        rows = csv.DictReader(stream)
        assert tuple(rows.fieldnames) == INSTANCE_COLUMNS
        return list(rows)


def test_photos_may_show_several_garments(hemline, runs, drawn, tmp_path):
    out, pictures, boxes, scores = (tmp_path / name for name in ("pred.csv", "drawn", "pred.json", "scores.csv"))
    code, text, problems = hemline(
        *("predict", runs["points"], drawn / "Images", "--detect", runs["much"], "--device", "cpu"),
        *("--out", out, "--draw", pictures, "--coco", boxes, "--scores", scores),
    )
    assert (code, problems) == (0, "")
    rows = read_instances(out)
    assert text == f"{len(rows)} garments in {out}\n"
    assert 5 < len(rows) <= 15
    # Instances count from 0 for each photo, the surest first, and are what Python gives.
    finder = load_predictor(runs["points"], detector=runs["much"], device="cpu")
    for image_id in {row["image_id"] for row in rows}:
        own = [row for row in rows if row["image_id"] == image_id]
        assert [row["instance"] for row in own] == [str(at) for at in range(len(own))]
        [garments] = finder.find([read_image(drawn / "Images" / image_id)])
        assert [row["image_category"] for row in own] == [garment.prediction.category for garment in garments]
        index = CATEGORY_KEYPOINTS[own[0]["image_category"]][0]
        x, y, _ = own[0][INSTANCE_COLUMNS[3 + index]].split("_")
        assert (float(x), float(y)) == pytest.approx(tuple(garments[0].prediction.keypoints[index]), abs=1e-3)
    content = json.loads(boxes.read_text())
    assert [len(content[key]) for key in ("images", "annotations", "categories")] == [5, len(rows), 5]
    assert {image["width"] for image in content["images"]} == {96}
    scored = [each["score"] for each in content["annotations"]]
    assert min(scored) >= 0.1
    assert len(content["annotations"][0]["keypoint_scores"]) == 24
    with scores.open() as stream:
        assert len(list(csv.DictReader(stream))) == len(rows)
    assert len(list(pictures.rglob("*.drawn.jpg"))) == 5


def test_a_photo_without_a_garment_gives_no_row(hemline, runs, drawn, tmp_path):
    out, boxes = tmp_path / "pred.csv", tmp_path / "pred.json"
    code, text, _ = hemline(
        "predict", runs["points"], drawn / "Images", "--detect", runs["nothing"], "--out", out, "--coco", boxes
    )
    assert code == 0
    assert text == f"0 garments in {out}\n5 of 5 photos show no garment\n"
    assert read_instances(out) == []
    content = json.loads(boxes.read_text())
    assert (len(content["images"]), content["annotations"]) == (5, [])


def test_a_category_takes_its_own_garments(hemline, runs, drawn, tmp_path):
    out = tmp_path / "pred.csv"
    arguments = ("predict", runs["points"], drawn / "Images", "--detect", runs["much"], "--out", out)
    assert hemline(*arguments)[0] == 0
    everything = read_instances(out)
    wanted = everything[0]["image_category"]
    assert hemline(*arguments, "--category", wanted)[0] == 0
    count = sum(row["image_category"] == wanted for row in everything)
    assert 0 < count < len(everything)
    assert [row["image_category"] for row in read_instances(out)] == [wanted] * count


def test_a_csv_names_one_garment_a_row_and_is_answered_row_by_row(hemline, runs, drawn, tmp_path):
    """Also where nothing is detected: the file can be evaluated and submitted."""
    for detector in ("much", "nothing"):
        out = tmp_path / f"{detector}.csv"
        code, text, _ = hemline(
            "predict", runs["points"], drawn / "Annotations" / "train.csv", "--detect", runs[detector], "--out", out
        )
        assert (code, text) == (0, f"5 garments in {out}\n")
        truth = read_annotations(drawn / "Annotations" / "train.csv")
        assert read_annotations(out).image_ids == truth.image_ids
        assert read_annotations(out).categories == truth.categories
    both = [read_annotations(tmp_path / f"{name}.csv").points for name in ("much", "nothing")]
    assert not np.allclose(*both)
    code, _, problems = hemline(
        *("predict", runs["points"], drawn / "Annotations" / "train.csv", drawn / "Images"),
        *("--detect", runs["much"], "--out", tmp_path / "x.csv"),
    )
    assert code == 2
    assert "name CSVs, which say what is on each photo, or photos, but not both at once" in problems


def test_an_unreadable_photo_is_named_and_has_no_row(hemline, runs, tmp_path):
    photos = tmp_path / "photos"
    write_image(photos / "a.png", np.full((80, 80, 3), 90, np.uint8))
    (photos / "b.png").write_bytes((photos / "a.png").read_bytes()[:40])
    out = tmp_path / "pred.csv"
    code, text, problems = hemline("predict", runs["points"], photos, "--detect", runs["much"], "--out", out)
    assert code == 1
    assert "b.png" in problems
    assert "1 of 2 photos could not be read" in problems
    assert {row["image_id"] for row in read_instances(out)} == {"a.png"}
    assert "show no garment" not in text


def test_coco_is_there_without_a_detector_too(hemline, runs, drawn, tmp_path):
    boxes = tmp_path / "pred.json"
    labels = drawn / "Annotations" / "train.csv"
    out = tmp_path / "pred.csv"
    assert hemline("predict", runs["points"], labels, "--out", out, "--coco", boxes)[0] == 0
    table, points = coco.read_annotations(boxes), read_annotations(out)
    assert table.image_ids == points.image_ids
    assert table.points == pytest.approx(points.points, abs=1e-3)


@pytest.mark.parametrize("swapped", [False, True])
def test_the_wrong_kind_of_network_is_refused(hemline, runs, drawn, tmp_path, swapped):
    model, detector = ("much", "much") if swapped else ("points", "points")
    code, _, problems = hemline(
        "predict", runs[model], drawn / "Images", "--detect", runs[detector], "--out", tmp_path / "pred.csv"
    )
    assert code == 2
    assert ("has no keypoints; give it as --detect" if swapped else "not a garment detector") in problems
    assert not (tmp_path / "pred.csv").exists()


def test_evaluate_boxes(hemline, runs, drawn):
    code, text, problems = hemline("evaluate-boxes", runs["much"], "--data", drawn, "--device", "cpu")
    assert (code, problems) == (0, "")
    assert "5 photos" in text
    assert "keypoint recall" in text
    assert load_detector(runs["much"], device="cpu").score == 0.1


def test_the_detector_can_be_asked_otherwise(hemline, runs, drawn, tmp_path):
    out = tmp_path / "pred.csv"
    arguments = ("predict", runs["points"], drawn / "Images", "--out", out)
    assert (
        hemline(*arguments, "--detect", runs["nothing"], "--set", "detect.score=0.1", "--set", "detect.most=1")[0] == 0
    )
    assert len(read_instances(out)) == 5
    for change, expected in (
        ("detect.margin=0.2", "detect.margin is what the detector has learned"),
        ("detect.score=2.0", "--set detect.score=2.0: 'detect.score': must be below 1, got 2.0"),
        ("detect.scores=0.2", "unknown key 'detect.scores'. Did you mean 'detect.score'"),
    ):
        code, _, problems = hemline(*arguments, "--detect", runs["much"], "--set", change)
        assert code == 2
        assert expected in problems
    code, _, problems = hemline(*arguments, "--category", "skirt", "--set", "detect.score=0.1")
    assert code == 2
    assert "--set detect.score=0.1: there is no detector to ask; give one with --detect" in problems
