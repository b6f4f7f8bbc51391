"""The FashionAI CSV: one garment a row, one cell `x_y_v` a keypoint.

    image_id,image_category,neckline_left,neckline_right,...
    Images/blouse/0a1b.jpg,blouse,206_96_1,318.25_93_0,...,-1_-1_-1

v is 1 visible, 0 occluded, -1 absent; an absent point is exactly -1_-1_-1. A test CSV has the first two
columns only. Official files hold integers; predictions may have decimals.

Source: FashionAI 2018, layout of the official files. Differs: CRLF, a byte order mark, spaces around a
name or a cell, quoted cells, blank lines and columns in another order are read too.
"""

from __future__ import annotations

import contextlib
import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from hemline.annotation import ABSENT, AnnotationTable
from hemline.errors import DataError, unknown_name
from hemline.files import open_atomic
from hemline.garments import CATEGORIES, CATEGORY_KEYPOINTS, KEYPOINTS, NUM_KEYPOINTS

TEST_COLUMNS = ("image_id", "image_category")
COLUMNS = (*TEST_COLUMNS, *KEYPOINTS)
INSTANCE_COLUMNS = (*TEST_COLUMNS, "instance", *KEYPOINTS)
"""Of a file with any number of garments a photo; no FashionAI file, so that `read_annotations` refuses it."""

ABSENT_CELL = "-1_-1_-1"
FARTHEST = 1e6
"""No coordinate of a present point is further from 0, in pixels: what is is no place but a broken number."""

_COMMA, _MINUS, _DOT, _ZERO, _ONE, _UNDERSCORE = b",-.01_"
_ROW_PATTERN = np.frombuffer(b"__," * (NUM_KEYPOINTS - 1) + b"__\n", np.uint8)
_ABSENT = np.frombuffer(ABSENT_CELL.encode(), np.uint8)
_LONGEST_NUMBER = 15  # as many digits as a float64 always holds exactly
_POWERS_OF_TEN = 10.0 ** np.arange(_LONGEST_NUMBER)


def read_annotations(path: Path) -> AnnotationTable:
    """Read a FashionAI CSV; the photos need not be there.

    A point of another category than the row's may be present (some teams wrote all 24): it is read as it
    stands, and evaluation ignores it.

    Args:
        path: annotations, predictions, a submission, or a test CSV without points.
    Returns:
        the rows in file order; all points are absent where the file has no point columns.
    Raises:
        DataError: names file, line (the header is line 1) and column, what was got and what is expected.
    """
    text = _read_text(path)
    columns = _parse_header(text, path)
    table = _parse_plain(text, columns)
    return table if table is not None else _parse_row_by_row(text, columns, path)


def read_columns(path: Path) -> tuple[str, ...]:
    """Read the column names of any CSV, whatever else it holds.

    Raises:
        DataError: the file cannot be opened.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as stream:
            return _split_header(stream.readline())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error


def read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Read the rows as text, cells in the order of COLUMNS, without a look at what they say.

    Yields:
        line number and cells, without the spaces around them; a row that is too long or too short comes
        as it is.
    Raises:
        DataError: no text, or a header that does not name the columns.
    """
    text = _read_text(path)
    columns = _parse_header(text, path)
    order = _column_order(columns)
    for line, cells in _split_rows(text, path):
        yield line, [cells[at] for at in order] if len(cells) == len(columns) else cells


def parse_cell(cell: str) -> tuple[float, float, int]:
    """Read one cell `x_y_v`.

    Raises:
        DataError: got and expected, without the place: the caller knows it.
    """
    try:
        x, y, visibility = cell.encode("ascii").split(b"_")
        point = (float(x), float(y), int(visibility))
    except ValueError:  # no number, or digits of another script
        raise DataError(f"got '{cell}', expected x_y_v, for example 120_45_1, or {ABSENT_CELL}") from None
    if point[2] not in (1, 0, ABSENT):
        raise DataError(f"got '{cell}', expected a visibility of 1 (visible), 0 (occluded) or -1 (absent)")
    if point[2] == ABSENT and point[:2] != (-1, -1):
        raise DataError(f"got '{cell}', expected {ABSENT_CELL} for an absent point, or a visibility of 1 or 0")
    if not np.isfinite(point).all():
        raise DataError(f"got '{cell}', expected finite coordinates")
    if max(abs(point[0]), abs(point[1])) > FARTHEST:
        raise DataError(f"got '{cell}', expected coordinates within {FARTHEST:,.0f} pixels of 0")
    return point


def write_annotations(path: Path, table: AnnotationTable) -> None:
    """Write a FashionAI CSV, whole or not at all; see `open_writer`."""
    with open_writer(path) as write:
        for row in zip(table.image_ids, table.categories, table.points, strict=True):
            write(*row)


