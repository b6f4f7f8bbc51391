"""One garment of one photo, labelled (Annotation) or predicted (Prediction), and a table of many.

Points are continuous photo coordinates (see geometry.py); visibility is 1 visible, 0 occluded,
-1 absent. Absent points are (-1, -1).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hemline.errors import DataError, ShapeError, name_three, unknown_name
from hemline.garments import CATEGORIES, CATEGORY_KEYPOINTS, NUM_KEYPOINTS, check_category

VISIBLE, OCCLUDED, ABSENT = 1, 0, -1

_HAS_KEYPOINT = np.array([np.isin(np.arange(NUM_KEYPOINTS), CATEGORY_KEYPOINTS[name]) for name in CATEGORIES])


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """The labelled points of one garment.

    Attributes:
        image_id: the photo's id, e.g. "Images/skirt/0a1b.jpg".
        category: one of garments.CATEGORIES.
        keypoints: (24, 2) float64, x and y in photo pixels.
        visibility: (24,) int8 in {1, 0, -1}.
        path: where the photo lies; None when unknown.
    """

    image_id: str
    category: str
    keypoints: np.ndarray
    visibility: np.ndarray
    path: Path | None = None

    def __post_init__(self) -> None:
        check_category(self.category)
        if self.keypoints.shape != (NUM_KEYPOINTS, 2) or self.visibility.shape != (NUM_KEYPOINTS,):
            raise ShapeError(
                f"{self.image_id}: keypoints {self.keypoints.shape} and visibility {self.visibility.shape}, "
                f"expected ({NUM_KEYPOINTS}, 2) and ({NUM_KEYPOINTS},)"
            )

    @property
    def points(self) -> np.ndarray:
        """Return (24, 3) as in AnnotationTable: x, y, visibility."""
        return np.column_stack([self.keypoints, self.visibility])

    @property
    def present(self) -> np.ndarray:
        """Return the points that the garment has, visible or occluded, (N, 2)."""
        present: np.ndarray = self.keypoints[self.visibility != ABSENT]
        return present


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The predicted points of one garment.

    Attributes:
        image_id: the photo's id.
        category: one of garments.CATEGORIES.
        keypoints: (24, 2) float64, photo pixels; NaN outside the category.
        scores: (24,) float64 in [0, 1]; NaN outside the category; 0 for a point that was filled in
            without a look at the photo.
    """

    image_id: str
    category: str
    keypoints: np.ndarray
    scores: np.ndarray

    @property
    def points(self) -> np.ndarray:
        """Return (24, 3) as in AnnotationTable: the category's points as visible, the others as absent."""
        predicted = np.isfinite(self.scores)[:, None]  # (24, 1)
        visible = np.column_stack([self.keypoints, np.full(len(self.scores), VISIBLE)])  # (24, 3)
        return np.where(predicted, visible, float(ABSENT))


@dataclass(frozen=True, slots=True, eq=False)
class AnnotationTable:
    """Many annotations as columns, in file order.

    Attributes:
        image_ids: N ids.
        categories: N category names.
        points: (N, 24, 3) float64: x, y, visibility in {1, 0, -1}.
        paths: N photo paths, or empty when the table came without photos.
    """

    image_ids: tuple[str, ...]
    categories: tuple[str, ...]
    points: np.ndarray
    paths: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.image_ids)
        if len(self.categories) != count or self.points.shape != (count, NUM_KEYPOINTS, 3):
            raise ShapeError(
                f"{count} image ids, {len(self.categories)} categories and points {self.points.shape}: "
                f"expected points ({count}, {NUM_KEYPOINTS}, 3)"
            )
        if self.paths and len(self.paths) != count:
            raise ShapeError(f"{count} image ids but {len(self.paths)} paths")

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: int) -> Annotation:
        return Annotation(
            self.image_ids[index],
            self.categories[index],
            self.points[index, :, :2],
            self.points[index, :, 2].astype(np.int8),
            self.paths[index] if self.paths else None,
        )

    def __iter__(self) -> Iterator[Annotation]:
        return (self[index] for index in range(len(self)))

    def select(self, rows: Sequence[int]) -> AnnotationTable:
        """Return the table of these rows, in this order."""
        return AnnotationTable(
            tuple(self.image_ids[row] for row in rows),
            tuple(self.categories[row] for row in rows),
            self.points[np.asarray(rows, dtype=np.intp)],
            tuple(self.paths[row] for row in rows) if self.paths else (),
        )

    def of_categories(self, categories: Iterable[str]) -> AnnotationTable:
        """Return the rows of these categories, in file order."""
        wanted = {check_category(name) for name in categories}
        return self.select([row for row, name in enumerate(self.categories) if name in wanted])

    def labelled(self) -> AnnotationTable:
        """Return the rows with a present point, in file order."""
        return self.select(np.flatnonzero((self.points[:, :, 2] != ABSENT).any(axis=1)).tolist())

    def in_order_of(self, other: AnnotationTable) -> AnnotationTable:
        """Return the rows in the order of another table of the same garments.

        Raises:
            DataError: rows are missing, not expected, or of another category; says how many and shows three.
        """
        row_of = {image_id: row for row, image_id in enumerate(self.image_ids)}
        differences = compare_rows(
            dict(zip(self.image_ids, self.categories, strict=True)),
            dict(zip(other.image_ids, other.categories, strict=True)),
        )
        if differences:
            parts = "".join(f"\n  {len(rows)} {kind}: {name_three(rows)}" for kind, rows in differences.items())
            raise DataError(f"the {len(self)} rows do not match the {len(other)} garments expected:{parts}")
        return self.select([row_of[image_id] for image_id in other.image_ids])


def compare_rows(found: Mapping[str, str], expected: Mapping[str, str]) -> dict[str, list[str]]:
    """List how the rows of a table differ from those expected.

    Args:
        found, expected: image id -> category.
    Returns:
        what differs -> the rows; {} when nothing does.
    """
    if found == expected:
        return {}
    differences = {
        "missing": [image_id for image_id in expected if image_id not in found],
        "not expected": [image_id for image_id in found if image_id not in expected],
        "of another category": [
            f"{image_id} ({found[image_id]}, expected {expected[image_id]})"
            for image_id in found
            if image_id in expected and found[image_id] != expected[image_id]
        ],
    }
    return {kind: rows for kind, rows in differences.items() if rows}


def category_index(categories: Sequence[str]) -> np.ndarray:
    """Return where each name stands in CATEGORIES, (N,) int.

    Raises:
        DataError: an unknown category.
    """
    index = {name: at for at, name in enumerate(CATEGORIES)}
    try:
        return np.array([index[name] for name in categories], dtype=np.intp)
    except KeyError as error:
        raise DataError(unknown_name("category", error.args[0], CATEGORIES)) from None


def category_mask(categories: Sequence[str]) -> np.ndarray:
    """Tell which keypoints each garment's category has, (N, 24) bool.

    Raises:
        DataError: an unknown category.
    """
    mask: np.ndarray = _HAS_KEYPOINT[category_index(categories)]
    return mask


def fingerprint(*tables: AnnotationTable | None) -> int:
    """Digest the ids, categories and points of several tables in their order; photos are not looked at."""
    digest = 0
    for table in tables:
        names = [] if table is None else [*table.image_ids, *table.categories]
        digest = zlib.crc32("\n".join(names).encode(), digest)
        digest = digest if table is None else zlib.crc32(table.points.tobytes(), digest)
    return digest
