"""COCO keypoint JSON: one category per garment category, each with all 24 keypoints in FashionAI's order.

COCO's visibility is 2 visible, 1 labelled but not visible, 0 not labelled, with (0, 0) for the last; hemline's is
1, 0 and -1. COCO's coordinates are continuous with the origin at the outer corner, as hemline's are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hemline.annotation import ABSENT, AnnotationTable, Prediction
from hemline.errors import DataError
from hemline.files import write_atomic
from hemline.garments import CATEGORIES, KEYPOINTS, LIMBS, NUM_KEYPOINTS, check_category

if TYPE_CHECKING:  # geometry brings OpenCV, which reading and writing files does not need
    from hemline.geometry import Box


def write_annotations(
    path: Path,
    table: AnnotationTable,
    *,
    sizes_wh: Sequence[tuple[int, int]] = (),
    boxes: Sequence[Box] = (),
) -> None:
    """Write a table as COCO keypoint annotations.

    Args:
        path: the JSON file; image_id becomes file_name.
        table: any number of garments.
        sizes_wh: width and height of each row's photo; left out where there is none.
        boxes: of each garment; by default the box of its points.
    """
    images, annotations = [], []
    for row, (image_id, category) in enumerate(zip(table.image_ids, table.categories, strict=True)):
        points = table.points[row]
        present = points[points[:, 2] != ABSENT]
        box = boxes[row] if boxes else (*present[:, :2].min(0), *present[:, :2].max(0)) if len(present) else (0,) * 4
        size = dict(zip(("width", "height"), sizes_wh[row], strict=True)) if sizes_wh else {}
        images.append({"id": row + 1, "file_name": image_id, **size})
        annotations.append(_annotation(row + 1, row + 1, category, points, box))
    content = {"images": images, "annotations": annotations, "categories": _categories()}
    write_atomic(path, json.dumps(content, separators=(",", ":")) + "\n")


def write_predictions(
    path: Path,
    sizes_wh: Mapping[str, tuple[int, int]],
    garments: Sequence[tuple[Prediction, Box, float]],
) -> None:
    """Write predicted garments as COCO keypoint annotations with scores.

    Args:
        path: the JSON file.
        sizes_wh: width and height of each photo by its image_id, those without a garment included; ids become
            file_names.
        garments: the points, the box and the score of each. An annotation has "score" and, in the order of its
            keypoints, "keypoint_scores"; the points of its category count as visible.
    """
    number_of = {image_id: number for number, image_id in enumerate(sizes_wh, start=1)}
    images = [
        {"id": number_of[image_id], "file_name": image_id, "width": width, "height": height}
        for image_id, (width, height) in sizes_wh.items()
    ]
    annotations = [
        _annotation(number, number_of[prediction.image_id], prediction.category, prediction.points, box)
        | {
            "score": round(score, 4),
            "keypoint_scores": [0 if np.isnan(each) else round(each, 4) for each in prediction.scores.tolist()],
        }
        for number, (prediction, box, score) in enumerate(garments, start=1)
    ]
    content = {"images": images, "annotations": annotations, "categories": _categories()}
    write_atomic(path, json.dumps(content, separators=(",", ":")) + "\n")


def read_annotations(path: Path) -> AnnotationTable:
    """Read COCO keypoint annotations, one garment per photo.

    Categories and keypoints are found by name; keypoints that are not FashionAI's are left out.

    Args:
        path: the JSON file.
    Raises:
        DataError: not such a file, an unknown category or image, a wrong number of keypoints, or two garments on one
            photo; names the annotation.
    """
    content = _read_json(path)
    names = {image["id"]: str(image["file_name"]) for image in content["images"]}
    kinds = {kind["id"]: kind for kind in content["categories"]}
    ids: list[str] = []
    categories: list[str] = []
    rows: list[np.ndarray] = []
    for annotation in content["annotations"]:
        where = f"{path}, annotation {annotation.get('id')}"
        try:
            name, kind = names[annotation["image_id"]], kinds[annotation["category_id"]]
            keypoints = np.array(annotation["keypoints"], float).reshape(-1, 3)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{where}: no image, category or keypoints that fit ({error!r})") from error
        try:
            categories.append(check_category(str(kind["name"])))
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        known = kind.get("keypoints", list(KEYPOINTS))
        if len(keypoints) != len(known):
            raise DataError(f"{where}: {len(keypoints)} keypoints, its category '{kind['name']}' has {len(known)}")
        if name in ids:
            raise DataError(f"{where}: a second garment on {name}; a table holds one garment a photo")
        ids.append(name)
        rows.append(_to_points(dict(zip(known, keypoints, strict=True)), where))
    points = np.stack(rows) if rows else np.empty((0, NUM_KEYPOINTS, 3))
    return AnnotationTable(tuple(ids), tuple(categories), points)


def _annotation(number: int, image: int, category: str, points: np.ndarray, box: Sequence[float]) -> dict[str, Any]:
    """Describe one garment: points (24, 3) and box left, top, right, bottom."""
    left, top, right, bottom = (float(side) for side in box)
    flat = np.where(points[:, 2:] == ABSENT, 0.0, points + np.array([0.0, 0.0, 1.0]))  # (24, 3)
    return {
        "id": number,
        "image_id": image,
        "category_id": CATEGORIES.index(category) + 1,
        "keypoints": [int(value) if value == int(value) else round(value, 3) for value in flat.ravel().tolist()],
        "num_keypoints": int((points[:, 2] != ABSENT).sum()),
        "bbox": [round(value, 3) for value in (left, top, right - left, bottom - top)],
        "area": round((right - left) * (bottom - top), 3),
        "iscrowd": 0,
    }


def _to_points(found: dict[str, np.ndarray], where: str) -> np.ndarray:
    points = np.full((NUM_KEYPOINTS, 3), float(ABSENT))
    for index, name in enumerate(KEYPOINTS):
        if name in found and found[name][2] > 0:
            points[index] = found[name] - np.array([0, 0, 1])
    if not np.isfinite(points).all() or not np.isin(points[:, 2], (-1, 0, 1)).all():
        raise DataError(f"{where}: keypoints are x, y and 0, 1 or 2 in turn, all finite")
    return points


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path}: not a JSON file ({error})") from error
    lists = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(
        isinstance(content.get(key), list) and all(isinstance(each, dict) and "id" in each for each in content[key])
        for key in lists
    ):
        raise DataError(f"{path}: not COCO annotations; expected lists of {', '.join(lists)}, each entry with an id")
    if not all("file_name" in image for image in content["images"]):
        raise DataError(f"{path}: an image without a file_name")
    if not all("name" in kind for kind in content["categories"]):
        raise DataError(f"{path}: a category without a name")
    return content


def _categories() -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "name": name,
            "supercategory": "garment",
            "keypoints": list(KEYPOINTS),
            "skeleton": [[first + 1, second + 1] for first, second in LIMBS[name]],
        }
        for number, name in enumerate(CATEGORIES, start=1)
    ]
