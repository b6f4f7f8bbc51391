"""Photos in, pixels out: any common file becomes (H, W, 3) uint8 RGB, upright.

Pillow reads the header (size, mode, orientation) before anything is decoded; OpenCV decodes the plain
8-bit files, which are nearly all, and Pillow the others.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from hemline.errors import ImageError

SUFFIXES: frozenset[str] = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})

MAX_PIXELS = 100_000_000
"""Photos that decode to more pixels than this are refused before they are decoded."""

_ORIENTATION_TAG = 0x0112
_PLAIN_MODES = {"RGB", "L"}
_PLAIN_FORMATS = {"JPEG", "PNG", "BMP", "WEBP"}


def read_image(path: Path, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read a photo, upright and in RGB.

    Args:
        path: the file.
        max_pixels: refuse a photo whose header declares more.
    Returns:
        (H, W, 3) uint8 RGB. EXIF orientation is applied; grey, palette, CMYK and 16-bit files are
        converted; transparent pixels lie on white.
    Raises:
        ImageError: missing, empty, not a photo, truncated or too large; names the file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from error
    return decode_image(data, name=str(path), max_pixels=max_pixels)


def decode_image(data: bytes, *, name: str = "image", max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode the bytes of a photo; like `read_image`, with `name` for the error messages."""
    if not data:
        raise ImageError(f"{name}: the file is empty")
    try:
        with Image.open(io.BytesIO(data)) as header:
            width, height = header.size
            if width * height > max_pixels:
                raise ImageError(
                    f"{name}: {width} x {height} pixels, more than the limit of {max_pixels:,}; make it smaller first"
                )
            if header.mode in _PLAIN_MODES and header.format in _PLAIN_FORMATS and _is_complete(data, header.format):
                orientation = header.getexif().get(_ORIENTATION_TAG, 1)
                pixels = _decode_plain(data)
                if pixels is not None and pixels.shape[:2] == (height, width):
                    return _upright(pixels, orientation)
            return _to_rgb(ImageOps.exif_transpose(header))
    except ImageError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever their format libraries do
        raise ImageError(f"{name}: cannot be read as a photo ({error or type(error).__name__})") from error


def image_size(path: Path) -> tuple[int, int]:
    """Read the upright width and height of a photo from its header alone.

    Raises:
        ImageError: missing or not a photo.
    """
    try:
        with Image.open(path) as header:
            width, height = header.size
            return (height, width) if header.getexif().get(_ORIENTATION_TAG, 1) >= 5 else (width, height)
    except Exception as error:
        raise ImageError(f"{path}: cannot be read as a photo ({error or type(error).__name__})") from error


def write_image(path: Path, pixels: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB as the format that the suffix names, whole or not at all."""
    from hemline.files import write_atomic

    ok, encoded = cv2.imencode(path.suffix or ".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if not ok:
        raise ImageError(f"{path}: cannot be written as '{path.suffix}'")
    write_atomic(path, encoded.tobytes())


def find_images(places: Iterable[Path]) -> Iterator[Path]:
    """List photos: files as they are given, folders searched through in name order.

    Raises:
        ImageError: a place does not exist, or a folder holds no photo.
    """
    for place in places:
        if place.is_dir():
            found = sorted(path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
            if not found:
                raise ImageError(f"{place}: no photo in this folder ({', '.join(sorted(SUFFIXES))})")
            yield from found
        elif place.exists():
            yield place
        else:
            raise ImageError(f"{place}: no such file or folder")


def _is_complete(data: bytes, image_format: str) -> bool:
    """Tell a whole JPEG from a cut one: the last scan must be followed by an end marker."""
    return image_format != "JPEG" or data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")


def _decode_plain(data: bytes) -> np.ndarray | None:
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    return cv2.imdecode(np.frombuffer(data, np.uint8), flags)


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation (1 to 8) to (H, W, 3) pixels."""
    if orientation >= 5:  # 5 to 8 are stored transposed
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.asarray(image, dtype=np.float64)
        top = 65535.0 if values.max(initial=0) > 255 else 255.0
        grey = np.clip(values * (255.0 / top) + 0.5, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layered = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
    return np.array(image.convert("RGB"))
