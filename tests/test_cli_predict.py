"""`hemline predict` on a small untrained network: files in, files out, messages, exit codes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from untrained import write_run

from hemline.formats.fashionai import COLUMNS, read_annotations
from hemline.garments import CATEGORIES, CATEGORY_KEYPOINTS
from hemline.images import read_image, write_image
from hemline.infer.torch_backend import load_predictor
from hemline.learn.checkpoint import write_weights

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return {"all": write_run(folder / "all", CATEGORIES), "skirt": write_run(folder / "skirt", ("skirt",))}


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """A test set of three photos of noise: test.csv beside Images."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name, size in (("skirt/a", (90, 120)), ("dress/b", (64, 64)), ("skirt/c", (50, 70))):
        write_image(root / "Images" / f"{name}.png", rng.integers(0, 256, (*size, 3), dtype=np.uint8))
    ids = ("Images/skirt/a.png", "Images/dress/b.png", "Images/skirt/c.png")
    rows = "".join(f"{image_id},{image_id.split('/')[1]}\n" for image_id in ids)
    (root / "test.csv").write_text("image_id,image_category\n" + rows)
    return root


def test_a_csv_of_photos_becomes_a_csv_of_points(hemline, runs, photos, tmp_path):
    out = tmp_path / "new" / "pred.csv"
    code, text, problems = hemline("predict", runs["all"], photos / "test.csv", "--out", out, "--device", "cpu")
    assert (code, problems) == (0, "")
    assert text == f"3 garments in {out}\n"
    table = read_annotations(out)
    assert table.image_ids == ("Images/skirt/a.png", "Images/dress/b.png", "Images/skirt/c.png")
    assert table.categories == ("skirt", "dress", "skirt")
    for row, category in enumerate(table.categories):
        own = list(CATEGORY_KEYPOINTS[category])
        assert (table.points[row, own, 2] == 1).all()
        assert (np.delete(table.points[row], own, 0) == -1).all()
    # The file says what the Predictor says, to the three decimals that it holds.
    images = [read_image(photos / image_id) for image_id in table.image_ids]
    expected = load_predictor(runs["all"], device="cpu").predict(images, table.categories)
    for row, prediction in enumerate(expected):
        assert table.points[row] == pytest.approx(prediction.points, abs=5.1e-4)


def test_photos_need_a_category_unless_the_network_has_one(hemline, runs, photos, tmp_path):
    folder, out = photos / "Images" / "skirt", tmp_path / "pred.csv"
    code, _, problems = hemline("predict", runs["all"], folder, "--out", out)
    assert code == 2
    assert problems == (
        "hemline: what is on these photos? Say so with --category: blouse, outwear, dress, skirt, trousers\n"
    )
    assert not out.exists()
    assert hemline("predict", runs["skirt"], folder, "--out", out, "--device", "cpu")[0] == 0
    assert read_annotations(out).image_ids == ("a.png", "c.png")
    photo = folder / "a.png"
    assert hemline("predict", runs["all"], photo, "--category", "dress", "--out", out, "--device", "cpu")[0] == 0
    assert read_annotations(out).image_ids == (photo.as_posix(),)
    assert read_annotations(out).categories == ("dress",)


def test_a_category_takes_its_rows_of_a_csv(hemline, runs, photos, tmp_path):
    out = tmp_path / "pred.csv"
    code, text, problems = hemline(
        "predict", runs["skirt"], photos / "test.csv", "--category", "skirt", "--out", out, "--device", "cpu"
    )
    assert code == 0
    assert text == f"2 garments in {out}\n"
    assert problems == f"{photos / 'test.csv'}: 1 of 3 garments are no skirt, left out\n"


def test_a_corrupt_photo_is_named_guessed_and_counted(hemline, runs, photos, tmp_path):
    folder = tmp_path / "skirts"
    folder.mkdir()
    (folder / "1.png").write_bytes((photos / "Images" / "skirt" / "a.png").read_bytes())
    (folder / "2.png").write_bytes((folder / "1.png").read_bytes()[:100])
    (folder / "3.png").write_bytes((folder / "1.png").read_bytes())
    out, pictures = tmp_path / "pred.csv", tmp_path / "pictures"
    code, text, problems = hemline(
        "predict", runs["skirt"], folder, "--out", out, "--draw", pictures, "--device", "cpu"
    )
    assert code == 1
    assert text == f"3 garments in {out}\n"
    first, last = problems.splitlines()
    assert str(folder / "2.png") in first
    assert "guessed the mean skirt on 120 x 90 pixels" in first
    assert last == "hemline: 1 of 3 photos could not be read, see above"
    table = read_annotations(out)
    assert table.image_ids == ("1.png", "2.png", "3.png")
    assert table.points[1, 15:19] == pytest.approx(np.tile([60.0, 45.0, 1.0], (4, 1)))
    assert sorted(path.name for path in pictures.iterdir()) == ["1.drawn.png", "3.drawn.png"]


