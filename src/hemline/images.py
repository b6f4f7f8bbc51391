"""Photos in, pixels out: any common file becomes (H, W, 3) uint8 RGB, upright.

Pillow reads the header (size, mode, orientation) before anything is decoded; OpenCV decodes the plain
8-bit files, which are nearly all, and Pillow the others.
"""

from __future__ import annotations

import io
import threading
import warnings
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from hemline.errors import ImageError
from hemline.files import write_atomic

SUFFIXES: frozenset[str] = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})

_OTHER_SUFFIXES = frozenset({".avif", ".dng", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jxl"})
"""Of photos, too, but not read: they are counted where a folder holds them."""

MAX_PIXELS = 100_000_000
"""Photos that decode to more pixels than this are refused before they are decoded."""

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
_PLAIN_FORMATS = {"JPEG", "PNG", "WEBP"}
_PLAIN_MODES = {"RGB", "L"}
_ORIENTATION_TAG = 0x0112
_opening = threading.Lock()


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
        raise _unreadable(str(path), error) from error
    return decode_image(data, name=str(path), max_pixels=max_pixels)


def decode_image(data: bytes, *, name: str = "image", max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode the bytes of a photo; like `read_image`, with `name` for the error messages."""
    if not data:
        raise ImageError(f"{name}: the file is empty")
    try:
        header, orientation = _open(io.BytesIO(data))
        width, height = header.size
        if width * height > max_pixels:
            raise ImageError(
                f"{name}: {width} x {height} pixels, more than the limit of {max_pixels:,}; make it smaller first"
            )
        if _is_plain(header) and _is_complete(data, header.format):
            pixels = _decode_plain(data)
            if pixels is not None and pixels.shape[:2] == (height, width):
                return _upright(pixels, orientation)
        return _upright(_to_rgb(header), orientation)
    except ImageError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever their format libraries do
        raise _unreadable(name, error) from error


def image_size(path: Path) -> tuple[int, int]:
    """Read the upright width and height of a photo from its header alone.

    Raises:
        ImageError: missing or not a photo.
    """
    try:
        with path.open("rb") as file:
            header, orientation = _open(file)
    except Exception as error:
        raise _unreadable(str(path), error) from error
    width, height = header.size
    return (height, width) if orientation >= 5 else (width, height)


def write_image(path: Path, pixels: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB, or (H, W) uint8 grey, as the format that the suffix names, whole or not at all."""
    if path.suffix.lower() not in SUFFIXES:
        raise ImageError(f"{path}: cannot be written as '{path.suffix}'; known are {', '.join(sorted(SUFFIXES))}")
    encodes, encoded = cv2.imencode(
        path.suffix, pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    )
    if not encodes:
        height, width = pixels.shape[:2]
        raise ImageError(f"{path}: a picture of {width} x {height} pixels cannot be a '{path.suffix}'; write a .png")
    write_atomic(path, encoded.tobytes())


def find_images(place: Path) -> tuple[list[Path], str | None]:
    """List photos: a file as it is given, a folder searched through in name order.

    Returns:
        the photos, and one sentence about photos of the folder whose format is not read, if it has any.
    Raises:
        ImageError: the place does not exist, or is a folder without photos.
    """
    if not place.is_dir():
        if not place.exists():
            raise ImageError(f"{place}: no such file or folder")
        return [place], None
    files = sorted(path for path in place.rglob("*") if path.is_file())
    found = [path for path in files if path.suffix.lower() in SUFFIXES]
    other = [path for path in files if path.suffix.lower() in _OTHER_SUFFIXES]
    note = None
    if other:
        suffixes = ", ".join(sorted({path.suffix.lower() for path in other}))
        note = f"{place}: {len(other)} photos left out, save them as JPEG or PNG first ({suffixes})"
    if not found:
        raise ImageError(note or f"{place}: no photo in this folder ({', '.join(sorted(SUFFIXES))})")
    return found, note


def _open(file: IO[bytes]) -> tuple[Image.Image, int]:
    """Read a photo's header; return it, undecoded, with its EXIF orientation (1 to 8).

    Pillow's warnings of large sizes and odd EXIF blocks are muted: the first become errors in
    `decode_image`, the second change nothing. The lock is there because warning filters belong to the
    whole process.
    """
    with _opening, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = Image.open(file, formats=_FORMATS)
        return header, _orientation(header)


def _orientation(header: Image.Image) -> int:
    if header.format == "TIFF":  # Pillow turns these itself
        return 1
    try:
        # A PNG's own getexif would decode the whole photo in search of an EXIF block behind the pixels.
        value = Image.Image.getexif(header).get(_ORIENTATION_TAG, 1)
    except Exception:  # a broken EXIF block says nothing about the pixels
        return 1
    return value if value in range(1, 9) else 1


def _unreadable(name: str, error: Exception) -> ImageError:
    if isinstance(error, UnidentifiedImageError):
        return ImageError(f"{name}: not a photo; expected JPEG, PNG, WebP, BMP or TIFF")
    if isinstance(error, Image.DecompressionBombError):
        return ImageError(f"{name}: far more pixels than the limit of {MAX_PIXELS:,}; make it smaller first")
    if isinstance(error, OSError) and error.strerror:
        return ImageError(f"{name}: {error.strerror}")
    return ImageError(f"{name}: cannot be read as a photo ({error or type(error).__name__})")


def _is_plain(header: Image.Image) -> bool:
    return header.format in _PLAIN_FORMATS and header.mode in _PLAIN_MODES and "transparency" not in header.info


def _is_complete(data: bytes, image_format: str | None) -> bool:
    """Tell a whole JPEG from a cut one: the last scan must be followed by an end marker."""
    return image_format != "JPEG" or data.endswith(b"\xff\xd9") or data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")


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
    if image.mode.startswith("I"):  # 16-bit grey: the upper byte, which is what decoders keep of 16-bit colour
        grey = (np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)  # (H, W, 3)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layered = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
    return np.array(image.convert("RGB"))
