"""Where the cloth of a garment folds: from armpits, waist and crotch, in sleeves and legs, in pleats."""

from __future__ import annotations

import numpy as np

from hemline.synth.layout import SIDES, Places
from hemline.synth.outline import bow, turn_right, unit
from hemline.synth.relief import Fold

Rng = np.random.Generator


def random_fold(rng: Rng, start: np.ndarray, end: np.ndarray, width: float, *, thickest: float, sag: float) -> Fold:
    """Draw one fold or crease between two points.

    Args:
        width: of the garment, pixels.
        thickest: of the fold, as a share of that width.
        sag: greatest bend either way, as a share of the fold's length.
    """
    line = bow(start, end, rng.uniform(-sag, sag), steps=5)
    return line, width * rng.uniform(0.35, 1.0) * thickest, rng.choice((-1, 1)) * rng.uniform(0.3, 1.4)


def top_folds(rng: Rng, at: Places, down: np.ndarray, width: float, *, skirted: bool) -> list[Fold]:
    """Draw the folds of a blouse, an outwear or, `skirted`, a dress."""
    folds: list[Fold] = []
    for side, sign in SIDES:
        inward = turn_right(down) * sign
        starts = [at[f"armpit_{side}"]] * int(rng.integers(1, 5))
        if "waistline_left" in at:
            starts += [at[f"waistline_{side}"]] * int(rng.integers(0, 4))
        for start in starts:
            way = (inward * rng.uniform(0.2, 1.0) + down * rng.uniform(-0.5, 0.9)) * width * rng.uniform(0.15, 0.6)
            folds.append(random_fold(rng, start, start + way, width, thickest=0.07, sag=0.15))
        if f"cuff_{side}_in" in at and f"shoulder_{side}" in at:
            begin = (at[f"shoulder_{side}"] + at[f"armpit_{side}"]) / 2
            end = (at[f"cuff_{side}_in"] + at[f"cuff_{side}_out"]) / 2
            folds += _cross_folds(rng, begin, end, rng.uniform(0.15, 1, int(rng.integers(1, 6))), width)
    if skirted:
        waist = "waistline" if "waistline_left" in at else "armpit"
        for share in rng.uniform(0.02, 0.98, int(rng.integers(0, 10))):
            top = at[f"{waist}_left"] + share * (at[f"{waist}_right"] - at[f"{waist}_left"])
            foot = at["hem_left"] + share * (at["hem_right"] - at["hem_left"])
            folds.append(
                random_fold(rng, top + rng.uniform(0, 0.5) * (foot - top), foot, width, thickest=0.1, sag=0.04)
            )
    return folds


def skirt_folds(rng: Rng, waist: np.ndarray, hem: np.ndarray, width: float) -> list[Fold]:
    """Draw soft folds from the waist (N, 2) to the hem (M, 2)."""
    folds = []
    for share in rng.uniform(0.03, 0.97, int(rng.integers(1, 11))):
        top, foot = waist[round(share * (len(waist) - 1))], hem[round(share * (len(hem) - 1))]
        start, stop = rng.uniform(0.05, 0.6), rng.uniform(0.7, 1.0)
        ends = top + start * (foot - top), top + stop * (foot - top)
        folds.append(random_fold(rng, *ends, width, thickest=0.1, sag=0.05))
    return folds


def pleats(rng: Rng, waist: np.ndarray, hem: np.ndarray, width: float) -> list[Fold]:
    """Draw sharp pleats, evenly from side to side."""
    count = int(rng.integers(6, 16))
    folds: list[Fold] = []
    for share in (np.arange(count) + 0.5) / count:
        top, foot = waist[round(share * (len(waist) - 1))], hem[round(share * (len(hem) - 1))]
        folds.append((np.stack([top + 0.08 * (foot - top), foot]), 0.03 * width, 1.2))
    return folds


def leg_folds(rng: Rng, at: Places, width: float) -> list[Fold]:
    """Draw folds that start at the crotch, lie behind the knee and pile up above the ankle."""
    folds: list[Fold] = []
    crotch = at["crotch"]
    for side, _ in SIDES:
        corner, inner, outer = at[f"waistband_{side}"], at[f"bottom_{side}_in"], at[f"bottom_{side}_out"]
        for _ in range(rng.integers(1, 5)):
            way = (corner - crotch) * rng.uniform(0.1, 0.5) + (outer - crotch) * rng.uniform(0.0, 0.2)
            folds.append(random_fold(rng, crotch, crotch + way, width, thickest=0.07, sag=0.2))
        knee, ankle = rng.uniform(0.3, 0.7, rng.integers(0, 4)), rng.uniform(0.8, 1, rng.integers(0, 4))
        folds += _cross_folds(rng, (corner + crotch) / 2, (inner + outer) / 2, np.concatenate([knee, ankle]), width)
    return folds


def _cross_folds(rng: Rng, begin: np.ndarray, end: np.ndarray, shares: np.ndarray, width: float) -> list[Fold]:
    """Draw folds across a sleeve or a leg at some shares of its length."""
    folds = []
    for share in shares:
        middle = begin + share * (end - begin)
        half = turn_right(unit(end - begin)) * 0.2 * width + rng.normal(0, 0.06, 2) * width
        folds.append(random_fold(rng, middle - half, middle + half, width, thickest=0.055, sag=0.15))
    return folds
