"""What all predictors have in common, from one network to an ensemble that looks twice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from hemline.annotation import Prediction
from hemline.errors import DataError
from hemline.geometry import Box

Size = tuple[int, int]

Prepared = Any
"""What a Finder's `prepare` made of a photo; only that Finder knows what is inside."""


class Finder(ABC):
    """Find the keypoints of garments in two steps: `prepare` each photo, then `predict_prepared` a batch.

    The first step needs no network, so that threads can do it ahead, and keeps less than the photo. A Finder keeps
    nothing between calls.

    Attributes:
        categories: that it can answer.
        size: side of the largest network input, pixels.
        batch_size: most photos that `predict_prepared` should be given.
        subject: what to call it in errors about its categories, "... trained for skirt".
    """

    categories: tuple[str, ...]
    size: int
    batch_size: int
    subject: str = "this network was"

    @abstractmethod
    def prepare(self, photo: np.ndarray, box: Box | None = None) -> Prepared:
        """Keep what will be needed of a photo.

        Args:
            photo: (H, W, 3) uint8 RGB.
            box: the part of it to look at; by default all of it.
        """

    @abstractmethod
    def predict_prepared(
        self, prepared: Sequence[Prepared], categories: Sequence[str], *, image_ids: Sequence[str]
    ) -> list[Prediction]:
        """Find the keypoints of one batch.

        Args:
            prepared: B results of `prepare`.
            categories: the category of each; checked by the caller.
            image_ids: the id of each.
        Returns:
            B Predictions, on their photos. A point that no network sees at all lies where the category's mean layout
            has it, with score 0.
        """

    @abstractmethod
    def guess(self, image_id: str, category: str, size_wh: Size) -> Prediction:
        """Answer without a look at the photo: the category's mean layout with scores of 0.

        Raises:
            DataError: a category that the network was not trained for.
        """

    def predict(
        self, images: Sequence[np.ndarray], categories: Sequence[str], *, image_ids: Sequence[str] | None = None
    ) -> list[Prediction]:
        """Find the keypoints of one garment per photo.

        Args:
            images: (H, W, 3) uint8 RGB photos; their sizes may differ.
            categories: the category of each.
            image_ids: the id of each; their positions by default.
        Returns:
            one Prediction per photo, in order, inside the photo.
        Raises:
            DataError: a category that the network was not trained for.
        """
        for category in categories:
            self.check_category(category)
        image_ids = [str(at) for at in range(len(images))] if image_ids is None else image_ids
        predictions = []
        for start in range(0, len(images), self.batch_size):
            batch = slice(start, start + self.batch_size)
            prepared = [self.prepare(image) for image in images[batch]]
            predictions += self.predict_prepared(prepared, categories[batch], image_ids=image_ids[batch])
        return predictions

    def check_category(self, category: str) -> None:
        """Make sure that a category can be answered.

        Raises:
            DataError: it cannot; lists those that can.
        """
        if category not in self.categories:
            raise DataError(f"{self.subject} trained for {', '.join(self.categories)}, not for '{category}'")


def common_categories(finders: Sequence[Finder]) -> tuple[str, ...]:
    """List the categories that all of several can answer.

    Raises:
        DataError: there is none.
    """
    common = tuple(name for name in finders[0].categories if all(name in finder.categories for finder in finders))
    if not common:
        known = "; ".join(", ".join(finder.categories) for finder in finders)
        raise DataError(f"these networks have no category in common; they were trained for: {known}")
    return common
