"""Which points and garments of a batch count: online hard keypoint and hard example mining.

Each function takes a loss's values and weights, both (B, N), and returns weights of which some are 0.
"""

from __future__ import annotations

import torch
from torch import Tensor


def hardest_keypoints(values: Tensor, weights: Tensor, *, amount: Tensor | float) -> Tensor:
    """Keep each garment's hardest keypoints (OHKM).

    Args:
        values, weights: (B, N).
        amount: for all garments, or (B,) for each: from 1 how many to keep, rounded; below 1 which share of the
            weighted ones, at least one; 0 keeps all.
    Returns:
        (B, N) weights.
    Source: CPN (arXiv 1711.07319), k = 8 of 17. Differs: garments have between 4 and 15 points, so the mean runs over
        the kept points of the batch instead of a fixed k.
    """
    amount = torch.as_tensor(amount, dtype=values.dtype, device=values.device).expand(len(values))
    if not amount.any():
        return weights
    present = (weights > 0).sum(1)  # (B,)
    count = torch.where(amount < 1, (amount * present).ceil(), amount.round())
    count = torch.where(amount > 0, count, present)
    rank = _hardness(values, weights).argsort(1, descending=True).argsort(1)  # (B, N), 0 for the hardest
    return weights * (rank < count[:, None])


def hardest_of_batch(values: Tensor, weights: Tensor, *, count: int) -> Tensor:
    """Keep the hardest keypoints of the whole batch, whichever garments they belong to.

    Args:
        values, weights: (B, N).
        count: how many to keep; 0 keeps all.
    Returns:
        (B, N) weights.
    Source: the winner of FashionAI 2018 kept 4 B of a batch of B.
    """
    if not 0 < count < weights.numel():
        return weights
    kept = torch.zeros(weights.numel(), dtype=weights.dtype, device=weights.device)
    kept[_hardness(values, weights).flatten().topk(count).indices] = 1.0
    return weights * kept.view_as(weights)


def hardest_garments(values: Tensor, weights: Tensor, *, share: float) -> Tensor:
    """Keep the garments with the highest mean loss (OHEM).

    Args:
        values, weights: (B, N).
        share: of the garments with any weight, rounded up; 1 keeps all.
    Returns:
        (B, N) weights.
    Source: Shrivastava et al. 2016 (arXiv 1604.03540). Differs: whole garments instead of regions.
    """
    if share >= 1:
        return weights
    means = garment_means(values.detach(), weights).masked_fill(~(weights > 0).any(1), -1.0)
    count = ((means >= 0).sum() * share).ceil()
    rank = means.argsort(descending=True).argsort()
    return weights * (rank < count)[:, None]


def garment_means(values: Tensor, weights: Tensor) -> Tensor:
    """Average each garment's values (B, N) by their weights; (B,), 0 for garments without any."""
    return weighted(values, weights).sum(1) / weights.sum(1).clamp_min(1e-6)


def weighted(values: Tensor, weights: Tensor) -> Tensor:
    """Multiply; a value without weight may be infinite, and 0 times infinity must not reach a sum."""
    return torch.where(weights > 0, values * weights, 0.0)


def _hardness(values: Tensor, weights: Tensor) -> Tensor:
    return (values.detach() * weights).masked_fill(weights <= 0, -1.0)
