"""The evaluation of one table against another."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from hemline.annotation import AnnotationTable
from hemline.errors import DataError
from hemline.report.evaluation import (
    Score,
    evaluate,
    parse_absent_normalizer,
    print_evaluation,
    write_evaluation,
)


def skirts_and_dress() -> tuple[AnnotationTable, AnnotationTable]:
    """Two skirts and a dress with errors of 10, 0, 20 and 5 %, a skirt without and one with unseen points."""
    truth = np.full((5, 24, 3), -1.0)
    truth[0, 15:19] = [[0, 0, 1], [30, 40, 0], [0, 100, 1], [30, 140, 1]]  # 50 px wide
    truth[1, [5, 6, 0]] = [[100, 100, 0], [200, 100, 0], [50, 50, 1]]  # a dress, 100 px wide
    truth[2, 15:19] = [[0, 0, 1], [-1, -1, -1], [5, 5, 1], [-1, -1, -1]]  # a waistband with one end
    truth[3, 15:19] = [[0, 0, 0], [10, 0, 0], [0, 10, 0], [10, 10, 0]]
    truth[4, 16] = [20, 20, 0]
    prediction = truth.copy()
    prediction[0, 15:19, :2] = [[3, 4], [99, 99], [0, 100], [36, 148]]
    prediction[1, 0, :2] = [53, 54]
    prediction[1, 17] = [7, 7, 1]  # absent in truth
    ids = ("e.jpg", "d.jpg", "c.jpg", "b.jpg", "a.jpg")
    categories = ("skirt", "dress", "skirt", "skirt", "skirt")
    return AnnotationTable(ids, categories, prediction), AnnotationTable(ids, categories, truth)


def test_by_hand() -> None:
    evaluation = evaluate(*skirts_and_dress())
    assert evaluation.ne == pytest.approx((10 + 0 + 20 + 5) / 4)
    assert evaluation.points == 4
    assert evaluation.garments == 5
    assert evaluation.per_category == {"dress": Score(pytest.approx(5), 1), "skirt": Score(pytest.approx(10), 3)}
    counted = {name: score.ne for name, score in evaluation.per_keypoint.items() if score.points}
    assert counted == {
        "neckline_left": pytest.approx(5),
        "waistband_left": pytest.approx(10),
        "hemline_left": 0,
        "hemline_right": pytest.approx(20),
    }
    assert len(evaluation.per_keypoint) == 17  # those of dress and skirt: 15 + 4 less the two that they share
    assert evaluation.pck[1] == 25
    assert evaluation.pck[7.5] == 50
    assert evaluation.pck[20] == 100
    assert evaluation.skipped == {"no visible point": ("a.jpg", "b.jpg"), "normalizer absent": ("c.jpg",)}
    low, high = evaluation.interval95
    assert 5 <= low < evaluation.ne < high <= 10
    assert evaluation.predicted_absent == 0


def test_order_of_rows_changes_nothing() -> None:
    prediction, truth = skirts_and_dress()
    expected = evaluate(prediction, truth).as_json()
    assert evaluate(prediction.select([3, 0, 4, 1, 2]), truth).as_json() == expected
    assert evaluate(prediction, truth.select([3, 0, 4, 1, 2])).as_json() == expected


def test_absent_normalizer_in_pixels() -> None:
    prediction, truth = skirts_and_dress()
    prediction.points[2, 15, :2] = [6, 8]
    evaluation = evaluate(prediction, truth, absent_normalizer=100)
    assert evaluation.ne == pytest.approx((10 + 0 + 20 + 5 + 10 + 0) / 6)
    assert evaluation.skipped == {"no visible point": ("a.jpg", "b.jpg"), "normalizer absent": ()}


def test_categories_leave_the_other_rows_out_of_both_tables() -> None:
    prediction, truth = skirts_and_dress()
    evaluation = evaluate(prediction, truth.select([1]), categories=["dress"])
    assert evaluation.ne == pytest.approx(5)
    assert list(evaluation.per_category) == ["dress"]
    assert evaluation.garments == 1
    with pytest.raises(DataError, match=r"nothing to compare: the truth has no blouse and no trousers$"):
        evaluate(prediction, truth, categories=["blouse", "dress", "trousers"])
    with pytest.raises(DataError, match="unknown category 'pants'"):
        evaluate(prediction, truth, categories=["pants"])


def test_a_truth_without_labels() -> None:
    prediction, truth = skirts_and_dress()
    truth.points[:] = -1
    with pytest.raises(DataError, match="nothing to compare: the truth has no labelled point"):
        evaluate(prediction, truth)


def test_rows_that_do_not_match() -> None:
    prediction, truth = skirts_and_dress()
    with pytest.raises(
        DataError, match=r"4 missing: d\.jpg, c\.jpg, b\.jpg, \.\.\.$|4 missing: a\.jpg, b\.jpg, c\.jpg, "
    ):
        evaluate(prediction.select([0]), truth)
    with pytest.raises(DataError, match=r"the 5 rows do not match the 2 garments expected:\n  3 not expected: "):
        evaluate(prediction, truth.select([0, 1]))
    other = AnnotationTable(prediction.image_ids, ("skirt", "trousers", *3 * ["skirt"]), prediction.points)
    with pytest.raises(DataError, match=r"1 of another category: d\.jpg \(trousers, expected dress\)"):
        evaluate(other, truth)


def test_points_left_out_count_and_are_told() -> None:
    prediction, truth = skirts_and_dress()
    prediction.points[0, 17] = -1
    evaluation = evaluate(prediction, truth)
    assert evaluation.predicted_absent == 1
    assert evaluation.ne == pytest.approx((10 + 100 * math.hypot(1, 101) / 50 + 20 + 5) / 4)
    assert "points predicted absent, counted at (-1, -1): 1\n" in printed(prediction, truth)


def test_json(tmp_path: Path) -> None:
    write_evaluation(tmp_path / "e.json", evaluate(*skirts_and_dress()))
    content = json.loads((tmp_path / "e.json").read_text())
    assert list(content) == ["ne", "points", "skipped", "per_category", "per_keypoint", "pck", "interval95"]
    assert content["ne"] == pytest.approx(8.75)
    assert content["skipped"] == {"no visible point": ["a.jpg", "b.jpg"], "normalizer absent": ["c.jpg"]}
    assert content["per_category"]["skirt"] == {"ne": pytest.approx(10), "points": 3}
    assert content["per_keypoint"]["armpit_left"] == {"ne": None, "points": 0}
    assert content["pck"]["7.5"] == 50
    assert len(content["interval95"]) == 2


def test_nothing_counts(tmp_path: Path) -> None:
    prediction, truth = skirts_and_dress()
    evaluation = evaluate(prediction.select([3, 4]), truth.select([3, 4]))
    assert math.isnan(evaluation.ne)
    write_evaluation(tmp_path / "e.json", evaluation)
    content = json.loads((tmp_path / "e.json").read_text())
    assert (content["ne"], content["points"], content["interval95"]) == (None, 0, [None, None])
    assert "NE none" in printed(prediction.select([3, 4]), truth.select([3, 4]))


def printed(prediction: AnnotationTable, truth: AnnotationTable) -> str:
    stream = io.StringIO()
    print_evaluation(evaluate(prediction, truth), console=Console(file=stream, width=40))
    return stream.getvalue()


def test_what_is_printed() -> None:
    text = printed(*skirts_and_dress())
    assert text.startswith("NE 8.75 %, 95 % interval ")
    assert "4 visible points of 2 garments\n" in text
    assert "garments skipped, no visible point: 2 (a.jpg, b.jpg)\n" in text
    assert "garments skipped, normalizer absent: 1 (c.jpg)\n" in text
    assert [line.split() for line in text.splitlines() if "skirt" in line] == [["skirt", "10.00", "%", "3"]]
    assert [line.split() for line in text.splitlines() if "hemline_right" in line] == [
        ["hemline_right", "20.00", "%", "1"]
    ]
    assert "\x1b" not in text


def test_parse_absent_normalizer() -> None:
    assert parse_absent_normalizer("skip") == "skip"
    assert parse_absent_normalizer("256") == 256
    with pytest.raises(DataError, match="absent normalizer 'half': expected 'skip' or a length in pixels"):
        parse_absent_normalizer("half")


def test_a_real_truth_is_perfect_and_noise_is_not(garments: Path) -> None:
    from hemline.formats.fashionai import read_annotations

    truth = read_annotations(garments / "Annotations" / "val.csv")
    assert evaluate(truth, truth).ne == 0
    shifted = AnnotationTable(truth.image_ids, truth.categories, truth.points + np.array([3, 4, 0]))
    evaluation = evaluate(shifted, truth)
    visible = sum(score.points for score in evaluation.per_category.values())
    assert evaluation.points == visible > 1000
    assert np.isclose(
        sum(s.ne * s.points for s in evaluation.per_keypoint.values() if s.points), evaluation.ne * visible
    )
