"""Discs, offsets and votes by hand; what every codec promises is in test_codec_contract.py."""

from __future__ import annotations

import numpy as np
import pytest

from hemline.codecs.offsets import OffsetCodec
from hemline.errors import RecipeError


def test_a_disc_and_its_offsets_by_hand():
    """A point at the centre of cell (2, 1), radius 1: the cell and its four neighbours."""
    target = OffsetCodec(size_wh=(20, 16), stride=4, radius=1).encode(np.array([[10.0, 6.0]]), np.array([1]))
    assert target["near"][0].tolist() == [
        [0, 0, 1, 0, 0],
        [0, 1, 1, 1, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0],
    ]
    across, down = target["offsets"]
    assert across[1].tolist() == [0, 1, 0, -1, 0]
    assert down[:, 2].tolist() == [1, 0, -1, 0]
    assert not across[:, 2].any()
    assert not down[1].any()


def test_offsets_are_in_radii():
    """The point is 1.5 cells right of cell 0's centre and 0.5 above it; a radius is 2 cells."""
    target = OffsetCodec(size_wh=(16, 16), stride=4, radius=2).encode(np.array([[8.0, 0.0]]), np.array([0]))
    assert target["offsets"][:, 0, 0].tolist() == [0.75, -0.25]


def test_all_x_come_before_all_y():
    points = np.array([[2.0, 2.0], [4.0, 2.0]])
    target = OffsetCodec(size_wh=(16, 16), stride=4, radius=1).encode(points, np.ones(2))
    assert target["offsets"][:, 0, 0].tolist() == [0, 0.5, 0, 0]


def test_votes_meet_between_the_cells_and_a_stray_one_is_outvoted():
    """Two cells point at (2.25, 1) from both sides, a third one, as sure, points elsewhere."""
    near = np.zeros((1, 1, 4, 8), np.float32)
    offsets = np.zeros((1, 2, 4, 8), np.float32)
    near[0, 0, 1, [1, 4]] = 1
    offsets[0, 0, 1, [1, 4]] = [1.25 / 2, -1.75 / 2]
    near[0, 0, 3, 7] = 1
    keypoints, scores = OffsetCodec(size_wh=(32, 16), stride=4, radius=2).decode({"near": near, "offsets": offsets})
    assert keypoints[0, 0].tolist() == pytest.approx([2.75 * 4, 1.5 * 4])
    assert scores[0, 0] == pytest.approx(2 / (np.pi * 4))


def test_surer_votes_pull_harder():
    """Votes of 1 at x = 2 and of 1/3 at x = 3 meet at 2.25."""
    near = np.zeros((1, 1, 1, 8), np.float32)
    near[0, 0, 0, [2, 3]] = [1, 1 / 3]
    keypoints, _ = OffsetCodec(size_wh=(8, 1), stride=1).decode({"near": near, "offsets": np.zeros((1, 2, 1, 8))})
    assert keypoints[0, 0, 0] == pytest.approx(2.25 + 0.5)


def test_votes_that_leave_the_map_are_lost():
    near = np.zeros((1, 1, 4, 4), np.float32)
    near[0, 0, 1, 1], near[0, 0, 2, 2] = 1, 0.5
    offsets = np.zeros((1, 2, 4, 4), np.float32)
    offsets[0, 0, 1, 1] = 100
    keypoints, _ = OffsetCodec(size_wh=(4, 4), stride=1).decode({"near": near, "offsets": offsets})
    assert keypoints[0, 0].tolist() == [2.5, 2.5]


def test_activation_is_a_sigmoid_that_never_overflows():
    logits = np.array([0.0, np.log(3), -1000, 1000]).reshape(1, 1, 1, 4)
    with np.errstate(all="raise"):
        near = OffsetCodec(size_wh=(4, 1), stride=1).activate({"near": logits, "offsets": np.zeros((1, 2, 1, 4))})
    assert near["near"].ravel().tolist() == pytest.approx([0.5, 0.75, 0, 1])


def test_a_disc_smaller_than_a_cell_is_refused():
    with pytest.raises(RecipeError, match=r"at least 1 cell, got 0\.5"):
        OffsetCodec(size_wh=(16, 16), stride=4, radius=0.5)
