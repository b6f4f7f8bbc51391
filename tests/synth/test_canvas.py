"""Shapes cover the pixels that their corners say, and the layers know what lies on top."""

from __future__ import annotations

import numpy as np
import pytest

from hemline.synth.canvas import (
    blank_canvas,
    cast_shadow,
    claim,
    clip_cover,
    cover_lines,
    cover_polygons,
    paint,
    tint,
)


def square(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def full(cover: object, size: int) -> np.ndarray:
    whole = np.zeros((size, size))
    whole[cover.window] = cover.alpha  # type: ignore[attr-defined]
    return whole


def test_squares_cover_their_area_about_their_own_middle() -> None:
    """Filling adds the rim that OpenCV draws, an eighth of a pixel on each side."""
    rng = np.random.default_rng(0)
    rims, shifts = [], []
    centres = np.arange(20) + 0.5
    for _ in range(200):
        left, top = rng.uniform(2, 5, 2)
        side = rng.uniform(5, 12)
        whole = full(cover_polygons([square(left, top, left + side, top + side)], 20), 20)
        rims.append((np.sqrt(whole.sum()) - side) / 2)
        middle = np.array([whole.sum(0) @ centres, whole.sum(1) @ centres]) / whole.sum()
        shifts.append(middle - (np.array([left, top]) + side / 2))
    assert np.mean(rims) == pytest.approx(0.125, abs=0.02)
    assert np.mean(shifts, 0) == pytest.approx([0, 0], abs=0.02)
    assert np.abs(shifts).max() < 0.14  # corners are rounded to sixteenths of a fine pixel, edges to fine pixels


def test_overlapping_polygons_are_one_shape() -> None:
    whole = full(cover_polygons([square(2, 2, 10, 10), square(6, 6, 14, 14)], 20), 20)
    assert whole.max() == 1
    assert whole.sum() == pytest.approx(2 * 8.25**2 - 4.25**2, rel=0.01)


def test_nothing_in_the_picture_is_no_cover() -> None:
    assert cover_polygons([square(30, 30, 40, 40)], 20) is None
    assert cover_polygons([square(-1e9, -1e9, -1e8, -1e8)], 20) is None
    assert cover_polygons([square(-1e9, -1e9, 1e9, 1e9)], 20) is not None


def test_a_line_is_as_wide_as_asked() -> None:
    whole = full(cover_lines([np.array([(4.0, 10.0), (16.0, 10.0)])], 2.0, 20), 20)
    assert whole[:, 10].sum() == pytest.approx(2, abs=0.3)
    assert (whole[:, 10] @ (np.arange(20) + 0.5)) / whole[:, 10].sum() == pytest.approx(10, abs=0.2)


def test_clipping_keeps_what_lies_on_both() -> None:
    first, second = cover_polygons([square(0, 0, 10, 10)], 20), cover_polygons([square(5, 5, 15, 15)], 20)
    assert full(clip_cover(first, second), 20).sum() == pytest.approx(5.25**2, rel=0.02)
    assert clip_cover(first, cover_polygons([square(14, 14, 18, 18)], 20)) is None


def test_the_upper_layer_takes_the_garments_share() -> None:
    canvas = blank_canvas(np.zeros((20, 20, 3), np.float32))
    garment, bag = cover_polygons([square(2, 2, 12, 12)], 20), cover_polygons([square(7, 2, 18, 12)], 20)
    paint(canvas, garment, np.array([200.0, 100, 50], np.float32))
    claim(canvas, garment, 1, garment=True)
    assert canvas.garment.sum() == pytest.approx(100, rel=0.06)
    claim(canvas, bag, 2, garment=False)
    assert canvas.garment.sum() == pytest.approx(50, rel=0.06)
    assert (canvas.top[5, 4], canvas.top[5, 9], canvas.top[15, 4]) == (1, 2, 0)
    assert canvas.image[5, 4].tolist() == [200, 100, 50]
    tint(canvas, garment, 0.5)
    assert canvas.image[5, 4].tolist() == [100, 50, 25]


def test_shadows_fall_where_they_are_sent() -> None:
    canvas = blank_canvas(np.full((40, 40, 3), 200, np.float32))
    cast_shadow(canvas, cover_polygons([square(10, 10, 20, 20)], 40), np.array([8.0, 0.0]), 1.0, 0.5)
    assert canvas.image[15, 24, 0] == pytest.approx(100, abs=10)
    assert canvas.image[15, 6, 0] == pytest.approx(200, abs=2)
    assert canvas.image.max() <= 200
