"""Ensembles: hand-computed averages of maps and of points, and who may be a member."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from squares import draw_skirt, find_squares

from hemline.errors import DataError, HemlineError
from hemline.infer.build import build_predictor
from hemline.infer.ensemble import Ensemble, split_weight
from hemline.infer.predictor import Predictor
from hemline.infer.schema import Schema

SKIRT = [15, 16, 17, 18]


@pytest.fixture
def of_values(schema: Schema) -> Schema:
    """A network whose maps hold heights from 0 to 1."""
    return dataclasses.replace(schema, codec={"name": "heatmap", "size_wh": [64, 64], "stride": 4})


def pointing(column: int, height: float):
    """Make a network that points to one column of row 8 in all maps."""

    def run(crops):
        maps = np.zeros((len(crops), 4, 16, 16), np.float32)
        maps[:, :, 8, column] = height
        return {"heatmaps": maps}

    return run


def predict_flat(members: list[Predictor], weights: list[float]) -> tuple[np.ndarray, float]:
    """Predict one photo of 64 x 64 pixels, which are the crop's; returns the first point and its score."""
    [prediction] = Ensemble(members, weights).predict([np.full((64, 64, 3), 128, np.uint8)], ["skirt"])
    assert np.isnan(np.delete(prediction.keypoints, SKIRT, 0)).all()
    return prediction.keypoints[15], prediction.scores[15]


@pytest.mark.parametrize(("weights", "x", "score"), [([1, 1], 18, 0.3), ([1, 3], 42, 0.375)])
def test_maps_of_one_grid_are_averaged_by_weight(of_values, weights, x, score):
    """0.6 in column 4 against 0.5 in column 10: halves make 0.3 and 0.25, quarters 0.15 and 0.375."""
    decoded = dataclasses.replace(of_values, codec={**of_values.codec, "method": "argmax", "stride": 4})
    members = [Predictor(pointing(4, 0.6), of_values), Predictor(pointing(10, 0.5), decoded)]
    point, found = predict_flat(members, weights)
    assert point == pytest.approx([x, 34])
    assert found == pytest.approx(score)


@pytest.mark.parametrize(
    "change",
    [
        {"codec": {"name": "sigmoid", "size_wh": [64, 64], "stride": 4}},
        {"codec": {"name": "heatmap", "size_wh": [64, 64], "stride": 8}},
        {"codec": {"name": "heatmap", "size_wh": [128, 128], "stride": 4}, "size": 128},
        {"keypoints": ("waistband_right", "waistband_left", "hemline_left", "hemline_right")},
        {"merge": "coordinates"},
        {"views": [(0.5, 0.5, 0.9)]},
    ],
)
def test_maps_that_differ_in_kind_or_grid_are_not(of_values, change):
    options = {key: change.pop(key) for key in ("merge", "views") if key in change}
    other = Predictor(find_squares, dataclasses.replace(of_values, **change), **options)
    assert not Ensemble([Predictor(find_squares, of_values), other], [1, 1]).averages_maps
    assert Ensemble([other, other], [1, 1]).averages_maps == ("merge" not in options)


@pytest.mark.parametrize("weights", [[1, 1], [1, 3]])
def test_points_are_averaged_by_weight_and_score(of_values, weights):
    other = Predictor(pointing(10, 0.5), of_values, merge="coordinates")
    point, score = predict_flat([Predictor(pointing(4, 0.6), of_values), other], weights)
    first, second = weights[0] * 0.6, weights[1] * 0.5
    assert point == pytest.approx([(first * 18 + second * 42) / (first + second), 34])
    assert score == pytest.approx((first * 0.6 + second * 0.5) / (first + second))


def test_a_member_that_sees_nothing_does_not_pull(of_values):
    blind = Predictor(lambda crops: {"heatmaps": np.zeros((len(crops), 4, 16, 16))}, of_values, merge="coordinates")
    assert predict_flat([Predictor(pointing(4, 0.6), of_values), blind], [1, 9])[0] == pytest.approx([18, 34])
    point, score = predict_flat([blind, blind], [1, 9])
    assert point == pytest.approx([0.4 * 64, 0.1 * 64])  # the mean layout
    assert score == 0


def test_networks_of_two_kinds_find_the_same_points(schema):
    def run(crops):
        maps = find_squares(crops)["heatmaps"]
        return {"heatmaps": np.exp(maps)}

    of_values = dataclasses.replace(schema, codec={**schema.codec, "name": "heatmap"})
    options = {"flip": True, "second_pass": True, "batch_size": 2}
    ensemble = build_predictor(find_squares, schema, others=[(run, of_values, 2.0)], **options)
    drawn = [draw_skirt(size_wh) for size_wh in ((300, 400), (640, 360), (64, 64))]
    for prediction, (photo, centres) in zip(ensemble.predict([p for p, _ in drawn], ["skirt"] * 3), drawn, strict=True):
        assert prediction.keypoints[SKIRT] == pytest.approx(centres, abs=0.1 * max(photo.shape) / 64)


def test_members_answer_for_what_all_of_them_know(schema):
    layouts = dict.fromkeys(("skirt", "dress"), schema.layouts["skirt"])
    more = dataclasses.replace(schema, categories=("dress", "skirt"), layouts=layouts)
    ensemble = build_predictor(find_squares, more, others=[(find_squares, schema, 1.0)])
    assert ensemble.categories == ("skirt",)
    with pytest.raises(DataError, match="these networks were all trained for skirt, not for 'dress'"):
        ensemble.predict([draw_skirt((64, 64))[0]], ["dress"])
    other = dataclasses.replace(schema, categories=("dress",), layouts={"dress": schema.layouts["skirt"]})
    for options in ({"others": [(find_squares, other, 1.0)]}, {"refiner": (find_squares, other)}):
        with pytest.raises(DataError, match="no category in common; they were trained for: skirt; dress"):
            build_predictor(find_squares, schema, **options)


def test_a_weight_follows_the_run(tmp_path):
    assert split_weight("runs/a") == (Path("runs/a"), 1.0)
    assert split_weight("runs/a:2.5") == (Path("runs/a"), 2.5)
    assert split_weight("C:/runs/a") == (Path("C:/runs/a"), 1.0)
    (tmp_path / "a:2").mkdir()
    assert split_weight(f"{tmp_path}/a:2") == (tmp_path / "a:2", 1.0)
    for weight in ("0", "-1", "nan", "inf"):
        with pytest.raises(HemlineError, match=f"--with runs/a:{weight}: the weight must be a number above 0"):
            split_weight(f"runs/a:{weight}")
