"""A study: each variant is trained and asked as its switch says, paired with the base, and done once."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hemline.annotation import AnnotationTable
from hemline.errors import RecipeError
from hemline.formats.roots import read_roots
from hemline.infer.finder import Finder
from hemline.infer.stream import predict_table
from hemline.infer.torch_backend import load_predictor
from hemline.learn import ablation
from hemline.learn import fit as loop
from hemline.learn.ablation import run_study
from hemline.learn.checkpoint import LAST
from hemline.learn.soup import cook_soup
from hemline.metrics import bootstrap_interval, ne, point_errors
from hemline.recipe import Recipe, parse_recipe, write_recipe
from hemline.study import Study, read_study
from hemline.synth.stream import write_drawn_set

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {
    "name": "small",
    "model": {"name": "simple", "backbone": "test_resnet", "options": {"channels": 8}},
    "input": {"size": 32},
    "codec": {"options": {"sigma": 1.0}},
    "train": {"epochs": 2, "batch_size": 4, "workers": 0, "accelerator": "cpu", "lr": 2e-3},
}

STUDY = """
base = "{folder}/small.toml"
set = ["augment.gray=0.0"]

[[switch]]
name = "both"
ensemble = ["base", "OHKM"]

[[switch]]
name = "no flip"
set = ["predict.flip=false"]
verdict = "Flip is worth it."

[[switch]]
name = "OHKM"
set = ["loss.ohkm=2"]

[[switch]]
name = "discs"
set = ["codec.name=disc", "codec.options={{radius = 2.0}}", "loss.terms=[{{name = 'heatmap_bce'}}]"]

[[switch]]
name = "weighted, points"
ensemble = ["base", "OHKM"]
weights = [1.0, 3.0]
set = ["predict.merge=coordinates"]

[[switch]]
name = "soup"
soup = ["base", "OHKM"]

