"""Pictures of garments with their points: each keypoint has its own colour, occluded ones are hollow.

Everything is drawn on copies of (H, W, 3) uint8 RGB arrays, at a size that follows the picture's, and at
sub-pixel places by the pixel rule (geometry.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

import cv2
import numpy as np

from hemline.annotation import ABSENT, OCCLUDED, VISIBLE, Annotation, AnnotationTable, Prediction
from hemline.errors import DataError, ImageError
from hemline.garments import CATEGORY_KEYPOINTS, INDEX, LIMBS
from hemline.images import SUFFIXES, read_image, write_image
from hemline.infer.detect_then_find import Garment
from hemline.metrics import ne

# Far apart in OKLab, and farthest where a limb or a mirror image joins two.
COLORS: dict[str, tuple[int, int, int]] = {
    "neckline_left": (0, 255, 0),
    "neckline_right": (0, 80, 255),
    "center_front": (208, 104, 152),
    "shoulder_left": (0, 120, 176),
    "shoulder_right": (255, 192, 56),
    "armpit_left": (255, 0, 0),
    "armpit_right": (255, 184, 255),
    "waistline_left": (0, 255, 200),
    "waistline_right": (176, 0, 176),
    "cuff_left_in": (0, 224, 255),
    "cuff_left_out": (255, 0, 160),
    "cuff_right_in": (168, 72, 8),
    "cuff_right_out": (136, 0, 255),
    "top_hem_left": (216, 0, 255),
    "top_hem_right": (0, 128, 72),
    "waistband_left": (184, 240, 104),
    "waistband_right": (255, 104, 240),
    "hemline_left": (168, 112, 255),
    "hemline_right": (168, 144, 0),
    "crotch": (255, 136, 104),
    "bottom_left_in": (128, 176, 255),
    "bottom_left_out": (192, 0, 96),
    "bottom_right_in": (136, 80, 152),
    "bottom_right_out": (80, 200, 120),
}
"""RGB of each keypoint."""

_RGB = [COLORS[name] for name in INDEX]
_DARK = (24, 24, 24)
_SHIFT = 4  # OpenCV takes sub-pixel places as integers with this many binary places: 1/16 px
_FAR = 2.0**24  # and cannot hold much more


def draw_annotation(image: np.ndarray, annotation: Annotation) -> np.ndarray:
    """Draw labelled points and limbs: visible points filled, occluded ones hollow, absent ones not at all.

    Args:
        image: (H, W, 3) uint8 RGB.
        annotation: in the picture's coordinates; points that its category does not have are left out.
    Returns:
        (H, W, 3) uint8 RGB, a copy.
    """
    return _draw_points(image, annotation.category, annotation.keypoints, annotation.visibility)


def draw_prediction(image: np.ndarray, prediction: Prediction) -> np.ndarray:
    """Draw predicted points and limbs: points that were filled in without a look (score 0) are hollow.

    Args:
        image: (H, W, 3) uint8 RGB.
        prediction: in the picture's coordinates.
    Returns:
        (H, W, 3) uint8 RGB, a copy.
    """
    states = np.where(np.isnan(prediction.scores), ABSENT, np.where(prediction.scores > 0, VISIBLE, OCCLUDED))
    return _draw_points(image, prediction.category, prediction.keypoints, states)


def draw_garments(image: np.ndarray, garments: Sequence[Garment], *, boxes: bool) -> np.ndarray:
    """Draw the points and limbs of any number of garments, as `draw_prediction`, and perhaps a box about each."""
    picture = image.copy()
    for garment in garments:
        picture = draw_prediction(picture, garment.prediction)
        if not boxes:
            continue
        left, top, right, bottom = (round(side) for side in garment.box)
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), (255, 255, 255), _pixels(image, 1))
    return picture


def draw_comparison(image: np.ndarray, prediction: Annotation, truth: Annotation) -> np.ndarray:
    """Draw the truth and, to its right, the prediction with its normalised error.

    Args:
        image: (H, W, 3) uint8 RGB.
        prediction, truth: of the same garment, in the picture's coordinates.
    Returns:
        (H + caption, 2 W + gap, 3) uint8 RGB.
    """
    points = np.column_stack([truth.keypoints, truth.visibility])
    error = ne(prediction.keypoints[None], points[None], categories=[truth.category])
    panels = (
        ("truth", draw_annotation(image, truth)),
        ("prediction" if np.isnan(error) else f"prediction   NE {error:.1f} %", draw_annotation(image, prediction)),
    )
    left, right = (draw_caption(panel, text) for text, panel in panels)
    gap = np.full((left.shape[0], _pixels(image, 6), 3), 255, np.uint8)
    return np.hstack([left, gap, right])


def draw_caption(picture: np.ndarray, text: str) -> np.ndarray:
    """Put a line of text above a picture.

    Args:
        picture: (H, W, 3) uint8 RGB.
        text: is cut off where the picture ends.
    Returns:
        (H + caption, W, 3) uint8 RGB.
    """
    height = _pixels(picture, 26)
    strip = np.full((height, picture.shape[1], 3), 255, np.uint8)
    scale = _scaled(picture, 0.55)
    origin = (_pixels(picture, 8), round(height * 0.7))
    cv2.putText(strip, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, _DARK, _pixels(picture, 1), cv2.LINE_AA)
    return np.vstack([strip, picture])


def draw_table(
    table: AnnotationTable, out: Path, *, truth: AnnotationTable | None = None
) -> Iterator[Path | ImageError]:
    """Write one picture per garment.

    Args:
        table: annotations or predictions, with paths.
        out: folder for the pictures; see `picture_name`.
        truth: draw its points beside those of the table.
    Yields:
        the path of each picture, once it is written; or why its photo cannot be read.
    Raises:
        DataError: no garment has a point, or one is not in `truth` or of another category there; before
            anything is drawn.
    """
    if (table.points[:, :, 2] == ABSENT).all():
        raise DataError(f"nothing to draw: none of the {len(table)} garments has a point (a test CSV?)")
    if truth is not None:
        row_of = {image_id: row for row, image_id in enumerate(truth.image_ids)}
        for image_id in table.image_ids:
            if image_id not in row_of:
                raise DataError(f"'{image_id}' has no true points")
        truth = truth.select([row_of[image_id] for image_id in table.image_ids])
        for image_id, category, true_category in zip(table.image_ids, table.categories, truth.categories, strict=True):
            if category != true_category:
                raise DataError(f"'{image_id}' is a {category}, the truth says {true_category}")
    for row, (annotation, photo) in enumerate(zip(table, table.paths, strict=True)):
        try:
            image = read_image(photo)
        except ImageError as error:
            yield error
            continue
        if truth is None:
            picture = draw_annotation(image, annotation)
        else:
            picture = draw_comparison(image, annotation, truth[row])
        path = out / picture_name(annotation.image_id)
        write_image(path, picture)
        yield path


def picture_name(image_id: str) -> str:
    """Name the picture of an id, below the folder for pictures: "Images/skirt/a.jpg" is "Images/skirt/a.drawn.jpg".

    Two ids have two pictures, and no picture takes the place of a photo should both share a folder.
    """
    path = PurePath(image_id)
    if path.suffix.lower() in SUFFIXES:
        path = path.with_name(f"{path.stem}.drawn{path.suffix}")
    else:
        path = path.with_name(f"{path.name}.drawn.png")
    return "/".join("__" if part == ".." else part for part in path.parts if part != path.anchor)


def _draw_points(image: np.ndarray, category: str, keypoints: np.ndarray, visibility: np.ndarray) -> np.ndarray:
    picture = np.ascontiguousarray(image).copy()
    radius, edge, line = _scaled(image, 5.0), _scaled(image, 1.5), _pixels(image, 2)
    drawn = [index for index in CATEGORY_KEYPOINTS[category] if visibility[index] != ABSENT]
    limbs = [limb for limb in LIMBS[category] if limb[0] in drawn and limb[1] in drawn]
    for start, end in limbs:  # dark below, so that every colour is seen on every fabric
        _draw_line(picture, keypoints[start], keypoints[end], _DARK, line + _pixels(image, 2))
    for start, end in limbs:
        middle = (keypoints[start] + keypoints[end]) / 2
        _draw_line(picture, keypoints[start], middle, _RGB[start], line)
        _draw_line(picture, middle, keypoints[end], _RGB[end], line)
    for index in drawn:
        _draw_disc(picture, keypoints[index], radius + edge, _DARK)
        _draw_disc(picture, keypoints[index], radius, _RGB[index])
        if visibility[index] == OCCLUDED:
            _uncover_disc(picture, image, keypoints[index], 0.55 * radius)
    return picture


def _draw_disc(picture: np.ndarray, point: np.ndarray, radius: float, color: tuple[int, ...]) -> None:
    cv2.circle(picture, _place(point), round(radius * 2**_SHIFT), color, cv2.FILLED, cv2.LINE_AA, _SHIFT)


def _uncover_disc(picture: np.ndarray, image: np.ndarray, point: np.ndarray, radius: float) -> None:
    """Let the photo show through a disc, its edge smooth."""
    left, top = np.floor(point - radius - 1).clip(0).astype(int)
    right, bottom = np.ceil(point + radius + 1).clip(0).astype(int)
    window = (slice(top, bottom), slice(left, right))
    share = np.zeros(picture[window].shape[:2], np.uint8)
    if share.size:
        _draw_disc(share, point - (left, top), radius, (255,))
        weight = share[:, :, None] / 255.0  # (h, w, 1)
        picture[window] = np.round(weight * image[window] + (1 - weight) * picture[window])


def _draw_line(
    picture: np.ndarray, start: np.ndarray, end: np.ndarray, color: tuple[int, int, int], width: int
) -> None:
    cv2.line(picture, _place(start), _place(end), color, width, cv2.LINE_AA, _SHIFT)


def _place(point: np.ndarray) -> tuple[int, int]:
    """Turn continuous (x, y) into OpenCV's fixed-point pixel centres."""
    x, y = np.round((point - 0.5).clip(-_FAR, _FAR) * 2**_SHIFT).astype(int).tolist()
    return x, y


def _scaled(picture: np.ndarray, size: float) -> float:
    """Scale a size that suits a picture of 512 px to this picture."""
    return size * max(picture.shape[:2]) / 512


def _pixels(picture: np.ndarray, size: float) -> int:
    return max(1, round(_scaled(picture, size)))
