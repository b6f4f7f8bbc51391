"""Repair of points: where the similarity puts them, and which ones."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hemline.annotation import Prediction
from hemline.infer.build import build_predictor
from hemline.infer.repair import repair

SKIRT = [15, 16, 17, 18]
LAYOUT = np.array([[40.0, 10], [60, 10], [30, 90], [70, 90]])  # of conftest, on 100 x 100 pixels
MOVED = LAYOUT / 2 + np.array([10, 20])
TURNED = np.column_stack([100 - LAYOUT[:, 1], LAYOUT[:, 0]])  # a quarter turn clockwise


def repaired(points: np.ndarray, scores: list[float], below: float = 0.3) -> Prediction:
    keypoints, layout, all_scores = np.full((24, 2), np.nan), np.full((24, 2), np.nan), np.full(24, np.nan)
    keypoints[SKIRT], layout[SKIRT], all_scores[SKIRT] = points, LAYOUT, scores
    prediction = Prediction("a", "skirt", keypoints, all_scores)
    repair(prediction, layout, (100, 100), below=below)
    assert np.isnan(np.delete(prediction.keypoints, SKIRT, 0)).all()
    assert np.isnan(np.delete(prediction.scores, SKIRT)).all()
    return prediction


@pytest.mark.parametrize("truth", [LAYOUT, MOVED, TURNED])
@pytest.mark.parametrize("hidden", [[3], [0, 2], [1]])
def test_weak_points_go_where_the_others_say(truth, hidden):
    points, scores = truth.copy(), [0.9] * 4
    for at in hidden:
        points[at], scores[at] = (3, 4), 0.2
    prediction = repaired(points, scores)
    assert prediction.keypoints[SKIRT] == pytest.approx(truth)
    assert prediction.scores[SKIRT].tolist() == scores


def test_sure_points_stay_and_the_threshold_is_one():
    points = np.array([[1.0, 2], [30, 4], [5, 60], [70, 80]])
    assert repaired(points, [0.3, 0.4, 0.5, 0.6]).keypoints[SKIRT].tolist() == points.tolist()
    changed = repaired(points, [0.3, 0.4, 0.5, 0.6], below=0.41).keypoints[SKIRT]
    assert changed[2:].tolist() == points[2:].tolist()
    assert not np.isclose(changed[:2], points[:2]).any()


def test_a_repaired_point_stays_on_the_photo():
    points = LAYOUT + np.array([35, 0])  # the fourth would be at 105
    points[3] = 0
    assert repaired(points, [0.9, 0.9, 0.9, 0.1]).keypoints[18] == pytest.approx([100, 90])


@pytest.mark.parametrize("scores", [[0.1, 0.9, 0.2, 0.2], [0.1, 0.2, 0.2, 0.2]])
def test_with_fewer_than_two_sure_points_the_others_lie_as_the_mean_layout(scores):
    points = LAYOUT + 5
    prediction = repaired(points, scores)
    weak = np.array(scores) < 0.3
    assert prediction.keypoints[SKIRT][weak].tolist() == LAYOUT[weak].tolist()
    assert prediction.keypoints[SKIRT][~weak].tolist() == points[~weak].tolist()
    assert prediction.scores[SKIRT].tolist() == np.where(weak, 0, scores).tolist()


def test_the_option_repairs_what_a_network_is_unsure_of(schema):
    """Cells (row, column) of 4 pixels; the fourth point belongs 40 / 0.2 * 0.4 right of the third."""
    cells, heights = [(2, 5), (2, 9), (10, 3), (1, 1)], [0.8, 0.8, 0.8, 0.2]

    def run(crops):
        maps = np.zeros((len(crops), 4, 16, 16), np.float32)
        for channel, ((row, column), height) in enumerate(zip(cells, heights, strict=True)):
            maps[:, channel, row, column] = height
        return {"heatmaps": maps}

    schema = dataclasses.replace(schema, codec={"name": "heatmap", "size_wh": [64, 64], "stride": 4})
    schema.layouts["skirt"][15:19] = [[0.4, 0.1], [0.6, 0.1], [0.3, 0.5], [0.7, 0.5]]
    photo = np.full((64, 64, 3), 128, np.uint8)
    [plain] = build_predictor(run, schema).predict([photo], ["skirt"])
    assert plain.keypoints[18] == pytest.approx([6, 6])
    [whole] = build_predictor(run, schema, repair=0.3).predict([photo], ["skirt"])
    assert whole.keypoints[15:18].tolist() == plain.keypoints[15:18].tolist()
    assert whole.keypoints[18] == pytest.approx([46, 42])
    assert whole.scores[SKIRT] == pytest.approx(plain.scores[SKIRT])
    [left] = build_predictor(run, schema, repair=0.2).predict([photo], ["skirt"])
    assert left.keypoints[18].tolist() == plain.keypoints[18].tolist()


def test_in_a_box_the_mean_layout_lies_in_the_box(schema):
    """A closer look that sees nothing leaves its points where it looked."""

    def blind(crops):
        return {"heatmaps": np.zeros((len(crops), 4, 16, 16), np.float32)}

    finder = build_predictor(blind, schema, repair=0.5)
    prepared = [finder.prepare(np.zeros((400, 400, 3), np.uint8), box) for box in ((10.0, 10.0, 110.0, 110.0), None)]
    boxed, whole = finder.predict_prepared(prepared, ["skirt", "skirt"], image_ids=["a", "b"])
    assert boxed.keypoints[SKIRT] == pytest.approx(10 + LAYOUT)
    assert whole.keypoints[SKIRT] == pytest.approx(4 * LAYOUT)
