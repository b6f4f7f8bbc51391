"""Folds and light: a random height field over the picture, and how it is lit.

All fields cover the whole picture and are made at half its size. Pieces of cloth look up their own window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from hemline.synth.canvas import Cover
from hemline.synth.fabric import smooth_noise

Rng = np.random.Generator
Fold = tuple[np.ndarray, float, float]
"""A line (N, 2) along which the cloth rises, its width in pixels, and its height (negative: a crease)."""


@dataclass(frozen=True)
class Light:
    """Where the light comes from.

    direction: (2,) unit vector on the picture, towards the light.
    contrast: how strongly folds and round things are shaded.
    shadow: (2,) pixels that a shadow of something one unit thick is moved by.
    softness: of shadows, pixels.
    """

    direction: np.ndarray
    contrast: float
    shadow: np.ndarray
    softness: float


@dataclass(frozen=True)
class Relief:
    """How cloth lies: brightness (size, size) float32 around 1, and the slopes that bend its pattern, in pixels."""

    brightness: np.ndarray
    slopes: tuple[np.ndarray, np.ndarray]


def random_light(rng: Rng, size: int) -> Light:
    """Draw a light; mostly from above."""
    angle = rng.normal(-np.pi / 2, 1.0)
    direction = np.array([np.cos(angle), np.sin(angle)])
    contrast = rng.uniform(0.4, 1.3)
    reach = size * rng.uniform(0.0, 0.025)
    return Light(direction, contrast, -direction * reach, size * rng.uniform(0.004, 0.03))


def make_relief(
    rng: Rng, size: int, light: Light, *, folds: Sequence[Fold] = (), wrinkles: float, scale: float
) -> Relief:
    """Make the height field of cloth and light it.

    Args:
        folds: drawn on top of the random field.
        wrinkles: how strongly it all shows; 0 is ironed, 1 is usual.
        scale: size of the garment in pixels, which wrinkles follow.
    """
    half = (size + 1) // 2
    cells = max(1.5, 1.3 * size / max(scale, 1.0))
    broad = smooth_noise(rng, (half, half), (_count(cells), _count(cells)))
    height = broad
    for finer, share in ((2.2, 0.6), (5.0, 0.3), (11.0, 0.08)):
        height = height + np.float32(share) * _creases(rng, half, finer * cells)
    height *= np.float32(0.04 * scale)
    if folds:
        height += np.float32(0.6 * scale / half) * _draw_folds(folds, half)
    across = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=1 / 8)
    toward = -(across * np.float32(light.direction[0]) + down * np.float32(light.direction[1]))
    steep = np.float32(max(float(toward.std()), 1e-3))
    # A fold's lit side gains less than its dark side loses.
    turned = np.clip(toward / (np.float32(1.6) * steep), -2, 1.6)
    brightness = 1 + np.float32(0.2 * wrinkles * light.contrast) * turned
    bend, farthest = np.float32(wrinkles / steep), size / 110
    bends = [np.clip(slope * bend, -farthest, farthest) for slope in (across, down)]
    shade, bend_x, bend_y = (cv2.resize(field, (size, size)) for field in (np.maximum(brightness, 0.25), *bends))
    return Relief(shade, (bend_x, bend_y))


def flat_relief(size: int) -> Relief:
    """Make cloth without any fold."""
    nothing = np.zeros((size, size), np.float32)
    return Relief(nothing + 1, (nothing, nothing))


def round_off(cover: Cover, light: Light, depth: float) -> np.ndarray:
    """Shade a shape as if it bulged: dark towards its edges, most so away from the light.

    Args:
        depth: 0 is flat as paper, 1 is a tube.
    Returns:
        (h, w) float32 around 1.
    """
    height, width = cover.alpha.shape
    step = 4 if min(height, width) >= 24 else 1
    small_wh = max(1, width // step), max(1, height // step)
    bulge = cv2.resize(cover.alpha, small_wh, interpolation=cv2.INTER_AREA)
    sigma = max(0.8, 0.5 * np.sqrt(float(bulge.sum()) / (1 + max(small_wh))))
    bulge = cv2.GaussianBlur(bulge, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    across = cv2.Sobel(bulge, cv2.CV_32F, 1, 0, scale=sigma / 4)
    down = cv2.Sobel(bulge, cv2.CV_32F, 0, 1, scale=sigma / 4)
    toward = across * np.float32(light.direction[0]) + down * np.float32(light.direction[1])
    tone = 1 + np.float32(depth) * (
        np.float32(0.4) * (bulge - np.float32(0.8)) - np.float32(0.4 * light.contrast) * toward
    )
    return cv2.resize(np.clip(tone, 0.3, 1.4), (width, height))


def _creases(rng: Rng, half: int, cells: float) -> np.ndarray:
    """Draw long sharp ridges that run in one direction, (half, half) float32."""
    angle, stretch = rng.uniform(0, 180), rng.uniform(1.0, 3.0)
    noise = np.abs(smooth_noise(rng, (half, half), (_count(cells * stretch), _count(cells / stretch))))
    turn = cv2.getRotationMatrix2D((half / 2, half / 2), angle, 1.3)
    return -cv2.warpAffine(noise, turn, (half, half), borderMode=cv2.BORDER_REFLECT)


def _draw_folds(folds: Sequence[Fold], half: int) -> np.ndarray:
    """Draw folds as blurred lines, (half, half) float32; broad and fine ones are blurred apart."""
    field = np.zeros((half, half), np.float32)
    widths = np.array([width for _, width, _ in folds])
    middle = float(np.median(widths))
    for members in (widths <= middle, widths > middle):
        if not members.any():
            continue
        lines = np.full((half, half), 128, np.uint8)
        for (line, _, height), member in zip(folds, members, strict=True):
            if member:
                fixed = np.round(np.clip(line, -half, 4 * half) * 8 - 8).astype(np.int32)
                tone = int(np.clip(128 + 42 * height, 0, 255))
                cv2.polylines(lines, [fixed], False, tone, 1, cv2.LINE_AA, shift=4)
        sigma = max(0.7, float(widths[members].mean()) / 4)
        blurred = cv2.GaussianBlur(lines.astype(np.float32) - 128, (0, 0), sigma)
        field += blurred * np.float32(sigma * sigma * 2.5 / 42)
    return field


def _count(cells: float) -> int:
    return max(2, round(cells))
