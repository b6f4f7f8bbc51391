"""The FashionAI CSV: what is read, what is written, and what is said about a broken file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemline.annotation import AnnotationTable
from hemline.errors import DataError
from hemline.formats import fashionai
from hemline.formats.fashionai import find_line, open_writer, read_annotations, read_columns, write_annotations
from hemline.garments import CATEGORIES, KEYPOINTS

HEADER = (
    "image_id,image_category,neckline_left,neckline_right,center_front,shoulder_left,shoulder_right,armpit_left,"
    "armpit_right,waistline_left,waistline_right,cuff_left_in,cuff_left_out,cuff_right_in,cuff_right_out,top_hem_left,"
    "top_hem_right,waistband_left,waistband_right,hemline_left,hemline_right,crotch,bottom_left_in,bottom_left_out,"
    "bottom_right_in,bottom_right_out"
)
ABSENT = ",-1_-1_-1"
SKIRT = "Images/skirt/a.jpg,skirt" + 15 * ABSENT + ",10_20_1,30_40_0,50.5_60.25_1,-1_-1_-1" + 5 * ABSENT
DRESS = "Images/dress/b.jpg,dress" + ",1_2_1" + 23 * ABSENT

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: str | bytes) -> Path:
        path = tmp_path / "labels.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


def assert_is_skirt_and_dress(table: AnnotationTable) -> None:
    assert table.image_ids == ("Images/skirt/a.jpg", "Images/dress/b.jpg")
    assert table.categories == ("skirt", "dress")
    expected = np.full((2, 24, 3), -1.0)
    expected[0, 15:18] = [[10, 20, 1], [30, 40, 0], [50.5, 60.25, 1]]
    expected[1, 0] = [1, 2, 1]
    np.testing.assert_array_equal(table.points, expected)
    assert table.points.dtype == np.float64


def reordered(text: str, order: list[int]) -> str:
    return "\n".join(",".join(line.split(",")[at] for at in order) for line in text.splitlines()) + "\n"


PLAIN = f"{HEADER}\n{SKIRT}\n{DRESS}\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.rstrip("\n"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        "\ufeff" + PLAIN,
        PLAIN.replace(",bottom_left_in", ", bottom_left_in "),
        PLAIN.replace("\n", "\n\n") + "  \n\n",
        PLAIN.replace(",10_20_1", ', "10_20_1" '.replace(" ", "")),
        PLAIN.replace(",10_20_1", ", 10_20_1 ").replace(",skirt,", ", skirt ,"),
        PLAIN.replace("10_20_1", "1e1_+20.0_1"),
        ",".join(f'"{name}"' for name in HEADER.split(",")) + f"\n{SKIRT}\n{DRESS}\n",
        reordered(PLAIN, [0, 1, *range(25, 1, -1)]),
        reordered(PLAIN, list(range(25, -1, -1))),
    ],
    ids=[
        "plain",
        "no last line feed",
        "CRLF",
        "CR",
        "byte order mark",
        "spaces in the header",
        "blank lines",
        "quoted cell",
        "spaces in cells",
        "numbers as float() reads them",
        "quoted header",
        "points in another order",
        "all columns in another order",
    ],
)
def test_reads_every_legal_form(write: Write, content: str) -> None:
    assert_is_skirt_and_dress(read_annotations(write(content)))


def test_reads_a_test_csv_without_points(write: Write) -> None:
    for content in (
        "image_id,image_category\na.jpg,skirt\nb.jpg,blouse\n",
        "image_category,image_id\nskirt,a.jpg\nblouse,b.jpg",
    ):
        table = read_annotations(write(content))
        assert table.image_ids == ("a.jpg", "b.jpg")
        assert table.categories == ("skirt", "blouse")
        np.testing.assert_array_equal(table.points, np.full((2, 24, 3), -1.0))


def test_reads_points_of_other_categories_as_they_stand(write: Write) -> None:
    table = read_annotations(write(f"{HEADER}\na.jpg,skirt" + 24 * ",7_8_1" + "\n"))
    np.testing.assert_array_equal(table.points, np.full((1, 24, 3), 1.0) * [7, 8, 1])


def test_ids_keep_commas_and_other_scripts(write: Write, tmp_path: Path) -> None:
    ids = ("Images/skirt/rock, blau.jpg", 'Images/skirt/"x".jpg', "Images/skirt/裙子.jpg")
    points = np.full((3, 24, 3), -1.0)
    write_annotations(tmp_path / "out.csv", AnnotationTable(ids, ("skirt",) * 3, points))
    assert read_annotations(tmp_path / "out.csv").image_ids == ids
    assert find_line(tmp_path / "out.csv", ids[2]) == 4


CELL = SKIRT.replace("10_20_1", "{}")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "got '', expected x_y_v"),
        ("10_20", "got '10_20', expected x_y_v"),
        ("10_20_1_1", "got '10_20_1_1', expected x_y_v"),
        ("10_20_1.0", "got '10_20_1.0', expected x_y_v"),
        ("ten_20_1", "got 'ten_20_1', expected x_y_v, for example 120_45_1, or -1_-1_-1"),
        ("1-0_20_1", "got '1-0_20_1', expected x_y_v"),
        ("--1_20_1", "got '--1_20_1', expected x_y_v"),
        ("1.2.3_20_1", "got '1.2.3_20_1', expected x_y_v"),
        ("._20_1", "got '._20_1', expected x_y_v"),
        ("_20_1", "got '_20_1', expected x_y_v"),
        ("__1", "got '__1', expected x_y_v"),
        ("-_20_1", "got '-_20_1', expected x_y_v"),
        ("10_20_2", r"got '10_20_2', expected a visibility of 1 \(visible\), 0 \(occluded\) or -1 \(absent\)"),
        ("10_20_-2", "got '10_20_-2', expected a visibility"),
        ("10_20_-", "got '10_20_-', expected x_y_v"),
        ("10_20_.", "got '10_20_.', expected x_y_v"),
        ("10_20_-1", "got '10_20_-1', expected -1_-1_-1 for an absent point, or a visibility of 1 or 0"),
        ("-1_-2_-1", "got '-1_-2_-1', expected -1_-1_-1"),
        ("nan_20_1", "got 'nan_20_1', expected finite coordinates"),
        ("10_inf_0", "got '10_inf_0', expected finite coordinates"),
        ("1e999_20_1", "got '1e999_20_1', expected finite coordinates"),
        ("1e308_20_1", "got '1e308_20_1', expected coordinates within 1,000,000 pixels of 0"),
        ("10_-1000000.5_1", "got '10_-1000000.5_1', expected coordinates within 1,000,000 pixels of 0"),
        ("10_1000001_0", "got '10_1000001_0', expected coordinates within 1,000,000 pixels of 0"),
        ("1٣_20_1", "got '1٣_20_1', expected x_y_v"),
        ("-1_-1_-1-1_-1_-1", "got '-1_-1_-1-1_-1_-1', expected x_y_v"),
    ],
)
def test_a_wrong_cell_is_named(write: Write, cell: str, message: str) -> None:
    path = write(f"{HEADER}\n{DRESS}\n{CELL.format(cell)}\n")
    with pytest.raises(DataError, match=rf"labels\.csv, line 3, column waistband_left: {message}"):
        read_annotations(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"labels\.csv: the file is empty, expected a header line image_id,image_category,neckline_left,\.\.\."),
        ("\n  \n", r"labels\.csv: the file is empty"),
        (f"{HEADER}\n", r"labels\.csv: no garment, the file ends after its header"),
        ("image_id,image_category\n", r"labels\.csv: no garment"),
        (f"{SKIRT}\n", r"line 1, column 1: unknown column 'Images/skirt/a\.jpg'"),
        (PLAIN.replace("crotch", "crotsch"), r"line 1, column 22: unknown column 'crotsch'\. Did you mean 'crotch'\?"),
        (PLAIN.replace("crotch", "neckline_left"), r"line 1, column 22: 'neckline_left' is there twice"),
        (reordered(PLAIN, list(range(25))), r"line 1: no column bottom_right_out; expected all of image_id, "),
        ("image_id\na.jpg\n", r"line 1: no column image_category, neckline_left, "),
        ("image_id,image_category,owner\na.jpg,skirt,o1\n", r"line 1, column 3: unknown column 'owner'"),
        (f"{PLAIN}\n{SKIRT}\n", r"line 5, column image_id: 'Images/skirt/a\.jpg' is on line 2 already"),
        (
            PLAIN.replace(",dress,", ",coat,"),
            r"line 3, column image_category: unknown category 'coat'\. Known: blouse, ",
        ),
        (PLAIN.replace(",dress,", ",Dress,"), r"unknown category 'Dress'\. Did you mean 'dress'\?"),
        (PLAIN.replace("Images/dress/b.jpg", ""), r"line 3, column image_id: empty, expected a path"),
        (f"{HEADER}\n{DRESS},1_1_1\n", r"line 2: 27 columns, expected 26 as in the header"),
        (f"{HEADER}\n{DRESS},\n", r"line 2: 27 columns, expected 26"),
        (f"{HEADER}\n{DRESS[: -len(ABSENT)]}\n{SKIRT},1_1_1\n", r"line 2: 25 columns, expected 26"),
        (f"{HEADER}\n{25 * ','}\n", r"line 2, column image_id: empty"),
        (f"{HEADER}\na.jpg\n", r"line 2: 1 columns, expected 26"),
        ("image_id,image_category\na.jpg,skirt,\n", r"line 2: 3 columns, expected 2 as in the header"),
        (f"{HEADER}\n\n{DRESS}\n\n\n{SKIRT},\n", r"line 6: 27 columns"),
        (
            f"{HEADER}\n{SKIRT}\n".encode() + "Rock,".encode("utf-16-le") + b"\xff",
            r"line 3: byte 0xff is not UTF-8 text",
        ),
        (PLAIN.encode("utf-16"), r"line 1: byte 0xff is not UTF-8 text; save the file as CSV UTF-8"),
    ],
)
def test_a_wrong_file_is_explained(write: Write, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_annotations(write(content))


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: No such file"):
        read_annotations(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"Is a directory|Permission denied"):
        read_annotations(tmp_path)
    with pytest.raises(DataError, match=r"none\.csv: No such file"):
        read_columns(tmp_path / "none.csv")


def test_a_field_that_no_csv_holds(write: Write) -> None:
    with pytest.raises(DataError, match=r"line 2: field larger than field limit"):
        read_annotations(write(f'{HEADER}\n"{200_000 * "x"}'))


def test_writes_to_the_letter(tmp_path: Path) -> None:
    points = np.full((1, 24, 3), -1.0)
    points[0, 15:19] = [[10, 20, 1], [0.1234, 511.9996, 0], [-0.0001, 123456.125, 1], [7, 8, -1]]
    write_annotations(tmp_path / "new" / "out.csv", AnnotationTable(("a.jpg",), ("skirt",), points))
    row = "a.jpg,skirt" + 15 * ABSENT + ",10_20_1,0.123_512_0,0_123456.125_1,-1_-1_-1" + 5 * ABSENT
    assert (tmp_path / "new" / "out.csv").read_bytes() == f"{HEADER}\n{row}\n".encode()


def test_refuses_to_write_what_cannot_be_read(tmp_path: Path) -> None:
    points = np.full((2, 24, 3), -1.0)
    with pytest.raises(DataError, match=r"'a\.jpg' comes twice"):
        write_annotations(tmp_path / "out.csv", AnnotationTable(("a.jpg", "a.jpg"), ("skirt", "skirt"), points))
    for y, shown in ((np.nan, "nan"), (-np.inf, "-inf"), (2e6, r"2e\+06")):
        points[1, 17] = [1, y, 1]
        with pytest.raises(DataError, match=rf"hemline_left of 'b\.jpg' is at \(1, {shown}\)"):
            write_annotations(tmp_path / "out.csv", AnnotationTable(("a.jpg", "b.jpg"), ("skirt", "skirt"), points))
    assert list(tmp_path.iterdir()) == []


def test_the_farthest_points_come_back(tmp_path: Path) -> None:
    points = np.tile([1e6, -1e6, 1], (1, 24, 1))
    write_annotations(tmp_path / "out.csv", AnnotationTable(("a.jpg",), ("skirt",), points))
    np.testing.assert_array_equal(read_annotations(tmp_path / "out.csv").points, points)


def test_an_absent_point_may_be_written_from_nan(tmp_path: Path) -> None:
    with open_writer(tmp_path / "out.csv") as write_row:
        write_row("a.jpg", "skirt", np.column_stack([np.full((24, 2), np.nan), np.full(24, -1.0)]))
    np.testing.assert_array_equal(read_annotations(tmp_path / "out.csv").points, np.full((1, 24, 3), -1.0))


numbers = st.decimals(min_value=-9999, max_value=9999, places=3)
cells = st.one_of(
    st.just("-1_-1_-1"),
    st.tuples(numbers, numbers, st.sampled_from("01")).map(lambda point: f"{point[0]}_{point[1]}_{point[2]}"),
    st.tuples(st.integers(-512, 5120), st.integers(0, 512)).map(lambda point: f"{point[0]}_{point[1]}_1"),
)


@settings(max_examples=40)
@given(rows=st.lists(st.lists(cells, min_size=24, max_size=24), min_size=1, max_size=4))
def test_reads_the_same_numbers_as_float(rows: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("hypothesis") / "labels.csv"
    lines = [f"{at}.jpg,{CATEGORIES[at]},{','.join(row)}" for at, row in enumerate(rows)]
    path.write_text("\n".join([HEADER, *lines]))
    expected = [[[float(part) for part in cell.split("_")] for cell in row] for row in rows]
    np.testing.assert_array_equal(read_annotations(path).points, expected)


@given(text=st.text(alphabet="019.-_,\n -", max_size=40), at=st.integers(0, len(SKIRT)))
def test_both_parsers_agree_on_damaged_rows(text: str, at: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A quoted cell sends a file to the careful parser; without one it is parsed at once or not at all."""
    folder = tmp_path_factory.mktemp("hypothesis")
    damaged = SKIRT[:at] + text + SKIRT[at:]

    def outcome(name: str, last: str) -> str:
        (folder / name).write_text(f"{HEADER}\n{DRESS}\n{damaged}\n{last}\n")
        try:
            table = read_annotations(folder / name)
        except DataError as error:
            return str(error).replace(name, "")
        return repr((table.image_ids, table.categories, table.points.tolist()))

    last = DRESS.replace("b.jpg", "z.jpg")
    assert outcome("plain.csv", last) == outcome("quoted.csv", last.replace(",1_2_1,", ',"1_2_1",'))


