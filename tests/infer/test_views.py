"""Views of a photo and how they are merged: hand-computed places, maps and points."""

from __future__ import annotations

import numpy as np
import pytest

from hemline.geometry import apply_affine
from hemline.infer.views import EDGE_WEIGHT, WHOLE, merge_maps, merge_points, view_affine, view_weights

PHOTO = (0.0, 0.0, 200.0, 100.0)


@pytest.mark.parametrize(
    ("view", "rotation", "photo_point", "crop_point"),
    [
        (WHOLE, 0, (0, 0), (0, 16)),  # 200 wide onto 64: 0.32 a pixel, 16 rows of grey above
        (WHOLE, 0, (200, 100), (64, 48)),
        ((0.5, 0.5, 2.0), 0, (150, 50), (64, 32)),
        ((0.25, 0.75, 1.0), 0, (50, 75), (32, 32)),
        ((0.25, 0.75, 2.0), 0, (100, 75), (64, 32)),
        (WHOLE, 90, (200, 50), (32, 64)),  # clockwise: what was right is below
        ((0.25, 0.75, 1.0), 90, (50, 75), (32, 32)),
    ],
)
def test_a_view_is_about_its_centre(view, rotation, photo_point, crop_point):
    affine = view_affine(PHOTO, view, rotation, size=64)
    assert apply_affine(affine, np.array(photo_point)) == pytest.approx(np.array(crop_point), abs=1e-9)


def test_a_view_of_a_box_takes_shares_of_the_box():
    affine = view_affine((100.0, 20.0, 140.0, 60.0), (0.25, 0.5, 2.0), 0, size=64)
    assert apply_affine(affine, np.array([110.0, 40.0])) == pytest.approx([32, 32])
    assert apply_affine(affine, np.array([120.0, 40.0])) == pytest.approx([64, 32])


def weigh(found: list[list[tuple[float, float]]], views, scores=None) -> list[list[float]]:
    """Weigh the points found, in pixels of a photo of 64 x 64, by views and rotations."""
    box = (0.0, 0.0, 64.0, 64.0)
    affines = np.array([view_affine(box, view, rotation, size=64) for view, rotation in views])
    points = np.array(found, float)
    scores = np.ones(points.shape[:2]) if scores is None else np.array(scores)
    return view_weights(points, scores, affines, box, size=64).tolist()


def test_points_at_the_edge_of_a_part_of_the_photo_do_not_count():
    """The middle half of the photo is seen at zoom 2: from 16 to 48, without an edge of one photo pixel."""
    points = [(32, 32), (16.9, 32), (32, 47.1), (17.1, 46.9)]
    assert weigh([points], [((0.5, 0.5, 2.0), 0)]) == [[1, EDGE_WEIGHT, EDGE_WEIGHT, 1]]
    edges = [(1.9, 32), (32, 62.1), (2.1, 61.9)]  # at zoom 1 the edge is 2 photo pixels
    assert weigh([edges], [(WHOLE, 0)]) == [[1, 1, 1]]
    assert weigh([edges], [((0.5, 0.5, 0.9), 0)]) == [[1, 1, 1]]
    assert weigh([[(1, 1)]], [(WHOLE, 10)]) == [[EDGE_WEIGHT]]
    assert weigh([[(32, 32)]], [(WHOLE, 10)]) == [[1]]


def test_a_part_does_not_count_for_what_the_whole_finds_elsewhere():
    """The left view shows x from 0 to 32; whatever it says of a point that is at 50, or at 31.5, is wrong."""
    views = [(WHOLE, 0), ((0.25, 0.5, 2.0), 0)]
    found = [[(50, 32), (20, 32), (31.5, 32), (50, 32)], [(16, 32)] * 4]
    scores = [[1, 1, 1, 0], [1, 1, 1, 1]]  # the whole does not see the last point, and so cannot say
    assert weigh(found, views, scores) == [[1] * 4, [EDGE_WEIGHT, 1, EDGE_WEIGHT, 1]]
    assert weigh(found[::-1], views[::-1], scores[::-1]) == [[EDGE_WEIGHT, 1, EDGE_WEIGHT, 1], [1] * 4]


def merge(maps: list[np.ndarray], views: list[tuple[float, float, float]], combine: str) -> np.ndarray:
    """Merge maps of one keypoint, 4 x 4 cells of 2 pixels, of views of a photo of 8 x 8."""
    box = (0.0, 0.0, 8.0, 8.0)
    affines = [view_affine(box, view, 0, size=8) for view in views]
    reference = view_affine(box, WHOLE, 0, size=8)
    return merge_maps([each[None] for each in maps], affines, reference, stride=2, combine=combine)[0]


def test_views_count_in_the_cells_that_they_show():
    """A view of the left half of the photo, half a photo above centre, shows the top left cells alone."""
    first, second = np.full((4, 4), 0.2, np.float32), np.full((4, 4), 0.6, np.float32)
    views = [WHOLE, (0.25, 0.25, 2.0)]
    mean = np.full((4, 4), 0.2)
    mean[:2, :2] = (0.2 + 0.6) / 2
    assert merge([first, second], views, "mean") == pytest.approx(mean)
    highest = np.full((4, 4), 0.2)
    highest[:2, :2] = 0.6
    assert merge([first, second], views, "max") == pytest.approx(highest)
    assert merge([second, first], views, "max") == pytest.approx(np.full((4, 4), 0.6))


def test_cells_that_no_view_shows_are_0():
    merged = merge([np.ones((4, 4), np.float32)] * 2, [(0.25, 0.25, 2.0), (0.25, 0.75, 2.0)], "mean")
    expected = np.zeros((4, 4))
    expected[:, :2] = 1
    assert merged == pytest.approx(expected)


def test_a_moved_view_moves_its_maps_back():
    """The view's centre is a quarter, 2 pixels or a cell, right of the photo's: its cell 1 is the photo's cell 2."""
    peak = np.zeros((4, 4), np.float32)
    peak[3, 1] = 1
    expected = np.zeros((4, 4))
    expected[3, 2] = 1
    assert merge([peak], [(0.75, 0.5, 1.0)], "max") == pytest.approx(expected, abs=1e-6)


def test_points_are_averaged_by_score_and_weight():
    points = np.array([[[10.0, 0]], [[20.0, 8]], [[50.0, 50]]])  # of three views
    scores, weights = np.array([[0.2], [0.6], [0.9]]), np.array([[1.0], [1.0], [0.0]])
    merged, score = merge_points(points, scores, weights)
    assert merged == pytest.approx(np.array([[17.5, 6.0]]))  # (0.2 * 10 + 0.6 * 20) / 0.8
    assert score == pytest.approx([0.5])  # (0.2 * 0.2 + 0.6 * 0.6) / 0.8
    merged, score = merge_points(points, scores, weights, combine="max")
    assert merged.tolist() == [[20, 8]]
    assert score == pytest.approx([0.6])


def test_where_nothing_counts_the_score_is_0():
    merged, score = merge_points(np.array([[[10.0, 0]], [[20.0, 8]]]), np.zeros((2, 1)), np.ones((2, 1)))
    assert merged.tolist() == [[15, 4]]
    assert score.tolist() == [0]
