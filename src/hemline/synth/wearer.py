"""The body that wears a garment, and the other clothes on it.

A figure is guessed from the garment's points. Its parts come in four groups, from back to front: behind the garment's
inside, between its inside and its front, below single sleeves (hands), and before everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hemline.synth.details import button_row, neck_band
from hemline.synth.fabric import Fabric, denim_blue, dye, hair_color, make_fabric, plain_fabric, skin_tone
from hemline.synth.layout import SIDES, Places, width_of
from hemline.synth.outline import bezier, bow, ellipse, length_of, through, tube, turn_right, unit
from hemline.synth.piece import Mark, Piece, frame_along

Rng = np.random.Generator


@dataclass
class Figure:
    """What is drawn around a worn garment, each group from back to front."""

    behind: list[Piece] = field(default_factory=list)
    between: list[Piece] = field(default_factory=list)
    under_sleeves: list[Piece] = field(default_factory=list)
    over: list[Piece] = field(default_factory=list)


@dataclass(frozen=True)
class _Look:
    """Colours of one person."""

    skin: Fabric
    hair: Fabric
    unit: float
    """Width of the shoulders, pixels."""
    down: np.ndarray
    across: np.ndarray
    """Unit vector towards the image's right."""


def dress_top(rng: Rng, category: str, at: Places, size: int) -> Figure:
    """Draw a person into a blouse, an outwear or a dress."""
    neck_middle = (at["neckline_left"] + at["neckline_right"]) / 2
    down = unit((at["hem_left"] + at["hem_right"]) / 2 - neck_middle)
    look = _look(rng, 1.15 * width_of(at, size), down)
    figure = Figure()
    head = rng.random() < 0.85
    long_hair = head and rng.random() < 0.6
    if head:
        figure.behind += _back_hair(rng, look, neck_middle, long=long_hair)
    figure.behind += _legs_below_top(rng, category, at, look, figure)
    figure.between += _torso(rng, category, at, look)
    if head:
        figure.between += _head(rng, look, neck_middle)
        if long_hair and rng.random() < 0.7:
            figure.over += _front_hair(rng, look, at)
    for side, sign in SIDES:
        if f"cuff_{side}_in" in at:
            figure.under_sleeves += _forearm(rng, at, look, side, sign)
        else:
            arm = _bare_arm(rng, at, look, side, sign)
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
    look = _look(rng, 1.2 * width_of(at, size), down)
    figure = Figure()
    if category == "skirt":
        figure.behind += _legs(rng, look, at["hem_left"], at["hem_right"], top)
    else:
        for side, _ in SIDES:
            figure.behind += _foot(rng, look, at[f"bottom_{side}_in"], at[f"bottom_{side}_out"], top)
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
        figure.behind += _head(rng, look, neck)
    return figure


def occlude(rng: Rng, at: Places, size: int) -> list[Piece]:
    """Draw something that is held or hangs before the garment: a bag, a phone in a hand, an arm, a lock of hair."""
    width = width_of(at, size)
    names = sorted(at)
    target = at[names[int(rng.integers(len(names)))]] + rng.normal(0, 0.2, 2) * width
    look = _look(rng, width, np.array([0.0, 1.0]))
    kind = rng.choice(4, p=(0.45, 0.2, 0.25, 0.1))
    if kind == 0:
        return _bag(rng, target, width)
    if kind == 1:
        return _phone(rng, look, target)
    if kind == 2:
        away = unit(target - size / 2 + rng.normal(0, 0.2, 2) * size)
        start = target + away * size  # comes in from outside
        return _limb(rng, look, np.stack([start, target + away * 0.6 * width + rng.normal(0, 0.08, 2) * width, target]), 0.3, 0.13, hand=True)
    path = bow(target - look.down * 0.8 * width, target + look.down * 0.1 * width, rng.uniform(-0.2, 0.2))
    return [_plain(tube(path, np.linspace(0.14, 0.03, len(path)) * width), look.hair, look.down)]


