"""The loop's switches: schedules, freezing, averaging, early stop, sampling; each survives a kill."""

from __future__ import annotations

import csv
import itertools
import math
from pathlib import Path

import pytest
import torch

from hemline.annotation import AnnotationTable
from hemline.errors import RecipeError, WeightsError
from hemline.formats.roots import read_roots
from hemline.learn import fit as loop
from hemline.learn.checkpoint import read_weights
from hemline.learn.dataset import EpochBatches
from hemline.learn.fit import fit
from hemline.learn.keypoint_task import KeypointTask
from hemline.recipe import Recipe, parse_recipe
from hemline.synth.stream import write_drawn_set

pytestmark = pytest.mark.usefixtures("one_thread")

TRAIN = {"epochs": 4, "batch_size": 4, "workers": 0, "accelerator": "cpu", "lr": 2e-3}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> AnnotationTable:
    """Twelve drawn garments: three steps an epoch."""
    root = tmp_path_factory.mktemp("drawn")
    list(write_drawn_set(root, count=12, seed=0, size=64))
    return read_roots([str(root)])[0]


def recipe(sampling: dict | None = None, loss: dict | None = None, **train) -> Recipe:
    return parse_recipe(
        {
            "name": "small",
            "model": {"name": "simple", "backbone": "test_resnet", "options": {"channels": 8}},
            "input": {"size": 32},
            "codec": {"options": {"sigma": 1.0}},
            "loss": loss or {},
            "sampling": sampling or {},
            "train": TRAIN | train,
        }
    )


def script_errors(monkeypatch: pytest.MonkeyPatch, *errors: float) -> None:
    """Let validation find these values of NE, one after the other."""
    found = iter([float(error) for error in errors])
    monkeypatch.setattr(loop._Run, "_measure", lambda run, validation: {"ne": next(found)})


def logged(folder: Path, column: str) -> list[float]:
    with (folder / "log.csv").open() as stream:
        return [float(row[column]) for row in csv.DictReader(stream)]


def test_the_rate_falls_on_a_plateau(table, tmp_path, monkeypatch):
    script_errors(monkeypatch, 9, 8, 8, 8.5, 7, 7, 7, 7)
    options = {"schedule": "plateau", "patience": 2, "gamma": 0.5, "warmup": 0.0, "epochs": 8}
    fit(recipe(**options), table, validation=table, out=tmp_path)
    # Two validations without progress after the second epoch, two after the fifth; the next epoch has the lower rate.
    assert logged(tmp_path, "lr") == pytest.approx([2e-3] * 4 + [1e-3] * 3 + [0.5e-3])


def sawtooth(within: float) -> float:
    return 1 - (1 - 1 / 80) * within


@pytest.mark.parametrize(
    ("options", "factors"),
    [
        # Twelve steps, the first of which rises; after each epoch 2, 5, 8 and 11 of the other eleven are done.
        ({"schedule": "constant"}, [1, 1, 1, 1]),
        ({"schedule": "constant", "warmup": 0.5}, [4 / 6, 1, 1, 1]),
        ({"schedule": "cosine"}, [0.5 + 0.5 * math.cos(math.pi * done / 11) for done in (2, 5, 8, 11)]),
        ({"schedule": "step", "milestones": [0.4, 0.7], "gamma": 0.5}, [1, 0.5, 0.25, 0.25]),
        ({"schedule": "step", "milestones": [0.9], "gamma": 0.1}, [1, 1, 1, 0.1]),
        ({"schedule": "sawtooth", "cycles": 1}, [sawtooth(done / 11) for done in (2, 5, 8, 11)]),
        ({"schedule": "sawtooth", "cycles": 2}, [sawtooth(done / 11) for done in (4, 10, 5, 11)]),
        (
            {"schedule": "onecycle"},
            [1 / 25 + 24 / 25 * (0.5 - 0.5 * math.cos(math.pi * 2 / 3.3))]
            + [0.5 + 0.5 * math.cos(math.pi * (done - 3.3) / 7.7) for done in (5, 8, 11)],
        ),
    ],
    ids=str,
)
def test_the_rate_follows_the_schedule(table, tmp_path, options, factors):
    fit(recipe(**{"warmup": 0.0} | options), table, out=tmp_path)
    assert logged(tmp_path, "lr") == pytest.approx([2e-3 * factor for factor in factors], abs=1e-12)


