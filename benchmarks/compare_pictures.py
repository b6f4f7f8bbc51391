"""Compare drawn garments with real ones: how often their points are hidden, and how their pictures look.

    python benchmarks/compare_pictures.py --layouts LAYOUTS.csv --data ROOT:FILE.csv [--photos-kinds KINDS.csv]

Writes two tables of docs/synthetic.md; takes a minute on one core. KINDS.csv has columns image_id and kind, for
example flat and worn; photos of different kinds get rows of their own.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import re
from pathlib import Path

import cv2
import numpy as np
from page import put_table

from hemline.annotation import ABSENT, OCCLUDED, AnnotationTable
from hemline.formats.fashionai import read_annotations
from hemline.formats.roots import read_roots
from hemline.garments import CATEGORIES, CATEGORY_KEYPOINTS, KEYPOINTS
from hemline.geometry import shrink
from hemline.images import read_image
from hemline.synth.stream import stream

SIZE = 256
"""Longer side of the pictures, pixels."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--layouts", type=Path, required=True)
    arguments.add_argument("--data", required=True, action="append", help="ROOT or ROOT:FILE.csv of labelled photos")
    arguments.add_argument("--photos-kinds", type=Path)
    arguments.add_argument("--count", type=int, default=300, help="drawn garments of each category")
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    cv2.setNumThreads(1)
    photos, _ = read_roots(chosen.data)
    drawn, drawn_looks = draw(chosen.seed, chosen.count * len(CATEGORIES))
    hidden = hidden_table([read_annotations(chosen.layouts), photos, drawn])
    looks = looks_table(photo_looks(photos, chosen.photos_kinds) | {"drawn": drawn_looks})
    print(f"{hidden}\n\n{looks}")
    put_table("synthetic.md", "hidden-points", hidden)
    put_table("synthetic.md", "picture-looks", looks)


def draw(seed: int, count: int) -> tuple[AnnotationTable, list[np.ndarray]]:
    """Draw garments whose categories take turns; return their annotations and one `look_of` each."""
    annotations, looks = [], []
    for drawn in itertools.islice(stream(seed, size=SIZE), count):
        annotations.append(drawn.annotation)
        looks.append(look_of(drawn.image))
    table = AnnotationTable(
        tuple(each.image_id for each in annotations),
        tuple(each.category for each in annotations),
        np.stack([each.points for each in annotations]),
    )
    return table, looks


def photo_looks(photos: AnnotationTable, kinds: Path | None) -> dict[str, list[np.ndarray]]:
    """Measure all photos; kind -> one `look_of` each."""
    kind_of = {}
    if kinds:
        with kinds.open(newline="", encoding="utf-8") as file:
            kind_of = {row["image_id"]: f"{row['kind']}, real" for row in csv.DictReader(file)}
    looks: dict[str, list[np.ndarray]] = {}
    for image_id, path in zip(photos.image_ids, photos.paths, strict=True):
        look = look_of(shrink(read_image(path), SIZE))
        looks.setdefault(kind_of.get(image_id, "real"), []).append(look)
    return looks


def look_of(image: np.ndarray) -> np.ndarray:
    """Measure brightness, its spread, saturation, mean edge, and what 95 % of edges are below.

    Args:
        image: (H, W, 3) uint8 RGB.
    Returns:
        (5,) float: grey levels; saturation in [0, 255]. Edges are central differences, grey levels per pixel.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    saturation = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[:, :, 1]
    edges = np.hypot(*np.gradient(grey))
    return np.array([grey.mean(), grey.std(), saturation.mean(), edges.mean(), np.percentile(edges, 95)])


def hidden_share(table: AnnotationTable, category: str, group: str) -> float:
    """Return the percentage of a category's present points of one group, both sides, that are occluded."""
    members = [point for point in CATEGORY_KEYPOINTS[category] if group_of(point) == group]
    visibility = table.of_categories([category]).points[:, members, 2]
    return 100 * (visibility == OCCLUDED).sum() / (visibility != ABSENT).sum()


def group_of(point: int) -> str:
    """Name a keypoint without its side."""
    return re.sub("_(left|right)", "", KEYPOINTS[point])


def hidden_table(tables: list[AnnotationTable]) -> str:
    lines = [f"| points | {' | '.join(CATEGORIES)} |", "|---" * (1 + len(CATEGORIES)) + "|"]
    for group in dict.fromkeys(map(group_of, range(len(KEYPOINTS)))):
        cells = [
            ", ".join(f"{hidden_share(table, category, group):.0f}" for table in tables)
            if group in map(group_of, points)
            else ""
            for category, points in CATEGORY_KEYPOINTS.items()
        ]
        lines.append(f"| {group} | {' | '.join(cells)} |")
    return "\n".join(lines)


def looks_table(looks: dict[str, list[np.ndarray]]) -> str:
    lines = [
        "| | pictures | brightness | its spread | saturation | mean edge | 95 % of edges below |",
        "|---" * 7 + "|",
    ]
    for name, rows in looks.items():
        *levels, mean_edge, strong_edge = np.median(rows, axis=0)
        cells = [name, str(len(rows)), *(f"{level:.0f}" for level in levels), f"{mean_edge:.1f}", f"{strong_edge:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
