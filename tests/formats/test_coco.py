"""COCO keypoint JSON: values by hand, and what is wrong with a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hemline.annotation import AnnotationTable
from hemline.errors import DataError
from hemline.formats.coco import read_annotations, write_annotations


def skirt() -> AnnotationTable:
    points = np.full((1, 24, 3), -1.0)
    points[0, 15], points[0, 16], points[0, 17] = (10, 20, 1), (30.5, 22, 0), (5, 60, 1)
    return AnnotationTable(("Images/skirt/a.jpg",), ("skirt",), points)


def test_the_file_says_what_coco_says(tmp_path: Path) -> None:
    write_annotations(tmp_path / "coco.json", skirt(), sizes_wh=[(64, 80)])
    content = json.loads((tmp_path / "coco.json").read_text())
    assert content["images"] == [{"id": 1, "file_name": "Images/skirt/a.jpg", "width": 64, "height": 80}]
    (annotation,) = content["annotations"]
    expected = [0] * 72
    expected[45:54] = [10, 20, 2, 30.5, 22, 1, 5, 60, 2]
    assert annotation["keypoints"] == expected
    assert annotation["num_keypoints"] == 3
    assert annotation["bbox"] == [5, 20, 25.5, 40]
    assert annotation["area"] == 1020
    kind = content["categories"][annotation["category_id"] - 1]
    assert (kind["name"], kind["keypoints"][15], kind["skeleton"][0]) == ("skirt", "waistband_left", [16, 17])


def test_a_box_may_be_given(tmp_path: Path) -> None:
    write_annotations(tmp_path / "coco.json", skirt(), boxes=[(1, 2, 11, 22)])
    (annotation,) = json.loads((tmp_path / "coco.json").read_text())["annotations"]
    assert annotation["bbox"] == [1, 2, 10, 20]


def change(tmp_path: Path, edit) -> Path:
    write_annotations(tmp_path / "coco.json", skirt())
    content: dict[str, Any] = json.loads((tmp_path / "coco.json").read_text())
    edit(content)
    (tmp_path / "coco.json").write_text(json.dumps(content))
    return tmp_path / "coco.json"


def test_keypoints_are_found_by_name(tmp_path: Path) -> None:
    def edit(content: dict[str, Any]) -> None:
        content["categories"] = [{"id": 5, "name": "skirt", "keypoints": ["label", "hemline_left"]}]
        content["annotations"][0] |= {"category_id": 5, "keypoints": [1, 1, 2, 7, 8, 1]}

    points = read_annotations(change(tmp_path, edit)).points[0]
    assert points[17].tolist() == [7, 8, 0]
    assert (np.delete(points, 17, axis=0) == -1).all()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c["annotations"][0].update(image_id=9), r"annotation 1: no image, category or keypoints that fit"),
        (lambda c: c["annotations"][0].update(category_id=9), r"annotation 1: no image, category or keypoints"),
        (lambda c: c["annotations"][0].pop("keypoints"), r"annotation 1: no image, category or keypoints"),
        (lambda c: c["annotations"][0].update(keypoints=[1, 2]), r"annotation 1: no image, category or keypoints"),
        (lambda c: c["annotations"][0].update(keypoints=[1, 2, 2]), r"1 keypoints, its category 'skirt' has 24"),
        (lambda c: c["annotations"][0].update(keypoints=[1, 2, 3] * 24), r"x, y and 0, 1 or 2 in turn"),
        (lambda c: c["annotations"].append(c["annotations"][0]), r"a second garment on Images/skirt/a\.jpg"),
        (lambda c: [kind.update(name="sock") for kind in c["categories"]], r"annotation 1: unknown category 'sock'"),
        (lambda c: [kind.pop("name") for kind in c["categories"]], r"a category without a name"),
        (lambda c: c["images"][0].pop("file_name"), r"an image without a file_name"),
        (lambda c: c.pop("images"), r"expected lists of images, annotations, categories"),
        (lambda c: c["images"].append(3), r"expected lists of images, annotations, categories"),
    ],
)
def test_what_is_wrong_is_named(edit, message: str, tmp_path: Path) -> None:
    path = change(tmp_path, edit)
    with pytest.raises(DataError, match=message) as caught:
        read_annotations(path)
    assert str(path) in str(caught.value)


def test_no_garments_are_an_empty_table(tmp_path: Path) -> None:
    write_annotations(tmp_path / "coco.json", skirt().select([]))
    assert len(read_annotations(tmp_path / "coco.json")) == 0
