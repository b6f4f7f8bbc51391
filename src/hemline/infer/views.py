"""Views: several crops of one photo, and how what a network says of each becomes one answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hemline.geometry import Box, apply_affine, crop_affine, invert_affine, warp_maps

View = tuple[float, float, float]
"""The place of a crop's centre as shares of the photo's width and height, and its zoom; 1 shows the whole photo."""

WHOLE: View = (0.5, 0.5, 1.0)

EDGE = 1 / 32
"""A point found this near to the edge of a crop, as a share of its side, may lie outside of it."""

EDGE_WEIGHT = 1e-6
"""The weight of a view that does not count: none, unless no other view has the point."""


def view_affine(box: Box, view: View, rotation: float, *, size: int) -> np.ndarray:
    """Build the map from the photo to one view's crop.

    Args:
        box: the part of the photo that counts as the whole.
        view: of this box.
        rotation: degrees, clockwise as seen on the image, about the view's centre.
        size: side of the crop.
    Returns:
        (2, 3) float64.
    """
    x, y, zoom = view
    left, top, right, bottom = box
    across, down = (x - 0.5) * (right - left), (y - 0.5) * (bottom - top)
    moved = (left + across, top + down, right + across, bottom + down)
    return crop_affine(moved, (size, size), scale=zoom, rotation=rotation)


def view_weights(points: np.ndarray, scores: np.ndarray, affines: np.ndarray, box: Box, *, size: int) -> np.ndarray:
    """Weigh the points that views of one photo found by whether they can lie in the view.

    A network has to answer for points outside its crop, too, and then points to the edge, or to something like them.
    So a view of a part of the photo does not count for points that it finds at its edge, or that the views of the
    whole photo find at its edge or beyond.

    Args:
        points: (M, K, 2) on the photo.
        scores: (M, K).
        affines: (M, 2, 3) photo to crop of each view.
        box: of the photo, as for `view_affine`.
        size: side of the crop.
    Returns:
        (M, K) 1, or EDGE_WEIGHT where a view does not count.
    """
    left, top, right, bottom = box
    corners = np.array([[left, top], [right, top], [left, bottom], [right, bottom]])
    whole = np.array([_inside(apply_affine(affine, corners), size, margin=-1e-6).all() for affine in affines])
    weights = np.ones(scores.shape)
    for view, affine in enumerate(affines):
        if whole[view]:
            continue
        inside = _inside(apply_affine(affine, points[view]), size, margin=EDGE * size)
        if whole.any():
            expected, seen = merge_points(points[whole], scores[whole], weights[whole])  # (K, 2), (K,)
            inside &= _inside(apply_affine(affine, expected), size, margin=EDGE * size) | (seen == 0)
        weights[view] = np.where(inside, 1.0, EDGE_WEIGHT)
    return weights


def _inside(points_crop: np.ndarray, size: int, *, margin: float) -> np.ndarray:
    """Tell which points (..., 2) are further than `margin` inside a crop."""
    inside: np.ndarray = np.all((points_crop >= margin) & (points_crop <= size - margin), axis=-1)
    return inside


def merge_maps(
    maps: Sequence[np.ndarray], affines: Sequence[np.ndarray], reference: np.ndarray, *, stride: int, combine: str
) -> np.ndarray:
    """Bring the maps of several views of one photo into the grid of one view, and combine them.

    Args:
        maps: (K, h, w) float32 of each view, not negative.
        affines: (2, 3) photo to crop of each view.
        reference: photo to the crop whose grid is wanted.
        stride: crop pixels per cell.
        combine: "mean" over the views that show a cell, or "max".
    Returns:
        (K, h, w) float32; 0 where no view shows a cell.
    Edge cases: a peak across the edge of a view that does not see it may move by up to a cell, since its cells are
    averaged over fewer views on one side.
    """
    _, height, width = maps[0].shape
    cells_of_crop = np.array([[stride, 0, 0], [0, stride, 0], [0, 0, 1.0]])
    total, count = np.zeros_like(maps[0]), np.zeros((height, width), np.float32)
    for values, affine in zip(maps, affines, strict=True):
        to_photo = np.vstack([invert_affine(affine), [0, 0, 1]]) @ cells_of_crop
        moved, covered = warp_maps(values, np.diag([1 / stride, 1 / stride]) @ reference @ to_photo, (width, height))
        moved = np.maximum(moved, 0) * covered  # a bicubic curve dips below 0 beside a peak
        total = np.maximum(total, moved) if combine == "max" else total + moved
        count += covered
    return total if combine == "max" else total / np.maximum(count, 1)


def merge_points(
    points: np.ndarray, scores: np.ndarray, weights: np.ndarray, *, combine: str = "mean"
) -> tuple[np.ndarray, np.ndarray]:
    """Average the points that several views or networks found.

    Args:
        points: (M, ..., 2) photo coordinates.
        scores: (M, ...) in [0, 1].
        weights: (M, ...) not negative; a point counts as its score times its weight.
        combine: "mean", or "max" for the point that counts most.
    Returns:
        (..., 2) points and (...) scores, averaged alike.
    Edge cases: where nothing counts, the plain average, with score 0.
    """
    counts = scores * weights
    if combine == "max":
        counts = counts * (counts == counts.max(0))
    found = counts.sum(0) > 0
    counts = np.where(found, counts, 1.0)
    shares = counts / counts.sum(0)
    return (shares[..., None] * points).sum(0), np.where(found, (shares * scores).sum(0), 0.0)