@contextlib.contextmanager
def open_writer(path: Path, *, instances: bool = False) -> Iterator[Callable[..., None]]:
    """Write a FashionAI CSV row by row; it appears under its name when the block ends without an error.

    Coordinates keep at most three decimals and integers have none. An absent point is written -1_-1_-1,
    whatever its coordinates.

    Args:
        path: the CSV.
        instances: write any number of rows for an id, and number them: INSTANCE_COLUMNS.
    Yields:
        write(image_id, category, points), with points (24, 3): x, y, visibility in {1, 0, -1}.
    Raises:
        DataError: an id that comes twice, or a present point that is not finite or beyond FARTHEST: it could
            not be read back.
    """
    written: Counter[str] = Counter()
    with open_atomic(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(INSTANCE_COLUMNS if instances else COLUMNS)

        def write(image_id: str, category: str, points: np.ndarray) -> None:
            if written[image_id] and not instances:
                raise DataError(f"cannot write {path}: '{image_id}' comes twice, a file has one row per image_id")
            number = (written[image_id],) if instances else ()
            written[image_id] += 1
            broken = (points[:, 2] != ABSENT) & ~(np.abs(points) <= FARTHEST).all(axis=1)  # so is NaN
            if broken.any():
                name, (x, y, _) = KEYPOINTS[broken.argmax()], points[broken.argmax()]
                raise DataError(f"cannot write {path}: {name} of '{image_id}' is at ({x:g}, {y:g})")
            writer.writerow((image_id, category, *number, *map(_format_cell, np.round(points, 3).tolist())))

        yield write


def find_line(path: Path, image_id: str) -> int:
    """Find the line on which an id stands, for error messages; the header is line 1."""
    return next((line for line, cells in read_rows(path) if image_id in cells), 0)


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8 text; save the file as CSV UTF-8"
        ) from error
    if not text or text.isspace():
        raise DataError(f"{path}: the file is empty, expected a header line {','.join(COLUMNS[:3])},...")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _format_cell(point: list[float]) -> str:
    x, y, visibility = point
    return ABSENT_CELL if visibility == ABSENT else f"{x + 0.0:.12g}_{y + 0.0:.12g}_{visibility:.0f}"  # no -0


def _split_header(line: str) -> tuple[str, ...]:
    return tuple(name.strip().strip('"') for name in line.split(","))


def _parse_header(text: str, path: Path) -> tuple[str, ...]:
    """Return the column names in file order: all of COLUMNS or all of TEST_COLUMNS, in any order."""
    columns = _split_header(text.partition("\n")[0])
    where = f"{path}, line 1"
    for at, name in enumerate(columns):
        if name not in COLUMNS:
            raise DataError(f"{where}, column {at + 1}: {unknown_name('column', name, COLUMNS)}")
        if name in columns[:at]:
            raise DataError(f"{where}, column {at + 1}: '{name}' is there twice")
    if set(columns) != set(TEST_COLUMNS):
        missing = [name for name in COLUMNS if name not in columns]
        if missing:
            raise DataError(f"{where}: no column {', '.join(missing)}; expected all of {', '.join(COLUMNS)}")
    return columns


def _column_order(columns: Sequence[str]) -> list[int]:
    """Return where each of COLUMNS, or of TEST_COLUMNS, stands in the file."""
    return [columns.index(name) for name in COLUMNS[: len(columns)]]


def _parse_plain(text: str, columns: tuple[str, ...]) -> AnnotationTable | None:
    """Parse a file as programs write them, all numbers at once.

    Returns:
        None when anything at all is unusual: `_parse_row_by_row` accepts it or says what is wrong.
    """
    if columns[:2] != TEST_COLUMNS or '"' in text:
        return None
    # Three lists of text, as a list of 10,000 rows would set the garbage collector to work.
    lines = text.rstrip("\n").split("\n")[1:]
    ids = [line.partition(",")[0] for line in lines]
    after_id = [line.partition(",")[2] for line in lines]
    categories = [line.partition(",")[0] for line in after_id]
    cells = [line.partition(",")[2] for line in after_id]
    if "" in ids or len(set(ids)) != len(ids) or ids != list(map(str.strip, ids)):
        return None
    if not lines or not set(categories) <= set(CATEGORIES):
        return None
    if columns == TEST_COLUMNS:
        if after_id != categories:
            return None
        absent = np.broadcast_to(-1.0, (len(ids), NUM_KEYPOINTS, 3))  # one number, however many rows
        return AnnotationTable(tuple(ids), tuple(categories), absent)
    points = _parse_points(("\n".join(cells) + "\n").encode(), len(ids))
    if points is None:
        return None
    if columns != COLUMNS:
        points = points[:, [at - 2 for at in _column_order(columns)[2:]]]
    return AnnotationTable(tuple(ids), tuple(categories), points)


