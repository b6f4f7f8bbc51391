"""Parts of a person: head, hair, arms, hands, legs, feet.

Lengths are shares of the width of the shoulders.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hemline.synth.fabric import Fabric, dye, hair_color, plain_fabric, skin_tone
from hemline.synth.layout import SIDES, Places
from hemline.synth.outline import bezier, bow, ellipse, length_of, through, tube, turn_right, unit
from hemline.synth.piece import Mark, Piece, frame_along

Rng = np.random.Generator


@dataclass(frozen=True)
class Look:
    """Colours of one person."""

    skin: Fabric
    hair: Fabric
    unit: float
    """Width of the shoulders, pixels."""
    down: np.ndarray
    across: np.ndarray
    """Unit vector towards the image's right."""


def make_look(rng: Rng, shoulder_width: float, down: np.ndarray) -> Look:
    return Look(plain_fabric(skin_tone(rng)), plain_fabric(hair_color(rng)), shoulder_width, down, -turn_right(down))


def plain_piece(
    polygons: list[np.ndarray], fabric: Fabric, down: np.ndarray, *, lift: float = 0.7, folded: bool = False
) -> Piece:
    frame = frame_along(polygons[0][0], down, fabric.swatch)
    return Piece(polygons, fabric, frame, roundness=0.8, lift=lift, folded=folded)


def draw_limb(rng: Rng, look: Look, path: np.ndarray, start: float, end: float, *, hand: bool) -> list[Piece]:
    """Draw an arm or leg along a path (N, 2); widths are shares of the shoulders; with a hand at its end."""
    path = through(list(path), roundness=0.7)
    widths = np.linspace(start, end, len(path)) * look.unit
    polygons = tube(path, widths)
    marks = []
    if hand:
        way = unit(path[-1] - path[-3])
        side = turn_right(way)
        size = 0.8 * look.unit
        palm = path[-1] + way * 0.07 * size
        polygons.append(ellipse(palm, way * 0.12 * size, side * 0.07 * size, 14))
        curl = rng.normal(0, 0.05)
        spread = rng.uniform(0.6, 1.5)
        knuckles = [palm + way * 0.08 * size + side * s * size for s in (-0.05, -0.017, 0.017, 0.05)]
        tips = [
            palm + way * length * size + side * (s * spread + curl) * size
            for s, length in zip(
                (-0.05, -0.017, 0.017, 0.05), rng.uniform(0.12, 0.22) + np.array([0.0, 0.02, 0.02, -0.01]), strict=True
            )
        ]
        for knuckle, tip in zip(knuckles, tips, strict=True):
            polygons += tube(np.stack([knuckle, tip]), np.full(2, 0.036 * size))
        thumb_side = rng.choice((-1, 1)) * side
        thumb = palm + way * 0.08 * size + thumb_side * 0.11 * size
        polygons += tube(np.stack([palm - way * 0.05 * size, thumb]), np.full(2, 0.042 * size))
        marks.append(
            Mark(
                [
                    np.stack([(a + b) / 2, (c + d) / 2])
                    for a, b, c, d in zip(knuckles, knuckles[1:], tips, tips[1:], strict=False)
                ],
                0.75,
                0.008 * size + 0.3,
            )
        )
    piece = plain_piece(polygons, look.skin, look.down)
    piece.marks = marks
    return [piece]


