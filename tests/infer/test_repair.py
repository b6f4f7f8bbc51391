"""Repair of points: where the similarity puts them, and which ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from hemline.annotation import AnnotationTable, Prediction
from hemline.errors import RecipeError
from hemline.geometry import apply_affine, fit_similarity
from hemline.infer.build import build_predictor
from hemline.infer.finder import Finder
from hemline.infer.repair import Repaired, repair
from hemline.infer.schema import Schema, mean_shapes

SKIRT = [15, 16, 17, 18]
LAYOUT = np.array([[40.0, 10], [60, 10], [30, 90], [70, 90]])  # of conftest, on 100 x 100 pixels
MOVED = LAYOUT / 2 + np.array([10, 20])
FAR = 3.0  # from the shape to where the points lie on average
TURNED = np.column_stack([100 - LAYOUT[:, 1], LAYOUT[:, 0]])  # a quarter turn clockwise


def repaired(points: np.ndarray, scores: list[float], below: float = 0.3) -> Prediction:
    keypoints, layout, all_scores = np.full((24, 2), np.nan), np.full((24, 2), np.nan), np.full(24, np.nan)
    keypoints[SKIRT], layout[SKIRT], all_scores[SKIRT] = points, LAYOUT, scores
    prediction = Prediction("a", "skirt", keypoints, all_scores)
    repair(prediction, layout, layout + FAR, (100, 100), below=below)
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
    assert prediction.keypoints[SKIRT][weak].tolist() == (LAYOUT + FAR)[weak].tolist()
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
    schema.shapes["skirt"][15:19] = [[0.4, 0.1], [0.6, 0.1], [0.3, 0.5], [0.7, 0.5]]
    photo = np.full((64, 64, 3), 128, np.uint8)
    [plain] = build_predictor(run, schema).predict([photo], ["skirt"])
    assert plain.keypoints[18] == pytest.approx([6, 6])
    [whole] = build_predictor(run, schema, repair=0.3).predict([photo], ["skirt"])
    assert whole.keypoints[15:18].tolist() == plain.keypoints[15:18].tolist()
    assert whole.keypoints[18] == pytest.approx([46, 42])
    assert whole.scores[SKIRT] == pytest.approx(plain.scores[SKIRT])
    [left] = build_predictor(run, schema, repair=0.2).predict([photo], ["skirt"])
    assert left.keypoints[18].tolist() == plain.keypoints[18].tolist()


@pytest.mark.parametrize("size_wh", [(64, 64), (48, 64), (80, 40)])
@pytest.mark.parametrize("box", [None, (4.0, 2.0, 40.0, 36.0), (10.0, 4.0, 30.0, 39.0)])
def test_the_shape_is_the_same_on_photos_and_in_boxes_of_any_aspect(size_wh, box):
    """A garment of the mean shape, three of whose points are found where they are; its layout plays no part."""
    truth = np.array([[20.0, 10], [28, 10], [16, 32], [32, 32]])

    class Sure(Finder):
        categories, size, batch_size, subject = ("skirt",), 64, 4, "network"

        def prepare(self, photo, box=None):
            return None

        def predict_prepared(self, prepared, categories, *, image_ids):
            keypoints, scores = np.full((24, 2), np.nan), np.full(24, np.nan)
            keypoints[SKIRT], scores[SKIRT] = truth, [0.9, 0.9, 0.9, 0.1]
            keypoints[18] = 1
            return [Prediction(image_id, "skirt", keypoints, scores) for image_id in image_ids]

        def guess(self, image_id, category, size_wh):
            return Prediction(image_id, category, np.zeros((24, 2)), np.zeros(24))

    shape = [None] * 15 + (truth * 7 - 5).tolist() + [None] * 5
    finder = Repaired(Sure(), shapes={"skirt": shape}, below=0.3)
    prepared = finder.prepare(np.zeros((size_wh[1], size_wh[0], 3), np.uint8), box)
    [answer] = finder.predict_prepared([prepared], ["skirt"], image_ids=["a"])
    assert answer.keypoints[18] == pytest.approx(truth[3])


def test_the_mean_shape_forgets_place_size_turn_and_absent_points():
    """One skirt at three places, sizes and turns, one point absent on one of them."""
    turn = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    points = np.full((3, 24, 3), -1.0)
    for row, places in enumerate((LAYOUT, 3 * LAYOUT + 50, 2 * LAYOUT @ turn.T - 7)):
        points[row, SKIRT] = np.column_stack([places, np.ones(4)])
    points[1, 16] = -1
    table = AnnotationTable(("a", "b", "c"), ("skirt",) * 3, points, tuple(Path(name) for name in "abc"))
    shape = mean_shapes(table)["skirt"]
    assert [at for at, place in enumerate(shape) if place] == SKIRT
    found = np.array([shape[at] for at in SKIRT])
    assert found.mean(0) == pytest.approx([0, 0], abs=1e-3)
    assert (found**2).sum(1).mean() == pytest.approx(1, abs=1e-3)
    assert apply_affine(fit_similarity(found, LAYOUT), found) == pytest.approx(LAYOUT, abs=0.01)


def test_a_category_of_single_points_has_them_at_the_centre():
    points = np.full((2, 24, 3), -1.0)
    points[0, 15], points[1, 16] = (5, 6, 1), (7, 8, 1)
    table = AnnotationTable(("a", "b"), ("skirt",) * 2, points, (Path("a"), Path("b")))
    assert [mean_shapes(table)["skirt"][at] for at in SKIRT] == [[0, 0]] * 4


def test_the_mean_shape_lies_between_two():
    wide, narrow = LAYOUT * (2, 1), LAYOUT * (0.5, 1)
    points = np.full((2, 24, 3), -1.0)
    for row, places in enumerate((wide, narrow)):
        points[row, SKIRT] = np.column_stack([places, np.ones(4)])
    table = AnnotationTable(("a", "b"), ("skirt",) * 2, points, (Path("a"), Path("b")))
    found = np.array([mean_shapes(table)["skirt"][at] for at in SKIRT])
    aspects = [np.ptp(each[:, 0]) / np.ptp(each[:, 1]) for each in (narrow, found, wide)]
    assert aspects == sorted(aspects)
    assert aspects[0] + 0.1 < aspects[1] < aspects[2] - 0.1


def test_a_network_that_knows_no_shapes_says_so(schema):
    old = Schema.from_json(schema.to_json() | {"format": 2, "shapes": {}}, source="x")
    with pytest.raises(
        RecipeError, match=r"predict\.repair needs the mean shape of a skirt, which a network keeps since"
    ):
        build_predictor(lambda crops: {}, old, repair=0.3)


def test_in_a_box_the_mean_layout_lies_in_the_box(schema):
    """A closer look that sees nothing leaves its points where it looked."""

    def blind(crops):
        return {"heatmaps": np.zeros((len(crops), 4, 16, 16), np.float32)}

    finder = build_predictor(blind, schema, repair=0.5)
    prepared = [finder.prepare(np.zeros((400, 400, 3), np.uint8), box) for box in ((10.0, 10.0, 110.0, 110.0), None)]
    boxed, whole = finder.predict_prepared(prepared, ["skirt", "skirt"], image_ids=["a", "b"])
    assert boxed.keypoints[SKIRT] == pytest.approx(10 + LAYOUT)
    assert whole.keypoints[SKIRT] == pytest.approx(4 * LAYOUT)
