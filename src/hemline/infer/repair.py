"""Points that a network is not sure of, put where the others say.

Source: tabsun's FashionAI system, for the waistline and the hem of dresses. Differs: all points, by their scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hemline.annotation import Prediction
from hemline.errors import RecipeError
from hemline.geometry import Box, apply_affine, fit_similarity, photo_box
from hemline.infer.finder import Finder, Prepared, Size
from hemline.infer.schema import as_array


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What the other Finder needs of a photo, the photo's size, and the part of it that is looked at."""

    inner: Prepared
    size_wh: Size
    box: Box


class Repaired(Finder):
    """Repair the answers of another Finder, see `repair`.

    Args:
        finder: answers first.
        shapes: as `Schema.shapes`.
        below: repair points whose score is lower.
    Raises:
        RecipeError: there is no shape of one of its categories.
    """

    def __init__(self, finder: Finder, *, shapes: Mapping[str, Sequence[Sequence[float] | None]], below: float) -> None:
        shapeless = [category for category in finder.categories if category not in shapes]
        if shapeless:
            raise RecipeError(
                f"predict.repair needs the mean shape of a {shapeless[0]}, which a network keeps since format 3; train "
                "it again, or leave out predict.repair"
            )
        self.finder = finder
        self.shapes = {category: as_array(shape) for category, shape in shapes.items()}
        self.below = below
        self.categories, self.size = finder.categories, finder.size
        self.batch_size, self.subject = finder.batch_size, finder.subject

    def prepare(self, photo: np.ndarray, box: Box | None = None) -> _Prepared:
        size_wh = (photo.shape[1], photo.shape[0])
        return _Prepared(self.finder.prepare(photo, box), size_wh, box or photo_box(size_wh))

    def predict_prepared(
        self, prepared: Sequence[_Prepared], categories: Sequence[str], *, image_ids: Sequence[str]
    ) -> list[Prediction]:
        inner = [photo.inner for photo in prepared]
        answers = self.finder.predict_prepared(inner, categories, image_ids=image_ids)
        for answer, photo in zip(answers, prepared, strict=True):
            corner, far = np.array(photo.box).reshape(2, 2)
            shares = self.guess(answer.image_id, answer.category, (1, 1)).keypoints
            layout = corner + shares * (far - corner)
            repair(answer, self.shapes[answer.category], layout, photo.size_wh, below=self.below)
        return answers

    def guess(self, image_id: str, category: str, size_wh: Size) -> Prediction:
        return self.finder.guess(image_id, category, size_wh)


def repair(prediction: Prediction, shape: np.ndarray, layout: np.ndarray, size_wh: Size, *, below: float) -> None:
    """Replace, in place, points with a low score by the mean shape, fitted to the other points.

    The fit is the similarity with the least squares. A repaired point keeps its score: the network has not seen
    it where it is now.

    Args:
        prediction: of one photo.
        shape: (24, 2) the category's mean shape, in any unit that x and y share; NaN outside the category.
        layout: (24, 2) where its points lie on average in the part of this photo that was looked at, photo pixels.
        size_wh: of the photo; repaired points are moved into it.
        below: repair points whose score is lower.
    Edge cases: with fewer than two points to fit to, the others lie as in `layout`, with score 0.
    """
    weak, sure = prediction.scores < below, prediction.scores >= below  # neither outside the category
    if sure.sum() >= 2:
        matrix = fit_similarity(shape[sure], prediction.keypoints[sure])
        prediction.keypoints[weak] = np.clip(apply_affine(matrix, shape[weak]), 0, size_wh)
    else:
        prediction.keypoints[weak] = layout[weak]
        prediction.scores[weak] = 0
