"""The training loop: it learns, it survives a kill to the bit, and it says what is wrong."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from hemline.annotation import AnnotationTable
from hemline.errors import DataError, ImageError, RecipeError, TrainingError, WeightsError
from hemline.formats.roots import read_roots
from hemline.infer.stream import predict_table
from hemline.infer.torch_backend import load_predictor
from hemline.learn.checkpoint import read_weights, write_weights
from hemline.learn.fit import fit
from hemline.learn.run_folder import Progress
from hemline.metrics import ne
from hemline.recipe import Recipe, parse_recipe, read_recipe, write_recipe
from hemline.synth.stream import write_drawn_set

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {
    "name": "small",
    "model": {"name": "cpn", "backbone": "test_resnet", "options": {"channels": 32}},
    "input": {"size": 64},
    "codec": {"options": {"sigma": 1.5}},
    "augment": {"rotation": 10.0},
    "train": {"epochs": 2, "batch_size": 4, "workers": 0, "accelerator": "cpu", "lr": 2e-3},
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve drawn garments."""
    root = tmp_path_factory.mktemp("drawn")
    list(write_drawn_set(root, count=12, seed=0, size=96))
    return root


@pytest.fixture
def table(drawn: Path) -> AnnotationTable:
    return read_roots([str(drawn)])[0]


def recipe(**train) -> Recipe:
    return parse_recipe({**SMALL, "train": {**SMALL["train"], **train}})


def test_overfits_a_few_garments_and_the_saved_network_answers_as_well(table, tmp_path):
    few = table.select(range(8))
    still = parse_recipe(
        {
            **SMALL,
            "augment": {"flip": 0.0, "rotation": 0.0, "scale": (1.0, 1.0), "shift": 0.0},
            "train": {**SMALL["train"], "epochs": 60, "batch_size": 8, "validate_every": 20},
            "predict": {"flip": False},
        }
    )
    epochs: list[Progress] = []
    weights = fit(still, few, out=tmp_path / "run", validation=few, on_epoch=epochs.append)
    errors = [epoch.scores["ne"] for epoch in epochs if epoch.scores]
    assert len(errors) == 3
    assert errors[-1] < 12 < 20 < errors[0], errors
    assert epochs[-1].best == min(errors)
    assert weights.name == "best.safetensors"
    predicted = predict_table(load_predictor(tmp_path / "run", device="cpu"), few)
    assert ne(predicted.points[:, :, :2], few.points, categories=few.categories) == pytest.approx(min(errors), rel=1e-4)


def test_validation_asks_as_predict_will(table, tmp_path):
    """NE in the log is that of the whole [predict] and [decode] sections, and theirs are in the weights file."""
    # After four epochs the scores lie from 0.056 to 0.064: some points are repaired.
    asked = {"flip": True, "views": [1.0, [0.5, 0.4, 1.2]], "rotations": [0, 5], "second_pass": True, "repair": 0.058}
    content = {
        **SMALL,
        "predict": asked,
        "decode": {"method": "argmax"},
        "train": {**SMALL["train"], "epochs": 4, "validate_every": 4},
    }
    weights = fit(parse_recipe(content), table, out=tmp_path / "run", validation=table)
    measured = read_weights(weights)[1]["ne"]

    def measure(**changes) -> float:
        points = predict_table(load_predictor(weights, device="cpu", **changes), table).points
        return ne(points[:, :, :2], table.points, categories=table.categories)

    assert measure() == pytest.approx(measured, rel=1e-4)
    for changes in (
        {"predict": {"views": [(0.5, 0.5, 1.0)]}},
        {"predict": {"rotations": [0.0]}},
        {"predict": {"second_pass": False}},
        {"predict": {"repair": 0.0}},
        {"decode": {"method": "vertex"}},
        {"flip": False},
    ):
        assert measure(**changes) != pytest.approx(measured, rel=1e-4)


