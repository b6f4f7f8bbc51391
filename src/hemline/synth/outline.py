"""Curves through given points: necklines, sides, hems, sleeves.

All points are continuous picture coordinates, (2,) each; all curves are (N, 2) from the first point to the last,
both on the curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

Rng = np.random.Generator

_STEPS = 12
_TINY = 1e-6


def unit(vector: np.ndarray, fallback: tuple[float, float] = (0.0, 1.0)) -> np.ndarray:
    """Return a vector's direction; `fallback` where it has none."""
    length = float(np.hypot(vector[0], vector[1]))
    return vector / length if length > _TINY else np.array(fallback)


def length_of(vector: np.ndarray) -> float:
    """Return the length of a vector (2,)."""
    return float(np.hypot(vector[0], vector[1]))


def turn_right(vector: np.ndarray) -> np.ndarray:
    """Turn a vector by 90 degrees, clockwise as seen on the picture: right becomes down."""
    return np.array([-vector[1], vector[0]])


def bezier(
    start: np.ndarray, first: np.ndarray, second: np.ndarray, end: np.ndarray, steps: int = _STEPS
) -> np.ndarray:
    """Trace a cubic Bezier curve, (steps + 1, 2)."""
    t = np.linspace(0, 1, steps + 1)[:, None]
    s = 1 - t
    return s**3 * start + 3 * s**2 * t * first + 3 * s * t**2 * second + t**3 * end


def bow(start: np.ndarray, end: np.ndarray, sag: float, *, lean: float = 0.0, steps: int = _STEPS) -> np.ndarray:
    """Trace a shallow arc.

    Args:
        sag: how far the middle lies to the right of the way, as a share of the way (seen from above: going
            right on the picture, positive is down).
        lean: moves the deepest place towards the start (-1) or the end (1).
    """
    way = end - start
    across = turn_right(way) * (sag * 4 / 3)
    first = start + way * (1 / 3 + 0.25 * lean) + across
    second = start + way * (2 / 3 + 0.25 * lean) + across
    return bezier(start, first, second, end, steps)


def through(points: Sequence[np.ndarray], *, roundness: float = 1.0) -> np.ndarray:
    """Trace a smooth curve through points.

    Args:
        points: two or more.
        roundness: 1 is a Catmull-Rom spline, 0 is straight lines with corners.
    """
    knots = np.asarray(points)
    slopes = np.gradient(knots, axis=0) if len(knots) > 2 else np.repeat(knots[1:] - knots[:1], 2, 0)
    parts = []
    for (start, end), (leave, arrive) in zip(pairwise(knots), pairwise(slopes), strict=True):
        chord = end - start
        # A slope longer than its own span would make the curve overshoot beside a short neighbour.
        leave, arrive = (unit(slope) * min(length_of(slope), length_of(chord)) for slope in (leave, arrive))
        leave = roundness * leave + (1 - roundness) * chord
        arrive = roundness * arrive + (1 - roundness) * chord
        parts.append(bezier(start, start + leave / 3, end - arrive / 3, end))
    return np.concatenate([part[min(number, 1) :] for number, part in enumerate(parts)])


