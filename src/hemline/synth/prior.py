"""The shape prior: layouts of keypoints as on real garments, drawn from statistics of real layouts.

A garment's *kind* is which of its points exist: with shoulders or strapless, with sleeves or without, with a
waistline or straight. For each kind of each category prior.npz holds how often it occurs, and

1. a mixture of Gaussians over its *measures*: lengths and angles of the body, of each sleeve or leg in its own
   frame, and of the garment in the picture. A raised arm is then one number off, where raw coordinates would need
   a curved cloud of points;
2. for each measure a table that bends the mixture's own distribution of it into the real one;
3. for each point a logistic regression: how likely it is occluded, given the shape and the points before it.

`measure` and `build` are each other's inverse. benchmarks/fit_prior.py makes the file. Nothing in it gives a single
layout back: each Gaussian stands for dozens of layouts, and the tables stop short of the extremes.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from hemline.annotation import ABSENT, OCCLUDED, VISIBLE
from hemline.garments import CATEGORIES, INDEX, NUM_KEYPOINTS, check_category, flip_permutation

Rng = np.random.Generator
Measures = dict[str, np.ndarray]
"""What `measure` finds, by name: (N,) each, one number per garment."""

PRIOR = Path(__file__).with_name("prior.npz")

_PAIRS = ("waistband", "neckline", "shoulder", "armpit", "waistline", "top_hem", "hemline")
"""Pairs of points from the top of a garment to its hem; no category has all."""
_ENDS = ("waistband", "neckline", "top_hem", "hemline")
"""Pairs at the two ends of a garment's axis; the others have a drop and a shift."""
_MIRROR = list(flip_permutation())
_ROUNDS = 50
"""How often `sample` draws anew for the layouts that are not sound, before it gives up."""


@dataclass(frozen=True, eq=False)
class Kind:
    """The statistics of one kind of garment with P points, M measures, C Gaussians and Q quantiles.

    Attributes:
        presence: (24,) bool, which points it has.
        share: of the garments of its category that are of this kind.
        measures: (M,) str, their names.
        weights: (C,) of the Gaussians; they add up to 1.
        means: (C, M) of the Gaussians.
        roots: (C, M, M) lower Cholesky factors of their covariances.
        scores: (M, Q) quantiles of each measure in the mixture.
        values: (M, Q) the same quantiles on real garments.
        occlusion: (P, M + P + 1) regression weights of each point: scores, occlusion of the points before, constant.
    """

    presence: np.ndarray
    share: np.ndarray
    measures: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    roots: np.ndarray
    scores: np.ndarray
    values: np.ndarray
    occlusion: np.ndarray


@functools.cache
def load_prior() -> dict[str, tuple[Kind, ...]]:
    """Read the kinds of garments of each category, the most frequent first.

    prior.npz names its arrays "<category>/<number of the kind>/<attribute>".
    """
    names = [field.name for field in fields(Kind)]
    prior = {}
    with np.load(PRIOR) as arrays:
        for category in CATEGORIES:
            count = sum(key.startswith(f"{category}/") for key in arrays) // len(names)
            prior[category] = tuple(
                Kind(**{name: arrays[f"{category}/{number}/{name}"] for name in names}) for number in range(count)
            )
    return prior


def sample(rng: Rng, category: str) -> tuple[np.ndarray, np.ndarray]:
    """Draw the layout of one garment.

    Args:
        rng: decides everything.
        category: one of garments.CATEGORIES.
    Returns:
        keypoints (24, 2) float64 in shares of a square picture, in [0, 1], and visibility (24,) int8. The layout
        is sound (`are_sound`). Absent points are (-1, -1).
    """
    keypoints, visibility = sample_many(rng, category, 1)
    return keypoints[0], visibility[0]