def test_run_folder_tells_how_it_was_made(table, tmp_path):
    weights = fit(recipe(), table, out=tmp_path / "run", validation=table)
    assert read_recipe(tmp_path / "run" / "recipe.toml") == recipe()
    schema = json.loads((tmp_path / "run" / "schema.json").read_text())
    tensors, description = read_weights(weights)
    assert description["schema"] == schema
    assert description["recipe"] == recipe().model_dump(mode="json")
    assert json.loads(weights.with_suffix(".json").read_text()) == description
    assert schema["keypoints"][:3] == ["neckline_left", "neckline_right", "center_front"]
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    with (tmp_path / "run" / "log.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(float(row["loss"]) > 0 and float(row["ne"]) > 0 for row in rows)
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_network_of_one_category_has_its_points_only(table, tmp_path):
    skirts = parse_recipe({**SMALL, "categories": ["skirt"], "train": {**SMALL["train"], "epochs": 1}})
    weights = fit(skirts, table, out=tmp_path / "run")
    assert weights.name == "last.safetensors"
    schema = read_weights(weights)[1]["schema"]
    assert schema["keypoints"] == ["waistband_left", "waistband_right", "hemline_left", "hemline_right"]
    assert load_predictor(weights, device="cpu").schema.categories == ("skirt",)


ONE_THREAD = {"OMP_NUM_THREADS": "1"}

TRAIN = """
import sys, torch
torch.set_num_threads(1)
from pathlib import Path
from hemline.formats.roots import read_roots
from hemline.learn.fit import fit
from hemline.recipe import read_recipe
root, recipe, out, resume = sys.argv[1:]
table = read_roots([root])[0]
fit(read_recipe(Path(recipe)), table, out=Path(out), validation=table, resume=resume == "resume",
    on_step=lambda step, steps, loss: print("step", flush=True))
print("end", flush=True)
"""


def start(drawn: Path, recipe_file: Path, out: Path, *, resume: bool) -> subprocess.Popen[str]:
    arguments = [str(drawn), str(recipe_file), str(out), "resume" if resume else "new"]
    command = [sys.executable, "-c", TRAIN, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def is_gone(group: int) -> bool:
    """Wait up to ten seconds until no process of a group runs; zombies, which nobody waits for, do not count."""
    for _ in range(100):
        states = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # ended just now
                state, _, its_group, *_ = path.read_text().rpartition(")")[2].split()
                states += [state] if int(its_group) == group else []
        if set(states) <= {"Z"}:
            return True
        time.sleep(0.1)
    return False


def test_killed_at_random_steps_and_resumed_it_ends_as_if_never_killed(drawn, tmp_path):
    content = recipe(epochs=3, checkpoint_steps=2, ema=0.9, workers=1)
    recipe_file = tmp_path / "recipe.toml"
    write_recipe(content, recipe_file)
    whole = start(drawn, recipe_file, tmp_path / "whole", resume=False)
    assert whole.communicate()[0].endswith("end\n")

    # Nine steps in all and a checkpoint after two. Random steps, and random moments inside them, every time the test
    # runs; the first kill mostly comes before the first checkpoint, the others after it.
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown when the test fails
    chance = random.Random(seed)
    state = tmp_path / "killed" / "state.safetensors"
    kills = []
    for fewest, most in ((0, 1), *[(2, 3)] * 9):  # on a busy machine a kill may come before the first checkpoint
        if sum(kills) == 2:
            break
        run = start(drawn, recipe_file, tmp_path / "killed", resume=bool(kills))
        for _ in range(chance.randint(fewest, most)):
            run.stdout.readline()
        time.sleep(chance.uniform(0, 0.1))
        kills.append(run.poll() is None and state.exists())
        run.send_signal(signal.SIGKILL)
        run.wait()
        run.stdout.close()
        assert is_gone(run.pid), "a killed training left its workers behind"
    assert any(kills), "no kill came between the first checkpoint and the end"
    command = [sys.executable, "-m", "hemline.cli", "train", str(recipe_file), "--out", str(state.parent), "--resume"]
    subprocess.run([*command, "--data", str(drawn), "--val", str(drawn)], check=True, env={**os.environ, **ONE_THREAD})

    for name in ("last.safetensors", "best.safetensors", "state.safetensors"):
        expected, _ = read_weights(tmp_path / "whole" / name)
        got, _ = read_weights(tmp_path / "killed" / name)
        assert expected.keys() == got.keys()
        assert [key for key in expected if not torch.equal(expected[key], got[key])] == [], name
    logs = [(tmp_path / folder / "log.csv").read_text() for folder in ("whole", "killed")]
    # All but the two columns of time agree.
    assert len({re.sub(r",[^,]*,[^,]*$", "", log, flags=re.MULTILINE) for log in logs}) == 1


def test_resuming_refuses_what_would_not_be_the_same_run(table, tmp_path):
    out = tmp_path / "run"
    fit(recipe(epochs=1), table, out=out)
    before = (out / "last.safetensors").read_bytes()
    with pytest.raises(TrainingError, match="already holds a run; add --resume"):
        fit(recipe(epochs=1), table, out=out)
    with pytest.raises(TrainingError, match=r"these keys differ: train\.lr\."):
        fit(recipe(epochs=1, lr=1.0), table, out=out, resume=True)
    with pytest.raises(TrainingError, match="trained on other data"):
        fit(recipe(epochs=1), table.select(range(8)), out=out, resume=True)
    fit(recipe(epochs=1, checkpoint_steps=1), table, out=out, resume=True)  # a free key, and nothing left to do
    assert (out / "last.safetensors").read_bytes() == before


def test_a_run_that_failed_before_its_first_checkpoint_leaves_its_folder_free(table, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(TrainingError, match="the loss is"):
        fit(recipe(epochs=1, lr=1e30, clip=0.0, warmup=0.0, seed=1), table, out=out)
    assert not (out / "state.safetensors").exists()
    fit(recipe(epochs=1), table, out=out)
    assert read_recipe(out / "recipe.toml") == recipe(epochs=1)


def test_resuming_needs_as_many_processes_and_the_same_validation(table, tmp_path):
    fit(recipe(epochs=1), table, validation=table, out=tmp_path)
    with pytest.raises(TrainingError, match="trained on other data"):
        fit(recipe(epochs=1), table, out=tmp_path, resume=True)
    tensors, description = read_weights(tmp_path / "state.safetensors")
    description["place"]["world"] = 2
    write_weights(tmp_path / "state.safetensors", tensors, description)
    with pytest.raises(TrainingError, match="trained by 2 processes, not 1"):
        fit(recipe(epochs=1), table, validation=table, out=tmp_path, resume=True)


def test_a_device_that_is_not_there_is_named(table, tmp_path):
    with pytest.raises(RecipeError, match=r"train\.accelerator = 'tpuu'.*cannot do that"):
        fit(recipe(accelerator="tpuu"), table, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_validation_of_an_untrained_category_is_refused(table, tmp_path):
    with pytest.raises(DataError, match="the validation data has skirt, the training data has none"):
        fit(recipe(), table.of_categories(["dress"]), validation=table.of_categories(["skirt"]), out=tmp_path)


def test_a_damaged_state_is_named(table, tmp_path):
    fit(recipe(epochs=1), table, out=tmp_path)
    state = tmp_path / "state.safetensors"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=re.escape(str(state))):
        fit(recipe(epochs=1), table, out=tmp_path, resume=True)


def test_a_loss_that_is_not_finite_stops_and_names_the_photos(table, tmp_path):
    # A rate this high overflows within a few steps.
    wild = recipe(epochs=20, lr=1e30, clip=0.0, warmup=0.0)
    with pytest.raises(TrainingError, match=r"epoch \d+, step \d+: the loss is .*Images/\w+/\w+\.jpg") as caught:
        fit(wild, table, out=tmp_path / "run")
    assert "lower train.lr" in str(caught.value)
    state = tmp_path / "run" / "last.safetensors"
    if state.exists():
        assert all(torch.isfinite(tensor).all() for tensor in read_weights(state)[0].values())


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_photo_is_named(drawn, table, tmp_path, workers):
    broken = tmp_path / "broken.jpg"
    content = table.paths[5].read_bytes()
    broken.write_bytes(content[: len(content) // 2])
    paths = (*table.paths[:5], broken, *table.paths[6:])
    with pytest.raises(ImageError, match=re.escape(str(broken))):
        fit(recipe(workers=workers), dataclasses.replace(table, paths=paths), out=tmp_path / "run")


def test_data_without_fitting_rows_is_refused(table, tmp_path):
    trousers = table.of_categories(["trousers"])
    skirts = parse_recipe({**SMALL, "categories": ["skirt"]})
    with pytest.raises(DataError, match=r"no garment of the recipe's categories \(skirt\); it has trousers"):
        fit(skirts, trousers, out=tmp_path / "run")
    unlabelled = dataclasses.replace(table, points=np.full_like(table.points, -1.0))
    with pytest.raises(DataError, match="no labelled point"):
        fit(recipe(), unlabelled, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "options", [{"model": {**SMALL["model"], "options": {"size": 3}}}, {"codec": {"options": {"stride": 2}}}]
)
def test_options_that_hemline_sets_are_refused(table, tmp_path, options):
    with pytest.raises(RecipeError, match=r"(model|codec)\.options must not set (size|stride)"):
        fit(parse_recipe({**SMALL, **options}), table, out=tmp_path / "run")


@pytest.mark.gpu
def test_a_gpu_trains_and_resumes(table, tmp_path):
    content = recipe(epochs=1, accelerator="cuda")
    fit(content, table, out=tmp_path / "run", validation=table)
    longer = recipe(epochs=2, accelerator="cuda", workers=1)
    fit(longer, table, out=tmp_path / "two", validation=table)
    assert (tmp_path / "two" / "best.safetensors").is_file()