def test_pictures_and_scores(hemline, runs, photos, tmp_path):
    pictures, scores = tmp_path / "pictures", tmp_path / "scores.csv"
    options = ("--out", tmp_path / "pred.csv", "--draw", pictures, "--scores", scores, "--flip", "--batch-size", 2)
    assert hemline("predict", runs["all"], photos / "test.csv", *options, "--device", "cpu")[0] == 0
    names = ["dress/b.drawn.png", "skirt/a.drawn.png", "skirt/c.drawn.png"]
    assert sorted(pictures.rglob("*.png")) == [pictures / "Images" / name for name in names]
    drawn = read_image(pictures / "Images" / "skirt" / "a.drawn.png")
    assert drawn.shape == (90, 120, 3)
    assert not np.array_equal(drawn, read_image(photos / "Images" / "skirt" / "a.png"))
    header, *rows = csv.reader(scores.read_text().splitlines())
    assert tuple(header) == COLUMNS
    assert [row[0] for row in rows] == ["Images/skirt/a.png", "Images/dress/b.png", "Images/skirt/c.png"]
    for row in rows:
        filled = {at for at, cell in enumerate(row[2:]) if cell}
        assert filled == set(CATEGORY_KEYPOINTS[row[1]])
        assert all(0 <= float(cell) <= 1 for cell in row[2:] if cell)


def test_options_of_the_recipe_may_change(hemline, runs, photos, tmp_path):
    """Each option gives what the same option of `load_predictor` gives, and something else than without it."""
    out = tmp_path / "pred.csv"
    ids = ("Images/skirt/a.png", "Images/skirt/c.png")
    images = [read_image(photos / image_id) for image_id in ids]
    plain = load_predictor(runs["skirt"], device="cpu").predict(images, ["skirt"] * 2)
    for setting, options in (
        ("predict.flip=true", {"predict": {"flip": True}}),
        ("predict.views=[1.0,[0.4,0.5,1.5]]", {"predict": {"views": [(0.5, 0.5, 1.0), (0.4, 0.5, 1.5)]}}),
        ("predict.rotations=[0,10]", {"predict": {"rotations": [0.0, 10.0]}}),
        ("predict.second_pass=true", {"predict": {"second_pass": True}}),
        ("predict.repair=0.9", {"predict": {"repair": 0.9}}),
        ("decode.method=argmax", {"decode": {"method": "argmax"}}),
        ("decode.blur=2.0", {"decode": {"blur": 2.0}}),
    ):
        arguments = (runs["skirt"], photos / "test.csv", "--category", "skirt", "--device", "cpu", "--set", setting)
        assert hemline("predict", *arguments, "--out", out)[0] == 0
        predictions = load_predictor(runs["skirt"], device="cpu", **options).predict(images, ["skirt"] * 2)
        expected = np.array([prediction.points for prediction in predictions])
        assert read_annotations(out).points == pytest.approx(expected, abs=5.1e-4)
        assert np.abs(expected - [prediction.points for prediction in plain]).max() > 0.01, setting


def test_several_networks(hemline, runs, photos, tmp_path):
    out = tmp_path / "pred.csv"
    ids = ("Images/skirt/a.png", "Images/skirt/c.png")
    images = [read_image(photos / image_id) for image_id in ids]
    skirts = (photos / "test.csv", "--category", "skirt", "--out", out, "--device", "cpu")
    plain = load_predictor(runs["all"], device="cpu").predict(images, ["skirt"] * 2)
    for arguments, options in (
        (("--with", f"{runs['skirt']}:3"), {"others": [(runs["skirt"], 3.0)]}),
        (("--with", runs["skirt"], "--with", runs["all"]), {"others": [(runs["skirt"], 1.0), (runs["all"], 1.0)]}),
        (("--refine-with", runs["skirt"]), {"refiner": runs["skirt"]}),
    ):
        assert hemline("predict", runs["all"], *skirts, *arguments)[0] == 0
        predictions = load_predictor(runs["all"], device="cpu", **options).predict(images, ["skirt"] * 2)
        expected = np.array([prediction.points for prediction in predictions])
        assert read_annotations(out).points == pytest.approx(expected, abs=5.1e-4)
        assert np.abs(expected - [prediction.points for prediction in plain]).max() > 0.01, arguments


