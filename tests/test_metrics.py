"""The normalised error and its company, against values by hand and plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hemline.errors import DataError, ShapeError
from hemline.garments import CATEGORIES
from hemline.metrics import (
    bootstrap_interval,
    counted_points,
    mean_error,
    ne,
    normalizer_lengths,
    pck,
    point_errors,
)

# FashionAI's own tables, written out again (facts of the competition, not the schema under test).
POINTS = {
    "blouse": [0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14],
    "outwear": [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
    "dress": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 17, 18],
    "skirt": [15, 16, 17, 18],
    "trousers": [15, 16, 19, 20, 21, 22, 23],
}
ENDS = {"blouse": (5, 6), "outwear": (5, 6), "dress": (5, 6), "skirt": (15, 16), "trousers": (15, 16)}


def skirt(*points: tuple[float, float, int]) -> np.ndarray:
    """A skirt's waistband and hem; (1, 24, 3)."""
    table = np.full((1, 24, 3), -1.0)
    table[0, 15:19] = points
    return table


# Waistband from (0, 0) to (30, 40): 50 px wide. Errors of (3, 4), (0, 0), (6, 8) px: 10, 0 and 20 %.
TRUTH = skirt((0, 0, 1), (30, 40, 0), (0, 100, 1), (30, 140, 1))
PREDICTION = skirt((3, 4, 1), (99, 99, 1), (0, 100, 1), (36, 148, 1))[:, :, :2]


def official_ne(prediction: np.ndarray, truth: np.ndarray, categories: list[str], absent: float | None) -> float:
    """The formula of the rules, point by point."""
    errors = []
    for predicted, true, category in zip(prediction, truth, categories, strict=True):
        left, right = (true[index] for index in ENDS[category])
        if left[2] == -1 or right[2] == -1:
            if absent is None:
                continue
            width = absent
        else:
            width = math.dist(left[:2], right[:2])
        errors += [math.dist(predicted[k], true[k][:2]) / width for k in POINTS[category] if true[k][2] == 1]
    return 100 * sum(errors) / len(errors)


def random_garments(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    random = np.random.default_rng(seed)
    truth = np.concatenate(
        [random.uniform(0, 512, (count, 24, 2)), random.choice([1, 1, 0, -1], (count, 24, 1))], axis=2
    )
    truth[truth[:, :, 2] == -1] = -1
    categories = [CATEGORIES[row % 5] for row in range(count)]
    return truth[:, :, :2] + random.normal(0, [5, 9], (count, 24, 2)), truth, categories


def test_by_hand() -> None:
    assert ne(PREDICTION, TRUTH, categories=["skirt"]) == pytest.approx(10)
    errors = point_errors(PREDICTION, TRUTH, categories=["skirt"])
    assert errors.shape == (1, 24)
    np.testing.assert_allclose(errors[0, 15:19], [10, np.nan, 0, 20])
    assert np.isnan(errors[0, :15]).all()
    assert np.isnan(errors[0, 19:]).all()


@pytest.mark.parametrize("absent", [None, 256.0, 7])
def test_agrees_with_the_rules(absent: float | None) -> None:
    prediction, truth, categories = random_garments(200)
    got = ne(prediction, truth, categories=categories, absent_normalizer="skip" if absent is None else absent)
    assert got == pytest.approx(official_ne(prediction, truth, categories, absent), rel=1e-12)


def test_is_pooled_over_points_not_garments() -> None:
    truth = np.concatenate([TRUTH, skirt((0, 0, 1), (10, 0, 0), (0, 9, 0), (10, 9, -1))])
    prediction = np.concatenate([PREDICTION, skirt((0, 7, 1), (0, 0, 1), (0, 0, 1), (0, 0, 1))[:, :, :2]])
    assert ne(prediction, truth, categories=["skirt", "skirt"]) == pytest.approx((10 + 0 + 20 + 70) / 4)


def test_truth_scores_perfect_and_order_changes_nothing() -> None:
    prediction, truth, categories = random_garments(50)
    assert ne(truth[:, :, :2], truth, categories=categories) == 0
    order = np.random.default_rng(1).permutation(50)
    shuffled = ne(prediction[order], truth[order], categories=[categories[row] for row in order])
    assert shuffled == pytest.approx(ne(prediction, truth, categories=categories), rel=1e-12)


def test_stretching_the_photo() -> None:
    """Unequal scales of x and y change both the distance and the width: 2 x and 1 y here."""
    truth, prediction = TRUTH * [2, 1, 1], PREDICTION * [2, 1]
    width = math.hypot(60, 40)
    expected = 100 * (math.hypot(6, 4) + math.hypot(12, 8)) / width / 3
    assert ne(prediction, truth, categories=["skirt"]) == pytest.approx(expected)


def test_an_absent_normalizer() -> None:
    truth = TRUTH.copy()
    truth[0, 16] = -1
    assert math.isnan(ne(PREDICTION, truth, categories=["skirt"]))
    assert ne(PREDICTION, truth, categories=["skirt"], absent_normalizer=100) == pytest.approx((5 + 0 + 10) / 3)
    assert np.isnan(normalizer_lengths(truth, categories=["skirt"])).all()
    assert counted_points(truth, categories=["skirt"]).sum() == 3


def test_ends_on_one_spot_have_no_length() -> None:
    truth = skirt((9, 9, 1), (9, 9, 1), (0, 100, 1), (30, 140, 1))
    assert math.isnan(ne(PREDICTION, truth, categories=["skirt"]))


def test_occluded_ends_are_used_and_the_length_is_the_category_own() -> None:
    truth = np.full((2, 24, 3), -1.0)
    truth[:, 5], truth[:, 6] = [0, 0, 0], [3, 4, 0]
    truth[:, 15], truth[:, 16] = [0, 0, 1], [0, 12, 1]
    assert normalizer_lengths(truth, categories=["dress", "trousers"]).tolist() == [5, 12]


@pytest.mark.parametrize("length", [0, -1, math.inf, math.nan, "half", None])
def test_an_absent_normalizer_is_a_length(length: object) -> None:
    with pytest.raises(DataError, match="expected 'skip' or a length in pixels above 0"):
        ne(PREDICTION, TRUTH, categories=["skirt"], absent_normalizer=length)


def test_a_point_left_out_counts_where_it_was_put() -> None:
    prediction = PREDICTION.copy()
    prediction[0, 17] = -1
    expected = (10 + 100 * math.hypot(1, 101) / 50 + 20) / 3
    assert ne(prediction, TRUTH, categories=["skirt"]) == pytest.approx(expected)


def test_what_does_not_count_may_be_nan_but_nothing_else() -> None:
    prediction = np.where(
        np.isnan(point_errors(PREDICTION, TRUTH, categories=["skirt"]))[:, :, None], np.nan, PREDICTION
    )
    assert ne(prediction, TRUTH, categories=["skirt"]) == pytest.approx(10)
    for broken in (np.nan, np.inf):
        prediction[0, 17, 1] = broken
        with pytest.raises(DataError, match="1 of 3 predicted points that count are not finite"):
            ne(prediction, TRUTH, categories=["skirt"])


def test_arrays_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"2 categories, prediction \(1, 24, 2\) and truth \(1, 24, 3\)"):
        ne(PREDICTION, TRUTH, categories=["skirt", "skirt"])
    with pytest.raises(ShapeError, match=r"expected \(1, 24, 2\) and \(1, 24, 3\)"):
        ne(TRUTH, TRUTH, categories=["skirt"])
    with pytest.raises(DataError, match=r"unknown category 'skrit'\. Did you mean 'skirt'"):
        ne(PREDICTION, TRUTH, categories=["skrit"])


