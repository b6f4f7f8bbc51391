"""Test-time options of one network: each finds the same points, and each changes what it should."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from squares import NAMES, draw_skirt, find_squares

from hemline.codecs.decoders import DECODE_OPTIONS
from hemline.errors import RecipeError
from hemline.infer.build import build_predictor
from hemline.infer.predictor import Predictor
from hemline.infer.schema import Schema
from hemline.infer.views import WHOLE
from hemline.recipe import DecodeSection, PredictSection

SKIRT = [15, 16, 17, 18]
SIZES = [(300, 400), (640, 360), (64, 64), (500, 500)]
WINDOWS = [WHOLE, (0.55, 0.45, 1.2), (0.5, 0.55, 1.2), (0.5, 0.5, 0.8)]
"""The whole photo, two windows that show all squares at a spread of 0.7, and the photo made smaller."""


@pytest.fixture
def of_values(schema: Schema) -> Schema:
    """A network whose maps hold heights from 0 to 1."""
    return dataclasses.replace(schema, codec={"name": "heatmap", "size_wh": [64, 64], "stride": 4})


def answering(*answers: dict[tuple[int, int], float]):
    """Make a network that answers its n-th call with these cells (row, column) and their heights, on all maps."""
    calls = iter(answers)

    def run(crops):
        maps = np.zeros((len(crops), 4, 16, 16), np.float32)
        for (row, column), height in next(calls).items():
            maps[:, :, row, column] = height
        return {"heatmaps": maps}

    return run


def predict_flat(run, schema: Schema, **options):
    """Predict one photo of 64 x 64 pixels, which are the crop's; returns the first point and its score."""
    [prediction] = build_predictor(run, schema, **options).predict([np.full((64, 64, 3), 128, np.uint8)], ["skirt"])
    return prediction.keypoints[15], prediction.scores[15]


@pytest.mark.parametrize("merge", ["maps", "coordinates"])
@pytest.mark.parametrize("combine", ["mean", "max"])
@pytest.mark.parametrize(
    "options",
    [
        {"views": WINDOWS},
        {"views": [(0.5, 0.5, 0.7)]},
        {"rotations": [0, 15, -15]},
        {"rotations": [10]},
        {"views": WINDOWS[::3], "rotations": [-10, 0], "flip": True},
    ],
)
def test_views_and_rotations_find_the_same_points(schema, options, merge, combine):
    drawn = [draw_skirt(size_wh, spread=0.7) for size_wh in SIZES]
    predictor = Predictor(find_squares, schema, merge=merge, combine=combine, batch_size=3, **options)
    predictions = predictor.predict([photo for photo, _ in drawn], ["skirt"] * 4)
    for prediction, (_, centres), (width, height) in zip(predictions, drawn, SIZES, strict=True):
        # In crop pixels, of which a cell has 4. The maximum takes each cell from the view that errs upwards most.
        tolerance = {"mean": 0.2, "max": 0.4}[combine]
        assert prediction.keypoints[SKIRT] == pytest.approx(centres, abs=tolerance * max(width, height) / 64)
        assert (prediction.scores[SKIRT] > 0.2).all()


@pytest.mark.parametrize("merge", ["maps", "coordinates"])
def test_batches_do_not_matter(schema, merge):
    photos = [draw_skirt(size_wh)[0] for size_wh in SIZES]
    options = {"flip": True, "views": WINDOWS, "rotations": [0, 5], "merge": merge, "second_pass": True, "repair": 0.5}
    one, many = (
        build_predictor(find_squares, schema, batch_size=size, **options).predict(photos, ["skirt"] * 4)
        for size in (1, 3)
    )
    for first, second in zip(one, many, strict=True):
        assert np.array_equal(first.keypoints, second.keypoints, equal_nan=True)
        assert np.array_equal(first.scores, second.scores, equal_nan=True)


@pytest.mark.parametrize("merge", ["maps", "coordinates"])
def test_each_view_rotation_and_mirror_image_is_one_call(schema, merge):
    calls = []

    def run(crops):
        calls.append(crops)
        return find_squares(crops)

    options = {"flip": True, "views": [WHOLE, (0.3, 0.4, 2.0)], "rotations": [0, 20], "merge": merge}
    Predictor(run, schema, **options).predict([draw_skirt((64, 64))[0]] * 2, ["skirt"] * 2)
    assert [crops.shape for crops in calls] == [(2, 3, 64, 64)] * 8
    assert len({crops.tobytes() for crops in calls}) == 8
    for plain, mirrored in zip(calls[::2], calls[1::2], strict=True):
        assert np.array_equal(plain, mirrored[..., ::-1])


