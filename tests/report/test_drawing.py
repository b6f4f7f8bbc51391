"""Pictures: where points lie, what is hollow, and what is written."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from hemline.annotation import Annotation, AnnotationTable, Prediction
from hemline.errors import DataError, ImageError
from hemline.garments import KEYPOINTS
from hemline.images import read_image, write_image
from hemline.report.drawing import (
    COLORS,
    draw_annotation,
    draw_comparison,
    draw_prediction,
    draw_table,
    picture_name,
)

GREY = np.full((200, 160, 3), 128, np.uint8)


def crotch_at(x: float, y: float, visibility: int = 1) -> Annotation:
    """Trousers with one point, which no limb touches."""
    keypoints, states = np.full((24, 2), -1.0), np.full(24, -1, np.int8)
    keypoints[19], states[19] = (x, y), visibility
    return Annotation("a.jpg", "trousers", keypoints, states)


def skirt(*visibility: int) -> Annotation:
    keypoints, states = np.full((24, 2), -1.0), np.full(24, -1, np.int8)
    keypoints[15:19] = [[40, 40.5], [120, 40.5], [20, 160], [140, 160]]
    states[15:19] = visibility
    return Annotation("a.jpg", "skirt", keypoints, states)


def pixel(picture: np.ndarray, x: int, y: int) -> tuple[int, ...]:
    return tuple(picture[y, x].tolist())


def test_each_keypoint_has_a_colour_of_its_own() -> None:
    assert tuple(COLORS) == KEYPOINTS
    for one, other in itertools.combinations(COLORS.values(), 2):
        assert np.abs(np.subtract(one, other)).sum() > 60


@pytest.mark.parametrize(("x", "y"), [(80, 100), (80.5, 100.5), (63.3, 71.8), (100.25, 50.625)])
def test_points_obey_the_pixel_rule(x: float, y: float) -> None:
    """The changed pixels' centre of mass, their centres at i + 0.5, is the point."""
    change = np.abs(draw_annotation(GREY, crotch_at(x, y)).astype(float) - 128).sum(axis=2)
    rows, columns = np.indices(change.shape) + 0.5
    centre = np.array([(columns * change).sum(), (rows * change).sum()]) / change.sum()
    np.testing.assert_allclose(centre, [x, y], atol=0.1)


def test_visible_points_are_filled_and_occluded_ones_hollow() -> None:
    assert pixel(draw_annotation(GREY, crotch_at(80.5, 100.5)), 80, 100) == COLORS["crotch"]
    hollow = draw_annotation(GREY, crotch_at(80.5, 100.5, 0))
    assert pixel(hollow, 80, 100) == (128, 128, 128)
    assert (hollow != 128).any()
    np.testing.assert_array_equal(draw_annotation(GREY, crotch_at(80.5, 100.5, -1)), GREY)


def test_points_of_other_categories_are_not_drawn() -> None:
    keypoints, states = np.full((24, 2), 80.0), np.full(24, 1, np.int8)
    states[15:19] = -1
    np.testing.assert_array_equal(draw_annotation(GREY, Annotation("a.jpg", "skirt", keypoints, states)), GREY)


def test_limbs_take_the_colours_of_their_ends() -> None:
    picture = draw_annotation(np.full((1024, 1024, 3), 128, np.uint8), skirt(1, 1, -1, -1))  # limbs 4 px wide
    assert pixel(picture, 60, 40) == COLORS["waistband_left"]
    assert pixel(picture, 100, 40) == COLORS["waistband_right"]
    assert (picture[100:] == 128).all()  # no limb to a hem that is absent


def test_sizes_follow_the_picture() -> None:
    def width(side: int) -> int:
        canvas = np.full((side, side, 3), 128, np.uint8)
        return int((draw_annotation(canvas, crotch_at(side / 2, side / 2)) != 128).any(axis=(0, 2)).sum())

    assert width(2048) == pytest.approx(4 * width(512), rel=0.2)  # the soft edge does not grow
    assert width(64) >= 2


def test_the_photo_is_left_as_it_was_and_points_may_lie_anywhere() -> None:
    image = GREY.copy()
    for at in ((0, 0), (160, 200), (-50, 300), (1e12, -1e12)):
        for visibility in (0, 1):
            draw_annotation(image, crotch_at(*at, visibility))
    np.testing.assert_array_equal(image, GREY)
    mirrored = GREY[:, ::-1]  # a view that OpenCV cannot draw on
    assert draw_annotation(mirrored, crotch_at(80, 100)).shape == GREY.shape


