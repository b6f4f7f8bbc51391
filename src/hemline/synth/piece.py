"""A piece of a picture that lies flat and covers what is below it: of the garment, the wearer or something else."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hemline.synth.canvas import (
    Canvas,
    cast_shadow,
    claim,
    clip_cover,
    cover_lines,
    cover_polygons,
    paint,
    tint,
)
from hemline.synth.fabric import Fabric, lay_fabric
from hemline.synth.outline import turn_right, unit
from hemline.synth.relief import Fold, Light, Relief, round_off


@dataclass
class Mark:
    """Something flat on a piece: a seam, a button, a pocket, a print.

    lines: each (N, 2).
    tone: what it multiplies the colour below by, or (3,) RGB that it is painted in.
    width: of the lines, pixels; 0 fills them as polygons.
    """

    lines: list[np.ndarray]
    tone: float | np.ndarray
    width: float = 0.0
    opacity: float = 1.0


@dataclass
class Piece:
    """One covering piece.

    polygons: what it covers is their union.
    frame: (2, 3) map from the picture to the fabric's swatch.
    owns: the keypoints that lie on it.
    garment: whether it belongs to the labelled garment.
    roundness: 0 lies flat, 1 is a tube.
    brightness: of the whole piece.
    lift: how far it stands off what is below, in units of the light's shadow; 0 casts none.
    folded: whether the picture's relief shows on it.
    """

    polygons: list[np.ndarray]
    fabric: Fabric
    frame: np.ndarray
    owns: tuple[str, ...] = ()
    garment: bool = False
    roundness: float = 0.5
    brightness: float = 1.0
    lift: float = 1.0
    folded: bool = True
    marks: list[Mark] = field(default_factory=list)


@dataclass
class Garment:
    """A garment cut into pieces, each group from back to front.

    behind: what lies behind the wearer: the back's inside, a hood, sleeves behind the body.
    front: the body.
    sleeves: those before the body, by side; a hand is drawn below its sleeve.
    neck: collars.
    folds: of the whole garment.
    width: pixels.
    """

    width: float
    folds: list[Fold]
    behind: list[Piece] = field(default_factory=list)
    front: list[Piece] = field(default_factory=list)
    sleeves: dict[str, Piece] = field(default_factory=dict)
    neck: list[Piece] = field(default_factory=list)


def frame_along(origin: np.ndarray, along: np.ndarray, swatch: np.ndarray) -> np.ndarray:
    """Build the map that lays a swatch with its middle on a point, its columns running along a direction.

    Args:
        origin: (2,) picture coordinates.
        along: (2,) the direction that the cloth's threads run, towards the hem.
        swatch: (T, T, 3).
    """
    down = unit(along)
    across = -turn_right(down)
    turn = np.stack([across, down])  # rows: swatch x, swatch y
    centre = np.array(swatch.shape[1::-1]) / 2
    return np.column_stack([turn, centre - turn @ origin])


def draw_piece(canvas: Canvas, piece: Piece, layer: int, light: Light, relief: Relief) -> None:
    """Paint a piece with its shadow, its shading and its marks, and note it as the topmost layer there."""
    cover = cover_polygons(piece.polygons, canvas.size)
    if cover is None:
        return
    if piece.lift > 0:
        strength = min(0.4, 0.08 + 0.14 * piece.lift)
        cast_shadow(canvas, cover, light.shadow * piece.lift, light.softness * (0.4 + 0.6 * piece.lift), strength)
    window = cover.window
    slopes = (relief.slopes[0][window], relief.slopes[1][window]) if piece.folded else None
    color = lay_fabric(piece.fabric, piece.frame, window, slopes)
    tone = np.full(cover.alpha.shape, piece.brightness, np.float32)
    if piece.folded:
        tone *= relief.brightness[window]
    if piece.roundness > 0:
        tone *= round_off(cover, light, piece.roundness)
    lit = color * tone[:, :, None]
    if piece.fabric.gloss > 0:
        shine = np.maximum(tone - np.float32(1.02), 0) * np.float32(330 * piece.fabric.gloss)
        lit = lit + np.minimum(shine, 90)[:, :, None]
    paint(canvas, cover, lit, opacity=piece.fabric.opacity)
    for mark in piece.marks:
        drawn = (
            cover_lines(mark.lines, mark.width, canvas.size) if mark.width else cover_polygons(mark.lines, canvas.size)
        )
        drawn = clip_cover(drawn, cover)
        if drawn is None:
            continue
        if isinstance(mark.tone, np.ndarray):
            paint(
                canvas,
                drawn,
                mark.tone.astype(np.float32) * _shade_of(tone, cover.window, drawn.window),
                opacity=mark.opacity,
            )
        else:
            tint(canvas, drawn, mark.tone)
    claim(canvas, cover, layer, garment=piece.garment)


def _shade_of(tone: np.ndarray, outer: tuple[slice, slice], inner: tuple[slice, slice]) -> np.ndarray:
    """Cut the shading (h, w, 1) of a window out of that of a larger one."""
    rows = slice(inner[0].start - outer[0].start, inner[0].stop - outer[0].start)
    columns = slice(inner[1].start - outer[1].start, inner[1].stop - outer[1].start)
    return tone[rows, columns, None]
