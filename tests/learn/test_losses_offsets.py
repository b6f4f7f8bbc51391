"""Losses of near masks and offsets; expected values are worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from hemline.learn.losses import near_bce, offset_huber


def row(*values: float) -> torch.Tensor:
    """One garment, one keypoint, one row of cells."""
    return torch.tensor(values, dtype=torch.float64)[None, None, None, :]


@pytest.mark.parametrize(
    ("logits", "near", "expected"),
    [
        ([0, 0], [1, 0], 2 * math.log(2)),  # two cells at 50 %, one of them the disc's
        ([0, 0, 0, 0], [1, 1, 0, 0], 2 * math.log(2)),  # map and disc twice as large: the same
        ([math.log(3), -math.log(3)], [1, 0], 2 * math.log(4 / 3)),  # two cells at 75 %
        ([-math.log(3), -math.log(3)], [1, 0], math.log(4) + math.log(4 / 3)),
        ([50, -50], [1, 0], 0),
    ],
)
def test_near_bce_is_per_cell_of_the_disc(logits, near, expected):
    values, weights = near_bce({"near": row(*logits)}, {"near": row(*near)}, torch.ones(1, 1))
    assert values.tolist() == [[pytest.approx(expected, abs=1e-12)]]
    assert weights.tolist() == [[1]]


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ([0.5, 0.0], [0.0, 0.0], 0.0),
        ([0.5, 9.0], [0.0, -9.0], 0.0),  # outside the disc nothing counts
        ([1.5, 0.0], [0.0, 0.0], 0.95),  # linear: 1 - 0.1 / 2
        ([0.55, 0.0], [0.0, 0.0], 0.0125),  # quadratic: 0.05^2 / (2 * 0.1)
        ([1.5, 0.0], [1.0, 0.0], 1.9),  # both axes add up
    ],
)
def test_offset_huber_counts_inside_the_disc(x, y, expected):
    output = {"offsets": torch.cat([row(*x), row(*y)], 1)}
    target = {"offsets": torch.cat([row(0.5, 0.0), row(0.0, 0.0)], 1), "near": row(1, 0)}
    values, _ = offset_huber(output, target, torch.ones(1, 1))
    assert values.tolist() == [[pytest.approx(expected, abs=1e-12)]]


def test_offset_huber_is_the_mean_over_the_disc():
    output = {"offsets": torch.cat([row(1, 3, 7), row(0, 0, 0)], 1)}
    target = {"offsets": torch.zeros(1, 2, 1, 3, dtype=torch.float64), "near": row(1, 1, 0)}
    assert offset_huber(output, target, torch.ones(1, 1))[0].item() == pytest.approx((0.95 + 2.95) / 2)


def test_offsets_have_all_x_before_all_y():
    """Two keypoints; only the first one's y is off."""
    output = {"offsets": torch.tensor([0.0, 0.0, 1.0, 0.0], dtype=torch.float64).view(1, 4, 1, 1)}
    target = {"offsets": torch.zeros(1, 4, 1, 1, dtype=torch.float64), "near": torch.ones(1, 2, 1, 1)}
    assert offset_huber(output, target, torch.ones(1, 2))[0].tolist() == [[pytest.approx(0.95), 0]]


@pytest.mark.parametrize("loss", [near_bce, offset_huber])
def test_gradients_and_absent_points(loss):
    """The gradient is that of finite differences; an absent point's zero maps give finite values."""
    torch.manual_seed(0)
    near = (torch.rand(1, 2, 3, 3, dtype=torch.float64) > 0.5).double()
    near[:, 1] = 0
    target = {"near": near, "offsets": torch.rand(1, 4, 3, 3, dtype=torch.float64) * near.repeat(1, 2, 1, 1)}
    weight = torch.tensor([[1.0, 0.0]], dtype=torch.float64)

    def total(logits: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        values, weights = loss({"near": logits, "offsets": offsets}, target, weight)
        assert values.isfinite().all()
        return (values * weights).sum()

    logits = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    offsets = torch.randn(1, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(total, (logits, offsets))
    total(logits, offsets).backward()
    for gradient in (logits.grad, offsets.grad):
        if gradient is not None:
            assert not gradient.view(1, -1, 2, 3, 3)[:, :, 1].any()
