"""Losses of heatmaps beyond the plain squared error: emphasis, logits, mean places.

Expected values are worked out by hand.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hemline.codecs import build_codec
from hemline.learn.losses import LOSSES, total_loss

pytestmark = pytest.mark.usefixtures("one_thread")

LOG_2, LOG_3 = math.log(2), math.log(3)  # the sigmoid of LOG_3 is 3/4


def heatmap(*rows: list[float]) -> torch.Tensor:
    """One garment, one keypoint, a map of the given rows."""
    return torch.tensor(rows, dtype=torch.float64)[None, None]


def judge(name: str, output: torch.Tensor, target: torch.Tensor, *, key: str = "heatmaps") -> float:
    values, weights = LOSSES[name]({"heatmaps": output}, {key: target}, torch.full((1, 1), 0.5))
    assert values.shape == (1, 1)
    assert weights.tolist() == [[0.5]]
    return float(values)


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        ([1, 0.5], [1, 0.5], 0),
        ([0, 0], [1, 0.5], 1),
        ([1, 1], [1, 0], 1 / 11),  # an empty cell counts 1, the top of a peak 11
        ([0, 1], [1, 0], 12 / 11),
        ([1, 1], [1, 0.5], 0.12),  # half the height counts 6: 6 * 0.25 of 11 + 6 * 0.25
    ],
)
def test_weighted_cells_count_by_their_target(predicted, truth, expected):
    assert judge("heatmap_weighted", heatmap(predicted), heatmap(truth)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        ([1, 0.5, 0.05, 0], [1, 0.5, 0.05, 0], 0),
        ([0, 0, 0, 0], [1, 0.5, 0.05, 0], 1),
        ([1, 1, 0, 0], [1, 0, 0, 0], 1 / 3),  # one of three empty cells
        ([1, 1, 1, 1], [1, 0, 0, 0], 1),  # the mean over the empty cells is that over the peak
        ([0, 1, 0, 0], [1, 0, 0, 0], 4 / 3),
        # Halves of two cells each: an error of 1 costs 1/2 over (1 + 0.2^2) / 2 + (0.05^2) / 2 = 0.52125 anywhere.
        ([1, 1.2, 0.05, 0], [1, 0.2, 0.05, 0], 0.5 / 0.52125),
        ([1, 0.2, 1.05, 0], [1, 0.2, 0.05, 0], 0.5 / 0.52125),
        # 10 % of this peak's own height: the second cell is above. 0.25 / 2 over (0.25 + 0.06^2) / 2.
        ([0, 0.06, 0, 0], [0.5, 0.06, 0, 0], 0.125 / 0.1268),
    ],
)
def test_posneg_halves_the_weight(predicted, truth, expected):
    assert judge("heatmap_posneg", heatmap(predicted), heatmap(truth)) == pytest.approx(expected, abs=1e-12)


def test_posneg_does_not_depend_on_how_much_of_the_map_is_empty():
    """Ten times the empty cells, with as many of them wrong in ten, cost the same; the plain error is tenfold."""
    predicted, truth = [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]
    wide, empty = [0.0] + 10 * [1.0, 0.0], [1.0] + 20 * [0.0]
    assert judge("heatmap_posneg", heatmap(predicted), heatmap(truth)) == pytest.approx(1.5)
    assert judge("heatmap_posneg", heatmap(wide), heatmap(empty)) == pytest.approx(1.5)
    assert judge("heatmap_mse", heatmap(wide), heatmap(empty)) == pytest.approx(11)


@pytest.mark.parametrize(
    ("logits", "truth", "expected"),
    [
        ([50, -50], [1, 0], 0),
        ([0, 0], [1, 0], 2 * LOG_2),
        ([0, 0, 0, 0], [1, 1, 0, 0], 2 * LOG_2),  # map and disc twice as large: the same
        ([LOG_3, -LOG_3], [1, 0], 2 * math.log(4 / 3)),
        ([50, 0], [1, 0.5], 0),  # the target's entropy is off
        ([50, LOG_3], [1, 0.5], math.log(4 / 3) / 2 / 1.5),  # 3/4 for 1/2: log(4/3) / 2; the peak sums to 1.5
        ([LOG_3], [0.5], math.log(4 / 3) / 2),  # less than a cell counts as one
    ],
)
def test_bce_is_per_cell_of_the_disc(logits, truth, expected):
    assert judge("heatmap_bce", heatmap(logits), heatmap(truth)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("logits", "truth", "expected"),
    [
        ([50, -50], [1, 0], 0),
        ([0, 0], [1, 0], LOG_2 / 2),  # each a quarter of its cross entropy
        ([0, 0, 0, 0], [1, 1, 0, 0], LOG_2 / 2),
        ([LOG_3, -LOG_3], [1, 0], math.log(4 / 3) / 8),  # each a sixteenth
        ([50, 0], [1, 0.5], 0),
        # 3/4 for 1/2: a sixteenth of (log 4/3 + log 4) / 2; the peak sums to 1.5.
        ([50, LOG_3], [1, 0.5], math.log(16 / 3) / 32 / 1.5),
        ([LOG_3], [0.5], math.log(16 / 3) / 32),  # less than a cell counts as one
    ],
)
def test_focal_counts_what_is_wrong(logits, truth, expected):
    assert judge("heatmap_focal", heatmap(logits), heatmap(truth)) == pytest.approx(expected, abs=1e-12)


def test_focal_turns_to_the_cells_that_are_wrong():
    """A hundred empty cells at 10 % outweigh a missed peak in the cross entropy, and not in the focal loss."""
    truth = heatmap([1.0] + 100 * [0.0])
    nearly = -math.log(9)  # the sigmoid is 1/10
    missed, unsure = heatmap([nearly] + 100 * [-50.0]), heatmap([50.0] + 100 * [nearly])
    assert judge("heatmap_bce", unsure, truth) == pytest.approx(100 * math.log(10 / 9))
    assert judge("heatmap_bce", missed, truth) == pytest.approx(math.log(10))
    assert judge("heatmap_focal", unsure, truth) == pytest.approx(math.log(10 / 9))
    assert judge("heatmap_focal", missed, truth) == pytest.approx(0.81 * math.log(10))


@pytest.mark.parametrize("name", ["heatmap_bce", "heatmap_focal"])
def test_logits_of_any_size_are_judged(name):
    """Of no size is the sigmoid's logarithm infinite; the gradient still shows the way."""
    logits = heatmap([-200.0, 200.0]).requires_grad_()
    values, _ = LOSSES[name]({"heatmaps": logits}, {"heatmaps": heatmap([1.0, 0.0])}, torch.ones(1, 1))
    assert values.item() == pytest.approx(400)
    values.sum().backward()
    assert logits.grad is not None
    assert logits.grad.flatten().tolist() == pytest.approx([-1, 1])


