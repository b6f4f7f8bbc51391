"""The schema, against the FashionAI tables (typed here from the competition's pages, not from the code)."""

from __future__ import annotations

import itertools

import pytest

from hemline.errors import DataError
from hemline.garments import (
    CATEGORIES,
    CATEGORY_KEYPOINTS,
    FLIP_PAIRS,
    INDEX,
    KEYPOINTS,
    LIMBS,
    NORMALIZER,
    NUM_KEYPOINTS,
    check_category,
    flip_permutation,
    keypoints_of,
    limbs_of,
)

OFFICIAL_HEADER = (
    "image_id,image_category,neckline_left,neckline_right,center_front,shoulder_left,shoulder_right,armpit_left,"
    "armpit_right,waistline_left,waistline_right,cuff_left_in,cuff_left_out,cuff_right_in,cuff_right_out,"
    "top_hem_left,top_hem_right,waistband_left,waistband_right,hemline_left,hemline_right,crotch,bottom_left_in,"
    "bottom_left_out,bottom_right_in,bottom_right_out"
)

OFFICIAL_PERMUTATION = (1, 0, 2, 4, 3, 6, 5, 8, 7, 11, 12, 9, 10, 14, 13, 16, 15, 18, 17, 19, 22, 23, 20, 21)


def test_keypoints_stand_in_the_official_order() -> None:
    assert ",".join(("image_id", "image_category", *KEYPOINTS)) == OFFICIAL_HEADER
    assert NUM_KEYPOINTS == 24
    assert [KEYPOINTS[INDEX[name]] for name in KEYPOINTS] == list(KEYPOINTS)


@pytest.mark.parametrize(
    ("category", "indices"),
    [
        ("blouse", [*range(0, 7), *range(9, 15)]),
        ("outwear", [0, 1, *range(3, 15)]),
        ("dress", [*range(0, 13), 17, 18]),
        ("skirt", [15, 16, 17, 18]),
        ("trousers", [15, 16, 19, 20, 21, 22, 23]),
    ],
)
def test_keypoints_of_each_category(category: str, indices: list[int]) -> None:
    assert list(CATEGORY_KEYPOINTS[category]) == indices
    assert keypoints_of([category]) == tuple(indices)


def test_every_table_has_every_category() -> None:
    assert set(CATEGORIES) == {"blouse", "outwear", "dress", "skirt", "trousers"}
    assert len(CATEGORIES) == 5
    assert set(CATEGORY_KEYPOINTS) == set(NORMALIZER) == set(LIMBS) == set(CATEGORIES)


@pytest.mark.parametrize("category", ["blouse", "outwear", "dress"])
def test_normalizer_of_upper_garments_is_the_armpits(category: str) -> None:
    assert [KEYPOINTS[index] for index in NORMALIZER[category]] == ["armpit_left", "armpit_right"]


@pytest.mark.parametrize("category", ["skirt", "trousers"])
def test_normalizer_of_lower_garments_is_the_waistband(category: str) -> None:
    assert [KEYPOINTS[index] for index in NORMALIZER[category]] == ["waistband_left", "waistband_right"]


def test_flip_permutation_is_the_official_one() -> None:
    assert flip_permutation() == OFFICIAL_PERMUTATION


def test_flip_pairs_are_left_and_right_of_one_name() -> None:
    named = {
        (index, KEYPOINTS.index(name.replace("left", "right")))
        for index, name in enumerate(KEYPOINTS)
        if "left" in name
    }
    assert set(FLIP_PAIRS) == named


@pytest.mark.parametrize("category", CATEGORIES)
def test_flip_permutation_of_a_category(category: str) -> None:
    points = CATEGORY_KEYPOINTS[category]
    permutation = flip_permutation(points)
    assert [points[place] for place in permutation] == [OFFICIAL_PERMUTATION[index] for index in points]
    assert [permutation[place] for place in permutation] == list(range(len(points)))  # twice is nothing


def test_flip_permutation_by_hand() -> None:
    # crotch, bottom_left_in, bottom_right_in: the two bottoms change places.
    assert flip_permutation((19, 20, 22)) == (0, 2, 1)
    assert flip_permutation((22, 19, 20)) == (2, 1, 0)
    assert flip_permutation(()) == ()


