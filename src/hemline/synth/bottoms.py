"""The pieces of skirts and trousers, cut so that the layout's points are their corners."""

from __future__ import annotations

import numpy as np

from hemline.synth.details import hem_marks, side_marks, waistband_marks
from hemline.synth.fabric import Fabric, dye
from hemline.synth.folds import leg_folds, pleats, skirt_folds
from hemline.synth.layout import SIDES, Places, width_of
from hemline.synth.outline import bow, crumple, dashes, length_of, offset_line, turn_right, unit, wavy_hem
from hemline.synth.piece import Garment, Mark, Piece, frame_along

Rng = np.random.Generator


def cut_skirt(rng: Rng, at: Places, *, worn: bool, size: int, shell: Fabric) -> Garment:
    """Cut a skirt from a completed layout."""
    width = width_of(at, size)
    left, right = at["waistband_left"], at["waistband_right"]
    hem_left, hem_right = at["hem_left"], at["hem_right"]
    top, foot = (left + right) / 2, (hem_left + hem_right) / 2
    down = unit(foot - top)
    waist = bow(left, right, rng.uniform(-0.02, 0.1))
    flare = length_of(hem_right - hem_left) / max(length_of(right - left), 1.0)
    hip = rng.uniform(0.0, 0.08) if flare < 1.5 else rng.uniform(-0.06, 0.04)
    sag = rng.uniform(-0.02, 0.1)
    if flare > 1.4 or rng.random() < 0.2:
        waves = int(rng.integers(2, 8))
        hem = wavy_hem(rng, hem_left, hem_right, sag, waves=waves, depth=rng.uniform(0.004, 0.02))
    else:
        hem = bow(hem_left, hem_right, sag)
    lean = rng.uniform(-0.8, 0)
    rough = rng.uniform(0, 0.014) * width
    edges = {
        side: crumple(rng, bow(at[f"waistband_{side}"], at[f"hem_{side}"], -sign * hip, lean=lean), rough)
        for side, sign in SIDES
    }
    outline = np.concatenate([waist, edges["right"], hem[::-1], edges["left"][::-1]])
    piece = Piece(
        [outline],
        shell,
        frame_along((top + foot) / 2, down, shell.swatch),
        owns=("waistband_left", "waistband_right", "hem_left", "hem_right"),
        garment=True,
        roundness=rng.uniform(0.35, 1.0) if worn else rng.uniform(0.05, 0.6),
    )
    if rng.random() < 0.2:
        folds = pleats(rng, waist, hem, width)
        piece.marks.append(Mark([line for line, _, _ in folds], 0.75, 0.5 + 0.012 * width))
    else:
        folds = skirt_folds(rng, waist, hem, width)
    piece.marks += hem_marks(rng, hem, width) + side_marks(rng, edges, width)
    piece.marks += waistband_marks(rng, waist, width, down, jeans=rng.random() < 0.25)
    closing = rng.random()
    if closing < 0.1:  # buttons or a zip down the front
        piece.marks.append(Mark([np.stack([top, foot])], 0.6, 0.6 + 0.02 * width))
    elif closing < 0.2:  # tiers
        shares = np.linspace(0, 1, int(rng.integers(3, 5)))[1:-1]
        tiers = [
            np.stack(
                [e + s * (h - e) for e, h in zip((waist[0], waist[6], waist[-1]), (hem[0], foot, hem[-1]), strict=True)]
            )
            for s in shares
        ]
        piece.marks.append(Mark(tiers, 0.6, 0.8 + 0.02 * width))
    elif closing < 0.3:  # a slit or a wrap
        start = top + rng.uniform(0.0, 0.7) * (foot - top)
        end = foot + rng.uniform(-0.3, 0.3) * (hem_right - hem_left)
        piece.marks.append(Mark([bow(start, end, rng.uniform(-0.1, 0.1))], 0.55, 0.8 + 0.012 * width))
    return Garment(behind=[_back_waist(rng, waist, shell, down)], front=[piece], folds=folds, width=width)


