"""The verbs evaluate, submit and draw, as a person runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hemline.annotation import AnnotationTable
from hemline.cli import app, main
from hemline.formats.fashionai import read_annotations, write_annotations
from hemline.images import write_image

IDS = ("Images/skirt/a.jpg", "Images/skirt/b.jpg", "Images/trousers/c.jpg")
CATEGORIES = ("skirt", "skirt", "trousers")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Truth, predictions 5 px off to the right (10 % of the widths), their photos and the test CSV."""
    points = np.full((3, 24, 3), -1.0)
    points[:, 15:17] = [[50, 20, 1], [100, 20, 1]]
    points[:2, 17:19] = [[40, 90, 1], [110, 90, 1]]
    points[2, 19:] = [75, 90, 1]
    write_annotations(tmp_path / "truth.csv", AnnotationTable(IDS, CATEGORIES, points))
    points[:, :, 0] += 5
    write_annotations(tmp_path / "pred.csv", AnnotationTable(IDS, CATEGORIES, points).select([2, 0, 1]))
    for image_id in IDS:
        write_image(tmp_path / image_id, np.full((128, 128, 3), 200, np.uint8))
    rows = "".join(f"{image_id},{category}\n" for image_id, category in zip(IDS, CATEGORIES, strict=True))
    (tmp_path / "test.csv").write_text(f"image_id,image_category\n{rows}")
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run `hemline` with paths below the folder; exit code and what was printed."""
    arguments = tuple(str(folder / word) if "." in word or word == "." else word for word in arguments)
    result = CliRunner().invoke(app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_evaluate(folder: Path) -> None:
    code, output = run(folder, "evaluate", "pred.csv", "truth.csv", "--json", "out/e.json")
    assert code == 0
    assert output.startswith("NE 10.00 %, 95 % interval 10.00 % to 10.00 %\n15 visible points of 3 garments\n")
    assert json.loads((folder / "out" / "e.json").read_text())["ne"] == pytest.approx(10)
    code, output = run(folder, "evaluate", "pred.csv", "truth.csv", "--categories", "skirt")
    assert "8 visible points of 2 garments" in output
    code, output = run(folder, "evaluate", "pred.csv", "truth.csv", "--categories", "skirt, trousers")
    assert "15 visible points of 3 garments" in output


def test_evaluate_with_a_length_for_absent_normalizers(folder: Path) -> None:
    truth = read_annotations(folder / "truth.csv")
    truth.points[:, 15] = -1
    write_annotations(folder / "truth.csv", truth)
    assert "NE none" in run(folder, "evaluate", "pred.csv", "truth.csv")[1]
    assert "NE 5.00 %" in run(folder, "evaluate", "pred.csv", "truth.csv", "--absent-normalizer", "100")[1]


def test_submit_write_and_check(folder: Path) -> None:
    code, output = run(folder, "submit", "write", "pred.csv", "--out", "sub.csv", "--test", "test.csv")
    assert (code, output) == (0, f"3 garments in {folder / 'sub.csv'}\n")
    assert read_annotations(folder / "sub.csv").image_ids == IDS
    assert run(folder, "submit", "check", "sub.csv", "--test", "test.csv") == (0, "no problem found\n")


def test_submit_check_finds_and_counts(folder: Path) -> None:
    text = (folder / "pred.csv").read_text()
    (folder / "bad.csv").write_text(text.replace("55_20_1", "55.5_20_1"))
    code, output = run(folder, "submit", "check", "bad.csv", "--limit", "2")
    assert code == 1
    assert output.splitlines() == [
        "coordinates are not plain integers: 3",
        "  line 2, column waistband_left: '55.5_20_1'",
        "  line 3, column waistband_left: '55.5_20_1'",
        "  ...",
    ]
    assert run(folder, "submit", "check", "none.csv")[0] == 2


def test_submit_merge(folder: Path) -> None:
    table = read_annotations(folder / "pred.csv")
    for category in ("skirt", "trousers"):
        write_annotations(folder / f"{category}.csv", table.of_categories([category]))
    for files in (("skirt.csv", "trousers.csv"), ("trousers.csv", "skirt.csv")):
        code, output = run(folder, "submit", "merge", *files, "--out", "merged.csv", "--test", "test.csv")
        assert (code, output) == (0, f"3 garments in {folder / 'merged.csv'}\n")
        assert read_annotations(folder / "merged.csv").image_ids == IDS


def test_submit_average(folder: Path) -> None:
    """Predictions are 5 pixels right of the truth."""
    files = ("truth.csv", "pred.csv")
    truth = read_annotations(folder / "truth.csv").points[0, 15, 0]
    code, output = run(folder, "submit", "average", *files, "--out", "mean.csv", "--test", "test.csv")
    assert (code, output) == (0, f"3 garments in {folder / 'mean.csv'}\n")
    assert read_annotations(folder / "mean.csv").image_ids == IDS
    assert read_annotations(folder / "mean.csv").points[0, 15, 0] == truth + 3  # 2.5, halves up
    run(folder, "submit", "average", *files, "--weights", "1,4", "--out", "mean.csv")
    assert read_annotations(folder / "mean.csv").points[0, 15, 0] == truth + 4


def test_draw(folder: Path) -> None:
    code, output = run(folder, "draw", "pred.csv", "--data", ".", "--out", "./pictures", "--limit", "2")
    assert (code, output) == (0, f"2 pictures in {folder / 'pictures'}\n")
    pictures = sorted(path.relative_to(folder).as_posix() for path in (folder / "pictures").rglob("*.jpg"))
    assert pictures == ["pictures/Images/skirt/a.drawn.jpg", "pictures/Images/trousers/c.drawn.jpg"]
    code, _ = run(folder, "draw", "pred.csv", "--data", ".", "--out", "./both", "--truth", "truth.csv")
    assert code == 0
    assert len(list((folder / "both").rglob("*.jpg"))) == 3


def test_draw_goes_on_after_a_corrupt_photo(folder: Path) -> None:
    (folder / IDS[0]).write_bytes(b"no photo")
    code, output = run(folder, "draw", "pred.csv", "--data", ".", "--out", "./pictures")
    assert code == 1
    assert f"hemline: {folder / IDS[0]}: not a photo" in output
    assert f"2 pictures in {folder / 'pictures'}\n" in output
    assert output.endswith("hemline: 1 of 3 photos could not be read, see above\n")
    assert len(list((folder / "pictures").rglob("*.jpg"))) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "pred.csv", "none.csv"], "none.csv: No such file or directory"),
        (["evaluate", "pred.csv", "truth.csv", "--absent-normalizer", "0"], "expected 'skip' or a length in pixels"),
        (["evaluate", "pred.csv", "truth.csv", "--categories", "skirts"], "unknown category 'skirts'. Did you mean"),
        (
            ["evaluate", "pred.csv", "truth.csv", "--categories", "skirt,dress"],
            "pred.csv against truth.csv: nothing to compare: the truth has no dress\n",
        ),
        (
            ["evaluate", "pred.csv", "test.csv"],
            "pred.csv against test.csv: nothing to compare: the truth has no labelled point",
        ),
        (
            ["evaluate", "skirts.csv", "truth.csv"],
            "skirts.csv against truth.csv: the 2 rows do not match the 3 garments expected:\n  1 missing: Images/tr",
        ),
        (["evaluate", "broken.csv", "truth.csv"], "broken.csv, line 2, column waistband_left: got '1e308_20_1', expec"),
        (["submit", "write", "test.csv", "--out", "s.csv"], "test.csv: 15 points that their category has are absent"),
        (
            ["submit", "write", "skirts.csv", "--out", "s.csv", "--test", "test.csv"],
            "skirts.csv against test.csv: the 2 rows do not match the 3 garments expected",
        ),
        (
            ["submit", "merge", "skirts.csv", "test.csv", "--out", "s.csv"],
            "1 of 3 garments have no answer in skirts.csv, test.csv: Images/trousers/c.jpg",
        ),
        (
            ["submit", "merge", "skirts.csv", "truth.csv", "--out", "s.csv"],
            "'Images/skirt/a.jpg' has two different answers, in skirts.csv and in truth.csv",
        ),
        (
            ["submit", "average", "pred.csv", "skirts.csv", "--out", "s.csv"],
            "skirts.csv, to be averaged with pred.csv: the 2 rows do not match the 3 garments expected",
        ),
        (
            ["submit", "average", "pred.csv", "truth.csv", "--weights", "1,x", "--out", "s.csv"],
            "--weights 1,x: expected numbers above 0 with commas between them",
        ),
        (["draw", "test.csv", "--data", ".", "--out", "./p"], "test.csv: nothing to draw: none of the 3 garments has"),
        (
            ["draw", "pred.csv", "--data", ".", "--out", "./p", "--truth", "skirts.csv"],
            "pred.csv against skirts.csv: 'Images/trousers/c.jpg' has no true points",
        ),
        (["draw", "pred.csv", "--data", "..", "--out", "./p"], "line 2, column image_id: no photo 'Images/trousers"),
    ],
)
def test_mistakes_are_one_message_and_exit_code_2(
    folder: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_annotations(folder / "skirts.csv", read_annotations(folder / "pred.csv").of_categories(["skirt"]))
    (folder / "broken.csv").write_text((folder / "pred.csv").read_text().replace("55_20_1", "1e308_20_1"))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["hemline", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("hemline: ")
    assert message in error


def test_evaluation_needs_no_heavy_package(folder: Path) -> None:
    """Neither the formats nor the evaluation import torch, pandas or OpenCV."""
    code = (
        "import sys; from hemline.cli import app; import hemline.formats, hemline.formats.roots, "
        "hemline.formats.submission; app(sys.argv[1:], standalone_mode=False); "
        "print(sorted({'torch', 'pandas', 'cv2'} & set(sys.modules)))"
    )
    arguments = [sys.executable, "-c", code, "evaluate", str(folder / "pred.csv"), str(folder / "truth.csv")]
    output = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    assert "NE 10.00 %" in output
    assert output.splitlines()[-1] == "[]"
