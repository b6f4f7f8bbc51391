"""What every annotation format must do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hemline.annotation import AnnotationTable
from hemline.errors import DataError
from hemline.formats import FORMATS
from hemline.garments import CATEGORIES, CATEGORY_KEYPOINTS


@pytest.mark.parametrize("name", FORMATS)
def test_round_trip(name: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    points = np.full((5, 24, 3), -1.0)
    for row, category in enumerate(CATEGORIES):
        for index in CATEGORY_KEYPOINTS[category][1:]:  # the first one stays absent
            points[row, index] = [*np.round(random.uniform(0, 512, 2), 3), random.integers(0, 2)]
    ids = tuple(f"Images/{category}/{row}.jpg" for row, category in enumerate(CATEGORIES))
    FORMATS[name].write_annotations(tmp_path / "file", AnnotationTable(ids, CATEGORIES, points))
    table = FORMATS[name].read_annotations(tmp_path / "file")
    assert (table.image_ids, table.categories) == (ids, CATEGORIES)
    np.testing.assert_array_equal(table.points, points)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe\x00", b"{", b"a,b\n1,2\n"])
def test_a_file_of_another_kind_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "strange").write_bytes(content)
    with pytest.raises(DataError, match="strange"):
        FORMATS[name].read_annotations(tmp_path / "strange")
