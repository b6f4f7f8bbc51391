"""Run a study: train and ask each variant of a recipe, and compare it with the base on the same garments."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hemline.annotation import AnnotationTable, fingerprint
from hemline.errors import RecipeError
from hemline.files import write_atomic
from hemline.garments import NUM_KEYPOINTS
from hemline.infer.finder import Finder
from hemline.infer.stream import predict_table
from hemline.infer.torch_backend import load_predictor
from hemline.learn.checkpoint import read_weights
from hemline.learn.fit import fit, fixed_keys
from hemline.learn.run_folder import RECIPE, STATE
from hemline.metrics import bootstrap_interval, mean_error, point_errors
from hemline.recipe import Recipe, read_recipe, recipe_path
from hemline.report.ablation import Effect
from hemline.report.speed import relative_speed
from hemline.study import BASE, NO_TRAINING, Study, Switch

RESULTS, RUNS = "results", "runs"
"""Folders of a study: what was measured, as small JSON files, and the run folders of what was trained."""

_TIMED_PHOTOS = 32


@dataclass(frozen=True)
class Measured:
    """One variant with one seed.

    Attributes:
        name: the switch's, or "base".
        seed: of its training.
        recipe: those of its keys that are not at their defaults.
        ensemble: the variants that were asked together; () for a single network.
        data: `annotation.fingerprint` of the training and validation data.
        errors: (N, 24) percent: `metrics.point_errors` on the validation data, the points that count in front, NaN
            after them. Which points count depends on the data alone, so that in all variants a place is one point.
        speed: photos per second of predicting, as a share of the base's; None for what predicts as the base does.
    """

    name: str
    seed: int
    recipe: dict[str, Any]
    data: int
    errors: np.ndarray
    speed: float | None
    ensemble: tuple[str, ...] = ()


def run_study(
    study: Study,
    data: AnnotationTable,
    validation: AnnotationTable,
    *,
    out: Path,
    trained: Path | None = None,
    on_measured: Callable[[Measured], None] = lambda measured: None,
) -> tuple[float, list[Effect]]:
    """Measure all variants of a study with all seeds; what was measured before is read.

    Args:
        study: what to vary.
        data: labelled garments to train on.
        validation: labelled garments to compare on.
        out: the study's folder. A training that was killed goes on from its last checkpoint.
        trained: run folder of the base with seed 0, which is then not trained; its recipe is the base's.
        on_measured: called after each variant and seed, read or new.
    Returns:
        NE of the base, percent, the mean over the seeds; and the effect of each switch in the study's order.
    Raises:
        RecipeError: a key of a switch is wrong, or the folder holds results of another study.
        Whatever `fit` raises.
    """
    base_recipe = trained / RECIPE if trained else recipe_path(study.base)
    digest = fingerprint(data, validation)
    recipes = {
        (switch.name, seed): read_recipe(base_recipe, overrides=(*study.set, *switch.set, f"train.seed={seed}"))
        for switch, seed in _variants(study)
    }

    if trained:
        _check_trained(trained, recipes[BASE, 0], data=digest)

    def network(name: str, seed: int) -> Path:
        if trained and (name, seed) == (BASE, 0):
            return trained
        run = out / RUNS / f"{Switch(name=name).file_name}-{seed}"
        return fit(recipes[name, seed], data, validation=validation, out=run, resume=True)

    measured: dict[tuple[str, int], Measured] = {}
    for switch, seed in _variants(study):
        recipe = recipes[switch.name, seed]
        file = out / RESULTS / f"{switch.file_name}-{seed}.json"
        if file.is_file():
            result = _read(file, switch, recipe, data=digest)
        else:
            result = _measure(switch, seed, recipe, recipes[BASE, seed], network, validation, digest)
            _write(file, result)
        measured[switch.name, seed] = result
        on_measured(result)
    base = [measured[BASE, seed] for seed in range(study.seeds)]
    effects = [
        _effect(switch, [measured[switch.name, seed] for seed in range(study.seeds)], base) for switch in study.switch
    ]
    return statistics.fmean(mean_error(each.errors) for each in base), effects


def _variants(study: Study) -> Iterator[tuple[Switch, int]]:
    """Go through the variants so that the members of an ensemble come before it."""
    switches = [Switch(name=BASE), *sorted(study.switch, key=lambda switch: bool(switch.ensemble))]
    for seed in range(study.seeds):
        for switch in switches:
            yield switch, seed


def _measure(
    switch: Switch,
    seed: int,
    recipe: Recipe,
    base: Recipe,
    network: Callable[[str, int], Path],
    validation: AnnotationTable,
    data: int,
) -> Measured:
    """Predict the validation data, and time it beside the base; `network` trains what is not trained yet."""
    if switch.ensemble:
        first, *others = (network(name, seed) for name in switch.ensemble)
        finder = _load(first, base, others=[(other, 1.0) for other in others])
    else:
        finder = _load(network(switch.name if switch.trains else BASE, seed), recipe)
    rows = validation.of_categories(recipe.categories)
    predicted = predict_table(finder, rows)
    return Measured(
        name=switch.name,
        seed=seed,
        recipe=recipe.model_dump(mode="json", exclude_defaults=True),
        data=data,
        errors=_to_the_front(point_errors(predicted.points[:, :, :2], rows.points, categories=rows.categories)),
        speed=None if switch.trains else _speed(finder, _load(network(BASE, seed), base), rows),
        ensemble=switch.ensemble,
    )


def _load(run: Path, recipe: Recipe, *, others: Sequence[tuple[Path, float]] = ()) -> Finder:
    """Load a network to be asked as a recipe says, whatever it was trained with."""
    asked = recipe.predict.model_dump(), recipe.decode.model_dump()
    return load_predictor(run, others=others, predict=asked[0], decode=asked[1])


def _check_trained(run: Path, base: Recipe, *, data: int) -> None:
    """Make sure that a run is what training the base would give."""
    own, wanted = (fixed_keys(recipe) for recipe in (read_recipe(run / RECIPE), base))
    free = ("train.seed", *NO_TRAINING)
    changed = [key for key in wanted if own.get(key) != wanted[key] and not key.startswith(free)]
    if changed:
        raise RecipeError(
            f"{run} was not trained as the study's base: {', '.join(changed)} differ; leave these keys out of the "
            "study's `set`, or let the study train its own base"
        )
    state = run / STATE
    if state.is_file() and read_weights(state)[1]["place"]["data"] != data:
        raise RecipeError(f"{run} was trained on other data than the study's; give the same --data and --val")


def _speed(finder: Finder, base: Finder, rows: AnnotationTable) -> float:
    few = rows.select(range(len(rows))[:_TIMED_PHOTOS])
    return relative_speed(partial(predict_table, finder, few), partial(predict_table, base, few))


def _effect(switch: Switch, measured: list[Measured], base: list[Measured]) -> Effect:
    differences = np.stack(
        [each.errors - other.errors for each, other in zip(measured, base, strict=True)]
    )  # (S, N, 24)
    speeds = [each.speed for each in measured if each.speed is not None]
    return Effect(
        name=switch.name,
        ne=statistics.fmean(mean_error(each.errors) for each in measured),
        difference=mean_error(differences),
        interval=bootstrap_interval(differences.mean(0)),
        by_seed=tuple(mean_error(each) for each in differences),
        speed=statistics.median(speeds) if speeds else None,
        verdict=switch.verdict,
    )


def _to_the_front(errors: np.ndarray) -> np.ndarray:
    order = np.argsort(np.isnan(errors), axis=1, kind="stable")
    return np.take_along_axis(errors, order, axis=1)


def _write(file: Path, measured: Measured) -> None:
    errors = [[round(float(error), 2) for error in row if not np.isnan(error)] for row in measured.errors]
    write_atomic(file, json.dumps(dataclasses.asdict(measured) | {"errors": errors}) + "\n")


def _read(file: Path, switch: Switch, recipe: Recipe, *, data: int) -> Measured:
    content = json.loads(file.read_text(encoding="utf-8"))
    same_keys = content["recipe"] == recipe.model_dump(mode="json", exclude_defaults=True)
    same_keys = same_keys and content.get("ensemble", []) == list(switch.ensemble)
    if not same_keys or content["data"] != data:
        raise RecipeError(
            f"{file} was measured {'on other data' if same_keys else 'with other keys'} than the study has now; remove "
            f"it, its run folder in {file.parent.parent / RUNS} and the others that changed, or give another --out"
        )
    errors = np.full((len(content["errors"]), NUM_KEYPOINTS), np.nan)
    for row, found in enumerate(content["errors"]):
        errors[row, : len(found)] = found
    return Measured(**content | {"errors": errors, "ensemble": switch.ensemble})