def draw_head(rng: Rng, look: Look, neck: np.ndarray) -> list[Piece]:
    """Draw neck, face and hair above the middle between the neckline's corners."""
    unit_, up = look.unit, -look.down
    lean = look.across * rng.normal(0, 0.04) * unit_
    throat = np.stack([neck - up * 0.22 * unit_, neck + up * 0.02 * unit_, neck + up * 0.2 * unit_ + lean])
    neck_piece = plain_piece(tube(throat, np.array([0.34, 0.27, 0.25]) * unit_), look.skin, look.down, lift=0)
    centre = neck + up * rng.uniform(0.42, 0.5) * unit_ + lean
    wide, high = 0.19 * unit_, 0.27 * unit_
    face = plain_piece([ellipse(centre, look.across * wide, up * high)], look.skin, look.down, lift=1.0)
    turn = look.across * rng.normal(0, 0.04) * unit_
    eyes = [
        ellipse(
            centre + turn + look.across * s * 0.08 * unit_ + up * 0.03 * unit_,
            look.across * 0.035 * unit_,
            up * 0.016 * unit_,
            8,
        )
        for s in (-1, 1)
    ]
    brows = [bow(e[0] + up * 0.05 * unit_, e[4] + up * 0.05 * unit_, 0.1, steps=3) for e in eyes]
    mouth = bow(
        centre + turn - look.across * 0.07 * unit_ - up * 0.14 * unit_,
        centre + turn + look.across * 0.07 * unit_ - up * 0.14 * unit_,
        0.12,
        steps=5,
    )
    nose = bow(
        centre + turn + up * 0.02 * unit_, centre + turn - up * 0.06 * unit_ + look.across * 0.02 * unit_, 0.1, steps=3
    )
    face.marks = [
        Mark(eyes, np.array([45, 35, 30.0])),
        Mark(brows, look.hair.color * 0.8, 0.018 * unit_),
        Mark([mouth], np.array([165, 75, 75.0]), 0.03 * unit_),
        Mark([nose], 0.8, 0.015 * unit_),
    ]
    if rng.random() < 0.25:
        shades = [
            ellipse(
                centre + turn + look.across * s * 0.09 * unit_ + up * 0.03 * unit_,
                look.across * 0.075 * unit_,
                up * 0.06 * unit_,
                12,
            )
            for s in (-1, 1)
        ]
        face.marks.append(Mark(shades, np.array([25, 22, 22.0])))
    crown = ellipse(centre, look.across * wide * 1.12, up * high * 1.1, 24)
    rim = centre + up * high * rng.uniform(0.3, 0.6)
    upper = crown[(crown - rim) @ up > 0]
    order = np.argsort(upper @ look.across)
    fringe = (
        bow(upper[order[-1]], upper[order[0]], rng.uniform(0.0, 0.5), lean=rng.uniform(-0.8, 0.8))
        if len(upper) > 2
        else crown
    )
    cap = plain_piece([np.concatenate([upper[order], fringe])], look.hair, look.down, lift=0.2)
    return [neck_piece, face, cap]


def draw_back_hair(rng: Rng, look: Look, neck: np.ndarray, *, long: bool) -> list[Piece]:
    unit_, up = look.unit, -look.down
    centre = neck + up * 0.5 * unit_
    polygons = [ellipse(centre, look.across * rng.uniform(0.2, 0.26) * unit_, up * 0.3 * unit_)]
    if long:
        fall = rng.uniform(0.4, 1.0) * unit_
        for sign in (-1, 1):
            path = bow(
                centre + look.across * sign * 0.12 * unit_,
                centre + look.across * sign * 0.2 * unit_ - up * fall,
                -0.08 * sign,
            )
            polygons += tube(path, np.full(len(path), 0.22 * unit_))
    return [plain_piece(polygons, look.hair, look.down)]


def draw_front_hair(rng: Rng, look: Look, at: Places) -> list[Piece]:
    """Let hair fall over one or both shoulders."""
    pieces = []
    both = rng.random() < 0.6
    for side, sign in SIDES:
        if not both and rng.random() < 0.5:
            continue
        neck = at[f"neckline_{side}"]
        start = neck - look.down * 0.5 * look.unit - look.across * sign * 0.02 * look.unit
        end = (
            neck
            + look.down * rng.uniform(0.15, 0.75) * look.unit
            + look.across * sign * rng.uniform(-0.05, 0.1) * look.unit
        )
        path = bezier(
            start,
            start + look.across * sign * 0.1 * look.unit,
            neck + look.across * sign * rng.uniform(-0.05, 0.1) * look.unit,
            end,
        )
        widths = np.interp(np.linspace(0, 1, len(path)), [0, 0.5, 1], [0.1, rng.uniform(0.12, 0.24), 0.05]) * look.unit
        hair = plain_piece(tube(path, widths), look.hair, look.down)
        strands = [path + look.across * s * look.unit for s in rng.uniform(-0.07, 0.07, 5)]
        hair.marks = [Mark(strands[:3], 0.7, 0.01 * look.unit + 0.4), Mark(strands[3:], 1.35, 0.01 * look.unit + 0.4)]
        pieces.append(hair)
    return pieces


