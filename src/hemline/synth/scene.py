"""Photos of several garments, put together from photos of one, since no labelled photos show several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from hemline.annotation import ABSENT, OCCLUDED, VISIBLE, Annotation
from hemline.geometry import apply_affine, clip_box, crop_affine, overlaps, points_box, shrink, warp
from hemline.synth.background import FLAT, HANGING, STREET, paint_background
from hemline.synth.relief import random_light

Rng = np.random.Generator

ROOM = 0.05
"""Room about a garment's points that a scene keeps on its picture and free of others, share of the longer side."""

_LARGEST_OVERLAP = 0.1  # of two garments' boxes, intersection over union
_TRIES = 12
_LONGER_SIDE = {1: (0.35, 0.95), 2: (0.3, 0.6), 3: (0.28, 0.5)}  # shares of the scene; of more garments, the last
_LARGEST_PHOTO = 512  # pixels; a garment takes at most the scene, which detectors see at some hundreds
_LEAST_STRIP = 0.2  # of a photo beside its garment, to be a background; share of its shorter side


@dataclass(frozen=True, eq=False)
class Cutout:
    """A garment to be pasted.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        opacity: (H, W) uint8, 255 where the garment, or what is pasted with it, hides what is under it.
        mask: (H, W) uint8, 255 times the share of each pixel that is the garment.
        annotation: its points on the image.
    """

    image: np.ndarray
    opacity: np.ndarray
    mask: np.ndarray
    annotation: Annotation


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture of any number of garments.

    Attributes:
        image: (S, S, 3) uint8 RGB.
        garments: those in it; points that another one covers are occluded.
        masks: (S, S) bool, the pixels of each garment that are seen.
    """

    image: np.ndarray
    garments: tuple[Annotation, ...]
    masks: tuple[np.ndarray, ...]


def cut_out(rng: Rng, photo: np.ndarray, annotation: Annotation, *, mask: np.ndarray | None = None) -> Cutout:
    """Prepare a photo's garment for pasting.

    Without a mask it is cut along the hull of its points, with a little or some more room, or as a rectangle: no
    outline is known, so that what is pasted varies instead. A large photo is made smaller first.

    Args:
        rng: source of all choices.
        photo: (H, W, 3) uint8 RGB.
        annotation: with at least one present point.
        mask: (H, W) uint8 as in Cutout, where it is known.
    """
    if mask is not None:
        return Cutout(photo, mask, mask, annotation)
    whole_wh = np.array(photo.shape[1::-1])
    photo = shrink(photo, _LARGEST_PHOTO)
    annotation = _move(annotation, np.column_stack([np.diag(photo.shape[1::-1] / whole_wh), np.zeros(2)]))
    points = annotation.present
    hull = hull_mask(points, photo.shape[:2])
    opacity: np.ndarray = np.zeros(photo.shape[:2], np.uint8)
    if rng.random() < 0.7:
        reach = rng.uniform(0.03, 0.1) * min(float(np.ptp(points, axis=0).max()), _LARGEST_PHOTO)
        opacity = cv2.dilate(hull, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(reach) + 1,) * 2))
        opacity = cv2.GaussianBlur(opacity, (0, 0), rng.uniform(0.6, 3.0))
    else:
        left, top, right, bottom = points_box(points, margin=rng.uniform(0.03, 0.15))
        opacity[max(0, int(top)) : max(0, int(bottom)) + 1, max(0, int(left)) : max(0, int(right)) + 1] = 255
    return Cutout(photo, opacity, hull, annotation)


def compose(rng: Rng, cutouts: Sequence[Cutout], *, size: int, backdrop: np.ndarray | None = None) -> Scene:
    """Paste garments side by side.

    Each is wholly on the picture, its points and some room; boxes overlap by a tenth at most. One that finds no free
    place is left out.

    Args:
        rng: source of all choices.
        cutouts: the garments, the lowest first.
        size: side of the picture, pixels.
        backdrop: (H, W, 3) uint8 RGB, what they lie on; None draws something.
    """
    if backdrop is None:
        kind = (FLAT, HANGING, STREET)[rng.integers(3)]
        backdrop = paint_background(rng, size, random_light(rng, size), kinds=kind).clip(0, 255).astype(np.uint8)
    image: np.ndarray = cv2.resize(backdrop, (size, size), interpolation=cv2.INTER_AREA)
    boxes: list[np.ndarray] = []
    garments: list[Annotation] = []
    masks: list[np.ndarray] = []
    for cutout in cutouts:
        found = _find_place(rng, cutout, boxes, count=len(cutouts), size=size)
        if found is None:
            continue
        matrix, box = found
        opacity = warp(cutout.opacity, matrix, (size, size), pad_value=0)
        piece = warp(cutout.image, matrix, (size, size))
        image = cv2.blendLinear(piece, image, *_shares(opacity))
        hidden = opacity >= 128
        garments = [_cover(garment, hidden) for garment in garments]
        masks = [mask & ~hidden for mask in masks]
        masks.append(warp(cutout.mask, matrix, (size, size), pad_value=0) >= 128)
        garments.append(_move(cutout.annotation, matrix))
        boxes.append(box)
    return Scene(image, tuple(garments), tuple(masks))


def spare_strip(rng: Rng, photo: np.ndarray, annotation: Annotation) -> np.ndarray | None:
    """Cut a part of a photo beside its garment: a real background with nothing on it, unless more is worn.

    Returns:
        (h, w, 3) uint8 RGB; None where the garment fills the photo.
    """
    height, width = photo.shape[:2]
    box = clip_box(points_box(annotation.present, margin=2 * ROOM), (width, height))
    left, top, right, bottom = (int(side) for side in box)
    strips = [photo[:, :left], photo[:, right + 1 :], photo[:top], photo[bottom + 1 :]]
    wide = [strip for strip in strips if min(strip.shape[:2]) >= _LEAST_STRIP * min(height, width)]
    if not wide:
        return None
    strip = wide[int(rng.integers(len(wide)))]
    edge = min(strip.shape[:2])
    y, x = int(rng.integers(strip.shape[0] - edge + 1)), int(rng.integers(strip.shape[1] - edge + 1))
    return np.ascontiguousarray(strip[y : y + edge, x : x + edge])


def hull_mask(points: np.ndarray, shape_hw: tuple[int, int]) -> np.ndarray:
    """Fill the convex hull of points (N, 2): the best outline that points alone give, (H, W) uint8, 0 or 255."""
    mask = np.zeros(shape_hw, np.uint8)
    if len(points):
        corners = cv2.convexHull(np.floor(points).astype(np.int32).reshape(-1, 1, 2))
        cv2.fillConvexPoly(mask, corners, 255)
    return mask


def _find_place(
    rng: Rng, cutout: Cutout, taken: Sequence[np.ndarray], *, count: int, size: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Find the map from a garment's photo to a free place of the scene, and the box there."""
    own = np.array(points_box(cutout.annotation.present, margin=ROOM, least=4.0))
    sides = own[2:] - own[:2]
    smallest, largest = _LONGER_SIDE[min(count, max(_LONGER_SIDE))]
    for attempt in range(_TRIES):
        share = rng.uniform(smallest, largest) * 0.95**attempt
        zoom = share * size / sides.max()
        corner = rng.uniform(0, size - zoom * sides)
        box = np.concatenate([corner, corner + zoom * sides])
        if not taken or overlaps(box[None], np.array(taken)).max() <= _LARGEST_OVERLAP:
            middle = (box[:2] + box[2:]) / 2 / size
            matrix = crop_affine(
                (own[0], own[1], own[2], own[3]),
                (size, size),
                scale=float(zoom * sides.max() / size),
                shift=(float(middle[0] - 0.5), float(middle[1] - 0.5)),
            )
            return matrix, box
    return None


def _shares(opacity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    share = opacity.astype(np.float32) / 255
    return share, 1 - share


def _move(annotation: Annotation, matrix: np.ndarray) -> Annotation:
    present = annotation.visibility != ABSENT
    keypoints = np.where(present[:, None], apply_affine(matrix, annotation.keypoints), -1.0)
    return Annotation(annotation.image_id, annotation.category, keypoints, annotation.visibility)


def _cover(annotation: Annotation, hidden: np.ndarray) -> Annotation:
    """Make the visible points under `hidden` (S, S) occluded."""
    column, line = annotation.keypoints.astype(int).clip(0, len(hidden) - 1).T
    covered = hidden[line, column] & (annotation.visibility == VISIBLE)
    visibility = np.where(covered, OCCLUDED, annotation.visibility).astype(np.int8)
    return Annotation(annotation.image_id, annotation.category, annotation.keypoints, visibility)
