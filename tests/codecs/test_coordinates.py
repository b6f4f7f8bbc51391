"""Plain coordinates."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hemline.codecs.coordinates import CoordinateCodec

CODEC = CoordinateCodec(size_wh=(200, 100))


@given(st.lists(st.tuples(st.floats(0, 200), st.floats(0, 100)), min_size=1, max_size=5))
def test_points_come_back(points):
    truth = np.array(points)
    target = CODEC.encode(truth, np.ones(len(truth)))
    keypoints, scores = CODEC.decode(CODEC.activate({"coordinates": target["coordinates"][None]}))
    np.testing.assert_allclose(keypoints[0], truth, atol=1e-4)
    np.testing.assert_array_equal(scores, 1)


def test_coordinates_are_shares_of_width_and_height_and_absent_points_are_zero():
    target = CODEC.encode(np.array([[50.0, 75.0], [-1.0, -1.0]]), np.array([0, -1]))
    np.testing.assert_array_equal(target["coordinates"], np.array([[0.25, 0.75], [0, 0]], np.float32))


def test_unflip_mirrors_x_and_swaps_the_pair():
    unflipped = CODEC.unflip({"coordinates": np.array([[[0.25, 0.5], [0.75, 0.125]]])}, (1, 0))
    np.testing.assert_array_equal(unflipped["coordinates"], [[[0.25, 0.125], [0.75, 0.5]]])


def test_points_outside_are_brought_to_the_border():
    keypoints, _ = CODEC.decode({"coordinates": np.array([[[-0.5, 1.5]]])})
    np.testing.assert_array_equal(keypoints, [[[0.0, 100.0]]])