@pytest.mark.parametrize(
    ("logits", "coordinates", "expected"),
    [
        (heatmap([0, 0, 0, 0]), [0.5, 0.5], 0),  # a flat map has its mean in the centre
        (heatmap([7, 7, 7, 7]), [0.5, 0.5], 0),  # a constant on all logits changes nothing
        (heatmap([0, 0, 0, 0]), [0.25, 0.5], 0.25),
        (heatmap([0, LOG_3]), [0.625, 0.5], 0),  # a quarter at 1/4, three quarters at 3/4
        (heatmap([0], [LOG_3]), [0.5, 0.625], 0),
        (heatmap([0, LOG_3]), [0.5, 0.75], 0.375),  # 1/8 along x plus 1/4 along y
        (heatmap([-99, -99, -99, -99], [99, -99, -99, -99]), [0.125, 0.75], 0),  # x is along the four columns
        (heatmap([99, -99, -99, -99]), [0, 0.5], 0.125),  # of the outer edge half a cell remains
    ],
)
def test_integral_is_the_distance_of_the_mean(logits, coordinates, expected):
    truth = torch.tensor([[coordinates]], dtype=torch.float64)
    assert judge("integral_l1", logits, truth, key="coordinates") == pytest.approx(expected, abs=1e-12)


def test_integral_agrees_with_the_belief_of_the_codec():
    """Away from the edge the best belief of the cross entropy has its mean at the point: the two may be added."""
    points = np.array([[101.3, 140.7], [64.0, 200.9]])
    belief = build_codec("belief", size_wh=(256, 256), stride=4).encode(points, np.ones(2))["heatmaps"]
    heatmaps = torch.from_numpy(belief)[None]
    output = {"heatmaps": heatmaps.clamp_min(1e-30).log()}
    target = {"heatmaps": heatmaps, "coordinates": torch.from_numpy(points[None] / 256).float()}
    both = [("softmax_cross_entropy", 1.0), ("integral_l1", 10.0)]
    assert total_loss([output], target, torch.ones(1, 2), terms=both)[0].item() == pytest.approx(0, abs=1e-4)
    moved = {"heatmaps": output["heatmaps"].roll(1, 3)}  # one cell, 1/64 of the crop
    alone = total_loss([moved], target, torch.ones(1, 2), terms=both[:1])[0].item()
    beside = total_loss([moved], target, torch.ones(1, 2), terms=both)[0].item()
    assert beside - alone == pytest.approx(10 / 64, abs=1e-3)


def test_integral_weighs_garments_by_their_width():
    """The "distance weight" of a garment is its weight; errors of 1/4 and 1/8 with 3 and 1."""
    output = {"heatmaps": torch.zeros(2, 1, 1, 4)}
    target = {"coordinates": torch.tensor([[[0.25, 0.5]], [[0.375, 0.5]]])}
    loss, garments = total_loss([output], target, torch.tensor([[3.0], [1.0]]), terms=[("integral_l1", 1.0)])
    assert loss.item() == pytest.approx((3 / 4 + 1 / 8) / 4)
    assert garments.tolist() == pytest.approx([1 / 4, 1 / 8])
