"""Where the peak of a map lies, between the cells: one function per method, and what is done to the maps before.

Every method is a function from maps (N, h, w), not negative, to places (N, 2): x and y as cell indices, fractions
allowed. docs/decoding.md compares them.

Adding a method: one function and one line in DECODERS. An option of its own becomes a keyword of `find_peaks` and a
key of the recipe's [decode].
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from hemline.codecs import peak
from hemline.errors import RecipeError, unknown_name

_CHUNK = 2**20
"""Cells that are worked on at once, after enlargement: 4 MiB."""


def argmax(maps: np.ndarray) -> np.ndarray:
    """Take the highest cell."""
    rows, columns = _highest(maps)
    return np.stack([columns, rows], 1).astype(np.float64)


def quarter(maps: np.ndarray) -> np.ndarray:
    """Step a quarter cell from the highest cell to the higher of its neighbours, along x and along y.

    Edge cases: no step where the neighbours are equal, or where one of them is outside the map.
    Source: Newell et al. 2016, the authors' code.
    """
    rows, columns = _highest(maps)
    each = np.arange(len(maps))
    x = columns + 0.25 * _uphill(maps[each, rows], columns)
    y = rows + 0.25 * _uphill(maps[each, :, columns], rows)
    return np.stack([x, y], 1)


def vertex(maps: np.ndarray) -> np.ndarray:
    """Fit a parabola to the logarithm of three cells along x and of three along y; see `peak.vertex`."""
    rows, columns = _highest(maps)
    each = np.arange(len(maps))
    return np.stack([peak.vertex(maps[each, rows], columns), peak.vertex(maps[each, :, columns], rows)], 1)


def taylor(maps: np.ndarray) -> np.ndarray:
    """Go to the maximum of the second-order Taylor series of the logarithm at the highest cell.

    Unlike `vertex` it sees a peak that is stretched along a diagonal. At the border the series is that of the
    next cell inside, so that a peak outside the outermost cell centre is still found.

    Edge cases: at most one cell from the highest cell; the cell itself where the logarithm does not curve downwards
    in every direction, and on maps narrower than three cells.
    Source: DARK (arXiv 1910.06278). Differs: derivatives from the 3 x 3 cells about the peak, which are exact for
        a Gaussian; its blur is an option of `find_peaks`.
    """
    rows, columns = _highest(maps)
    peaks = np.stack([columns, rows], 1)  # (N, 2)
    height, width = maps.shape[1:]
    if min(height, width) < 3:
        return peaks.astype(np.float64)
    middle = np.clip(peaks, 1, (width - 2, height - 2))
    around = np.array([-1, 0, 1])
    block = maps[
        np.arange(len(maps))[:, None, None], (middle[:, 1:] + around)[:, :, None], (middle[:, :1] + around)[:, None]
    ]  # (N, 3, 3)
    logs = np.log(np.maximum(block.astype(np.float64), peak.EPSILON))
    slope_x, slope_y = (logs[:, 1, 2] - logs[:, 1, 0]) / 2, (logs[:, 2, 1] - logs[:, 0, 1]) / 2
    curve_x = logs[:, 1, 2] - 2 * logs[:, 1, 1] + logs[:, 1, 0]
    curve_y = logs[:, 2, 1] - 2 * logs[:, 1, 1] + logs[:, 0, 1]
    curve_xy = (logs[:, 2, 2] - logs[:, 2, 0] - logs[:, 0, 2] + logs[:, 0, 0]) / 4
    determinant = curve_x * curve_y - curve_xy**2
    is_peak = (curve_x < -1e-9) & (determinant > 1e-9 * np.abs(curve_x * curve_y))
    determinant = np.where(is_peak, determinant, 1.0)
    step_x = (curve_xy * slope_y - curve_y * slope_x) / determinant
    step_y = (curve_xy * slope_x - curve_x * slope_y) / determinant
    steps = np.stack([step_x, step_y], 1) + middle - peaks
    return peaks + np.where(is_peak[:, None], np.clip(steps, -1, 1), 0)


def top_mean(maps: np.ndarray, *, cells: int = 11) -> np.ndarray:
    """Average the places of the highest cells, all weighted the same.

    Args:
        maps: (N, h, w).
        cells: how many; cells of height 0 never count.
    Edge cases: cells as high as the last that counts share its weight, so that none is preferred.
    Source: the cccv203 team's FashionAI entry.
    """
    height, width = maps.shape[1:]
    flat = maps.reshape(len(maps), height * width)
    cells = min(cells, height * width)
    last = np.partition(flat, -cells, axis=1)[:, -cells, None]
    above, level = flat > last, flat == last
    share = (cells - above.sum(1, keepdims=True)) / level.sum(1, keepdims=True)
    weights = (above + share * level) * (flat > 0)
    return _mean_place(weights.reshape(maps.shape))  # (N, h, w)


def soft_argmax(maps: np.ndarray, *, window: int = 7) -> np.ndarray:
    """Average the places in a window about the highest cell, weighted by their values.

    Args:
        maps: (N, h, w).
        window: side in cells; odd.
    Edge cases: near a border the window is narrower, on both sides alike, so that it does not pull inwards.
    """
    rows, columns = _highest(maps)
    height, width = maps.shape[1:]
    reach_x = np.minimum(window // 2, np.minimum(columns, width - 1 - columns))  # (N,)
    reach_y = np.minimum(window // 2, np.minimum(rows, height - 1 - rows))  # (N,)
    across = np.abs(np.arange(width) - columns[:, None]) <= reach_x[:, None]  # (N, w)
    down = np.abs(np.arange(height) - rows[:, None]) <= reach_y[:, None]  # (N, h)
    return _mean_place(maps * (down[:, :, None] & across[:, None]))


def mean(maps: np.ndarray) -> np.ndarray:
    """Average the places of all cells, weighted by their values: what `integral_l1` trains.

    Edge cases: a second peak pulls the place towards it, and so does the side where a border cuts the peak less.
    Source: Sun et al. 2018, integral regression (arXiv 1711.08229).
    """
    return _mean_place(maps)


DECODERS: dict[str, Callable[..., np.ndarray]] = {
    "argmax": argmax,
    "quarter": quarter,
    "vertex": vertex,
    "taylor": taylor,
    "top_mean": top_mean,
    "soft_argmax": soft_argmax,
    "mean": mean,
}


def find_peaks(
    maps: np.ndarray,
    *,
    method: str = "vertex",
    blur: float = 0.0,
    upsample: int = 1,
    cells: int = 11,
    window: int = 7,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the peak of each map, after smoothing and enlarging it if asked to.

    All lengths and counts are in cells of the maps as given, also when they are enlarged.

    Args:
        maps: (N, h, w) float32 or float64, not negative.
        method: one of DECODERS.
        blur: standard deviation of a Gaussian that smooths the maps first; 0 does not.
        upsample: factor of a bicubic enlargement after that; 1 does not.
        cells: of method 'top_mean': how many of the highest cells are averaged.
        window: of method 'soft_argmax': side of the window about the peak; odd.
    Returns:
        places (N, 2) float64, x and y as cell indices, and heights (N,) float64 of the smoothed and enlarged maps.
    """
    options = {
        "top_mean": {"cells": cells * upsample**2},
        "soft_argmax": {"window": (window - 1) * upsample + 1},
    }.get(method, {})
    places, heights = np.empty((len(maps), 2)), np.empty(len(maps))
    step = max(1, _CHUNK // (math.prod(maps.shape[1:]) * upsample**2))
    for start in range(0, len(maps), step):
        chunk = slice(start, start + step)
        prepared = _prepare(maps[chunk], blur=blur, upsample=upsample)
        places[chunk] = DECODERS[method](prepared, **options)
        heights[chunk] = prepared.max((1, 2))
    if upsample > 1:
        places = (places + 0.5) / upsample - 0.5
    return places, heights


DECODE_OPTIONS: dict[str, Any] = {
    name: parameter.default
    for name, parameter in inspect.signature(find_peaks).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY
}
"""The keywords of `find_peaks`, which are the keys of a recipe's [decode], and their defaults."""

_LARGEST = {"blur": 64, "upsample": 16}
"""More finds the same and takes minutes or gigabytes."""


def check_decoding(**options: Any) -> None:
    """Make sure that `find_peaks` can work with its options.

    Args:
        options: some of DECODE_OPTIONS, each of its default's kind.
    Raises:
        RecipeError: unknown method, a window without a middle, or a value beyond all use.
    """
    chosen = DECODE_OPTIONS | options
    if chosen["method"] not in DECODERS:
        raise RecipeError(unknown_name("decode.method", chosen["method"], DECODERS))
    if chosen["window"] % 2 == 0:
        raise RecipeError(f"decode.window must be odd, so that it has a middle, got {chosen['window']}")
    for option, largest in _LARGEST.items():
        if chosen[option] > largest:
            raise RecipeError(f"decode.{option} must be at most {largest}, got {chosen[option]}")


def _prepare(maps: np.ndarray, *, blur: float, upsample: int) -> np.ndarray:
    """Smooth maps (N, h, w) and enlarge them to (N, h * upsample, w * upsample).

    When they are smoothed, the maps go on beyond the border as mirrored at the outermost cell centres, which of
    OpenCV's ways moves a peak near the border the least. OpenCV's enlargement counts from outer corners, as the pixel
    rule does; it may go a little below 0, which is cut off.
    """
    if blur > 0:
        maps = np.stack([cv2.GaussianBlur(each, (0, 0), blur, borderType=cv2.BORDER_REFLECT_101) for each in maps])
    if upsample > 1:
        size_wh = (maps.shape[2] * upsample, maps.shape[1] * upsample)
        maps = np.stack([cv2.resize(each, size_wh, interpolation=cv2.INTER_CUBIC) for each in maps])
        maps = np.maximum(maps, 0)
    return maps


def _highest(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return row and column (N,) of the highest cell of each map, the first of equals."""
    rows, columns = np.divmod(maps.reshape(len(maps), -1).argmax(1), maps.shape[2])
    return rows, columns


def _uphill(profiles: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """Return for each profile (N, length) 1 if the cell after the peak is higher than that before it, -1 if lower."""
    last = profiles.shape[1] - 1
    beside = np.clip(peaks[:, None] + np.array([-1, 1]), 0, last)  # (N, 2)
    before, after = np.take_along_axis(profiles, beside, axis=1).T
    return np.where((peaks > 0) & (peaks < last), np.sign(after - before), 0)


def _mean_place(weights: np.ndarray) -> np.ndarray:
    """Average the cell indices of maps (N, h, w) by weight: (N, 2); the first cell where there is no weight."""
    across, down = weights.sum(1, dtype=np.float64), weights.sum(2, dtype=np.float64)  # (N, w), (N, h)
    mass = across.sum(1)
    mass[mass == 0] = 1
    return np.stack([across @ np.arange(weights.shape[2]), down @ np.arange(weights.shape[1])], 1) / mass[:, None]
