"""Curves go through their points and bend to the side that they say."""

from __future__ import annotations

import numpy as np
import pytest

from hemline.synth.outline import (
    bow,
    crumple,
    dashes,
    neckline,
    offset_line,
    sleeve_rails,
    strip,
    through,
    tube,
    turn_right,
    wavy_hem,
)

LEFT, RIGHT, FRONT = np.array([10.0, 20.0]), np.array([50.0, 20.0]), np.array([30.0, 45.0])


def test_turn_right_turns_right_into_down() -> None:
    assert turn_right(np.array([1.0, 0.0])).tolist() == [0, 1]
    assert turn_right(np.array([0.0, 1.0])).tolist() == [-1, 0]


def test_bow_sags_down_on_the_way_right() -> None:
    """A sag of 0.1 over 40 pixels is 4 pixels at the middle."""
    arc = bow(LEFT, RIGHT, 0.1)
    assert arc[[0, -1]].tolist() == [[10, 20], [50, 20]]
    assert arc[len(arc) // 2] == pytest.approx([30, 24])


def test_a_leaning_bow_is_deepest_near_one_end() -> None:
    early, late = (bow(LEFT, RIGHT, 0.1, lean=lean) for lean in (-0.8, 0.8))
    assert early[early[:, 1].argmax(), 0] < 30 < late[late[:, 1].argmax(), 0]


def test_through_passes_all_points() -> None:
    points = [LEFT, FRONT, RIGHT]
    for roundness in (0.0, 1.0):
        curve = through(points, roundness=roundness)
        for point in points:
            assert np.hypot(*(curve - point).T).min() < 1e-9
    straight = through(points, roundness=0.0)
    # Without roundness all lies on the two lines: 25 down over 20 right, and back up.
    assert straight[:, 1] == pytest.approx(45 - 1.25 * np.abs(straight[:, 0] - 30))


@pytest.mark.parametrize("kind", ["v", "round", "square", "sweetheart"])
def test_necklines_go_through_corners_and_centre_front(kind: str) -> None:
    curve = neckline(kind, LEFT, FRONT, RIGHT)
    assert curve[0].tolist() == LEFT.tolist()
    assert curve[-1].tolist() == RIGHT.tolist()
    assert np.hypot(*(curve - FRONT).T).min() < 1e-9
    assert curve[:, 1].max() <= 45 + 1.5


def test_round_necklines_are_wider_than_v() -> None:
    """Half-way down, at y = 32, a V of these points is 40 * 13 / 25 = 20.8 wide."""

    def width_at(curve: np.ndarray, y: float) -> float:
        half = len(curve) // 2 + 1
        first = np.interp(y, curve[:half, 1], curve[:half, 0])
        second = np.interp(y, curve[half - 1 :][::-1, 1], curve[half - 1 :][::-1, 0])
        return float(second - first)

    assert width_at(neckline("v", LEFT, FRONT, RIGHT), 32) == pytest.approx(20.8, abs=4)
    assert width_at(neckline("round", LEFT, FRONT, RIGHT), 32) > 30


def test_wavy_hem_keeps_its_ends() -> None:
    hem = wavy_hem(np.random.default_rng(0), LEFT, RIGHT, 0.0, waves=4, depth=0.03)
    assert hem[[0, -1]].tolist() == [[10, 20], [50, 20]]
    assert np.ptp(hem[:, 1]) > 1


def test_crumpled_lines_waver_but_keep_their_ends() -> None:
    line = bow(LEFT, RIGHT, 0.0)
    crumpled = crumple(np.random.default_rng(0), line, 2.0)
    assert crumpled[[0, -1]].tolist() == line[[0, -1]].tolist()
    assert 0.5 < np.abs(crumpled - line).max() < 8
    assert crumple(np.random.default_rng(0), line, 0.0).tolist() == line.tolist()


@pytest.mark.parametrize("side", [-1, 1])
def test_sleeves_end_at_the_corners_of_the_cuff(side: int) -> None:
    shoulder, armpit = np.array([side * 30.0, 0]), np.array([side * 28.0, 25])
    inner, outer = np.array([side * 35.0, 80]), np.array([side * 50.0, 78])
    top, underside = sleeve_rails(shoulder, armpit, inner, outer, side=side, slack=0.0)
    assert (top[0].tolist(), top[-1].tolist()) == (shoulder.tolist(), outer.tolist())
    assert (underside[0].tolist(), underside[-1].tolist()) == (armpit.tolist(), inner.tolist())
    assert (side * (top - underside)[1:, 0] > 0).all()  # the top edge is further out all the way


def test_a_raised_forearm_bends_the_sleeve() -> None:
    """The cuff lies beside the shoulder and faces up: the sleeve first goes down, to an elbow below both."""
    shoulder, armpit = np.array([30.0, 0]), np.array([28.0, 20])
    outer, inner = (
        np.array([52.0, 10.0]),
        np.array([70.0, 10.0]),
    )  # a right sleeve that faces up: inner is further right
    top, underside = sleeve_rails(shoulder, armpit, inner, outer, side=1, slack=0.0)
    assert np.concatenate([top, underside])[:, 1].max() > 25


def test_strips_and_tubes_have_one_quadrilateral_per_step() -> None:
    path = np.array([[0.0, 0], [10, 0], [20, 0]])
    quads = tube(path, np.array([4.0, 4, 4]))
    assert len(quads) == len(strip(path, path + 1)) == 2
    assert np.ptp(np.concatenate(quads), axis=0).tolist() == [20, 4]


def test_dashes_cover_half_of_a_line() -> None:
    stitches = dashes(np.array([[0.0, 0], [40, 0]]), 8.0)
    assert [stitch[:, 0].tolist() for stitch in stitches] == [[0, 4], [8, 12], [16, 20], [24, 28], [32, 36]]


def test_offset_line_moves_to_the_right_of_the_way() -> None:
    assert offset_line(np.array([[0.0, 0], [10, 0]]), 3.0).tolist() == [[0, 3], [10, 3]]
