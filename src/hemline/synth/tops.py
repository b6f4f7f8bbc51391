"""The pieces of blouses, outwear and dresses, cut so that the layout's points are their corners."""

from __future__ import annotations

import numpy as np

from hemline.synth.collars import Cut, cut_collar, cut_hood, cut_turtleneck, neck_curve
from hemline.synth.details import (
    button_row,
    center_zip,
    chest_marks,
    hem_marks,
    neck_band,
    quilting,
    waist_marks,
)
from hemline.synth.fabric import Fabric, add_print, dye, make_fabric, plain_fabric
from hemline.synth.folds import top_folds
from hemline.synth.layout import SIDES, Places, width_of
from hemline.synth.outline import (
    bow,
    crumple,
    ellipse,
    length_of,
    offset_line,
    sleeve_rails,
    strip,
    through,
    turn_right,
    unit,
    wavy_hem,
)
from hemline.synth.piece import Garment, Mark, Piece, frame_along

Rng = np.random.Generator
Sides = tuple[np.ndarray, np.ndarray]
"""The left and the right outline of the body, each (N, 2) from the neckline's corner to the hem."""

_NECK_SHARES = {"blouse": (0.06, 0.07, 0.22), "outwear": (0.25, 0.0, 0.52), "dress": (0.01, 0.06, 0.14)}
"""How many have a hood, a turtleneck, a collar."""


def cut_top(rng: Rng, category: str, at: Places, *, worn: bool, size: int, shell: Fabric) -> Garment:
    """Cut a blouse, an outwear or a dress.

    Args:
        at: a completed layout.
        worn: on a body; else flat, on a hanger or a ghost.
        shell: its main cloth.
    """
    cut = _choose_style(rng, category, at, worn=worn, size=size, shell=shell)
    garment = Garment(width=cut.width, folds=top_folds(rng, at, cut.down, cut.width, skirted=category == "dress"))
    sides = _body_sides(rng, cut)
    garment.behind.append(_back_panel(rng, cut, sides))
    garment.front += _front_panels(rng, cut, sides) if cut.front_open > 0 else [_front(rng, cut, sides)]
    for side, sign in SIDES:
        if cut.sleeved[sign > 0]:
            sleeve, in_front = _sleeve(rng, cut, side, sign)
            if in_front:
                garment.sleeves[side] = sleeve
            else:
                garment.behind.append(sleeve)
    if cut.strappy:
        return garment
    style = rng.random()
    hood, turtle, collar = _NECK_SHARES[category]
    if style < hood:
        garment.behind.insert(0, cut_hood(rng, cut))
    elif style < hood + turtle:
        garment.neck.append(cut_turtleneck(rng, cut))
    elif style < hood + turtle + collar and not cut.strapless:
        garment.neck += cut_collar(rng, cut)
    return garment


def _choose_style(rng: Rng, category: str, at: Places, *, worn: bool, size: int, shell: Fabric) -> Cut:
    width = width_of(at, size)
    neck_middle = (at["neckline_left"] + at["neckline_right"]) / 2
    down = unit((at["hem_left"] + at["hem_right"]) / 2 - neck_middle)
    depth = float((at["center_front"] - neck_middle) @ down) / width
    opening = length_of(at["neckline_right"] - at["neckline_left"])
    strapless = "shoulder_left" not in at
    sleeved = tuple(f"cuff_{side}_in" in at for side, _ in SIDES)
    straps = [] if strapless else [length_of(at[f"shoulder_{side}"] - at[f"neckline_{side}"]) for side, _ in SIDES]
    strappy = not strapless and not any(sleeved) and sum(straps) < 0.32 * width
    if strapless:
        neck = str(rng.choice(("round", "sweetheart")))
    elif depth > 0.3 * opening / width + 0.08:
        neck = str(rng.choice(("v", "round", "square", "sweetheart"), p=(0.45, 0.43, 0.07, 0.05)))
    else:
        neck = str(rng.choice(("round", "v"), p=(0.85, 0.15)))
    lining = (
        plain_fabric(shell.color * rng.uniform(0.45, 0.8))
        if rng.random() < 0.75
        else make_fabric(rng, width, 8, use="lining")
    )
    trim = plain_fabric(dye(rng)) if rng.random() < 0.25 else shell
    # Only outwear is open in front: on the others the centre front must be a place of the cloth.
    opens = category == "outwear" and not strapless and not strappy and rng.random() < 0.45
    return Cut(
        category=category,
        at=at,
        width=width,
        down=down,
        worn=worn,
        shell=shell,
        lining=lining,
        trim=trim,
        neck=neck,
        front_open=float(rng.uniform(0.08, 0.6)) if opens else 0.0,
        sleeved=(sleeved[0], sleeved[1]),
        strapless=strapless,
        strappy=strappy,
    )


