"""Two looks at each photo: the second at the box of the points that the first one found.

Source: HiKapok's and HqWei's FashionAI systems, 40 to 100 px about the box. Differs: the margin is a share of the box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hemline.annotation import Prediction
from hemline.geometry import shrink
from hemline.infer.finder import Box, Finder, Prepared, Size, common_categories

KEPT = 4
"""Between the looks a photo is kept with at most this many times the second network's input on its longer side: a
garment that fills a quarter of the photo is still seen in all its detail, and a photo takes at most 48 bytes per pixel
of the input (3 MB at 256)."""

_LEAST_BOX = 1 / 16
"""Least width and height of the box before its margin, as a share of the photo's longer side."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A photo between the looks: what the first one needs, its pixels, perhaps shrunk, and its own size."""

    first: Prepared
    photo: np.ndarray
    size_wh: Size


class CoarseToFine(Finder):
    """Look at the whole photo, then at the garment.

    A point that the second look does not see at all stays where the first one saw it.

    Args:
        first: finds the garment.
        second: answers; may be `first` itself.
        margin: room about the first points on each side, share of their box's longer side.
    """

    def __init__(self, first: Finder, second: Finder, *, margin: float) -> None:
        self.first = first
        self.second = second
        self.margin = margin
        self.categories = common_categories([first, second])
        self.size = max(first.size, second.size)
        self.batch_size = min(first.batch_size, second.batch_size)
        self.subject = first.subject if first is second else "these networks were all"

    def prepare(self, photo: np.ndarray, box: Box | None = None) -> _Kept:
        size_wh = (photo.shape[1], photo.shape[0])
        return _Kept(self.first.prepare(photo, box), shrink(photo, KEPT * self.second.size), size_wh)

    def predict_prepared(
        self, prepared: Sequence[_Kept], categories: Sequence[str], *, image_ids: Sequence[str]
    ) -> list[Prediction]:
        coarse = self.first.predict_prepared([kept.first for kept in prepared], categories, image_ids=image_ids)
        scales = [np.array(kept.photo.shape[1::-1]) / kept.size_wh for kept in prepared]  # of the kept photo, x and y
        closer = []
        for kept, prediction, scale in zip(prepared, coarse, scales, strict=True):
            box = np.array(garment_box(prediction.keypoints, kept.size_wh, margin=self.margin)) * np.tile(scale, 2)
            closer.append(self.second.prepare(kept.photo, tuple(box.tolist())))
        fine = self.second.predict_prepared(closer, categories, image_ids=image_ids)
        return [
            Prediction(
                first.image_id,
                first.category,
                np.where((second.scores > 0)[:, None], second.keypoints / scale, first.keypoints),
                np.where(second.scores > 0, second.scores, first.scores),
            )
            for first, second, scale in zip(coarse, fine, scales, strict=True)
        ]

    def guess(self, image_id: str, category: str, size_wh: Size) -> Prediction:
        self.check_category(category)
        return self.first.guess(image_id, category, size_wh)


def garment_box(keypoints: np.ndarray, size_wh: Size, *, margin: float) -> Box:
    """Find the part of a photo that a garment fills.

    Args:
        keypoints: (24, 2) on the photo; NaN outside the category.
        size_wh: of the photo.
        margin: room on each side, share of the longer side of the points' box.
    Returns:
        a box inside the photo.
    """
    low, high = np.nanmin(keypoints, axis=0), np.nanmax(keypoints, axis=0)
    half = np.maximum((high - low) / 2, _LEAST_BOX * max(size_wh) / 2)
    half += margin * 2 * half.max()
    centre = (low + high) / 2
    left, top = np.maximum(centre - half, 0)
    right, bottom = np.minimum(centre + half, size_wh)
    return float(left), float(top), float(right), float(bottom)
