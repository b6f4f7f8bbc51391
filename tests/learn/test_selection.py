"""Hard keypoint and hard example mining: which weights are left."""

from __future__ import annotations

import pytest
import torch

from hemline.learn.selection import garment_means, hardest_garments, hardest_keypoints, hardest_of_batch, weighted

VALUES = torch.tensor([[5.0, 1.0, 3.0, 9.0], [1.0, 2.0, 3.0, 4.0]])
WEIGHTS = torch.tensor([[1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]])  # the 9 and 2, 3, 4 are masked


@pytest.mark.parametrize(
    ("amount", "kept"),
    [
        (0, [[1, 1, 1, 0], [1, 0, 0, 0]]),
        (2, [[1, 0, 1, 0], [1, 0, 0, 0]]),
        (9, [[1, 1, 1, 0], [1, 0, 0, 0]]),
        (0.5, [[1, 0, 1, 0], [1, 0, 0, 0]]),  # half of three, rounded up
        (0.1, [[1, 0, 0, 0], [1, 0, 0, 0]]),  # at least one
        (torch.tensor([1.0, 0.0]), [[1, 0, 0, 0], [1, 0, 0, 0]]),
        (torch.tensor([0.0, 1.0]), [[1, 1, 1, 0], [1, 0, 0, 0]]),
    ],
)
def test_hardest_keypoints_of_each_garment(amount, kept):
    assert hardest_keypoints(VALUES, WEIGHTS, amount=amount).tolist() == kept


def test_the_weight_makes_a_keypoint_harder():
    weights = torch.tensor([[0.1, 1.0, 1.0]])
    assert hardest_keypoints(torch.tensor([[9.0, 1.0, 2.0]]), weights, amount=1).tolist() == [[0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("count", "kept"),
    [
        (0, [[1, 1, 1, 0], [1, 0, 0, 0]]),
        (1, [[1, 0, 0, 0], [0, 0, 0, 0]]),
        (2, [[1, 0, 1, 0], [0, 0, 0, 0]]),
        (8, [[1, 1, 1, 0], [1, 0, 0, 0]]),
    ],
)
def test_hardest_keypoints_of_the_batch(count, kept):
    assert hardest_of_batch(VALUES, WEIGHTS, count=count).tolist() == kept


def test_masked_points_are_never_among_the_hardest():
    weights = torch.tensor([[0.0, 1.0, 0.0, 0.0]])
    assert hardest_of_batch(VALUES[:1], weights, count=3).tolist() == weights.tolist()


@pytest.mark.parametrize(
    ("share", "kept"), [(1.0, [1, 1, 0, 1]), (0.6, [1, 0, 0, 1]), (0.34, [1, 0, 0, 1]), (0.3, [1, 0, 0, 0])]
)
def test_hardest_garments(share, kept):
    values = torch.tensor([[5.0, 3.0], [1.0, 1.0], [9.0, 9.0], [0.0, 2.0]])  # means 4, 1, none, 2
    weights = torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0], [0.0, 1.0]])
    assert (hardest_garments(values, weights, share=share).sum(1) > 0).tolist() == [bool(each) for each in kept]


def test_means_leave_out_what_has_no_weight():
    values = torch.tensor([[1.0, torch.inf, 4.0], [1.0, 1.0, 1.0]])
    weights = torch.tensor([[1.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
    assert garment_means(values, weights).tolist() == pytest.approx([2.0, 0.0])
    assert weighted(values, weights).tolist() == [[1.0, 0.0, 2.0], [0.0, 0.0, 0.0]]
