"""Recipes: defaults, overrides, and messages that a newcomer can act on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from hemline.errors import RecipeError
from hemline.recipe import (
    Recipe,
    parse_changes,
    parse_recipe,
    read_any_recipe,
    read_recipe,
    recipe_path,
    shipped_recipes,
    write_recipe,
)

RECIPES = sorted((Path(__file__).resolve().parent.parent / "recipes").glob("*.toml"))


def message(content: dict[str, Any], **more: Any) -> str:
    with pytest.raises(RecipeError) as caught:
        parse_recipe({"name": "x", **content, **more}, source="mine.toml")
    text = str(caught.value)
    for jargon in ("pydantic", "http", "Input should", "Value error", "Field required", "instance of", "Section"):
        assert jargon not in text
    return text


def test_every_default() -> None:
    assert parse_recipe({"name": "x"}).model_dump() == {
        "task": "keypoints",
        "name": "x",
        "categories": ("blouse", "outwear", "dress", "skirt", "trousers"),
        "data": {"synthetic": 0.0},
        "model": {"name": "cpn", "backbone": None, "backbone_weights": "random", "weights": "", "options": {}},
        "input": {"size": 256, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
        "codec": {"name": "belief", "options": {}},
        "decode": {"method": "vertex", "blur": 0, "upsample": 1, "cells": 11, "window": 7},
        "loss": {
            "terms": ({"name": "softmax_cross_entropy", "weight": 1.0, "distance_weight": False},),
            "ohkm": 0,
            "ohkm_of": {},
            "ohkm_batch": 0,
            "ohem": 1,
            "occluded_weight": 1.0,
            "stage_weights": (),
        },
        "augment": {
            "flip": 0.5,
            "rotation": 30.0,
            "scale": (0.75, 1.25),
            "shift": 0.08,
            "brightness": 0.3,
            "contrast": 0.3,
            "saturation": 0.3,
            "hue": 0.05,
            "gray": 0.05,
            "erase": 0.0,
            "aspect": 1.0,
            "crop": 0.0,
            "crop_margin": 0.05,
            "half": 0.0,
            "blur": 0.0,
            "noise": 0.0,
            "paste": 0.0,
            "box": 0.0,
            "box_margin": 0.1,
            "box_errors": (0.03, 0.03, 0.03, 0.03),
        },
        "sampling": {"balance": False, "repeat": {}, "hard": 0.0, "hard_repeat": 2.0},
        "train": {
            "epochs": 100,
            "batch_size": 16,
            "optimizer": "adamw",
            "momentum": 0.9,
            "lr": 1e-3,
            "backbone_lr": 1.0,
            "freeze_backbone": 0.0,
            "freeze_backbone_norm": False,
            "weight_decay": 0.01,
            "warmup": 0.05,
            "schedule": "cosine",
            "milestones": (0.6, 0.85),
            "cycles": 4,
            "gamma": 0.1,
            "patience": 5,
            "early_stop": 0,
            "clip": 1.0,
            "ema": 0.998,
            "swa": 0.0,
            "precision": "32-true",
            "seed": 0,
            "validate_every": 1,
            "checkpoint_steps": 0,
            "workers": 1,
            "accelerator": "auto",
            "devices": "auto",
            "strategy": "auto",
            "num_nodes": 1,
        },
        "predict": {
            "flip": True,
            "views": ((0.5, 0.5, 1.0),),
            "rotations": (0.0,),
            "merge": "maps",
            "combine": "mean",
            "second_pass": False,
            "margin": 0.25,
            "repair": 0.0,
            "batch_size": 16,
        },
    }


def test_a_view_is_a_zoom_or_a_place_and_a_zoom() -> None:
    views = parse_recipe({"name": "x", "predict": {"views": [1, [0.5, 0.25, 1.5]]}}).predict.views
    assert views == ((0.5, 0.5, 1.0), (0.5, 0.25, 1.5))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"predict": {"views": []}}, "'predict.views': expected at least 1 value, got []"),
        ({"predict": {"views": [0]}}, "'predict.views[0][2]': must be above 0, got 0"),
        ({"predict": {"views": [1e9]}}, "'predict.views[0][2]': must be at most 64, got 1000000000.0"),
        ({"predict": {"views": [1.0, [1.5, 0.5, 1.0]]}}, "'predict.views[1][0]': must be at most 1, got 1.5"),
        ({"loss": {"ohkm_of": {"blous": 6}}}, "'loss.ohkm_of': unknown category 'blous'. Did you mean 'blouse'?"),
        ({"loss": {"stage_weights": [0, 0]}}, "'loss.stage_weights': needs weights from 0 on, and one above it"),
        ({"sampling": {"repeat": {"croch": 3}}}, "'sampling.repeat': unknown keypoint 'croch'. Did you mean 'crotch'?"),
        ({"train": {"milestones": [0.5, 2]}}, "'train.milestones[1]': must be below 1, got 2"),
        ({"train": {"schedule": "cosin"}}, "'train.schedule': expected 'constant', 'cosine', "),
    ],
)
def test_keys_that_take_lists_and_names_say_what_is_wrong(content: dict[str, Any], expected: str) -> None:
    assert message(content).startswith(f"mine.toml: {expected}")


def test_a_wrong_entry_does_not_make_the_list_too_short() -> None:
    assert message({"predict": {"views": [[0.5, 0.5]]}}) == "mine.toml: 'predict.views[0][2]' is missing"


def test_a_recipe_cannot_be_changed() -> None:
    recipe = parse_recipe({"name": "x"})
    with pytest.raises(ValueError, match="frozen"):
        recipe.train.epochs = 3  # type: ignore[misc]


def test_every_section_says_what_it_is() -> None:
    for field in Recipe.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            assert field.annotation.__doc__


# ---------------------------------------------------------------- messages


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"trian": {}}, "unknown key 'trian'. Did you mean 'train'? Known: name, categories, model, input, "),
        ({"train": {"epoch": 5}}, "unknown key 'train.epoch'. Did you mean 'train.epochs'? Known: train.epochs, "),
        ({"train": {"leraning_rate": 5}}, "unknown key 'train.leraning_rate'."),
        ({"epochs": 5}, "unknown key 'epochs'. Did you mean 'train.epochs'? Known: name, "),
        ({"model": {"codec": "x"}}, "unknown key 'model.codec'."),
        (
            {"loss": {"terms": [{"name": "heatmap_mse", "wieght": 2}]}},
            "unknown key 'loss.terms.wieght'. Did you mean 'loss.terms.weight'? Known: loss.terms.name, ",
        ),
    ],
)
def test_unknown_key_names_the_nearest(content: dict[str, Any], expected: str) -> None:
    assert message(content).startswith(f"mine.toml: {expected}")


def test_unknown_key_lists_its_own_section_only() -> None:
    assert "model.name" not in message({"train": {"epoch": 5}})


@pytest.mark.parametrize(
    ("section", "key", "value", "expected"),
    [
        ("train", "epochs", 0, "must be at least 1, got 0"),
        ("train", "lr", 0, "must be above 0, got 0"),
        ("train", "lr", -1e-3, "must be above 0, got -0.001"),
        ("train", "warmup", 1.0, "must be below 1, got 1.0"),
        ("train", "warmup", -0.1, "must be at least 0, got -0.1"),
        ("train", "ema", 1, "must be below 1, got 1"),
        ("augment", "flip", 1.5, "must be at most 1, got 1.5"),
        ("augment", "hue", 0.6, "must be at most 0.5, got 0.6"),
        ("input", "size", 16, "must be at least 32, got 16"),
        ("loss", "ohkm", -1, "must be at least 0, got -1"),
        ("train", "lr", float("nan"), "expected a finite number, got NaN"),
        ("train", "lr", float("inf"), "expected a finite number, got Infinity"),
        ("augment", "scale", [1.2, 0.8], "needs 0 < smallest <= largest, got [1.2, 0.8]"),
        ("augment", "scale", [0, 1], "needs 0 < smallest <= largest, got [0.0, 1.0]"),
        ("augment", "scale", [1, 2, 3], "expected 2 values, got [1, 2, 3]"),
        ("train", "seed", -1, "must be at least 0, got -1"),
        ("train", "seed", 2**63, "must be below 9.22337e+18, got 9223372036854775808"),
        ("loss", "terms", [], "needs at least one term, got []"),
    ],
)
def test_value_out_of_range(section: str, key: str, value: object, expected: str) -> None:
    assert message({section: {key: value}}) == f"mine.toml: '{section}.{key}': {expected}"


@pytest.mark.parametrize(
    ("section", "key", "value", "expected"),
    [
        ("train", "epochs", "five", 'expected a whole number, got "five"'),
        ("train", "epochs", "5", 'expected a whole number, got "5"'),
        ("train", "epochs", 2.5, "expected a whole number, got 2.5"),
        ("train", "epochs", True, "expected a whole number, got true"),
        ("train", "lr", "fast", 'expected a number, got "fast"'),
        ("augment", "flip", True, "expected a number, got true"),
        ("predict", "flip", "yes", 'expected true or false, got "yes"'),
        ("predict", "flip", 1, "expected true or false, got 1"),
        ("model", "backbone", 50, "expected a text in quotes, got 50"),
        ("model", "options", 5, "expected a section with keys of its own, got 5"),
        ("augment", "scale", 1.0, "expected a list in brackets, got 1.0"),
        ("loss", "terms", "heatmap_mse", 'expected a list in brackets, got "heatmap_mse"'),
        ("train", "precision", "fp16", "expected '32-true', 'bf16-mixed' or '16-mixed', got \"fp16\""),
        ("train", "strategy", "fsdp", "expected 'auto' or 'ddp', got \"fsdp\""),
    ],
)
def test_value_of_the_wrong_type(section: str, key: str, value: object, expected: str) -> None:
    assert message({section: {key: value}}) == f"mine.toml: '{section}.{key}': {expected}"


def test_every_part_of_std_is_positive() -> None:
    assert message({"input": {"std": [0.2, 0, 0.2]}}) == "mine.toml: 'input.std[1]': must be above 0, got 0"


def test_a_value_where_a_section_should_be() -> None:
    assert message({"train": 5}) == "mine.toml: 'train': expected a section with keys of its own, got 5"


def test_a_number_may_be_written_without_its_point() -> None:
    recipe = parse_recipe({"name": "x", "train": {"lr": 1}, "augment": {"scale": [1, 2]}})
    assert recipe.train.lr == 1.0
    assert recipe.augment.scale == (1.0, 2.0)


def test_devices_are_a_number_or_a_word() -> None:
    assert parse_recipe({"name": "x", "train": {"devices": 2}}).train.devices == 2
    assert parse_recipe({"name": "x", "train": {"devices": "auto"}}).train.devices == "auto"
    assert message({"train": {"devices": 1.5}}).splitlines() == [
        "mine.toml: 'train.devices': expected a whole number, got 1.5",
        "mine.toml: 'train.devices': expected a text in quotes, got 1.5",
    ]


def test_missing_keys() -> None:
    with pytest.raises(RecipeError, match=r"^recipe: 'name' is missing$"):
        parse_recipe({})
    assert message({"loss": {"terms": [{"weight": 2.0}]}}) == "mine.toml: 'loss.terms[0].name' is missing"


@pytest.mark.parametrize("name", ["", "My recipe", "a-b", "A"])
def test_name_is_a_plain_word(name: str) -> None:
    assert (
        message({}, name=name) == f"mine.toml: 'name': expected small letters, digits and underscores, got \"{name}\""
    )


@pytest.mark.parametrize(
    ("categories", "expected"),
    [
        (["skrit"], "unknown category 'skrit'. Did you mean 'skirt'? Known: blouse, outwear, dress, skirt, trousers."),
        ([], "needs at least one category, each once, got []"),
        (["skirt", "skirt"], "needs at least one category, each once, got ['skirt', 'skirt']"),
        ("skirt", 'expected a list in brackets, got "skirt"'),
    ],
)
def test_categories(categories: object, expected: str) -> None:
    assert message({"categories": categories}) == f"mine.toml: 'categories': {expected}"


def test_a_random_backbone_has_no_statistics_to_keep() -> None:
    train = {"freeze_backbone_norm": True}
    assert message({"train": train}) == (
        "mine.toml: 'train': freeze_backbone_norm = true keeps the backbone's pretrained statistics, and "
        "model.backbone_weights = 'random' has none; change one of them"
    )
    for model in ({"backbone_weights": "timm"}, {"weights": "runs/first"}):
        assert parse_recipe({"name": "mine", "model": model, "train": train}).train.freeze_backbone_norm


def test_views_as_system_3_wrote_them() -> None:
    changed = parse_changes(["predict.views=[1.0, (0.5, 0.25, 1.5)]"], sections=("predict",))
    assert changed["predict"]["views"] == ((0.5, 0.5, 1.0), (0.5, 0.25, 1.5))


def test_all_mistakes_are_told_at_once() -> None:
    assert message({"train": {"epochs": 0, "speed": 1}, "input": {"size": 1}}).count("mine.toml: ") == 3


# ---------------------------------------------------------------- files


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\ncategories = ["skirt"]\n[train]\nepochs = 3\n[model.options]\nchannels = 64\n')
    return path


def test_read(recipe_file: Path) -> None:
    recipe = read_recipe(recipe_file)
    assert (recipe.name, recipe.categories, recipe.train.epochs) == ("mine", ("skirt",), 3)
    assert recipe.model.options == {"channels": 64}


def test_read_a_file_from_windows(recipe_file: Path) -> None:
    recipe_file.write_bytes(b"\xef\xbb\xbf" + recipe_file.read_bytes().replace(b"\n", b"\r\n"))
    assert read_recipe(recipe_file).name == "mine"


def test_messages_name_the_file_and_the_key(recipe_file: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(recipe_file, overrides=["train.epochs=0"])
    assert str(caught.value) == "--set train.epochs=0: 'train.epochs': must be at least 1, got 0"
    recipe_file.write_text(recipe_file.read_text().replace("epochs = 3", "epochs = 0"))
    with pytest.raises(RecipeError) as caught:
        read_recipe(recipe_file, overrides=["train.lr=-1", "train.lr=0"])
    assert str(caught.value).splitlines() == [
        f"{recipe_file}: 'train.epochs': must be at least 1, got 0",
        "--set train.lr=0: 'train.lr': must be above 0, got 0",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"name = ", "not valid TOML: "),
        (b'name = "a"\nname = "b"\n', "not valid TOML: Cannot overwrite a value (at line 2"),
        (b'name = "\xff"\n', "not valid TOML: "),
        (b"", "'name' is missing"),
    ],
)
def test_broken_files(recipe_file: Path, content: bytes, expected: str) -> None:
    recipe_file.write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        read_recipe(recipe_file)
    assert str(caught.value).startswith(f"{recipe_file}: {expected}")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.toml: No such file or directory$"):
        read_recipe(tmp_path / "none.toml")
    with pytest.raises(RecipeError, match=r": Is a directory$"):
        read_recipe(tmp_path)


def test_a_written_recipe_is_the_same_and_complete(recipe_file: Path, tmp_path: Path) -> None:
    recipe = read_recipe(recipe_file, overrides=["train.devices=2", "loss.terms=[{name = 'heatmap_mse', weight = 2}]"])
    write_recipe(recipe, tmp_path / "written.toml")
    assert read_recipe(tmp_path / "written.toml") == recipe
    content = tomllib.loads((tmp_path / "written.toml").read_text())
    assert content["train"].keys() == type(recipe.train).model_fields.keys()


# ---------------------------------------------------------------- --set


@pytest.mark.parametrize(
    ("override", "section", "key", "expected"),
    [
        ("train.epochs=5", "train", "epochs", 5),
        (" train.epochs = 5 ", "train", "epochs", 5),
        ("train.lr=3e-4", "train", "lr", 3e-4),
        ("train.lr=1", "train", "lr", 1.0),
        ("augment.scale=[0.5, 2.0]", "augment", "scale", (0.5, 2.0)),
        ("predict.flip=false", "predict", "flip", False),
        ("model.backbone=resnet50", "model", "backbone", "resnet50"),
        ("model.backbone='resnet50'", "model", "backbone", "resnet50"),
        ("model.backbone_weights=../a b/w=1.safetensors", "model", "backbone_weights", "../a b/w=1.safetensors"),
        ("train.precision=bf16-mixed", "train", "precision", "bf16-mixed"),
        ("train.devices=2", "train", "devices", 2),
        ("codec.options.sigma=1.5", "codec", "options", {"sigma": 1.5}),
        ("model.options.stages=[1, 2]", "model", "options", {"channels": 64, "stages": [1, 2]}),
    ],
)
def test_override(recipe_file: Path, override: str, section: str, key: str, expected: object) -> None:
    recipe = read_recipe(recipe_file, overrides=[override])
    value = getattr(getattr(recipe, section), key)
    assert value == expected
    assert type(value) is type(expected)


def test_override_of_the_top_and_of_lists(recipe_file: Path) -> None:
    recipe = read_recipe(recipe_file, overrides=["name=other", "categories=['dress', 'skirt']"])
    assert (recipe.name, recipe.categories) == ("other", ("dress", "skirt"))
    terms = read_recipe(recipe_file, overrides=["loss.terms=[{name = 'heatmap_mse', weight = 2.0}]"]).loss.terms
    assert [(term.name, term.weight) for term in terms] == [("heatmap_mse", 2.0)]


def test_the_last_override_wins(recipe_file: Path) -> None:
    assert read_recipe(recipe_file, overrides=["train.epochs=5", "train.epochs=7"]).train.epochs == 7


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("train.epochs", "--set train.epochs: expected KEY=VALUE on one line, for example train.epochs=5"),
        ("=5", "--set =5: expected KEY=VALUE on one line, for example train.epochs=5"),
        ("name=a\nb = 2", "--set name=a\nb = 2: expected KEY=VALUE on one line, for example train.epochs=5"),
        ("train.epochs.more=5", "--set train.epochs.more=5: 'epochs' is a value, not a section"),
    ],
)
def test_broken_override(recipe_file: Path, override: str, expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(recipe_file, overrides=[override])
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("train.epoch=5", "unknown key 'train.epoch'. Did you mean 'train.epochs'?"),
        ("train.epochs=many", "'train.epochs': expected a whole number, got \"many\""),
        ("train.epochs=", "'train.epochs': expected a whole number, got \"\""),
        ("train=5", "'train': expected a section with keys of its own, got 5"),
        ("train.epochs=2020-01-01", "'train.epochs': expected a whole number, got \"2020-01-01\""),
        ("trian.epochs=5", "unknown key 'trian'. Did you mean 'train'?"),
        ("loss.terms=[{weight = 2.0}]", "'loss.terms[0].name' is missing"),
        # Python's spellings are no TOML.
        ("predict.flip=False", "'predict.flip': expected true or false, got \"False\""),
        ("augment.scale=0.5, 2.0", "'augment.scale': expected a list in brackets, got \"0.5, 2.0\""),
    ],
)
def test_override_that_does_not_fit(recipe_file: Path, override: str, expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(recipe_file, overrides=[override])
    assert str(caught.value).startswith(f"--set {override}: {expected}")


# ---------------------------------------------------------------- shipped recipes


@pytest.mark.parametrize("path", RECIPES, ids=[path.stem for path in RECIPES])
def test_shipped_recipe(path: Path) -> None:
    assert read_any_recipe(path).name == path.stem
    assert path.read_text(encoding="utf-8").startswith("#"), "a recipe opens with what it is and the command to run it"


def test_shipped_recipes_are_found_by_name() -> None:
    assert [str(path) for path in shipped_recipes().values()] == [str(path) for path in RECIPES]
    for path in RECIPES:
        assert recipe_path(path.stem) == path
        assert recipe_path(str(path)) == path


def test_unknown_recipe_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no such file, and unknown recipe 'cpn_mobilenet2'\. Did you mean 'cpn_mob"):
        recipe_path("cpn_mobilenet2")
    with pytest.raises(RecipeError, match=r"no such file, and unknown recipe 'none'"):
        recipe_path(str(tmp_path / "none.toml"))


@pytest.mark.parametrize("name", ["demo.toml", "no_such_folder/demo.toml"])
def test_a_shipped_recipe_is_named_without_folder_and_suffix(tmp_path: Path, monkeypatch: Any, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError) as caught:
        recipe_path(name)
    assert str(caught.value) == (
        f"{name}: no such file; the shipped recipe is named 'demo': leave out the folder and .toml"
    )


def test_a_recipe_of_another_task() -> None:
    path = recipe_path("detect_fcos")
    with pytest.raises(RecipeError, match=r"detect_fcos\.toml: the recipe of a garment detector"):
        read_recipe(path)
    for task in ("box", "['detection']"):
        with pytest.raises(RecipeError, match=f"--set task={re.escape(task)}|task=.*unknown task"):
            read_any_recipe(path, overrides=[f"task={task}"])
    bare = path.parent / "detect_fasterrcnn.toml"
    assert read_any_recipe(bare).model.name == "fasterrcnn"


def test_a_detector_is_fcos_unless_named(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\ntask = "detection"\n[model]\nbackbone = "resnet18"\n')
    assert read_any_recipe(tmp_path / "mine.toml").model.name == "fcos"
    assert set(shipped_recipes(task="detection")) == {path.stem for path in RECIPES if path.stem.startswith("detect_")}
    assert (
        shipped_recipes().keys() == shipped_recipes(task="detection").keys() | shipped_recipes(task="keypoints").keys()
    )