def test_the_optimizer_is_the_recipes(table, tmp_path, monkeypatch):
    made = []
    own = loop.build_optimizer

    def note(*args, **options):
        made.append(own(*args, **options))
        return made[-1]

    monkeypatch.setattr(loop, "build_optimizer", note)
    options = {"optimizer": "sgd", "momentum": 0.7, "weight_decay": 0.3, "backbone_lr": 0.25, "lr": 1e-3}
    fit(recipe(**options, schedule="constant", warmup=0.0, epochs=1), table, out=tmp_path)
    assert isinstance(made[0], torch.optim.SGD)
    groups = {(group["backbone"], group["weight_decay"]): group for group in made[0].param_groups}
    assert groups.keys() == {(True, 0.3), (True, 0.0), (False, 0.3), (False, 0.0)}
    assert {group["momentum"] for group in groups.values()} == {0.7}
    for (backbone, _), group in groups.items():
        assert group["lr"] == pytest.approx(1e-3 * (0.25 if backbone else 1))


@pytest.mark.parametrize(
    "changed",
    [
        {"optimizer": "sgd"},
        {"weight_decay": 0.9},
        {"backbone_lr": 0.1},
        {"clip": 0.01},
        {"ema": 0.1},
        {"ema": 0.0},
        {"swa": 0.5},
        {"warmup": 0.9},
        {"seed": 1},
        {"loss": {"occluded_weight": 0.1}},
        {"loss": {"stage_weights": [1.0, 1.0, 1.0, 1.0, 9.0]}},
        {"loss": {"terms": [{"name": "softmax_cross_entropy"}, {"name": "integral_l1", "weight": 1.0}]}},
        {"loss": {"terms": [{"name": "softmax_cross_entropy"}, {"name": "integral_l1", "weight": 9.0}]}},
        {"sampling": {"balance": True}},
    ],
    ids=str,
)
def test_every_key_changes_what_is_learned(table, tmp_path_factory, plain, changed):
    content = five_stages(**{key: value for key, value in changed.items() if key not in ("loss", "sampling")})
    content |= {key: value for key, value in changed.items() if key in ("loss", "sampling")}
    weights, _ = read_weights(fit(parse_recipe(content), table, out=tmp_path_factory.mktemp("changed")))
    assert any(not torch.equal(weights[name], plain[name]) for name in plain)


def five_stages(**train) -> dict:
    content = recipe(epochs=2, **train).model_dump(exclude_none=True)
    content["model"] = {"name": "cpn", "backbone": "test_resnet", "options": {"channels": 8}}
    content["input"]["size"] = 64
    return content


@pytest.fixture(scope="module")
def plain(table, tmp_path_factory) -> dict[str, torch.Tensor]:
    """What is learned with nothing changed."""
    return read_weights(fit(parse_recipe(five_stages()), table, out=tmp_path_factory.mktemp("plain")))[0]


def test_training_stops_early(table, tmp_path, monkeypatch):
    script_errors(monkeypatch, 9, 8, 8, 8.5, 7)
    weights = fit(recipe(early_stop=2, epochs=9), table, validation=table, out=tmp_path)
    assert logged(tmp_path, "ne") == [9, 8, 8, 8.5]
    assert weights.name == "best.safetensors"
    assert read_weights(weights)[1]["epoch"] == 2
    script_errors(monkeypatch)  # resuming has nothing left to do
    fit(recipe(early_stop=2, epochs=9), table, validation=table, out=tmp_path, resume=True)


@pytest.mark.parametrize("options", [{"schedule": "plateau"}, {"early_stop": 3}])
def test_what_looks_at_the_validation_needs_one(table, tmp_path, options):
    with pytest.raises(RecipeError, match=r"need validation data \(--val\)"):
        fit(recipe(**options), table, out=tmp_path)


def test_training_starts_from_a_trained_network(table, tmp_path):
    first = fit(recipe(epochs=1, ema=0.0), table, out=tmp_path / "first")
    content = recipe(epochs=1, ema=0.0, lr=1e-12).model_dump(exclude_none=True)
    content["model"]["weights"] = str(tmp_path / "first")
    second = fit(parse_recipe(content), table, out=tmp_path / "second")
    start, end = read_weights(first)[0], read_weights(second)[0]
    learned = [name for name in start if name.endswith("weight")]
    assert max((start[name] - end[name]).abs().max() for name in learned) < 1e-6

    content["categories"] = ["skirt"]
    with pytest.raises(WeightsError, match="its keypoints are others; give a network of skirt"):
        fit(parse_recipe(content), table, out=tmp_path / "skirts")
    content["model"]["weights"] = str(tmp_path / "first" / "state.safetensors")
    with pytest.raises(WeightsError, match="a training state; give a network of skirt"):
        fit(parse_recipe(content), table, out=tmp_path / "skirts")


