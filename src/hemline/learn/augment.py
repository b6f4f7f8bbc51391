"""Random changes of training crops: one box and one affine map for the place, one matrix for the colour.

Brightness, contrast, saturation, hue and grey are all affine in RGB, so that any mix of them is one 3x4
matrix and one pass over the pixels. What is off costs nothing; `aspect`, `box`, `crop`, `half`, `blur`, `noise`
and `paste` draw no random number then, so that recipes from before them give the same crops.
"""

from __future__ import annotations

import cv2
import numpy as np

from hemline.geometry import Box, crop_affine, photo_box, points_box, warp

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_GRAY_AXIS = np.ones(3) / np.sqrt(3)
_LEAST_SIDE = 0.25  # of a box about points, as a share of the photo's longer side: no zoom above 4
_ERASED_AREA = (0.02, 0.2)  # shares of the crop
_PASTED_AREA = (0.05, 0.25)
_BLUR_SIGMA = (0.3, 2.0)  # crop pixels
_NOISE_SIGMA = (1.0, 16.0)  # of 255 levels


class Augmenter:
    """Draw random boxes, affine maps and changes of the pixels.

    Args:
        flip: probability of a mirrored crop.
        rotation: largest angle either way, degrees; uniform.
        scale: smallest and largest zoom; log-uniform.
        shift: largest move either way, as a share of the crop; uniform.
        brightness, contrast, saturation: largest relative change; factors uniform in 1 ± value.
        hue: largest turn either way, as a share of the colour circle.
        gray: probability of a colourless crop.
        erase: probability that a rectangle of 2 to 20 % of the crop is painted over.
        aspect: largest stretch of width against height, either way; log-uniform.
        crop: probability of a random box that keeps all points and the margin; each of its sides is uniform
            between them and the photo's border.
        crop_margin: of `crop` and `half`, room about the points that are kept, as a share of the photo's longer side.
        half: probability of the box of the points left of, right of, above or below the garment's middle, and the
            margin; the others may leave the crop. Comes before `crop`.
        blur: probability of a Gaussian blur; its standard deviation is uniform, up to 2 pixels of the crop.
        noise: probability of Gaussian noise on each channel; its standard deviation is uniform, up to 16 of 255 levels.
        paste: probability that a piece of another photo, 5 to 25 % of the crop, is pasted over.
        box: probability of the garment's box as a detector gives it. Comes before `half` and `crop`.
        box_margin: of `box`, room about the points, see `geometry.points_box`.
        box_errors: of `box`, standard deviations of its left, top, right and bottom, shares of its width or height,
            0.2 at most; normal, but never beyond twice of that.
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
        box: float = 0.0,
        box_margin: float = 0.0,
        box_errors: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
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
        self.box = box
        self.box_margin = box_margin
        self.box_errors = box_errors

    def draw_box(self, rng: np.random.Generator, size_wh: tuple[int, int], points: np.ndarray) -> Box:
        """Draw the part of the photo that the crop is cut from.

        Args:
            rng: source of all choices.
            size_wh: of the photo.
            points: (N, 2) the garment's present points, photo pixels.
        Returns:
            a box inside the photo: the whole of it unless `box`, `crop` or `half` happens.
        Edge cases: without points, and when the half holds fewer than two, it is the whole photo.
        """
        if _happens(rng, self.box) and len(points):
            return self._draw_detected(rng, size_wh, points)
        room = self.crop_margin * max(size_wh)
        if _happens(rng, self.half):
            points = _draw_half(rng, points)
            return _box_about(points, size_wh, room=room) if len(points) >= 2 else photo_box(size_wh)
        if _happens(rng, self.crop) and len(points):
            left, top, right, bottom = _box_about(points, size_wh, room=room)
            width, height = size_wh
            return rng.uniform(0, left), rng.uniform(0, top), rng.uniform(right, width), rng.uniform(bottom, height)
        return photo_box(size_wh)

    def _draw_detected(self, rng: np.random.Generator, size_wh: tuple[int, int], points: np.ndarray) -> Box:
        """Draw a box about the points as a detector would give it; inside the photo, never without area."""
        true = np.array(points_box(points, margin=self.box_margin, least=_LEAST_SIDE * max(size_wh)))
        errors = np.array(self.box_errors) * rng.standard_normal(4).clip(-2, 2)
        moved = true + errors * np.tile(true[2:] - true[:2], 2)
        return _box_on_photo((moved[:2] + moved[2:]) / 2, (moved[2:] - moved[:2]) / 2, size_wh)

    def draw_affine(self, rng: np.random.Generator, box_xyxy: Box, size_wh: tuple[int, int]) -> tuple[np.ndarray, bool]:
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
            aspect=float(self.aspect ** rng.uniform(-1, 1)) if self.aspect > 1 else 1.0,
            flip=flip,
        )
        return matrix, flip

    def draw_paste(self, rng: np.random.Generator) -> bool:
        """Draw whether `paint` is to be given another photo."""
        return _happens(rng, self.paste)

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

    def paint(
        self, rng: np.random.Generator, crop: np.ndarray, *, other: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Change the pixels of a crop: paste, colours, erase, blur, noise, in this order.

        Args:
            rng: source of all choices.
            crop: (H, W, 3) uint8 RGB.
            other: (h, w, 3) uint8 RGB, any size: the photo of which a piece is pasted over; None pastes nothing.
        Returns:
            (H, W, 3) uint8 RGB; and (H, W) bool, the pixels that `paste` and `erase` cover.
        """
        covered = np.zeros(crop.shape[:2], bool)
        if other is not None:
            crop, covered = _paste(rng, crop, other)
        crop = cv2.transform(crop, self.draw_color(rng))
        if rng.random() < self.erase:
            (x, y), (half_w, half_h) = _draw_place(rng, crop, area=_ERASED_AREA)
            rows = slice(max(0, int(y - half_h)), max(0, int(y + half_h)))
            columns = slice(max(0, int(x - half_w)), max(0, int(x + half_w)))
            crop[rows, columns] = rng.integers(0, 256, 3)
            covered[rows, columns] = True
        if _happens(rng, self.blur):
            crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(*_BLUR_SIGMA))
        if _happens(rng, self.noise):
            crop = _add_noise(rng, crop, sigma=rng.uniform(*_NOISE_SIGMA))
        return crop, covered


