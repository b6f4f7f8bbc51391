"""The pixel rule, and everything that moves points or pixels.

Coordinates are continuous (x, y), x right, y down, origin at the outer corner of the top-left pixel:
pixel i covers [i, i + 1) and its centre is i + 0.5 (Heckbert 1990; detectron2 follows it too). A photo
W wide has x in [0, W]. Cell j of a map with stride s is centred at (j + 0.5) * s in the crop.

An affine map is a (2, 3) float64 matrix that takes continuous photo coordinates to continuous crop
coordinates. OpenCV's warps count from pixel centres; the half pixel is added in `warp`, nowhere else.
"""

from __future__ import annotations

import cv2
import numpy as np

LEAST_BOX = 2.0
"""Least width and height before its margin, in pixels, of a box that detectors learn and are judged by."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""

PAD_VALUE = 114
"""Grey that fills a crop where there is no photo."""


def apply_affine(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Move points through an affine map.

    Args:
        matrix: (2, 3) float.
        points: (..., 2) float.
    Returns:
        (..., 2) float64.
    """
    moved: np.ndarray = points @ matrix[:, :2].T + matrix[:, 2]
    return moved


def invert_affine(matrix: np.ndarray) -> np.ndarray:
    """Return the (2, 3) map that undoes `matrix`."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def crop_affine(
    box_xyxy: np.ndarray | Box,
    size_wh: tuple[int, int],
    *,
    scale: float = 1.0,
    aspect: float = 1.0,
    rotation: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
    flip: bool = False,
) -> np.ndarray:
    """Build the one map from the photo to the crop: crop, aspect, scale, rotation, shift and flip together.

    The box, stretched by `aspect`, is fitted whole into the crop, its centre at the crop's centre.

    Args:
        box_xyxy: left, top, right, bottom in photo coordinates; must have an area.
        size_wh: width and height of the crop, pixels.
        scale: zoom on top of the fit; 2 shows half of the box.
        aspect: stretch of the photo's width against its height; 2 makes a circle twice as wide as high.
        rotation: degrees, clockwise as seen on the image, about the crop's centre.
        shift: how far the content moves, as a share of the crop's width and height.
        flip: mirror left and right last. The caller swaps the keypoint pairs.
    Returns:
        (2, 3) float64.
    """
    left, top, right, bottom = (float(value) for value in box_xyxy)
    width, height = size_wh
    stretch = np.array([np.sqrt(aspect), 1 / np.sqrt(aspect)])  # keeps areas
    zoom = scale * min(width / ((right - left) * stretch[0]), height / ((bottom - top) * stretch[1]))
    angle = np.deg2rad(rotation)
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]]) * stretch
    box_centre = np.array([(left + right) / 2, (top + bottom) / 2])
    crop_centre = np.array([width * (0.5 + shift[0]), height * (0.5 + shift[1])])
    matrix = np.column_stack([linear, crop_centre - linear @ box_centre])
    if flip:
        matrix[0] = -matrix[0]
        matrix[0, 2] += width
    return matrix


def warp(image: np.ndarray, matrix: np.ndarray, size_wh: tuple[int, int], *, pad_value: int = PAD_VALUE) -> np.ndarray:
    """Resample a photo into a crop through an affine map.

    Bilinear; a photo that shrinks to half or less is first averaged down by a whole factor, so that
    fine texture does not alias.

    Args:
        image: (H, W, 3) or (H, W) uint8.
        matrix: (2, 3) photo to crop, continuous coordinates.
        size_wh: width and height of the crop.
        pad_value: fills what lies outside the photo.
    Returns:
        (height, width, 3) or (height, width) uint8.
    """
    zoom = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    reduce = int(1 / zoom + 1e-6) if zoom > 0 else 1  # 1 / zoom of an exact eighth may be 7.999...
    height, width = image.shape[:2]
    reduce = min(reduce, height, width)
    if reduce >= 2:
        reduced_wh = (-(-width // reduce), -(-height // reduce))
        image = cv2.resize(image, reduced_wh, interpolation=cv2.INTER_AREA)
        matrix = matrix * np.array([width / reduced_wh[0], height / reduced_wh[1], 1.0])
    return cv2.warpAffine(
        image,
        _from_centres(matrix),
        size_wh,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(pad_value, pad_value, pad_value),
    )


def photo_box(size_wh: tuple[int, int]) -> Box:
    """Return the box (left, top, right, bottom) that is the whole photo."""
    return 0.0, 0.0, float(size_wh[0]), float(size_wh[1])


def points_box(points: np.ndarray, *, margin: float, least: float = 0.0) -> Box:
    """Find the box of a garment: that of its points and some room. Training and test, detectors and crops all use it.

    Args:
        points: (N, 2) the points that it has (visibility 1 or 0, never -1), N of 1 or more.
        margin: room on each side, as a share of the longer side of the points' own box.
        least: smallest width and height before the margin, pixels.
    Returns:
        left, top, right and bottom, perhaps beside the photo.
    """
    low, high = points.min(0), points.max(0)
    half = np.maximum((high - low) / 2, least / 2)
    half += margin * 2 * half.max()
    left, top = ((low + high) / 2 - half).tolist()
    right, bottom = ((low + high) / 2 + half).tolist()
    return left, top, right, bottom


def clip_box(box_xyxy: Box, size_wh: tuple[int, int]) -> Box:
    """Return the part of a box that is on the photo; without area where none is."""
    left, top, right, bottom = box_xyxy
    width, height = size_wh
    return (
        min(max(left, 0.0), width),
        min(max(top, 0.0), height),
        max(min(right, width), 0.0),
        max(min(bottom, height), 0.0),
    )


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Measure intersection over union of boxes (N, 4) and others (M, 4), left, top, right, bottom: (N, M)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod((high - low).clip(0), axis=2)  # (N, M)
    areas = [np.prod((each[:, 2:] - each[:, :2]).clip(0), axis=1) for each in (boxes, others)]
    union = areas[0][:, None] + areas[1][None] - shared
    share: np.ndarray = np.where(union > 0, shared / np.maximum(union, 1e-12), 0.0)
    return share


def warp_maps(maps: np.ndarray, matrix: np.ndarray, size_wh: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Resample maps of numbers, one per keypoint, through an affine map.

    Bicubic, so that a peak is found again within some hundredths of a cell; values are kept, not mass. Maps that
    shrink are not averaged down, since the height of their peaks is what counts.

    Args:
        maps: (K, h, w) float32.
        matrix: (2, 3) from the cells of these maps to the cells of the result, continuous coordinates.
        size_wh: width and height of the result.
    Returns:
        (K, height, width) float32, and (height, width) bool, which cells have their centre on the maps; what the
        others hold means nothing.
    """
    width, height = size_wh
    indices = _from_centres(matrix)
    warped = [
        cv2.warpAffine(values, indices, size_wh, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        for values in maps
    ]
    centres = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), -1)  # (height, width, 2)
    source = apply_affine(invert_affine(matrix), centres)
    inside = (source >= 0) & (source <= np.array(maps.shape[:0:-1]))  # (height, width, 2) against (w, h)
    covered: np.ndarray = np.all(inside, axis=-1)
    return np.stack(warped), covered


