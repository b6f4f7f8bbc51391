"""Data roots: every layout in which the FashionAI data lies about, and what is said about the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hemline.annotation import AnnotationTable
from hemline.errors import DataError
from hemline.formats.fashionai import write_annotations
from hemline.formats.roots import attach_paths, read_roots, split_root


def write_csv(path: Path, *names: str, x: float = 5) -> Path:
    points = np.full((len(names), 24, 3), -1.0)
    points[:, 15] = [x, 6, 1]
    ids = tuple(f"Images/skirt/{name}.jpg" for name in names)
    write_annotations(path, AnnotationTable(ids, ("skirt",) * len(names), points))
    return path


def write_photos(root: Path, *names: str, content: str = "") -> None:
    for name in names:
        path = root / "Images" / "skirt" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content or name)


def make_root(root: Path, *names: str, file: str = "Annotations/train.csv", x: float = 5) -> Path:
    write_photos(root, *names)
    write_csv(root / file, *names, x=x)
    return root


TEST_CSV = "image_id,image_category\nImages/skirt/a.jpg,skirt\n"


@pytest.mark.parametrize(
    "file",
    [
        "train_0/Annotations/x.csv",  # HiKapok: any single CSV
        "wu_train/Annotations/annotations.csv",  # gathierry, the warm-up archive
        "r1_train/Annotations/train.csv",  # the round-1 archive
        "r1_test_a/fashionAI_key_points_test_a_answer_20180426.csv",  # answers dropped beside test.csv
        "data/train/train.csv",  # tabsun, with one of its two files
        "r2/Annotations/TRAIN.CSV",  # from a system that does not tell cases apart
    ],
)
def test_a_root_with_one_annotation_file(file: str, tmp_path: Path) -> None:
    root = tmp_path / Path(file).parts[0]
    if Path(file).parts[0] == "data":
        root = root / "train"
    make_root(root, "a", "b", file=str((tmp_path / file).relative_to(root)))
    (root / "test.csv").write_text(TEST_CSV)
    (root / "photos.csv").write_text("image_id,split,owner\nImages/skirt/a.jpg,train,o1\n")
    (root / "notes.csv").write_bytes(b"\xff\xfe\x00")
    table, notes = read_roots([str(root)])
    assert table.image_ids == ("Images/skirt/a.jpg", "Images/skirt/b.jpg")
    assert [path.read_text() for path in table.paths] == ["a", "b"]
    assert table.points[:, 15].tolist() == [[5, 6, 1], [5, 6, 1]]
    assert notes == []


def test_a_root_with_several_annotation_files(tmp_path: Path) -> None:
    root = make_root(tmp_path / "data" / "train", "a", "b", file="train.csv")
    write_csv(root / "val.csv", "b")
    with pytest.raises(DataError, match="2 annotation files in this folder; name one of them") as caught:
        read_roots([str(root)])
    choices = [line.split() for line in str(caught.value).splitlines()[1:]]
    assert choices == [["--data", f"{root}:train.csv"], ["--data", f"{root}:val.csv"]]
    for (_, choice), ids in zip(choices, (2, 1), strict=True):
        assert len(read_roots([choice])[0]) == ids


def test_annotations_are_named_from_both_folders(tmp_path: Path) -> None:
    root = make_root(tmp_path / "r", "a")
    write_csv(root / "layouts.csv", "a")
    with pytest.raises(DataError, match=r"--data \S+r:Annotations/train\.csv\n  --data \S+r:layouts\.csv"):
        read_roots([str(root)])


def test_a_root_without_annotations(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no annotation CSV in this folder or its folder Annotations$"):
        read_roots([str(tmp_path)])
    (tmp_path / "test.csv").write_text(TEST_CSV)
    with pytest.raises(DataError, match=r"\(without keypoint columns: test\.csv\)"):
        read_roots([str(tmp_path)])


def test_a_root_whose_only_csv_is_a_near_miss(tmp_path: Path) -> None:
    file = make_root(tmp_path, "a") / "Annotations" / "train.csv"
    text = file.read_text()
    file.write_text(text.replace("crotch", "crotsch"))
    with pytest.raises(DataError, match=r"train\.csv, line 1, column 22: unknown column 'crotsch'\. Did you mean"):
        read_roots([str(tmp_path)])
    file.write_bytes(text.encode("utf-16"))
    with pytest.raises(DataError, match=r"train\.csv, line 1: byte 0xff is not UTF-8 text"):
        read_roots([str(tmp_path)])


def test_an_archive_unpacked_one_folder_too_deep(tmp_path: Path) -> None:
    inner = make_root(tmp_path / "train" / "fashionAI", "a")
    (tmp_path / "train" / "notes").mkdir()
    with pytest.raises(DataError, match="but one folder below; name that:") as caught:
        read_roots([str(tmp_path / "train")])
    assert str(caught.value).splitlines()[1:] == [f"  --data {inner}"]
    assert len(read_roots([str(inner)])[0]) == 1


def test_roots_that_are_not_there(tmp_path: Path) -> None:
    root = make_root(tmp_path / "r", "a")
    with pytest.raises(DataError, match=r"nowhere: no such folder; expected ROOT or ROOT:FILE"):
        read_roots([str(tmp_path / "nowhere")])
    with pytest.raises(DataError, match=r"nowhere:train\.csv: no such folder"):
        read_roots([f"{tmp_path / 'nowhere'}:train.csv"])
    with pytest.raises(DataError, match=r"r: no file 'train\.csv' in this folder; there is Annotations/train\.csv"):
        read_roots([f"{root}:train.csv"])
    with pytest.raises(DataError, match=r"train\.csv: a file; expected ROOT:FILE"):
        read_roots([str(root / "Annotations" / "train.csv")])
    with pytest.raises(DataError, match="name at least one ROOT"):
        read_roots([])


def test_colons_in_names(tmp_path: Path) -> None:
    plain = make_root(tmp_path / "a", "x")
    drive = make_root(tmp_path / "a:b", "y")
    make_root(tmp_path / "a:b:c", "z", file="Annotations/d:e.csv")
    assert split_root(str(drive)) == (drive, drive / "Annotations" / "train.csv")
    assert split_root(f"{plain}:Annotations/train.csv") == (plain, plain / "Annotations" / "train.csv")
    assert split_root(f"{drive}:Annotations/train.csv") == (drive, drive / "Annotations" / "train.csv")
    assert split_root(f"{drive}:c:Annotations/d:e.csv") == (
        tmp_path / "a:b:c",
        tmp_path / "a:b:c" / "Annotations" / "d:e.csv",
    )


def test_an_answer_file_from_elsewhere(tmp_path: Path) -> None:
    write_photos(tmp_path / "r", "a")
    answers = write_csv(tmp_path / "elsewhere" / "answers.csv", "a")
    table, _ = read_roots([f"{tmp_path / 'r'}:{answers}"])
    assert table.paths == (tmp_path / "r" / "Images" / "skirt" / "a.jpg",)


def test_a_missing_photo(tmp_path: Path) -> None:
    root = make_root(tmp_path / "r", "a", "b", "c")
    (root / "Images" / "skirt" / "b.jpg").unlink()
    with pytest.raises(
        DataError,
        match=r"train\.csv, line 3, column image_id: no photo 'Images/skirt/b\.jpg' in \S+r \(1 photo is missing",
    ):
        read_roots([str(root)])
    (root / "Images" / "skirt" / "c.jpg").unlink()
    with pytest.raises(DataError, match=r"line 3, .*\(2 of 3 photos are missing\); is \S+r the folder with Images\?"):
        read_roots([str(root)])
    table, _ = read_roots([str(root)], require_images=False)
    assert len(table.paths) == 3


def test_a_photo_in_two_roots_is_kept_once(tmp_path: Path) -> None:
    first = make_root(tmp_path / "train", "a", "b", "c", x=1)
    second = make_root(tmp_path / "test_a", "d", "b", "c", x=2)
    table, notes = read_roots([str(first), str(second)])
    assert [path.name for path in table.paths] == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert table.points[:, 15, 0].tolist() == [1, 1, 1, 2]
    assert table.paths[1].is_relative_to(first)
    assert notes == [f"{second}/Annotations/train.csv: 2 of 3 photos are in an earlier root, left out here"]
    assert read_roots([str(first), str(first)])[1] == [
        f"{first}/Annotations/train.csv: 3 of 3 photos are in an earlier root, left out here"
    ]


def test_other_photos_of_the_same_name_are_kept(tmp_path: Path) -> None:
    first = make_root(tmp_path / "mine", "1", "2")
    second = make_root(tmp_path / "yours", "1", "2")
    write_photos(second, "1", content="another photo")
    table, notes = read_roots([str(first), str(second)])
    assert [path.read_text() for path in table.paths] == ["1", "2", "another photo"]
    assert notes == [f"{second}/Annotations/train.csv: 1 of 2 photos are in an earlier root, left out here"]


def test_names_decide_where_no_photos_are_there(tmp_path: Path) -> None:
    write_csv(tmp_path / "a" / "x.csv", "1", "2")
    write_csv(tmp_path / "b" / "x.csv", "2", "3")
    table, notes = read_roots([str(tmp_path / "a"), str(tmp_path / "b")], require_images=False)
    assert [path.name for path in table.paths] == ["1.jpg", "2.jpg", "3.jpg"]
    assert len(notes) == 1


def test_the_same_id_twice_in_one_file(tmp_path: Path) -> None:
    root = make_root(tmp_path / "r", "a", "b")
    file = root / "Annotations" / "train.csv"
    file.write_text(file.read_text().replace("b.jpg", "a.jpg"))
    with pytest.raises(DataError, match=r"train\.csv, line 3, column image_id: 'Images/skirt/a\.jpg' is on line 2"):
        read_roots([str(root)])


def test_paths_without_a_file_to_name(tmp_path: Path) -> None:
    table = AnnotationTable(("a.jpg",), ("skirt",), np.full((1, 24, 3), -1.0))
    with pytest.raises(DataError, match=r"^no photo 'a\.jpg' in"):
        attach_paths(table, tmp_path)


def test_reads_the_real_garments(garments: Path) -> None:
    with pytest.raises(DataError, match=r"Annotations/train\.csv\n.*Annotations/val\.csv\n.*layouts\.csv"):
        read_roots([str(garments)])
    table, notes = read_roots([f"{garments}:Annotations/train.csv", f"{garments}:Annotations/val.csv"])
    assert len(table) == 637  # its README: 484 + 153
    assert notes == []
