"""Things around and before a garment: hangers, bags, phones, arms of others, what lies at the picture's border."""

from __future__ import annotations

import numpy as np

from hemline.synth.fabric import denim_blue, dye, make_fabric, plain_fabric
from hemline.synth.figure import Look, draw_limb, make_look, plain_piece
from hemline.synth.layout import SIDES, Places, width_of
from hemline.synth.outline import bow, ellipse, through, tube, turn_right, unit
from hemline.synth.piece import Mark, Piece

Rng = np.random.Generator


def occlude(rng: Rng, at: Places, size: int) -> list[Piece]:
    """Draw something that is held or hangs before the garment: a bag, a phone in a hand, an arm, a lock of hair."""
    width = width_of(at, size)
    names = sorted(at)
    target = at[names[int(rng.integers(len(names)))]] + rng.normal(0, 0.2, 2) * width
    look = make_look(rng, width, np.array([0.0, 1.0]))
    kind = rng.choice(4, p=(0.45, 0.2, 0.25, 0.1))
    if kind == 0:
        return _bag(rng, target, width)
    if kind == 1:
        return _phone(rng, look, target)
    if kind == 2:
        away = unit(target - size / 2 + rng.normal(0, 0.2, 2) * size)
        start = target + away * size  # comes in from outside
        return draw_limb(
            rng,
            look,
            np.stack([start, target + away * 0.6 * width + rng.normal(0, 0.08, 2) * width, target]),
            0.3,
            0.13,
            hand=True,
        )
    path = bow(target - look.down * 0.8 * width, target + look.down * 0.1 * width, rng.uniform(-0.2, 0.2))
    return [plain_piece(tube(path, np.linspace(0.14, 0.03, len(path)) * width), look.hair, look.down)]


def clutter(rng: Rng, size: int) -> list[Piece]:
    """Put a few other things at the picture's border: clothes, boxes, furniture, straps."""
    pieces = []
    for _ in range(rng.integers(1, 4)):
        angle = rng.uniform(0, 2 * np.pi)
        way = np.array([np.cos(angle), np.sin(angle)])
        middle = size / 2 + way * size * rng.uniform(0.55, 0.8)
        side = size * rng.uniform(0.1, 0.4, 2)
        along = unit(rng.normal(0, 1, 2))
        corners = [
            along * x * side[0] + turn_right(along) * y * side[1] for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]
        outline = middle + np.array(corners) * rng.uniform(0.4, 1.0, (4, 1))
        if rng.random() < 0.5:
            outline = through([*outline, outline[0]])
        fabric = make_fabric(rng, 0.4 * size, size // 3) if rng.random() < 0.5 else plain_fabric(dye(rng))
        pieces.append(plain_piece([outline], fabric, along, folded=rng.random() < 0.5))
    return pieces


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
    arms = through(
        [
            0.85 * ends[0] + 0.15 * middle + down * 0.04 * width,
            top,
            0.85 * ends[1] + 0.15 * middle + down * 0.04 * width,
        ],
        roundness=0.6,
    )
    hook_top = top - down * width * rng.uniform(0.2, 0.4)
    curl = 0.07 * width * rng.choice((-1, 1)) * -turn_right(down)
    hook = np.concatenate(
        [np.stack([top, hook_top]), through([hook_top, hook_top + curl - down * 0.07 * width, hook_top + 2 * curl])]
    )
    metal = plain_fabric(np.full(3, rng.uniform(110, 200)))
    thick = np.full(len(arms), width * rng.uniform(0.02, 0.07))
    return [
        plain_piece(tube(hook, np.full(len(hook), 0.8 + 0.015 * width)), metal, down),
        plain_piece(tube(arms, thick), color, down),
    ]


def _bag(rng: Rng, target: np.ndarray, width: float) -> list[Piece]:
    fabric = plain_fabric(dye(rng) if rng.random() < 0.8 else denim_blue(rng))
    wide, high = rng.uniform(0.3, 0.7) * width, rng.uniform(0.25, 0.55) * width
    tilt = np.array([np.cos(t := rng.normal(0, 0.15)), np.sin(t)])
    down = turn_right(tilt)
    corners = [
        target + tilt * x * wide / 2 + down * y * high / 2 for x, y in ((-0.85, -1), (0.85, -1), (1, 1), (-1, 1))
    ]
    body = plain_piece([np.array(corners)], fabric, down, lift=1.5)
    body.marks = [
        Mark(
            [
                np.array(
                    [
                        corners[0],
                        0.55 * corners[0] + 0.45 * corners[3],
                        0.55 * corners[1] + 0.45 * corners[2],
                        corners[1],
                    ]
                )
            ],
            0.88,
        ),
        Mark(
            [ellipse(target - down * 0.05 * high, tilt * 0.06 * wide, down * 0.06 * high, 8)],
            np.array([200, 175, 110.0]),
        ),
    ]
    if rng.random() < 0.5:
        handle = through(
            [
                corners[0] * 0.8 + corners[1] * 0.2,
                target - down * high * rng.uniform(0.9, 1.3),
                corners[0] * 0.2 + corners[1] * 0.8,
            ]
        )
    else:  # a strap over the shoulder
        handle = through(
            [corners[0], target - down * 1.8 * width + tilt * rng.normal(0, 0.4) * width, corners[1]], roundness=0.3
        )
    return [plain_piece(tube(handle, np.full(len(handle), 0.8 + 0.035 * width)), fabric, down), body]


def _phone(rng: Rng, look: Look, target: np.ndarray) -> list[Piece]:
    angle = rng.normal(0, 0.4)
    along = np.array([np.sin(angle), -np.cos(angle)])
    side = turn_right(along)
    half = 0.09 * look.unit, 0.18 * look.unit
    corners = np.array(
        [target + side * x * half[0] + along * y * half[1] for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    )
    phone = plain_piece([corners], plain_fabric(np.full(3, rng.choice((20.0, 40.0, 220.0)))), along)
    start = target + np.array([rng.normal(0, 0.4), 0.9]) * look.unit
    return [*draw_limb(rng, look, np.stack([start, target - along * 0.3 * look.unit]), 0.18, 0.12, hand=True), phone]