def sample_many(rng: Rng, category: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the layouts of many garments at once; far faster than one by one, and not the same ones.

    Returns:
        keypoints (N, 24, 2) and visibility (N, 24), as of `sample`.
    """
    return draw_layouts(rng, load_prior()[check_category(category)], count)


def draw_layouts(rng: Rng, kinds: tuple[Kind, ...], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw layouts from the kinds of one category; see `sample_many`."""
    keypoints = np.full((count, NUM_KEYPOINTS, 2), -1.0)
    visibility = np.full((count, NUM_KEYPOINTS), ABSENT, np.int8)
    chosen = rng.choice(len(kinds), count, p=[float(kind.share) for kind in kinds])
    for number in np.unique(chosen):
        rows = np.flatnonzero(chosen == number)
        keypoints[rows], visibility[rows] = draw_kind(rng, kinds[number], len(rows))
    mirrored = rng.random(count) < 0.5  # no side is favoured, whatever the fit did
    keypoints[mirrored], visibility[mirrored] = mirror(keypoints[mirrored], visibility[mirrored])
    return keypoints, visibility


def draw_kind(rng: Rng, kind: Kind, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw layouts of one kind; those that are not sound are drawn anew."""
    scores = np.empty((count, len(kind.measures)))
    keypoints = np.full((count, NUM_KEYPOINTS, 2), -1.0)
    missing = np.arange(count)
    for _ in range(_ROUNDS):
        drawn = draw_scores(rng, kind, len(missing))
        built = build(dict(zip(kind.measures, to_values(kind, drawn).T, strict=True)), kind.presence)
        sound = are_sound(built, kind.presence)
        scores[missing[sound]], keypoints[missing[sound]] = drawn[sound], built[sound]
        missing = missing[~sound]
        if not len(missing):
            return keypoints, _draw_visibility(rng, kind, scores)
    raise RuntimeError(f"{PRIOR.name}: no sound layout in {_ROUNDS} rounds; fit the prior anew")


def draw_scores(rng: Rng, kind: Kind, count: int) -> np.ndarray:
    """Draw from the mixture of Gaussians, (N, M)."""
    component = rng.choice(len(kind.weights), count, p=kind.weights)
    noise = rng.standard_normal((count, len(kind.measures)))
    scores = np.empty_like(noise)
    for number in np.unique(component):
        rows = component == number
        scores[rows] = kind.means[number] + noise[rows] @ kind.roots[number].T
    return scores


def to_values(kind: Kind, scores: np.ndarray) -> np.ndarray:
    """Bend scores (N, M) of the mixture into values of the measures, and so into the real range of each."""
    columns = zip(scores.T, kind.scores, kind.values, strict=True)
    return np.stack([np.interp(*column) for column in columns], axis=1)


def to_scores(kind: Kind, values: np.ndarray) -> np.ndarray:
    """Undo `to_values`."""
    columns = zip(values.T, kind.values, kind.scores, strict=True)
    return np.stack([np.interp(*column) for column in columns], axis=1)


def _draw_visibility(rng: Rng, kind: Kind, scores: np.ndarray) -> np.ndarray:
    """Decide point after point which are occluded; (N, 24) int8."""
    points = np.flatnonzero(kind.presence)
    known = np.column_stack([scores, np.zeros((len(scores), len(points))), np.ones(len(scores))])  # (N, M + P + 1)
    visibility = np.full((len(scores), NUM_KEYPOINTS), ABSENT, np.int8)
    for number, point in enumerate(points):
        chance = 1 / (1 + np.exp(-known @ kind.occlusion[number]))
        occluded = rng.random(len(scores)) < chance
        known[:, scores.shape[1] + number] = occluded
        visibility[:, point] = np.where(occluded, OCCLUDED, VISIBLE)
    return visibility


def mirror(keypoints: np.ndarray, visibility: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mirror layouts (N, 24, 2) and (N, 24) left to right in their square pictures; absent points stay (-1, -1)."""
    flipped = np.where(visibility[..., None] == ABSENT, keypoints, keypoints * [-1, 1] + [1, 0])
    return flipped[:, _MIRROR], visibility[:, _MIRROR]


def measure(keypoints: np.ndarray, presence: np.ndarray) -> Measures:
    """Measure the shapes of garments of one kind.

    The garment's *axis* runs from the middle of its top pair to the middle of its hem, of trousers to the crotch.
    Lengths are logarithms of multiples of its own width (garments.NORMALIZER), angles are radians.

    - In the picture: `size`, the longer side of its box; `left` and `top`, which share of the free room lies there;
      `roll`, clockwise; `length` of the axis.
    - Of each pair: `width`; `tilt` against the axis; and between top and hem `drop`, the share of the way from
      the pair above down to the hem, and `shift` to the right.
    - `front_shift`, `front_drop`: of the centre front, in a frame where the neckline runs from 0 to 1.
    - Of each sleeve or leg: `reach` from the middle of its root to the middle of its end; `swing` away from the body,
      against the axis; `opening`, how wide its end is; `turn` of its end against its own direction.

    Args:
        keypoints: (N, 24, 2) in shares of a square picture.
        presence: (24,) bool, which points the kind has.
    """
    low, high = keypoints[:, presence].min(1), keypoints[:, presence].max(1)  # (N, 2) each
    left, top = (low / np.maximum(1 - (high - low), 1e-6)).T
    raw = keypoints @ np.array([1, 1j])  # (N, 24), complex from here on
    head, foot = _ends(raw, presence)
    width = np.abs(np.subtract(*_pair(raw, _own_width(presence))))
    axis = (foot - head) / width
    z = (raw - head[:, None]) / (width * axis / (1j * np.abs(axis)))[:, None]  # upright, in multiples of its own width
    length = np.abs(axis)
    found = {
        "size": (high - low).max(1),
        "left": left,
        "top": top,
        "roll": np.angle(axis / 1j),
        "length": np.log(length),
    }
    above = np.zeros(len(z))
    for stem in _pairs(presence):
        first, second = _pair(z, stem)
        if stem != _own_width(presence):
            found[f"{stem}_width"] = np.log(np.abs(second - first))
        found[f"{stem}_tilt"] = np.angle(second - first)
        if stem not in _ENDS:
            middle = (first + second) / 2
            found[f"{stem}_drop"] = (middle.imag - above) / (length - above)
            found[f"{stem}_shift"] = middle.real
            above = middle.imag
    if presence[INDEX["center_front"]]:
        first, second = _pair(z, "neckline")
        front = (z[:, INDEX["center_front"]] - first) / (second - first)
        found |= {"front_shift": front.real, "front_drop": front.imag}
    for side, corners in limbs(presence).items():
        outer, out, inside, inner = _to_right(z[:, corners], side).T
        way, opening = (out + inside - outer - inner) / 2, out - inside
        found |= {
            f"{side}_reach": np.log(np.abs(way)),
            f"{side}_swing": np.angle(1j / way),
            f"{side}_opening": np.log(np.abs(opening)),
            f"{side}_turn": np.angle(way / (1j * opening)),
        }
    return found


def build(measures: Measures, presence: np.ndarray) -> np.ndarray:
    """Build the garments that have these measures; undoes `measure`.

    Returns:
        (N, 24, 2) float64; absent points are (-1, -1).
    """
    length = np.exp(measures["length"])
    z = np.zeros((len(length), NUM_KEYPOINTS), complex)  # upright, in multiples of its own width
    foot = 1j * length
    above = np.zeros(len(length))
    if presence[INDEX["crotch"]]:
        z[:, INDEX["crotch"]] = foot
    for stem in _pairs(presence):
        if stem in _ENDS:
            middle = np.zeros_like(foot) if stem in _ENDS[:2] else foot
        else:
            above = above + measures[f"{stem}_drop"] * (length - above)
            middle = measures[f"{stem}_shift"] + 1j * above
        half = np.exp(measures.get(f"{stem}_width", 0) + 1j * measures[f"{stem}_tilt"]) / 2
        z[:, INDEX[f"{stem}_left"]], z[:, INDEX[f"{stem}_right"]] = middle - half, middle + half
    if presence[INDEX["center_front"]]:
        first, second = _pair(z, "neckline")
        z[:, INDEX["center_front"]] = first + (measures["front_shift"] + 1j * measures["front_drop"]) * (second - first)
    for side, (outer, out, inside, inner) in limbs(presence).items():
        root = _to_right(z[:, [outer, inner]], side).mean(1)
        reach, swing, opening, turn = (measures[f"{side}_{name}"] for name in ("reach", "swing", "opening", "turn"))
        middle = root + 1j * np.exp(reach - 1j * swing)
        half = np.exp(opening - 1j * (swing + turn)) / 2
        z[:, [out, inside]] = _to_right(np.stack([middle + half, middle - half], axis=1), side)
    z *= np.exp(1j * measures["roll"])[:, None]
    keypoints: np.ndarray = np.stack([z.real, z.imag], axis=-1)  # (N, 24, 2)
    low, high = keypoints[:, presence].min(1), keypoints[:, presence].max(1)  # (N, 2) each
    scale = (measures["size"] / (high - low).max(1))[:, None]  # (N, 1)
    corner = np.column_stack([measures["left"], measures["top"]]) * (1 - scale * (high - low))
    keypoints = (keypoints - low[:, None]) * scale[:, None] + corner[:, None]
    keypoints[:, ~presence] = -1
    return keypoints


def are_sound(keypoints: np.ndarray, presence: np.ndarray) -> np.ndarray:
    """Tell which garments of one kind do not cross themselves, (N,) bool.

    The body's outline, with the centre front and without sleeves, and the four corners of each sleeve or leg must be
    simple polygons that run clockwise, so that no left and right or in and out are swapped; the neckline lies
    between the shoulders. Sleeves may lie on the body, and legs on each other.
    """
    z = keypoints @ np.array([1, 1j])
    sound = _are_simple(z[:, _outline(presence)])
    for side, corners in limbs(presence).items():
        sound &= _are_simple(_to_right(z[:, corners], side))
    if presence[INDEX["shoulder_left"]]:
        first, second = _pair(z, "shoulder")
        places = [((point - first) / (second - first)).real for point in _pair(z, "neckline")]
        sound &= (places[0] > 0) & (places[1] < 1)
    return sound


def limbs(presence: np.ndarray) -> dict[str, list[int]]:
    """Find the corners of each sleeve or leg that the kind has: {"left": (4,), "right": (4,)} or {}.

    Returns:
        indices in the order outer root, outer end, inner end, inner root. Without shoulders a sleeve begins at
        the neckline.
    """
    if presence[INDEX["crotch"]]:
        names = ("waistband_{}", "bottom_{}_out", "bottom_{}_in", "crotch")
    elif presence[INDEX["cuff_left_in"]]:
        outer = "shoulder_{}" if presence[INDEX["shoulder_left"]] else "neckline_{}"
        names = (outer, "cuff_{}_out", "cuff_{}_in", "armpit_{}")
    else:
        return {}
    return {side: [INDEX[name.format(side)] for name in names] for side in ("left", "right")}


def _pairs(presence: np.ndarray) -> list[str]:
    """List the pairs along the body that the kind has, from the top down."""
    return [stem for stem in _PAIRS if presence[INDEX[f"{stem}_left"]]]


def _pair(z: np.ndarray, stem: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the left and the right point of a pair, (N,) complex each."""
    return z[:, INDEX[f"{stem}_left"]], z[:, INDEX[f"{stem}_right"]]


def _own_width(presence: np.ndarray) -> str:
    """Name the pair by whose distance errors are divided (garments.NORMALIZER)."""
    return "armpit" if presence[INDEX["armpit_left"]] else "waistband"


def _ends(z: np.ndarray, presence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the two ends of the axis, (N,) complex each."""
    head, foot = (np.mean(_pair(z, stem), axis=0) for stem in (_pairs(presence)[0], _pairs(presence)[-1]))
    return head, z[:, INDEX["crotch"]] if presence[INDEX["crotch"]] else foot


def _outline(presence: np.ndarray) -> list[int]:
    """List the points around the body without its sleeves, clockwise; of trousers, down to the crotch."""
    pairs = _pairs(presence)
    names = [f"{stem}_right" for stem in pairs]
    names += ["crotch"] if presence[INDEX["crotch"]] else []
    names += [f"{stem}_left" for stem in reversed(pairs)]
    names += ["center_front"] if presence[INDEX["center_front"]] else []
    return [INDEX[name] for name in names]


def _to_right(z: np.ndarray, side: str) -> np.ndarray:
    """Mirror a left limb about x = 0, so that both sides are measured alike; its own inverse."""
    return -z.conj() if side == "left" else z


def _are_simple(polygons: np.ndarray) -> np.ndarray:
    """Tell which polygons (N, V), complex, run clockwise on the picture and do not touch themselves; (N,) bool."""
    corners = polygons.shape[1]
    ends = np.roll(polygons, -1, axis=1)
    area = (polygons.conj() * ends).imag.sum(1)
    edges = (ends - polygons)[:, :, None]  # (N, V, 1) against the corners of all edges (N, 1, V)
    starts_at = (edges.conj() * (polygons[:, None] - polygons[:, :, None])).imag
    ends_at = (edges.conj() * (ends[:, None] - polygons[:, :, None])).imag
    parted = starts_at * ends_at <= 0  # (N, V, V): edge j has its ends on the two sides of edge i
    gap = np.subtract.outer(np.arange(corners), np.arange(corners)) % corners
    apart = (gap > 1) & (gap < corners - 1)  # neighbours share a corner
    meet = parted & parted.transpose(0, 2, 1) & apart
    simple: np.ndarray = (area > 0) & ~meet.any((1, 2))
    return simple