def _happens(rng: np.random.Generator, probability: float) -> bool:
    """Toss a coin; draws nothing for what never happens."""
    return probability > 0 and bool(rng.random() < probability)


def _draw_half(rng: np.random.Generator, points: np.ndarray) -> np.ndarray:
    """Choose the points (N, 2) on one side of the middle of all, (M, 2): left, right, upper or lower."""
    if len(points) == 0:
        return points
    axis, sign = rng.integers(2), rng.choice((-1, 1))
    places = points[:, axis]
    half: np.ndarray = points[sign * (places - (places.min() + places.max()) / 2) >= 0]
    return half


def _box_about(points: np.ndarray, size_wh: tuple[int, int], *, room: float) -> Box:
    """Return the part of the photo that holds points (N, 2) and `room` pixels about them, or a little more."""
    low, high = points.min(0), points.max(0)
    reach = np.maximum((high - low) / 2 + room, _LEAST_SIDE / 2 * max(size_wh))
    return _box_on_photo((low + high) / 2, reach, size_wh)


def _box_on_photo(middle: np.ndarray, reach: np.ndarray, size_wh: tuple[int, int]) -> Box:
    """Cut the box that reaches from its middle to all sides at the photo's edge; never without area."""
    middle = middle.clip(0, size_wh)  # labels may lie beside the photo
    left, top = (middle - reach).clip(0).tolist()
    right, bottom = np.minimum(middle + reach, size_wh).tolist()
    return left, top, right, bottom


def _draw_place(
    rng: np.random.Generator, crop: np.ndarray, *, area: tuple[float, float]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Draw a rectangle that covers a share of the crop, part of it perhaps beside the crop: centre and half sides."""
    height, width = crop.shape[:2]
    share, aspect = rng.uniform(*area), np.exp(rng.uniform(-1, 1))
    half_sides = width * np.sqrt(share * aspect) / 2, height * np.sqrt(share / aspect) / 2
    return (rng.uniform(0, width), rng.uniform(0, height)), half_sides


def _paste(rng: np.random.Generator, crop: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lay a piece of another photo over a crop: a rectangle or the ellipse in it, its edge hard or soft.

    Returns:
        (H, W, 3) uint8; and (H, W) bool, the pixels of which the piece hides half or more.
    """
    (x, y), half_sides = _draw_place(rng, crop, area=_PASTED_AREA)
    is_ellipse, softness = rng.random() < 0.5, 0.3 if rng.random() < 0.5 else 0.01
    height, width = crop.shape[:2]
    across = np.abs(np.arange(width) + 0.5 - x) / half_sides[0]  # (W,)
    down = np.abs(np.arange(height) + 0.5 - y)[:, None] / half_sides[1]  # (H, 1)
    reach = np.hypot(across, down) if is_ellipse else np.maximum(across, down)  # (H, W), 1 on the edge
    opacity = (0.5 + (1 - reach) / softness).clip(0, 1).astype(np.float32)

    # The other photo just covers the crop; the piece comes from anywhere that is wholly inside it.
    zoom = max(width / other.shape[1], height / other.shape[0])
    rim = (1 + softness / 2) * np.array(half_sides) / zoom
    source = rng.uniform(rim, (other.shape[1], other.shape[0]) - rim)
    matrix = np.array([[zoom, 0, x - zoom * source[0]], [0, zoom, y - zoom * source[1]]])
    piece = warp(other, matrix, (width, height))
    return cv2.blendLinear(piece, crop, opacity, 1 - opacity), opacity >= 0.5


def _add_noise(rng: np.random.Generator, crop: np.ndarray, *, sigma: float) -> np.ndarray:
    cv2.setRNGSeed(int(rng.integers(2**31)))  # OpenCV's generator, of this thread: three times as fast as numpy's
    noise = cv2.randn(np.empty(crop.shape, np.int16), np.zeros(3), np.full(3, sigma))
    return cv2.add(crop, noise, dtype=cv2.CV_8U)


def _turn_about_gray(angle: float) -> np.ndarray:
    """Build the rotation of RGB about the grey axis (Rodrigues): a turn of the hue that keeps greys."""
    x, y, z = _GRAY_AXIS
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    outer = np.outer(_GRAY_AXIS, _GRAY_AXIS)
    return np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * outer