def test_flip_permutation_without_a_partner_is_an_error() -> None:
    with pytest.raises(DataError, match="'armpit_left' is there but its mirror 'armpit_right' is not"):
        flip_permutation((2, 5))


# Names as in tabsun's check_submit.py, the one published table of the garments' outlines.
_SHORT = {
    "nl": "neckline_left",
    "nr": "neckline_right",
    "cf": "center_front",
    "sl": "shoulder_left",
    "sr": "shoulder_right",
    "al": "armpit_left",
    "ar": "armpit_right",
    "wl": "waistline_left",
    "wr": "waistline_right",
    "cli": "cuff_left_in",
    "clo": "cuff_left_out",
    "cri": "cuff_right_in",
    "cro": "cuff_right_out",
    "thl": "top_hem_left",
    "thr": "top_hem_right",
    "wbl": "waistband_left",
    "wbr": "waistband_right",
    "hl": "hemline_left",
    "hr": "hemline_right",
    "crotch": "crotch",
    "bli": "bottom_left_in",
    "blo": "bottom_left_out",
    "bri": "bottom_right_in",
    "bro": "bottom_right_out",
}
_SLEEVES = "nl-nr nl-sl nr-sr sl-clo sr-cro clo-cli cro-cri cli-al cri-ar"
OFFICIAL_LIMBS = {
    "blouse": f"{_SLEEVES} nl-cf nr-cf al-thl ar-thr thl-thr",
    "outwear": f"{_SLEEVES} al-wl ar-wr wl-thl wr-thr wl-wr thl-thr",
    "dress": f"{_SLEEVES} nl-cf nr-cf al-wl ar-wr wl-hl wr-hr wl-wr hl-hr",
    "trousers": "wbl-wbr wbl-blo wbr-bro blo-bli bro-bri bli-crotch bri-crotch",
    "skirt": "wbl-wbr wbl-hl wbr-hr hl-hr",
}


@pytest.mark.parametrize("category", CATEGORIES)
def test_limbs_follow_the_garment(category: str) -> None:
    expected = {frozenset(_SHORT[end] for end in limb.split("-")) for limb in OFFICIAL_LIMBS[category].split()}
    limbs = [frozenset(KEYPOINTS[end] for end in limb) for limb in LIMBS[category]]
    assert len(limbs) == len(expected)
    assert set(limbs) == expected


@pytest.mark.parametrize("category", CATEGORIES)
def test_limbs_are_the_same_after_a_flip(category: str) -> None:
    mirrored = {frozenset(OFFICIAL_PERMUTATION[end] for end in limb) for limb in LIMBS[category]}
    assert mirrored == {frozenset(limb) for limb in LIMBS[category]}


def test_keypoints_of_several_categories() -> None:
    assert keypoints_of(["trousers", "skirt"]) == (15, 16, 17, 18, 19, 20, 21, 22, 23)
    assert keypoints_of(CATEGORIES) == tuple(range(24))
    assert keypoints_of([]) == ()


@pytest.mark.parametrize("categories", list(itertools.combinations(CATEGORIES, 2)))
def test_limbs_of_two_categories_are_each_there_once(categories: tuple[str, str]) -> None:
    limbs = limbs_of(categories)
    assert len(set(limbs)) == len(limbs)
    assert set(limbs) == {*LIMBS[categories[0]], *LIMBS[categories[1]]}
    assert limbs[: len(LIMBS[categories[0]])] == LIMBS[categories[0]]


def test_no_limb_is_there_in_both_directions() -> None:
    limbs = limbs_of(CATEGORIES)
    assert len({frozenset(limb) for limb in limbs}) == len(limbs)


def test_unknown_category_names_the_nearest() -> None:
    assert check_category("skirt") == "skirt"
    message = r"unknown category 'skrit'\. Did you mean 'skirt'\? Known: blouse, outwear, dress, skirt, trousers\."
    for use in (check_category, lambda name: keypoints_of([name]), lambda name: limbs_of([name])):
        with pytest.raises(DataError, match=message):
            use("skrit")
