"""Several networks that answer together."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hemline.annotation import Prediction
from hemline.codecs.decoders import DECODE_OPTIONS
from hemline.errors import HemlineError
from hemline.geometry import Box
from hemline.infer.finder import Finder, Size, common_categories
from hemline.infer.predictor import Crops, Predictor
from hemline.infer.views import merge_points


class Ensemble(Finder):
    """Average what several networks say, each asked in its own way (flip, views ...).

    Where all of them make maps of the same kind in the same grid, these are averaged, and decoded as the first network
    does. Elsewhere their points are, counted by score; note that scores of different codecs are not alike.

    Args:
        members: at least one.
        weights: of each, above 0.
    Raises:
        DataError: they have no category in common.
    """

    subject = "these networks were all"

    def __init__(self, members: Sequence[Predictor], weights: Sequence[float]) -> None:
        self.members = members
        self.weights = np.array(weights, float) / sum(weights)
        self.categories = common_categories(members)
        self.size = max(member.size for member in members)
        self.batch_size = min(member.batch_size for member in members)
        self.averages_maps = all(_answers_alike(members[0], member) for member in members)

    def prepare(self, photo: np.ndarray, box: Box | None = None) -> list[Crops]:
        return [member.prepare(photo, box) for member in self.members]

    def predict_prepared(
        self, prepared: Sequence[list[Crops]], categories: Sequence[str], *, image_ids: Sequence[str]
    ) -> list[Prediction]:
        crops = list(zip(*prepared, strict=True))  # of each member
        if self.averages_maps:
            average: dict[str, np.ndarray] = {}
            for member, weight, own in zip(self.members, self.weights, crops, strict=True):
                for name, values in member.maps(own).items():
                    average[name] = average.get(name, 0) + np.float32(weight) * values
            return self.members[0].locate(average, crops[0], categories, image_ids=image_ids)
        answers = [
            member.predict_prepared(own, categories, image_ids=image_ids)
            for member, own in zip(self.members, crops, strict=True)
        ]
        return [self._merge(each) for each in zip(*answers, strict=True)]

    def guess(self, image_id: str, category: str, size_wh: Size) -> Prediction:
        self.check_category(category)
        return self.members[0].guess(image_id, category, size_wh)

    def _merge(self, answers: Sequence[Prediction]) -> Prediction:
        """Average the answers of all members for one photo."""
        first = answers[0]
        own = np.isfinite(first.scores)
        points, scores = merge_points(
            np.array([answer.keypoints[own] for answer in answers]),
            np.array([answer.scores[own] for answer in answers]),
            self.weights[:, None],
        )
        merged = Prediction(first.image_id, first.category, np.full((24, 2), np.nan), np.full(24, np.nan))
        merged.keypoints[own], merged.scores[own] = points, scores
        return merged


def split_weight(argument: str) -> tuple[Path, float]:
    """Read "RUN" or "RUN:WEIGHT"; a colon may be part of RUN.

    Raises:
        HemlineError: a weight that is not above 0.
    """
    run, colon, text = argument.rpartition(":")
    if Path(argument).exists() or not colon:
        return Path(argument), 1.0
    try:
        weight = float(text)
    except ValueError:
        return Path(argument), 1.0
    if not 0 < weight < math.inf:
        raise HemlineError(f"--with {argument}: the weight must be a number above 0, got {text}")
    return Path(run), weight


def _answers_alike(first: Predictor, other: Predictor) -> bool:
    """Tell whether the merged maps of two networks mean the same, cell by cell."""
    return first.merge == other.merge == "maps" and _describe_maps(first) == _describe_maps(other)


def _describe_maps(member: Predictor) -> tuple[Any, ...]:
    encoding = {key: value for key, value in member.schema.codec.items() if key not in DECODE_OPTIONS}
    plain = json.dumps(encoding, sort_keys=True)  # lists and tuples are alike
    return member.schema.keypoints, member.size, member.grid, plain
