"""How often each garment is seen: weights for balance, rare keypoints and hard garments, and the drawing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hemline.annotation import ABSENT, AnnotationTable
from hemline.garments import INDEX


def row_weights(table: AnnotationTable, *, balance: bool, repeat: Mapping[str, float]) -> np.ndarray:
    """Weigh garments by category and by what they show.

    Args:
        table: the training data.
        balance: give each category the same total weight, whatever else.
        repeat: weights of garments that have a keypoint, visible or occluded, by its name; of several the largest.
    Returns:
        (N,) float64 above 0; a garment with none of these keypoints has 1.
    """
    weights = np.zeros(len(table))
    for keypoint, factor in repeat.items():
        present = table.points[:, INDEX[keypoint], 2] != ABSENT
        weights[present] = np.maximum(weights[present], factor)
    weights[weights == 0] = 1.0
    if balance:
        categories = np.array(table.categories)
        for category in set(table.categories):
            weights[categories == category] /= weights[categories == category].sum()
    return weights


def hard_weights(losses: np.ndarray, *, share: float, factor: float) -> np.ndarray:
    """Weigh the garments with the highest losses.

    Args:
        losses: (N,) float; 0 for garments that were not seen yet, which are not hard.
        share: of all garments.
        factor: the weight of the hard ones; the others have 1.
    Returns:
        (N,) float64.
    """
    weights = np.ones(len(losses))
    hardest = np.argsort(-losses, kind="stable")[: round(share * len(losses))]
    weights[hardest[losses[hardest] > 0]] = factor
    return weights


def draw_rows(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw as many rows as there are, in proportion to their weights.

    Systematic: a row whose share is 2.3 is drawn two or three times, and never otherwise, so that equal weights draw
    every row once.

    Args:
        weights: (N,) float, above 0.
    Returns:
        (N,) row numbers, ascending.
    """
    count = len(weights)
    ends = np.cumsum(weights) * (count / weights.sum())
    return np.minimum(np.searchsorted(ends, np.arange(count) + rng.random(), side="right"), count - 1)
