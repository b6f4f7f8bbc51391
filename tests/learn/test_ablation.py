"""A study: each variant is trained and asked as its switch says, paired with the base, and done once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hemline.annotation import AnnotationTable
from hemline.errors import RecipeError
from hemline.formats.roots import read_roots
from hemline.infer.stream import predict_table
from hemline.infer.torch_backend import load_predictor
from hemline.learn import ablation
from hemline.learn.ablation import run_study
from hemline.metrics import bootstrap_interval, ne, point_errors
from hemline.recipe import parse_recipe, write_recipe
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
    base_ne, effects = done
    truth = table.select(range(12, 20))

    def errors(run: str, **asked) -> np.ndarray:
        predicted = predict_table(load_predictor(folder / "out" / "runs" / run, **asked), truth)
        return point_errors(predicted.points[:, :, :2], truth.points, categories=truth.categories)

    base = [errors(f"base-{seed}") for seed in range(2)]
    assert base_ne == pytest.approx(np.mean([np.nanmean(each) for each in base]), abs=0.01)
    assert [effect.name for effect in effects] == ["both", "no flip", "OHKM"]
    variants = {
        "no flip": [errors(f"base-{seed}", predict={"flip": False}) for seed in range(2)],
        "OHKM": [errors(f"ohkm-{seed}") for seed in range(2)],
    }
    for effect in effects[1:]:
        differences = np.array(variants[effect.name]) - np.array(base)
        assert effect.ne == pytest.approx(np.mean([np.nanmean(each) for each in variants[effect.name]]), abs=0.01)
        assert effect.difference == pytest.approx(effect.ne - base_ne, abs=0.01)
        assert effect.by_seed == pytest.approx([np.nanmean(each) for each in differences], abs=0.01)
        assert effect.interval == pytest.approx(bootstrap_interval(differences.mean(0)), abs=0.01)
        assert effect.interval[0] < effect.difference < effect.interval[1]
        assert abs(effect.difference) > 0


def test_an_ensemble_asks_its_members_together(done, folder, table):
    effect = done[1][0]
    truth = table.select(range(12, 20))
    runs = folder / "out" / "runs"
    expected = []
    for seed in range(2):
        both = load_predictor(runs / f"base-{seed}", others=[(runs / f"ohkm-{seed}", 1.0)])
        predicted = predict_table(both, truth)
        expected.append(ne(predicted.points[:, :, :2], truth.points, categories=truth.categories))
    assert effect.ne == pytest.approx(np.mean(expected), abs=0.01)


def test_what_needs_no_training_is_timed_beside_the_base(done):
    speeds = {effect.name: effect.speed for effect in done[1]}
    assert speeds["OHKM"] is None
    assert speeds["no flip"] > 0
    assert speeds["both"] > 0
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
    base_ne, (effect,) = run_study(flip, *few, out=tmp_path, trained=folder / "out" / "runs" / "base-1")
    assert base_ne + effect.difference == pytest.approx(effect.ne, abs=0.01)
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
    base_ne, (effect,) = run_study(unflipped, *few, out=tmp_path, trained=folder / "out" / "runs" / "base-0")
    assert effect.difference == pytest.approx(-done[1][1].by_seed[0], abs=0.01)
    assert base_ne == pytest.approx(effect.ne - effect.difference, abs=0.01)
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
    assert again == (pytest.approx(done[0], abs=0.01), again[1])
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
    table = (out / "effects.md").read_text()
    assert table in text
    assert [line.split(" | ")[0] for line in table.splitlines()[2:]] == ["| base", "| no flip"]
    assert "<svg" in (out / "effects.svg").read_text()
