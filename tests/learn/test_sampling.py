"""How often each garment is seen."""

from __future__ import annotations

import numpy as np
import pytest

from hemline.annotation import AnnotationTable
from hemline.garments import INDEX
from hemline.learn.sampling import draw_rows, hard_weights, row_weights


def table(*garments: tuple[str, list[str]]) -> AnnotationTable:
    """Garments by category and the names of the keypoints that they show."""
    points = np.full((len(garments), 24, 3), -1.0)
    for row, (_, keypoints) in enumerate(garments):
        points[row, [INDEX[name] for name in keypoints]] = (10, 10, 0)
    ids = tuple(f"{row}.jpg" for row in range(len(garments)))
    return AnnotationTable(ids, tuple(category for category, _ in garments), points)


GARMENTS = table(
    ("skirt", ["hemline_left"]),
    ("skirt", []),
    ("dress", ["waistline_left", "hemline_left"]),
    ("trousers", ["crotch"]),
)


def test_all_count_the_same_by_default():
    assert row_weights(GARMENTS, balance=False, repeat={}).tolist() == [1, 1, 1, 1]


def test_rare_keypoints_make_a_garment_count_more():
    assert row_weights(GARMENTS, balance=False, repeat={"crotch": 3.0}).tolist() == [1, 1, 1, 3]
    repeat = {"waistline_left": 3.0, "hemline_left": 0.5}
    assert row_weights(GARMENTS, balance=False, repeat=repeat).tolist() == [0.5, 1, 3, 1]


def test_balance_gives_each_category_the_same():
    assert row_weights(GARMENTS, balance=True, repeat={}).tolist() == [0.5, 0.5, 1, 1]
    assert row_weights(GARMENTS, balance=True, repeat={"hemline_left": 3.0}).tolist() == [0.75, 0.25, 1, 1]


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, [1, 1, 1, 1]), (0.25, [1, 1, 4, 1]), (0.5, [4, 1, 4, 1]), (0.99, [4, 1, 4, 1])]
)
def test_hard_garments_count_more_once_they_were_seen(share, expected):
    losses = np.array([2.0, 0.0, 3.0, 0.0])  # two were not seen yet
    assert hard_weights(losses, share=share, factor=4.0).tolist() == expected


def test_equal_weights_draw_every_row_once():
    for seed in range(20):
        drawn = draw_rows(np.full(1000, 0.1), np.random.default_rng(seed))
        assert drawn.tolist() == list(range(1000))


def test_rows_are_drawn_in_proportion():
    weights = np.array([1.0, 3.0, 0.5, 0.5])  # shares of four draws: 0.8, 2.4, 0.4, 0.4
    counts = np.zeros(4)
    for seed in range(2000):
        each = np.bincount(draw_rows(weights, np.random.default_rng(seed)), minlength=4)
        assert each.sum() == 4
        assert each[1] in (2, 3)
        counts += each
    assert counts / 2000 == pytest.approx([0.8, 2.4, 0.4, 0.4], abs=0.05)
