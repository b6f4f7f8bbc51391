"""Submissions: what is written, how files are merged, and what the checker finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hemline.annotation import AnnotationTable
from hemline.errors import DataError
from hemline.formats.fashionai import COLUMNS, read_annotations, write_annotations
from hemline.formats.submission import (
    average_submissions,
    check_submission,
    merge_submissions,
    parse_weights,
    write_submission,
)

SKIRT = slice(15, 19)
TROUSERS = [15, 16, 19, 20, 21, 22, 23]
DRESS = [*range(13), 17, 18]


def table_of(*rows: tuple[str, str, float]) -> AnnotationTable:
    """Rows of (id, category, x), with all 24 points at (x, 8.5)."""
    points = np.array([np.full((24, 3), [x, 8.5, 1]) for _, _, x in rows])
    return AnnotationTable(tuple(row[0] for row in rows), tuple(row[1] for row in rows), points)


def test_writes_integers_inside_and_absent_outside(tmp_path: Path) -> None:
    points = np.full((1, 24, 3), [3, 4, 0.0])  # every keypoint, as some teams wrote it
    points[0, SKIRT] = [[10.49, 10.5, 1], [11.5, 0.49, 0], [-0.6, -3, 1], [511.5, 512, 1]]
    write_submission(tmp_path / "s.csv", AnnotationTable(("a.jpg",), ("skirt",), points))
    cells = (tmp_path / "s.csv").read_text().splitlines()[1].split(",")
    assert cells == [
        "a.jpg",
        "skirt",
        *15 * ["-1_-1_-1"],
        "10_11_1",
        "12_0_1",
        "0_0_1",
        "512_512_1",
        *5 * ["-1_-1_-1"],
    ]
    assert check_submission(tmp_path / "s.csv") == {}


def test_refuses_points_left_out(tmp_path: Path) -> None:
    table = table_of(("a.jpg", "skirt", 1), ("b.jpg", "trousers", 2))
    table.points[0, 0] = -1  # a skirt has no neckline
    write_submission(tmp_path / "s.csv", table)
    table.points[0, 15] = table.points[1, 19:23] = -1
    with pytest.raises(
        DataError,
        match=r"5 points that their category has are absent: waistband_left of a\.jpg, crotch of b\.jpg, "
        r"bottom_left_in of b\.jpg, \.\.\.; a submission needs a guess for each",
    ):
        write_submission(tmp_path / "s.csv", table)


def test_takes_the_order_of_the_test_csv(tmp_path: Path) -> None:
    table = table_of(("a.jpg", "skirt", 1), ("b.jpg", "dress", 2))
    test = table_of(("b.jpg", "dress", 0), ("a.jpg", "skirt", 0))
    write_submission(tmp_path / "s.csv", table, test=test)
    written = read_annotations(tmp_path / "s.csv")
    assert written.image_ids == ("b.jpg", "a.jpg")
    assert written.points[1, 15].tolist() == [1, 9, 1]


def test_rows_that_the_test_csv_does_not_have(tmp_path: Path) -> None:
    table = table_of(("a.jpg", "skirt", 1), ("b.jpg", "dress", 2), ("c.jpg", "dress", 2))
    test = table_of(("b.jpg", "skirt", 0), ("a.jpg", "skirt", 0), *((f"{n}.jpg", "dress", 0) for n in range(4)))
    with pytest.raises(DataError) as caught:
        write_submission(tmp_path / "s.csv", table, test=test)
    assert str(caught.value).splitlines() == [
        "the 3 rows do not match the 6 garments expected:",
        "  4 missing: 0.jpg, 1.jpg, 2.jpg, ...",
        "  1 not expected: c.jpg",
        "  1 of another category: b.jpg (dress, expected skirt)",
    ]


ROWS = (("a.jpg", "skirt", 1), ("b.jpg", "dress", 2), ("c.jpg", "skirt", 3), ("d.jpg", "trousers", 4))


def write_files(folder: Path, tables: dict[str, AnnotationTable]) -> list[Path]:
    for name, table in tables.items():
        write_annotations(folder / name, table)
    return [folder / name for name in tables]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_merges_files_of_own_rows(tmp_path: Path, order: tuple[int, ...]) -> None:
    files = write_files(
        tmp_path, {"1.csv": table_of(ROWS[0], ROWS[2]), "2.csv": table_of(ROWS[1]), "3.csv": table_of(ROWS[3])}
    )
    merged = merge_submissions([files[at] for at in order])
    answers = dict(zip(merged.image_ids, merged.points[:, 15, 0].tolist(), strict=True))
    assert answers == {"a.jpg": 1, "b.jpg": 2, "c.jpg": 3, "d.jpg": 4}
    assert dict(zip(merged.image_ids, merged.categories, strict=True))["d.jpg"] == "trousers"


@pytest.mark.parametrize("filler", [-1, 0])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_merges_full_files_by_their_names(tmp_path: Path, filler: int, order: tuple[int, ...]) -> None:
    """Each team's network of one category fills the other rows with anything, equal or not."""
    tables = {}
    for name, own in (("submit_skirt.csv", "skirt"), ("Dress-v2.csv", "dress"), ("trousers.csv", "trousers")):
        table = table_of(*ROWS)
        others = [row for row, category in enumerate(table.categories) if category != own]
        table.points[others] = [filler, filler, -1 if filler < 0 else 1]
        tables[name] = table
    files = write_files(tmp_path, tables)
    merged = merge_submissions([files[at] for at in order])
    assert merged.image_ids == ("a.jpg", "b.jpg", "c.jpg", "d.jpg")
    assert merged.points[:, 15, 0].tolist() == [1, 2, 3, 4]