def hanger(rng: Rng, at: Places, size: int) -> list[Piece]:
    """Draw a clothes hanger inside a top or above a waistband."""
    width = width_of(at, size)
    color = plain_fabric(np.array(((190, 150, 100), (30, 30, 32), (235, 235, 235), (150, 150, 155)))[rng.integers(4)])
    if "neckline_left" in at:
        left, right = at["neckline_left"], at["neckline_right"]
        ends = [at.get(f"shoulder_{side}", at[f"neckline_{side}"]) for side, _ in SIDES]
    else:
        left, right = at["waistband_left"], at["waistband_right"]
        ends = [left, right]
    middle = (left + right) / 2
    down = unit(turn_right(right - left))
    top = middle - down * width * rng.uniform(0.05, 0.15)
    arms = through([0.85 * ends[0] + 0.15 * middle + down * 0.04 * width, top, 0.85 * ends[1] + 0.15 * middle + down * 0.04 * width], roundness=0.6)
    hook_top = top - down * width * rng.uniform(0.2, 0.4)
    curl = 0.07 * width * rng.choice((-1, 1)) * -turn_right(down)
    hook = np.concatenate([np.stack([top, hook_top]), through([hook_top, hook_top + curl - down * 0.07 * width, hook_top + 2 * curl])])
    metal = plain_fabric(np.full(3, rng.uniform(110, 200)))
    thick = np.full(len(arms), width * rng.uniform(0.02, 0.07))
    return [
        _plain(tube(hook, np.full(len(hook), 0.8 + 0.015 * width)), metal, down),
        _plain(tube(arms, thick), color, down),
    ]


def _look(rng: Rng, shoulder_width: float, down: np.ndarray) -> _Look:
    return _Look(
        plain_fabric(skin_tone(rng)), plain_fabric(hair_color(rng)), shoulder_width, down, -turn_right(down)
    )


def _plain(polygons: list[np.ndarray], fabric: Fabric, down: np.ndarray, *, lift: float = 0.7, folded: bool = False) -> Piece:
    frame = frame_along(polygons[0][0], down, fabric.swatch)
    return Piece(polygons, fabric, frame, roundness=0.8, lift=lift, folded=folded)


def _limb(rng: Rng, look: _Look, path: np.ndarray, start: float, end: float, *, hand: bool) -> list[Piece]:
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
            for s, length in zip((-0.05, -0.017, 0.017, 0.05), rng.uniform(0.12, 0.22) + np.array([0.0, 0.02, 0.02, -0.01]), strict=True)
        ]
        for knuckle, tip in zip(knuckles, tips, strict=True):
            polygons += tube(np.stack([knuckle, tip]), np.full(2, 0.036 * size))
        thumb_side = rng.choice((-1, 1)) * side
        thumb = palm + way * 0.08 * size + thumb_side * 0.11 * size
        polygons += tube(np.stack([palm - way * 0.05 * size, thumb]), np.full(2, 0.042 * size))
        marks.append(Mark([np.stack([(a + b) / 2, (c + d) / 2]) for a, b, c, d in zip(knuckles, knuckles[1:], tips, tips[1:], strict=False)], 0.75, 0.008 * size + 0.3))
    piece = _plain(polygons, look.skin, look.down)
    piece.marks = marks
    return [piece]


def _head(rng: Rng, look: _Look, neck: np.ndarray) -> list[Piece]:
    """Draw neck, face and hair above the middle between the neckline's corners."""
    unit_, up = look.unit, -look.down
    lean = look.across * rng.normal(0, 0.04) * unit_
    throat = np.stack([neck - up * 0.22 * unit_, neck + up * 0.02 * unit_, neck + up * 0.2 * unit_ + lean])
    neck_piece = _plain(tube(throat, np.array([0.34, 0.27, 0.25]) * unit_), look.skin, look.down, lift=0)
    centre = neck + up * rng.uniform(0.42, 0.5) * unit_ + lean
    wide, high = 0.19 * unit_, 0.27 * unit_
    face = _plain([ellipse(centre, look.across * wide, up * high)], look.skin, look.down, lift=1.0)
    turn = look.across * rng.normal(0, 0.04) * unit_
    eyes = [ellipse(centre + turn + look.across * s * 0.08 * unit_ + up * 0.03 * unit_, look.across * 0.035 * unit_, up * 0.016 * unit_, 8) for s in (-1, 1)]
    brows = [bow(e[0] + up * 0.05 * unit_ , e[4] + up * 0.05 * unit_, 0.1, steps=3) for e in eyes]
    mouth = bow(centre + turn - look.across * 0.07 * unit_ - up * 0.14 * unit_, centre + turn + look.across * 0.07 * unit_ - up * 0.14 * unit_, 0.12, steps=5)
    nose = bow(centre + turn + up * 0.02 * unit_, centre + turn - up * 0.06 * unit_ + look.across * 0.02 * unit_, 0.1, steps=3)
    face.marks = [
        Mark(eyes, np.array([45, 35, 30.0])),
        Mark(brows, look.hair.color * 0.8, 0.018 * unit_),
        Mark([mouth], np.array([165, 75, 75.0]), 0.03 * unit_),
        Mark([nose], 0.8, 0.015 * unit_),
    ]
    if rng.random() < 0.25:
        shades = [ellipse(centre + turn + look.across * s * 0.09 * unit_ + up * 0.03 * unit_, look.across * 0.075 * unit_, up * 0.06 * unit_, 12) for s in (-1, 1)]
        face.marks.append(Mark(shades, np.array([25, 22, 22.0])))
    crown = ellipse(centre, look.across * wide * 1.12, up * high * 1.1, 24)
    rim = centre + up * high * rng.uniform(0.3, 0.6)
    upper = crown[(crown - rim) @ up > 0]
    order = np.argsort(upper @ look.across)
    fringe = bow(upper[order[-1]], upper[order[0]], rng.uniform(0.0, 0.5), lean=rng.uniform(-0.8, 0.8)) if len(upper) > 2 else crown
    cap = _plain([np.concatenate([upper[order], fringe])], look.hair, look.down, lift=0.2)
    return [neck_piece, face, cap]