def test_reads_the_real_labels(garments: Path) -> None:
    table = read_annotations(garments / "Annotations" / "val.csv")
    assert len(table) == 153  # its README
    assert table.image_ids[0] == "Images/blouse/c07041585.jpg"
    assert table.points[0, :2].tolist() == [[108, 134, 1], [195, 143, 1]]
    assert KEYPOINTS[13:15] == ("top_hem_left", "top_hem_right")
    assert table.points[0, 13:15].tolist() == [[35, 420, 1], [213, 436, 1]]


def test_real_labels_are_written_as_they_were(garments: Path, tmp_path: Path) -> None:
    for name in ("Annotations/train.csv", "layouts.csv"):
        write_annotations(tmp_path / "again.csv", read_annotations(garments / name))
        assert (tmp_path / "again.csv").read_bytes() == (garments / name).read_bytes()


def test_files_of_programs_are_parsed_at_once(
    write: Write, garments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The careful parser is 20 times slower; only strange or broken files may need it."""
    monkeypatch.setattr(fashionai, "_parse_row_by_row", None)
    table = read_annotations(garments / "layouts.csv")
    points = np.where(table.points[:, :, 2:] == -1, -1, table.points * [0.987654, -1, 1])
    write_annotations(tmp_path / "decimals.csv", AnnotationTable(table.image_ids, table.categories, points))
    assert len(read_annotations(tmp_path / "decimals.csv")) == 9996
    for content in (PLAIN, PLAIN.replace("\n", "\r\n"), "\ufeff" + PLAIN, reordered(PLAIN, [0, 1, *range(25, 1, -1)])):
        assert_is_skirt_and_dress(read_annotations(write(content)))
