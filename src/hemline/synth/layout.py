"""A layout that a garment can be cut from: the points that are there, and guesses for those that are not."""

from __future__ import annotations

import numpy as np

from hemline.garments import CATEGORY_KEYPOINTS, KEYPOINTS
from hemline.synth.outline import length_of, turn_right, unit

Places = dict[str, np.ndarray]
"""Places of keypoints by name, (2,) each, continuous picture coordinates."""

SIDES = (("left", -1), ("right", 1))


def complete_layout(category: str, keypoints: np.ndarray, present: np.ndarray, size: int) -> Places:
    """Name the points of a layout and guess those that the garment must have.

    Missing cuffs mean no sleeve, missing waist points a straight cut, missing shoulders a strapless
    bodice, or one off the shoulders where there are cuffs. Others
    that are missing lie outside the picture: they are guessed from their mirror image or put below the picture.

    Args:
        keypoints: (24, 2) float.
        present: (24,) bool.
        size: side of the picture.
    Returns:
        for blouse, outwear and dress always neckline, center_front, armpit and hem (named "hem_left",
        "hem_right" in each), and pairs of shoulders, waistline and cuffs; for a skirt waistband and hem; for
        trousers all seven.
    """
    at = {
        KEYPOINTS[index]: np.array(keypoints[index], np.float64)
        for index in CATEGORY_KEYPOINTS[category]
        if present[index] and np.isfinite(keypoints[index]).all()
    }
    for prefix in ("top_hem", "hemline"):
        for side, _ in SIDES:
            if f"{prefix}_{side}" in at:
                at[f"hem_{side}"] = at.pop(f"{prefix}_{side}")
    return _complete_bottom(category, at, size) if category in ("skirt", "trousers") else _complete_top(at, size)


def own_name(category: str, name: str) -> str:
    """Return the schema's name of a point of a completed layout."""
    if name.startswith("hem_"):
        return ("top_hem" if category in ("blouse", "outwear") else "hemline") + name.removeprefix("hem")
    return name


def width_of(at: Places, size: int) -> float:
    """Measure the garment's width in pixels: between its armpits or its waist's corners, shoulders if wider.

    Edge cases: odd layouts are as wide as 0.03 to 1.5 pictures.
    """
    pairs = [("armpit_left", "armpit_right"), ("waistband_left", "waistband_right")]
    spans = [length_of(at[right] - at[left]) for left, right in pairs if left in at]
    if "shoulder_left" in at:
        spans.append(0.75 * length_of(at["shoulder_right"] - at["shoulder_left"]))
    return float(np.clip(max(spans, default=0.0), 0.03 * size, 1.5 * size))


def _complete_top(at: Places, size: int) -> Places:
    middle = np.mean(list(at.values()), 0) if at else np.full(2, size / 2)
    neck = _pair_middle(at, "neckline", "shoulder", "armpit", fallback=middle - np.array([0, 0.2 * size]))
    foot = _pair_middle(at, "hem", "waistline", fallback=neck + np.array([0, 0.5 * size]))
    down = unit(foot - neck)
    _mirror_missing(at, ("neckline", "shoulder", "armpit", "hem", "waistline"), neck, down)
    for name in ("cuff_left", "cuff_right"):
        if (f"{name}_in" in at) != (f"{name}_out" in at):
            _guess_cuff_corner(at, name)
    across = -turn_right(down)  # towards the image's right where down is down
    wide = width_of(at, size)
    for side, sign in SIDES:
        if f"armpit_{side}" not in at:
            at[f"armpit_{side}"] = neck + across * sign * 0.5 * wide + down * 0.55 * wide
        if f"neckline_{side}" not in at:
            at[f"neckline_{side}"] = neck + across * sign * 0.2 * wide
        if f"hem_{side}" not in at:
            at[f"hem_{side}"] = _below_picture(at[f"armpit_{side}"] + down * wide, down, size)
    if "cuff_left_in" in at or "cuff_right_in" in at:
        for side, _ in SIDES:  # off the shoulder: the sleeves begin where the neckline ends
            at.setdefault(f"shoulder_{side}", at[f"neckline_{side}"])
    if "center_front" not in at:
        at["center_front"] = (at["neckline_left"] + at["neckline_right"]) / 2 + down * 0.12 * wide
    return at


def _complete_bottom(category: str, at: Places, size: int) -> Places:
    middle = np.mean(list(at.values()), 0) if at else np.full(2, size / 2)
    top = _pair_middle(at, "waistband", fallback=middle - np.array([0, 0.2 * size]))
    foot = _pair_middle(at, "hem", "bottom_left", "bottom_right", fallback=top + np.array([0, 0.4 * size]))
    down = unit(foot - top)
    _mirror_missing(at, ("waistband", "hem"), top, down)
    wide, across = width_of(at, size), -turn_right(down)
    for side, sign in SIDES:
        if f"waistband_{side}" not in at:
            at[f"waistband_{side}"] = top + across * sign * 0.5 * wide
        if category == "skirt" and f"hem_{side}" not in at:
            at[f"hem_{side}"] = _below_picture(at[f"waistband_{side}"], down, size)
    if category == "skirt":
        return at
    at.setdefault("crotch", top + down * 0.9 * wide)
    for side, sign in SIDES:
        inner, outer = f"bottom_{side}_in", f"bottom_{side}_out"
        if inner not in at and outer not in at:
            at[inner] = _below_picture(at["crotch"] + across * sign * 0.1 * wide, down, size)
            at[outer] = at[inner] + across * sign * 0.4 * wide
        elif inner not in at:
            at[inner] = at[outer] - across * sign * 0.4 * wide
        elif outer not in at:
            at[outer] = at[inner] + across * sign * 0.4 * wide
    return at


def _pair_middle(at: Places, *prefixes: str, fallback: np.ndarray) -> np.ndarray:
    """Return the middle of the first pair of which at least one point is there, both if possible."""
    suffixes = ("_left", "_right", "_in", "_out")
    pairs = [[at[prefix + suffix] for suffix in suffixes if prefix + suffix in at] for prefix in prefixes]
    for wanted in (2, 1):
        for points in pairs:
            if len(points) >= wanted:
                return np.mean(points, 0)
    return fallback


def _mirror_missing(at: Places, prefixes: tuple[str, ...], origin: np.ndarray, down: np.ndarray) -> None:
    """Fill in the missing one of a pair from the other, about the axis through `origin`."""
    for prefix in prefixes:
        for side, other in (("left", "right"), ("right", "left")):
            if f"{prefix}_{side}" not in at and f"{prefix}_{other}" in at:
                way = at[f"{prefix}_{other}"] - origin
                along = down * float(way @ down)
                at[f"{prefix}_{side}"] = origin + 2 * along - way


def _guess_cuff_corner(at: Places, name: str) -> None:
    """Guess the second corner of a cuff from the first and the line between shoulder and armpit."""
    side = name.removeprefix("cuff_")
    known, missing = ("in", "out") if f"{name}_in" in at else ("out", "in")
    shoulder, armpit = at.get(f"shoulder_{side}"), at.get(f"armpit_{side}")
    opening = 0.5 * (shoulder - armpit) if shoulder is not None and armpit is not None else np.array([8.0, 0.0])
    at[f"{name}_{missing}"] = at[f"{name}_{known}"] + (opening if missing == "out" else -opening)


def _below_picture(start: np.ndarray, down: np.ndarray, size: int) -> np.ndarray:
    """Go down from a point until outside the picture."""
    step = 1.15 * size - start[1]
    slope = max(float(down[1]), 0.3)
    return start + down * (max(step, 0.0) / slope)