def test_the_heavier_network_has_more_to_say(hemline, runs, photos, tmp_path):
    def found(network: str, *arguments: object) -> np.ndarray:
        skirts = (photos / "test.csv", "--category", "skirt", "--out", tmp_path / "pred.csv", "--device", "cpu")
        assert hemline("predict", runs[network], *skirts, *arguments)[0] == 0
        return read_annotations(tmp_path / "pred.csv").points[:, 15:19, :2]

    other = found("skirt")
    away = [np.abs(found("all", "--with", f"{runs['skirt']}:{weight}") - other).mean() for weight in (0.1, 1, 3, 100)]
    assert away == sorted(away, reverse=True)
    assert away[0] > 1.5 * away[2] > 1.5 * away[3]


def test_the_flip_can_be_chosen(hemline, runs, photos, tmp_path):
    image = read_image(photos / "Images/skirt/a.png")
    found = []
    for option, flip in (("--flip", True), ("--no-flip", False)):
        arguments = (photos / "Images/skirt/a.png", "--category", "skirt", "--device", "cpu", option)
        assert hemline("predict", runs["skirt"], *arguments, "--out", tmp_path / "pred.csv")[0] == 0
        [expected] = load_predictor(runs["skirt"], device="cpu", flip=flip).predict([image], ["skirt"])
        found.append(read_annotations(tmp_path / "pred.csv").points[0])
        assert found[-1] == pytest.approx(expected.points, abs=5.1e-4)
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_mistakes_are_one_message_and_exit_code_2(hemline, runs, photos, tmp_path):
    out = tmp_path / "pred.csv"
    write_weights(tmp_path / "state.safetensors", {"averages.weight": torch.zeros(1)}, {"place": {"epoch": 1}})
    for arguments, message in (
        ((tmp_path / "gone", photos), "gone: no such run folder or weights file"),
        ((photos, photos), "no best.safetensors or last.safetensors in this folder"),
        ((tmp_path / "state.safetensors", photos), "a training state, not a network; give the run folder"),
        ((runs["skirt"], tmp_path / "gone.jpg"), "gone.jpg: no such file or folder"),
        ((runs["skirt"], photos / "test.csv"), "garments of dress, but this network was trained for skirt"),
        ((runs["skirt"], photos, "--category", "dress"), "trained for skirt, not for 'dress'"),
        ((runs["skirt"], photos, "--category", "skrit"), "Did you mean 'skirt'?"),
        ((runs["skirt"], photos, "--device", "gpu"), "device 'gpu' cannot be used"),
        ((runs["skirt"], photos, "--set", "train.epochs=5"), "only predict.* and decode.* can change after training"),
        ((runs["skirt"], photos, "--set", "predict.veiws=[1.0]"), "Did you mean 'predict.views'?"),
        ((runs["skirt"], photos, "--set", "predict.repair=2"), "'predict.repair': must be below 1, got 2"),
        ((runs["skirt"], photos, "--set", "predict"), "expected KEY=VALUE"),
        ((runs["skirt"], photos, "--set", "decode.method=vertx"), "Did you mean 'vertex'?"),
        ((runs["skirt"], photos, "--with", tmp_path / "gone"), "gone: no such run folder or weights file"),
        ((runs["skirt"], photos, "--with", f"{runs['all']}:0"), "the weight must be a number above 0, got 0"),
        (
            (runs["all"], photos / "test.csv", "--with", runs["skirt"]),
            "garments of dress, but these networks were all trained for skirt",
        ),
    ):
        code, text, problems = hemline("predict", *arguments, "--out", out)
        assert (code, text) == (2, "")
        assert message in problems
        assert problems.startswith("hemline: ")
        assert problems.count("\n") == 1
        assert not out.exists()
