"""The style that a top is cut in, and what lies around its neck: collars, lapels, turtlenecks, hoods."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hemline.synth.fabric import Fabric, dye
from hemline.synth.layout import SIDES, Places
from hemline.synth.outline import bow, ellipse, length_of, neckline, through, turn_right
from hemline.synth.piece import Mark, Piece, frame_along

Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class Cut:
    """The style of one top, drawn once and used by all its pieces.

    at: the completed layout.
    width: of the garment, pixels.
    down: (2,) unit vector from neck to hem.
    worn: on a body or a ghost mannequin, so that it bulges.
    shell, lining, trim: cloth of the outside, of the inside, and of sleeves and collar now and then.
    neck: kind of the neckline, see outline.neckline.
    front_open: how far the front stands open, as a share of half the hem; 0 is closed.
    sleeved: of the left and of the right side.
    strappy: hangs on straps.
    """

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
    fabric = cut.trim if rng.random() < 0.5 else cut.shell
    lapels = cut.category == "outwear" and rng.random() < 0.5
    stand = rng.uniform(0.0, 0.12) * cut.width
    spread, fall = rng.uniform(0.12, 0.3) * cut.width, rng.uniform(0.06, 0.2) * cut.width
    front = cut.at["center_front"]
    if lapels:
        front = front + cut.down * cut.width * rng.uniform(0.1, 0.6)
    tone = rng.uniform(0.9, 1.12)
    pieces = [_collar_stand(cut, fabric, stand)] if stand > 0.03 * cut.width else []
    for side, sign in SIDES:
        neck = cut.at[f"neckline_{side}"]
        outward = turn_right(cut.down) * -sign
        back = neck + outward * 0.04 * cut.width - cut.down * 0.2 * stand
        if lapels:
            tip = neck + 0.55 * (front - neck) + outward * 1.1 * spread
            bends = 0.04, 0.05, 0.0
        else:
            tip = neck + 0.75 * (front - neck) + outward * spread + cut.down * fall
            bends = -0.08, 0.0, 0.1
        edges = [
            bow(start, end, sign * bend, steps=6)
            for (start, end), bend in zip(pairwise((neck, front, tip, back)), bends, strict=True)
        ]
        leaf = np.concatenate([edges[0], edges[1][1:], edges[2][1:]])
        pieces.append(
            Piece(
                [leaf],
                fabric,
                frame_along(neck, front - neck, fabric.swatch),
                owns=(f"neckline_{side}",),
                garment=True,
                brightness=tone,
                roundness=0.3,
                lift=0.5,
                marks=[Mark([np.concatenate([leaf, leaf[:1]])], 0.72, 0.008 * cut.width + 0.4)],
            )
        )
    return pieces


def _collar_stand(cut: Cut, fabric: Fabric, rise: float) -> Piece:
    """Cut the back of a collar, which stands up behind the neck."""
    left, right = cut.at["neckline_left"], cut.at["neckline_right"]
    arch = bow(left, right, -rise / max(length_of(right - left), 1.0))
    outline = np.concatenate([arch, bow(right, left, -0.1)[1:]])
    frame = frame_along((left + right) / 2, cut.down, fabric.swatch)
    return Piece([outline], fabric, frame, garment=True, brightness=0.8, roundness=0.3, lift=0)


def cut_turtleneck(rng: Rng, cut: Cut) -> Piece:
    """Cut a collar that stands up around the neck, above the neckline's corners."""
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
    bulge = 0.5 * span * rng.uniform(0.1, 0.45)
    crown = np.concatenate(
        [
            through([left, left - bulge + 0.55 * rise, top, right + bulge + 0.55 * rise, right]),
            bow(right, left, -0.1)[1:],
        ]
    )
    inner = (left + right) / 2 + 0.42 * rise
    opening = ellipse(inner, span * rng.uniform(0.28, 0.42), rise * rng.uniform(0.35, 0.5))
    marks = [Mark([opening], cut.lining.color * 0.7)]
    if rng.random() < 0.3:  # a rim of fur
        marks.append(Mark([np.concatenate([opening, opening[:1]])], dye(rng) * 0.8, 0.07 * cut.width))
    frame = frame_along(inner, cut.down, cut.shell.swatch)
    return Piece([crown], cut.shell, frame, garment=True, roundness=0.7, lift=0.8, marks=marks)
