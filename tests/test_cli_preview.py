"""`hemline augment-preview`: the sheet shows what training sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hemline.formats.roots import read_roots
from hemline.images import read_image, write_image
from hemline.learn.build import build_dataset
from hemline.learn.preview import cut_preview
from hemline.recipe import read_recipe

RECIPE = """
name = "small"
model = { name = "cpn", backbone = "test_resnet", options = { channels = 16 } }
input = { size = 64 }
"""
STILL = (
    *("flip=0", "rotation=0", "scale=[1,1]", "shift=0"),
    *("brightness=0", "contrast=0", "saturation=0", "hue=0", "gray=0"),
)
SWITCHES = ("flip=1", "rotation=20", "aspect=1.5", "crop=1", "half=1", "blur=1", "noise=1", "paste=1", "erase=1")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from hemline.synth.stream import write_drawn_set

    root = tmp_path_factory.mktemp("drawn")
    for _ in write_drawn_set(root, count=10, seed=0, size=96):
        pass
    return root


def test_a_sheet_is_written(hemline, recipe, drawn, tmp_path):
    out = tmp_path / "new" / "sheet.png"
    assert hemline("augment-preview", recipe, "--data", drawn, "--out", out, "--rows", 3, "--count", 2) == (
        0,
        f"3 garments in {out}\n",
        "",
    )
    height, width, _ = read_image(out).shape
    assert width == 3 * (384 + 8) + 8  # plain and two epochs, each pixel of 64 drawn as 6 x 6
    assert height > 3 * (384 + 8) + 8


def test_few_garments_are_all_shown_and_the_same_command_gives_the_same_file(hemline, recipe, drawn, tmp_path):
    call = ["augment-preview", recipe, "--data", drawn, "--rows", 20, "--out"]
    for name in ("a.png", "b.png"):
        assert hemline(*call, tmp_path / name)[:2] == (0, f"10 garments in {tmp_path / name}\n")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert read_image(tmp_path / "a.png").shape[1] == 6 * (384 + 8) + 8
    assert hemline(*call, tmp_path / "c.png", "--set", "augment.blur=1.0")[0] == 0
    assert (read_image(tmp_path / "c.png") != read_image(tmp_path / "a.png")).any()


@pytest.mark.parametrize("change", SWITCHES)
def test_each_switch_is_seen(recipe, drawn, change):
    table, _ = read_roots([str(drawn)])
    chosen = read_recipe(recipe, overrides=[f"augment.{each}" for each in (*STILL, change)])
    plain, first, second = cut_preview(chosen, table, garments=1, epochs=2)[0]
    assert (plain.caption, first.caption, second.caption) == (table.categories[0], "epoch 1", "epoch 2")
    assert (first.image != plain.image).any()
    if change != "flip=1":  # which is the same each time
        assert (second.image != first.image).any()


def test_the_tiles_are_what_training_sees(recipe, drawn):
    from hemline.learn.build import build_network

    table, _ = read_roots([str(drawn)])
    chosen = read_recipe(recipe, overrides=["augment.paste=0.5", "train.seed=4"])
    _, schema = build_network(chosen, table)
    training = build_dataset(chosen, table, schema)
    rows = cut_preview(chosen, table, garments=3, epochs=2)
    for row, (_, *tiles) in zip((0, 4, 9), rows, strict=True):  # evenly spread over ten
        for epoch, tile in enumerate(tiles):
            sample = training[epoch, row]
            assert tile.annotation.image_id == table.image_ids[row]
            assert (tile.image == sample["image"]).all()
            present = tile.annotation.visibility >= 0
            assert (present[training.keypoints] == (sample["weight"] > 0)).all()
            points = tile.annotation.keypoints[training.keypoints] / 64
            assert points[sample["weight"] > 0] == pytest.approx(
                sample["target"]["coordinates"][sample["weight"] > 0], abs=1e-5
            )


def test_only_the_recipes_categories_are_shown(hemline, recipe, drawn, tmp_path):
    out = tmp_path / "sheet.png"
    call = ["augment-preview", recipe, "--data", drawn, "--out", out]
    assert hemline(*call, "--set", 'categories=["skirt", "dress"]')[:2] == (0, f"4 garments in {out}\n")


def test_mistakes_are_messages(hemline, recipe, drawn, tmp_path):
    call = ["augment-preview", recipe, "--data", drawn, "--out"]
    for arguments, message in (
        (["augment-preview", "dmeo", "--data", drawn, "--out", "x.jpg"], "Did you mean 'demo'?"),
        ([*call, tmp_path / "x.jpg", "--set", "augment.halves=1"], "Did you mean 'augment.half'?"),
        ([*call, tmp_path / "x.pdf"], "x.pdf: cannot be written as '.pdf'"),
        ([*call, tmp_path / "x.jpg", "--data", tmp_path / "gone"], "gone: no such folder"),
    ):
        code, text, problems = hemline(*arguments)
        assert (code, text) == (2, "")
        assert problems.startswith("hemline: ")
        assert message in problems
    assert not list(tmp_path.glob("x.*"))


def test_a_photo_that_cannot_be_read_and_data_without_the_category_are_named(hemline, recipe, tmp_path):
    from hemline.synth.stream import write_drawn_set

    for _ in write_drawn_set(tmp_path / "drawn", count=1, seed=0, size=64):
        pass
    table, _ = read_roots([str(tmp_path / "drawn")])
    call = ["augment-preview", recipe, "--data", tmp_path / "drawn", "--out", tmp_path / "x.jpg"]
    other = "skirt" if table.categories[0] != "skirt" else "dress"
    code, _, problems = hemline(*call, "--set", f'categories=["{other}"]')
    assert (code, problems) == (2, f"hemline: no garment of the recipe's categories ({other})\n")
    write_image(table.paths[0], np.zeros((8, 8, 3), np.uint8))
    table.paths[0].write_bytes(table.paths[0].read_bytes()[:40])
    code, text, problems = hemline(*call)
    assert (code, text) == (2, "")
    assert str(table.paths[0]) in problems