def _back_hair(rng: Rng, look: _Look, neck: np.ndarray, *, long: bool) -> list[Piece]:
    unit_, up = look.unit, -look.down
    centre = neck + up * 0.5 * unit_
    polygons = [ellipse(centre, look.across * rng.uniform(0.2, 0.26) * unit_, up * 0.3 * unit_)]
    if long:
        fall = rng.uniform(0.4, 1.0) * unit_
        for sign in (-1, 1):
            path = bow(centre + look.across * sign * 0.12 * unit_, centre + look.across * sign * 0.2 * unit_ - up * fall, -0.08 * sign)
            polygons += tube(path, np.full(len(path), 0.22 * unit_))
    return [_plain(polygons, look.hair, look.down)]


def _front_hair(rng: Rng, look: _Look, at: Places) -> list[Piece]:
    """Let hair fall over one or both shoulders."""
    pieces = []
    both = rng.random() < 0.6
    for side, sign in SIDES:
        if not both and rng.random() < 0.5:
            continue
        neck = at[f"neckline_{side}"]
        start = neck - look.down * 0.5 * look.unit - look.across * sign * 0.02 * look.unit
        end = neck + look.down * rng.uniform(0.15, 0.75) * look.unit + look.across * sign * rng.uniform(-0.05, 0.1) * look.unit
        path = bezier(start, start + look.across * sign * 0.1 * look.unit, neck + look.across * sign * rng.uniform(-0.05, 0.1) * look.unit, end)
        widths = np.interp(np.linspace(0, 1, len(path)), [0, 0.5, 1], [0.1, rng.uniform(0.12, 0.24), 0.05]) * look.unit
        hair = _plain(tube(path, widths), look.hair, look.down)
        strands = [path + look.across * s * look.unit for s in rng.uniform(-0.07, 0.07, 5)]
        hair.marks = [Mark(strands[:3], 0.7, 0.01 * look.unit + 0.4), Mark(strands[3:], 1.35, 0.01 * look.unit + 0.4)]
        pieces.append(hair)
    return pieces


