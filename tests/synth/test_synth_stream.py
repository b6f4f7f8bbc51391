"""Synthetic garments one after the other: the same for the same seed, however they are drawn and written."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from hemline.errors import DataError, ImageError
from hemline.formats import coco, fashionai
from hemline.garments import CATEGORIES, CATEGORY_KEYPOINTS
from hemline.images import read_image, write_image
from hemline.synth.stream import stream, write_drawn_set


def take(count: int, seed: int, **options) -> list:
    return list(itertools.islice(stream(seed, size=64, **options), count))


def test_categories_take_turns_with_points_of_their_own() -> None:
    for number, drawn in enumerate(take(10, 1)):
        category = CATEGORIES[number % 5]
        assert drawn.annotation.category == category
        assert drawn.annotation.image_id.startswith(f"Images/{category}/")
        present = np.flatnonzero(drawn.annotation.visibility >= 0)
        assert len(present) >= 2
        assert set(present) <= set(CATEGORY_KEYPOINTS[category])
        assert drawn.image.shape == (64, 64, 3)
        assert drawn.mask.shape == (64, 64)
    assert [drawn.annotation.category for drawn in take(3, 1, categories=["skirt"])] == ["skirt"] * 3


def test_the_nth_garment_depends_on_the_seed_and_its_number_only() -> None:
    first, again, other = take(4, 3), take(2, 3, start=2), take(4, 4)
    assert (first[3].image == again[1].image).all()
    assert (first[3].annotation.keypoints == again[1].annotation.keypoints).all()
    assert first[3].annotation.image_id == again[1].annotation.image_id
    assert (first[3].image != other[3].image).any()


def test_real_backgrounds_are_seen() -> None:
    pink = np.broadcast_to(np.array([255, 0, 255], np.uint8), (80, 80, 3))
    drawn = take(20, 0, backgrounds=[pink])
    assert any((each.image != plain.image).any() for each, plain in zip(drawn, take(20, 0), strict=True))


def test_garments_are_shown_as_asked() -> None:
    flat, both = take(5, 0, settings=["flat"]), take(5, 0, settings=["worn", "flat"])
    assert any((one.image != other.image).any() for one, other in zip(flat, both, strict=True))
    with pytest.raises(DataError, match=r"unknown setting 'flatt'\. Did you mean 'flat'"):
        take(1, 0, settings=["flatt"])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "set"
    assert len(list(write_drawn_set(root, count=6, seed=2, size=64))) == 6
    return root


def test_a_set_is_a_fashionai_root_with_masks_and_coco(written: Path) -> None:
    table = fashionai.read_annotations(written / "Annotations" / "train.csv")
    garments = take(6, 2)
    assert table.image_ids == tuple(each.annotation.image_id for each in garments)
    np.testing.assert_allclose(table.points, [each.annotation.points for each in garments], atol=1e-3)
    same = coco.read_annotations(written / "Annotations" / "coco.json")
    np.testing.assert_allclose(same.points, table.points, atol=2e-3)
    content = json.loads((written / "Annotations" / "coco.json").read_text())
    assert content["images"][0] == {"id": 1, "file_name": table.image_ids[0], "width": 64, "height": 64}
    for each, annotation in zip(garments, content["annotations"], strict=True):
        left, top, right, bottom = each.box
        assert annotation["bbox"] == [left, top, right - left, bottom - top]
        photo = read_image(written / each.annotation.image_id)
        assert np.abs(photo.astype(int) - each.image).mean() < 8  # JPEG
        name = each.annotation.image_id.replace("Images", "Masks").replace(".jpg", ".png")
        mask = cv2.imread(str(written / name), cv2.IMREAD_UNCHANGED)
        assert (mask == each.mask).all()


def test_workers_write_the_same_bytes(written: Path, tmp_path: Path) -> None:
    list(write_drawn_set(tmp_path / "set", count=6, seed=2, size=64, workers=2))
    files = sorted(path.relative_to(written) for path in written.rglob("*.*"))
    assert files == sorted(path.relative_to(tmp_path / "set") for path in (tmp_path / "set").rglob("*.*"))
    assert len(files) == 14
    assert [file for file in files if (written / file).read_bytes() != (tmp_path / "set" / file).read_bytes()] == []


def test_a_set_that_is_there_is_not_overwritten(written: Path) -> None:
    with pytest.raises(DataError, match=r"train\.csv is there already; give another --out"):
        list(write_drawn_set(written, count=1, seed=0, size=64))


def test_backgrounds_come_from_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="nowhere"):
        list(write_drawn_set(tmp_path / "set", count=1, seed=0, size=64, backgrounds=tmp_path / "nowhere"))
    write_image(tmp_path / "photos" / "wall.png", np.full((300, 200, 3), 77, np.uint8))
    assert len(list(write_drawn_set(tmp_path / "set", count=1, seed=0, size=64, backgrounds=tmp_path / "photos"))) == 1
