"""The picture under work: antialiased shapes painted over each other, and what lies on top at each pixel.

Shapes are polygons in continuous picture coordinates (geometry's pixel rule). They are filled on a finer grid and
averaged down. OpenCV also fills the fine pixels that the outline runs through, so that every shape is larger by a rim
of half a fine pixel, which moves no middle. Only the part of the picture that a shape touches is worked on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

OVERSAMPLING = 4
_FRACTION_BITS = 4
_FAR = 4  # corners further out than this many picture sides are pulled in: OpenCV counts in 32 bits


@dataclass(frozen=True)
class Cover:
    """How much of each pixel a shape covers, inside the shape's own window of the picture."""

    window: tuple[slice, slice]
    """Rows and columns of the picture."""
    alpha: np.ndarray
    """(h, w) float32 in [0, 1]."""


@dataclass
class Canvas:
    """The picture so far.

    image: (size, size, 3) float32 RGB, 0 to 255, not yet clipped.
    top: (size, size) int16, the number of the layer that covers most of the pixel; 0 is the background.
    garment: (size, size) float32, the share of the pixel where the labelled garment is seen.
    """

    image: np.ndarray
    top: np.ndarray
    garment: np.ndarray

    @property
    def size(self) -> int:
        """The side of the picture, pixels."""
        return self.image.shape[0]


def blank_canvas(background: np.ndarray) -> Canvas:
    """Begin a picture on a background (size, size, 3) float32, which is painted over in place."""
    size = background.shape[0]
    return Canvas(background, np.zeros((size, size), np.int16), np.zeros((size, size), np.float32))


def cover_polygons(polygons: Sequence[np.ndarray], size: int) -> Cover | None:
    """Measure how much of each pixel the union of closed polygons covers.

    Args:
        polygons: each (N, 2) float; one that crosses itself is filled by the even-odd rule.
        size: side of the picture.
    Returns:
        the cover, or None where nothing lies in the picture.
    """
    window = _window(polygons, size, 1.0)
    if window is None:
        return None
    grid, corner = _fine_grid(window)
    for polygon in _fixed(polygons, corner, size):
        cv2.fillPoly(grid, [polygon], 255, shift=_FRACTION_BITS)
    return Cover(window, _average_down(grid))


def cover_lines(lines: Sequence[np.ndarray], width: float, size: int) -> Cover | None:
    """Measure how much of each pixel lines of `width` pixels cover; like `cover_polygons`."""
    window = _window(lines, size, width + 1)
    if window is None:
        return None
    grid, corner = _fine_grid(window)
    fixed = _fixed(lines, corner, size)
    cv2.polylines(grid, fixed, False, 255, thickness=max(1, round(width * OVERSAMPLING)), shift=_FRACTION_BITS)
    return Cover(window, _average_down(grid))


def clip_cover(cover: Cover | None, within: Cover) -> Cover | None:
    """Keep of a cover only what lies on another one."""
    if cover is None:
        return None
    rows = _overlap(cover.window[0], within.window[0])
    columns = _overlap(cover.window[1], within.window[1])
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    window = rows, columns
    return Cover(window, cut_out(cover, window) * cut_out(within, window))


def cut_out(cover: Cover, window: tuple[slice, slice]) -> np.ndarray:
    """Return the alpha (h, w) of a cover inside a window that lies within its own."""
    row, column = (part.start for part in cover.window)
    rows, columns = window
    return cover.alpha[rows.start - row : rows.stop - row, columns.start - column : columns.stop - column]


def paint(canvas: Canvas, cover: Cover, color: np.ndarray, *, opacity: float = 1.0) -> None:
    """Lay a colour, (3,) or (h, w, 3) of the cover's window, over the picture; the layers stay as they are."""
    below = canvas.image[cover.window]
    alpha = cover.alpha[:, :, None] if opacity == 1 else (cover.alpha * np.float32(opacity))[:, :, None]
    below += alpha * (color - below)