def _body_sides(rng: Rng, cut: Cut) -> Sides:
    """Trace both sides of the body from the neckline corner over shoulder and armpit to the hem."""
    bend, roundness = rng.uniform(-0.05, 0.05), rng.uniform(0.3, 1.0)
    hollow, slope = rng.uniform(0.1, 0.24), rng.uniform(-0.03, 0.05)
    rough = rng.uniform(0, 0.016)
    sides = []
    for side, sign in SIDES:
        at = cut.at
        neck, armpit, hem = at[f"neckline_{side}"], at[f"armpit_{side}"], at[f"hem_{side}"]
        parts = []
        if cut.strapless:
            parts.append(bow(neck, armpit, 0.0, steps=2))
        else:
            shoulder = at[f"shoulder_{side}"]
            parts.append(bow(neck, shoulder, slope * sign, steps=6))
            # Below a sleeve the body goes on a little, so that no gap shows; a free armhole is hollow.
            sag = (hollow if not cut.sleeved[sign > 0] else -0.07) * sign
            parts.append(bow(shoulder, armpit, sag)[1:])
        if "waistline_left" in at:
            parts.append(through([armpit, at[f"waistline_{side}"], hem], roundness=roundness)[1:])
        else:
            flank = bow(armpit, hem, bend * sign, lean=rng.uniform(-0.5, 0.5))
            parts.append(crumple(rng, flank, rough * cut.width)[1:])
        sides.append(np.concatenate(parts))
    return sides[0], sides[1]


def _hem(rng: Rng, cut: Cut) -> np.ndarray:
    """Trace the hem from the left corner to the right one."""
    left, right = cut.at["hem_left"], cut.at["hem_right"]
    sag = rng.uniform(-0.02, 0.09)
    flare = length_of(right - left) / cut.width
    if cut.category == "dress" and (flare > 1.5 or rng.random() < 0.3):
        return wavy_hem(rng, left, right, sag, waves=int(rng.integers(2, 7)), depth=rng.uniform(0.005, 0.03))
    if cut.category == "blouse" and rng.random() < 0.12:  # shirt tail
        sag = rng.uniform(0.12, 0.25)
    return bow(left, right, sag)


def _chest(cut: Cut) -> np.ndarray:
    middle: np.ndarray = (cut.at["armpit_left"] + cut.at["armpit_right"]) / 2
    return middle + cut.down * 0.08 * cut.width


def _back_panel(rng: Rng, cut: Cut, sides: Sides) -> Piece:
    """Cut the inside of the back, seen through the neck hole or an open front."""
    left, right = cut.at["neckline_left"], cut.at["neckline_right"]
    rise = rng.uniform(-0.1, 0.06) if not cut.strapless else rng.uniform(0, 0.05)
    if cut.front_open > 0:
        hem = bow(cut.at["hem_left"], cut.at["hem_right"], rng.uniform(-0.04, 0.0))
        outline = np.concatenate([bow(left, right, -rise), sides[1], hem[::-1], sides[0][::-1]])
    else:
        outline = np.concatenate([bow(left, right, -rise), neck_curve(cut)[::-1]])
    middle = (left + right) / 2 + cut.down * (0.06 * cut.width)
    marks = []
    if rng.random() < 0.5 and not cut.strapless:
        box = _box(middle, cut.down, 0.09 * cut.width, 0.06 * cut.width)
        marks.append(Mark([box], dye(rng)))
    return Piece(
        [outline],
        cut.lining,
        frame_along(_chest(cut), cut.down, cut.lining.swatch),
        garment=True,
        brightness=rng.uniform(0.6, 0.95),
        roundness=0.2,
        marks=marks,
        lift=0.5,
    )