@pytest.mark.parametrize("merge", ["maps", "coordinates"])
def test_a_view_that_sees_more_detail_wins(schema, merge):
    """A network that finds squares only from 5 crop pixels on: at zoom 2 those of the waistband are as large."""

    def run(crops):
        logits = find_squares(crops)["heatmaps"]
        red = (crops[:, 0].astype(int) - crops[:, 1] > 200).sum((1, 2))  # two squares
        logits[red < 2 * 5 * 5] = 0
        return {"heatmaps": logits}

    photo, centres = draw_skirt((500, 500))
    [plain] = Predictor(run, schema).predict([photo], ["skirt"])
    assert (plain.scores[SKIRT] == 0).all()
    views = [WHOLE, (0.45, 0.225, 2.0)]
    [close] = Predictor(run, schema, views=views, merge=merge).predict([photo], ["skirt"])
    assert close.keypoints[15:17] == pytest.approx(centres[:2], abs=0.2 * 500 / 64)
    assert (close.scores[15:17] > 0.2).all()


def test_a_rotated_crop_shows_other_pixels(schema):
    """A network that answers only where the crop's corner is the grey beside the photo."""

    def run(crops):
        logits = find_squares(crops)["heatmaps"]
        logits[crops[:, 0, 0, 0] != 114] = 0
        return {"heatmaps": logits}

    photo, centres = draw_skirt((64, 64))
    [straight] = Predictor(run, schema).predict([photo], ["skirt"])
    assert (straight.scores[SKIRT] == 0).all()
    [turned] = Predictor(run, schema, rotations=[12]).predict([photo], ["skirt"])
    assert turned.keypoints[SKIRT] == pytest.approx(centres, abs=0.4)


def test_mean_and_max_of_maps_by_hand(of_values):
    """0.9 once at (2, 3) against 0.6 twice at (12, 8): the mean has 0.3 and 0.4 there."""
    answers = {(2, 3): 0.9}, {(12, 8): 0.6}, {(12, 8): 0.6}
    views = [WHOLE] * 3
    point, score = predict_flat(answering(*answers), of_values, views=views, combine="mean")
    assert point == pytest.approx([34, 50])  # (8.5, 12.5) cells of 4 pixels
    assert score == pytest.approx(0.4)
    point, score = predict_flat(answering(*answers), of_values, views=views, combine="max")
    assert point == pytest.approx([14, 10])
    assert score == pytest.approx(0.9)


def test_coordinates_are_averaged_by_score_by_hand(of_values):
    answers = {(2, 3): 0.9}, {(12, 8): 0.6}
    options = {"views": [WHOLE] * 2, "merge": "coordinates"}
    point, score = predict_flat(answering(*answers), of_values, **options)
    assert point == pytest.approx([(0.9 * 14 + 0.6 * 34) / 1.5, (0.9 * 10 + 0.6 * 50) / 1.5])
    assert score == pytest.approx((0.81 + 0.36) / 1.5)
    point, score = predict_flat(answering(*answers), of_values, **options, combine="max")
    assert point == pytest.approx([14, 10])
    assert score == pytest.approx(0.9)


@pytest.mark.parametrize("merge", ["maps", "coordinates"])
def test_the_flip_averages_maps_or_coordinates(of_values, merge):
    """Plain (2, 3), mirrored (2, 5), which is column 16 - 1 - 5 = 10: maps keep the higher peak, points meet."""
    point, score = predict_flat(answering({(2, 3): 0.9}, {(2, 5): 0.6}), of_values, flip=True, merge=merge)
    if merge == "maps":
        assert point == pytest.approx([14, 10])
        assert score == pytest.approx(0.45)
    else:
        assert point == pytest.approx([(0.9 * 14 + 0.6 * 42) / 1.5, 10])
        assert score == pytest.approx(0.78)


def test_a_point_outside_a_view_does_not_pull(of_values):
    """The second view shows the middle 32 pixels; the network points to its left edge for what lies beyond."""
    options = {"views": [WHOLE, (0.5, 0.5, 2.0)], "merge": "coordinates"}
    edge = {(8, 0): 0.9, (8, 1): 0.45, (8, 2): 0.1}  # the parabola's vertex is left of cell 0's centre
    point, score = predict_flat(answering({(8, 2): 0.5}, edge), of_values, **options)
    assert point == pytest.approx([10, 34], abs=1e-3)
    assert score == pytest.approx(0.5, abs=1e-3)
    # Something like the point in the middle of the view does not pull either.
    point, _ = predict_flat(answering({(8, 2): 0.5}, {(8, 8): 0.9}), of_values, **options)
    assert point == pytest.approx([10, 34], abs=1e-3)
    # Where no other view has the point, it is the answer.
    point, score = predict_flat(answering({}, edge), of_values, **options)
    assert point == pytest.approx([16, 33], abs=1)
    assert score == pytest.approx(0.9)


