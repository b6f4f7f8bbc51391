"""Parts of a person: throat, head, hair, arms, hands, legs, feet.

A `Look` measures: every length is a share of the width of the person's shoulders, and every place is so much to the
right and so much down from another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hemline.synth.fabric import Fabric, dye, hair_color, plain_fabric, skin_tone
from hemline.synth.layout import SIDES, Places
from hemline.synth.outline import bezier, bow, ellipse, length_of, through, tube, turn_right, unit
from hemline.synth.piece import Mark, Piece, frame_along

Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class Look:
    """The size, the pose and the colours of one person.

    width: of the shoulders, pixels.
    down: (2,) unit vector from head to feet.
    """

    skin: Fabric
    hair: Fabric
    width: float
    down: np.ndarray

    @property
    def across(self) -> np.ndarray:
        """Unit vector towards the image's right where `down` is down."""
        return -turn_right(self.down)

    def at(self, origin: np.ndarray, right: float, down: float) -> np.ndarray:
        """Go from a place so many shoulder widths to the right and down; (2,) or (N, 2)."""
        place: np.ndarray = origin + (self.across * right + self.down * down) * self.width
        return place

    def ellipse(self, centre: np.ndarray, half_wide: float, half_high: float) -> np.ndarray:
        """Trace an upright ellipse."""
        return ellipse(centre, self.across * half_wide * self.width, self.down * half_high * self.width, 20)


def make_look(rng: Rng, width: float, down: np.ndarray) -> Look:
    """Draw the colours of a person."""
    return Look(plain_fabric(skin_tone(rng)), plain_fabric(hair_color(rng)), width, down)


def plain_piece(
    polygons: list[np.ndarray], fabric: Fabric, down: np.ndarray, *, lift: float = 0.7, folded: bool = False
) -> Piece:
    """Make a rounded piece that is not of the garment."""
    frame = frame_along(polygons[0][0], down, fabric.swatch)
    return Piece(polygons, fabric, frame, roundness=0.8, lift=lift, folded=folded)


def draw_limb(
    rng: Rng, look: Look, joints: Sequence[np.ndarray], start: float, end: float, *, hand: bool = False
) -> Piece:
    """Draw an arm or a leg through its joints, from so wide to so wide, with a hand at its end or without."""
    path = through(joints, roundness=0.7)
    polygons = tube(path, np.linspace(start, end, len(path)) * look.width)
    if not hand:
        return plain_piece(polygons, look.skin, look.down)
    fingers, gaps = _hand(rng, path[-1], unit(path[-1] - path[-3]), 0.8 * look.width)
    piece = plain_piece(polygons + fingers, look.skin, look.down)
    piece.marks.append(Mark(gaps, 0.75, 0.006 * look.width + 0.3))
    return piece