def draw_legs(rng: Rng, look: Look, left: np.ndarray, right: np.ndarray, above: np.ndarray) -> list[Piece]:
    """Draw two legs with shoes that come out of a hem."""
    middle = (left + right) / 2
    down = unit(middle - above)
    stance = min(0.5 * length_of(right - left), 0.75 * look.unit) * rng.uniform(0.35, 0.6)
    tights = plain_fabric(np.array([30, 28, 30.0])) if rng.random() < 0.25 else look.skin
    reach = rng.uniform(0.6, 2.2) * look.unit
    pieces = []
    for _, sign in SIDES:
        hip = middle + look.across * sign * stance - down * 0.4 * look.unit
        ankle = middle + look.across * sign * stance * rng.uniform(0.5, 1.2) + down * reach
        knee = (hip + ankle) / 2 + look.across * rng.normal(0, 0.03) * look.unit
        path = through([hip, knee, ankle])
        widths = np.interp(np.linspace(0, 1, len(path)), [0, 0.45, 0.65, 1], [0.33, 0.2, 0.22, 0.12]) * look.unit
        pieces.append(plain_piece(tube(path, widths), tights, down))
        pieces.append(draw_shoe(rng, look, ankle, down, sign))
    return pieces


def draw_foot(rng: Rng, look: Look, inner: np.ndarray, outer: np.ndarray, above: np.ndarray) -> list[Piece]:
    """Draw the ankle and the shoe that come out of a trouser leg."""
    middle = (inner + outer) / 2
    down = unit(unit(middle - above) + look.down)
    bare = rng.uniform(0.05, 0.5) * look.unit if rng.random() < 0.5 else 0.05 * look.unit
    ankle = middle + down * bare
    path = np.stack([middle - down * 0.1 * look.unit, ankle])
    sign = 1 if float((outer - inner) @ look.across) > 0 else -1
    wide = min(0.16 * look.unit, 0.9 * length_of(outer - inner))
    return [plain_piece(tube(path, np.full(2, wide)), look.skin, down), draw_shoe(rng, look, ankle, down, sign)]


def draw_shoe(rng: Rng, look: Look, ankle: np.ndarray, down: np.ndarray, sign: int) -> Piece:
    toe = down * 0.16 * look.unit + look.across * sign * rng.uniform(0.0, 0.16) * look.unit
    sole = [ellipse(ankle + 0.5 * toe, unit(toe) * 0.19 * look.unit, turn_right(unit(toe)) * 0.09 * look.unit, 16)]
    return plain_piece(sole, plain_fabric(dye(rng) * 0.8), down)


def draw_forearm(rng: Rng, at: Places, look: Look, side: str, sign: int) -> list[Piece]:
    """Draw what comes out of a sleeve: the rest of the arm with its hand, or only the wrist of a hand in a pocket."""
    inner, outer = at[f"cuff_{side}_in"], at[f"cuff_{side}_out"]
    middle = (inner + outer) / 2
    sleeve = middle - (at.get(f"shoulder_{side}", at[f"armpit_{side}"]) + at[f"armpit_{side}"]) / 2
    leave = unit(turn_right(outer - inner) * sign)
    if length_of(sleeve) < 0.6 * look.unit:
        leave = unit(leave + unit(sleeve))
    rest = max(1.25 * look.unit - length_of(sleeve), 0.12 * look.unit)
    wide = min(0.95 * length_of(outer - inner), 0.26 * look.unit) / look.unit
    thin = min(wide, 0.13)
    start = middle - leave * 0.12 * look.unit
    if rest > 0.5 * look.unit:
        bend = unit(leave + rng.normal(0, 0.5, 2))
        elbow = middle + leave * (0.35 * rest)
        path = np.stack([start, elbow, elbow + bend * 0.65 * rest])
    else:
        path = np.stack([start, middle, middle + leave * rest])
    pocketed = rng.random() < 0.2
    return draw_limb(rng, look, path, wide, thin, hand=not pocketed)


def draw_bare_arm(rng: Rng, at: Places, look: Look, side: str, sign: int) -> list[Piece]:
    """Draw a whole arm beside a sleeveless side."""
    armpit = at[f"armpit_{side}"]
    shoulder = at.get(f"shoulder_{side}", armpit - look.down * 0.3 * look.unit)
    start = 0.6 * shoulder + 0.4 * armpit + look.across * sign * 0.04 * look.unit
    elbow = start + unit(look.down + look.across * sign * rng.uniform(-0.05, 0.6)) * 0.62 * look.unit
    hand = elbow + unit(look.down + look.across * sign * rng.normal(-0.1, 0.7)) * 0.55 * look.unit
    return draw_limb(rng, look, np.stack([start, elbow, hand]), 0.21, 0.12, hand=True)
