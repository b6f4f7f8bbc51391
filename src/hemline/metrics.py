"""How far predicted points are from true ones: the normalised error of FashionAI, PCK, and an interval.

All of it rests on `point_errors`, one number per point that counts:

    errors = point_errors(prediction, truth, categories=categories)
    mean_error(errors), pck(errors), bootstrap_interval(errors)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from hemline.annotation import ABSENT, VISIBLE, category_index, category_mask
from hemline.errors import DataError, ShapeError
from hemline.garments import CATEGORIES, NORMALIZER, NUM_KEYPOINTS

PCK_THRESHOLDS: tuple[float, ...] = (1, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 50)
"""Errors, in percent of the normaliser, at which the PCK curve is read."""

_NORMALIZERS = np.array([NORMALIZER[name] for name in CATEGORIES])

_MOST_UNITS = 1000  # resampled by the bootstrap; the interval's width is then good to 1 / sqrt(2 * 1000) = 2 %


def ne(
    prediction: np.ndarray,
    truth: np.ndarray,
    *,
    categories: Sequence[str],
    absent_normalizer: Literal["skip"] | float = "skip",
) -> float:
    """Compute the normalised error: distance over the garment's own width, pooled over all visible points.

    Args:
        prediction: (N, 24, 2) float, photo pixels.
        truth: (N, 24, 3) float: x, y, visibility in {1, 0, -1}.
        categories: the N categories.
        absent_normalizer: see `point_errors`.
    Returns:
        percent; NaN when no point counts.
    Raises:
        ShapeError, DataError: see `point_errors`.
    Source: FashionAI 2018 rules; what counts is in `point_errors`.
    """
    return mean_error(point_errors(prediction, truth, categories=categories, absent_normalizer=absent_normalizer))


def point_errors(
    prediction: np.ndarray,
    truth: np.ndarray,
    *,
    categories: Sequence[str],
    absent_normalizer: Literal["skip"] | float = "skip",
) -> np.ndarray:
    """Compute the normalised error of each point.

    Args:
        prediction: (N, 24, 2) float, photo pixels. What is predicted for points that do not count is ignored.
        truth: (N, 24, 3) float: x, y, visibility in {1, 0, -1}.
        categories: the N categories.
        absent_normalizer: "skip" leaves out garments whose normaliser is absent; a number is the length in
            pixels to use for them.
    Returns:
        (N, 24) float64, percent of the normaliser; NaN for each point that does not count. Those that count
        are the visible (v = 1) true points of the garment's category.
    Raises:
        ShapeError: the two do not describe the same garments.
        DataError: an unknown category, a predicted point that counts but is not finite, or an
            `absent_normalizer` that is no length.
    Edge cases: a prediction has no visibility; a point that its author calls absent counts where it lies, as
        with the official scorer, so a missing point written (-1, -1) is a large error and never vanishes.
    Source: FashionAI 2018 rules. Differs: the organisers never documented absent normalisers.
    """
    count = len(categories)
    if prediction.shape != (count, NUM_KEYPOINTS, 2) or truth.shape != (count, NUM_KEYPOINTS, 3):
        raise ShapeError(
            f"{count} categories, prediction {prediction.shape} and truth {truth.shape}: "
            f"expected ({count}, {NUM_KEYPOINTS}, 2) and ({count}, {NUM_KEYPOINTS}, 3)"
        )
    lengths = normalizer_lengths(truth, categories=categories)
    if absent_normalizer != "skip":
        if not (isinstance(absent_normalizer, int | float) and 0 < absent_normalizer < np.inf):
            raise DataError(f"absent normalizer '{absent_normalizer}': expected 'skip' or a length in pixels above 0")
        lengths = np.where(np.isnan(lengths), absent_normalizer, lengths)
    counts = counted_points(truth, categories=categories) & ~np.isnan(lengths)[:, None]
    distances = np.hypot(prediction[:, :, 0] - truth[:, :, 0], prediction[:, :, 1] - truth[:, :, 1])
    broken = counts & ~np.isfinite(distances)
    if broken.any():
        raise DataError(f"{broken.sum()} of {counts.sum()} predicted points that count are not finite")
    return np.where(counts, 100.0 * distances / lengths[:, None], np.nan)


def counted_points(truth: np.ndarray, *, categories: Sequence[str]) -> np.ndarray:
    """Tell which true points count where the normaliser is there: visible, and of the garment's category.

    Returns:
        (N, 24) bool.
    """
    counted: np.ndarray = (truth[:, :, 2] == VISIBLE) & category_mask(categories)
    return counted


def normalizer_lengths(truth: np.ndarray, *, categories: Sequence[str]) -> np.ndarray:
    """Measure each garment's own width: armpit to armpit, or waistband end to end.

    The ends may be occluded.

    Args:
        truth: (N, 24, 3) float: x, y, visibility.
        categories: the N categories.
    Returns:
        (N,) float64 pixels; NaN where an end is absent, or both lie on one spot.
    """
    ends = truth[np.arange(len(truth))[:, None], _NORMALIZERS[category_index(categories)]]  # (N, 2 ends, 3)
    offsets = ends[:, 0, :2] - ends[:, 1, :2]
    lengths = np.hypot(offsets[:, 0], offsets[:, 1])
    usable = (ends[:, :, 2] != ABSENT).all(axis=1) & (lengths > 0)
    return np.where(usable, lengths, np.nan)


def mean_error(errors: np.ndarray) -> float:
    """Average errors over the points that count; NaN when there is none."""
    counted = errors[~np.isnan(errors)]
    return float(counted.mean()) if counted.size else float("nan")


def pck(errors: np.ndarray, *, thresholds: Sequence[float] = PCK_THRESHOLDS) -> np.ndarray:
    """Compute the percentage of correct keypoints at several thresholds.

    Args:
        errors: any shape, percent, NaN where a point does not count.
        thresholds: T errors in percent of the normaliser; a point at the threshold is correct.
    Returns:
        (T,) float64, percent of the points that count; NaN when there is none.
    """
    counted = np.sort(errors[~np.isnan(errors)])
    if not counted.size:
        return np.full(len(thresholds), np.nan)
    return 100.0 * np.searchsorted(counted, thresholds, side="right") / counted.size


def bootstrap_interval(
    errors: np.ndarray, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Estimate how far the mean error would move with another draw of garments.

    Garments are resampled, not points: the points of one garment fail together.

    Args:
        errors: (N, 24) float, percent, NaN where a point does not count.
        level: share of the resampled mean errors that the interval holds.
        resamples: how many.
        seed: the same seed and the same order of garments give the same interval.
    Returns:
        low and high, percent; NaN twice when no point counts.
    Source: percentile bootstrap. Differs: more than 1,000 garments are resampled in 1,000 random groups,
        which have the same spread and keep a large test set fast.
    """
    counted = ~np.isnan(errors)
    sums, counts = np.where(counted, errors, 0.0).sum(axis=1), counted.sum(axis=1)
    sums, counts = sums[counts > 0], counts[counts > 0]
    if not sums.size:
        return float("nan"), float("nan")
    random = np.random.default_rng(seed)
    if sums.size > _MOST_UNITS:
        group = random.permutation(sums.size) % _MOST_UNITS
        sums, counts = np.bincount(group, sums), np.bincount(group, counts)
    drawn = random.integers(0, sums.size, (resamples, sums.size), dtype=np.int32)
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)  # (resamples, units) -> (resamples,)
    low, high = np.quantile(means, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)
