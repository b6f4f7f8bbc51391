"""One synthetic photo of one garment, with exact points, visibility that is measured, mask and box.

The order of work: the camera's perspective moves the layout's points; the garment is cut so that they are its corners;
background, wearer, garment and what hides it are painted from back to front; then it is looked up which piece lies on
top at each point; then the camera's light, blur, noise and compression change the pixels, which moves no point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hemline.annotation import ABSENT, OCCLUDED, VISIBLE
from hemline.errors import DataError, ShapeError, unknown_name
from hemline.garments import INDEX, NUM_KEYPOINTS, check_category
from hemline.synth import background, camera, props, wearer
from hemline.synth.bottoms import cut_skirt, cut_trousers
from hemline.synth.canvas import Canvas, blank_canvas, cast_shadow, cover_polygons
from hemline.synth.fabric import Fabric, dye, make_fabric, plain_fabric
from hemline.synth.layout import Places, complete_layout, own_name, width_of
from hemline.synth.piece import Garment, Piece, draw_piece
from hemline.synth.relief import Light, flat_relief, make_relief, random_light
from hemline.synth.tops import cut_top

Rng = np.random.Generator

SETTINGS = {"worn": 0.47, "flat": 0.36, "hanger": 0.1, "ghost": 0.07}
"""How a garment is shown, and how often: on a person, laid out, hung up, or as if an invisible person wore it."""


@dataclass(frozen=True)
class Rendered:
    """A synthetic photo and all that is known of it.

    image: (size, size, 3) uint8 RGB.
    keypoints: (24, 2) float64, continuous picture coordinates; absent ones are (-1, -1).
    visibility: (24,) int8: 1 on top, 0 covered by something, -1 not of this garment or outside the picture.
    mask: (size, size) uint8, 255 times the share of each pixel where the garment is seen.
    box: (left, top, right, bottom), the pixels of the mask that are not 0; all 0 where there are none.
    """

    image: np.ndarray
    keypoints: np.ndarray
    visibility: np.ndarray
    mask: np.ndarray
    box: tuple[float, float, float, float]


def render(
    rng: Rng,
    category: str,
    keypoints: np.ndarray,
    present: np.ndarray,
    *,
    size: int = 256,
    settings: Sequence[str] = tuple(SETTINGS),
    noise_free: bool = False,
    backgrounds: Sequence[np.ndarray] = (),
    fabrics: Sequence[np.ndarray] = (),
) -> Rendered:
    """Draw a garment whose points lie where a layout wants them.

    Args:
        rng: decides everything else; the same state gives the same bytes.
        category: one of garments.CATEGORIES.
        keypoints: (24, 2) float, continuous picture coordinates.
        present: (24,) bool, the points that the garment has; others are ignored.
        size: side of the square picture, pixels.
        settings: keys of SETTINGS, from which one is chosen, each as often beside the others as it says there.
        noise_free: only the garment, of plain cloth on a plain background, seen by an ideal camera.
        backgrounds: (H, W, 3) uint8 RGB, real backgrounds, used now and then.
        fabrics: (H, W, 3) uint8 RGB, pieces of real cloth, used now and then.
    Returns:
        the photo; its points have moved by the camera's perspective.
    Raises:
        DataError: an unknown category or setting.
        ShapeError: not 24 points.
    Edge cases: points that lie outside the picture become absent; a garment whose points all coincide is drawn
        as small as they are.
    """
    check_category(category)
    if keypoints.shape != (NUM_KEYPOINTS, 2) or present.shape != (NUM_KEYPOINTS,):
        raise ShapeError(
            f"keypoints {keypoints.shape} and present {present.shape}, "
            f"expected ({NUM_KEYPOINTS}, 2) and ({NUM_KEYPOINTS},)"
        )
    present = present.astype(bool) & np.isfinite(keypoints).all(1)
    points = camera.tilt_points(rng, np.where(present[:, None], keypoints, size / 2), size)
    at = complete_layout(category, points, present, size)
    light = random_light(rng, size)
    setting = "plain" if noise_free else _choose_setting(rng, settings)
    shell = plain_fabric(dye(rng)) if noise_free else _main_fabric(rng, category, width_of(at, size), size, fabrics)
    garment = _cut(rng, category, at, worn=setting in ("worn", "ghost"), size=size, shell=shell)
    around = wearer.Surroundings()
    if setting == "worn":
        dress = wearer.dress_bottom if category in ("skirt", "trousers") else wearer.dress_top
        around = dress(rng, category, at, size)
    elif setting == "hanger":
        around.between = props.hanger(rng, at, size)
    if setting in ("flat", "hanger") and rng.random() < 0.35:
        around.behind += props.clutter(rng, size)
    if (setting == "worn" and rng.random() < 0.3) or (setting in ("flat", "hanger") and rng.random() < 0.03):
        around.over += props.hold_before(rng, at, size)
    canvas = _paint_background(rng, setting, size, light, shell, backgrounds)
    relief = (
        flat_relief(size)
        if noise_free
        else make_relief(rng, size, light, folds=garment.folds, wrinkles=rng.gamma(3.0, 0.3), scale=1.5 * garment.width)
    )
    if not noise_free and setting != "worn":
        _lay_shadow(canvas, garment, light)
    order = _stack(garment, around)
    for number, piece in enumerate(order, 1):
        draw_piece(canvas, piece, number, light, relief)
    located, visibility = _look_up(canvas, order, category, points, present)
    mask = np.round(canvas.garment * 255).astype(np.uint8)
    if noise_free:
        image = np.clip(canvas.image, 0, 255).astype(np.uint8)
    else:
        image = camera.record(rng, camera.expose(rng, canvas.image))
    return Rendered(image, located, visibility, mask, _box(mask))


def _choose_setting(rng: Rng, settings: Sequence[str]) -> str:
    for setting in settings:
        if setting not in SETTINGS:
            raise DataError(unknown_name("setting", setting, SETTINGS))
    odds = np.array([SETTINGS[setting] for setting in settings])
    return str(rng.choice(settings, p=odds / odds.sum()))


def _main_fabric(rng: Rng, category: str, width: float, size: int, photos: Sequence[np.ndarray]) -> Fabric:
    use = {"outwear": "coat", "trousers": "trousers"}.get(category, "any")
    return make_fabric(rng, width, size, use=use, photos=photos)


def _cut(rng: Rng, category: str, at: Places, *, worn: bool, size: int, shell: Fabric) -> Garment:
    if category == "skirt":
        return cut_skirt(rng, at, worn=worn, size=size, shell=shell)
    if category == "trousers":
        return cut_trousers(rng, at, worn=worn, size=size, shell=shell, jeans=bool(rng.random() < 0.4))
    return cut_top(rng, category, at, worn=worn, size=size, shell=shell)


def _paint_background(
    rng: Rng, setting: str, size: int, light: Light, shell: Fabric, photos: Sequence[np.ndarray]
) -> Canvas:
    if setting == "plain":
        dark = shell.color.mean() < 128
        return blank_canvas(background.plain_background(np.full(3, 250.0 if dark else 5.0), size))
    kinds = {"worn": background.STREET, "flat": background.FLAT, "hanger": background.HANGING, "ghost": ("studio",)}[
        setting
    ]
    return blank_canvas(background.paint_background(rng, size, light, kinds=kinds, photos=photos))


def _stack(garment: Garment, around: wearer.Surroundings) -> list[Piece]:
    """List all pieces from back to front."""
    hidden_hands = [hand for side, hand in around.hands.items() if side not in garment.sleeves]
    order = [*around.behind, *hidden_hands, *garment.behind, *around.between, *garment.front]
    for side, sleeve in garment.sleeves.items():
        order += [around.hands[side], sleeve] if side in around.hands else [sleeve]
    return [*order, *garment.neck, *around.over]


def _lay_shadow(canvas: Canvas, garment: Garment, light: Light) -> None:
    """Darken the background around a garment that lies or hangs: a broad soft shadow besides each piece's own."""
    cover = cover_polygons(
        [polygon for piece in (*garment.front, *garment.sleeves.values()) for polygon in piece.polygons], canvas.size
    )
    if cover is not None:
        cast_shadow(canvas, cover, light.shadow * 1.5, light.softness * 2, 0.3)