def test_a_frozen_backbone_stays_as_it_was(table, tmp_path):
    begun = fit(recipe(epochs=1, ema=0.0, lr=1e-12), table, out=tmp_path / "begun")
    frozen = fit(recipe(epochs=2, ema=0.0, freeze_backbone=0.99), table, out=tmp_path / "frozen")
    thawed = fit(recipe(epochs=2, ema=0.0, freeze_backbone=0.5), table, out=tmp_path / "thawed")
    first, still, moved = (read_weights(path)[0] for path in (begun, frozen, thawed))
    backbone = [name for name in first if name.startswith("backbone") and name.endswith("weight")]
    head = [name for name in first if not name.startswith("backbone") and name.endswith("weight")]
    assert backbone
    assert head
    assert max((first[name] - still[name]).abs().max() for name in backbone) < 1e-6
    assert min((first[name] - moved[name]).abs().max() for name in backbone) > 1e-6
    assert min((first[name] - still[name]).abs().max() for name in head) > 1e-6


@pytest.mark.parametrize("swa", [0.0, 0.5])
def test_a_fixed_norm_keeps_its_statistics_and_its_weights_learn(table, tmp_path, swa):
    start = fit(recipe(epochs=1), table, out=tmp_path / "start")
    content = recipe(epochs=2, ema=0.0, swa=swa).model_dump(exclude_none=True)
    content["model"]["weights"] = str(tmp_path / "start")
    content["train"]["freeze_backbone_norm"] = True
    before, after = read_weights(start)[0], read_weights(fit(parse_recipe(content), table, out=tmp_path / "fixed"))[0]
    statistics = [name for name in before if "running" in name]
    backbone = [name for name in statistics if name.startswith("backbone")]
    assert backbone
    assert all(torch.equal(before[name], after[name]) for name in backbone)
    assert all(not torch.equal(before[name], after[name]) for name in set(statistics) - set(backbone))
    learned = [name for name in before if name.startswith("backbone") and name.endswith("weight")]
    assert all(not torch.equal(before[name], after[name]) for name in learned)


@pytest.mark.parametrize(
    ("share", "epochs", "frozen"), [(0.25, 10, 3), (0.2, 10, 2), (0.3, 10, 3), (0.5, 1, 1), (0, 4, 0)]
)
def test_a_share_of_the_epochs_is_rounded_up(table, tmp_path, share, epochs, frozen):
    run = loop._Run(recipe(epochs=epochs, freeze_backbone=share), table, None, tmp_path, resume=False)
    assert run.frozen_epochs == frozen


@pytest.mark.parametrize("key", ["freeze_backbone", "freeze_backbone_norm"])
def test_what_has_no_backbone_has_none_to_freeze(table, tmp_path, key):
    content = recipe().model_dump(exclude_none=True)
    content["model"] = {"name": "hourglass", "options": {"stacks": 1, "channels": 8}}
    content["train"][key] = True if key.endswith("norm") else 0.5
    content["model"]["weights"] = str(tmp_path / "start")
    start = recipe(epochs=1).model_dump(exclude_none=True) | {"model": {**content["model"], "weights": ""}}
    content["input"]["size"] = start["input"]["size"] = 64
    fit(parse_recipe(start), table, out=tmp_path / "start")
    with pytest.raises(RecipeError, match=rf"train\.{key} needs a backbone, and the network 'hourglass' has none"):
        fit(parse_recipe(content), table, out=tmp_path / "frozen")


def test_equal_weights_of_the_last_steps_with_their_own_statistics(table, tmp_path, monkeypatch):
    seen: list[dict[str, torch.Tensor]] = []
    step = loop._Run._step

    def record(run, batch):
        loss = step(run, batch)
        seen.append({name: value.clone() for name, value in run.network.state_dict().items()})
        return loss

    monkeypatch.setattr(loop._Run, "_step", record)
    weights, _ = read_weights(fit(recipe(epochs=2, swa=0.5), table, out=tmp_path))
    for name in weights:
        expected = torch.stack([state[name].double() for state in seen[3:]]).mean(0)
        if "running" in name:  # measured anew
            assert not torch.allclose(weights[name].double(), expected, rtol=1e-3), name
        elif weights[name].is_floating_point():
            assert torch.allclose(weights[name].double(), expected, rtol=1e-4, atol=1e-6), name