def tint(canvas: Canvas, cover: Cover, tone: float | np.ndarray) -> None:
    """Multiply the picture under a cover by a tone: one number, or (3,) by channel."""
    below = canvas.image[cover.window]
    below *= 1 + cover.alpha[:, :, None] * (np.asarray(tone, np.float32) - 1)


def claim(canvas: Canvas, cover: Cover, layer: int, *, garment: bool) -> None:
    """Note that a layer now lies on top where the cover is."""
    canvas.top[cover.window][cover.alpha >= 0.5] = layer
    seen = canvas.garment[cover.window]
    seen += cover.alpha * ((1.0 if garment else 0.0) - seen)


def cast_shadow(canvas: Canvas, cover: Cover, offset: np.ndarray, softness: float, strength: float) -> None:
    """Darken what lies around a cover, before the cover itself is painted.

    Args:
        offset: (2,) where the shadow falls, pixels.
        softness: sigma of its edge, pixels.
        strength: share of light that it takes.
    """
    margin = int(np.ceil(2.5 * softness + np.abs(offset).max())) + 1
    rows, columns = (slice(max(0, part.start - margin), min(canvas.size, part.stop + margin)) for part in cover.window)
    step = 2 if softness > 1.5 else 1
    height, width = (rows.stop - rows.start) // step, (columns.stop - columns.start) // step
    if height < 1 or width < 1:
        return
    shift = np.array(
        [
            [1 / step, 0, (cover.window[1].start - columns.start + offset[0]) / step],
            [0, 1 / step, (cover.window[0].start - rows.start + offset[1]) / step],
        ]
    )
    shadow = cv2.warpAffine(cover.alpha, shift, (width, height), flags=cv2.INTER_LINEAR)
    shadow = cv2.GaussianBlur(shadow, (0, 0), softness / step)
    if step > 1:
        shadow = cv2.resize(shadow, (columns.stop - columns.start, rows.stop - rows.start))
    canvas.image[rows, columns] *= (1 - np.float32(strength) * shadow)[:, :, None]


def _window(lines: Sequence[np.ndarray], size: int, margin: float) -> tuple[slice, slice] | None:
    """Find the rows and columns of the picture that the lines and a margin touch."""
    points = np.concatenate(lines)
    low, high = points.min(0) - margin, points.max(0) + margin
    left, top = (int(value) for value in np.clip(np.floor(low), 0, size))
    right, bottom = (int(value) for value in np.clip(np.ceil(high), 0, size))
    if right <= left or bottom <= top:
        return None
    return slice(top, bottom), slice(left, right)


def _fine_grid(window: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = window
    shape = (rows.stop - rows.start) * OVERSAMPLING, (columns.stop - columns.start) * OVERSAMPLING
    return np.zeros(shape, np.uint8), np.array([columns.start, rows.start], np.float64)


def _fixed(lines: Sequence[np.ndarray], corner: np.ndarray, size: int) -> list[np.ndarray]:
    """Turn picture coordinates into OpenCV's: centres of fine pixels at whole numbers, fraction bits below."""
    near = np.clip(np.concatenate(lines), -_FAR * size, (_FAR + 1) * size)
    fine = np.round(((near - corner) * OVERSAMPLING - 0.5) * (1 << _FRACTION_BITS)).astype(np.int32)
    ends = np.cumsum([len(line) for line in lines])
    return [fine[end - len(line) : end] for line, end in zip(lines, ends, strict=True)]


def _average_down(grid: np.ndarray) -> np.ndarray:
    size_wh = grid.shape[1] // OVERSAMPLING, grid.shape[0] // OVERSAMPLING
    return cv2.resize(grid, size_wh, interpolation=cv2.INTER_AREA).astype(np.float32) * np.float32(1 / 255)


def _overlap(first: slice, second: slice) -> slice:
    return slice(max(first.start, second.start), min(first.stop, second.stop))
