"""The evaluation of a prediction file against the true points: numbers for people and for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from hemline.annotation import ABSENT, AnnotationTable, category_index
from hemline.errors import DataError, name_three
from hemline.files import write_atomic
from hemline.garments import CATEGORIES, KEYPOINTS, check_category, keypoints_of
from hemline.metrics import (
    PCK_THRESHOLDS,
    bootstrap_interval,
    counted_points,
    mean_error,
    pck,
    point_errors,
)


@dataclass(frozen=True, slots=True)
class Score:
    """The normalised error of a part of the points.

    Attributes:
        ne: percent; NaN when no point counts.
        points: how many count.
    """

    ne: float
    points: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `evaluate` found.

    Attributes:
        ne: normalised error, percent, pooled over all points that count; NaN when none does.
        points: how many count.
        garments: how many were compared.
        skipped: reason -> ids of the garments of which no point counts.
        per_category: category -> score, for the categories compared.
        per_keypoint: keypoint -> score, for the keypoints of these categories.
        pck: threshold in percent of the normaliser -> percent of the points within it.
        interval95: low and high end of the bootstrap interval of `ne`, percent.
        predicted_absent: how many points that count are predicted absent; they count at (-1, -1).
    """

    ne: float
    points: int
    garments: int
    skipped: dict[str, tuple[str, ...]]
    per_category: dict[str, Score]
    per_keypoint: dict[str, Score]
    pck: dict[float, float]
    interval95: tuple[float, float]
    predicted_absent: int

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values; a number that does not exist is null."""

        def scores(parts: dict[str, Score]) -> dict[str, Any]:
            return {name: {"ne": _number(score.ne), "points": score.points} for name, score in parts.items()}

        return {
            "ne": _number(self.ne),
            "points": self.points,
            "skipped": {reason: list(ids) for reason, ids in self.skipped.items()},
            "per_category": scores(self.per_category),
            "per_keypoint": scores(self.per_keypoint),
            "pck": {f"{threshold:g}": _number(share) for threshold, share in self.pck.items()},
            "interval95": [_number(end) for end in self.interval95],
        }


def evaluate(
    prediction: AnnotationTable,
    truth: AnnotationTable,
    *,
    absent_normalizer: Literal["skip"] | float = "skip",
    categories: Sequence[str] | None = None,
) -> Evaluation:
    """Compare predicted points with the true ones; what counts is in `metrics.point_errors`.

    Rows are matched by image id; their order changes nothing.

    Args:
        prediction: the points to judge; their visibility is ignored.
        truth: the true points.
        absent_normalizer: "skip" leaves out garments whose normaliser is absent; a number is the length in
            pixels to use for them.
        categories: compare only the rows of these, in both tables; by default all rows.
    Raises:
        DataError: missing or extra rows, rows whose categories differ, a category asked for that the truth
            has none of, a truth without a labelled point, or see `metrics.point_errors`.
    """
    if categories is not None:
        missing = [name for name in categories if check_category(name) not in truth.categories]
        if missing:
            raise DataError(f"nothing to compare: the truth has no {' and no '.join(missing)}")
        prediction, truth = prediction.of_categories(categories), truth.of_categories(categories)
    if (truth.points[:, :, 2] == ABSENT).all():
        raise DataError("nothing to compare: the truth has no labelled point (a test CSV?)")
    truth = truth.select(sorted(range(len(truth)), key=truth.image_ids.__getitem__))
    prediction = prediction.in_order_of(truth)
    names = truth.categories
    errors = point_errors(
        prediction.points[:, :, :2], truth.points, categories=names, absent_normalizer=absent_normalizer
    )
    counted = ~np.isnan(errors)
    rows_of = {name: category_index(names) == at for at, name in enumerate(CATEGORIES) if name in names}
    return Evaluation(
        ne=mean_error(errors),
        points=int(counted.sum()),
        garments=len(truth),
        skipped=_skipped(truth, counted),
        per_category={name: _score(errors[rows]) for name, rows in rows_of.items()},
        per_keypoint={KEYPOINTS[index]: _score(errors[:, index]) for index in keypoints_of(rows_of)},
        pck=dict(zip(PCK_THRESHOLDS, pck(errors).tolist(), strict=True)),
        interval95=bootstrap_interval(errors),
        predicted_absent=int((counted & (prediction.points[:, :, 2] == ABSENT)).sum()),
    )


def parse_absent_normalizer(text: str) -> Literal["skip"] | float:
    """Read "skip" or a length in pixels.

    Raises:
        DataError: anything else.
    """
    if text == "skip":
        return "skip"
    try:
        return float(text)
    except ValueError:
        raise DataError(f"absent normalizer '{text}': expected 'skip' or a length in pixels") from None


def write_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write an evaluation as JSON, whole or not at all."""
    write_atomic(path, json.dumps(evaluation.as_json(), indent=2, allow_nan=False) + "\n")


def print_evaluation(evaluation: Evaluation, *, console: Console | None = None) -> None:
    """Print an evaluation as tables; plain text where the output is not a terminal."""
    console = console or Console(highlight=False)
    low, high = evaluation.interval95
    garments = evaluation.garments - sum(len(ids) for ids in evaluation.skipped.values())
    lines = [
        f"NE {_percent(evaluation.ne)}, 95 % interval {_percent(low)} to {_percent(high)}",
        f"{evaluation.points:,} visible points of {garments:,} garments",
    ]
    for reason, ids in evaluation.skipped.items():
        if ids:
            lines.append(f"garments skipped, {reason}: {len(ids):,} ({name_three(ids)})")
    if evaluation.predicted_absent:
        lines.append(f"points predicted absent, counted at (-1, -1): {evaluation.predicted_absent:,}")
    console.print("\n".join(lines), soft_wrap=True, markup=False)

    for kind, scores in (("category", evaluation.per_category), ("keypoint", evaluation.per_keypoint)):
        table = _table(kind, "NE", "points")
        for name, score in scores.items():
            table.add_row(name, _percent(score.ne), f"{score.points:,}")
        console.print(table)
    curve = _table("error at most", "share of points")
    for threshold, share in evaluation.pck.items():
        curve.add_row(f"{threshold:g} %", _percent(share, 1))
    console.print(curve)


def _skipped(truth: AnnotationTable, counted: np.ndarray) -> dict[str, tuple[str, ...]]:
    """Group the garments of which no point counts by the reason."""
    unseen = ~counted_points(truth.points, categories=truth.categories).any(axis=1)
    silent = ~counted.any(axis=1)
    reasons = {"no visible point": silent & unseen, "normalizer absent": silent & ~unseen}
    return {reason: tuple(truth.image_ids[row] for row in np.flatnonzero(rows)) for reason, rows in reasons.items()}


def _score(errors: np.ndarray) -> Score:
    return Score(mean_error(errors), int((~np.isnan(errors)).sum()))


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _percent(value: float, decimals: int = 2) -> str:
    return "none" if math.isnan(value) else f"{value:.{decimals}f} %"


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for at, column in enumerate(columns):
        table.add_column(column, justify="right" if at else "left", no_wrap=True)
    return table
