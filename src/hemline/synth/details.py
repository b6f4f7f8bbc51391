"""What is sewn on: seams, buttons, pockets, zips, belts, ribs, belt loops. All are marks on a piece."""

from __future__ import annotations

import numpy as np

from hemline.synth.fabric import dye
from hemline.synth.layout import SIDES, Places
from hemline.synth.outline import bow, dashes, ellipse, length_of, offset_line, turn_right, unit
from hemline.synth.piece import Mark

Rng = np.random.Generator


def neck_band(rng: Rng, neck: np.ndarray, width: float) -> list[Mark]:
    """Draw the rib or the seam along a neckline, left to right."""
    kind = rng.random()
    band = width * rng.uniform(0.03, 0.075)
    below = offset_line(neck, band)
    if kind < 0.25:
        tone = dye(rng) if rng.random() < 0.5 else rng.uniform(0.75, 1.2)
        return [Mark([np.concatenate([neck, below[::-1]])], tone), Mark([below], 0.7, 0.6 + 0.006 * width)]
    if kind < 0.85:
        return [Mark([below], rng.uniform(0.65, 0.85), 0.5 + 0.008 * width)]
    return []


def hem_marks(rng: Rng, hem: np.ndarray, width: float) -> list[Mark]:
    """Draw the seam or the ribbed band above a hem, left to right."""
    kind = rng.random()
    if kind < 0.6:
        seam = offset_line(hem, -width * rng.uniform(0.03, 0.07))
        return [Mark(dashes(seam, 0.03 * width + 1.5), 0.75, 0.5 + 0.006 * width)]
    if kind < 0.75:
        above = offset_line(hem, -width * rng.uniform(0.08, 0.16))
        tone = dye(rng) if rng.random() < 0.3 else rng.uniform(0.75, 1.15)
        return [Mark([np.concatenate([hem, above[::-1]])], tone), Mark([above], 0.7, 0.6 + 0.008 * width)]
    return []


