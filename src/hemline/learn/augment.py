"""Random changes of training crops: one affine map for the place, one matrix for the colour.

Brightness, contrast, saturation, hue and grey are all affine in RGB, so that any mix of them is one 3x4
matrix and one pass over the pixels.
"""

from __future__ import annotations

import cv2
import numpy as np

from hemline.geometry import crop_affine

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_GRAY_AXIS = np.ones(3) / np.sqrt(3)


class Augmenter:
    """Draw random affine maps and colour changes.

    Args:
        flip: probability of a mirrored crop.
        rotation: largest angle either way, degrees; uniform.
        scale: smallest and largest zoom; log-uniform.
        shift: largest move either way, as a share of the crop; uniform.
        brightness, contrast, saturation: largest relative change; factors uniform in 1 ± value.
        hue: largest turn either way, as a share of the colour circle.
        gray: probability of a colourless crop.
        erase: probability that a rectangle of 2 to 20 % of the crop is painted over.
    """

    def __init__(
        self,
        *,
        flip: float = 0.0,
        rotation: float = 0.0,
        scale: tuple[float, float] = (1.0, 1.0),
        shift: float = 0.0,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        hue: float = 0.0,
        gray: float = 0.0,
        erase: float = 0.0,
        aspect: float = 1.0,
        crop: float = 0.0,
        crop_margin: float = 0.0,
        half: float = 0.0,
        blur: float = 0.0,
        noise: float = 0.0,
        paste: float = 0.0,
    ) -> None:
        self.flip = flip
        self.rotation = rotation
        self.scale = scale
        self.shift = shift
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.gray = gray
        self.erase = erase
        self.aspect = aspect
        self.crop = crop
        self.crop_margin = crop_margin
        self.half = half
        self.blur = blur
        self.noise = noise
        self.paste = paste

    def draw_affine(
        self, rng: np.random.Generator, box_xyxy: tuple[float, float, float, float], size_wh: tuple[int, int]
    ) -> tuple[np.ndarray, bool]:
        """Draw a map from the photo to the crop.

        Returns:
            (2, 3) matrix, and whether it mirrors, so that the caller swaps the keypoint pairs.
        """
        flip = bool(rng.random() < self.flip)
        matrix = crop_affine(
            box_xyxy,
            size_wh,
            scale=float(np.exp(rng.uniform(*np.log(self.scale)))),
            rotation=rng.uniform(-self.rotation, self.rotation),
            shift=(rng.uniform(-self.shift, self.shift), rng.uniform(-self.shift, self.shift)),
            flip=flip,
        )
        return matrix, flip

    def draw_color(self, rng: np.random.Generator) -> np.ndarray:
        """Draw a (3, 4) matrix from RGB (0 to 255) to RGB."""
        brightness = 1 + rng.uniform(-self.brightness, self.brightness)
        contrast = 1 + rng.uniform(-self.contrast, self.contrast)
        saturation = 1 + rng.uniform(-self.saturation, self.saturation)
        turn = 2 * np.pi * rng.uniform(-self.hue, self.hue)
        if rng.random() < self.gray:
            saturation = 0.0
        to_luma = np.tile(_LUMA, (3, 1))  # every channel becomes the luma
        linear = saturation * np.eye(3) + (1 - saturation) * to_luma
        linear = contrast * brightness * linear @ _turn_about_gray(turn)
        return np.column_stack([linear, np.full(3, 127.5 * (1 - contrast))])

    def paint(self, rng: np.random.Generator, crop: np.ndarray) -> np.ndarray:
        """Change the colours of a crop (H, W, 3) uint8 and perhaps paint a rectangle over."""
        crop = cv2.transform(crop, self.draw_color(rng))
        if rng.random() < self.erase:
            height, width = crop.shape[:2]
            area, aspect = rng.uniform(0.02, 0.2), np.exp(rng.uniform(-1, 1))
            half_w, half_h = width * np.sqrt(area * aspect) / 2, height * np.sqrt(area / aspect) / 2
            x, y = rng.uniform(0, width), rng.uniform(0, height)
            rows = slice(max(0, int(y - half_h)), max(0, int(y + half_h)))
            columns = slice(max(0, int(x - half_w)), max(0, int(x + half_w)))
            crop[rows, columns] = rng.integers(0, 256, 3)
        return crop


def _turn_about_gray(angle: float) -> np.ndarray:
    """Build the rotation of RGB about the grey axis (Rodrigues): a turn of the hue that keeps greys."""
    x, y, z = _GRAY_AXIS
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    outer = np.outer(_GRAY_AXIS, _GRAY_AXIS)
    return np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * outer
