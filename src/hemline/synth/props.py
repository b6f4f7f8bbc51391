"""Things around and before a garment: hangers, bags, phones, other people's arms, what lies at the picture's border."""

from __future__ import annotations

import numpy as np

from hemline.synth.fabric import dye, make_fabric, plain_fabric
from hemline.synth.figure import Look, draw_limb, make_look, plain_piece
from hemline.synth.layout import SIDES, Places, width_of
from hemline.synth.outline import bow, ellipse, through, tube, turn_right, unit
from hemline.synth.piece import Mark, Piece

Rng = np.random.Generator

_HANGERS = ((190, 150, 100), (30, 30, 32), (235, 235, 235), (150, 150, 155))


def hold_before(rng: Rng, at: Places, size: int) -> list[Piece]:
    """Draw something near one of a garment's points that may hide it: a bag, a phone, an arm, a lock of hair."""
    width = width_of(at, size)
    names = sorted(at)
    target = at[names[int(rng.integers(len(names)))]] + rng.normal(0, 0.2, 2) * width
    look = make_look(rng, width, np.array([0.0, 1.0]))
    kind = rng.choice(("bag", "phone", "arm", "hair"), p=(0.45, 0.2, 0.25, 0.1))
    if kind == "hair" and "neckline_left" not in at:  # no hair hangs as low as a skirt
        kind = "bag"
    if kind == "bag":
        return _bag(rng, target, width)
    if kind == "phone":
        return _phone(rng, look, target)
    if kind == "arm":  # comes in from outside the picture
        away = unit(target - size / 2 + rng.normal(0, 0.2, 2) * size)
        elbow = target + away * 0.6 * width + rng.normal(0, 0.08, 2) * width
        return [draw_limb(rng, look, [target + away * size, elbow, target], 0.3, 0.13, hand=True)]
    path = bow(look.at(target, 0, -0.8), look.at(target, 0, 0.1), rng.uniform(-0.2, 0.2))
    return [plain_piece(tube(path, np.linspace(0.14, 0.03, len(path)) * width), look.hair, look.down)]


def clutter(rng: Rng, size: int) -> list[Piece]:
    """Put a few other things at the picture's border: clothes, boxes, furniture, straps."""
    pieces = []
    for _ in range(rng.integers(1, 4)):
        angle = rng.uniform(0, 2 * np.pi)
        middle = size / 2 + np.array([np.cos(angle), np.sin(angle)]) * size * rng.uniform(0.55, 0.8)
        along = unit(rng.normal(0, 1, 2))
        sides = np.stack([along, turn_right(along)]) * size * rng.uniform(0.1, 0.4, (2, 1))
        corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) @ sides * rng.uniform(0.4, 1.0, (4, 1))  # (4, 2)
        outline = middle + corners
        if rng.random() < 0.5:
            outline = through([*outline, outline[0]])
        fabric = make_fabric(rng, 0.4 * size, size // 3) if rng.random() < 0.5 else plain_fabric(dye(rng))
        pieces.append(plain_piece([outline], fabric, along, folded=rng.random() < 0.5))
    return pieces


def hanger(rng: Rng, at: Places, size: int) -> list[Piece]:
    """Draw a clothes hanger inside a top or above a waistband."""
    width = width_of(at, size)
    corner = "neckline" if "neckline_left" in at else "waistband"
    left, right = at[f"{corner}_left"], at[f"{corner}_right"]
    middle, down = (left + right) / 2, unit(turn_right(right - left))
    top = middle - down * width * rng.uniform(0.05, 0.15)
    tips = [0.85 * at.get(f"shoulder_{side}", at[f"{corner}_{side}"]) + 0.15 * middle for side, _ in SIDES]
    arms = through([tips[0] + down * 0.04 * width, top, tips[1] + down * 0.04 * width], roundness=0.6)
    bend = top - down * width * rng.uniform(0.2, 0.4)
    curl = 0.07 * width * rng.choice((-1, 1)) * turn_right(down)
    hook = np.concatenate([[top], through([bend, bend + curl - down * 0.07 * width, bend + 2 * curl])])
    metal = plain_fabric(np.full(3, rng.uniform(110, 200)))
    color = plain_fabric(np.array(_HANGERS[rng.integers(len(_HANGERS))]))
    return [
        plain_piece(tube(hook, np.full(len(hook), 0.8 + 0.015 * width)), metal, down),
        plain_piece(tube(arms, np.full(len(arms), width * rng.uniform(0.02, 0.07))), color, down),
    ]


def _bag(rng: Rng, target: np.ndarray, width: float) -> list[Piece]:
    fabric = plain_fabric(dye(rng))
    wide, high = rng.uniform(0.3, 0.7) * width, rng.uniform(0.25, 0.55) * width
    angle = rng.normal(0, 0.15)
    tilt = np.array([np.cos(angle), np.sin(angle)])
    down = turn_right(tilt)
    corners = np.array(
        [target + tilt * x * wide / 2 + down * y * high / 2 for x, y in ((-0.85, -1), (0.85, -1), (1, 1), (-1, 1))]
    )
    flap = np.stack(
        [corners[0], 0.55 * corners[0] + 0.45 * corners[3], 0.55 * corners[1] + 0.45 * corners[2], corners[1]]
    )
    clasp = ellipse(target - down * 0.05 * high, tilt * 0.06 * wide, down * 0.06 * high, 8)
    body = plain_piece([corners], fabric, down, lift=1.5)
    body.marks = [Mark([flap], 0.88), Mark([clasp], np.array([200, 175, 110.0]))]
    if rng.random() < 0.5:
        grip = target - down * high * rng.uniform(0.9, 1.3)
        handle = through([0.8 * corners[0] + 0.2 * corners[1], grip, 0.2 * corners[0] + 0.8 * corners[1]])
    else:  # a strap over the shoulder
        shoulder = target - down * 1.8 * width + tilt * rng.normal(0, 0.4) * width
        handle = through([corners[0], shoulder, corners[1]], roundness=0.3)
    return [plain_piece(tube(handle, np.full(len(handle), 0.8 + 0.035 * width)), fabric, down), body]


def _phone(rng: Rng, look: Look, target: np.ndarray) -> list[Piece]:
    angle = rng.normal(0, 0.4)
    along = np.array([np.sin(angle), -np.cos(angle)])
    sides = np.stack([turn_right(along) * 0.09, along * 0.18]) * look.width
    corners = target + np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) @ sides  # (4, 2)
    phone = plain_piece([corners], plain_fabric(np.full(3, rng.choice((20.0, 40.0, 220.0)))), along)
    start = look.at(target, rng.normal(0, 0.4), 0.9)
    return [draw_limb(rng, look, [start, target - along * 0.3 * look.width], 0.18, 0.12, hand=True), phone]
