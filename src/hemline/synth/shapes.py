"""Plain drawn garments with exact labels: filled outlines on gradients, for the demo and for tests.

A garment is laid out upright about x = 0 with y down, in units of about twice its shoulder width, then turned,
scaled and moved into the picture. Every keypoint is a corner or a line's end that can be seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from hemline.annotation import ABSENT, VISIBLE, Annotation, AnnotationTable
from hemline.errors import DataError
from hemline.formats.fashionai import write_annotations
from hemline.garments import CATEGORIES, INDEX, NUM_KEYPOINTS, check_category
from hemline.geometry import apply_affine
from hemline.images import write_image

Rng = np.random.Generator
Layout = dict[str, np.ndarray]
"""Places of the keypoints that the garment has, by name."""
Stroke = tuple[str, np.ndarray, float]
"""One thing to draw: "fill" or "line", its points (N, 2), and its brightness relative to the fabric."""

_OVERSAMPLING = 4
_SIDES = (("left", -1), ("right", 1))


def draw_garment(rng: Rng, category: str, size: int = 512) -> tuple[np.ndarray, Annotation]:
    """Draw one garment, whole and in the open.

    Args:
        rng: decides everything.
        category: one of garments.CATEGORIES.
        size: side of the square picture, pixels.
    Returns:
        (size, size, 3) uint8 RGB, and its points: visible and sub-pixel, or absent (no sleeves, no waist). The
        id is "Images/<category>/<32 hex digits>.jpg".
    """
    check_category(category)
    image_id = f"Images/{category}/{rng.bytes(16).hex()}.jpg"
    if category == "skirt":
        layout, strokes = _lay_out_skirt(rng)
    elif category == "trousers":
        layout, strokes = _lay_out_trousers(rng)
    else:
        layout, strokes = _lay_out_top(rng, category)
    matrix = _place(rng, np.concatenate([points for _, points, _ in strokes]), size)
    background, fabric = _paint_surfaces(rng, size)
    image, silhouette = background, np.zeros((size, size, 1), np.float32)
    for kind, points, brightness in strokes:
        cover = _cover(kind, apply_affine(matrix, points), size)
        if kind == "fill":
            silhouette = np.maximum(silhouette, cover)
        else:
            cover = cover * silhouette  # half of an outline would lie outside and move the corners
        image = image + cover * (np.clip(fabric * brightness, 0, 255) - image)
    image += rng.normal(0, rng.uniform(1, 6), image.shape)

    keypoints = np.full((NUM_KEYPOINTS, 2), -1.0)
    visibility = np.full(NUM_KEYPOINTS, ABSENT, np.int8)
    for name, point in layout.items():
        keypoints[INDEX[name]] = apply_affine(matrix, point)
        visibility[INDEX[name]] = VISIBLE
    pixels = np.clip(image, 0, 255).round().astype(np.uint8)
    return pixels, Annotation(image_id, category, keypoints, visibility)


def write_drawn_set(out: Path, *, count: int, seed: int, size: int = 512) -> Iterator[Annotation]:
    """Write drawn garments as a FashionAI root: Images/<category>/*.jpg and Annotations/train.csv.

    The n-th garment depends on (seed, n, size) only; categories take turns. The CSV is written last, so that a
    root that has one is complete.

    Args:
        out: the root; made where it is missing.
        count: number of garments.
        seed: of all random choices.
        size: side of the pictures.
    Yields:
        each garment, once its picture is written.
    Raises:
        DataError: the root has an Annotations/train.csv already.
    """
    labels = out / "Annotations" / "train.csv"
    if labels.exists():
        raise DataError(f"{labels} is there already; give another --out, or delete {out} first")
    drawn = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        pixels, annotation = draw_garment(rng, CATEGORIES[number % len(CATEGORIES)], size)
        write_image(out / annotation.image_id, pixels)
        drawn.append(annotation)
        yield annotation
    points = [np.column_stack([annotation.keypoints, annotation.visibility]) for annotation in drawn]
    table = AnnotationTable(
        tuple(annotation.image_id for annotation in drawn),
        tuple(annotation.category for annotation in drawn),
        np.stack(points),
    )
    write_annotations(labels, table)


def _lay_out_top(rng: Rng, category: str) -> tuple[Layout, list[Stroke]]:
    """Lay out a blouse, an outwear or a dress."""
    at: Layout = {}
    neck, shoulder, armpit = rng.uniform(0.15, 0.28), rng.uniform(0.42, 0.55), rng.uniform(0.40, 0.50)
    shoulder_y = rng.uniform(0.08, 0.18)
    armpit_y = shoulder_y + rng.uniform(0.28, 0.42)
    bottom_y = {"blouse": rng.uniform(1.0, 1.4), "outwear": rng.uniform(1.0, 1.8), "dress": rng.uniform(1.5, 2.4)}
    flare = {"blouse": rng.uniform(0.95, 1.25), "outwear": rng.uniform(0.95, 1.3), "dress": rng.uniform(1.0, 1.9)}
    has_waist = category != "blouse" and rng.random() < 0.65
    waist_y = armpit_y + (bottom_y[category] - armpit_y) * rng.uniform(0.3, 0.5)
    has_sleeves = rng.random() < (0.95 if category == "outwear" else 0.65)
    sleeve_length, cuff_width = rng.uniform(0.25, 1.1), rng.uniform(0.15, 0.28)
    hem = "hemline" if category == "dress" else "top_hem"

    for side, sign in _SIDES:
        at[f"neckline_{side}"] = _near(rng, sign * neck, 0.0)
        at[f"shoulder_{side}"] = _near(rng, sign * shoulder, shoulder_y)
        at[f"armpit_{side}"] = _near(rng, sign * armpit, armpit_y)
        at[f"{hem}_{side}"] = _near(rng, sign * armpit * flare[category], bottom_y[category])
        if has_waist:
            at[f"waistline_{side}"] = _near(rng, sign * armpit * rng.uniform(0.72, 0.9), waist_y)
        if has_sleeves:
            angle = np.deg2rad(rng.uniform(20, 65))  # between the sleeve and straight down
            along = np.array([sign * np.sin(angle), np.cos(angle)])
            inwards = np.array([-sign * np.cos(angle), np.sin(angle)])
            at[f"cuff_{side}_out"] = at[f"shoulder_{side}"] + sleeve_length * along
            at[f"cuff_{side}_in"] = at[f"cuff_{side}_out"] + cuff_width * inwards
    front = _near(rng, 0.0, rng.uniform(0.08, 0.5))
    if category != "outwear":
        at["center_front"] = front

    neckline = _neckline(rng, at["neckline_left"], front, at["neckline_right"])
    left_side, right_side = (_side_of_top(at, side, hem=hem) for side, _ in _SIDES)
    bottom = _arc(right_side[-1], left_side[-1], sag=-rng.uniform(0.0, 0.06))
    outline = np.concatenate([neckline, right_side, bottom, left_side[::-1]])
    back = _arc(at["neckline_left"], at["neckline_right"], sag=rng.uniform(-0.02, 0.05))
    strokes: list[Stroke] = [
        ("fill", np.concatenate([neckline, back[::-1]]), 0.55),  # the inside of the back, seen through the neck
        ("fill", outline, 1.0),
        ("line", np.concatenate([outline, outline[:1]]), 0.6),
        ("line", neckline, 0.4),
    ]
    for side, _ in _SIDES:
        if has_sleeves:
            corners = (f"shoulder_{side}", f"cuff_{side}_out", f"cuff_{side}_in", f"armpit_{side}", f"shoulder_{side}")
            sleeve = np.array([at[name] for name in corners])
            strokes += [("fill", sleeve, 0.93), ("line", sleeve, 0.6)]
    if has_waist:
        strokes.append(("line", np.array([at["waistline_left"], at["waistline_right"]]), 0.4))
    if category == "outwear":
        strokes.append(("line", np.array([front, (at["top_hem_left"] + at["top_hem_right"]) / 2]), 0.4))
    return at, strokes


def _lay_out_skirt(rng: Rng) -> tuple[Layout, list[Stroke]]:
    at: Layout = {}
    waist, bottom = rng.uniform(0.28, 0.42), rng.uniform(0.4, 0.9)
    length = rng.uniform(0.7, 1.7)
    for side, sign in _SIDES:
        at[f"waistband_{side}"] = _near(rng, sign * waist, 0.0)
        at[f"hemline_{side}"] = _near(rng, sign * bottom, length)
    hip = rng.uniform(0.0, 0.08)  # how far the sides bend outwards
    outline = np.concatenate(
        [
            _arc(at["waistband_left"], at["waistband_right"], sag=rng.uniform(-0.02, 0.05)),
            _arc(at["waistband_right"], at["hemline_right"], sag=-hip),
            _arc(at["hemline_right"], at["hemline_left"], sag=-rng.uniform(0.0, 0.12)),
            _arc(at["hemline_left"], at["waistband_left"], sag=-hip),
        ]
    )
    strokes: list[Stroke] = [("fill", outline, 1.0), ("line", outline, 0.6), _waistband(rng, at)]
    for share in np.linspace(0, 1, rng.integers(2, 7))[1:-1]:  # pleats
        top = at["waistband_left"] + share * (at["waistband_right"] - at["waistband_left"])
        foot = at["hemline_left"] + share * (at["hemline_right"] - at["hemline_left"])
        strokes.append(("line", np.array([top + 0.15 * (foot - top), top + 0.9 * (foot - top)]), 0.75))
    return at, strokes


def _lay_out_trousers(rng: Rng) -> tuple[Layout, list[Stroke]]:
    at: Layout = {}
    waist, crotch_y = rng.uniform(0.3, 0.42), rng.uniform(0.5, 0.75)
    length, leg = crotch_y + rng.uniform(0.35, 1.5), rng.uniform(0.17, 0.3)
    spread = rng.uniform(0.06, 0.25)  # from the middle to the inner corner of a leg
    at["crotch"] = _near(rng, 0.0, crotch_y)
    for side, sign in _SIDES:
        at[f"waistband_{side}"] = _near(rng, sign * waist, 0.0)
        at[f"bottom_{side}_in"] = _near(rng, sign * spread, length)
        at[f"bottom_{side}_out"] = _near(rng, sign * (spread + leg), length - rng.uniform(0.0, 0.05))
    hip = rng.uniform(0.02, 0.1)
    outline = np.concatenate(
        [
            _arc(at["waistband_left"], at["waistband_right"], sag=rng.uniform(-0.02, 0.05)),
            _arc(at["waistband_right"], at["bottom_right_out"], sag=-hip),
            np.array([at["bottom_right_in"], at["crotch"], at["bottom_left_in"]]),
            _arc(at["bottom_left_out"], at["waistband_left"], sag=-hip),
        ]
    )
    middle = (at["waistband_left"] + at["waistband_right"]) / 2
    fly = np.array([middle, at["crotch"]])
    return at, [("fill", outline, 1.0), ("line", outline, 0.6), ("line", fly, 0.5), _waistband(rng, at)]


def _near(rng: Rng, x: float, y: float) -> np.ndarray:
    """Return a point near (x, y), so that no garment is quite symmetric."""
    return np.array([x, y]) + rng.normal(0, 0.012, 2)


def _side_of_top(at: Layout, side: str, *, hem: str) -> np.ndarray:
    """Trace one side of a top from its shoulder down to its hem; an armhole without a sleeve is hollow."""
    shoulder, armpit = at[f"shoulder_{side}"], at[f"armpit_{side}"]
    armhole = np.array([shoulder, armpit])
    if f"cuff_{side}_in" not in at:
        armhole = _arc(shoulder, armpit, sag=0.05 if side == "right" else -0.05)
    below = [at[name] for name in (f"waistline_{side}", f"{hem}_{side}") if name in at]
    return np.concatenate([armhole, below])


def _neckline(rng: Rng, left: np.ndarray, front: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Trace a V or a round neck from left to right through the centre front."""
    if rng.random() < 0.4:
        return np.array([left, front, right])
    return _bezier(left, 2 * front - (left + right) / 2, right)


def _waistband(rng: Rng, at: Layout) -> Stroke:
    """Draw the lower edge of a waistband."""
    below = np.array([0.0, rng.uniform(0.06, 0.1)])
    inset = 0.01 * np.array([1.0, 0.0])
    return "line", np.array([at["waistband_left"] + below + inset, at["waistband_right"] + below - inset]), 0.5


def _arc(start: np.ndarray, end: np.ndarray, *, sag: float) -> np.ndarray:
    """Trace a shallow arc whose middle lies `sag` to the right of the way, seen on the picture."""
    across = np.array([start[1] - end[1], end[0] - start[0]])
    middle = (start + end) / 2 + 2 * sag * across / np.linalg.norm(across)
    return _bezier(start, middle, end)


def _bezier(start: np.ndarray, control: np.ndarray, end: np.ndarray) -> np.ndarray:
    share = np.linspace(0, 1, 17)[:, None]
    return (1 - share) ** 2 * start + 2 * share * (1 - share) * control + share**2 * end  # (17, 2)


def _place(rng: Rng, points: np.ndarray, size: int) -> np.ndarray:
    """Draw the map from the layout to the picture; everything stays inside.

    Returns:
        (2, 3) affine.
    """
    angle = np.deg2rad(rng.uniform(-10, 10))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = points @ turn.T
    low, high = turned.min(0), turned.max(0)
    scale = size * rng.uniform(0.6, 0.92) / (high - low).max()
    room = size - scale * (high - low)
    margin = 0.03 * size
    corner = rng.uniform(np.full(2, margin), np.maximum(room - margin, margin))
    return np.column_stack([scale * turn, corner - scale * low])


def _cover(kind: str, points: np.ndarray, size: int) -> np.ndarray:
    """Measure how much of each pixel a shape covers.

    Returns:
        (size, size, 1) float32 in [0, 1].
    """
    side = size * _OVERSAMPLING
    mask = np.zeros((side, side), np.uint8)
    # OpenCV draws about pixel centres: continuous c is index c - 0.5; 8 fractional bits.
    fixed = np.round((points * _OVERSAMPLING - 0.5) * 256).astype(np.int32)
    if kind == "fill":
        cv2.fillPoly(mask, [fixed], 255, shift=8)
    else:
        cv2.polylines(mask, [fixed], False, 255, thickness=max(1, side // 200), shift=8)
    return cv2.resize(mask, (size, size), interpolation=cv2.INTER_AREA)[:, :, None].astype(np.float32) / 255


def _paint_surfaces(rng: Rng, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Paint a background and a fabric of clearly different colours, both (size, size, 3) float32."""
    ends = rng.uniform(20, 255, (2, 3))
    color = rng.uniform(15, 245, 3)
    while np.linalg.norm(ends - color, axis=1).min() < 110:
        color = rng.uniform(15, 245, 3)
    y, x = np.mgrid[:size, :size] / size
    slope = _wave_direction(rng)
    ramp = np.clip(0.5 + (x - 0.5) * slope[0] + (y - 0.5) * slope[1], 0, 1)[:, :, None]
    background = ends[0] + ramp * (ends[1] - ends[0]) + 12 * _clouds(rng, size)
    fabric = color + 14 * _clouds(rng, size) + _pattern(rng, x, y)[:, :, None]
    return background.astype(np.float32), fabric.astype(np.float32)


def _pattern(rng: Rng, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Draw plain cloth, stripes or checks, as brightness to add."""
    first, second = _wave_direction(rng), _wave_direction(rng)
    frequency = rng.uniform(6, 30) * 2 * np.pi
    depth = rng.uniform(5, 25)
    kind = rng.integers(3)
    stripes = depth * np.sign(np.sin(frequency * (first[0] * x + first[1] * y)))
    checks = depth * np.sign(np.sin(frequency * (second[0] * x + second[1] * y)))
    return (0 * x, stripes, (stripes + checks) / 2)[kind]


def _wave_direction(rng: Rng) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def _clouds(rng: Rng, size: int) -> np.ndarray:
    """Draw smooth noise of about unit strength, (size, size, 1)."""
    coarse = rng.normal(0, 1, (8, 8)).astype(np.float32)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)[:, :, None]
