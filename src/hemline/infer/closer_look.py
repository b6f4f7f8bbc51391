"""A closer look at parts of photos that have been looked at before: what is kept of them, and the look itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hemline.annotation import Prediction
from hemline.geometry import Box, shrink
from hemline.infer.finder import Finder, Size

KEPT = 4
"""Between the looks a photo is kept with at most this many times the next network's input on its longer side: a
garment that fills a quarter of the photo is still seen in all its detail, and a photo takes at most 48 bytes per pixel
of the input (3 MB at 256)."""


@dataclass(frozen=True, slots=True)
class KeptPhoto:
    """A photo between two looks: its pixels (h, w, 3), perhaps shrunk, and its own width and height."""

    pixels: np.ndarray
    size_wh: Size

    @property
    def scale(self) -> np.ndarray:
        """Kept pixels per pixel of the photo, x and y."""
        return np.array(self.pixels.shape[1::-1]) / self.size_wh


def keep_photo(photo: np.ndarray, *, size: int) -> KeptPhoto:
    """Keep of a photo (H, W, 3) what a network with input of side `size` will need."""
    return KeptPhoto(shrink(photo, KEPT * size), (photo.shape[1], photo.shape[0]))


def look_closer(
    finder: Finder,
    photos: Sequence[KeptPhoto],
    boxes: Sequence[Box],
    categories: Sequence[str],
    *,
    image_ids: Sequence[str],
    alone: bool = False,
) -> list[Prediction]:
    """Find keypoints in a box on each photo.

    Args:
        finder: answers.
        photos, boxes, categories, image_ids: one of each per garment; the boxes in coordinates of the photos.
        alone: show the finder nothing beside the box, not even where its crop has room for it.
    Returns:
        one Prediction for each, in coordinates of the photos.
    """
    prepared, corners = [], []
    for photo, box in zip(photos, boxes, strict=True):
        left, top, right, bottom = (np.array(box) * np.tile(photo.scale, 2)).tolist()
        if alone:
            x, y = math.floor(left), math.floor(top)
            prepared.append(finder.prepare(photo.pixels[y : math.ceil(bottom), x : math.ceil(right)]))
        else:
            x, y = 0, 0
            prepared.append(finder.prepare(photo.pixels, (left, top, right, bottom)))
        corners.append((x, y))
    found = finder.predict_prepared(prepared, categories, image_ids=image_ids)
    return [
        Prediction(each.image_id, each.category, (each.keypoints + corner) / photo.scale, each.scores)
        for each, photo, corner in zip(found, photos, corners, strict=True)
    ]
