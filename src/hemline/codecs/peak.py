"""Gaussian profiles, activations, and the place of a peak between the cells."""

from __future__ import annotations

import numpy as np

EPSILON = 1e-12
"""The lowest value that logarithms are taken of."""


def gaussian(length: int, centres: np.ndarray, sigma: float) -> np.ndarray:
    """Sample Gaussians of height 1 at the cells 0 to length - 1.

    Args:
        length: number of cells.
        centres: (N,) cell indices, fractions allowed.
        sigma: standard deviation in cells.
    Returns:
        (N, length) float64.
    """
    return np.exp(-0.5 * ((np.arange(length)[None] - centres[:, None]) / sigma) ** 2)


def softmax(logits: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """Turn logits into beliefs that sum to 1 along `axis`.

    Edge cases: logits with NaN or infinity among them say nothing, so that their beliefs are all equal; minus
    infinity alone is a belief of 0.
    """
    logits = np.where(np.isfinite(logits.max(axis=axis, keepdims=True)), logits, 0)
    weights = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return weights / weights.sum(axis=axis, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Turn logits into probabilities, without overflow. NaN stays."""
    return 0.5 + 0.5 * np.tanh(0.5 * logits)


def vertex(profiles: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """Fit a parabola to the logarithm of three cells about each peak and find its vertex.

    The logarithm of a Gaussian is a parabola, so the vertex is exact. At the border the three cells lie on
    one side, so that a peak outside the outermost cell centre is still found.

    Args:
        profiles: (N, length), not negative.
        peaks: (N,) index of the highest cell of each profile.
    Returns:
        (N,) float64 cell indices, at most one cell from the peak; the peak itself where the logarithms do not
        curve downwards.
    Source: as in DARK (arXiv 1910.06278), without its blur.
    """
    length = profiles.shape[1]
    if length < 3:
        return peaks.astype(np.float64)
    middle = np.clip(peaks, 1, length - 2)
    values = np.take_along_axis(profiles, middle[:, None] + np.array([-1, 0, 1]), axis=1)  # (N, 3)
    before, centre, after = np.log(np.maximum(values.astype(np.float64), EPSILON)).T
    curvature = before - 2 * centre + after
    curved = curvature < -1e-9
    offset = np.where(curved, 0.5 * (before - after) / np.where(curved, curvature, -1.0), 0.0)
    return peaks + np.clip(offset + middle - peaks, -1, 1)