def test_merges_full_files_whose_other_rows_are_absent(tmp_path: Path) -> None:
    first, second = table_of(*ROWS), table_of(*ROWS)
    first.points[1::2] = second.points[::2] = -1
    files = write_files(tmp_path, {"x.csv": first, "y.csv": second})
    assert merge_submissions(files).points[:, 15, 0].tolist() == [1, 2, 3, 4]


def test_the_same_answer_twice_is_no_conflict(tmp_path: Path) -> None:
    files = write_files(tmp_path, {"x.csv": table_of(*ROWS), "y.csv": table_of(*ROWS[:2])})
    assert len(merge_submissions(files)) == 4


def test_merge_conflicts(tmp_path: Path) -> None:
    files = write_files(
        tmp_path,
        {
            "x.csv": table_of(("a.jpg", "skirt", 1)),
            "y.csv": table_of(("a.jpg", "skirt", 2)),
            "z.csv": table_of(("a.jpg", "dress", 1)),
            "skirt.csv": table_of(*ROWS),
        },
    )
    with pytest.raises(
        DataError, match=r"'a\.jpg' has two different answers, in \S+x\.csv and in \S+y\.csv; name each"
    ):
        merge_submissions(files[:2])
    with pytest.raises(DataError, match=r"z\.csv: 'a\.jpg' is a dress, an earlier file says skirt"):
        merge_submissions([files[0], files[2]])
    with pytest.raises(DataError, match=r"2 of 4 garments have no answer in \S+skirt\.csv: b\.jpg, d\.jpg"):
        merge_submissions([files[3]])


GOOD = ["a.jpg", "skirt", *15 * ["-1_-1_-1"], "10_11_1", "12_0_1", "0_0_1", "512_512_1", *5 * ["-1_-1_-1"]]


def submission(folder: Path, *rows: list[str], header: list[str] | None = None) -> Path:
    path = folder / "s.csv"
    path.write_text("".join(",".join(row) + "\n" for row in [header or list(COLUMNS), *rows]))
    return path


def changed(at: int, cell: str) -> list[str]:
    return [*GOOD[:at], cell, *GOOD[at + 1 :]]