def test_nothing_at_all() -> None:
    empty = np.empty((0, 24, 3))
    assert math.isnan(ne(empty[:, :, :2], empty, categories=[]))
    nothing = np.full((3, 24), np.nan)
    assert math.isnan(mean_error(nothing))
    assert np.isnan(pck(nothing)).all()
    assert np.isnan(bootstrap_interval(nothing)).all()


def test_pck_by_hand() -> None:
    errors = np.array([[1.0, 2.0, np.nan], [5.0, 100.0, np.nan]])
    np.testing.assert_allclose(pck(errors, thresholds=[0.5, 1, 2, 4.999, 5, 99, 100]), [0, 25, 50, 50, 75, 75, 100])


def test_interval_has_the_textbook_width() -> None:
    """One point per garment: the mean's standard error is s / sqrt(N); above 1,000 garments, groups are drawn."""
    for count in (300, 5000):
        errors = np.full((count, 24), np.nan)
        errors[:, 3] = np.random.default_rng(count).exponential(5, count)
        low, high = bootstrap_interval(errors, resamples=4000)
        standard = errors[:, 3].std(ddof=1) / math.sqrt(count)
        mean = errors[:, 3].mean()
        assert high - low == pytest.approx(2 * 1.96 * standard, rel=0.1)
        assert low < mean < high
        assert (low + high) / 2 == pytest.approx(mean, abs=0.4 * standard)


def test_interval_draws_garments_not_points() -> None:
    """24 equal points per garment are one observation, not 24."""
    one = np.full((200, 24), np.nan)
    one[:, 0] = np.random.default_rng(0).exponential(5, 200)
    same = np.repeat(one[:, :1], 24, axis=1)
    np.testing.assert_allclose(bootstrap_interval(same), bootstrap_interval(one))


def test_interval_level_seed_and_silent_garments() -> None:
    errors = np.random.default_rng(0).exponential(5, (80, 24))
    low95, high95 = bootstrap_interval(errors)
    low50, high50 = bootstrap_interval(errors, level=0.5)
    assert low95 < low50 < high50 < high95
    assert bootstrap_interval(errors) == (low95, high95)
    assert bootstrap_interval(errors, seed=1) != (low95, high95)
    silent = np.concatenate([errors, np.full((20, 24), np.nan)])
    assert bootstrap_interval(silent) == (low95, high95)
    assert bootstrap_interval(errors[:1]) == pytest.approx((errors[0].mean(), errors[0].mean()))
