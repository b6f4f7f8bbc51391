"""SimCC: beliefs along each axis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemline.codecs.simcc import SimCCCodec

WIDTH, HEIGHT = 96, 64
inside = st.tuples(st.floats(0, WIDTH), st.floats(0, HEIGHT))


def logits(target: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Turn encoded beliefs into the raw output of a network that knows them."""
    return {name: np.log(np.maximum(beliefs, 1e-30))[None] for name, beliefs in target.items()}


@given(st.lists(inside, min_size=1, max_size=5), st.sampled_from([1, 2, 3]))
def test_points_come_back_within_a_twentieth_of_a_pixel(points, bins):
    codec = SimCCCodec(size_wh=(WIDTH, HEIGHT), bins=bins)
    truth = np.array(points)
    keypoints, scores = codec.decode(codec.activate(logits(codec.encode(truth, np.ones(len(truth))))))
    np.testing.assert_allclose(keypoints[0], truth, atol=0.05)
    assert ((scores > 0) & (scores <= 1)).all()


def test_a_point_in_the_middle_of_the_crop_has_score_one():
    codec = SimCCCodec(size_wh=(WIDTH, HEIGHT))
    _, scores = codec.decode(codec.activate(logits(codec.encode(np.array([[48.25, 32.25]]), np.ones(1)))))
    assert scores[0, 0] == pytest.approx(1.0, abs=1e-3)


def test_beliefs_sum_to_one_and_absent_points_have_none():
    target = SimCCCodec(size_wh=(WIDTH, HEIGHT)).encode(np.array([[0.0, 64.0], [-1.0, -1.0]]), np.array([0, -1]))
    assert target["simcc_x"].shape == (2, 192)
    assert target["simcc_y"].shape == (2, 128)
    for beliefs in target.values():
        assert beliefs[0].sum() == pytest.approx(1.0, abs=1e-5)
        assert not beliefs[1].any()


def test_unflip_mirrors_x_and_swaps_the_pair():
    codec = SimCCCodec(size_wh=(WIDTH, HEIGHT))
    truth = np.array([[10.3, 20.0], [70.9, 41.2]])
    mirrored = np.array([[WIDTH - 70.9, 41.2], [WIDTH - 10.3, 20.0]])  # left is right in the mirror
    activated = codec.activate(logits(codec.encode(mirrored, np.ones(2))))
    keypoints, _ = codec.decode(codec.unflip(activated, (1, 0)))
    np.testing.assert_allclose(keypoints[0], truth, atol=0.05)


def test_a_constant_belief_gives_the_middle_and_score_zero():
    codec = SimCCCodec(size_wh=(WIDTH, HEIGHT))
    flat = codec.activate({"simcc_x": np.zeros((1, 1, 192)), "simcc_y": np.zeros((1, 1, 128))})
    keypoints, scores = codec.decode(flat)
    np.testing.assert_allclose(keypoints, [[[48.0, 32.0]]])
    assert scores[0, 0] == 0
