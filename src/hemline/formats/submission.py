"""Submissions: write one from predictions, merge per-category ones, average several, and check somebody else's.

A submission is a FashionAI CSV with one row per test photo. The points of the photo's category are
x_y_1 with integers, all others -1_-1_-1. The scorer ignores the visibility, so a point left out would
count as one at (-1, -1).

Source: FashionAI 2018 rules, layout of the official files, and the scripts of the teams.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from hemline.annotation import ABSENT, VISIBLE, AnnotationTable, category_mask, compare_rows
from hemline.errors import DataError, name_three, unknown_name
from hemline.formats.fashionai import ABSENT_CELL, COLUMNS, parse_cell, read_annotations, read_rows, write_annotations
from hemline.garments import CATEGORIES, CATEGORY_KEYPOINTS, KEYPOINTS

LARGEST_COORDINATE = 512
"""No side of a FashionAI photo is longer, and the true points lie in 0..512 inclusive."""

Problems = dict[str, list[str]]
"""What is wrong -> where, one entry per place."""


def write_submission(path: Path, prediction: AnnotationTable, *, test: AnnotationTable | None = None) -> None:
    """Write predicted points as a submission, whole or not at all.

    Coordinates are rounded to the nearest integer, halves up, and not below 0: no true point lies there.
    Points that the category does not have are written absent, whatever was predicted.

    Args:
        path: the submission.
        prediction: with all points of each category.
        test: the test CSV; its rows must be the prediction's, and its order is taken.
    Raises:
        DataError: a point of the category is absent, or the rows are not those of the test CSV.
    """
    if test is not None:
        prediction = prediction.in_order_of(test)
    _check_complete(prediction)
    mask = category_mask(prediction.categories)
    points = np.where(mask[:, :, None], np.floor(prediction.points + 0.5).clip(min=0), ABSENT)
    points[mask, 2] = 1
    write_annotations(path, AnnotationTable(prediction.image_ids, prediction.categories, points))


def merge_submissions(files: Sequence[Path]) -> AnnotationTable:
    """Merge files that each answer some of the garments, in any order.

    A file may hold the rows of its own garments only, or all rows. A file whose name holds a category
    (submit_skirt.csv, skirt.csv) answers for that category alone, whatever its other rows say. A row without
    a single point of its category answers nothing.

    Args:
        files: FashionAI CSVs.
    Returns:
        each garment once, in the order of first appearance.
    Raises:
        DataError: garments with two categories, with two different answers, or with none.
    """
    categories: dict[str, str] = {}
    answers: dict[str, tuple[Path, np.ndarray]] = {}
    for file in files:
        table = read_annotations(file)
        mask = category_mask(table.categories)
        present = (mask & (table.points[:, :, 2] != ABSENT)).any(axis=1)
        own = _categories_in_name(file) or CATEGORIES
        for row, (image_id, category) in enumerate(zip(table.image_ids, table.categories, strict=True)):
            if categories.setdefault(image_id, category) != category:
                raise DataError(f"{file}: '{image_id}' is a {category}, an earlier file says {categories[image_id]}")
            if not present[row] or category not in own:
                continue
            earlier, points = answers.setdefault(image_id, (file, table.points[row]))
            if not np.array_equal(points[mask[row]], table.points[row][mask[row]]):
                raise DataError(
                    f"'{image_id}' has two different answers, in {earlier} and in {file}; name each file after the "
                    f"category that it answers for, e.g. submit_{category}.csv"
                )
    unanswered = [image_id for image_id in categories if image_id not in answers]
    if unanswered:
        raise DataError(
            f"{len(unanswered)} of {len(categories)} garments have no answer in {', '.join(map(str, files))}: "
            f"{name_three(unanswered)}"
        )
    points = np.array([answers[image_id][1] for image_id in categories])
    return AnnotationTable(tuple(categories), tuple(categories.values()), points)


def average_submissions(files: Sequence[Path], *, weights: Sequence[float] = ()) -> AnnotationTable:
    """Average what several files say about the same garments, point by point.

    Args:
        files: two or more FashionAI CSVs with all points of each category; their rows may be in any order.
        weights: of the files, above 0; all alike by default.
    Returns:
        the garments in the order of the first file, not rounded; the points of each category are visible, the others
        absent.
    Raises:
        DataError: the files do not answer for the same garments, a point of a category is absent in one of them, or
            the weights are not one for each file.
    """
    weights = weights or [1.0] * len(files)
    if len(files) < 2 or len(weights) != len(files):
        raise DataError(
            f"{len(files)} files and {len(weights)} weights: averaging needs two or more files, and one weight each"
        )
    first = read_annotations(files[0])
    mask = category_mask(first.categories)
    points = np.zeros_like(first.points)
    for file, weight in zip(files, weights, strict=True):
        try:
            table = read_annotations(file).in_order_of(first)
            _check_complete(table)
        except DataError as error:
            raise DataError(f"{file}, to be averaged with {files[0]}: {error}") from error
        points += weight * table.points
    points = np.where(mask[:, :, None], points / sum(weights), ABSENT)
    points[mask, 2] = VISIBLE
    return AnnotationTable(first.image_ids, first.categories, points)


def parse_weights(text: str) -> list[float]:
    """Read weights with commas between them, e.g. "1,3".

    Raises:
        DataError: one that is not a number above 0.
    """
    weights = []
    for part in text.split(","):
        try:
            weights.append(float(part))
        except ValueError:
            weights.append(0.0)
        if not 0 < weights[-1] < math.inf:
            raise DataError(f"--weights {text}: expected numbers above 0 with commas between them, e.g. 1,3")
    return weights


def check_submission(path: Path, *, test: AnnotationTable | None = None) -> Problems:
    """Find everything that is wrong with a submission, to the letter: some scorers read less than `read_rows`.

    Args:
        path: the submission.
        test: the test CSV, to compare the rows with.
    Returns:
        {} for a submission as the rules want it; a header that cannot be used is the only problem found.
    """
    problems: Problems = {}

    def report(problem: str, place: str) -> None:
        problems.setdefault(problem, []).append(place)

    try:
        rows = list(read_rows(path))
    except DataError as error:
        return {"the file cannot be read": [str(error)]}
    header, *raw_lines = path.read_bytes().decode().removesuffix("\n").split("\n")
    if header.rstrip("\r") != ",".join(COLUMNS):
        report("the header is not that of FashionAI to the letter (order, spaces, quotes, byte order mark)", "line 1")
    if "\r" in header:
        report("line does not end with LF alone", "line 1")
    for line, raw_line in enumerate(raw_lines, start=2):
        for unusual in _check_text(raw_line):
            report(unusual, f"line {line}")
    seen: dict[str, str] = {}
    for line, cells in rows:
        if len(cells) != len(COLUMNS):
            report(f"not {len(COLUMNS)} columns", f"line {line}: {len(cells)} columns")
            continue
        image_id, category, *points = cells
        if image_id in seen:
            report("image_id comes twice", f"line {line}: '{image_id}'")
        seen[image_id] = category
        if category not in CATEGORIES:
            report("unknown category", f"line {line}: {unknown_name('category', category, CATEGORIES)}")
            continue
        for index, cell in enumerate(points):
            problem = _check_cell(cell, of_category=index in CATEGORY_KEYPOINTS[category])
            if problem:
                report(problem, f"line {line}, column {KEYPOINTS[index]}: '{cell}'")
    if not rows:
        report("no garment", "the file ends after its header")
    if test is not None:
        differences = compare_rows(seen, dict(zip(test.image_ids, test.categories, strict=True)))
        problems.update({f"rows that are {kind}": rows for kind, rows in differences.items()})
    return problems


def _check_text(line: str) -> Iterator[str]:
    """Say what is unusual about a line as text."""
    if "\r" in line:
        yield "line does not end with LF alone"
    if not line or line.isspace():
        yield "blank line"
        return
    if '"' in line:
        yield "quoted cell"
    if any(cell != cell.strip() for cell in line.rstrip("\r").split(",")):
        yield "space around a cell"


def _check_cell(cell: str, *, of_category: bool) -> str | None:
    """Say what is wrong with a point, or None."""
    try:
        x, y, visibility = parse_cell(cell)
    except DataError:
        return "not a cell x_y_v with v 1, 0 or -1"
    if not of_category:
        return None if cell == ABSENT_CELL else f"point of another category, not {ABSENT_CELL} (the scorer ignores it)"
    if visibility == ABSENT:
        return "point of the category left out (it counts as one at -1, -1)"
    if visibility != 1:
        return "visibility of a point of the category is not 1 (the scorer ignores it)"
    if x < 0 or y < 0:
        return "point left of or above the photo"
    if cell != f"{x:.0f}_{y:.0f}_1":
        return "coordinates are not plain integers"
    if max(x, y) > LARGEST_COORDINATE:
        return f"coordinate above {LARGEST_COORDINATE} (the true points of FashionAI lie in 0..{LARGEST_COORDINATE})"
    return None


def _check_complete(table: AnnotationTable) -> None:
    """Raise a DataError where a table leaves out a point that a category has."""
    absent = np.argwhere(category_mask(table.categories) & (table.points[:, :, 2] == ABSENT))
    if len(absent):
        shown = name_three([f"{KEYPOINTS[index]} of {table.image_ids[row]}" for row, index in absent])
        raise DataError(
            f"{len(absent)} points that their category has are absent: {shown}; a submission needs a guess for each"
        )


def _categories_in_name(file: Path) -> list[str]:
    words = re.split(r"[^a-z]+", file.stem.lower())
    return [category for category in CATEGORIES if category in words]
