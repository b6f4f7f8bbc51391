"""Photos in all their forms come out as the same upright (H, W, 3) uint8 RGB, or as an error that names the file."""

from __future__ import annotations

import contextlib
import io
import itertools
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from hemline.errors import ImageError
from hemline.images import MAX_PIXELS, decode_image, find_images, image_size, read_image, write_image

HEIGHT, WIDTH = 40, 56


@pytest.fixture(scope="module")
def rgb() -> np.ndarray:
    """(40, 56, 3): big blocks of colour, no two corners alike, so that JPEG keeps them and a turn is seen."""
    blocks = np.random.default_rng(3).integers(0, 256, (5, 7, 3), np.uint8)
    return blocks.repeat(8, axis=0).repeat(8, axis=1)


def encode(image: Image.Image | np.ndarray, image_format: str, **options: object) -> bytes:
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[0x0112] = orientation
    return block


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *, depth: int = 8, colour: int = 2, rows: bytes = b"", before: bytes = b"") -> bytes:
    """A PNG put together by hand, for what Pillow cannot write: 16-bit colour, headers that lie."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    data = png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + before + data + png_chunk(b"IEND", b"")


# ---------------------------------------------------------------- formats


@pytest.mark.parametrize(
    ("image_format", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 8),
        ("JPEG", {"quality": 95, "subsampling": 0}, 8),
        ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}, 8),
    ],
)
def test_every_format_gives_the_pixels(rgb: np.ndarray, image_format: str, options: dict, tolerance: int) -> None:
    pixels = decode_image(encode(rgb, image_format, **options))
    assert pixels.dtype == np.uint8
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
    centres = np.s_[4::8, 4::8]  # of the blocks: lossy formats bleed over their edges
    assert np.abs(pixels[centres].astype(int) - rgb[centres]).max() <= tolerance


def test_jpeg_is_decoded_as_pillow_does(garments: Path) -> None:
    path = sorted(garments.glob("Images/*/*.jpg"))[0]
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert np.abs(read_image(path).astype(int) - expected).max() <= 4


# ---------------------------------------------------------------- orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("image_format", "options", "mode"),
    [
        *(("PNG", {}, mode) for mode in ("RGB", "L", "RGBA")),
        *(("JPEG", {"quality": 100, "subsampling": 0}, mode) for mode in ("RGB", "L", "CMYK")),
        *(("WEBP", {"lossless": True}, mode) for mode in ("RGB", "RGBA")),
        *(("TIFF", {}, mode) for mode in ("RGB", "L", "RGBA", "CMYK")),
        ("TIFF", {"compression": "tiff_lzw"}, "RGB"),
    ],
)
def test_orientation_is_obeyed(
    rgb: np.ndarray, tmp_path: Path, image_format: str, options: dict, mode: str, orientation: int
) -> None:
    data = encode(Image.fromarray(rgb).convert(mode), image_format, exif=exif(orientation), **options)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    path = tmp_path / "photo"
    path.write_bytes(data)
    pixels = read_image(path)
    assert pixels.shape == expected.shape
    assert pixels.flags.c_contiguous
    assert np.abs(pixels.astype(int) - expected).max() <= 2
    assert image_size(path) == (pixels.shape[1], pixels.shape[0])


@pytest.mark.parametrize(
    ("orientation", "corner"),
    # Where the stored top-left pixel is seen upright: (row, column); the EXIF standard's own table.
    [(1, (0, 0)), (2, (0, -1)), (3, (-1, -1)), (4, (-1, 0)), (5, (0, 0)), (6, (0, -1)), (7, (-1, -1)), (8, (-1, 0))],
)
def test_stored_corner_is_where_the_exif_table_says(orientation: int, corner: tuple[int, int]) -> None:
    stored = np.zeros((8, 16, 3), np.uint8)
    stored[0, 0] = 255
    pixels = decode_image(encode(stored, "PNG", exif=exif(orientation)))
    assert pixels[corner].tolist() == [255, 255, 255]
    assert pixels.shape == ((16, 8, 3) if orientation >= 5 else (8, 16, 3))


_EXIF_OF_TEXT = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0abc\0\0\0\0\0"
_EXIF_OF_TWO = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x02\0\0\0\x01\0\x01\0\0\0\0\0"


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "block",
    [
        exif(0).tobytes(),
        exif(9).tobytes(),
        _EXIF_OF_TEXT,
        _EXIF_OF_TWO,
        exif(1).tobytes()[:20],
        b"Exif\0\0II*\0\xff\xff\0\0",
        b"Exif\0\0garbage",
        b"garbage",
    ],
    ids=["zero", "nine", "text", "twice", "cut", "offset", "garbage", "no-head"],
)
def test_odd_exif_does_not_spoil_the_pixels(rgb: np.ndarray, tmp_path: Path, image_format: str, block: bytes) -> None:
    path = tmp_path / "photo"
    path.write_bytes(encode(rgb, image_format, exif=block))
    assert np.array_equal(read_image(path), decode_image(encode(rgb, image_format)))
    assert image_size(path) == (WIDTH, HEIGHT)


# ---------------------------------------------------------------- colour modes


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_grey_has_three_equal_channels(image_format: str) -> None:
    grey = np.full((HEIGHT, WIDTH), 130, np.uint8)
    options = {"lossless": True} if image_format == "WEBP" else {}
    pixels = decode_image(encode(grey, image_format, **options))
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert (pixels == 130).all()


def test_one_bit_is_black_and_white() -> None:
    bits = np.zeros((16, 16), bool)
    bits[:, 8:] = True
    pixels = decode_image(encode(Image.fromarray(bits), "PNG"))
    assert (pixels[:, :8] == 0).all()
    assert (pixels[:, 8:] == 255).all()


def test_cmyk_jpeg() -> None:
    # Cyan takes away red, half black takes half of what is left: R = 255 (1 - C) (1 - K).
    cmyk = np.zeros((16, 16, 4), np.uint8)
    cmyk[:, :, 0] = 255
    cmyk[:, 8:, 3] = 128
    pixels = decode_image(encode(Image.fromarray(cmyk, "CMYK"), "JPEG", quality=100)).astype(int)
    assert np.abs(pixels[4, 3] - [0, 255, 255]).max() <= 3
    assert np.abs(pixels[4, 12] - [0, 127, 127]).max() <= 3


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "WEBP"])
def test_transparency_lies_on_white(image_format: str) -> None:
    rgba = np.zeros((16, 24, 4), np.uint8)
    rgba[:, :, 0] = 200  # red
    rgba[:, 8:16, 3] = 51  # a fifth of it: 255 + (200 - 255) / 5 = 244, 255 - 255 / 5 = 204
    rgba[:, 16:, 3] = 255
    options = {"lossless": True, "exact": True} if image_format == "WEBP" else {}
    pixels = decode_image(encode(rgba, image_format, **options))
    assert pixels[8, [4, 12, 20]].tolist() == [[255, 255, 255], [244, 204, 204], [200, 0, 0]]


def test_grey_transparency_lies_on_white() -> None:
    grey_alpha = np.zeros((16, 16, 2), np.uint8)
    grey_alpha[:, 8:, 1] = 255
    pixels = decode_image(encode(Image.fromarray(grey_alpha, "LA"), "PNG"))
    assert (pixels[:, :8] == 255).all()
    assert (pixels[:, 8:] == 0).all()


@pytest.mark.parametrize("transparency", [1, bytes([255, 0, 255])], ids=["index", "table"])
def test_palette_transparency_lies_on_white(transparency: int | bytes) -> None:
    image = Image.fromarray(np.repeat(np.arange(3, dtype=np.uint8)[None], 9, 0).repeat(3, 1), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    pixels = decode_image(encode(image, "PNG", transparency=transparency))
    assert pixels[4, [1, 4, 7]].tolist() == [[10, 20, 30], [255, 255, 255], [70, 80, 90]]


def test_transparent_colour_lies_on_white(rgb: np.ndarray) -> None:
    key = tuple(int(value) for value in rgb[4, 4])
    pixels = decode_image(encode(rgb, "PNG", transparency=key))
    assert pixels[4, 4].tolist() == [255, 255, 255]
    assert np.array_equal(pixels[4, 12], rgb[4, 12])


@pytest.mark.parametrize("values", [(0, 128, 255), (0, 1, 3)], ids=["bright", "dark"])
def test_16_bit_grey_keeps_the_upper_byte(values: tuple[int, ...]) -> None:
    high = np.array(values, np.uint16).repeat(8)[None].repeat(8, 0)
    stored = (high << 8) | 0x55
    for data in (encode(Image.fromarray(stored), "PNG"), encode(Image.fromarray(stored), "TIFF")):
        assert decode_image(data)[4, [4, 12, 20], 1].tolist() == list(values)


def test_16_bit_grey_below_256_is_black() -> None:
    assert decode_image(encode(Image.fromarray(np.full((8, 8), 255, np.uint16)), "PNG")).max() == 0


def test_16_bit_colour_keeps_the_upper_byte() -> None:
    row = b"\0" + bytes([10, 0x55, 20, 0x55, 200, 0x55]) * 6
    pixels = decode_image(png(6, 4, depth=16, rows=row * 4))
    assert pixels.shape == (4, 6, 3)
    assert (pixels == [10, 20, 200]).all()


def test_16_bit_colour_with_alpha() -> None:
    row = b"\0" + bytes([10, 0, 20, 0, 200, 0, 0, 0]) * 3 + bytes([10, 0, 20, 0, 200, 0, 255, 255]) * 3
    pixels = decode_image(png(6, 4, depth=16, colour=6, rows=row * 4))
    assert pixels[2, [1, 4]].tolist() == [[255, 255, 255], [10, 20, 200]]


# ---------------------------------------------------------------- what cannot be read


@pytest.mark.parametrize("progressive", [False, True])
def test_cut_jpeg_is_an_error_wherever_it_is_cut(rgb: np.ndarray, progressive: bool) -> None:
    # With a thumbnail in its EXIF block the file holds a whole small JPEG, end marker included, near its start.
    thumbnail = encode(rgb[::4, ::4], "JPEG")
    block = exif(1).tobytes() + thumbnail
    whole = encode(rgb, "JPEG", quality=90, progressive=progressive, exif=block)
    pixels = decode_image(whole)
    assert thumbnail in whole
    for end in range(1, len(whole)):
        if end < len(whole) - 2:
            with pytest.raises(ImageError, match=r"^cut\.jpg: "):
                decode_image(whole[:end], name="cut.jpg")
        else:  # all pixels are there, only the end marker is not
            with contextlib.suppress(ImageError):
                assert np.array_equal(decode_image(whole[:end]), pixels)


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_cut_file_is_an_error(rgb: np.ndarray, image_format: str, mode: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, rgb.shape, np.uint8)
    whole = encode(Image.fromarray(noise).convert(mode), image_format)
    for end in np.linspace(1, len(whole) - 24, 60).astype(int):  # a PNG ends with 12 bytes that say nothing
        with pytest.raises(ImageError, match=r"^cut: "):
            decode_image(whole[:end], name="cut")


def test_jpeg_with_bytes_after_its_end(rgb: np.ndarray) -> None:
    # Phones append previews and short films.
    whole = encode(rgb, "JPEG")
    assert np.array_equal(decode_image(whole + b"\0" * 100), decode_image(whole))
    assert np.array_equal(decode_image(whole + whole), decode_image(whole))


def test_two_photos_in_one_file_give_the_first(rgb: np.ndarray) -> None:
    first, second = Image.fromarray(rgb), Image.fromarray(255 - rgb)
    data = encode(first, "MPO", save_all=True, append_images=[second], quality=95)
    assert np.abs(decode_image(data).astype(int) - rgb).mean() < 8


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "photo.jpg: the file is empty"),
        (b"image_id,image_category\n", "photo.jpg: not a photo; expected JPEG, PNG, WebP, BMP or TIFF"),
        (b"\xff\xd8", "photo.jpg: not a photo; expected JPEG, PNG, WebP, BMP or TIFF"),
        (b"GIF89a", "photo.jpg: not a photo; expected JPEG, PNG, WebP, BMP or TIFF"),
        # Pillow would hand this one to Ghostscript.
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "photo.jpg: not a photo; expected"),
        (png(0, 10), "photo.jpg: not a photo; expected"),
    ],
    ids=["empty", "text", "marker", "gif", "eps", "no-width"],
)
def test_what_is_no_photo_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert str(caught.value).startswith(str(tmp_path / message))
    assert "0x" not in str(caught.value)
    with pytest.raises(ImageError, match=r"photo\.jpg: "):
        image_size(path)


@pytest.mark.parametrize("read", [read_image, image_size])
def test_missing_file_and_folder(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(ImageError, match=r"none\.jpg: No such file or directory$"):
        read(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match=r": Is a directory$"):
        read(tmp_path)


@pytest.mark.parametrize("side", [10_001, 13_000, 100_000])
@pytest.mark.parametrize("colour", [0, 2, 3, 6])
def test_huge_photo_is_refused_before_it_is_decoded(side: int, colour: int) -> None:
    palette = png_chunk(b"PLTE", b"\1\2\3") if colour == 3 else b""
    data = png(side, side, colour=colour, rows=bytes(100), before=palette)
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match=r"^bomb: .* pixels.* the limit of 100,000,000; make it smaller first$"):
            decode_image(data, name="bomb")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_no_decoder_is_started_for_a_huge_photo(monkeypatch: pytest.MonkeyPatch, rgb: np.ndarray) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(cv2, "imdecode", fail)
    monkeypatch.setattr(Image.Image, "load", fail)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    for image_format, mode in itertools.product(("JPEG", "PNG", "WEBP", "TIFF", "BMP"), ("RGB", "L")):
        data = encode_by_opencv(rgb, image_format, mode)
        with pytest.raises(ImageError, match=r"^x: 56 x 40 pixels, more than the limit of 2,239; make it smaller"):
            decode_image(data, name="x", max_pixels=HEIGHT * WIDTH - 1)


def encode_by_opencv(rgb: np.ndarray, image_format: str, mode: str) -> bytes:
    pixels = rgb if mode == "RGB" else rgb[:, :, 0]
    suffix = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tiff", "BMP": ".bmp"}[image_format]
    return cv2.imencode(suffix, pixels)[1].tobytes()


def test_photo_at_the_limit_is_read(rgb: np.ndarray) -> None:
    assert decode_image(encode(rgb, "PNG"), max_pixels=HEIGHT * WIDTH).shape == rgb.shape


def test_pillows_warning_of_large_photos_stays_inside(tmp_path: Path) -> None:
    # 95 megapixels: above Pillow's own limit, below ours. The pixels are missing, which is what must be said.
    path = tmp_path / "large.png"
    path.write_bytes(png(9_500, 10_000, rows=bytes(100)))
    assert MAX_PIXELS > 9_500 * 10_000
    with pytest.raises(ImageError, match=r"large\.png: cannot be read as a photo \(.*truncated"):
        read_image(path)
    assert image_size(path) == (9_500, 10_000)


def test_size_of_a_png_is_read_without_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(png(12_000, 3, rows=b""))
    assert image_size(path) == (12_000, 3)


def test_many_threads_read_at_once(rgb: np.ndarray) -> None:
    data = encode(rgb, "JPEG", exif=_EXIF_OF_TWO)
    expected = decode_image(data)
    with ThreadPoolExecutor(4) as pool:
        for pixels in pool.map(decode_image, [data] * 64):
            assert np.array_equal(pixels, expected)


# ---------------------------------------------------------------- writing and finding


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".PNG"])
def test_written_pixels_come_back(rgb: np.ndarray, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "new" / f"photo{suffix}"
    write_image(path, rgb)
    assert np.array_equal(read_image(path), rgb)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_written_jpeg_keeps_red_red(tmp_path: Path) -> None:
    red = np.full((16, 16, 3), (220, 30, 40), np.uint8)
    write_image(tmp_path / "red.jpg", red)
    with Image.open(tmp_path / "red.jpg") as image:
        assert np.abs(np.asarray(image).astype(int) - red).max() <= 4


@pytest.mark.parametrize("name", ["photo.xyz", "photo"])
def test_unknown_suffix_is_not_written(rgb: np.ndarray, tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError, match=r"photo.*: cannot be written as .*; known are \.bmp, \.jpeg, \.jpg"):
        write_image(tmp_path / name, rgb)
    assert not list(tmp_path.iterdir())


def test_too_long_a_side_for_a_format_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"long\.webp: a picture of 20000 x 2 pixels cannot be a '\.webp'; write a"):
        write_image(tmp_path / "long.webp", np.zeros((2, 20000, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_find_images(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "b/1.png", "a.webp", "b/notes.txt", "c/deep/3.tiff"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    found, note = find_images(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in found] == ["a.webp", "b/1.png", "b/2.JPG", "c/deep/3.tiff"]
    assert note is None
    # A file is taken as it is given, whatever its name.
    assert find_images(tmp_path / "b/notes.txt") == ([tmp_path / "b/notes.txt"], None)


def test_find_images_counts_photos_that_it_does_not_read(tmp_path: Path) -> None:
    for name in ("1.HEIC", "2.gif", "3.jfif", "deep.avif", "notes.txt"):
        (tmp_path / name).touch()
    said = f"{tmp_path}: 4 photos left out, save them as JPEG or PNG first (.avif, .gif, .heic, .jfif)"
    with pytest.raises(ImageError) as caught:
        find_images(tmp_path)
    assert str(caught.value) == said
    (tmp_path / "5.jpg").touch()
    assert find_images(tmp_path) == ([tmp_path / "5.jpg"], said)


def test_find_images_in_nothing(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"none: no such file or folder"):
        find_images(tmp_path / "none")
    with pytest.raises(ImageError, match=r": no photo in this folder \(\.bmp, "):
        find_images(tmp_path)
