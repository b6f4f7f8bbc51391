"""Boxes against true ones, by numbers worked out by hand."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from hemline.annotation import AnnotationTable
from hemline.errors import DataError
from hemline.images import write_image
from hemline.infer.detector import Detection
from hemline.report.detection import LabelledPhoto, judge_boxes, label_photos, match_boxes, print_box_scores

CORNERS = np.array([[10.0, 10.0], [90.0, 10.0], [10.0, 90.0], [90.0, 90.0]])


def photo(*categories: str, shift: float = 0.0) -> LabelledPhoto:
    """A photo with skirts of 80 x 80 pixels side by side, 100 pixels each; their true boxes are 10 wider all around."""
    boxes = [(100.0 * at, 0.0, 100.0 * at + 100, 100.0) for at in range(len(categories))]
    points = tuple(CORNERS + (100.0 * at, 0.0) for at in range(len(categories)))  # noqa: RUF005
    return LabelledPhoto(Path("a"), (100 * len(categories), 100), categories, np.array(boxes).reshape(-1, 4), points)


def test_true_boxes_are_perfect():
    photos = [photo("skirt", "dress"), photo("skirt")]
    found = [
        [Detection("dress", (100, 0, 200, 100), 0.9), Detection("skirt", (0, 0, 100, 100), 0.8)],
        [Detection("skirt", (0, 0, 100, 100), 0.7)],
    ]
    scores = judge_boxes(photos, found, found)
    assert (scores.ap, scores.ap50, scores.keypoint_recall) == pytest.approx((1, 1, 1))
    assert (scores.found, scores.named, scores.extra) == (1, 1, 0)
    assert np.array(scores.side_errors) == pytest.approx(np.zeros((4, 2)))


def test_what_a_narrow_box_misses():
    """Two of four points are outside; the right side is 20 of 100 pixels too far in."""
    narrow = [[Detection("skirt", (0, -5, 80, 100), 0.9)]]
    scores = judge_boxes([photo("skirt")], narrow, narrow)
    assert scores.keypoint_recall == 0.5
    assert [mean for mean, _ in scores.side_errors] == pytest.approx([0, 0.05, -0.2, 0])
    # IoU 8000 / 10400 = 0.769: six of the ten overlaps from 0.50 to 0.95.
    assert scores.ap == pytest.approx(0.6)
    assert scores.ap50 == pytest.approx(1.0)


def test_missed_misnamed_and_extra_garments():
    photos = [photo("skirt", "dress"), photo("skirt"), photo()]
    found = [
        [Detection("trousers", (0, 0, 100, 100), 0.9)],  # misnamed; the dress is missed
        [Detection("skirt", (0, 0, 40, 40), 0.9)],  # too small to be it
        [Detection("skirt", (0, 0, 40, 40), 0.6)],  # nothing there
    ]
    scores = judge_boxes(photos, found, found)
    assert (scores.found, scores.named) == (pytest.approx(1 / 3), 0)
    assert scores.extra == pytest.approx(2 / 3)
    assert scores.keypoint_recall == pytest.approx(4 / 12)
    assert scores.ap50 == 0


def test_only_ap_looks_at_candidates():
    candidates = [[Detection("skirt", (0, 0, 100, 100), 0.2)]]
    scores = judge_boxes([photo("skirt")], [[]], candidates)
    assert (scores.ap50, scores.found, scores.keypoint_recall) == (pytest.approx(1), 0, 0)
    assert all(math.isnan(mean) for mean, _ in scores.side_errors)
    assert judge_boxes([photo("skirt")], [[]], [[]]).ap == 0


def test_no_garment_at_all_is_an_error():
    with pytest.raises(DataError, match="no labelled garment"):
        judge_boxes([photo()], [[]], [[]])


def test_the_surest_box_takes_the_garment_that_it_fits_best():
    true = np.array([[0.0, 0, 10, 10], [0, 0, 10, 12]])
    found = np.array([[0.0, 0, 10, 12], [0, 0, 10, 11], [0, 0, 9, 9]])
    assert match_boxes(true, found).tolist() == [1, 0]
    assert match_boxes(true, np.empty((0, 4))).tolist() == [-1, -1]
    assert match_boxes(np.empty((0, 4)), found).tolist() == []


def test_photos_gather_their_garments(tmp_path):
    write_image(tmp_path / "a.png", np.zeros((60, 100, 3), np.uint8))
    points = np.full((3, 24, 3), -1.0)
    points[0, 15:17] = [[10, 20, 1], [50, 40, 0]]
    points[1, 15] = [90, 10, 1]
    paths = (tmp_path / "a.png",) * 3
    [found] = label_photos(AnnotationTable(("a", "b", "c"), ("skirt", "trousers", "skirt"), points, paths), margin=0.5)
    assert found.size_wh == (100, 60)
    assert found.categories == ("skirt", "trousers")  # the third has no point
    assert found.boxes == pytest.approx(np.array([[0, 0, 70, 60], [88, 8, 92, 12]]))
    assert [len(each) for each in found.points] == [2, 1]


def test_the_table_ends_with_the_key_to_copy():
    narrow = [[Detection("skirt", (0, -5, 80, 100), 0.9)]]
    text = io.StringIO()
    scores = judge_boxes([photo("skirt")], narrow, narrow)
    print_box_scores(scores, photos=1, console=Console(file=text, width=100, highlight=False))
    assert "AP50" in text.getvalue()
    assert "right side, outwards" in text.getvalue()
    assert "augment.box_errors = [0.000, 0.050, 0.200, 0.000]" in text.getvalue()
