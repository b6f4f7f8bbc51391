"""The style that a top is cut in, and what lies around its neck: collars, lapels, turtlenecks, hoods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hemline.synth.fabric import Fabric, dye
from hemline.synth.layout import SIDES, Places
from hemline.synth.outline import bow, ellipse, length_of, neckline, through, turn_right
from hemline.synth.piece import Mark, Piece, frame_along

Rng = np.random.Generator


@dataclass(frozen=True)
class Cut:
    """The style of one top, drawn once and used by all its pieces."""

    category: str
    at: Places
    width: float
    down: np.ndarray
    worn: bool
    shell: Fabric
    lining: Fabric
    trim: Fabric
    neck: str
    front_open: float
    sleeved: tuple[bool, bool]
    strapless: bool
    strappy: bool


def neck_curve(cut: Cut) -> np.ndarray:
    """Trace the front neckline from its left corner to its right one."""
    return neckline(cut.neck, cut.at["neckline_left"], cut.at["center_front"], cut.at["neckline_right"])


def cut_collar(rng: Rng, cut: Cut) -> list[Piece]:
    """Cut a turned-down collar or lapels: two leaves that leave the shoulders at the neckline's corners."""
    at, width = cut.at, cut.width
    lapels = cut.category == "outwear" and rng.random() < 0.5
    stand = rng.uniform(0.0, 0.12) * width
    fabric = cut.trim if rng.random() < 0.5 else cut.shell
    pieces = []
    spread, fall = rng.uniform(0.12, 0.3), rng.uniform(0.06, 0.2)
    tone = rng.uniform(0.9, 1.12)
    left, right = at["neckline_left"], at["neckline_right"]
    middle = (left + right) / 2
    if stand > 0.03 * width:
        arch = bow(left, right, -stand / max(length_of(right - left), 1.0))
        front = at["center_front"]
        inside = np.concatenate([arch, bow(right, left, -0.1)[1:]])
        pieces.append(
            Piece(
                [inside],
                fabric,
                frame_along(middle, cut.down, fabric.swatch),
                garment=True,
                brightness=0.8,
                roundness=0.3,
                lift=0,
            )
        )
    front = at["center_front"]
    drop = front - middle
    if lapels:
        front = middle + drop + cut.down * width * rng.uniform(0.1, 0.6)
    for side, sign in SIDES:
        neck = at[f"neckline_{side}"]
        outward = turn_right(cut.down) * -sign
        way = front - neck
        tip = neck + 0.75 * way + outward * spread * width + cut.down * fall * width * (0.3 if lapels else 1.0)
        back = neck + outward * 0.04 * width - cut.down * 0.2 * stand
        if lapels:
            tip = neck + 0.55 * way + outward * spread * 1.1 * width
            leaf = np.concatenate(
                [
                    bow(neck, front, 0.04 * sign, steps=6),
                    bow(front, tip, 0.05 * sign, steps=4)[1:],
                    bow(tip, back, 0.0, steps=4)[1:],
                ]
            )
        else:
            leaf = np.concatenate(
                [
                    bow(neck, front, -0.08 * sign, steps=6),
                    bow(front, tip, 0.0, steps=3)[1:],
                    bow(tip, back, 0.1 * sign, steps=5)[1:],
                ]
            )
        pieces.append(
            Piece(
                [leaf],
                fabric,
                frame_along(neck, way, fabric.swatch),
                owns=(f"neckline_{side}",),
                garment=True,
                brightness=tone,
                roundness=0.3,
                lift=0.5,
                marks=[Mark([leaf[[*range(len(leaf)), 0]]], 0.72, 0.008 * width + 0.4)],
            )
        )
    return pieces


def cut_turtleneck(rng: Rng, cut: Cut) -> Piece:
    left, right = cut.at["neckline_left"], cut.at["neckline_right"]
    rise = -cut.down * cut.width * rng.uniform(0.08, 0.28)
    narrow = (right - left) * rng.uniform(0.02, 0.08)
    top = bow(left + rise + narrow, right + rise - narrow, rng.uniform(-0.03, 0.12))
    outline = np.concatenate([top, neck_curve(cut)[::-1]])
    folds = [Mark([bow(left + rise * s, right + rise * s, 0.1)], 0.85, 0.02 * cut.width) for s in (0.4, 0.7)]
    fabric = cut.shell
    return Piece(
        [outline],
        fabric,
        frame_along(left, cut.down, fabric.swatch),
        garment=True,
        roundness=0.8,
        marks=folds,
        lift=0.3,
    )


def cut_hood(rng: Rng, cut: Cut) -> Piece:
    """Cut a hood that lies flat above the neck or hangs down behind it."""
    left, right = cut.at["neckline_left"], cut.at["neckline_right"]
    span = right - left
    rise = -cut.down * cut.width * rng.uniform(0.15, 0.65)
    top = (left + right) / 2 + rise + span * rng.uniform(-0.1, 0.1)
    swell = rng.uniform(0.1, 0.45)
    crown = np.concatenate(
        [
            through(
                [left, left - swell * span * 0.5 + 0.55 * rise, top, right + swell * span * 0.5 + 0.55 * rise, right]
            ),
            bow(right, left, -0.1)[1:],
        ]
    )
    inner = (left + right) / 2 + 0.42 * rise
    opening = ellipse(inner, span * rng.uniform(0.28, 0.42), rise * rng.uniform(0.35, 0.5))
    marks = [Mark([opening], cut.lining.color * 0.7)]
    if rng.random() < 0.3:  # a rim of fur
        marks.append(Mark([opening[[*range(len(opening)), 0]]], dye(rng) * 0.8, 0.07 * cut.width))
    frame = frame_along(inner, cut.down, cut.shell.swatch)
    return Piece([crown], cut.shell, frame, garment=True, roundness=0.7, lift=0.8, marks=marks)
