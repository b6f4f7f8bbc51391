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
    box_xyxy: np.ndarray | tuple[float, float, float, float],
    size_wh: tuple[int, int],
    *,
    scale: float = 1.0,
    rotation: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
    flip: bool = False,
) -> np.ndarray:
    """Build the one map from the photo to the crop: crop, scale, rotation, shift and flip together.

    The box is fitted whole into the crop, its aspect kept, its centre at the crop's centre.

    Args:
        box_xyxy: left, top, right, bottom in photo coordinates; must have an area.
        size_wh: width and height of the crop, pixels.
        scale: zoom on top of the fit; 2 shows half of the box.
        rotation: degrees, clockwise as seen on the image, about the crop's centre.
        shift: how far the content moves, as a share of the crop's width and height.
        flip: mirror left and right last. The caller swaps the keypoint pairs.
    Returns:
        (2, 3) float64.
    """
    left, top, right, bottom = (float(value) for value in box_xyxy)
    width, height = size_wh
    zoom = scale * min(width / (right - left), height / (bottom - top))
    angle = np.deg2rad(rotation)
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
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
    # Continuous c = index + 0.5 on both sides: index_out = A (index_in + 0.5) + t - 0.5.
    index_matrix = matrix.copy()
    index_matrix[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    return cv2.warpAffine(
        image,
        index_matrix,
        size_wh,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(pad_value, pad_value, pad_value),
    )


def photo_box(size_wh: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the box (left, top, right, bottom) that is the whole photo."""
    return 0.0, 0.0, float(size_wh[0]), float(size_wh[1])
