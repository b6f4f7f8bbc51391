"""Views: several crops of one photo, and how what a network says of each becomes one answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hemline.geometry import apply_affine, crop_affine, invert_affine, warp_maps
from hemline.infer.finder import Box

View = tuple[float, float, float]
"""The place of a crop's centre as shares of the photo's width and height, and its zoom; 1 shows the whole photo."""

WHOLE: View = (0.5, 0.5, 1.0)

EDGE = 1 / 32
"""A point found this near to the edge of a crop, as a share of its side, may lie outside of it."""

EDGE_WEIGHT = 1e-6
"""The weight of such a point where the crop shows a part of the photo: none, unless no other view has the point."""


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


def edge_weights(points_crop: np.ndarray, box: Box, affine: np.ndarray, *, size: int) -> np.ndarray:
    """Weigh points by whether they can be trusted to lie in the crop.

    A network has to answer for points outside its crop, too, and then often points to the edge.

    Args:
        points_crop: (K, 2) crop pixels.
        box: of the photo, as for `view_affine`.
        affine: photo to crop.
        size: side of the crop.
    Returns:
        (K,) 1, or EDGE_WEIGHT for a point at the edge of a crop that does not show the whole box.
    """
    left, top, right, bottom = box
    corners = apply_affine(affine, np.array([[left, top], [right, top], [left, bottom], [right, bottom]]))
    if (corners > -1e-6).all() and (corners < size + 1e-6).all():
        return np.ones(len(points_crop))
    margin = EDGE * size
    at_edge = ((points_crop < margin) | (points_crop > size - margin)).any(1)
    return np.where(at_edge, EDGE_WEIGHT, 1.0)


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
