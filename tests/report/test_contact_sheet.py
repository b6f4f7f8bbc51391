"""The contact sheet: tiles where they belong, points on their pixels, small pictures enlarged."""

from __future__ import annotations

import numpy as np
import pytest

from hemline.annotation import Annotation
from hemline.report.contact_sheet import Tile, draw_contact_sheet
from hemline.report.drawing import COLORS, draw_caption

GAP = 8


def tile(side: int, level: int, *, visibility: int = -1, caption: str = "") -> Tile:
    """A flat picture of trousers whose crotch is at (30.5, 20.5)."""
    keypoints, states = np.full((24, 2), -1.0), np.full(24, -1, np.int8)
    keypoints[19], states[19] = (30.5, 20.5), visibility
    image = np.full((side, side, 3), level, np.uint8)
    return Tile(image, Annotation("a.jpg", "trousers", keypoints, states), caption)


def test_tiles_stand_in_rows_with_a_white_gap():
    levels = [[10, 20, 30], [40, 50, 60]]
    sheet = draw_contact_sheet([[tile(400, level) for level in row] for row in levels])
    height = draw_caption(np.zeros((400, 400, 3), np.uint8), "").shape[0]
    assert sheet.shape == (2 * (height + GAP) + GAP, 3 * (400 + GAP) + GAP, 3)
    for down, row in enumerate(levels):
        for across, level in enumerate(row):
            bottom, left = GAP + down * (height + GAP) + height, GAP + across * (400 + GAP)
            assert (sheet[bottom - 400 : bottom, left : left + 400] == level).all()
    is_white = (sheet == 255).all(2)
    assert is_white[:, :GAP].all()
    assert is_white[:, 408 : 408 + GAP].all()
    assert is_white[height + GAP : height + 2 * GAP].all()
    assert is_white[-GAP:].all()


@pytest.mark.parametrize(("side", "factor"), [(400, 1), (200, 2), (128, 3)])
def test_points_lie_on_the_same_pixels_of_an_enlarged_tile(side, factor):
    sheet = draw_contact_sheet([[tile(side, 128, visibility=1), tile(side, 128, visibility=0), tile(side, 128)]])
    pictures = [
        sheet[-GAP - side * factor : -GAP, left : left + side * factor]
        for left in (GAP + at * (side * factor + GAP) for at in range(3))
    ]
    visible, hollow, absent = pictures
    x, y = round(30.5 * factor - 0.5), round(20.5 * factor - 0.5)
    assert tuple(visible[y, x].tolist()) == COLORS["crotch"]
    assert (hollow[y, x] == 128).all()
    assert (hollow != 128).any()
    assert (absent == 128).all()
    rows, columns = np.nonzero((visible != 128).any(2))
    assert columns.mean() + 0.5 == pytest.approx(30.5 * factor, abs=0.1)
    assert rows.mean() + 0.5 == pytest.approx(20.5 * factor, abs=0.1)


def test_pixels_are_enlarged_as_they_are():
    picture = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    sheet = draw_contact_sheet([[tile(128, 0)._replace(image=picture)]])
    assert (sheet[-GAP - 384 : -GAP, GAP : GAP + 384].reshape(128, 3, 128, 3, 3) == picture[:, None, :, None]).all()


def test_each_tile_has_its_caption():
    sheet = draw_contact_sheet([[tile(400, 90, caption="epoch 1"), tile(400, 90)]])
    captions = sheet[GAP:-400]
    assert (captions[:, : GAP + 400] < 100).any()
    assert (captions[:-GAP, GAP + 400 + GAP :] == 255).all()
