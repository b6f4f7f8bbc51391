"""The schema: 24 keypoints, five categories, and what belongs together.

The one source of truth for names, order, flip pairs, limbs and normalisers. "left" and "right" are
sides of the image, never of the wearer; "in" is the corner nearer the body or the inner leg.

Source: FashionAI 2018, column order of the official CSV files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hemline.errors import DataError, unknown_name

KEYPOINTS: tuple[str, ...] = (
    "neckline_left",
    "neckline_right",
    "center_front",
    "shoulder_left",
    "shoulder_right",
    "armpit_left",
    "armpit_right",
    "waistline_left",
    "waistline_right",
    "cuff_left_in",
    "cuff_left_out",
    "cuff_right_in",
    "cuff_right_out",
    "top_hem_left",
    "top_hem_right",
    "waistband_left",
    "waistband_right",
    "hemline_left",
    "hemline_right",
    "crotch",
    "bottom_left_in",
    "bottom_left_out",
    "bottom_right_in",
    "bottom_right_out",
)

NUM_KEYPOINTS = len(KEYPOINTS)

INDEX: dict[str, int] = {name: index for index, name in enumerate(KEYPOINTS)}

CATEGORIES: tuple[str, ...] = ("blouse", "outwear", "dress", "skirt", "trousers")

CATEGORY_KEYPOINTS: dict[str, tuple[int, ...]] = {
    "blouse": (0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14),
    "outwear": (0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14),
    "dress": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 17, 18),
    "skirt": (15, 16, 17, 18),
    "trousers": (15, 16, 19, 20, 21, 22, 23),
}

FLIP_PAIRS: tuple[tuple[int, int], ...] = (
    (0, 1),
    (3, 4),
    (5, 6),
    (7, 8),
    (9, 11),
    (10, 12),
    (13, 14),
    (15, 16),
    (17, 18),
    (20, 22),
    (21, 23),
)

_ARMPITS = (INDEX["armpit_left"], INDEX["armpit_right"])
_WAISTBAND = (INDEX["waistband_left"], INDEX["waistband_right"])

NORMALIZER: dict[str, tuple[int, int]] = {
    "blouse": _ARMPITS,
    "outwear": _ARMPITS,
    "dress": _ARMPITS,
    "skirt": _WAISTBAND,
    "trousers": _WAISTBAND,
}
"""The two ends of the garment's own width, by which errors are divided."""

# The outline from neck to cuff and back to the armpit, shared by blouse, outwear and dress.
_UPPER_BODY = ((0, 1), (0, 3), (1, 4), (3, 10), (4, 12), (10, 9), (12, 11), (9, 5), (11, 6))
_NECK = ((0, 2), (1, 2))

LIMBS: dict[str, tuple[tuple[int, int], ...]] = {
    "blouse": (*_UPPER_BODY, *_NECK, (5, 13), (6, 14), (13, 14)),
    "outwear": (*_UPPER_BODY, (5, 7), (6, 8), (7, 13), (8, 14), (7, 8), (13, 14)),
    "dress": (*_UPPER_BODY, *_NECK, (5, 7), (6, 8), (7, 17), (8, 18), (7, 8), (17, 18)),
    "skirt": ((15, 16), (15, 17), (16, 18), (17, 18)),
    "trousers": ((15, 16), (15, 21), (16, 23), (21, 20), (23, 22), (20, 19), (22, 19)),
}
"""Lines between keypoints that follow the garment, for drawing and part affinity fields."""


def flip_permutation(keypoints: Sequence[int] = tuple(range(NUM_KEYPOINTS))) -> tuple[int, ...]:
    """Find where each keypoint's mirror image stands.

    Args:
        keypoints: indices into KEYPOINTS, closed under mirroring; all 24 by default.
    Returns:
        positions p such that `flipped[i] = original[p[i]]`.
    Raises:
        DataError: a keypoint's mirror partner is not among `keypoints`.
    """
    mirror = {index: index for index in range(NUM_KEYPOINTS)}
    for left, right in FLIP_PAIRS:
        mirror[left], mirror[right] = right, left
    position = {index: at for at, index in enumerate(keypoints)}
    for index in keypoints:
        if mirror[index] not in position:
            raise DataError(f"'{KEYPOINTS[index]}' is there but its mirror '{KEYPOINTS[mirror[index]]}' is not")
    return tuple(position[mirror[index]] for index in keypoints)


def check_category(category: str) -> str:
    """Return the category unchanged, or raise a DataError that lists the known ones."""
    if category not in CATEGORY_KEYPOINTS:
        raise DataError(unknown_name("category", category, CATEGORIES))
    return category


def keypoints_of(categories: Iterable[str]) -> tuple[int, ...]:
    """List the keypoints that at least one of the categories has, in column order.

    Raises:
        DataError: an unknown category.
    """
    return tuple(sorted({index for name in categories for index in CATEGORY_KEYPOINTS[check_category(name)]}))


def limbs_of(categories: Iterable[str]) -> tuple[tuple[int, int], ...]:
    """List the limbs that at least one of the categories has, each once, in a fixed order."""
    return tuple(dict.fromkeys(limb for name in categories for limb in LIMBS[check_category(name)]))