def _look_up(
    canvas: Canvas, order: Sequence[Piece], category: str, points: np.ndarray, present: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find which points can be seen.

    A point is visible where its own piece lies on top in most of those pixels beside it that the piece covers.
    """
    size = canvas.size
    keypoints = np.full((NUM_KEYPOINTS, 2), -1.0)
    visibility = np.full(NUM_KEYPOINTS, ABSENT, np.int8)
    owners: dict[int, list[int]] = {}
    for number, piece in enumerate(order, 1):
        for name in piece.owns:
            index = INDEX.get(own_name(category, name))
            if index is not None and present[index]:
                owners.setdefault(index, []).append(number)
    reach = max(2.0, size / 100)
    for index, numbers in owners.items():
        x, y = points[index]
        if not (0 <= x <= size and 0 <= y <= size):
            continue
        keypoints[index] = x, y
        rows = slice(max(0, int(y - reach)), min(size, int(y + reach) + 1))
        columns = slice(max(0, int(x - reach)), min(size, int(x + reach) + 1))
        beside = _covered(order, numbers, (rows, columns), size)
        if not beside.any():
            beside[:] = True
        on_top = np.isin(canvas.top[rows, columns], numbers)
        visibility[index] = VISIBLE if on_top[beside].mean() >= 0.5 else OCCLUDED
    return keypoints, visibility


def _covered(order: Sequence[Piece], numbers: Sequence[int], window: tuple[slice, slice], size: int) -> np.ndarray:
    """Find which pixels of a window the pieces would cover if nothing lay on them, (h, w) bool."""
    rows, columns = window
    corner = np.array([columns.start, rows.start])
    side = max(rows.stop - rows.start, columns.stop - columns.start)
    covered = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
    for number in numbers:
        cover = cover_polygons([polygon - corner for polygon in order[number - 1].polygons], side)
        if cover is not None:
            whole = np.zeros((side, side), bool)
            whole[cover.window] = cover.alpha > 0.5
            covered |= whole[: covered.shape[0], : covered.shape[1]]
    return covered


def _box(mask: np.ndarray) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0.0, 0.0, 0.0, 0.0
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