@pytest.mark.parametrize("codec", ["simcc", "coordinates", "offsets"])
def test_what_is_no_map_must_be_merged_as_coordinates(schema, codec):
    schema = dataclasses.replace(schema, codec={"name": codec, "size_wh": [64, 64], "stride": 4})
    for options in ({"views": [WHOLE, (0.5, 0.5, 2.0)]}, {"rotations": [0, 10]}):
        with pytest.raises(RecipeError, match=rf"2 views .* codec '{codec}' .* set predict.merge = 'coordinates'"):
            Predictor(find_squares, schema, **options)
        Predictor(find_squares, schema, **options, merge="coordinates")
    Predictor(find_squares, schema, flip=True)
    Predictor(find_squares, schema, views=[(0.5, 0.5, 1.2)])


def test_regressed_points_of_views_come_back_to_the_photo(schema):
    """A network that regresses where the red squares are, from the maps of `find_squares`."""
    from hemline.codecs import build_codec

    maps = build_codec(**{**schema.codec, "size_wh": (64, 64)})

    def run(crops):
        points, _ = maps.decode(maps.activate(find_squares(crops)))
        return {"coordinates": points / 64}

    schema = dataclasses.replace(schema, codec={"name": "coordinates", "size_wh": [64, 64], "stride": 4})
    photo, centres = draw_skirt((300, 400))
    options = {"views": [WHOLE, (0.5, 0.5, 0.8)], "rotations": [0, 10], "merge": "coordinates", "flip": True}
    [prediction] = Predictor(run, schema, **options).predict([photo], ["skirt"])
    assert prediction.keypoints[SKIRT] == pytest.approx(centres, abs=0.2 * 400 / 64)


def test_options_come_from_the_schema_unless_they_are_given(schema):
    asked = {"flip": True, "views": [[0.5, 0.5, 1.0], [0.5, 0.5, 2.0]], "rotations": [0.0, 5.0], "merge": "coordinates"}
    schema = dataclasses.replace(schema, predict={**asked, "combine": "max", "second_pass": False, "margin": 0.1})
    predictor = build_predictor(find_squares, schema, batch_size=7)
    assert isinstance(predictor, Predictor)
    assert (predictor.flip, predictor.merge, predictor.combine) == (True, "coordinates", "max")
    assert [rotation for _, rotation in predictor.views] == [0, 5, 0, 5]
    assert predictor.batch_size == 7
    changed = build_predictor(find_squares, schema, flip=False, rotations=[3.0], merge="maps", combine="mean")
    assert isinstance(changed, Predictor)
    assert (changed.flip, changed.merge, changed.combine) == (False, "maps", "mean")
    assert [rotation for _, rotation in changed.views] == [3, 3]


def test_a_recipes_section_is_what_the_builder_takes(schema):
    options = PredictSection().model_dump()
    assert options.keys() - {"batch_size"} == PredictSection.model_fields.keys() - {"batch_size"}
    build_predictor(find_squares, schema, **options, decode=DecodeSection().model_dump())
    assert DecodeSection.model_fields.keys() == DECODE_OPTIONS.keys()
    with pytest.raises(TypeError, match="zoom"):
        build_predictor(find_squares, schema, zoom=2)


def test_decode_options_may_change(of_values):
    """Cells 3 and 4 of 0.8 and 0.4: the highest cell alone, or a quarter of a cell towards the other."""
    for method, x in (("argmax", 14), ("quarter", 15)):
        answer = answering({(2, 3): 0.8, (2, 4): 0.4})
        point, _ = predict_flat(answer, of_values, decode={"method": method})
        assert point[0] == pytest.approx(x)
    coordinates = dataclasses.replace(of_values, codec={**of_values.codec, "name": "coordinates"})
    with pytest.raises(RecipeError, match=r"decode\.blur = 1\.0 cannot be used with codec 'coordinates'"):
        predict_flat(answering(), coordinates, decode={"blur": 1.0})


def test_schemas_of_format_1_are_still_read(schema):
    content = schema.to_json() | {"flip": True, "format": 1}
    del content["predict"]
    old = Schema.from_json(content, source="schema.json")
    assert old == dataclasses.replace(schema, codec=old.codec, predict={"flip": True})
    assert Schema.from_json(old.to_json(), source=str(Path("schema.json"))) == old
    assert old.keypoints == NAMES
