"""Drawn garments: exact labels, variety, and the same bytes for the same seed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from hemline.errors import DataError
from hemline.formats.fashionai import read_annotations
from hemline.garments import CATEGORIES, CATEGORY_KEYPOINTS, FLIP_PAIRS
from hemline.images import read_image
from hemline.synth.shapes import draw_garment, write_drawn_set


def draw(category: str, number: int, size: int = 128):
    return draw_garment(np.random.default_rng([7, number]), category, size)


@pytest.mark.parametrize("category", CATEGORIES)
def test_points_are_the_categorys_and_inside(category):
    for number in range(20):
        image, garment = draw(category, number)
        assert image.shape == (128, 128, 3)
        assert image.dtype == np.uint8
        assert garment.category == category
        present = np.flatnonzero(garment.visibility != -1)
        assert set(present) <= set(CATEGORY_KEYPOINTS[category])
        assert (garment.visibility[present] == 1).all()
        assert ((garment.keypoints[present] > 0) & (garment.keypoints[present] < 128)).all()
        absent = np.flatnonzero(garment.visibility == -1)
        assert (garment.keypoints[absent] == -1).all()
        for left, right in FLIP_PAIRS:
            assert (left in present) == (right in present)
            if left in present:
                assert garment.keypoints[left, 0] < garment.keypoints[right, 0]


def test_sleeves_and_waists_come_and_go_and_nothing_else_does():
    optional = {
        "blouse": {9, 10, 11, 12},
        "outwear": {7, 8, 9, 10, 11, 12},
        "dress": {7, 8, 9, 10, 11, 12},
        "skirt": set(),
        "trousers": set(),
    }
    for category, expected in optional.items():
        own = list(CATEGORY_KEYPOINTS[category])
        present = np.array([draw(category, number, 16)[1].visibility[own] == 1 for number in range(60)])
        assert {own[at] for at in np.flatnonzero(~present.all(0))} == expected
        assert present.any(0).all()


def test_labels_are_where_a_corner_finder_finds_the_corners():
    """OpenCV's finder rounds corners off by about half a pixel, inwards; a shifted label would show as a bias."""
    errors = []
    for number in range(40):
        image, skirt = draw("skirt", number, 512)
        labels = skirt.keypoints[list(CATEGORY_KEYPOINTS["skirt"])]
        jitter = np.random.default_rng(number).uniform(-1, 1, labels.shape)
        start = (labels - 0.5 + jitter).astype(np.float32).reshape(4, 1, 2)
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        stop = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 50, 1e-3)
        found = cv2.cornerSubPix(gray, start, (6, 6), (-1, -1), stop)[:, 0] + 0.5
        errors.append(found - labels)
    errors = np.concatenate(errors)
    assert np.median(np.linalg.norm(errors, axis=1)) < 1.0
    assert np.abs(np.median(errors, axis=0)).max() < 0.2


def test_the_same_seed_gives_the_same_picture():
    (first, one), (second, two), (third, other) = draw("dress", 3), draw("dress", 3), draw("dress", 4)
    assert np.array_equal(first, second)
    assert one.image_id == two.image_id
    assert np.array_equal(one.keypoints, two.keypoints)
    assert not np.array_equal(first, third)
    assert one.image_id != other.image_id


def test_a_drawn_set_is_a_fashionai_root(tmp_path):
    drawn = list(write_drawn_set(tmp_path, count=7, seed=1, size=64))
    table = read_annotations(tmp_path / "Annotations" / "train.csv")
    assert table.categories == ("blouse", "outwear", "dress", "skirt", "trousers", "blouse", "outwear")
    for row, garment in enumerate(drawn):
        assert table.image_ids[row] == garment.image_id
        assert garment.image_id.startswith(f"Images/{garment.category}/")
        assert read_image(tmp_path / garment.image_id).shape == (64, 64, 3)
        assert table.points[row, :, :2] == pytest.approx(garment.keypoints, abs=5.1e-4)
        assert np.array_equal(table.points[row, :, 2], garment.visibility)


def test_a_set_does_not_depend_on_its_length(tmp_path):
    few = list(write_drawn_set(tmp_path / "few", count=2, seed=5, size=32))
    many = list(write_drawn_set(tmp_path / "many", count=3, seed=5, size=32))
    other = list(write_drawn_set(tmp_path / "other", count=2, seed=6, size=32))
    assert [garment.image_id for garment in few] == [garment.image_id for garment in many[:2]]
    assert not {garment.image_id for garment in few} & {garment.image_id for garment in other}
    for garment in few:
        folders = (tmp_path / "few", tmp_path / "many")
        first, second = ((folder / garment.image_id).read_bytes() for folder in folders)
        assert first == second


def test_a_finished_set_is_not_written_over(tmp_path):
    list(write_drawn_set(tmp_path, count=1, seed=0, size=32))
    with pytest.raises(DataError, match="is there already"):
        list(write_drawn_set(tmp_path, count=1, seed=0, size=32))


def test_an_unknown_category_is_an_error():
    with pytest.raises(DataError, match="Did you mean 'skirt'"):
        draw("skrit", 0)