[[switch]]
name = "refined by OHKM"
refine = "OHKM"
set = ["predict.margin=0.1"]
"""


FLIP = """
[[switch]]
name = "no flip"
set = ["predict.flip=false"]
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> AnnotationTable:
    root = tmp_path_factory.mktemp("drawn")
    list(write_drawn_set(root, count=20, seed=0, size=64))
    return read_roots([str(root)])[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_recipe(parse_recipe(SMALL), folder / "small.toml")
    return folder


def study(folder: Path, text: str = STUDY) -> Study:
    (folder / "study.toml").write_text(text.format(folder=folder.as_posix()))
    return read_study(folder / "study.toml")


@pytest.fixture(scope="module")
def done(folder: Path, table: AnnotationTable):
    """The study, run once."""
    return run_study(study(folder), table.select(range(12)), table.select(range(12, 20)), out=folder / "out")


def test_each_effect_is_paired_with_the_base_of_its_seed(done, folder, table):
    base_effect, effects = done
    base_ne = base_effect.ne
    truth = table.select(range(12, 20))

    def errors(run: str, **asked) -> np.ndarray:
        predicted = predict_table(load_predictor(folder / "out" / "runs" / run / LAST, **asked), truth)
        return point_errors(predicted.points[:, :, :2], truth.points, categories=truth.categories)

    base = [errors(f"base-{seed}") for seed in range(2)]
    assert base_ne == pytest.approx(np.mean([np.nanmean(each) for each in base]), abs=0.01)
    names = ["both", "no flip", "OHKM", "discs", "weighted, points", "soup", "refined by OHKM"]
    assert [effect.name for effect in effects] == names
    variants = {
        "no flip": [errors(f"base-{seed}", predict={"flip": False}) for seed in range(2)],
        "OHKM": [errors(f"ohkm-{seed}") for seed in range(2)],
    }
    for effect in effects[1:3]:
        differences = np.array(variants[effect.name]) - np.array(base)
        assert effect.ne == pytest.approx(np.mean([np.nanmean(each) for each in variants[effect.name]]), abs=0.01)
        assert effect.difference == pytest.approx(effect.ne - base_ne, abs=0.01)
        assert effect.by_seed == pytest.approx([np.nanmean(each) for each in differences], abs=0.01)
        assert effect.interval == pytest.approx(bootstrap_interval(differences.mean(0)), abs=0.01)
        assert effect.interval[0] < effect.difference < effect.interval[1]
        assert abs(effect.difference) > 0


def test_what_is_made_of_several_variants(done, folder, table, tmp_path):
    runs, data, truth = folder / "out" / "runs", table.select(range(12)), table.select(range(12, 20))

    def both(seed: int, weight: float, **asked) -> Finder:
        return load_predictor(runs / f"base-{seed}" / LAST, others=[(runs / f"ohkm-{seed}" / LAST, weight)], **asked)

    def soup(seed: int) -> Finder:
        cook_soup(
            [runs / f"{name}-{seed}" / LAST for name in ("base", "ohkm")], tmp_path / "soup.safetensors", data=data
        )
        return load_predictor(tmp_path / "soup.safetensors")

    def refined(seed: int) -> Finder:
        return load_predictor(
            runs / f"base-{seed}" / LAST, refiner=runs / f"ohkm-{seed}" / LAST, predict={"margin": 0.1}
        )

    effects = {effect.name: effect for effect in done[1]}
    for name, finder in {
        "both": partial(both, weight=1.0),
        "weighted, points": partial(both, weight=3.0, predict={"merge": "coordinates"}),
        "soup": soup,
        "refined by OHKM": refined,
    }.items():
        found = [predict_table(finder(seed), truth).points[:, :, :2] for seed in range(2)]
        expected = np.mean([ne(points, truth.points, categories=truth.categories) for points in found])
        assert effects[name].ne == pytest.approx(expected, abs=0.01), name
    assert len({round(effect.ne, 2) for effect in effects.values()}) == len(effects)


def test_the_last_epoch_is_compared_also_where_another_was_better(folder, table, tmp_path, monkeypatch):
    scores = iter([1.0, 2.0])
    monkeypatch.setattr(loop._Run, "_measure", lambda run, validation: {"ne": next(scores)})
    few = table.select(range(12)), table.select(range(12, 20))
    short = study(folder, "seeds = 1\n" + STUDY.split("[[switch]]")[0] + FLIP)
    base, _ = run_study(short, *few, out=tmp_path)
    weights = {name: tmp_path / "runs" / "base-0" / f"{name}.safetensors" for name in ("best", "last")}
    found = {name: predict_table(load_predictor(path), few[1]).points[:, :, :2] for name, path in weights.items()}
    own = {name: ne(points, few[1].points, categories=few[1].categories) for name, points in found.items()}
    assert abs(own["best"] - own["last"]) > 0.02
    assert base.ne == pytest.approx(own["last"], abs=0.01)


def test_a_damaged_result_is_named(done, folder, table, tmp_path):
    few = table.select(range(12)), table.select(range(12, 20))
    (tmp_path / "results").mkdir()
    for content in ("{", "[]", '{"recipe": {}}', '{"errors": [[1, "x"]]}'):
        (tmp_path / "results" / "base-0.json").write_text(content)
        with pytest.raises(
            RecipeError, match=r"base-0\.json is no result of a study .*; remove it to measure it again"
        ):
            run_study(study(folder), *few, out=tmp_path)


def test_results_are_those_of_the_same_weights_in_any_folder(folder):
    def recipe(path: str) -> Recipe:
        return parse_recipe(SMALL | {"model": SMALL["model"] | {"backbone_weights": path}})

    assert ablation._keys(recipe("a/x.safetensors")) == ablation._keys(recipe("b/c/x.safetensors"))
    assert ablation._keys(recipe("a/x.safetensors")) != ablation._keys(recipe("a/y.safetensors"))


def test_what_needs_no_training_is_timed_beside_the_base(done):
    speeds = {effect.name: effect.speed for effect in done[1]}
    assert speeds.pop("OHKM") is None  # predicts as the base does
    assert all(speed > 0 for speed in speeds.values())
    assert done[0].speed > 0  # the base beside itself
    assert done[1][1].verdict == "Flip is worth it."


def test_seeds_differ_and_the_common_keys_hold(done, folder):
    results = [json.loads((folder / "out" / "results" / f"base-{seed}.json").read_text()) for seed in range(2)]
    recipes = [parse_recipe(result["recipe"]) for result in results]
    assert [recipe.train.seed for recipe in recipes] == [0, 1]
    assert [recipe.augment.gray for recipe in recipes] == [0, 0]
    assert results[0]["errors"] != results[1]["errors"]


def test_a_base_that_is_trained_already_is_taken_as_it_is(done, folder, table, tmp_path, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr(ablation, "fit", never)
    flip = study(folder, "seeds = 1\n" + STUDY.split("[[switch]]")[0] + FLIP)
    few = table.select(range(12)), table.select(range(12, 20))
    base_effect, (effect,) = run_study(flip, *few, out=tmp_path, trained=folder / "out" / "runs" / "base-1")
    assert base_effect.ne + effect.difference == pytest.approx(effect.ne, abs=0.01)
    assert effect.by_seed == pytest.approx([done[1][1].by_seed[1]], abs=0.01)


def test_a_base_that_was_trained_otherwise_is_refused(done, folder, table, tmp_path):
    few = table.select(range(12)), table.select(range(12, 20))
    trained = folder / "out" / "runs" / "base-0"
    flip = study(folder, "seeds = 1\n" + STUDY.split("[[switch]]")[0] + FLIP)
    longer = flip.model_copy(update={"set": (*flip.set, "train.epochs=7")})
    with pytest.raises(RecipeError, match=r"base-0 was not trained as the study's base: train\.epochs differ"):
        run_study(longer, *few, out=tmp_path, trained=trained)
    with pytest.raises(RecipeError, match="base-0 was trained on other data"):
        run_study(flip, few[0], few[0], out=tmp_path, trained=trained)
    assert not list(tmp_path.rglob("*.json"))


def test_the_base_is_asked_as_the_study_says_and_not_as_it_was_trained(done, folder, table, tmp_path, monkeypatch):
    """Its training flips, the study does not: there the flip is a switch, as was its absence before."""
    asked = []

    def note(own, base) -> float:
        asked.append((own.args[0].flip, base.args[0].flip))
        return 1.0

    monkeypatch.setattr(ablation, "relative_speed", note)
    few = table.select(range(12)), table.select(range(12, 20))
    text = "seeds = 1\n" + STUDY.split("[[switch]]")[0] + FLIP.replace("predict.flip=false", "predict.flip=true")
    unflipped = study(folder, text)
    unflipped = unflipped.model_copy(update={"set": (*unflipped.set, "predict.flip=false")})
    base_effect, (effect,) = run_study(unflipped, *few, out=tmp_path, trained=folder / "out" / "runs" / "base-0")
    assert effect.difference == pytest.approx(-done[1][1].by_seed[0], abs=0.01)
    assert base_effect.ne == pytest.approx(effect.ne - effect.difference, abs=0.01)
    assert asked == [(False, False), (True, False)]


def test_another_ensemble_under_the_same_name_is_not_mixed_in(done, folder, table):
    other = study(folder, STUDY.replace('ensemble = ["base", "OHKM"]', 'ensemble = ["OHKM", "base"]'))
    with pytest.raises(RecipeError, match=r"both-0\.json was measured with other keys"):
        run_study(other, table.select(range(12)), table.select(range(12, 20)), out=folder / "out")


def test_what_was_measured_is_not_measured_again(done, folder, table, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr(ablation, "fit", never)
    again = run_study(study(folder), table.select(range(12)), table.select(range(12, 20)), out=folder / "out")
    assert again[0].ne == pytest.approx(done[0].ne, abs=0.01)
    assert [effect.difference for effect in again[1]] == pytest.approx([e.difference for e in done[1]], abs=0.01)


def test_results_of_other_keys_are_not_mixed_in(done, folder, table):
    other = study(folder, STUDY.replace("loss.ohkm=2", "loss.ohkm=3"))
    with pytest.raises(RecipeError, match=r"ohkm-0\.json was measured with other keys than the study has now; remove"):
        run_study(other, table.select(range(12)), table.select(range(12, 20)), out=folder / "out")


def test_results_on_other_data_are_not_mixed_in(done, folder, table):
    with pytest.raises(RecipeError, match=r"base-0\.json was measured on other data than the study has now; remove"):
        run_study(study(folder), table.select(range(12)), table.select(range(12, 19)), out=folder / "out")


def test_a_wrong_key_is_named_before_anything_is_trained(folder, table, tmp_path):
    wrong = study(folder, STUDY.replace("loss.ohkm=2", "loss.okhm=2"))
    with pytest.raises(RecipeError, match=r"--set loss\.okhm=2: unknown key 'loss\.okhm'"):
        run_study(wrong, table, table, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_verb_writes_a_table_and_a_plot(hemline, folder, tmp_path):
    root, out = tmp_path / "drawn", tmp_path / "out"
    list(write_drawn_set(root, count=10, seed=1, size=48))
    study(folder, "seeds = 1\n" + STUDY.split("[[switch]]")[0] + FLIP)
    arguments = ("--data", root, "--val", root, "--out", out, "--set", "train.epochs=1")
    code, text, problems = hemline("ablate", folder / "study.toml", *arguments)
    assert (code, problems) == (0, "")
    assert "10 of 10 validation photos are training photos: scores will be too good" in text
    table = (out / "effects.md").read_text()
    assert table in text
    assert [line.split(" | ")[0] for line in table.splitlines()[2:]] == ["| base", "| no flip"]
    assert "<svg" in (out / "effects.svg").read_text()
