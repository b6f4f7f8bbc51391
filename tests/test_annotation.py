"""Annotations one by one and as a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hemline.annotation import Annotation, AnnotationTable, category_index, category_mask, compare_rows
from hemline.errors import DataError, ShapeError


@pytest.fixture
def table() -> AnnotationTable:
    points = np.arange(3 * 24 * 3, dtype=np.float64).reshape(3, 24, 3)
    points[:, :, 2] = [[1], [0], [-1]]
    return AnnotationTable(
        ("a.jpg", "b.jpg", "c.jpg"),
        ("skirt", "dress", "skirt"),
        points,
        (Path("root/a.jpg"), Path("root/b.jpg"), Path("root/c.jpg")),
    )


def test_a_row_is_an_annotation(table: AnnotationTable) -> None:
    row = table[1]
    assert (row.image_id, row.category, row.path) == ("b.jpg", "dress", Path("root/b.jpg"))
    assert row.keypoints[0].tolist() == [72, 73]
    assert row.keypoints[23].tolist() == [141, 142]
    assert row.visibility.tolist() == [0] * 24
    assert row.visibility.dtype == np.int8


def test_rows_in_file_order(table: AnnotationTable) -> None:
    assert len(table) == 3
    assert [row.image_id for row in table] == ["a.jpg", "b.jpg", "c.jpg"]
    assert table[-1].image_id == "c.jpg"


def test_select_keeps_columns_together(table: AnnotationTable) -> None:
    chosen = table.select([2, 0])
    assert chosen.image_ids == ("c.jpg", "a.jpg")
    assert chosen.categories == ("skirt", "skirt")
    assert chosen.points[:, 0, 0].tolist() == [144, 0]
    assert chosen.paths == (Path("root/c.jpg"), Path("root/a.jpg"))


def test_select_nothing(table: AnnotationTable) -> None:
    nothing = table.select([])
    assert len(nothing) == 0
    assert nothing.points.shape == (0, 24, 3)
    assert list(nothing) == []


def test_select_without_photos(table: AnnotationTable) -> None:
    bare = AnnotationTable(table.image_ids, table.categories, table.points)
    assert bare.select([1]).paths == ()
    assert bare[1].path is None


def test_of_categories(table: AnnotationTable) -> None:
    assert table.of_categories(["skirt"]).image_ids == ("a.jpg", "c.jpg")
    assert table.of_categories(["dress", "skirt"]).image_ids == ("a.jpg", "b.jpg", "c.jpg")
    assert len(table.of_categories(["trousers"])) == 0
    with pytest.raises(DataError, match=r"unknown category 'pants'"):
        table.of_categories(["pants"])


def test_columns_of_different_lengths(table: AnnotationTable) -> None:
    with pytest.raises(ShapeError, match=r"3 image ids, 3 categories and points \(2, 24, 3\): expected points \(3, 24"):
        AnnotationTable(table.image_ids, table.categories, table.points[:2])
    with pytest.raises(ShapeError, match=r"3 image ids, 2 categories"):
        AnnotationTable(table.image_ids, table.categories[:2], table.points)
    with pytest.raises(ShapeError, match=r"3 image ids but 1 paths"):
        AnnotationTable(table.image_ids, table.categories, table.points, table.paths[:1])


def test_annotation_checks_itself() -> None:
    points, visibility = np.zeros((24, 2)), np.zeros(24, np.int8)
    with pytest.raises(DataError, match=r"unknown category 'coat'"):
        Annotation("a.jpg", "coat", points, visibility)
    with pytest.raises(ShapeError, match=r"a\.jpg: keypoints \(23, 2\) and visibility \(24,\), expected \(24, 2\)"):
        Annotation("a.jpg", "skirt", points[:23], visibility)


def test_in_order_of_another_table(table: AnnotationTable) -> None:
    other = AnnotationTable(("c.jpg", "a.jpg", "b.jpg"), ("skirt", "skirt", "dress"), np.zeros((3, 24, 3)))
    ordered = table.in_order_of(other)
    assert ordered.image_ids == other.image_ids
    assert ordered.points[:, 0, 0].tolist() == [144, 0, 72]
    with pytest.raises(DataError, match=r"the 2 rows do not match the 3 garments expected:\n  1 missing: b\.jpg$"):
        table.select([0, 2]).in_order_of(other)


def test_compare_rows() -> None:
    assert compare_rows({"a": "skirt", "b": "dress"}, {"b": "dress", "a": "skirt"}) == {}
    assert compare_rows({"a": "skirt", "x": "dress"}, {"a": "dress", "b": "dress"}) == {
        "missing": ["b"],
        "not expected": ["x"],
        "of another category": ["a (skirt, expected dress)"],
    }


def test_category_index_and_mask() -> None:
    assert category_index(["trousers", "blouse"]).tolist() == [4, 0]
    mask = category_mask(["skirt", "trousers"])
    assert mask.shape == (2, 24)
    assert np.flatnonzero(mask[0]).tolist() == [15, 16, 17, 18]
    assert np.flatnonzero(mask[1]).tolist() == [15, 16, 19, 20, 21, 22, 23]
    assert category_mask([]).shape == (0, 24)
    with pytest.raises(DataError, match=r"unknown category 'skrit'\. Did you mean 'skirt'\?"):
        category_index(["skrit"])
