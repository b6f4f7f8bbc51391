"""find_sources: ids, categories and roots of what a user names."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from hemline.errors import DataError, ImageError
from hemline.garments import CATEGORIES
from hemline.infer.sources import find_sources

TEST_CSV = """image_id,image_category
Images/skirt/a.jpg,skirt
Images/dress/b.jpg,dress
Images/skirt/c.jpg,skirt
"""


@pytest.fixture
def root(tmp_path) -> Path:
    """A test set with the CSV at the root, and one of three photos in its place."""
    (tmp_path / "Images" / "skirt").mkdir(parents=True)
    (tmp_path / "Images" / "skirt" / "a.jpg").touch()
    (tmp_path / "test.csv").write_text(TEST_CSV)
    return tmp_path


def test_a_csv_brings_ids_and_categories(root):
    sources, notes = find_sources([root / "test.csv"], known=CATEGORIES)
    assert [(source.image_id, source.category) for source in sources] == [
        ("Images/skirt/a.jpg", "skirt"),
        ("Images/dress/b.jpg", "dress"),
        ("Images/skirt/c.jpg", "skirt"),
    ]
    assert [source.path for source in sources] == [root / source.image_id for source in sources]
    assert notes == []


def test_the_root_of_a_csv_in_annotations_is_the_folder_above(root):
    (root / "Annotations").mkdir()
    (root / "test.csv").rename(root / "Annotations" / "test.csv")
    sources, _ = find_sources([root / "Annotations" / "test.csv"], known=CATEGORIES)
    assert sources[0].path == root / "Images" / "skirt" / "a.jpg"


def test_the_root_may_be_given(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "test.csv"
    elsewhere.write_text(TEST_CSV)
    with pytest.raises(DataError, match=r"none of its photos is in .*give the folder .* as --data"):
        find_sources([elsewhere], known=CATEGORIES)
    sources, _ = find_sources([elsewhere], known=CATEGORIES, root=root)
    assert sources[0].path == root / "Images" / "skirt" / "a.jpg"


def test_a_category_takes_its_rows_of_a_csv_and_says_what_it_left(root):
    sources, notes = find_sources([root / "test.csv"], known=["skirt"], category="skirt")
    assert [source.image_id for source in sources] == ["Images/skirt/a.jpg", "Images/skirt/c.jpg"]
    assert notes == [f"{root / 'test.csv'}: 1 of 3 garments are no skirt, left out"]
    with pytest.raises(DataError, match="no blouse among its 3 garments"):
        find_sources([root / "test.csv"], known=CATEGORIES, category="blouse")


def test_rows_that_the_network_cannot_answer_are_an_error(root):
    with pytest.raises(DataError, match=r"garments of dress, but this network was trained for skirt.*--category"):
        find_sources([root / "test.csv"], known=["skirt"])


def test_ids_of_folders_and_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("photos/b.jpg", "photos/deep/a.png", "one.jpg", "photos/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    places = [Path("photos"), Path("one.jpg"), tmp_path / "one.jpg"]
    sources, _ = find_sources(places, known=CATEGORIES, category="dress")
    assert [source.image_id for source in sources] == [
        "b.jpg",
        "deep/a.png",
        "one.jpg",
        f"{tmp_path.as_posix()}/one.jpg",
    ]
    assert {source.category for source in sources} == {"dress"}


def test_photos_of_a_folder_that_are_not_read_are_counted(tmp_path):
    for name in ("1.heic", "2.jpg", "3.heic"):
        (tmp_path / name).touch()
    sources, notes = find_sources([tmp_path], known=["skirt"])
    assert [source.image_id for source in sources] == ["2.jpg"]
    assert notes == [f"{tmp_path}: 2 photos left out, save them as JPEG or PNG first (.heic)"]


def test_a_long_csv_is_a_list_of_ids_and_paths(tmp_path):
    (tmp_path / "a0.jpg").touch()
    rows = 10_000
    text = "".join(f"a{row}.jpg,skirt\n" for row in range(rows))
    (tmp_path / "test.csv").write_text("image_id,image_category\n" + text)
    # Python's own table of the names in paths may double when they are new; here they are not.
    before = find_sources([tmp_path / "test.csv"], known=["skirt"])
    tracemalloc.start()
    sources, _ = find_sources([tmp_path / "test.csv"], known=["skirt"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sources == before[0]
    assert len(sources) == rows
    assert peak < 1000 * rows  # the points alone, 24 x 3 float64, would be 576 bytes a row


def test_the_category_of_photos_must_be_said_where_there_are_several(tmp_path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(DataError, match=r"what is on these photos.*--category: skirt, trousers"):
        find_sources([tmp_path], known=["skirt", "trousers"])
    [source], _ = find_sources([tmp_path], known=["trousers"])
    assert source.category == "trousers"


def test_a_category_that_is_unknown_or_untrained_is_an_error(tmp_path):
    with pytest.raises(DataError, match="trained for skirt, not for 'dress'"):
        find_sources([tmp_path], known=["skirt"], category="dress")
    with pytest.raises(DataError, match="Did you mean 'trousers'"):
        find_sources([tmp_path], known=["skirt"], category="trouser")


def test_two_photos_with_one_id_are_an_error(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jpg").touch()
    with pytest.raises(DataError, match=r"one/a\.jpg and .*two/a\.jpg would both be 'a\.jpg'"):
        find_sources([tmp_path / "one", tmp_path / "two"], known=["skirt"])


def test_places_without_photos_are_errors(tmp_path):
    with pytest.raises(ImageError, match="no photo in this folder"):
        find_sources([tmp_path], known=["skirt"])
    with pytest.raises(ImageError, match="no such file or folder"):
        find_sources([tmp_path / "gone"], known=["skirt"])
    with pytest.raises(DataError, match=r"gone\.csv"):
        find_sources([tmp_path / "gone.csv"], known=["skirt"])
