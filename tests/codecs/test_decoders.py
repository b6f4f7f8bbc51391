"""Where peaks are found between the cells: each method by hand, without bias, and safe on any map."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hemline.codecs import build_codec, decoders, peak
from hemline.codecs.decoders import DECODE_OPTIONS, DECODERS, check_decoding, find_peaks
from hemline.errors import RecipeError
from hemline.recipe import DecodeSection

EVERY = pytest.mark.parametrize("method", DECODERS)


def gaussians(
    centres: np.ndarray,
    *,
    sigma: float,
    shape_hw: tuple[int, int] = (20, 24),
    along: float | None = None,
    tilt: float = 0,
) -> np.ndarray:
    """Gaussians of height 1 about cell indices (N, 2), stretched to `along` in the direction `tilt`: (N, h, w)."""
    x = np.arange(shape_hw[1]) - centres[:, 0, None, None]
    y = np.arange(shape_hw[0])[:, None] - centres[:, 1, None, None]
    main, cross = x * np.cos(tilt) + y * np.sin(tilt), y * np.cos(tilt) - x * np.sin(tilt)
    return np.exp(-((main / (along or sigma)) ** 2 + (cross / sigma) ** 2) / 2).astype(np.float32)


def mirrored_pairs(low: float, high: tuple[float, float], count: int = 400) -> np.ndarray:
    """Random centres and their images at the other end, so that chance leaves no mean of its own: (2 * count, 2)."""
    centres = np.random.default_rng(0).uniform(low, high, (count, 2))
    return np.concatenate([centres, low + np.array(high) - centres])


# A hill whose highest cell is column 2, row 1, with its right and upper neighbours the higher ones.
HILL = np.array([[[0, 2, 4, 1, 0], [0, 4, 8, 6, 0], [0, 1, 2, 1, 0], [0, 0, 0, 0, 0]]], np.float32)


def test_argmax_by_hand():
    assert DECODERS["argmax"](HILL).tolist() == [[2, 1]]


def test_quarter_by_hand():
    assert DECODERS["quarter"](HILL).tolist() == [[2.25, 0.75]]
    assert DECODERS["quarter"](HILL[:, :, ::-1]).tolist() == [[1.75, 0.75]]


def test_quarter_does_not_step_between_equals_or_at_the_border():
    assert DECODERS["quarter"](np.array([[[0, 0, 0], [1, 2, 1], [0, 1, 0]]], np.float32)).tolist() == [[1, 1.25]]
    assert DECODERS["quarter"](np.array([[[5, 4, 0], [3, 0, 0], [0, 0, 0]]], np.float32)).tolist() == [[0, 0]]


def test_vertex_by_hand():
    # Along x the logarithms, in units of ln 2, are 2, 3 and log2(6) = 2.585: 0.5 * (2 - 2.585) / (2 - 6 + 2.585) cells.
    # Along y they are 2, 3 and 1: 0.5 * (2 - 1) / (2 - 6 + 1).
    assert DECODERS["vertex"](HILL)[0] == pytest.approx([2 + 0.5 * 0.58496 / 1.41504, 1 - 1 / 6], abs=1e-5)


def test_taylor_by_hand():
    # Logarithms in units of ln 2: columns 1 to 3 of rows 0 to 2 are [1 2 0], [2 3 2.585], [0 1 0]. The slopes are
    # 0.2925 and -0.5, the curvatures -1.415, -3 and (0 - 0 - 0 + 1) / 4 = 0.25; the determinant 4.1826.
    step_x = (0.25 * -0.5 + 3 * 0.29248) / 4.18261
    step_y = (0.25 * 0.29248 + 1.41504 * -0.5) / 4.18261
    assert DECODERS["taylor"](HILL)[0] == pytest.approx([2 + step_x, 1 + step_y], abs=1e-4)


def test_taylor_finds_a_slanted_peak_that_the_axes_alone_miss():
    centres = mirrored_pairs(8, (15, 11), 50)
    maps = gaussians(centres, sigma=1, along=2.5, tilt=0.7)
    assert np.abs(DECODERS["taylor"](maps) - centres).max() < 0.001
    assert np.abs(DECODERS["vertex"](maps) - centres).max() > 0.2


def test_taylor_stays_on_a_saddle_and_a_ridge():
    # The logarithm falls along both axes but hardly along one diagonal: the series has no maximum.
    saddle = np.exp(-np.array([[[0.1, 1, 9], [1, 0, 1], [9, 1, 0.1]]], np.float32))
    assert DECODERS["taylor"](saddle).tolist() == [[1, 1]]
    ridge = np.tile(np.array([1, 2, 1], np.float32), (1, 3, 1))
    assert DECODERS["taylor"](ridge).tolist() == [[1, 0]]


def test_top_mean_by_hand():
    # The three highest cells are 8 at (2, 1), 6 at (3, 1) and one of the two 4s: each of them counts half.
    expected = [(2 + 3 + (2 + 1) / 2) / 3, (1 + 1 + (0 + 1) / 2) / 3]
    assert DECODERS["top_mean"](HILL, cells=3)[0] == pytest.approx(expected)


def test_top_mean_leaves_out_cells_of_height_zero():
    maps = np.zeros((1, 9, 9), np.float32)
    maps[0, 2, 6:8] = [0.5, 0.25]
    assert DECODERS["top_mean"](maps, cells=11).tolist() == [[6.5, 2]]
    assert DECODERS["top_mean"](maps, cells=1000).tolist() == [[6.5, 2]]


def test_soft_argmax_by_hand():
    # The border leaves one line on each side of row 1; in the 5 x 3 window the columns' sums are 0, 7, 14, 8, 0 and
    # the rows' 7, 18, 4, which is 29 in all.
    expected = [(7 + 2 * 14 + 3 * 8) / 29, (18 + 2 * 4) / 29]
    assert DECODERS["soft_argmax"](HILL, window=5)[0] == pytest.approx(expected)
    assert DECODERS["soft_argmax"](HILL, window=99)[0] == pytest.approx(expected)
    assert DECODERS["soft_argmax"](HILL, window=1).tolist() == [[2, 1]]


def test_soft_argmax_does_not_leave_the_border_for_what_lies_inside():
    maps = np.array([[[3, 2, 2], [1, 0, 0], [0, 0, 0]]], np.float32)
    assert DECODERS["soft_argmax"](maps).tolist() == [[0, 0]]


@EVERY
@pytest.mark.parametrize("sigma", [1, 1.5, 2, 3])
@pytest.mark.parametrize("before", [{}, {"blur": 1.0}, {"upsample": 4}], ids=str)
def test_the_mean_error_is_below_a_fiftieth_of_a_pixel_at_stride_4(method, sigma, before):
    """In each quarter of the map, so that a pull to its middle does not cancel out; places are even in their cell."""
    offsets = np.stack(np.meshgrid(*[(np.arange(6) + 0.5) / 6 - 0.5] * 2), -1).reshape(-1, 2)
    for cell in itertools.product((16, 31), (16, 27)):
        centres = cell + offsets
        places, _ = find_peaks(gaussians(centres, sigma=sigma, shape_hw=(44, 48)), method=method, **before)
        assert np.abs((places - centres).mean(0)).max() * 4 < 0.02


def test_the_mean_by_hand():
    # Two peaks, and nothing is left out: (1 * 3 + 8 * 1) / 4 along x, (0 * 3 + 2 * 1) / 4 along y.
    maps = np.zeros((1, 4, 9), np.float32)
    maps[0, 0, 1], maps[0, 2, 8] = 3, 1
    assert DECODERS["mean"](maps).tolist() == [[2.75, 0.5]]


@pytest.mark.parametrize(("method", "expected"), [("argmax", 1 / 4), ("quarter", 1 / 8), ("vertex", 0), ("taylor", 0)])
def test_the_mean_distance_is_that_of_the_method(method, expected):
    """Places even between -1/2 and 1/2 are 1/4 from 0 on average, and 1/8 from the nearer of -1/4 and 1/4."""
    centres = mirrored_pairs(7, (16, 12), 2000)
    error = np.abs(find_peaks(gaussians(centres, sigma=1.5, shape_hw=(20, 24)), method=method)[0] - centres).mean()
    assert error == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("method", ["vertex", "taylor"])
def test_a_peak_outside_the_outermost_cells_is_found(method):
    centres = np.array([[-0.5, -0.5], [23.5, 19.5], [-0.3, 7.2], [12.1, 19.4]])
    assert np.abs(find_peaks(gaussians(centres, sigma=1.5), method=method)[0] - centres).max() < 0.001


def test_top_mean_of_an_even_count_prefers_no_side():
    # Half way between two cells the second highest is one of two: both count half.
    maps = gaussians(np.array([[7.0, 7.5]]), sigma=1)
    assert DECODERS["top_mean"](maps, cells=2)[0] == pytest.approx([7, 7.5], abs=1e-6)
    assert DECODERS["top_mean"](maps, cells=4)[0] == pytest.approx([7, 7.5], abs=1e-6)


MAPS = arrays.arrays(
    np.float32,
    st.tuples(st.just(2), st.integers(1, 9), st.integers(1, 9)),
    elements=st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1, width=32)),
)


@EVERY
@settings(max_examples=60, deadline=None)
@given(maps=MAPS, blur=st.sampled_from([0.0, 0.8]), upsample=st.sampled_from([1, 3]))
def test_any_map_gives_a_place_no_further_than_a_cell_outside(method, maps, blur, upsample):
    places, heights = find_peaks(maps, method=method, blur=blur, upsample=upsample)
    assert places.shape == (2, 2)
    assert places.dtype == heights.dtype == np.float64
    assert ((places >= -1) & (places <= np.array(maps.shape[:0:-1]))).all()
    assert (heights >= 0).all()


@pytest.mark.parametrize("method", ["quarter", "vertex", "taylor"])
@settings(max_examples=60, deadline=None)
@given(maps=MAPS)
def test_a_step_is_at_most_one_cell(method, maps):
    assert np.abs(DECODERS[method](maps) - DECODERS["argmax"](maps)).max() <= 1


@EVERY
@pytest.mark.parametrize("value", [0.0, 0.3])
def test_constant_maps_are_safe(method, value):
    assert np.isfinite(find_peaks(np.full((2, 6, 5), value, np.float32), method=method)[0]).all()


@EVERY
def test_no_maps_have_no_peaks(method):
    places, heights = find_peaks(np.zeros((0, 6, 5), np.float32), method=method, upsample=2)
    assert places.shape == (0, 2)
    assert heights.shape == (0,)


def test_a_blur_prefers_a_broad_hill_to_a_lone_cell():
    maps = 0.9 * gaussians(np.array([[15.0, 10.0]]), sigma=2)
    maps[0, 5, 4] = 1
    assert find_peaks(maps)[0][0] == pytest.approx([4, 5], abs=0.1)
    places, heights = find_peaks(maps, blur=1.5)
    assert places[0] == pytest.approx([15, 10], abs=0.01)
    assert heights[0] == pytest.approx(0.9 * 4 / (4 + 1.5**2), abs=0.01)  # variances of Gaussians add up


def test_enlargement_obeys_the_pixel_rule():
    # The centres of the 8 x 8 parts of cell 10 are 10 - 7/16, 10 - 5/16 and so on.
    centres = np.array([[10 + 3 / 16, 9 - 5 / 16]])
    maps = gaussians(centres, sigma=1.5)
    assert find_peaks(maps, method="argmax")[0].tolist() == [[10, 9]]
    places, heights = find_peaks(maps, method="argmax", upsample=8)
    assert places[0] == pytest.approx(centres[0], abs=1e-9)
    assert heights[0] == pytest.approx(1, abs=0.02)
    assert maps.max() < 0.98


@pytest.mark.parametrize(
    ("method", "option", "few", "many"), [("top_mean", "cells", 2, 40), ("soft_argmax", "window", 1, 9)]
)
def test_cells_and_window_count_in_cells_of_the_maps_as_given(method, option, few, many):
    """Two hills, so that a wider look is drawn towards the lower one; enlarged or not, by the same amount."""
    maps = gaussians(np.array([[8.2, 9.3]]), sigma=1.2) + 0.5 * gaussians(np.array([[11.4, 9.1]]), sigma=1.2)
    narrow, wide = (find_peaks(maps, method=method, **{option: value})[0][0, 0] for value in (few, many))
    assert wide > narrow + 0.3
    assert find_peaks(maps, method=method, upsample=5, **{option: many})[0][0, 0] == pytest.approx(wide, abs=0.25)


def test_many_maps_are_searched_piece_by_piece(monkeypatch):
    maps = gaussians(mirrored_pairs(5, (18, 14), 5), sigma=2)
    together = find_peaks(maps, upsample=2)
    monkeypatch.setattr(decoders, "_CHUNK", 3 * 4 * 20 * 24)
    for one, other in zip(together, find_peaks(maps, upsample=2), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("name", ["heatmap", "belief"])
def test_the_default_is_the_vertex_along_each_axis_to_the_last_bit(name):
    codec = build_codec(name, size_wh=(64, 48), stride=4)
    noise = np.random.default_rng(0).normal(0, 1, (2, 3, 12, 16))
    maps = codec.activate({"heatmaps": noise})["heatmaps"]
    for row, column in np.ndindex(2, 3):
        each = maps[row, column]
        y, x = np.unravel_index(each.argmax(), each.shape)
        place = [peak.vertex(each[y][None], np.array([x]))[0], peak.vertex(each[:, x][None], np.array([y]))[0]]
        keypoint = np.clip((np.array(place) + 0.5) * 4, 0, (64, 48))
        assert codec.decode({"heatmaps": maps})[0][row, column].tolist() == keypoint.tolist()


def test_the_options_are_those_of_the_recipe():
    assert DecodeSection().model_dump() == DECODE_OPTIONS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "tailor"}, r"unknown decode\.method 'tailor'\. Did you mean 'taylor'\? Known: argmax, quarter, "),
        ({"window": 4}, r"decode\.window must be odd, so that it has a middle, got 4"),
        ({"upsample": 100}, r"decode\.upsample must be at most 16, got 100"),
        ({"blur": 1e6}, r"decode\.blur must be at most 64, got 1000000"),
    ],
)
def test_options_that_cannot_be_used(options, message):
    with pytest.raises(RecipeError, match=message):
        check_decoding(**options)