def neckline(kind: str, left: np.ndarray, front: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Trace a front neckline from its left corner through the centre front to its right corner.

    Args:
        kind: "v", "round", "square" or "sweetheart".
    """
    middle = (left + right) / 2
    drop = front - middle
    if kind == "v":
        return np.concatenate([bow(left, front, 0.04), bow(front, right, 0.04)[1:]])
    if kind == "square":
        return np.concatenate(
            [
                bow(left, left + 0.08 * (right - left) + 0.97 * drop, 0.02, steps=4),
                bow(left + 0.1 * (right - left) + drop, front, 0.0, steps=3),
                bow(front, right - 0.1 * (right - left) + drop, 0.0, steps=3)[1:],
                bow(right - 0.08 * (right - left) + 0.97 * drop, right, 0.02, steps=4),
            ]
        )
    if kind == "sweetheart":
        raised = 0.35 * drop
        return np.concatenate(
            [
                bezier(left, left + 0.1 * drop, middle + 0.3 * (left - middle) + raised * 0.2, front),
                bezier(front, middle + 0.3 * (right - middle) + raised * 0.2, right + 0.1 * drop, right)[1:],
            ]
        )
    return np.concatenate(
        [
            bezier(left, left + 0.55 * drop, front + 0.55 * (left - middle), front),
            bezier(front, front + 0.55 * (right - middle), right + 0.55 * drop, right)[1:],
        ]
    )


def wavy_hem(rng: Rng, start: np.ndarray, end: np.ndarray, sag: float, *, waves: int, depth: float) -> np.ndarray:
    """Trace a hem that hangs in folds: an arc whose middle goes up and down, flat at both ends.

    Args:
        depth: of the waves, as a share of the way.
    """
    arc = bow(start, end, sag, steps=max(_STEPS, 8 * waves))
    t = np.linspace(0, 1, len(arc))
    calm = np.clip(np.minimum(t, 1 - t) * 6, 0, 1)
    swing = np.sin(2 * np.pi * (waves * t + 0.25 * np.sin(2 * np.pi * t + rng.uniform(0, 6)))) * calm
    return arc + swing[:, None] * depth * turn_right(end - start)


def crumple(rng: Rng, line: np.ndarray, depth: float) -> np.ndarray:
    """Let a smooth line (N, 2) waver to its sides by about `depth` pixels, as cloth does; both ends stay."""
    t = np.linspace(0, 1, len(line))
    knots = rng.normal(0, depth, 6)
    knots[[0, -1]] = 0
    sideways = np.interp(t, np.linspace(0, 1, 6), knots) * np.clip(np.minimum(t, 1 - t) * 5, 0, 1)
    return offset_line(line, sideways[:, None])


def sleeve_rails(
    shoulder: np.ndarray, armpit: np.ndarray, inner: np.ndarray, outer: np.ndarray, *, side: int, slack: float
) -> tuple[np.ndarray, np.ndarray]:
    """Trace the top and the underside of a sleeve; the arm inside bends where the cuff says so.

    Args:
        inner, outer: the corners of the cuff.
        side: -1 for the image's left, 1 for its right.
        slack: bends both edges outwards, as a share of their length.
    Returns:
        (N, 2) shoulder to outer corner and (N, 2) armpit to inner corner, N the same.
    """
    begin, end = (shoulder + armpit) / 2, (inner + outer) / 2
    reach = end - begin
    opening = outer - inner
    # The cuff's corners are named by the sleeve's own sides, so that they tell which way the forearm points.
    leave = unit(turn_right(opening) * side, tuple(unit(reach)))
    forward = unit(reach)
    if length_of(reach) < 1.3 * length_of(opening):  # a short sleeve's slanted hem says little about the arm
        leave = unit(leave + 1.5 * forward)
    enter = unit(unit(turn_right(armpit - shoulder) * -side) + 3.0 * forward)
    handle, bent = 0.36, 0.7 - float(leave @ forward)
    if bent > 0:  # the upper arm does not point at the hand; the elbow lies aside
        enter = unit(1.4 * forward - leave)
        handle *= 1 + bent
    rails = []
    for start, stop, bulge in ((shoulder, outer, 1.0), (armpit, inner, -1.0)):
        span = length_of(stop - start)
        swell = turn_right(unit(reach)) * (-side * bulge) * slack * span
        rails.append(bezier(start, start + enter * span * handle + swell, stop - leave * span * handle + swell, stop))
    return rails[0], rails[1]


def strip(first: np.ndarray, second: np.ndarray) -> list[np.ndarray]:
    """Cut the band between two edges of as many points into quadrilaterals, whose union has no holes."""
    return [np.array([first[k], first[k + 1], second[k + 1], second[k]]) for k in range(len(first) - 1)]


def tube(path: np.ndarray, widths: np.ndarray) -> list[np.ndarray]:
    """Lay a limb along a path (N, 2): quadrilaterals of the given widths (N,)."""
    slopes = np.gradient(path, axis=0)
    normals = np.stack([-slopes[:, 1], slopes[:, 0]], 1) / np.maximum(np.hypot(*slopes.T), _TINY)[:, None]
    half = normals * np.asarray(widths)[:, None] / 2
    return strip(path + half, path - half)


def ellipse(centre: np.ndarray, across: np.ndarray, along: np.ndarray, steps: int = 28) -> np.ndarray:
    """Trace an ellipse with two half axes given as vectors, (steps, 2)."""
    angle = np.linspace(0, 2 * np.pi, steps, endpoint=False)[:, None]
    return centre + np.cos(angle) * across + np.sin(angle) * along


def dashes(line: np.ndarray, period: float) -> list[np.ndarray]:
    """Cut a line into the stitches of a seam, half of each period long."""
    steps = np.hypot(*np.diff(line, axis=0).T)
    places = np.concatenate([[0], np.cumsum(steps)])
    starts = np.arange(0, places[-1], max(period, 1.0))
    ends = np.minimum(starts + period / 2, places[-1])
    both = np.stack([np.interp(np.stack([starts, ends], 1), places, line[:, axis]) for axis in (0, 1)], -1)
    return list(both)


def offset_line(line: np.ndarray, distance: float | np.ndarray) -> np.ndarray:
    """Move a line (N, 2) to the right of its way by a number of pixels, or by (N, 1)."""
    slopes = np.gradient(line, axis=0)
    normals = np.stack([-slopes[:, 1], slopes[:, 0]], 1) / np.maximum(np.hypot(*slopes.T), _TINY)[:, None]
    return line + normals * distance