def _front(rng: Rng, cut: Cut, sides: Sides) -> Piece:
    """Cut a closed front."""
    left_side, right_side = sides
    neck, hem = neck_curve(cut), _hem(rng, cut)
    outline = np.concatenate([neck, right_side, hem[::-1], left_side[::-1]])
    fabric = cut.shell
    printed = cut.category != "outwear" and rng.random() < (0.4 if cut.category == "blouse" else 0.08)
    if printed:
        fabric = add_print(rng, fabric, cut.width)
    piece = _body_piece(rng, cut, [outline], fabric)
    piece.marks += quilting(cut.at, cut.down, cut.width) if cut.shell.quilted else []
    piece.marks += hem_marks(rng, hem, cut.width)
    piece.marks += waist_marks(rng, cut.at, cut.width)
    closing = rng.random()
    top, foot = cut.at["center_front"], hem[len(hem) // 2]
    if cut.category == "outwear":
        piece.marks += center_zip(rng, top, foot, cut.width) if closing < 0.5 else button_row(rng, top, foot, cut.width)
    elif closing < 0.22:
        share = 1.0 if rng.random() < 0.6 else rng.uniform(0.15, 0.5)
        piece.marks += button_row(rng, top, top + share * (foot - top), cut.width)
    piece.marks += neck_band(rng, neck, cut.width)
    piece.marks += chest_marks(rng, cut.at, cut.down, cut.width, coat=cut.category == "outwear")
    piece.marks += _armhole_seams(rng, cut)
    return piece


def _body_piece(rng: Rng, cut: Cut, polygons: list[np.ndarray], fabric: Fabric) -> Piece:
    owned = ["neckline", "shoulder", "armpit", "waistline", "hem"]
    owns = [f"{prefix}_{side}" for prefix in owned for side, _ in SIDES]
    return Piece(
        polygons,
        fabric,
        frame_along(_chest(cut), cut.down, fabric.swatch),
        owns=(*owns, "center_front"),
        garment=True,
        roundness=rng.uniform(0.35, 1.0) if cut.worn else rng.uniform(0.05, 0.6),
    )


def _front_panels(rng: Rng, cut: Cut, sides: Sides) -> list[Piece]:
    """Cut the two sides of an open front."""
    hem = _hem(rng, cut)
    middle = len(hem) // 2
    neck_middle = (cut.at["neckline_left"] + cut.at["neckline_right"]) / 2
    spread = cut.front_open
    meet = rng.uniform(0.15, 0.6)
    pieces = []
    for (side, sign), outline_side in zip(SIDES, sides, strict=True):
        corner = cut.at[f"hem_{side}"]
        foot = hem[middle] + spread * rng.uniform(0.7, 1.2) * (corner - hem[middle])
        neck = cut.at[f"neckline_{side}"]
        chest = neck_middle + meet * (foot - neck_middle) + 0.25 * spread * (neck - neck_middle)
        edge = through([neck, chest, foot], roundness=rng.uniform(0.3, 1))
        bottom = bow(foot, corner, rng.uniform(-0.04, 0.04), steps=6)
        outline = np.concatenate([edge, bottom[1:], outline_side[::-1]])
        piece = _body_piece(rng, cut, [outline], cut.shell)
        piece.owns = tuple(name for name in piece.owns if name.endswith(side))
        if cut.shell.quilted:
            piece.marks += quilting(cut.at, cut.down, cut.width)
        inward = turn_right(unit(foot - neck)) * sign
        piece.marks.append(Mark([offset_line(edge, 0.035 * cut.width * -sign)], 0.75, 0.008 * cut.width + 0.4))
        if rng.random() < 0.5:
            piece.marks.append(_pocket_slit(rng, cut, corner, foot, inward))
        piece.marks += _armhole_seams(rng, cut)
        pieces.append(piece)
    if rng.random() < 0.5:
        pieces.reverse()
    return pieces


def _pocket_slit(rng: Rng, cut: Cut, corner: np.ndarray, foot: np.ndarray, inward: np.ndarray) -> Mark:
    middle = (corner + foot) / 2 - cut.down * cut.width * rng.uniform(0.25, 0.5)
    half = inward * 0.12 * cut.width
    return Mark([np.array([middle - half, middle + half + cut.down * 0.05 * cut.width])], 0.6, 0.02 * cut.width)


def _armhole_seams(rng: Rng, cut: Cut) -> list[Mark]:
    lines = [
        bow(cut.at[f"shoulder_{side}"], cut.at[f"armpit_{side}"], 0.07 * sign)
        for side, sign in SIDES
        if cut.sleeved[sign > 0]
    ]
    return [Mark(lines, rng.uniform(0.6, 0.85), 0.012 * cut.width + 0.5)] if lines else []


def _sleeve(rng: Rng, cut: Cut, side: str, sign: int) -> tuple[Piece, bool]:
    """Cut a sleeve; returns it and whether it lies before the body.

    A sleeve that hangs down close to the body often falls over the armpit, which is then hidden.
    """
    at = cut.at
    shoulder, armpit = at[f"shoulder_{side}"], at[f"armpit_{side}"]
    inner, outer = at[f"cuff_{side}_in"], at[f"cuff_{side}_out"]
    under, flank = unit(inner - armpit), unit(at[f"hem_{side}"] - armpit)
    hangs = float(under @ flank) > 0.82 and length_of(inner - armpit) > 0.5 * cut.width
    start = armpit
    if hangs and rng.random() < (0.9 if cut.worn else 0.3):
        start = (
            armpit + (unit(at["center_front"] - armpit) * 0.8 - cut.down * 0.4) * rng.uniform(0.05, 0.12) * cut.width
        )
    top, underside = sleeve_rails(shoulder, start, inner, outer, side=sign, slack=rng.uniform(-0.02, 0.06))
    rough = rng.uniform(0, 0.02) * cut.width
    top, underside = crumple(rng, top, rough), crumple(rng, underside, rough)
    opening = bow(inner, outer, sign * rng.uniform(-0.02, 0.1))
    shell = cut.trim if cut.trim is not cut.shell and rng.random() < 0.4 else cut.shell
    along = (inner + outer) / 2 - (shoulder + armpit) / 2
    piece = Piece(
        [*strip(top, underside), opening],
        shell,
        frame_along((shoulder + armpit) / 2, along, shell.swatch),
        owns=(f"cuff_{side}_in", f"cuff_{side}_out"),
        garment=True,
        roundness=rng.uniform(0.5, 1.0) if cut.worn else rng.uniform(0.1, 0.7),
        brightness=rng.uniform(0.88, 1.06),
        lift=rng.uniform(0.3, 1.2),
    )
    long = length_of(along) > 0.7 * cut.width
    reach = min(1.0, rng.uniform(0.03, 0.09) * cut.width / max(length_of(along), 1.0) * (2 if long else 1))
    k = max(0, min(len(top) - 2, round((len(top) - 1) * (1 - reach))))
    seam = np.array([top[k], underside[k]])
    piece.marks.append(Mark([seam], rng.uniform(0.6, 0.85), 0.012 * cut.width + 0.4))
    if rng.random() < 0.3:  # a cuff of its own colour or darker
        band = strip(top[k:], underside[k:])
        piece.marks.append(Mark([*band, opening], cut.trim.color if cut.trim is not cut.shell else 0.85))
    if cut.shell.quilted:
        piece.marks += [
            Mark([np.array([top[j], underside[j]])], 0.72, 0.02 * cut.width + 0.4) for j in range(2, len(top), 2)
        ]
    elif rng.random() < 0.12:  # stripes down the sleeve
        share = rng.uniform(0.25, 0.45)
        piece.marks.append(Mark([top + share * (underside - top)], dye(rng), 0.05 * cut.width))
    if rng.random() < 0.35 and not cut.worn:  # the inside of the cuff
        piece.marks.append(
            Mark([ellipse((inner + outer) / 2, (outer - inner) * 0.46, unit(along) * 0.02 * cut.width)], 0.5)
        )
    body_axis = float(((inner + outer) / 2 - armpit) @ turn_right(cut.down)) * sign
    crosses = body_axis > 0.02 * cut.width  # towards the middle of the body
    return piece, bool(rng.random() < (0.93 if crosses else 0.8))


def _box(middle: np.ndarray, down: np.ndarray, wide: float, high: float) -> np.ndarray:
    across = -turn_right(down) * wide / 2
    drop = down * high / 2
    return np.array([middle - across - drop, middle + across - drop, middle + across + drop, middle - across + drop])