def _torso(rng: Rng, category: str, at: Places, look: _Look) -> list[Piece]:
    """Draw the chest seen through the neckline, or the clothes under an open coat."""
    neck_middle = (at["neckline_left"] + at["neckline_right"]) / 2
    chest = (at["armpit_left"] + at["armpit_right"]) / 2
    left, right = (at[f"neckline_{side}"] for side, _ in SIDES)
    deep = chest + look.down * 0.15 * look.unit
    skin = np.stack([left, neck_middle - look.down * 0.04 * look.unit, right, at["armpit_right"] * 0.8 + deep * 0.2, deep, at["armpit_left"] * 0.8 + deep * 0.2])
    pieces = [_plain([skin], look.skin, look.down, lift=0)]
    if "shoulder_left" not in at:  # bare shoulders
        top = neck_middle - look.down * 0.32 * look.unit
        bare = np.stack([top - look.across * 0.14 * look.unit, top + look.across * 0.14 * look.unit, right - look.down * 0.2 * look.unit + look.across * 0.03 * look.unit, right, left, left - look.down * 0.2 * look.unit - look.across * 0.03 * look.unit])
        pieces.append(_plain([bare], look.skin, look.down, lift=0))
    if category == "outwear" or rng.random() < 0.1:
        hem = (at["hem_left"] + at["hem_right"]) / 2
        low = chest + (hem - chest) * rng.uniform(0.4, 1.1)
        fabric = make_fabric(rng, look.unit, max(16, int(1.2 * look.unit)))
        neck = bow(left, right, rng.uniform(0.1, 0.7))
        inward = 0.1 * (right - left)
        outline = np.concatenate([neck, [at["armpit_right"] - inward, low + 0.45 * (at["hem_right"] - at["hem_left"]), low - 0.45 * (at["hem_right"] - at["hem_left"]), at["armpit_left"] + inward]])
        shirt = _plain([outline], fabric, look.down, lift=0.5, folded=True)
        shirt.marks = neck_band(rng, neck, look.unit)
        if rng.random() < 0.4:
            shirt.marks += button_row(rng, neck[len(neck) // 2], low, look.unit)
        pieces.append(shirt)
    return pieces


def _legs_below_top(rng: Rng, category: str, at: Places, look: _Look, figure: Figure) -> list[Piece]:
    """Draw what is worn below the hem: bare legs, trousers or a skirt; a tucked-in hem is covered by it."""
    left, right = at["hem_left"], at["hem_right"]
    middle = (left + right) / 2
    if category == "dress" or (category == "outwear" and length_of(middle - at["armpit_left"]) > 1.6 * look.unit):
        return _legs(rng, look, left, right, (at["armpit_left"] + at["armpit_right"]) / 2)
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
            np.concatenate([waist, [start + side * 1.04 + look.down * 0.5 * look.unit, middle + foot + shift + leg, middle + foot + shift - leg, fork, middle + foot - shift + leg, middle + foot - shift - leg, start - side * 1.04 + look.down * 0.5 * look.unit]])
        ]
    piece = _plain(outline, fabric, look.down, folded=True)
    if not tucked:
        return [piece]
    belt = waist + look.down * 0.05 * look.unit
    piece.marks.append(Mark([belt], dye(rng) if rng.random() < 0.4 else 0.75, 0.06 * look.unit))
    figure.over.insert(0, piece)
    return []


def _legs(rng: Rng, look: _Look, left: np.ndarray, right: np.ndarray, above: np.ndarray) -> list[Piece]:
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
        pieces.append(_plain(tube(path, widths), tights, down))
        pieces.append(_shoe(rng, look, ankle, down, sign))
    return pieces


def _foot(rng: Rng, look: _Look, inner: np.ndarray, outer: np.ndarray, above: np.ndarray) -> list[Piece]:
    """Draw the ankle and the shoe that come out of a trouser leg."""
    middle = (inner + outer) / 2
    down = unit(unit(middle - above) + look.down)
    bare = rng.uniform(0.05, 0.5) * look.unit if rng.random() < 0.5 else 0.05 * look.unit
    ankle = middle + down * bare
    path = np.stack([middle - down * 0.1 * look.unit, ankle])
    sign = 1 if float((outer - inner) @ look.across) > 0 else -1
    wide = min(0.16 * look.unit, 0.9 * length_of(outer - inner))
    return [_plain(tube(path, np.full(2, wide)), look.skin, down), _shoe(rng, look, ankle, down, sign)]


def _shoe(rng: Rng, look: _Look, ankle: np.ndarray, down: np.ndarray, sign: int) -> Piece:
    toe = down * 0.16 * look.unit + look.across * sign * rng.uniform(0.0, 0.16) * look.unit
    sole = [ellipse(ankle + 0.5 * toe, unit(toe) * 0.19 * look.unit, turn_right(unit(toe)) * 0.09 * look.unit, 16)]
    return _plain(sole, plain_fabric(dye(rng) * 0.8), down)


def _forearm(rng: Rng, at: Places, look: _Look, side: str, sign: int) -> list[Piece]:
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
    return _limb(rng, look, path, wide, thin, hand=not pocketed)


def _bare_arm(rng: Rng, at: Places, look: _Look, side: str, sign: int) -> list[Piece]:
    """Draw a whole arm beside a sleeveless side."""
    armpit = at[f"armpit_{side}"]
    shoulder = at.get(f"shoulder_{side}", armpit - look.down * 0.3 * look.unit)
    start = 0.6 * shoulder + 0.4 * armpit + look.across * sign * 0.04 * look.unit
    elbow = start + unit(look.down + look.across * sign * rng.uniform(-0.05, 0.6)) * 0.62 * look.unit
    hand = elbow + unit(look.down + look.across * sign * rng.normal(-0.1, 0.7)) * 0.55 * look.unit
    return _limb(rng, look, np.stack([start, elbow, hand]), 0.21, 0.12, hand=True)


def _hanging_arm(rng: Rng, look: _Look, waist: np.ndarray, sign: int) -> list[Piece]:
    """Draw an arm that hangs beside the hips; its hand is free, or in a pocket."""
    shoulder = waist - look.down * 1.15 * look.unit + look.across * sign * 0.55 * look.unit
    elbow = waist - look.down * 0.25 * look.unit + look.across * sign * rng.uniform(0.55, 0.8) * look.unit
    hand = waist + look.down * rng.uniform(0.1, 0.5) * look.unit + look.across * sign * rng.uniform(0.35, 0.75) * look.unit
    path = np.stack([shoulder, elbow, hand])
    arm = _limb(rng, look, path, 0.2, 0.12, hand=rng.random() < 0.7)
    if rng.random() < 0.7:
        sleeve_path = through([shoulder, elbow, elbow + rng.uniform(0.1, 0.95) * (hand - elbow)])
        fabric = plain_fabric(dye(rng))
        arm.append(_plain(tube(sleeve_path, np.linspace(0.26, 0.18, len(sleeve_path)) * look.unit), fabric, look.down, folded=True))
    return arm


def _upper_garment(rng: Rng, look: _Look, left: np.ndarray, right: np.ndarray, *, tucked: bool) -> Piece:
    """Draw the top worn with a skirt or trousers: tucked in, or hanging over the waistband."""
    middle = (left + right) / 2
    half = 0.5 * (right - left)
    fall = -0.02 * look.unit if tucked else rng.uniform(0.02, 0.5) * look.unit
    wide = 1.0 if tucked else rng.uniform(1.05, 1.35)
    hem = bow(middle + look.down * fall - half * wide, middle + look.down * fall + half * wide, rng.uniform(-0.02, 0.15))
    if tucked:
        hem = np.concatenate([[left + look.down * 0.04 * look.unit], [right + look.down * 0.04 * look.unit]])
    chest = middle - look.down * 0.85 * look.unit
    neck = middle - look.down * 1.3 * look.unit
    right_side = [chest + look.across * 0.5 * look.unit, neck + look.across * 0.52 * look.unit, neck + look.across * 0.15 * look.unit]
    left_side = [neck - look.across * 0.15 * look.unit, neck - look.across * 0.52 * look.unit, chest - look.across * 0.5 * look.unit]
    outline = np.concatenate([hem, right_side, [neck + look.down * 0.15 * look.unit], left_side])
    fabric = make_fabric(rng, look.unit, max(16, int(1.2 * look.unit)))
    piece = _plain([outline], fabric, look.down, folded=True)
    if rng.random() < 0.3:
        piece.marks += button_row(rng, neck + look.down * 0.15 * look.unit, hem[len(hem) // 2], look.unit)
    return piece


def _jacket_sides(rng: Rng, look: _Look, left: np.ndarray, right: np.ndarray) -> list[Piece]:
    """Draw the two sides of an open jacket or coat that hang over the waistband."""
    middle = (left + right) / 2
    fabric = make_fabric(rng, look.unit, max(16, int(1.2 * look.unit)), use="coat")
    fall = rng.uniform(0.1, 1.2) * look.unit
    pieces = []
    for _, sign in SIDES:
        across = look.across * sign * look.unit
        edge = through([middle - look.down * 1.3 * look.unit + across * 0.12, middle + across * rng.uniform(0.15, 0.4), middle + look.down * fall + across * rng.uniform(0.25, 0.5)])
        outline = np.concatenate([edge, [middle + look.down * fall + across * 0.75, middle + across * 0.66, middle - look.down * 1.2 * look.unit + across * 0.6]])
        pieces.append(_plain([outline], fabric, look.down, folded=True))
    return pieces


def _open_jacket(rng: Rng, at: Places, look: _Look) -> list[Piece]:
    """Draw a jacket worn open over a dress or a blouse: it covers shoulders, armpits and waist."""
    fabric = make_fabric(rng, look.unit, max(16, int(1.2 * look.unit)), use="coat")
    chest = (at["armpit_left"] + at["armpit_right"]) / 2
    fall = rng.uniform(0.3, 1.0) * look.unit
    pieces = []
    for side, sign in SIDES:
        neck, armpit = at[f"neckline_{side}"], at[f"armpit_{side}"]
        shoulder = at.get(f"shoulder_{side}", neck + look.across * sign * 0.2 * look.unit)
        out = look.across * sign * look.unit
        edge = through([neck - out * 0.02, chest + rng.uniform(0.25, 0.7) * (armpit - chest), chest + look.down * fall + out * rng.uniform(0.2, 0.4)])
        outline = np.concatenate([edge, [armpit + look.down * fall + out * 0.12, armpit + out * 0.08, shoulder + out * 0.09, shoulder - look.down * 0.04 * look.unit]])
        pieces.append(_plain([outline], fabric, look.down, folded=True))
        if rng.random() < 0.8:
            elbow = armpit + look.down * 0.35 * look.unit + out * rng.uniform(0.1, 0.35)
            wrist = elbow + look.down * 0.5 * look.unit + out * rng.uniform(-0.3, 0.2)
            path = through([0.5 * (shoulder + armpit) + out * 0.05, elbow, wrist])
            pieces.append(_plain(tube(path, np.linspace(0.3, 0.2, len(path)) * look.unit), fabric, look.down, folded=True))
    return pieces


def _scarf(rng: Rng, at: Places, look: _Look) -> list[Piece]:
    fabric = make_fabric(rng, 0.6 * look.unit, max(16, int(0.8 * look.unit)))
    left, right = at["neckline_left"], at["neckline_right"]
    loop = bow(left - 0.06 * (right - left), right + 0.06 * (right - left), rng.uniform(0.2, 0.6))
    pieces = [_plain(tube(loop, np.full(len(loop), rng.uniform(0.14, 0.22) * look.unit)), fabric, look.down, folded=True)]
    if rng.random() < 0.6:
        start = loop[int(rng.integers(3, len(loop) - 3))]
        end = start + look.down * rng.uniform(0.3, 0.9) * look.unit + look.across * rng.normal(0, 0.1) * look.unit
        path = bow(start, end, rng.uniform(-0.1, 0.1))
        pieces.append(_plain(tube(path, np.full(len(path), 0.17 * look.unit)), fabric, look.down, folded=True))
    return pieces


def _bag(rng: Rng, target: np.ndarray, width: float) -> list[Piece]:
    fabric = plain_fabric(dye(rng) if rng.random() < 0.8 else denim_blue(rng))
    wide, high = rng.uniform(0.3, 0.7) * width, rng.uniform(0.25, 0.55) * width
    tilt = np.array([np.cos(t := rng.normal(0, 0.15)), np.sin(t)])
    down = turn_right(tilt)
    corners = [target + tilt * x * wide / 2 + down * y * high / 2 for x, y in ((-0.85, -1), (0.85, -1), (1, 1), (-1, 1))]
    body = _plain([np.array(corners)], fabric, down, lift=1.5)
    body.marks = [
        Mark([np.array([corners[0], 0.55 * corners[0] + 0.45 * corners[3], 0.55 * corners[1] + 0.45 * corners[2], corners[1]])], 0.88),
        Mark([ellipse(target - down * 0.05 * high, tilt * 0.06 * wide, down * 0.06 * high, 8)], np.array([200, 175, 110.0])),
    ]
    if rng.random() < 0.5:
        handle = through([corners[0] * 0.8 + corners[1] * 0.2, target - down * high * rng.uniform(0.9, 1.3), corners[0] * 0.2 + corners[1] * 0.8])
    else:  # a strap over the shoulder
        handle = through([corners[0], target - down * 1.8 * width + tilt * rng.normal(0, 0.4) * width, corners[1]], roundness=0.3)
    return [_plain(tube(handle, np.full(len(handle), 0.8 + 0.035 * width)), fabric, down), body]


def _phone(rng: Rng, look: _Look, target: np.ndarray) -> list[Piece]:
    angle = rng.normal(0, 0.4)
    along = np.array([np.sin(angle), -np.cos(angle)])
    side = turn_right(along)
    half = 0.09 * look.unit, 0.18 * look.unit
    corners = np.array([target + side * x * half[0] + along * y * half[1] for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
    phone = _plain([corners], plain_fabric(np.full(3, rng.choice((20.0, 40.0, 220.0)))), along)
    start = target + np.array([rng.normal(0, 0.4), 0.9]) * look.unit
    return [*_limb(rng, look, np.stack([start, target - along * 0.3 * look.unit]), 0.18, 0.12, hand=True), phone]