def _hand(rng: Rng, wrist: np.ndarray, way: np.ndarray, length: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Trace a hand: polygons of palm and fingers, and the lines between the fingers."""
    side = turn_right(way)
    palm = wrist + 0.07 * length * way
    roots = np.array([-0.05, -0.017, 0.017, 0.05])
    reach = rng.uniform(0.12, 0.22) + np.array([0.0, 0.02, 0.02, -0.01])
    spread, curl = rng.uniform(0.6, 1.5), rng.normal(0, 0.05)
    knuckles = palm + length * (0.08 * way + roots[:, None] * side)  # (4, 2)
    tips = palm + length * (reach[:, None] * way + (roots * spread + curl)[:, None] * side)  # (4, 2)
    polygons = [ellipse(palm, way * 0.12 * length, side * 0.07 * length, 14)]
    for knuckle, tip in zip(knuckles, tips, strict=True):
        polygons += tube(np.stack([knuckle, tip]), np.full(2, 0.036 * length))
    thumb = palm + length * (0.08 * way + rng.choice((-0.11, 0.11)) * side)
    polygons += tube(np.stack([palm - 0.05 * length * way, thumb]), np.full(2, 0.042 * length))
    gaps = np.stack([knuckles[:-1] + knuckles[1:], tips[:-1] + tips[1:]], 1) / 2  # (3, 2, 2)
    return polygons, list(gaps)


def throat(look: Look, neck: np.ndarray) -> list[np.ndarray]:
    """Trace the throat above the middle between the neckline's corners."""
    path = np.stack([look.at(neck, 0, 0.2), look.at(neck, 0, -0.02), look.at(neck, 0, -0.22)])
    return tube(path, np.array([0.36, 0.27, 0.25]) * look.width)


def draw_head(rng: Rng, look: Look, neck: np.ndarray) -> list[Piece]:
    """Draw a face and the hair over the forehead."""
    centre = look.at(neck, rng.normal(0, 0.03), -rng.uniform(0.42, 0.5))
    face = plain_piece([look.ellipse(centre, 0.19, 0.27)], look.skin, look.down, lift=1.0)
    turned = look.at(centre, rng.normal(0, 0.04), 0)
    eyes = [look.ellipse(look.at(turned, x, -0.03), 0.033, 0.015) for x in (-0.08, 0.08)]
    brows = [
        bow(look.at(turned, x - 0.04, -0.08), look.at(turned, x + 0.04, -0.08), -0.1, steps=3) for x in (-0.08, 0.08)
    ]
    lips = look.skin.color * np.array([0.85, 0.6, 0.6])
    face.marks = [
        Mark(eyes, np.array([45, 35, 30.0])),
        Mark(brows, look.hair.color * 0.8, 0.018 * look.width),
        Mark([bow(look.at(turned, -0.06, 0.14), look.at(turned, 0.06, 0.14), 0.12, steps=5)], lips, 0.028 * look.width),
        Mark([bow(look.at(turned, 0, -0.02), look.at(turned, 0.02, 0.06), 0.1, steps=3)], 0.8, 0.015 * look.width),
    ]
    if rng.random() < 0.25:  # sunglasses
        glasses = [look.ellipse(look.at(turned, x, -0.03), 0.075, 0.055) for x in (-0.09, 0.09)]
        face.marks.append(Mark(glasses, np.array([25, 22, 22.0])))
    crown = look.ellipse(centre, 0.213, 0.297)
    upper = crown[(crown - look.at(centre, 0, -rng.uniform(0.08, 0.16))) @ look.down < 0]
    upper = upper[np.argsort(upper @ look.across)]
    fringe = bow(upper[-1], upper[0], rng.uniform(0.0, 0.5), lean=rng.uniform(-0.8, 0.8))
    return [face, plain_piece([np.concatenate([upper, fringe])], look.hair, look.down, lift=0.2)]


def draw_back_hair(rng: Rng, look: Look, neck: np.ndarray, *, long: bool) -> Piece:
    """Draw the hair behind head and shoulders."""
    centre = look.at(neck, 0, -0.5)
    polygons = [look.ellipse(centre, rng.uniform(0.2, 0.26), 0.3)]
    if long:
        fall = rng.uniform(0.4, 1.0)
        for _, sign in SIDES:
            path = bow(look.at(centre, sign * 0.12, 0), look.at(centre, sign * 0.2, fall), -0.08 * sign)
            polygons += tube(path, np.full(len(path), 0.22 * look.width))
    return plain_piece(polygons, look.hair, look.down)


def draw_front_hair(rng: Rng, look: Look, at: Places) -> list[Piece]:
    """Let hair fall over one or both shoulders."""
    pieces = []
    both = rng.random() < 0.6
    for side, sign in SIDES:
        if not both and rng.random() < 0.5:
            continue
        neck = at[f"neckline_{side}"]
        start = look.at(neck, -0.02 * sign, -0.5)
        end = look.at(neck, sign * rng.uniform(-0.05, 0.1), rng.uniform(0.15, 0.75))
        path = bezier(start, look.at(start, 0.1 * sign, 0), look.at(neck, sign * rng.uniform(-0.05, 0.1), 0), end)
        widths = np.interp(np.linspace(0, 1, len(path)), [0, 0.5, 1], [0.1, rng.uniform(0.12, 0.24), 0.05])
        hair = plain_piece(tube(path, widths * look.width), look.hair, look.down)
        strands = [look.at(path, shift, 0) for shift in rng.uniform(-0.07, 0.07, 5)]
        fine = 0.01 * look.width + 0.4
        hair.marks = [Mark(strands[:3], 0.7, fine), Mark(strands[3:], 1.35, fine)]
        pieces.append(hair)
    return pieces


def draw_sleeved_hand(rng: Rng, look: Look, at: Places, side: str, sign: int) -> Piece:
    """Draw what comes out of a sleeve: the rest of the arm with its hand, or only the wrist of a hand in a pocket."""
    inner, outer, armpit = at[f"cuff_{side}_in"], at[f"cuff_{side}_out"], at[f"armpit_{side}"]
    cuff = (inner + outer) / 2
    sleeve = cuff - (at.get(f"shoulder_{side}", armpit) + armpit) / 2
    leave = unit(turn_right(outer - inner) * sign)
    if length_of(sleeve) < 0.6 * look.width:  # a short sleeve's slanted hem says little about the arm
        leave = unit(leave + unit(sleeve))
    rest = max(1.25 * look.width - length_of(sleeve), 0.12 * look.width)
    start = cuff - leave * 0.12 * look.width
    joints = [start, cuff, cuff + leave * rest]
    if rest > 0.5 * look.width:
        elbow = cuff + leave * 0.35 * rest
        joints = [start, elbow, elbow + unit(leave + rng.normal(0, 0.5, 2)) * 0.65 * rest]
    wide = min(0.95 * length_of(outer - inner) / look.width, 0.26)
    return draw_limb(rng, look, joints, wide, min(wide, 0.13), hand=rng.random() < 0.8)


def draw_bare_arm(rng: Rng, look: Look, at: Places, side: str, sign: int) -> Piece:
    """Draw a whole arm beside a sleeveless side."""
    armpit = at[f"armpit_{side}"]
    shoulder = at.get(f"shoulder_{side}", look.at(armpit, 0, -0.3))
    start = look.at(0.6 * shoulder + 0.4 * armpit, 0.04 * sign, 0)
    elbow = start + unit(look.down + look.across * sign * rng.uniform(-0.05, 0.6)) * 0.62 * look.width
    hand = elbow + unit(look.down + look.across * sign * rng.normal(-0.1, 0.7)) * 0.55 * look.width
    return draw_limb(rng, look, [start, elbow, hand], 0.21, 0.12, hand=True)


def draw_legs(rng: Rng, look: Look, left: np.ndarray, right: np.ndarray) -> list[Piece]:
    """Draw two legs with shoes that come out of a hem between two corners."""
    middle = (left + right) / 2
    stance = min(0.5 * length_of(right - left) / look.width, 0.75) * rng.uniform(0.35, 0.6)
    fabric = plain_fabric(np.array([30, 28, 30.0])) if rng.random() < 0.25 else look.skin
    reach = rng.uniform(0.6, 2.2)
    pieces = []
    for _, sign in SIDES:
        hip = look.at(middle, sign * stance, -0.4)
        ankle = look.at(middle, sign * stance * rng.uniform(0.5, 1.2), reach)
        knee = look.at((hip + ankle) / 2, rng.normal(0, 0.03), 0)
        path = through([hip, knee, ankle])
        widths = np.interp(np.linspace(0, 1, len(path)), [0, 0.45, 0.65, 1], [0.33, 0.2, 0.22, 0.12])
        pieces += [plain_piece(tube(path, widths * look.width), fabric, look.down), _shoe(rng, look, ankle, sign)]
    return pieces


def draw_foot(rng: Rng, look: Look, inner: np.ndarray, outer: np.ndarray) -> list[Piece]:
    """Draw the ankle and the shoe that come out of a trouser leg."""
    middle = (inner + outer) / 2
    ankle = look.at(middle, 0, rng.uniform(0.05, 0.5) if rng.random() < 0.5 else 0.05)
    wide = min(0.16 * look.width, 0.9 * length_of(outer - inner))
    shin = tube(np.stack([look.at(middle, 0, -0.1), ankle]), np.full(2, wide))
    sign = 1 if float((outer - inner) @ look.across) > 0 else -1
    return [plain_piece(shin, look.skin, look.down), _shoe(rng, look, ankle, sign)]


def _shoe(rng: Rng, look: Look, ankle: np.ndarray, sign: int) -> Piece:
    toe = look.at(ankle, sign * rng.uniform(0.0, 0.16), 0.16)
    way = unit(toe - ankle)
    sole = ellipse((ankle + toe) / 2, way * 0.19 * look.width, turn_right(way) * 0.09 * look.width, 16)
    return plain_piece([sole], plain_fabric(dye(rng) * 0.8), look.down)