def waist_marks(rng: Rng, at: Places, width: float) -> list[Mark]:
    """Draw a waist seam, a belt or a drawstring between the waist's corners."""
    if "waistline_left" not in at:
        return []
    left, right = at["waistline_left"], at["waistline_right"]
    kind = rng.random()
    line = bow(left, right, rng.uniform(-0.03, 0.08))
    if kind < 0.45:
        return [Mark([line], rng.uniform(0.55, 0.8), 0.6 + 0.015 * width)]
    if kind < 0.8:
        color = dye(rng) if rng.random() < 0.7 else 0.7
        belt = [Mark([line], color, width * rng.uniform(0.04, 0.12))]
        middle = line[len(line) // 2] + (right - left) * rng.uniform(-0.15, 0.15)
        if rng.random() < 0.5:
            belt.append(Mark([ellipse(middle, (right - left) * 0.06, turn_right(right - left) * 0.06)], dye(rng)))
        elif rng.random() < 0.6:  # the ends of a tied belt
            fall = turn_right(unit(right - left)) * width
            tips = [middle + rng.normal(0, 0.08, 2) * width + fall * rng.uniform(0.2, 0.6) for _ in range(2)]
            ends = [np.stack([middle, tip]) for tip in tips]
            belt.append(Mark(ends, color, width * 0.05))
        return belt
    return []


def center_zip(rng: Rng, top: np.ndarray, foot: np.ndarray, width: float) -> list[Mark]:
    """Draw a zip down the front."""
    line = bow(top, foot, rng.normal(0, 0.01))
    marks = [Mark([line], 0.55, 0.8 + 0.05 * width * rng.uniform(0.3, 1.0))]
    if rng.random() < 0.6:
        metal = np.full(3, rng.uniform(120, 220)) + rng.normal(0, 8, 3)
        marks.append(Mark([line], metal, 0.5 + 0.014 * width))
    return marks


def button_row(rng: Rng, top: np.ndarray, foot: np.ndarray, width: float) -> list[Mark]:
    """Draw a placket with buttons, one row or two."""
    way = foot - top
    across = turn_right(unit(way))
    placket = 0.05 * width
    side = rng.choice((-1, 1))
    marks = [Mark([np.stack([top, foot]) + side * across * placket], 0.65, 0.5 + 0.012 * width)]
    if rng.random() < 0.5:
        marks.append(Mark([np.stack([top, foot]) - side * across * placket], 0.85, 0.5 + 0.006 * width))
    count = int(np.clip(rng.integers(3, 9), 1, 1 + length_of(way) / (0.12 * width)))
    radius = width * rng.uniform(0.014, 0.035) + 0.4
    rows = (0.0,) if rng.random() < 0.8 else (-0.18 * width, 0.18 * width)
    color = dye(rng)
    for row in rows:
        places = [top + way * share + across * row for share in (np.arange(count) + 0.4) / count]
        discs = [ellipse(place, np.array([radius, 0]), np.array([0, radius]), 10) for place in places]
        marks += [Mark([disc + radius * 0.35 for disc in discs], 0.6), Mark(discs, color)]
    return marks


def chest_marks(rng: Rng, at: Places, down: np.ndarray, width: float, *, coat: bool) -> list[Mark]:
    """Draw pockets on the chest or the hips."""
    across = -turn_right(down)
    marks: list[Mark] = []
    chest = (at["armpit_left"] + at["armpit_right"]) / 2
    if rng.random() < (0.3 if coat else 0.14):
        for sign in (-1, 1) if rng.random() < 0.5 else (1,):
            spot = chest + (0.24 * sign * across + 0.05 * down) * width
            marks += _pocket(rng, spot, across, down, 0.11 * width, flap=coat)
    hem_middle = (at["hem_left"] + at["hem_right"]) / 2
    if rng.random() < (0.6 if coat else 0.08):
        place = chest + rng.uniform(0.55, 0.75) * (hem_middle - chest)
        slanted = rng.random() < 0.5
        for sign in (-1, 1):
            spot = place + across * sign * 0.28 * width
            if slanted:
                half = (0.12 * down + 0.05 * sign * across) * width
                marks.append(Mark([np.stack([spot - half, spot + half])], 0.55, 0.6 + 0.02 * width))
            else:
                marks += _pocket(rng, spot, across, down, 0.14 * width, flap=rng.random() < 0.6)
    return marks


def _pocket(
    rng: Rng, middle: np.ndarray, across: np.ndarray, down: np.ndarray, half: float, *, flap: bool
) -> list[Mark]:
    high = half * rng.uniform(0.9, 1.3)
    corners = [
        middle + across * x * half + down * y * high
        for x, y in ((-1, -1), (-1, 1), (0, 1.25), (1, 1), (1, -1), (-1, -1))
    ]
    line = np.array(corners)
    marks = [Mark([line], rng.uniform(0.9, 1.08)), Mark([line], 0.65, 0.5 + 0.08 * half)]
    if flap:
        drop = down * 0.5 * high
        marks.append(Mark([np.stack([corners[0], corners[0] + drop, corners[4] + drop, corners[4]])], 0.82))
    return marks


def quilting(at: Places, down: np.ndarray, width: float) -> list[Mark]:
    """Draw the dark seams between the bands of a puffer jacket and the light on them."""
    across = -turn_right(down) * 1.2 * width
    top = (at["neckline_left"] + at["neckline_right"]) / 2
    reach = length_of((at["hem_left"] + at["hem_right"]) / 2 - top)
    step = 0.14 * width
    lines = [np.stack([top - across, top + across]) + down * y for y in np.arange(step, reach, step)]
    light = [line - down * 0.4 * step for line in lines]
    return [Mark(lines, 0.68, 0.03 * width + 0.5), Mark(light, 1.18, 0.3 * step)] if lines else []


def waistband_marks(rng: Rng, edge: np.ndarray, width: float, down: np.ndarray, *, jeans: bool) -> list[Mark]:
    """Draw a waistband below its top edge, left to right: its seam, belt loops or gathers, a button or a belt."""
    high = width * rng.uniform(0.06, 0.13)
    below = offset_line(edge, high)
    kind = rng.random()
    marks = [Mark([np.concatenate([edge, below[::-1]])], rng.uniform(0.82, 1.1))]
    marks.append(Mark([below], rng.uniform(0.55, 0.8), 0.6 + 0.012 * width))
    if kind < 0.3 and not jeans:  # elastic
        places = rng.integers(0, len(edge), 14)
        gathers = [np.stack([edge[k], below[k] + down * high * rng.uniform(0, 1.2)]) for k in places]
        marks.append(Mark(gathers, 0.75, 0.5 + 0.008 * width))
        if rng.random() < 0.5:
            middle = below[len(below) // 2]
            strings = [
                bow(middle, middle + down * width * rng.uniform(0.2, 0.5) + rng.normal(0, 0.1, 2) * width, 0.2)
                for _ in range(2)
            ]
            marks.append(Mark(strings, dye(rng), 0.8 + 0.015 * width))
        return marks
    if rng.random() < 0.15:  # a belt
        middle_line = (edge + below) / 2
        marks.append(Mark([middle_line], dye(rng), 0.8 * high))
        buckle = middle_line[len(edge) // 2]
        frame = ellipse(buckle, np.array([0.5 * high, 0]), np.array([0, 0.45 * high]), 8)
        marks.append(Mark([frame], np.full(3, rng.uniform(120, 230))))
    elif rng.random() < 0.7:
        middle = (edge[len(edge) // 2] + below[len(edge) // 2]) / 2
        radius = 0.22 * high + 0.4
        marks.append(Mark([ellipse(middle, np.array([radius, 0]), np.array([0, radius]), 10)], dye(rng)))
    if jeans or rng.random() < 0.4:
        loops = [np.stack([edge[k], below[k]]) for k in (1, len(edge) // 3, -1 - len(edge) // 3, -2)]
        marks.append(Mark(loops, rng.uniform(0.6, 0.85), 0.03 * width + 0.5))
    return marks


def side_marks(rng: Rng, edges: dict[str, np.ndarray], width: float) -> list[Mark]:
    """Draw a stripe or a seam along the outer edges of trousers or a skirt."""
    kind = rng.random()
    if kind < 0.08:
        color, wide = dye(rng), width * rng.uniform(0.03, 0.1)
        return [Mark([offset_line(edges[side], 1.2 * sign * wide)], color, wide) for side, sign in SIDES]
    if kind < 0.4:
        return [
            Mark([offset_line(edges[side], 0.05 * sign * width)], 0.78, 0.5 + 0.006 * width) for side, sign in SIDES
        ]
    return []
