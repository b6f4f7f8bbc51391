"""The body that wears a garment, and the other clothes on it.

A figure is guessed from the garment's points. Its parts come in four groups, from back to front: behind the garment's
inside, between its inside and its front, below single sleeves (hands), and before everything.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hemline.synth.details import button_row, neck_band
from hemline.synth.fabric import dye, make_fabric, plain_fabric
from hemline.synth.figure import (
    Look,
    draw_back_hair,
    draw_bare_arm,
    draw_foot,
    draw_forearm,
    draw_front_hair,
    draw_head,
    draw_legs,
    draw_limb,
    make_look,
    plain_piece,
)
from hemline.synth.layout import SIDES, Places, width_of
from hemline.synth.outline import bow, length_of, through, tube, unit
from hemline.synth.piece import Mark, Piece

Rng = np.random.Generator


@dataclass
class Figure:
    """What is drawn around a worn garment, each group from back to front."""

    behind: list[Piece] = field(default_factory=list)
    between: list[Piece] = field(default_factory=list)
    under_sleeves: list[Piece] = field(default_factory=list)
    over: list[Piece] = field(default_factory=list)


def dress_top(rng: Rng, category: str, at: Places, size: int) -> Figure:
    """Draw a person into a blouse, an outwear or a dress."""
    neck_middle = (at["neckline_left"] + at["neckline_right"]) / 2
    down = unit((at["hem_left"] + at["hem_right"]) / 2 - neck_middle)
    look = make_look(rng, 1.15 * width_of(at, size), down)
    figure = Figure()
    head = rng.random() < 0.85
    long_hair = head and rng.random() < 0.6
    if head:
        figure.behind += draw_back_hair(rng, look, neck_middle, long=long_hair)
    figure.behind += _legs_below_top(rng, category, at, look, figure)
    figure.between += _torso(rng, category, at, look)
    if head:
        figure.between += draw_head(rng, look, neck_middle)
        if long_hair and rng.random() < 0.7:
            figure.over += draw_front_hair(rng, look, at)
    for side, sign in SIDES:
        if f"cuff_{side}_in" in at:
            figure.under_sleeves += draw_forearm(rng, at, look, side, sign)
        else:
            arm = draw_bare_arm(rng, at, look, side, sign)
            (figure.behind if rng.random() < 0.6 else figure.over).extend(arm)
    if category != "outwear" and rng.random() < (0.14 if category == "dress" else 0.1):
        figure.over = _open_jacket(rng, at, look) + figure.over
    if rng.random() < (0.15 if category == "outwear" else 0.05):
        figure.over += _scarf(rng, at, look)
    return figure


def dress_bottom(rng: Rng, category: str, at: Places, size: int) -> Figure:
    """Draw a person into a skirt or trousers."""
    waist_left, waist_right = at["waistband_left"], at["waistband_right"]
    top = (waist_left + waist_right) / 2
    ends = [at[name] for name in at if name.startswith(("hem_", "bottom_"))]
    down = unit(np.mean(ends, 0) - top)
    look = make_look(rng, 1.2 * width_of(at, size), down)
    figure = Figure()
    if category == "skirt":
        figure.behind += draw_legs(rng, look, at["hem_left"], at["hem_right"], top)
    else:
        for side, _ in SIDES:
            figure.behind += draw_foot(rng, look, at[f"bottom_{side}_in"], at[f"bottom_{side}_out"], top)
    tucked = rng.random() < 0.5
    upper = _upper_garment(rng, look, waist_left, waist_right, tucked=tucked)
    (figure.between if tucked else figure.over).append(upper)
    for _, sign in SIDES:
        if rng.random() < 0.75:
            figure.over += _hanging_arm(rng, look, top, sign)
    if rng.random() < 0.2:
        figure.over += _jacket_sides(rng, look, waist_left, waist_right)
    if rng.random() < 0.5:
        neck = top - down * look.unit * 1.35
        figure.behind += draw_head(rng, look, neck)
    return figure


def _torso(rng: Rng, category: str, at: Places, look: Look) -> list[Piece]:
    """Draw the chest seen through the neckline, or the clothes under an open coat."""
    neck_middle = (at["neckline_left"] + at["neckline_right"]) / 2
    chest = (at["armpit_left"] + at["armpit_right"]) / 2
    left, right = (at[f"neckline_{side}"] for side, _ in SIDES)
    deep = chest + look.down * 0.15 * look.unit
    skin = np.stack(
        [
            left,
            neck_middle - look.down * 0.04 * look.unit,
            right,
            at["armpit_right"] * 0.8 + deep * 0.2,
            deep,
            at["armpit_left"] * 0.8 + deep * 0.2,
        ]
    )
    pieces = [plain_piece([skin], look.skin, look.down, lift=0)]
    if "shoulder_left" not in at:  # bare shoulders
        top = neck_middle - look.down * 0.32 * look.unit
        bare = np.stack(
            [
                top - look.across * 0.14 * look.unit,
                top + look.across * 0.14 * look.unit,
                right - look.down * 0.2 * look.unit + look.across * 0.03 * look.unit,
                right,
                left,
                left - look.down * 0.2 * look.unit - look.across * 0.03 * look.unit,
            ]
        )
        pieces.append(plain_piece([bare], look.skin, look.down, lift=0))
    if category == "outwear" or rng.random() < 0.1:
        hem = (at["hem_left"] + at["hem_right"]) / 2
        low = chest + (hem - chest) * rng.uniform(0.4, 1.1)
        fabric = make_fabric(rng, look.unit, max(16, int(1.2 * look.unit)))
        neck = bow(left, right, rng.uniform(0.1, 0.7))
        inward = 0.1 * (right - left)
        outline = np.concatenate(
            [
                neck,
                [
                    at["armpit_right"] - inward,
                    low + 0.45 * (at["hem_right"] - at["hem_left"]),
                    low - 0.45 * (at["hem_right"] - at["hem_left"]),
                    at["armpit_left"] + inward,
                ],
            ]
        )
        shirt = plain_piece([outline], fabric, look.down, lift=0.5, folded=True)
        shirt.marks = neck_band(rng, neck, look.unit)
        if rng.random() < 0.4:
            shirt.marks += button_row(rng, neck[len(neck) // 2], low, look.unit)
        pieces.append(shirt)
    return pieces


def _legs_below_top(rng: Rng, category: str, at: Places, look: Look, figure: Figure) -> list[Piece]:
    """Draw what is worn below the hem: bare legs, trousers or a skirt; a tucked-in hem is covered by it."""
    left, right = at["hem_left"], at["hem_right"]
    middle = (left + right) / 2
    if category == "dress" or (category == "outwear" and length_of(middle - at["armpit_left"]) > 1.6 * look.unit):
        return draw_legs(rng, look, left, right, (at["armpit_left"] + at["armpit_right"]) / 2)
    hip = np.clip(length_of(right - left), 0.75 * look.unit, 1.05 * look.unit)
    rise = rng.uniform(0.0, 0.25) * look.unit
    tucked = category == "blouse" and rng.random() < 0.22
    if tucked:
        rise = rng.uniform(0.01, 0.12) * look.unit
        hip = max(hip, length_of(right - left) * 1.06)
    side = unit(right - left) * hip / 2
    fabric = make_fabric(rng, look.unit, max(16, int(1.2 * look.unit)), use="trousers")
    start = middle - look.down * rise
    knee = look.down * look.unit * 1.5
    waist = bow(start - side, start + side, rng.uniform(0, 0.08))
    if rng.random() < 0.3:
        flare = rng.uniform(1.0, 1.7)
        outline = [np.concatenate([waist, bow(middle + knee + side * flare, middle + knee - side * flare, -0.04)])]
    else:
        fork = middle + look.down * 0.5 * look.unit
        foot = look.down * look.unit * rng.uniform(1.7, 2.4)
        leg = side * rng.uniform(0.35, 0.6)
        shift = side * rng.uniform(0.5, 0.75)
        outline = [
            np.concatenate(
                [
                    waist,
                    [
                        start + side * 1.04 + look.down * 0.5 * look.unit,
                        middle + foot + shift + leg,
                        middle + foot + shift - leg,
                        fork,
                        middle + foot - shift + leg,
                        middle + foot - shift - leg,
                        start - side * 1.04 + look.down * 0.5 * look.unit,
                    ],
                ]
            )
        ]
    piece = plain_piece(outline, fabric, look.down, folded=True)
    if not tucked:
        return [piece]
    belt = waist + look.down * 0.05 * look.unit
    piece.marks.append(Mark([belt], dye(rng) if rng.random() < 0.4 else 0.75, 0.06 * look.unit))
    figure.over.insert(0, piece)
    return []


def _hanging_arm(rng: Rng, look: Look, waist: np.ndarray, sign: int) -> list[Piece]:
    """Draw an arm that hangs beside the hips; its hand is free, or in a pocket."""
    shoulder = waist - look.down * 1.15 * look.unit + look.across * sign * 0.55 * look.unit
    elbow = waist - look.down * 0.25 * look.unit + look.across * sign * rng.uniform(0.55, 0.8) * look.unit
    hand = (
        waist + look.down * rng.uniform(0.1, 0.5) * look.unit + look.across * sign * rng.uniform(0.35, 0.75) * look.unit
    )
    path = np.stack([shoulder, elbow, hand])
    arm = draw_limb(rng, look, path, 0.2, 0.12, hand=rng.random() < 0.7)
    if rng.random() < 0.7:
        sleeve_path = through([shoulder, elbow, elbow + rng.uniform(0.1, 0.95) * (hand - elbow)])
        fabric = plain_fabric(dye(rng))
        arm.append(
            plain_piece(
                tube(sleeve_path, np.linspace(0.26, 0.18, len(sleeve_path)) * look.unit), fabric, look.down, folded=True
            )
        )
    return arm


def _upper_garment(rng: Rng, look: Look, left: np.ndarray, right: np.ndarray, *, tucked: bool) -> Piece:
    """Draw the top worn with a skirt or trousers: tucked in, or hanging over the waistband."""
    middle = (left + right) / 2
    half = 0.5 * (right - left)
    fall = -0.02 * look.unit if tucked else rng.uniform(0.02, 0.5) * look.unit
    wide = 1.0 if tucked else rng.uniform(1.05, 1.35)
    hem = bow(
        middle + look.down * fall - half * wide, middle + look.down * fall + half * wide, rng.uniform(-0.02, 0.15)
    )
    if tucked:
        hem = np.concatenate([[left + look.down * 0.04 * look.unit], [right + look.down * 0.04 * look.unit]])
    chest = middle - look.down * 0.85 * look.unit
    neck = middle - look.down * 1.3 * look.unit
    right_side = [
        chest + look.across * 0.5 * look.unit,
        neck + look.across * 0.52 * look.unit,
        neck + look.across * 0.15 * look.unit,
    ]
    left_side = [
        neck - look.across * 0.15 * look.unit,
        neck - look.across * 0.52 * look.unit,
        chest - look.across * 0.5 * look.unit,
    ]
    outline = np.concatenate([hem, right_side, [neck + look.down * 0.15 * look.unit], left_side])
    fabric = make_fabric(rng, look.unit, max(16, int(1.2 * look.unit)))
    piece = plain_piece([outline], fabric, look.down, folded=True)
    if rng.random() < 0.3:
        piece.marks += button_row(rng, neck + look.down * 0.15 * look.unit, hem[len(hem) // 2], look.unit)
    return piece


def _jacket_sides(rng: Rng, look: Look, left: np.ndarray, right: np.ndarray) -> list[Piece]:
    """Draw the two sides of an open jacket or coat that hang over the waistband."""
    middle = (left + right) / 2
    fabric = make_fabric(rng, look.unit, max(16, int(1.2 * look.unit)), use="coat")
    fall = rng.uniform(0.1, 1.2) * look.unit
    pieces = []
    for _, sign in SIDES:
        across = look.across * sign * look.unit
        edge = through(
            [
                middle - look.down * 1.3 * look.unit + across * 0.12,
                middle + across * rng.uniform(0.15, 0.4),
                middle + look.down * fall + across * rng.uniform(0.25, 0.5),
            ]
        )
        outline = np.concatenate(
            [
                edge,
                [
                    middle + look.down * fall + across * 0.75,
                    middle + across * 0.66,
                    middle - look.down * 1.2 * look.unit + across * 0.6,
                ],
            ]
        )
        pieces.append(plain_piece([outline], fabric, look.down, folded=True))
    return pieces


def _open_jacket(rng: Rng, at: Places, look: Look) -> list[Piece]:
    """Draw a jacket worn open over a dress or a blouse: it covers shoulders, armpits and waist."""
    fabric = make_fabric(rng, look.unit, max(16, int(1.2 * look.unit)), use="coat")
    chest = (at["armpit_left"] + at["armpit_right"]) / 2
    fall = rng.uniform(0.3, 1.0) * look.unit
    pieces = []
    for side, sign in SIDES:
        neck, armpit = at[f"neckline_{side}"], at[f"armpit_{side}"]
        shoulder = at.get(f"shoulder_{side}", neck + look.across * sign * 0.2 * look.unit)
        out = look.across * sign * look.unit
        edge = through(
            [
                neck - out * 0.02,
                chest + rng.uniform(0.25, 0.7) * (armpit - chest),
                chest + look.down * fall + out * rng.uniform(0.2, 0.4),
            ]
        )
        outline = np.concatenate(
            [
                edge,
                [
                    armpit + look.down * fall + out * 0.12,
                    armpit + out * 0.08,
                    shoulder + out * 0.09,
                    shoulder - look.down * 0.04 * look.unit,
                ],
            ]
        )
        pieces.append(plain_piece([outline], fabric, look.down, folded=True))
        if rng.random() < 0.8:
            elbow = armpit + look.down * 0.35 * look.unit + out * rng.uniform(0.1, 0.35)
            wrist = elbow + look.down * 0.5 * look.unit + out * rng.uniform(-0.3, 0.2)
            path = through([0.5 * (shoulder + armpit) + out * 0.05, elbow, wrist])
            pieces.append(
                plain_piece(tube(path, np.linspace(0.3, 0.2, len(path)) * look.unit), fabric, look.down, folded=True)
            )
    return pieces


def _scarf(rng: Rng, at: Places, look: Look) -> list[Piece]:
    fabric = make_fabric(rng, 0.6 * look.unit, max(16, int(0.8 * look.unit)))
    left, right = at["neckline_left"], at["neckline_right"]
    loop = bow(left - 0.06 * (right - left), right + 0.06 * (right - left), rng.uniform(0.2, 0.6))
    pieces = [
        plain_piece(tube(loop, np.full(len(loop), rng.uniform(0.14, 0.22) * look.unit)), fabric, look.down, folded=True)
    ]
    if rng.random() < 0.6:
        start = loop[int(rng.integers(3, len(loop) - 3))]
        end = start + look.down * rng.uniform(0.3, 0.9) * look.unit + look.across * rng.normal(0, 0.1) * look.unit
        path = bow(start, end, rng.uniform(-0.1, 0.1))
        pieces.append(plain_piece(tube(path, np.full(len(path), 0.17 * look.unit)), fabric, look.down, folded=True))
    return pieces