@pytest.mark.parametrize(
    ("at", "cell", "problem"),
    [
        (17, "10.5_11_1", "coordinates are not plain integers"),
        (17, "10.0_11_1", "coordinates are not plain integers"),
        (17, "010_11_1", "coordinates are not plain integers"),
        (17, "10_11_0", "visibility of a point of the category is not 1 (the scorer ignores it)"),
        (17, "-1_-1_-1", "point of the category left out (it counts as one at -1, -1)"),
        (17, "-1_-1_1", "point left of or above the photo"),
        (17, "10_11", "not a cell x_y_v with v 1, 0 or -1"),
        (17, "10_11_-1", "not a cell x_y_v with v 1, 0 or -1"),
        (17, "", "not a cell x_y_v with v 1, 0 or -1"),
        (17, "513_11_1", "coordinate above 512 (the true points of FashionAI lie in 0..512)"),
        (17, "1e7_11_1", "not a cell x_y_v with v 1, 0 or -1"),
        (2, "10_11_1", "point of another category, not -1_-1_-1 (the scorer ignores it)"),
        (2, "-1_-1_0", "point of another category, not -1_-1_-1 (the scorer ignores it)"),
    ],
)
def test_finds_a_wrong_cell(tmp_path: Path, at: int, cell: str, problem: str) -> None:
    assert check_submission(submission(tmp_path, GOOD)) == {}
    problems = check_submission(submission(tmp_path, ["0.jpg", *GOOD[1:]], changed(at, cell)))
    assert problems == {problem: [f"line 3, column {COLUMNS[at]}: '{cell}'"]}


def test_finds_everything_at_once(tmp_path: Path) -> None:
    path = submission(
        tmp_path,
        changed(17, "1.5_2_1"),
        changed(1, "coat"),
        GOOD[:-1],
        ["b.jpg", *changed(18, "-1_-1_-1")[1:]],
        ["c.jpg", *changed(17, "7_7.5_1")[1:]],
        header=[*COLUMNS[:2], f" {COLUMNS[2]}", *COLUMNS[3:]],
    )
    test = table_of(("a.jpg", "skirt", 0), ("b.jpg", "dress", 0), ("d.jpg", "skirt", 0))
    assert check_submission(path, test=test) == {
        "the header is not that of FashionAI to the letter (order, spaces, quotes, byte order mark)": ["line 1"],
        "coordinates are not plain integers": [
            "line 2, column waistband_left: '1.5_2_1'",
            "line 6, column waistband_left: '7_7.5_1'",
        ],
        "image_id comes twice": ["line 3: 'a.jpg'"],
        "unknown category": [
            "line 3: unknown category 'coat'. Known: blouse, outwear, dress, skirt, trousers.",
        ],
        "not 26 columns": ["line 4: 25 columns"],
        "point of the category left out (it counts as one at -1, -1)": ["line 5, column waistband_right: '-1_-1_-1'"],
        "rows that are missing": ["d.jpg"],
        "rows that are not expected": ["c.jpg"],
        "rows that are of another category": ["a.jpg (coat, expected skirt)", "b.jpg (skirt, expected dress)"],
    }


def test_finds_a_header_out_of_order_and_a_byte_order_mark(tmp_path: Path) -> None:
    swapped = [0, 1, 3, 2, *range(4, 26)]
    path = submission(tmp_path, [GOOD[at] for at in swapped], header=[COLUMNS[at] for at in swapped])
    assert list(check_submission(path)) == [
        "the header is not that of FashionAI to the letter (order, spaces, quotes, byte order mark)"
    ]
    path = submission(tmp_path, GOOD)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(check_submission(path)) == 1


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        (",10_11_1,", ", 10_11_1,", {"space around a cell": ["line 2"]}),
        (",10_11_1,", ",10_11_1 ,", {"space around a cell": ["line 2"]}),
        ("a.jpg,", "a.jpg\t,", {"space around a cell": ["line 2"]}),
        (",10_11_1,", ',"10_11_1",', {"quoted cell": ["line 2"]}),
        ("\n", "\r\n", {"line does not end with LF alone": ["line 1", "line 2"]}),
        ("\na.jpg", "\n\n \na.jpg", {"blank line": ["line 2", "line 3"]}),
        ("-1\n", "-1\n\n", {"blank line": ["line 3"]}),
    ],
)
def test_looks_at_the_text_itself(tmp_path: Path, old: str, new: str, problems: dict[str, list[str]]) -> None:
    path = submission(tmp_path, GOOD)
    path.write_bytes(path.read_text().replace(old, new).encode())
    assert check_submission(path) == problems