def shrink(image: np.ndarray, longest: int) -> np.ndarray:
    """Make a photo (H, W, 3) smaller, averaging, until its longer side has `longest` pixels; a small one stays."""
    height, width = image.shape[:2]
    share = longest / max(height, width)
    if share >= 1:
        return image
    size_wh = max(1, round(width * share)), max(1, round(height * share))
    return cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)


def fit_similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Find the rotation, scale and shift, without mirroring, that bring points nearest to others.

    Args:
        source: (N, 2) float, N of 1 or more.
        target: (N, 2) float, where each of them should go.
    Returns:
        (2, 3) float64 with the least sum of squared distances.
    Edge cases: where all points of `source` coincide, as a single one does, the result is a shift.
    Source: Umeyama 1991.
    """
    source_centre, target_centre = source.mean(0), target.mean(0)
    centred = source - source_centre
    spread = (centred**2).sum()
    if spread == 0:
        return np.column_stack([np.eye(2), target_centre - source_centre])
    left, strengths, right = np.linalg.svd((target - target_centre).T @ centred)
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    linear = (strengths * signs).sum() / spread * (left * signs) @ right
    return np.column_stack([linear, target_centre - linear @ source_centre])


def _from_centres(matrix: np.ndarray) -> np.ndarray:
    """Turn a map between continuous coordinates into one between indices of pixels, as OpenCV counts them.

    Continuous c = index + 0.5 on both sides: index_out = A (index_in + 0.5) + t - 0.5.
    """
    shift = matrix[:, 2] + (matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5)
    return np.column_stack([matrix[:, :2], shift])
