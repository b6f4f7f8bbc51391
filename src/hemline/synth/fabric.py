"""Cloth: its colours, its weave, its pattern, drawn by numbers.

A swatch is a piece of flat cloth at the scale of the picture: laid on a piece of a garment it is only turned and
moved, never zoomed, so that threads stay as fine as they were drawn. Beyond its edges it goes on mirrored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

Rng = np.random.Generator


@dataclass(frozen=True)
class Fabric:
    """What a garment is made of.

    color: (3,) float, RGB 0 to 255, what the cloth looks like from afar.
    swatch: (T, T, 3) float32, RGB around 0 to 255; (1, 1, 3) for plain cloth.
    gloss: 0 matt, 1 shiny: how strongly highlights show.
    opacity: 1 hides what lies behind, less is sheer.
    quilted: stitched in bands that bulge, like a puffer jacket.
    """

    color: np.ndarray
    swatch: np.ndarray
    gloss: float = 0.0
    opacity: float = 1.0
    quilted: bool = False


def plain_fabric(color: np.ndarray) -> Fabric:
    """Make cloth of one flat colour."""
    color = np.asarray(color, np.float32)
    return Fabric(color, color.reshape(1, 1, 3))


def dye(rng: Rng) -> np.ndarray:
    """Draw a colour that clothes have: dark, white, grey, muted or strong; (3,) float RGB."""
    kind = rng.choice(6, p=(0.28, 0.15, 0.13, 0.24, 0.11, 0.09))
    if kind == 0:
        return _hsv(rng.uniform(0, 360), rng.uniform(0, 0.45), rng.uniform(0.06, 0.26))
    if kind == 1:
        return _hsv(rng.uniform(20, 260), rng.uniform(0, 0.1), rng.uniform(0.78, 0.97))
    if kind == 2:
        return _hsv(rng.uniform(0, 360), rng.uniform(0, 0.08), rng.uniform(0.3, 0.8))
    if kind == 3:  # khaki, brown, olive, rose, navy
        return _hsv(
            rng.choice((25, 35, 60, 90, 210, 230, 345)) + rng.normal(0, 8),
            rng.uniform(0.15, 0.55),
            rng.uniform(0.25, 0.85),
        )
    if kind == 4:
        return _hsv(
            rng.choice((0, 15, 45, 140, 180, 205, 225, 285, 330)) + rng.normal(0, 10),
            rng.uniform(0.55, 0.95),
            rng.uniform(0.4, 0.95),
        )
    return _hsv(rng.uniform(0, 360), rng.uniform(0.12, 0.4), rng.uniform(0.7, 0.95))


def denim_blue(rng: Rng) -> np.ndarray:
    """Draw a colour of jeans, (3,) float RGB."""
    return _hsv(rng.normal(215, 7), rng.uniform(0.2, 0.65), rng.choice((rng.uniform(0.2, 0.4), rng.uniform(0.4, 0.75))))


def skin_tone(rng: Rng) -> np.ndarray:
    """Draw a colour of skin, (3,) float RGB."""
    fair, dark = np.array([240, 205, 180.0]), np.array([85, 55, 40.0])
    depth = rng.beta(1.2, 2.2)
    return fair + depth * (dark - fair) + rng.normal(0, 6, 3)


def hair_color(rng: Rng) -> np.ndarray:
    """Draw a colour of hair, (3,) float RGB."""
    shades = np.array([[25, 20, 18], [60, 40, 28], [110, 72, 42], [190, 150, 95], [150, 70, 35], [150, 145, 140.0]])
    return shades[rng.choice(6, p=(0.3, 0.25, 0.2, 0.15, 0.05, 0.05))] * rng.uniform(0.8, 1.2)


def make_fabric(rng: Rng, unit: float, side: int, *, use: str = "any", photos: Sequence[np.ndarray] = ()) -> Fabric:
    """Make cloth of a random kind.

    Args:
        unit: width of the garment, pixels; stripes and flowers are sized by it.
        side: of the swatch, pixels.
        use: "any", "coat" (heavy), "trousers" (denim is likely), "lining" (plain).
        photos: (H, W, 3) uint8 RGB, pieces of real cloth, used now and then.
    """
    if len(photos) and use != "lining" and rng.random() < 0.5:
        return _photo_fabric(rng, photos, side)
    kinds, weights = _KINDS[use]
    kind = kinds[rng.choice(len(kinds), p=np.array(weights) / np.sum(weights))]
    color = denim_blue(rng) if kind == "denim" else dye(rng)
    swatch = _WEAVES[kind](rng, color.astype(np.float32), unit, side)
    fabric = Fabric(swatch.mean((0, 1)), np.ascontiguousarray(swatch, np.float32))
    if kind == "plain":
        fabric = replace(fabric, gloss=float(rng.choice((0, 0, 0.4, 0.9)) * rng.random()))
        fabric = replace(fabric, quilted=use == "coat" and rng.random() < 0.25)
    if use == "any" and rng.random() < 0.05:
        fabric = replace(fabric, opacity=rng.uniform(0.55, 0.9))
    return fabric


def lay_fabric(
    fabric: Fabric, frame: np.ndarray, window: tuple[slice, slice], slopes: tuple[np.ndarray, np.ndarray] | None = None
) -> np.ndarray:
    """Look up the colour of cloth laid on the picture.

    Args:
        frame: (2, 3) affine map from the picture to the swatch.
        window: rows and columns of the picture.
        slopes: two (h, w) float32 shifts of the look-up in pixels: how folds bend the pattern.
    Returns:
        (h, w, 3) float32, or (3,) where the cloth is plain.
    """
    if fabric.swatch.shape[0] == 1:
        return fabric.swatch[0, 0]
    rows, columns = window
    x = np.arange(columns.start, columns.stop, dtype=np.float32)[None] + np.float32(0.5)
    y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] + np.float32(0.5)
    (a, b, c), (d, e, f) = frame.astype(np.float32)
    map_x, map_y = a * x + b * y + c, d * x + e * y + f
    if slopes is not None:
        map_x, map_y = map_x + slopes[0], map_y + slopes[1]
    return cv2.remap(fabric.swatch, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def smooth_noise(rng: Rng, shape_hw: tuple[int, int], cells_hw: tuple[int, int]) -> np.ndarray:
    """Draw smooth noise of about unit strength from a coarse grid of cells, (h, w) float32."""
    coarse = rng.standard_normal((max(2, cells_hw[0]), max(2, cells_hw[1])), np.float32)
    return cv2.resize(coarse, shape_hw[::-1], interpolation=cv2.INTER_CUBIC)


def _hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    sector = (np.array([5.0, 3.0, 1.0]) + (hue % 360) / 60) % 6
    rgb: np.ndarray = 255 * (value - value * saturation * np.clip(np.minimum(sector, 4 - sector), 0, 1))
    return rgb


def _contrast(rng: Rng, color: np.ndarray) -> np.ndarray:
    """Draw a second colour that stands out from the first, float32."""
    for _ in range(4):
        other = dye(rng)
        if np.abs(other - color).max() > 70:
            break
    return other.astype(np.float32)


def _flat(rng: Rng, color: np.ndarray, unit: float, side: int) -> np.ndarray:
    """Plain cloth: hardly seen threads and unevenness."""
    grain = rng.standard_normal((side, side), np.float32)
    uneven = smooth_noise(rng, (side, side), (side // 5, side // 5))
    return color * (1 + (grain + uneven)[:, :, None] * np.float32(rng.uniform(0, 0.035)))


def _woven(rng: Rng, color: np.ndarray, unit: float, side: int) -> np.ndarray:
    """Threads of uneven brightness, along and across."""
    along = rng.standard_normal((side, 1), np.float32) + 0.5 * rng.standard_normal((side, side), np.float32)
    across = rng.standard_normal((1, side), np.float32)
    return color * (1 + (along + across)[:, :, None] * np.float32(rng.uniform(0.02, 0.09)))


def _rib(rng: Rng, color: np.ndarray, unit: float, side: int) -> np.ndarray:
    """Knit: ribs along the cloth, or rows of loops."""
    period = max(2.5, unit * rng.uniform(0.02, 0.06))
    x, y = np.arange(side, dtype=np.float32)[None], np.arange(side, dtype=np.float32)[:, None]
    turn = 2 * np.pi / period
    ribs = np.sin(turn * x)
    if rng.random() < 0.5:
        ribs = 0.6 * np.sin(turn * x + 2 * np.abs(np.sin(0.5 * turn * y))) + 0.4 * ribs
    noise = rng.standard_normal((side, side), np.float32) * 0.4
    return color * (1 + (ribs + noise)[:, :, None] * np.float32(rng.uniform(0.05, 0.16)))


def _denim(rng: Rng, color: np.ndarray, unit: float, side: int) -> np.ndarray:
    threads = rng.standard_normal((side, side), np.float32)
    twill = cv2.warpAffine(threads, np.array([[1, 0.6, 0], [0, 1, 0]]), (side, side), borderMode=cv2.BORDER_REFLECT)
    worn = smooth_noise(rng, (side, side), (4, 4)) * rng.uniform(0, 0.22)
    light = np.array([235, 240, 245], np.float32)
    share = np.clip(0.06 * twill + np.maximum(worn, 0), -0.2, 0.8)[:, :, None]
    return color + share * (light - color)


def _stripes(rng: Rng, color: np.ndarray, unit: float, side: int) -> np.ndarray:
    line = _bands(rng, color, unit, side)
    cloth = np.broadcast_to(line[:, None] if rng.random() < 0.65 else line[None], (side, side, 3))
    return cloth + rng.standard_normal((side, side, 1), np.float32) * np.float32(rng.uniform(0, 4))


def _checks(rng: Rng, color: np.ndarray, unit: float, side: int) -> np.ndarray:
    first = _bands(rng, color, unit, side)
    second = first if rng.random() < 0.7 else _bands(rng, color, unit, side)
    cloth = (first[:, None] + second[None]) / 2
    if rng.random() < 0.4:  # the third colour of tartan lies where both bands do
        cloth = np.minimum(first[:, None], second[None])
    return cloth + rng.standard_normal((side, side, 1), np.float32) * np.float32(rng.uniform(0, 5))


def _bands(rng: Rng, color: np.ndarray, unit: float, side: int) -> np.ndarray:
    """Draw the colours across stripes that repeat, (side, 3) float32; edges are soft over a pixel."""
    period = max(4.0, unit * np.exp(rng.uniform(np.log(0.04), np.log(0.45))))
    place = (np.arange(side) / period + rng.random()) % 1
    line = np.repeat(color[None], side, 0)
    for _ in range(rng.integers(1, 4)):
        start, width = rng.random(), rng.uniform(0.08, 0.5)
        inside = np.clip(((width / 2 - np.abs((place - start) % 1 - width / 2)) * period + 0.5), 0, 1)[:, None]
        line = line + inside * (_contrast(rng, color) - line)
    return line.astype(np.float32)


def _dots(rng: Rng, color: np.ndarray, unit: float, side: int) -> np.ndarray:
    period = max(5.0, unit * rng.uniform(0.05, 0.25))
    x, y = np.arange(side)[None] / period, np.arange(side)[:, None] / period
    odd = np.floor(y) % 2
    distance = np.hypot((x + 0.5 * odd) % 1 - 0.5, y % 1 - 0.5)
    dot = np.clip((rng.uniform(0.12, 0.38) - distance) * period + 0.5, 0, 1)[:, :, None].astype(np.float32)
    return color + dot * (_contrast(rng, color) - color)


def _floral(rng: Rng, color: np.ndarray, unit: float, side: int) -> np.ndarray:
    """Scattered flowers and leaves, a few motifs stamped many times."""
    cloth = np.empty((side, side, 3), np.float32)
    cloth[:] = color
    colors = [_contrast(rng, color) for _ in range(rng.integers(2, 5))]
    radius = max(2.0, unit * rng.uniform(0.02, 0.1))
    count = int(np.clip(0.12 * side * side / radius**2 * rng.uniform(0.5, 1.3), 10, 160))
    places = rng.uniform(0, side, (count, 2)) * 16
    turns = rng.uniform(0, 2 * np.pi, count)
    petals = int(rng.integers(0, 7))
    for (x, y), turn, pick in zip(places, turns, rng.integers(0, len(colors), count), strict=True):
        petal_color, size = colors[pick].tolist(), radius * rng.uniform(0.6, 1.2)
        if petals < 3:  # leaves, brush strokes
            axes = (int(size * 16), int(size * rng.uniform(4, 9)))
            cv2.ellipse(cloth, (int(x), int(y)), axes, np.rad2deg(turn), 0, 360, petal_color, -1, shift=4)
            continue
        for angle in turn + 2 * np.pi / petals * np.arange(petals):
            centre = int(x + 9 * size * np.cos(angle)), int(y + 9 * size * np.sin(angle))
            cv2.circle(cloth, centre, int(7 * size), petal_color, -1, shift=4)
        cv2.circle(cloth, (int(x), int(y)), int(5 * size), colors[pick - 1].tolist(), -1, shift=4)
    return cloth


def _blotches(rng: Rng, color: np.ndarray, unit: float, side: int) -> np.ndarray:
    """Camouflage, animal fur, batik: patches with wavy edges."""
    cloth = np.empty((side, side, 3), np.float32)
    cloth[:] = color
    cells = max(3, int(side / (unit * rng.uniform(0.04, 0.25) + 2)))
    stretch = rng.choice((1, 1, 3))
    for _ in range(rng.integers(1, 4)):
        field = smooth_noise(rng, (side, side), (cells, cells * stretch))
        ring = np.abs(field) if rng.random() < 0.4 else field
        share = np.clip((ring - rng.uniform(0.2, 0.8)) * 6, 0, 1)[:, :, None]
        cloth += share * (_contrast(rng, color) - cloth)
    return cloth


def _melange(rng: Rng, color: np.ndarray, unit: float, side: int) -> np.ndarray:
    fine = rng.standard_normal((side, side), np.float32)
    coarse = smooth_noise(rng, (side, side), (side // 3, side // 6))
    strength = np.float32(rng.uniform(8, 30))
    return color + (0.5 * fine + coarse)[:, :, None] * strength


def _blocks(rng: Rng, color: np.ndarray, unit: float, side: int) -> np.ndarray:
    """Few wide bands of colour."""
    cloth = np.empty((side, side, 3), np.float32)
    cloth[:] = color
    for edge in np.sort(rng.uniform(0.1, 1.6, rng.integers(1, 3))):
        start = int(edge * unit)
        cloth[start : start + int(unit * rng.uniform(0.1, 1.5))] = _contrast(rng, color)
    return cloth


def _lace(rng: Rng, color: np.ndarray, unit: float, side: int) -> np.ndarray:
    period = max(3.0, unit * rng.uniform(0.03, 0.1))
    x, y = np.arange(side, dtype=np.float32)[None], np.arange(side, dtype=np.float32)[:, None]
    turn = 2 * np.pi / period
    mesh = np.sin(turn * (x + y) / 1.4) * np.sin(turn * (x - y) / 1.4)
    flowers = smooth_noise(rng, (side, side), (int(side / period / 2) + 2,) * 2) > 0.5
    return color * (0.75 + 0.25 * np.where(flowers, 1, mesh))[:, :, None].astype(np.float32)


def _photo_fabric(rng: Rng, photos: Sequence[np.ndarray], side: int) -> Fabric:
    photo = photos[int(rng.integers(len(photos)))]
    height, width = photo.shape[:2]
    edge = int(rng.integers(max(1, min(height, width) // 2), min(height, width) + 1))
    top, left = int(rng.integers(height - edge + 1)), int(rng.integers(width - edge + 1))
    piece = photo[top : top + edge, left : left + edge]
    swatch = cv2.resize(piece, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    return Fabric(swatch.mean((0, 1)), swatch)


_WEAVES: dict[str, Callable[[Rng, np.ndarray, float, int], np.ndarray]] = {
    "plain": _flat,
    "woven": _woven,
    "rib": _rib,
    "denim": _denim,
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "floral": _floral,
    "blotches": _blotches,
    "melange": _melange,
    "blocks": _blocks,
    "lace": _lace,
}

_KINDS: dict[str, tuple[tuple[str, ...], tuple[float, ...]]] = {
    "any": (tuple(_WEAVES), (0.4, 0.1, 0.08, 0.05, 0.1, 0.05, 0.05, 0.08, 0.03, 0.05, 0.04, 0.03)),
    "coat": (tuple(_WEAVES), (0.48, 0.15, 0.1, 0.09, 0.02, 0.07, 0.0, 0.01, 0.04, 0.1, 0.06, 0.0)),
    "trousers": (tuple(_WEAVES), (0.38, 0.09, 0.02, 0.3, 0.04, 0.04, 0.01, 0.05, 0.03, 0.06, 0.0, 0.0)),
    "lining": (("plain", "stripes", "checks"), (0.9, 0.05, 0.05)),
}


def add_print(rng: Rng, fabric: Fabric, unit: float) -> Fabric:
    """Draw a print on the middle of the swatch, where the chest is: letters, a badge, a picture."""
    side = max(fabric.swatch.shape[0], int(2.5 * unit) + 8)
    if fabric.swatch.shape[0] == 1:
        swatch = np.broadcast_to(fabric.swatch, (side, side, 3)).copy()
    else:
        swatch = fabric.swatch.copy()
        side = swatch.shape[0]
    ink = _contrast(rng, fabric.color).tolist()
    middle = side / 2
    kind = rng.integers(4)
    if kind == 0 or kind == 3:
        for row in range(rng.integers(1, 4)):
            text = "".join(chr(letter) for letter in rng.integers(65, 91, rng.integers(3, 9)))
            scale = unit / (22 * max(3, len(text))) * rng.uniform(0.7, 1.3)
            thickness = max(1, round(scale * rng.uniform(1.5, 4)))
            place = int(middle - 10 * scale * len(text)), int(middle + (row - 0.3) * 34 * scale)
            letters = np.zeros((side, side), np.uint8)
            cv2.putText(letters, text, place, int(rng.integers(0, 5)), scale, 255, thickness, cv2.LINE_AA)
            swatch += (letters[:, :, None] / np.float32(255)) * (np.asarray(ink, np.float32) - swatch)
    if kind == 1 or kind == 3:
        shapes = int(rng.integers(2, 12))
        for _ in range(shapes):
            centre = (middle + rng.normal(0, 0.13 * unit, 2)).astype(int).tolist()
            axes = np.maximum(1, rng.uniform(0.02, 0.16, 2) * unit).astype(int).tolist()
            color = ink if rng.random() < 0.5 else dye(rng).tolist()
            cv2.ellipse(swatch, centre, axes, rng.uniform(0, 180), 0, 360, color, -1)
    if kind == 2:
        wide, high = (int(value) for value in np.clip(unit * rng.uniform(0.15, 0.35, 2), 2, side / 2 - 2))
        picture = smooth_noise(rng, (2 * high, 2 * wide), (6, 6))
        picture = np.stack([picture, np.roll(picture, 3, 0), smooth_noise(rng, (2 * high, 2 * wide), (9, 9))], -1)
        area = swatch[int(middle) - high : int(middle) + high, int(middle) - wide : int(middle) + wide]
        area[:] = np.clip(np.asarray(ink) + 60 * picture, 0, 255)
    return replace(fabric, swatch=swatch)
