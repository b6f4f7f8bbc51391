"""The person who wears a garment, and the other clothes on that person, guessed from the garment's points."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hemline.synth.details import button_row, neck_band
from hemline.synth.fabric import Fabric, dye, make_fabric, plain_fabric
from hemline.synth.figure import (
    Look,
    draw_back_hair,
    draw_bare_arm,
    draw_foot,
    draw_front_hair,
    draw_head,
    draw_legs,
    draw_limb,
    draw_sleeved_hand,
    make_look,
    plain_piece,
    throat,
)
from hemline.synth.layout import SIDES, Places, width_of
from hemline.synth.outline import bow, length_of, through, tube, unit
from hemline.synth.piece import Mark, Piece

Rng = np.random.Generator


@dataclass
class Surroundings:
    """What is drawn around a garment, each group from back to front.

    behind: below all of the garment.
    between: on the inside of its back, below its front.
    over: on top of it.
    hands: by side, each below its sleeve.
    """

    behind: list[Piece] = field(default_factory=list)
    between: list[Piece] = field(default_factory=list)
    over: list[Piece] = field(default_factory=list)
    hands: dict[str, Piece] = field(default_factory=dict)


def dress_top(rng: Rng, category: str, at: Places, size: int) -> Surroundings:
    """Draw a person into a blouse, an outwear or a dress."""
    neck = (at["neckline_left"] + at["neckline_right"]) / 2
    down = unit((at["hem_left"] + at["hem_right"]) / 2 - neck)
    look = make_look(rng, 1.15 * width_of(at, size), down)
    around = Surroundings()
    head = rng.random() < 0.85
    long_hair = head and rng.random() < 0.6
    if head:
        around.behind.append(draw_back_hair(rng, look, neck, long=long_hair))
    _add_lower_half(rng, category, at, look, around)
    around.between.append(_chest(look, at, neck, head=head))
    if category == "outwear" or rng.random() < 0.1:
        around.between.append(_shirt_below(rng, look, at))
    if head:
        around.between += draw_head(rng, look, neck)
        if long_hair and rng.random() < 0.7:
            around.over += draw_front_hair(rng, look, at)
    for side, sign in SIDES:
        if f"cuff_{side}_in" in at:
            around.hands[side] = draw_sleeved_hand(rng, look, at, side, sign)
        else:
            arm = draw_bare_arm(rng, look, at, side, sign)
            (around.behind if rng.random() < 0.6 else around.over).append(arm)
    if category != "outwear" and rng.random() < (0.14 if category == "dress" else 0.1):
        around.over = _open_jacket(rng, look, at) + around.over
    if rng.random() < (0.15 if category == "outwear" else 0.05):
        around.over += _scarf(rng, look, at)
    return around


def dress_bottom(rng: Rng, category: str, at: Places, size: int) -> Surroundings:
    """Draw a person into a skirt or trousers."""
    left, right = at["waistband_left"], at["waistband_right"]
    waist = (left + right) / 2
    ends = [at[name] for name in at if name.startswith(("hem_", "bottom_"))]
    look = make_look(rng, 1.2 * width_of(at, size), unit(np.mean(ends, 0) - waist))
    around = Surroundings()
    if category == "skirt":
        around.behind += draw_legs(rng, look, at["hem_left"], at["hem_right"])
    else:
        for side, _ in SIDES:
            around.behind += draw_foot(rng, look, at[f"bottom_{side}_in"], at[f"bottom_{side}_out"])
    if rng.random() < 0.5:
        around.behind += draw_head(rng, look, look.at(waist, 0, -1.35))
    tucked = rng.random() < 0.55
    (around.between if tucked else around.over).append(_upper_half(rng, look, left, right, tucked=tucked))
    for _, sign in SIDES:
        if rng.random() < 0.75:
            around.over += _hanging_arm(rng, look, waist, sign)
    if rng.random() < 0.18:
        around.over += _jacket_sides(rng, look, waist)
    return around


def _other_fabric(rng: Rng, look: Look, *, use: str = "any") -> Fabric:
    return make_fabric(rng, look.width, max(16, int(1.2 * look.width)), use=use)


def _chest(look: Look, at: Places, neck: np.ndarray, *, head: bool) -> Piece:
    """Draw the skin that a neckline, or a strapless bodice, leaves bare."""
    left, right = (at[f"neckline_{side}"] for side, _ in SIDES)
    deep = look.at((at["armpit_left"] + at["armpit_right"]) / 2, 0, 0.15)
    flanks = [0.8 * at[f"armpit_{side}"] + 0.2 * deep for side, _ in SIDES]
    polygons = [np.stack([left, look.at(neck, 0, -0.04), right, flanks[1], deep, flanks[0]])]
    if "shoulder_left" not in at:
        corners = [look.at(neck, -0.14, -0.32), look.at(neck, 0.14, -0.32), look.at(right, 0.03, -0.2), right, left]
        polygons.append(np.stack([*corners, look.at(left, -0.03, -0.2)]))
        neck = look.at(neck, 0, -0.35)
    if head:
        polygons += throat(look, neck)
    piece = plain_piece(polygons, look.skin, look.down, lift=0)
    piece.roundness = 0.4
    return piece


def _shirt_below(rng: Rng, look: Look, at: Places) -> Piece:
    """Draw the clothes seen under an open coat."""
    left, right = (at[f"neckline_{side}"] for side, _ in SIDES)
    inward = 0.1 * (right - left)
    chest, hem = (at["armpit_left"] + at["armpit_right"]) / 2, (at["hem_left"] + at["hem_right"]) / 2
    low = chest + (hem - chest) * rng.uniform(0.4, 1.1)
    half = 0.45 * (at["hem_right"] - at["hem_left"])
    neck = bow(left, right, rng.uniform(0.1, 0.7))
    below = np.stack([at["armpit_right"] - inward, low + half, low - half, at["armpit_left"] + inward])
    shirt = plain_piece([np.concatenate([neck, below])], _other_fabric(rng, look), look.down, lift=0.5, folded=True)
    shirt.marks = neck_band(rng, neck, look.width)
    if rng.random() < 0.4:
        shirt.marks += button_row(rng, neck[len(neck) // 2], low, look.width)
    return shirt


def _add_lower_half(rng: Rng, category: str, at: Places, look: Look, around: Surroundings) -> None:
    """Draw what is worn below the hem: bare legs, trousers or a skirt. A tucked-in hem is covered by it."""
    left, right = at["hem_left"], at["hem_right"]
    middle = (left + right) / 2
    if category == "dress" or (category == "outwear" and length_of(middle - at["armpit_left"]) > 1.6 * look.width):
        around.behind += draw_legs(rng, look, left, right)
        return
    tucked = category == "blouse" and rng.random() < 0.22
    hip = float(np.clip(length_of(right - left) / look.width, 0.75, 1.05))
    if tucked:
        hip = max(hip, 1.06 * length_of(right - left) / look.width)
    rise = rng.uniform(0.01, 0.12) if tucked else rng.uniform(0.0, 0.25)
    waist = bow(look.at(middle, -hip / 2, -rise), look.at(middle, hip / 2, -rise), rng.uniform(0, 0.08))
    if rng.random() < 0.3:
        half = hip / 2 * rng.uniform(1.0, 1.7)
        lower = bow(look.at(middle, half, 1.5), look.at(middle, -half, 1.5), -0.04)
    else:
        foot, thick, apart = rng.uniform(1.7, 2.4), hip * rng.uniform(0.17, 0.3), hip * rng.uniform(0.25, 0.37)
        ways = ((0.52 * hip, 0.5), (apart + thick, foot), (apart - thick, foot))
        corners = [look.at(middle, x, y) for x, y in (*ways, (0.0, 0.5), *((-x, y) for x, y in ways[::-1]))]
        lower = np.stack(corners)
    piece = plain_piece(
        [np.concatenate([waist, lower])], _other_fabric(rng, look, use="trousers"), look.down, folded=True
    )
    if not tucked:
        around.behind.append(piece)
        return
    belt = dye(rng) if rng.random() < 0.4 else 0.75
    piece.marks.append(Mark([look.at(waist, 0, 0.05)], belt, 0.06 * look.width))
    around.over.insert(0, piece)


def _hanging_arm(rng: Rng, look: Look, waist: np.ndarray, sign: int) -> list[Piece]:
    """Draw an arm that hangs beside the hips; its hand is free, or in a pocket."""
    shoulder = look.at(waist, 0.55 * sign, -1.15)
    elbow = look.at(waist, sign * rng.uniform(0.58, 0.8), -0.25)
    hand = look.at(waist, sign * rng.uniform(0.4, 0.8), rng.uniform(0.1, 0.45))
    pieces = [draw_limb(rng, look, [shoulder, elbow, hand], 0.2, 0.12, hand=rng.random() < 0.7)]
    if rng.random() < 0.7:
        sleeve = through([shoulder, elbow, elbow + rng.uniform(0.1, 0.95) * (hand - elbow)])
        widths = np.linspace(0.26, 0.18, len(sleeve)) * look.width
        pieces.append(plain_piece(tube(sleeve, widths), plain_fabric(dye(rng)), look.down, folded=True))
    return pieces


def _upper_half(rng: Rng, look: Look, left: np.ndarray, right: np.ndarray, *, tucked: bool) -> Piece:
    """Draw the top worn with a skirt or trousers: tucked in, or hanging over the waistband."""
    waist = (left + right) / 2
    if tucked:
        hem = np.stack([look.at(left, 0, 0.04), look.at(right, 0, 0.04)])
    else:
        foot, half = look.at(waist, 0, rng.uniform(0.02, 0.5)), (right - left) / 2 * rng.uniform(1.05, 1.35)
        hem = bow(foot - half, foot + half, rng.uniform(-0.02, 0.15))
    ways = ((0.5, -0.85), (0.52, -1.3), (0.15, -1.3), (0.0, -1.15), (-0.15, -1.3), (-0.52, -1.3), (-0.5, -0.85))
    outline = np.concatenate([hem, [look.at(waist, x, y) for x, y in ways]])
    piece = plain_piece([outline], _other_fabric(rng, look), look.down, folded=True)
    if rng.random() < 0.3:
        piece.marks += button_row(rng, look.at(waist, 0, -1.15), hem[len(hem) // 2], look.width)
    return piece


def _jacket_sides(rng: Rng, look: Look, waist: np.ndarray) -> list[Piece]:
    """Draw the two sides of an open jacket or coat that hang over the waistband."""
    fabric, fall = _other_fabric(rng, look, use="coat"), rng.uniform(0.1, 1.2)
    pieces = []
    for _, sign in SIDES:
        ways = ((0.12, -1.3), (rng.uniform(0.15, 0.4), 0.0), (rng.uniform(0.25, 0.5), fall))
        edge = through([look.at(waist, sign * x, y) for x, y in ways])
        back = [look.at(waist, sign * x, y) for x, y in ((0.75, fall), (0.66, 0.0), (0.6, -1.2))]
        pieces.append(plain_piece([np.concatenate([edge, back])], fabric, look.down, folded=True))
    return pieces


def _open_jacket(rng: Rng, look: Look, at: Places) -> list[Piece]:
    """Draw a jacket worn open over a dress or a blouse: it covers shoulders, armpits and waist."""
    fabric, fall = _other_fabric(rng, look, use="coat"), rng.uniform(0.3, 1.0)
    chest = (at["armpit_left"] + at["armpit_right"]) / 2
    sleeved = rng.random() < 0.8
    pieces = []
    for side, sign in SIDES:
        neck, armpit = at[f"neckline_{side}"], at[f"armpit_{side}"]
        shoulder = at.get(f"shoulder_{side}", look.at(neck, 0.2 * sign, 0))
        lapel = chest + rng.uniform(0.25, 0.7) * (armpit - chest)
        edge = through([neck, lapel, look.at(chest, sign * rng.uniform(0.2, 0.4), fall)])
        back = [
            look.at(armpit, 0.12 * sign, fall),
            look.at(armpit, 0.08 * sign, 0),
            look.at(shoulder, 0.09 * sign, 0),
            look.at(shoulder, 0, -0.04),
        ]
        pieces.append(plain_piece([np.concatenate([edge, back])], fabric, look.down, folded=True))
        if sleeved:
            elbow = look.at(armpit, sign * rng.uniform(0.1, 0.35), 0.35)
            wrist = look.at(elbow, sign * rng.uniform(-0.3, 0.2), 0.5)
            path = through([look.at((shoulder + armpit) / 2, 0.05 * sign, 0), elbow, wrist])
            pieces.append(
                plain_piece(tube(path, np.linspace(0.3, 0.2, len(path)) * look.width), fabric, look.down, folded=True)
            )
    return pieces


def _scarf(rng: Rng, look: Look, at: Places) -> list[Piece]:
    fabric = make_fabric(rng, 0.6 * look.width, max(16, int(0.8 * look.width)))
    left, right = at["neckline_left"], at["neckline_right"]
    loop = bow(left - 0.06 * (right - left), right + 0.06 * (right - left), rng.uniform(0.2, 0.6))
    thick = np.full(len(loop), rng.uniform(0.14, 0.22) * look.width)
    pieces = [plain_piece(tube(loop, thick), fabric, look.down, folded=True)]
    if rng.random() < 0.6:
        start = loop[int(rng.integers(3, len(loop) - 3))]
        path = bow(start, look.at(start, rng.normal(0, 0.1), rng.uniform(0.3, 0.9)), rng.uniform(-0.1, 0.1))
        pieces.append(plain_piece(tube(path, np.full(len(path), 0.17 * look.width)), fabric, look.down, folded=True))
    return pieces