def rows_of_epochs(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Record which rows each epoch sees."""
    epochs: list[list[int]] = []
    iterate = EpochBatches.__iter__

    def record(batches):
        drawn = list(iterate(batches))
        epochs.append([row for batch in drawn for _, row in batch])
        return iter(drawn)

    monkeypatch.setattr(EpochBatches, "__iter__", record)
    return epochs


def test_balanced_categories_are_seen_alike(table, tmp_path, monkeypatch):
    epochs = rows_of_epochs(monkeypatch)
    rows = {name: [row for row, each in enumerate(table.categories) if each == name] for name in ("skirt", "dress")}
    few = table.select(rows["skirt"] * 3 + rows["dress"][:1])
    fit(recipe(sampling={"balance": True}, epochs=8, batch_size=len(few)), few, out=tmp_path)
    for epoch in epochs:
        seen = [few.categories[row] for row in epoch]
        assert seen.count("dress") == pytest.approx(len(seen) / 2, abs=1)


def test_rare_garments_are_seen_more_often(table, tmp_path, monkeypatch):
    epochs = rows_of_epochs(monkeypatch)
    fit(recipe(sampling={"repeat": {"crotch": 5}}), table, out=tmp_path)
    trousers = [row for row, category in enumerate(table.categories) if category == "trousers"]
    count = sum(row in trousers for row in itertools.chain(*epochs))
    expected = 4 * 12 * 5 * len(trousers) / (12 + 4 * len(trousers))
    assert count == pytest.approx(expected, abs=4)
    assert count > 4 * len(trousers) + 4


def test_hard_garments_are_seen_more_often(table, tmp_path, monkeypatch):
    epochs = rows_of_epochs(monkeypatch)
    own = KeypointTask.loss

    def judge(task, model, batch):
        return own(task, model, batch)[0], torch.where(batch["row"] == 7, 100.0, 1.0)

    monkeypatch.setattr(KeypointTask, "loss", judge)
    fit(recipe(sampling={"hard": 0.1, "hard_repeat": 6}), table, out=tmp_path)
    assert epochs[0].count(7) == 1
    assert all(epoch.count(7) in (4, 5) for epoch in epochs[1:])  # 12 * 6 / 17


@pytest.mark.parametrize(
    ("sampling", "train"),
    [
        ({"hard": 0.3, "balance": True}, {"optimizer": "sgd", "schedule": "sawtooth", "swa": 0.5, "ema": 0.9}),
        ({}, {"schedule": "plateau", "patience": 1, "freeze_backbone": 0.5}),
    ],
)
def test_interrupted_anywhere_and_resumed_it_is_the_same_run(table, tmp_path, sampling, train):
    class Interrupted(Exception):  # noqa: N818 (no error)
        pass

    chosen = recipe(sampling, **train, checkpoint_steps=1)
    fit(chosen, table, validation=table, out=tmp_path / "whole")
    for last in (5, 9, None):
        count = itertools.count(1)

        def on_step(step: int, steps: int, loss: float, last=last, count=count) -> None:
            if next(count) == last:
                raise Interrupted

        try:
            fit(chosen, table, validation=table, out=tmp_path / "cut", resume=True, on_step=on_step)
        except Interrupted:
            assert last is not None
    for name in ("last.safetensors", "best.safetensors", "state.safetensors"):
        whole, cut = (read_weights(tmp_path / folder / name)[0] for folder in ("whole", "cut"))
        assert [key for key in whole if not torch.equal(whole[key], cut[key])] == [], name


def test_selection_of_hard_points_changes_what_is_learned(table, tmp_path):
    first: dict[str, float] = {}
    for name, loss in {
        "all": {},
        "ohkm": {"ohkm": 1},
        "of_trousers": {"ohkm_of": {"trousers": 1}},
        "of_the_batch": {"ohkm_batch": 1},
        "ohem": {"ohem": 0.5},
        "distance": {"terms": [{"name": "softmax_cross_entropy", "distance_weight": True}]},
    }.items():
        seen: list[float] = []
        fit(
            recipe(loss=loss, epochs=1),
            table,
            out=tmp_path / name,
            on_step=lambda step, steps, value, seen=seen: seen.append(value),
        )
        first[name] = seen[0]
    assert len(set(first.values())) == len(first)
    assert min(first["of_the_batch"], first["ohem"]) > first["all"]
