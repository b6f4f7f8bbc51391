"""A garment detector in front of a keypoint network: each garment is looked at in a crop of its own, and alone: what
else fits into a square crop about a narrow garment may be another garment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hemline.annotation import Prediction
from hemline.errors import DataError
from hemline.geometry import Box, clip_box, photo_box, points_box
from hemline.infer.closer_look import KeptPhoto, keep_photo, look_closer
from hemline.infer.detector import Detection, Detector, Shown
from hemline.infer.finder import Finder, Size


@dataclass(frozen=True, slots=True)
class Garment:
    """One garment of a photo.

    Attributes:
        prediction: its points.
        box: where it was seen: left, top, right and bottom, photo pixels. Without a detector, its points' box.
        score: how sure that is, 0 to 1. Without a detector, the mean of its points' scores.
    """

    prediction: Prediction
    box: Box
    score: float

    @classmethod
    def of_points(cls, prediction: Prediction) -> Garment:
        """Describe a garment of which nothing but its points is known."""
        own = np.isfinite(prediction.scores)
        return cls(prediction, points_box(prediction.keypoints[own], margin=0.0), float(prediction.scores[own].mean()))


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the detector needs of a photo, and the photo."""

    shown: Shown
    photo: KeptPhoto


class DetectThenFind(Finder):
    """Find garments, then the keypoints of each.

    As a Finder it answers for photos of one garment whose category is known: it looks at the surest garment of that
    category, at the surest of any other where there is none, and at the whole photo where the detector found nothing.

    Args:
        detector: finds the garments.
        finder: finds their keypoints.
        margin: room about the garment's points that the finder is shown, share of the longer side of their box. The
            room that the detector's boxes have already is part of it.
    Raises:
        DataError: they have no category in common.
    """

    def __init__(self, detector: Detector, finder: Finder, *, margin: float) -> None:
        self.detector = detector
        self.finder = finder
        self.margin = margin
        self.categories = tuple(name for name in finder.categories if name in detector.categories)
        if not self.categories:
            raise DataError(
                f"the detector knows {', '.join(detector.categories)}, the keypoint network "
                f"{', '.join(finder.categories)}: no category in common"
            )
        self.size = max(finder.size, detector.size)
        self.batch_size = min(finder.batch_size, detector.batch_size)
        self.subject = "detector and keypoint network were both"

    def prepare(self, photo: np.ndarray, box: Box | None = None) -> _Kept:
        """Keep what both networks need of a photo; `box` is not looked at, since the detector finds it."""
        return _Kept(self.detector.prepare(photo), keep_photo(photo, size=self.finder.size))

    def predict_prepared(
        self, prepared: Sequence[_Kept], categories: Sequence[str], *, image_ids: Sequence[str]
    ) -> list[Prediction]:
        found = self.detector.detect_prepared([kept.shown for kept in prepared])
        boxes = [
            self._room(choose(detections, category), kept.photo.size_wh)
            for detections, category, kept in zip(found, categories, prepared, strict=True)
        ]
        photos = [kept.photo for kept in prepared]
        return look_closer(self.finder, photos, boxes, categories, image_ids=image_ids, alone=True)

    def find_prepared(
        self, prepared: Sequence[_Kept], *, image_ids: Sequence[str], categories: Sequence[str | None]
    ) -> list[list[Garment]]:
        """Find all garments of one batch of photos.

        Args:
            prepared: B results of `prepare`.
            image_ids: the id of each.
            categories: of each the only category that is wanted, or None for all.
        Returns:
            the garments of each photo, the surest first; none where the detector found none.
        """
        found = self.detector.detect_prepared([kept.shown for kept in prepared])
        wanted = [
            (at, detection)
            for at, detections in enumerate(found)
            for detection in detections
            if detection.category in self.categories and categories[at] in (None, detection.category)
        ]
        garments: list[list[Garment]] = [[] for _ in prepared]
        for start in range(0, len(wanted), self.finder.batch_size):
            batch = wanted[start : start + self.finder.batch_size]
            predictions = look_closer(
                self.finder,
                [prepared[at].photo for at, _ in batch],
                [self._room(detection, prepared[at].photo.size_wh) for at, detection in batch],
                [detection.category for _, detection in batch],
                image_ids=[image_ids[at] for at, _ in batch],
                alone=True,
            )
            for (at, detection), prediction in zip(batch, predictions, strict=True):
                garments[at].append(Garment(prediction, detection.box, detection.score))
        return garments

    def find(self, photos: Sequence[np.ndarray]) -> list[list[Garment]]:
        """Find all garments of photos (H, W, 3) uint8 RGB; their image ids are the photos' positions."""
        garments: list[list[Garment]] = []
        for start in range(0, len(photos), self.batch_size):
            batch = [self.prepare(photo) for photo in photos[start : start + self.batch_size]]
            ids = [str(start + at) for at in range(len(batch))]
            garments += self.find_prepared(batch, image_ids=ids, categories=[None] * len(batch))
        return garments

    def guess(self, image_id: str, category: str, size_wh: Size) -> Prediction:
        self.check_category(category)
        return self.finder.guess(image_id, category, size_wh)

    def _room(self, detection: Detection | None, size_wh: Size) -> Box:
        """Give a detected garment the room that the finder is to see."""
        if detection is None:
            return photo_box(size_wh)
        return with_margin(detection.box, size_wh, margin=self.margin, present=self.detector.margin)


def choose(detections: Sequence[Detection], category: str) -> Detection | None:
    """Choose the surest garment of a category, else of any; the surest come first, None where there is none."""
    return next((each for each in detections if each.category == category), detections[0] if detections else None)


def with_margin(box: Box, size_wh: Size, *, margin: float, present: float) -> Box:
    """Change the room that a box has about a garment's points.

    Args:
        box: made by `geometry.points_box` with the margin `present`, or predicted to be like that.
        size_wh: of the photo.
        margin: that is wanted.
        present: that it has.
    Returns:
        a box inside the photo; without area where it would lie beside it, which no box from inside the photo does.
    """
    left, top, right, bottom = box
    room = (margin - present) * max(right - left, bottom - top) / (1 + 2 * present)
    if 2 * -room >= min(right - left, bottom - top):  # a smaller margin than the narrow box can give
        room = 0.0
    return clip_box((left - room, top - room, right + room, bottom + room), size_wh)
