"""What garments are photographed on: paper, floors, carpets, sheets, doors, streets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from hemline.synth.fabric import dye, make_fabric, smooth_noise
from hemline.synth.relief import Light, make_relief

Rng = np.random.Generator

FLAT = ("studio", "wood", "wood", "wood", "tiles", "tiles", "carpet", "sheet", "sheet", "sheet", "bedspread", "grass")
HANGING = ("studio", "wall", "door", "wood")
STREET = ("street", "street", "street", "street", "street", "wall", "studio", "door")


def paint_background(
    rng: Rng, size: int, light: Light, *, kinds: Sequence[str], photos: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """Paint a background.

    Args:
        kinds: the names of those that suit, see FLAT, HANGING and STREET.
        photos: (H, W, 3) uint8 RGB, real backgrounds, used half of the time where there are any.
    Returns:
        (size, size, 3) float32 RGB.
    """
    if len(photos) and rng.random() < 0.5:
        return _photo(rng, size, photos)
    kind = str(rng.choice(kinds))
    painted = _PAINTERS[kind](rng, size, light)
    shade = 1 + smooth_noise(rng, (size, size), (2, 2)) * np.float32(rng.uniform(0.0, 0.12))
    return np.ascontiguousarray(painted * shade[:, :, None], np.float32)


def plain_background(color: np.ndarray, size: int) -> np.ndarray:
    """Fill a background with one colour, (size, size, 3) float32."""
    background = np.empty((size, size, 3), np.float32)
    background[:] = color
    return background


def _photo(rng: Rng, size: int, photos: Sequence[np.ndarray]) -> np.ndarray:
    photo = photos[int(rng.integers(len(photos)))]
    height, width = photo.shape[:2]
    edge = int(rng.integers(max(1, min(height, width) // 2), min(height, width) + 1))
    top, left = int(rng.integers(height - edge + 1)), int(rng.integers(width - edge + 1))
    piece = photo[top : top + edge, left : left + edge]
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    return cv2.resize(np.ascontiguousarray(piece), (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)


def _studio(rng: Rng, size: int, light: Light) -> np.ndarray:
    level = rng.choice((rng.uniform(225, 255), rng.uniform(120, 225), rng.uniform(20, 120)), p=(0.6, 0.28, 0.12))
    color = np.clip(level + rng.normal(0, 5, 3), 0, 255)
    if rng.random() < 0.2:
        color = dye(rng)
    ramp = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    slope = rng.normal(0, 14, 2)
    field = slope[0] * ramp[None] + slope[1] * ramp[:, None]
    if rng.random() < 0.3:  # the wall meets the floor
        field = field + np.where(ramp[:, None] > rng.uniform(0.0, 0.45), rng.uniform(-25, 5), 0)
    return color.astype(np.float32) + field[:, :, None]


def _wood(rng: Rng, size: int, light: Light) -> np.ndarray:
    """Planks with grain, gaps and tones of their own."""
    tone = np.array(((196, 150, 100), (150, 105, 70), (95, 65, 45), (165, 160, 155), (215, 190, 150), (70, 55, 45)))[
        rng.integers(6)
    ]
    tone = np.clip(tone + rng.normal(0, 12, 3), 10, 245)
    plank = size * rng.uniform(0.08, 0.3)
    grain = smooth_noise(rng, (size, size), (8, size // 2)) + 0.7 * smooth_noise(rng, (size, size), (3, size // 8))
    column = np.arange(size) / plank + rng.random()
    number = np.floor(column).astype(int)
    tones = rng.normal(0, 0.09, int(number.max()) + 1)[number].astype(np.float32)
    edge = np.abs(column - np.round(column)) * plank
    gap = 1 - np.clip(1.4 - edge, 0, 1) * rng.uniform(0.2, 0.6)
    pattern = (1 + tones[None] + grain * np.float32(rng.uniform(0.04, 0.14))) * gap[None].astype(np.float32)
    joints = rng.uniform(0, 1, (int(number.max()) + 1,))
    rows = np.arange(size)[:, None] / size
    pattern *= np.where(np.abs(rows - joints[number][None]) * size < 0.8, 0.7, 1).astype(np.float32)
    return _turn(rng, tone.astype(np.float32) * pattern[:, :, None], size)


def _tiles(rng: Rng, size: int, light: Light) -> np.ndarray:
    color = np.clip(np.array([200, 188, 170]) * rng.uniform(0.5, 1.2) + rng.normal(0, 8, 3), 0, 250).astype(np.float32)
    edge = size * rng.uniform(0.18, 0.6)
    place = np.arange(size) / edge + rng.random()
    line = np.clip(1.5 - np.abs(place - np.round(place)) * edge, 0, 1)
    grout = np.maximum(line[None], line[:, None]) * rng.uniform(0.1, 0.5)
    marble = smooth_noise(rng, (size, size), (7, 7)) * rng.uniform(0.01, 0.09)
    return _turn(rng, color * (1 - grout + marble)[:, :, None].astype(np.float32), size)


def _carpet(rng: Rng, size: int, light: Light) -> np.ndarray:
    color = _cloth_color(rng)
    pile = smooth_noise(rng, (size, size), (size // 2, size // 2)) + rng.standard_normal((size, size), np.float32)
    walked = smooth_noise(rng, (size, size), (5, 5))
    return color * (1 + (0.5 * pile * np.float32(rng.uniform(0.03, 0.14)) + 0.06 * walked))[:, :, None]


def _sheet(rng: Rng, size: int, light: Light) -> np.ndarray:
    relief = make_relief(rng, size, light, wrinkles=rng.uniform(0.1, 1.6), scale=size * rng.uniform(0.25, 0.9))
    return _cloth_color(rng) * relief.brightness[:, :, None]


def _bedspread(rng: Rng, size: int, light: Light) -> np.ndarray:
    fabric = make_fabric(rng, size * rng.uniform(0.4, 1.5), size)
    relief = make_relief(rng, size, light, wrinkles=rng.uniform(0.0, 1.0), scale=size)
    return np.broadcast_to(_turn(rng, fabric.swatch, size), (size, size, 3)) * relief.brightness[:, :, None]


def _grass(rng: Rng, size: int, light: Light) -> np.ndarray:
    blades = smooth_noise(rng, (size, size), (size // 3, size // 2)) + 0.5 * rng.standard_normal(
        (size, size), np.float32
    )
    color = np.array([rng.uniform(60, 140), rng.uniform(110, 190), rng.uniform(30, 80)], np.float32)
    return color * (1 + np.float32(rng.uniform(0.08, 0.25)) * blades)[:, :, None]


def _wall(rng: Rng, size: int, light: Light) -> np.ndarray:
    color = dye(rng).astype(np.float32)
    if rng.random() < 0.6:
        color = np.float32(255) - (np.float32(255) - color) * np.float32(0.3)
    rough = smooth_noise(rng, (size, size), (size // 4, size // 4)) * np.float32(rng.uniform(0, 0.05))
    wall = color * (1 + rough)[:, :, None]
    if rng.random() < 0.3:  # bricks
        high, wide = size * rng.uniform(0.03, 0.08), size * rng.uniform(0.08, 0.2)
        y = np.arange(size)[:, None] / high
        x = np.arange(size)[None] / wide + 0.5 * (np.floor(y) % 2)
        joint = np.maximum(np.abs(y % 1 - 0.5) * high > 0.5 * high - 0.8, np.abs(x % 1 - 0.5) * wide > 0.5 * wide - 0.8)
        wall = wall * np.where(joint, 0.78, 1.0).astype(np.float32)[:, :, None]
    return wall


def _door(rng: Rng, size: int, light: Light) -> np.ndarray:
    """A door, wardrobe or wall with panels, frames and a handle."""
    door = _wood(rng, size, light) if rng.random() < 0.35 else _wall(rng, size, light)
    door = np.ascontiguousarray(door)
    for _ in range(rng.integers(1, 5)):
        left, right = np.sort(rng.uniform(-0.2, 1.2, 2)) * size
        top, bottom = np.sort(rng.uniform(-0.4, 1.4, 2)) * size
        tone = (door.mean((0, 1)) * rng.uniform(0.6, 1.2)).tolist()
        thickness = int(max(1, size * rng.choice((0.002, 0.006, 0.015)) * rng.uniform(0.7, 1.3)))
        filled = -1 if rng.random() < 0.25 else thickness
        cv2.rectangle(door, (int(left), int(top)), (int(right), int(bottom)), tone, filled)
    return door


def _street(rng: Rng, size: int, light: Light) -> np.ndarray:
    """Ground, houses, people, cars, trees: blurred shapes of street-like colours."""
    small = max(32, size // 2)
    scene = np.empty((small, small, 3), np.float32)
    sky = np.array([215, 220, 225.0]) * rng.uniform(0.6, 1.15) + rng.normal(0, 10, 3)
    scene[:] = sky
    horizon = rng.uniform(0.3, 0.85) * small
    for _ in range(rng.integers(2, 8)):  # houses, shop windows, vans
        left, wide, top = rng.uniform(-0.2, 1) * small, rng.uniform(0.1, 0.7) * small, rng.uniform(-0.4, 0.6) * small
        color = _urban(rng)
        cv2.rectangle(scene, (int(left), int(top)), (int(left + wide), int(horizon)), color.tolist(), -1)
        rows, columns = rng.integers(0, 5, 2)
        pane = (color * rng.uniform(0.4, 1.5)).tolist()
        for row in range(rows):
            for column in range(columns):
                x, y = left + wide * (column + 0.25) / columns, top + (horizon - top) * (row + 0.25) / rows
                cv2.rectangle(
                    scene,
                    (int(x), int(y)),
                    (int(x + wide * 0.5 / columns), int(y + (horizon - top) * 0.5 / rows)),
                    pane,
                    -1,
                )
    ground = np.array([150, 148, 145.0]) * rng.uniform(0.4, 1.4) + rng.normal(0, 8, 3)
    scene[int(horizon) :] = ground
    for _ in range(rng.integers(0, 5)):  # lines on the ground
        start, end = rng.uniform(-0.2, 1.2, 2) * small, rng.uniform(-0.2, 1.2, 2) * small
        line = (int(start[0]), int(max(start[1], horizon))), (int(end[0]), int(max(end[1], horizon) + 1))
        cv2.line(scene, *line, (ground * rng.uniform(0.6, 1.4)).tolist(), int(rng.integers(1, 5)))
    for _ in range(rng.integers(0, 26)):  # signs, bags, bicycles, light
        corner, extent = rng.uniform(0, 1, 2) * small, rng.exponential(0.05, 2) * small + 1
        ends = corner.astype(int).tolist(), (corner + extent).astype(int).tolist()
        cv2.rectangle(scene, *ends, (_urban(rng) * rng.uniform(0.5, 1.3)).tolist(), -1)
    for _ in range(rng.integers(0, 4)):  # trees
        green = np.array([rng.uniform(50, 110), rng.uniform(70, 125), rng.uniform(45, 85)])
        spot = rng.uniform(0, 1, 2) * (small, 0.6 * horizon)
        for _ in range(14):
            centre = (spot + rng.normal(0, 0.08, 2) * small).astype(int)
            cv2.circle(
                scene,
                centre.tolist(),
                int(small * rng.uniform(0.01, 0.06)) + 1,
                (green * rng.uniform(0.5, 1.4)).tolist(),
                -1,
            )
    for _ in range(rng.integers(0, 7)):  # passers-by
        high = rng.uniform(0.15, 0.6) * small
        x, foot = rng.uniform(0, 1) * small, horizon + rng.uniform(0, 0.25) * small
        for level, part, wide, color in (
            (0.75, 0.27, 0.1, dye(rng)),
            (0.3, 0.28, 0.08, dye(rng) * 0.6),
            (1.0, 0.07, 0.05, np.array([190, 150, 125.0])),
        ):
            cv2.ellipse(
                scene,
                (int(x), int(foot - high * (level - part / 2))),
                (int(high * wide) + 1, int(high * part) + 1),
                0,
                0,
                360,
                color.tolist(),
                -1,
            )
    scene += rng.normal(0, 1, (small, small, 1)).astype(np.float32) * np.float32(rng.uniform(3, 8))
    blurred = cv2.GaussianBlur(scene, (0, 0), small * rng.choice((0.002, 0.006, 0.015)) * rng.uniform(0.7, 1.3))
    return cv2.resize(blurred, (size, size))


def _cloth_color(rng: Rng) -> np.ndarray:
    """Draw the colour of a carpet or a sheet: often pale, sometimes strong, (3,) float32."""
    color = dye(rng)
    grey = np.array([205.0, 195, 180]) * rng.uniform(0.4, 1.15)
    return (color + rng.uniform(0, 0.9) * (grey - color)).astype(np.float32)


def _urban(rng: Rng) -> np.ndarray:
    return dye(rng) if rng.random() < 0.25 else np.clip(rng.uniform(30, 230) + rng.normal(0, 14, 3), 0, 255)


def _turn(rng: Rng, texture: np.ndarray, size: int) -> np.ndarray:
    """See a texture from a random side: turned, and slightly in perspective."""
    angle = rng.choice((0, 90, rng.uniform(0, 180))) + rng.normal(0, 4)
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), angle, rng.uniform(1.0, 1.4))
    tilt = np.vstack([turn, [rng.normal(0, 0.0004), rng.normal(0, 0.0006), 1.0]])
    return cv2.warpPerspective(texture, tilt, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


_PAINTERS: dict[str, Callable[[Rng, int, Light], np.ndarray]] = {
    "studio": _studio,
    "wood": _wood,
    "tiles": _tiles,
    "carpet": _carpet,
    "sheet": _sheet,
    "bedspread": _bedspread,
    "grass": _grass,
    "wall": _wall,
    "door": _door,
    "street": _street,
}