def test_guessed_points_of_a_prediction_are_hollow() -> None:
    keypoints, scores = np.full((24, 2), np.nan), np.full(24, np.nan)
    labelled = skirt(1, 0, 1, 1)
    keypoints[15:19], scores[15:19] = labelled.keypoints[15:19], [0.9, 0, 0.01, 1]
    drawn = draw_prediction(GREY, Prediction("a.jpg", "skirt", keypoints, scores))
    np.testing.assert_array_equal(drawn, draw_annotation(GREY, labelled))


def test_comparison_is_truth_then_prediction_under_captions() -> None:
    truth, prediction = skirt(1, 1, 1, 1), skirt(1, 1, 1, 1)
    prediction.keypoints[15] += [0, 8]
    picture = draw_comparison(GREY, prediction, truth)
    caption = picture.shape[0] - 200
    assert 5 < caption < 30
    np.testing.assert_array_equal(picture[caption:, :160], draw_annotation(GREY, truth))
    np.testing.assert_array_equal(picture[caption:, -160:], draw_annotation(GREY, prediction))
    assert (picture[:caption, :160] < 128).any()  # text
    assert (picture[:caption, -160:] < 128).any()
    assert (picture[caption:, 160:-160] == 255).all()


def table_of(folder: Path, *ids: str) -> AnnotationTable:
    for image_id in ids:
        write_image(folder / image_id, GREY)
    points = np.full((len(ids), 24, 3), -1.0)
    points[:, 19] = [80, 100, 1]
    return AnnotationTable(ids, ("trousers",) * len(ids), points, tuple(folder / image_id for image_id in ids))


def test_writes_one_picture_per_garment(tmp_path: Path) -> None:
    table = table_of(tmp_path, "Images/trousers/a.png", "Images/trousers/b.jpg")
    pictures = list(draw_table(table, tmp_path / "out"))
    names = ["Images/trousers/a.drawn.png", "Images/trousers/b.drawn.jpg"]
    assert pictures == [tmp_path / "out" / name for name in names]
    np.testing.assert_array_equal(read_image(pictures[0]), draw_annotation(GREY, table[0]))


def test_writes_comparisons_with_rows_in_any_order(tmp_path: Path) -> None:
    table = table_of(tmp_path, "a.png", "b.png")
    truth = AnnotationTable(table.image_ids, table.categories, table.points.copy())
    truth.points[1, 19] = [20, 20, 1]
    pictures = list(draw_table(table, tmp_path / "out", truth=truth.select([1, 0])))
    np.testing.assert_array_equal(read_image(pictures[1]), draw_comparison(GREY, table[1], truth[1]))
    with pytest.raises(DataError, match=r"'b\.png' has no true points"):
        list(draw_table(table, tmp_path / "none", truth=truth.select([0])))
    dress = AnnotationTable(table.image_ids, ("trousers", "dress"), truth.points)
    with pytest.raises(DataError, match=r"'b\.png' is a trousers, the truth says dress"):
        list(draw_table(table, tmp_path / "none", truth=dress))
    assert not (tmp_path / "none").exists()


def test_a_photo_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    table = table_of(tmp_path, "a.png", "b.png")
    (tmp_path / "a.png").write_bytes(b"no photo")
    error, picture = draw_table(table, tmp_path / "out")
    assert isinstance(error, ImageError)
    assert str(error).startswith(str(tmp_path / "a.png"))
    assert picture == tmp_path / "out" / "b.drawn.png"


def test_refuses_to_draw_nothing(tmp_path: Path) -> None:
    table = table_of(tmp_path, "a.png", "b.png")
    table.points[:] = -1
    with pytest.raises(DataError, match="nothing to draw: none of the 2 garments has a point"):
        list(draw_table(table, tmp_path / "out"))


def test_pictures_overwrite_neither_each_other_nor_the_photos(tmp_path: Path) -> None:
    table = table_of(tmp_path, "a/b.png", "a_b.png")
    assert len(set(draw_table(table, tmp_path))) == 2
    for photo in table.paths:
        np.testing.assert_array_equal(read_image(photo), GREY)


def test_picture_names_stay_in_their_folder() -> None:
    assert picture_name("Images/skirt/a.JPG") == "Images/skirt/a.drawn.JPG"
    assert picture_name("/etc/a.png") == "etc/a.drawn.png"
    assert picture_name("../../a.png") == "__/__/a.drawn.png"
    assert picture_name("Images/skirt/0a1b") == "Images/skirt/0a1b.drawn.png"
    assert picture_name("Images/skirt/a.gif") == "Images/skirt/a.gif.drawn.png"