def test_finds_that_there_is_nothing_to_check(tmp_path: Path) -> None:
    assert check_submission(submission(tmp_path)) == {"no garment": ["the file ends after its header"]}
    (tmp_path / "s.csv").write_text("image_id,category\n")
    [(problem, [place])] = check_submission(tmp_path / "s.csv").items()
    assert problem == "the file cannot be read"
    assert "unknown column 'category'. Did you mean 'image_category'?" in place


def test_averages_by_weight_and_rounds_as_submissions_are(tmp_path: Path) -> None:
    first = table_of(("a.jpg", "skirt", 10), ("b.jpg", "dress", 20))
    second = table_of(("b.jpg", "dress", 31), ("a.jpg", "skirt", 14))
    first.points[0, 0] = -1  # a skirt has no neckline
    second.points[:, :, 2] = 0
    files = write_files(tmp_path, {"first.csv": first, "second.csv": second})
    average = average_submissions(files)
    assert average.image_ids == ("a.jpg", "b.jpg")
    assert average.points[0, SKIRT].tolist() == [[12, 8.5, 1]] * 4
    assert average.points[1, DRESS].tolist() == [[25.5, 8.5, 1]] * 15
    assert (np.delete(average.points[0], range(15, 19), 0) == -1).all()
    write_submission(tmp_path / "s.csv", average)
    assert (tmp_path / "s.csv").read_text().splitlines()[2].split(",")[2] == "26_9_1"
    weighted = average_submissions(files, weights=[1, 3])
    assert weighted.points[:, 15, 0].tolist() == [13, -1]
    assert weighted.points[1, 0, 0] == 20 / 4 + 31 * 3 / 4


def test_what_cannot_be_averaged(tmp_path: Path) -> None:
    full = table_of(("a.jpg", "skirt", 10), ("b.jpg", "dress", 20))
    other = table_of(("a.jpg", "skirt", 10), ("c.jpg", "dress", 20))
    part = table_of(("a.jpg", "skirt", 10), ("b.jpg", "dress", 20))
    part.points[0, 15] = -1
    files = write_files(tmp_path, {"full.csv": full, "other.csv": other, "part.csv": part})
    with pytest.raises(DataError) as caught:
        average_submissions(files[:2])
    assert str(caught.value).splitlines() == [
        f"{files[1]}, to be averaged with {files[0]}: the 2 rows do not match the 2 garments expected:",
        "  1 missing: b.jpg",
        "  1 not expected: c.jpg",
    ]
    with pytest.raises(DataError, match=r"part\.csv.*: 1 points .* are absent: waistband_left of a\.jpg"):
        average_submissions([files[0], files[2]])
    with pytest.raises(DataError, match="1 files and 1 weights: averaging needs two or more files"):
        average_submissions(files[:1])
    with pytest.raises(DataError, match="2 files and 3 weights"):
        average_submissions(files[:2], weights=[1, 2, 3])


def test_weights_are_numbers_above_0() -> None:
    assert parse_weights("1, 0.5,3") == [1, 0.5, 3]
    for text in ("", "1,", "1,0", "-1,2", "1;2", "nan,1", "inf"):
        with pytest.raises(DataError, match="expected numbers above 0 with commas between them"):
            parse_weights(text)
