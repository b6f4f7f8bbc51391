"""What the camera does: perspective to points; light, blur, noise and compression to pixels."""

from __future__ import annotations

import cv2
import numpy as np

Rng = np.random.Generator


def tilt_points(rng: Rng, points: np.ndarray, size: int) -> np.ndarray:
    """See points (N, 2) from a slightly different side: a weak perspective about the picture's middle."""
    vanish = np.clip(rng.normal(0, 0.06, 2), -0.11, 0.11) / size
    centred = points - size / 2
    depth = 1 + np.clip(centred @ vanish, -0.3, 0.3)
    moved: np.ndarray = centred / depth[:, None] + size / 2
    return moved


def expose(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Apply white balance, exposure, contrast and vignetting; (size, size, 3) float32 to the same, not clipped."""
    size = image.shape[0]
    gain = np.exp(rng.normal(0, 0.05, 3)) * np.exp(rng.normal(0.0, 0.14))
    contrast, pivot = np.exp(rng.normal(0.1, 0.12)), rng.uniform(90, 150)
    image = image * (gain * contrast).astype(np.float32) + np.float32(pivot * (1 - contrast))
    if rng.random() < 0.4:
        axis = np.linspace(-1, 1, size, dtype=np.float32) ** 2
        fall = np.float32(rng.exponential(0.05))
        image = image * (1 - fall * (axis[None] + axis[:, None]))[:, :, None]
    if rng.random() < 0.2:  # a slope of brightness: a lamp at the side
        slope = rng.normal(0, 0.12, 2).astype(np.float32)
        ramp = np.linspace(-1, 1, size, dtype=np.float32)
        image = image * (1 + slope[0] * ramp[None] + slope[1] * ramp[:, None])[:, :, None]
    # Like film: lights are pressed together rather than cut off, and no shadow is quite black.
    lights = np.maximum(image - 190, 0)
    rest = np.maximum(np.minimum(image, 190), -40)
    return rest * np.float32(0.97) + np.float32(6) + 60 * (1 - np.exp(lights * np.float32(-1 / 60)))


def record(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Blur, add noise and compress; (size, size, 3) float32 to uint8."""
    size = image.shape[0]
    kind = rng.random()
    if kind < 0.16:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.0) * size / 256)
    elif kind < 0.2:
        image = _shake(rng, image, size)
    elif kind < 0.75:  # sharpened by the phone
        image = image + rng.uniform(0.2, 1.1) * (image - cv2.GaussianBlur(image, (0, 0), 1.0))
    if rng.random() < 0.7:
        grain = rng.standard_normal((size, size, 1), np.float32) * np.float32(rng.exponential(1.6))
        image = image + grain
    pixels = np.clip(image, 0, 255).astype(np.uint8)
    if rng.random() < 0.75:
        quality = int(rng.integers(35, 96))
        _, data = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        pixels = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[:, :, ::-1]
    return np.ascontiguousarray(pixels)


def _shake(rng: Rng, image: np.ndarray, size: int) -> np.ndarray:
    """Blur along a short line, as a moving hand does; the middle of the line stays in place."""
    reach = rng.uniform(1, 3.5) * size / 256
    side = 2 * int(np.ceil(reach)) + 1
    angle = rng.uniform(0, np.pi)
    ends = np.array([[-1, -1], [1, 1]]) * reach / 2 * np.array([np.cos(angle), np.sin(angle)]) + side // 2
    kernel = np.zeros((side, side), np.uint8)
    fixed = np.round(ends * 16).astype(np.int32)
    cv2.polylines(kernel, [fixed], False, 255, 1, cv2.LINE_AA, shift=4)
    weights = kernel.astype(np.float32)
    return cv2.filter2D(image, -1, weights / weights.sum())
