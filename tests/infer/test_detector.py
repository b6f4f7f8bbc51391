"""A detector's answers: brought back to the photo, chosen by score and overlap."""

from __future__ import annotations

import numpy as np
import pytest

from hemline.errors import WeightsError
from hemline.infer.detector import Detection, Detector, DetectorSchema

SCHEMA = DetectorSchema(
    categories=("skirt", "dress"),
    detector={"name": "fcos", "categories": 2, "size": 64},
    size=64,
    detect={"margin": 0.05, "score": 0.5, "overlap": 0.7, "most": 3},
)


def answering(*rows: tuple[list[float], int, float]):
    """A network that gives the same rows (box, label, score) for every photo."""

    def run(photos: np.ndarray) -> list[dict[str, np.ndarray]]:
        assert photos.dtype == np.uint8
        assert photos.shape[1:] == (3, 64, 64)
        boxes, labels, scores = zip(*rows, strict=True) if rows else ((), (), ())
        found = {"boxes": np.array(boxes, np.float32).reshape(-1, 4), "labels": np.array(labels, np.float32)}
        return [found | {"scores": np.array(scores, np.float32)} for _ in photos]

    return run


def test_boxes_come_back_to_the_photo():
    """128 x 64 photos lie in the middle of 64 x 64 inputs at half their size: 16 rows of grey above."""
    detector = Detector(answering(([16, 20, 48, 40], 2, 0.9)), SCHEMA)
    [[found]] = detector.detect([np.zeros((64, 128, 3), np.uint8)])
    assert found == Detection("dress", pytest.approx((32, 8, 96, 48)), pytest.approx(0.9))


def test_boxes_are_cut_at_the_photo_and_nothing_is_left_of_those_beside_it():
    detector = Detector(answering(([-5, 0, 70, 40], 1, 0.9), ([10, 0, 20, 16], 1, 0.8)), SCHEMA)
    [[found]] = detector.detect([np.zeros((64, 128, 3), np.uint8)])
    assert found.box == pytest.approx((0, 0, 128, 48))


def test_the_surest_stay():
    box, near, far = [0, 0, 40, 40], [0, 0, 40, 42], [0, 0, 20, 40]
    rows = ((far, 1, 0.6), (box, 2, 0.8), (near, 1, 0.9), (box, 1, 0.4), ([50, 50, 60, 60], 1, 0.55))
    square = [np.zeros((64, 64, 3), np.uint8)]
    [found] = Detector(answering(*rows), SCHEMA).detect(square)
    assert [round(each.score, 2) for each in found] == [0.9, 0.6, 0.55]  # of near and box one, whatever the category
    assert [
        len(Detector(answering(*rows), SCHEMA, **change).detect(square)[0])
        for change in ({"score": 0.3}, {"overlap": 1.0}, {"most": 1}, {"score": 0.58})
    ] == [3, 3, 1, 2]
    assert [
        round(each.score, 2) for each in Detector(answering(*rows), SCHEMA, overlap=1.0, most=9).detect(square)[0]
    ] == [0.9, 0.8, 0.6, 0.55]


def test_nothing_is_an_answer():
    detector = Detector(answering(), SCHEMA, batch_size=2)
    assert detector.detect([np.zeros((10, 30, 3), np.uint8)] * 5) == [[]] * 5


def test_the_schema_comes_back_from_json():
    content = {**SCHEMA.to_json(), "categories": ["skirt", "dress"]}
    assert DetectorSchema.from_json(content, source="x") == SCHEMA
    with pytest.raises(WeightsError, match="x: not a garment detector"):
        DetectorSchema.from_json({"categories": [], "model": {}}, source="x")
    with pytest.raises(WeightsError, match="newer hemline"):
        DetectorSchema.from_json({**content, "format": 9}, source="x")