def _parse_points(rows: bytes, count: int) -> np.ndarray | None:
    """Parse rows of 24 cells.

    Args:
        rows: `x_y_v,x_y_v,...` and a line feed, count times.
        count: how many rows to expect.
    Returns:
        (count, 24, 3) float64: x, y, visibility; None when any cell is unusual.
    """
    if rows.translate(None, b"0123456789.-_,\n"):
        return None
    characters = np.frombuffer(rows, np.uint8)
    separators = np.flatnonzero((characters == _UNDERSCORE) | (characters <= _COMMA))
    if separators.size != count * _ROW_PATTERN.size:
        return None
    if not (characters[separators].reshape(count, -1) == _ROW_PATTERN).all():  # (count * 72,) -> (count, 72)
        return None
    x_ends, y_ends, ends = separators.reshape(-1, 3).T.copy()  # (count * 72,) -> 3 of (count * 24,)
    starts = np.concatenate([[0], ends[:-1] + 1])

    short = ends - y_ends == 2  # one character of visibility: 1 or 0
    present, absent = np.flatnonzero(short), np.flatnonzero(~short)
    visibility = characters[ends[present] - 1]
    if not ((visibility == _ZERO) | (visibility == _ONE)).all():
        return None
    if not (ends[absent] - starts[absent] == _ABSENT.size).all():
        return None
    if not (sliding_window_view(characters, _ABSENT.size)[starts[absent]] == _ABSENT).all():
        return None

    numbers = _parse_numbers(
        characters,
        np.concatenate([starts[present], x_ends[present] + 1]),
        np.concatenate([x_ends[present], y_ends[present]]),
    )
    if numbers is None or (np.abs(numbers) > FARTHEST).any():
        return None
    points = np.full((count * NUM_KEYPOINTS, 3), -1.0)
    points[present, :2] = numbers.reshape(2, -1).T  # all x, then all y -> (present, 2)
    points[present, 2] = visibility - float(_ZERO)
    return points.reshape(count, NUM_KEYPOINTS, 3)  # (count * 24, 3) -> (count, 24, 3)


def _parse_numbers(characters: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray | None:
    """Parse decimal numbers, one digit of all of them at a time.

    Args:
        characters: uint8 text of digits, dots and minus signs between the starts and ends.
        starts, ends: (N,) where each number begins and stops.
    Returns:
        (N,) float64, the same values as float(); None when any is not a number or too long.
    """
    longest = int((ends - starts).max(initial=0))
    if longest > _LONGEST_NUMBER:
        return None
    negative = characters[starts] == _MINUS
    position = starts + negative
    value = np.zeros(starts.size, np.int64)
    digits, decimals = np.zeros((2, starts.size), np.int8)
    dotted = np.zeros(starts.size, bool)
    for _ in range(longest):
        inside = position < ends
        character = characters[position]
        digit = inside & (character >= _ZERO)
        np.copyto(value, value * 10 + (character - _ZERO), where=digit)
        digits += digit
        decimals += digit & dotted
        dotted |= inside & (character == _DOT)
        position += inside
    # One minus at most, in front; one dot at most; at least one digit.
    if not (digits + dotted + negative == ends - starts).all() or not digits.all():
        return None
    numbers: np.ndarray = np.where(negative, -value, value) / _POWERS_OF_TEN[decimals]
    return numbers


def _split_rows(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and stripped cells of each row after the header that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        next(reader)
        for row in reader:
            cells = [cell.strip() for cell in row]
            if cells not in ([], [""]):
                yield reader.line_num, cells
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from error


def _parse_row_by_row(text: str, columns: tuple[str, ...], path: Path) -> AnnotationTable:
    """Parse any legal file, and say precisely what is wrong with any other."""
    order = _column_order(columns)
    lines: dict[str, int] = {}
    categories: list[str] = []
    points: list[list[tuple[float, float, int]]] = []
    for line, cells in _split_rows(text, path):
        where = f"{path}, line {line}"
        if len(cells) != len(columns):
            raise DataError(f"{where}: {len(cells)} columns, expected {len(columns)} as in the header")
        image_id, category, *point_cells = (cells[at] for at in order)
        if not image_id:
            raise DataError(f"{where}, column image_id: empty, expected a path such as Images/skirt/0a1b.jpg")
        if image_id in lines:
            raise DataError(f"{where}, column image_id: '{image_id}' is on line {lines[image_id]} already")
        if category not in CATEGORY_KEYPOINTS:
            raise DataError(f"{where}, column image_category: {unknown_name('category', category, CATEGORIES)}")
        row = []
        for name, cell in zip(KEYPOINTS, point_cells, strict=False):
            try:
                row.append(parse_cell(cell))
            except DataError as error:
                raise DataError(f"{where}, column {name}: {error}") from None
        lines[image_id] = line
        categories.append(category)
        points.append(row or [(-1, -1, ABSENT)] * NUM_KEYPOINTS)
    if not lines:
        raise DataError(f"{path}: no garment, the file ends after its header")
    return AnnotationTable(tuple(lines), tuple(categories), np.array(points, dtype=np.float64))