def cut_trousers(rng: Rng, at: Places, *, worn: bool, size: int, shell: Fabric, jeans: bool) -> Garment:
    """Cut trousers from a completed layout; one leg lies over the other."""
    width = width_of(at, size)
    left, right, crotch = at["waistband_left"], at["waistband_right"], at["crotch"]
    top = (left + right) / 2
    down = unit(crotch - top)
    waist = bow(left, right, rng.uniform(-0.02, 0.1))
    middle = waist[len(waist) // 2]
    hip, lean = rng.uniform(0.01, 0.08), rng.uniform(-1.0, -0.3)
    taper, rough = rng.uniform(-0.04, 0.04), rng.uniform(0, 0.018) * width
    edges, legs = {}, {}
    roundness = rng.uniform(0.35, 1.0) if worn else rng.uniform(0.05, 0.6)
    stitch: float | np.ndarray = np.array([200, 140, 60.0]) if jeans and rng.random() < 0.6 else rng.uniform(0.6, 0.8)
    fine = 0.5 + 0.008 * width
    band = rng.uniform(0.04, 0.08) * width
    turned_up = rng.random() < 0.15
    crease = rng.random() < 0.2
    pockets = jeans or rng.random() < 0.45
    for side, sign in SIDES:
        corner, inner, outer = at[f"waistband_{side}"], at[f"bottom_{side}_in"], at[f"bottom_{side}_out"]
        edge = bow(corner, outer, -sign * hip * min(1.0, 1.6 * width / max(length_of(outer - corner), 1.0)), lean=lean)
        edge = crumple(rng, edge, rough)
        inseam = crumple(rng, bow(crotch, inner, sign * taper), rough)
        hem = bow(inner, outer, sign * rng.uniform(-0.03, 0.06))
        half = waist[len(waist) // 2 :] if sign > 0 else waist[: len(waist) // 2 + 1][::-1]  # middle to corner
        # The upper parts overlap a little at the fly, so that no gap shows between the legs.
        fly = bow(crotch, middle, -0.06) if sign > 0 else bow(crotch, middle, 0.06)
        outline = np.concatenate([half, edge[1:], hem[::-1][1:], inseam[::-1][1:], fly[1:-1]])
        along = (inner + outer) / 2 - (corner + middle) / 2
        leg = Piece(
            [outline],
            shell,
            frame_along((corner + middle) / 2, along, shell.swatch),
            owns=(f"waistband_{side}", "crotch", f"bottom_{side}_in", f"bottom_{side}_out"),
            garment=True,
            roundness=roundness,
            lift=0.5,
        )
        seam = offset_line(hem, -sign * band)
        if turned_up:
            leg.marks.append(Mark([np.concatenate([hem, seam[::-1]])], 1.15))
            leg.marks.append(Mark([seam], 0.6, fine))
        else:
            leg.marks.append(Mark(dashes(seam, 0.04 * width + 1.5), stitch, fine))
        leg.marks.append(Mark([offset_line(inseam, -0.03 * width * sign)], 0.8, fine))
        if crease:
            start = corner * 0.5 + middle * 0.5
            leg.marks.append(
                Mark([np.stack([start, (inner + outer) / 2])], rng.choice((0.85, 1.15)), fine + 0.01 * width)
            )
        if pockets:
            begin = corner + 0.45 * (middle - corner)
            end = edge[3] if len(edge) > 3 else edge[-1]
            leg.marks.append(Mark([bow(begin, end, 0.18 * sign)], stitch, fine + 0.005 * width))
        if rng.random() < 0.08 and jeans:  # a torn knee
            knee = (crotch + inner + outer) / 3 + rng.normal(0, 0.03, 2) * width
            tear = [
                knee + rng.normal(0, 0.05, 2) * width + turn_right(down) * s * 0.12 * width
                for s in np.linspace(-1, 1, 6)
            ]
            leg.marks.append(Mark([np.array(tear)], np.array([220, 215, 205.0])))
        edges[side], legs[side] = edge, leg
    order = ["left", "right"] if rng.random() < 0.5 else ["right", "left"]
    marks = side_marks(rng, edges, width)
    for number, side in enumerate(order):
        legs[side].marks += marks
        if number == 0:
            legs[side].lift = 1.0
    _finish_top(rng, [legs[side] for side in order], waist, middle, crotch, width, down, jeans=jeans, stitch=stitch)
    folds = leg_folds(rng, at, width)
    return Garment(
        behind=[_back_waist(rng, waist, shell, down)], front=[legs[side] for side in order], folds=folds, width=width
    )


def _finish_top(
    rng: Rng,
    legs: list[Piece],
    waist: np.ndarray,
    middle: np.ndarray,
    crotch: np.ndarray,
    width: float,
    down: np.ndarray,
    *,
    jeans: bool,
    stitch: float | np.ndarray,
) -> None:
    """Draw waistband and fly on both legs."""
    marks = [Mark([np.stack([middle, crotch])], rng.uniform(0.6, 0.8), 0.5 + 0.01 * width)]
    if jeans or rng.random() < 0.5:
        fly = bow(middle + turn_right(down) * -0.09 * width, middle + 0.8 * (crotch - middle), -0.1)
        marks.append(Mark([fly], stitch, 0.5 + 0.008 * width))
    marks += waistband_marks(rng, waist, width, down, jeans=jeans)
    for leg in legs:
        leg.marks += marks


def _back_waist(rng: Rng, waist: np.ndarray, shell: Fabric, down: np.ndarray) -> Piece:
    """Cut the inside of the back of the waistband, seen above the front's edge."""
    rise = rng.uniform(-0.02, 0.07)
    outline = np.concatenate([bow(waist[0], waist[-1], -rise), waist[::-1]])
    marks = []
    if rng.random() < 0.4:
        middle = waist[len(waist) // 2] - down * 0.02 * length_of(waist[-1] - waist[0])
        span = length_of(waist[-1] - waist[0])
        label = np.array([[-0.08, -0.04], [0.08, -0.04], [0.08, 0.04], [-0.08, 0.04]]) * span + middle
        marks.append(Mark([label], dye(rng)))
    return Piece(
        [outline],
        shell,
        frame_along(waist[0], down, shell.swatch),
        garment=True,
        brightness=rng.uniform(0.5, 0.75),
        marks=marks,
        roundness=0.2,
    )
