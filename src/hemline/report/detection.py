"""How well a detector's boxes fit the garments: COCO's AP, the points that are inside, and the errors of the sides."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from hemline.annotation import AnnotationTable
from hemline.errors import DataError
from hemline.garments import CATEGORIES
from hemline.geometry import LEAST_BOX, clip_box, overlaps, points_box
from hemline.images import image_size
from hemline.infer.detector import Detection, Detector
from hemline.infer.stream import list_candidates

SIDES = ("left", "top", "right", "bottom")

_LEAST_OVERLAP = 0.5
"""A garment is found by a box, of whatever category, that overlaps its own by this much (intersection over union)."""


@dataclass(frozen=True, eq=False)
class LabelledPhoto:
    """The garments of one photo.

    Attributes:
        path: of the photo.
        size_wh: its width and height.
        categories: of its N garments.
        boxes: (N, 4) their true boxes, see `geometry.points_box`, cut at the photo's edge.
        points: N arrays (P, 2), the points that each has.
    """

    path: Path
    size_wh: tuple[int, int]
    categories: tuple[str, ...]
    boxes: np.ndarray
    points: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class BoxScores:
    """What `judge_boxes` measures.

    Attributes:
        ap: COCO's average precision over overlaps of 0.50 to 0.95, 0 to 1, the mean over the categories that there are.
        ap50: at an overlap of 0.50.
        keypoint_recall: share of the garments' points that are inside the box that found them; a garment that was
            not found has none.
        found: share of the garments that were found, whatever category was said.
        named: share of the garments that were found and given their own category.
        extra: boxes per photo that found no garment.
        side_errors: mean and standard deviation of (predicted - true) for each of SIDES, outwards positive, in shares
            of the true box's width or height.
    """

    ap: float
    ap50: float
    keypoint_recall: float
    found: float
    named: float
    extra: float
    side_errors: tuple[tuple[float, float], ...]


def label_photos(table: AnnotationTable, *, margin: float) -> list[LabelledPhoto]:
    """Gather the garments of each photo, in the order of the photos' first rows; those without points are left out.

    Args:
        table: with paths; rows with the same path are garments of one photo.
        margin: of the boxes.
    """
    rows_of: dict[Path, list[int]] = {}
    for row, path in enumerate(table.paths):
        rows_of.setdefault(path, []).append(row)
    photos = []
    for path, rows in rows_of.items():
        size_wh = image_size(path)
        present = [table[row].present for row in rows]
        kept = [(row, points) for row, points in zip(rows, present, strict=True) if len(points)]
        boxes = [clip_box(points_box(points, margin=margin, least=LEAST_BOX), size_wh) for _, points in kept]
        photos.append(
            LabelledPhoto(
                path,
                size_wh,
                tuple(table.categories[row] for row, _ in kept),
                np.array(boxes, float).reshape(-1, 4),
                tuple(points for _, points in kept),
            )
        )
    return photos


def judge_detector(detector: Detector, photos: Sequence[LabelledPhoto]) -> BoxScores:
    """Ask a detector for the boxes of photos, and compare.

    Raises:
        ImageError: a photo cannot be read.
        DataError: no garment in any photo.
    """
    candidates = list_candidates(detector, [photo.path for photo in photos])
    return judge_boxes(photos, [detector.select(each) for each in candidates], candidates)


def judge_boxes(
    photos: Sequence[LabelledPhoto],
    found: Sequence[Sequence[Detection]],
    candidates: Sequence[Sequence[Detection]],
) -> BoxScores:
    """Compare a detector's boxes with true ones.

    Args:
        photos: the truth.
        found: for each photo what the detector answers, the surest first.
        candidates: for each photo all that it thinks of; AP is about these, all else about `found`.
    Raises:
        DataError: no garment in any photo.
    """
    count = sum(len(photo.boxes) for photo in photos)
    if not count:
        raise DataError("no labelled garment to compare boxes with")
    inside = matched = named = extra = 0
    errors = []
    for photo, answers in zip(photos, found, strict=True):
        boxes = np.array([answer.box for answer in answers], float).reshape(-1, 4)
        finder_of = match_boxes(photo.boxes, boxes)
        extra += len(boxes) - (finder_of >= 0).sum()
        for garment, answer in enumerate(finder_of.tolist()):
            if answer < 0:
                continue
            matched += 1
            named += answers[answer].category == photo.categories[garment]
            low, high = boxes[answer, :2], boxes[answer, 2:]
            points = photo.points[garment]
            inside += int(((points >= low) & (points <= high)).all(1).sum())
            true = photo.boxes[garment]
            sides = np.tile(true[2:] - true[:2], 2)
            errors.append((boxes[answer] - true) / sides * (-1, -1, 1, 1))
    spread = np.array(errors) if errors else np.full((1, 4), np.nan)
    ap, ap50 = _average_precision(photos, candidates)
    return BoxScores(
        ap=ap,
        ap50=ap50,
        keypoint_recall=inside / sum(len(points) for photo in photos for points in photo.points),
        found=matched / count,
        named=named / count,
        extra=extra / len(photos),
        side_errors=tuple(zip(spread.mean(0).tolist(), spread.std(0).tolist(), strict=True)),
    )


def match_boxes(true: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Give each true box the surest box that fits it and no other's better, one to one.

    Args:
        true: (N, 4).
        found: (M, 4), the surest first.
    Returns:
        (N,) int, rows of `found`; -1 where none overlaps by half.
    """
    finder_of = np.full(len(true), -1)
    share = overlaps(true, found)  # (N, M)
    for answer in range(len(found)):
        free = np.where(finder_of < 0, share[:, answer], 0.0)
        if len(free) and free.max() >= _LEAST_OVERLAP:
            finder_of[free.argmax()] = answer
    return finder_of


