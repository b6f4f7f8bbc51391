"""Two looks at each photo: the second at the box of the points that the first one found.

Source: HiKapok's and HqWei's FashionAI systems, 40 to 100 px about the box. Differs: the margin is a share of the box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hemline.annotation import Prediction
from hemline.geometry import Box, clip_box, points_box
from hemline.infer.closer_look import KeptPhoto, keep_photo, look_closer
from hemline.infer.finder import Finder, Prepared, Size, common_categories

_LEAST_BOX = 1 / 16
"""Least width and height of the box before its margin, as a share of the photo's longer side."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A photo between the looks: what the first one needs, and the photo."""

    first: Prepared
    photo: KeptPhoto


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
        return _Kept(self.first.prepare(photo, box), keep_photo(photo, size=self.second.size))

    def predict_prepared(
        self, prepared: Sequence[_Kept], categories: Sequence[str], *, image_ids: Sequence[str]
    ) -> list[Prediction]:
        coarse = self.first.predict_prepared([kept.first for kept in prepared], categories, image_ids=image_ids)
        photos = [kept.photo for kept in prepared]
        boxes = [
            garment_box(prediction.keypoints, photo.size_wh, margin=self.margin)
            for prediction, photo in zip(coarse, photos, strict=True)
        ]
        fine = look_closer(self.second, photos, boxes, categories, image_ids=image_ids)
        return [
            Prediction(
                first.image_id,
                first.category,
                np.where((second.scores > 0)[:, None], second.keypoints, first.keypoints),
                np.where(second.scores > 0, second.scores, first.scores),
            )
            for first, second in zip(coarse, fine, strict=True)
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
    found = keypoints[np.isfinite(keypoints).all(1)]
    return clip_box(points_box(found, margin=margin, least=_LEAST_BOX * max(size_wh)), size_wh)