def print_box_scores(scores: BoxScores, *, photos: int, console: Console | None = None) -> None:
    """Print what was measured, and the recipe key that makes crops like the detector's."""
    console = console or Console(highlight=False)
    table = Table(title=f"{photos} photos")
    table.add_column("measure")
    table.add_column("value", justify="right")
    for name, value in (
        ("AP, overlaps 0.50 to 0.95", f"{scores.ap:.3f}"),
        ("AP50", f"{scores.ap50:.3f}"),
        ("keypoint recall", f"{scores.keypoint_recall:.3f}"),
        ("garments found", f"{scores.found:.3f}"),
        ("found and named", f"{scores.named:.3f}"),
        ("boxes without a garment, per photo", f"{scores.extra:.2f}"),
        *((f"{side} side, outwards", f"{m:+.3f} ± {s:.3f}") for side, (m, s) in zip(SIDES, scores.side_errors)),  # noqa: B905
    ):
        table.add_row(name, value)
    console.print(table)
    if not scores.found:
        return
    spread = ", ".join(f"{np.hypot(mean, deviation):.3f}" for mean, deviation in scores.side_errors)
    console.print(f"Crops like its boxes: augment.box_errors = [{spread}]", soft_wrap=True, markup=False)


def _average_precision(photos: Sequence[LabelledPhoto], found: Sequence[Sequence[Detection]]) -> tuple[float, float]:
    """Let COCO's own code compute AP and AP50."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    annotations = [
        {"image_id": at, **_coco_box(box), "category_id": CATEGORIES.index(name) + 1, "iscrowd": 0}
        for at, photo in enumerate(photos)
        for box, name in zip(photo.boxes.tolist(), photo.categories, strict=True)
    ]
    results = [
        {"image_id": at, **_coco_box(each.box), "category_id": CATEGORIES.index(each.category) + 1, "score": each.score}
        for at, answers in enumerate(found)
        for each in answers
    ]
    if not results:
        return 0.0, 0.0
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        truth = COCO()
        truth.dataset = {
            "info": {},
            "images": [{"id": at} for at in range(len(photos))],
            "annotations": [{"id": number, **each} for number, each in enumerate(annotations, start=1)],
            "categories": [{"id": number} for number in range(1, len(CATEGORIES) + 1)],
        }
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0]), float(evaluation.stats[1])


def _coco_box(box: Sequence[float]) -> dict[str, Any]:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    return {"bbox": [left, top, width, height], "area": width * height}
