"""Run a study: train and ask each variant of a recipe, and compare it with the base on the same garments."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Callable, Iterator
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
from hemline.learn.fit import fit
from hemline.learn.run_folder import RECIPE
from hemline.metrics import bootstrap_interval, mean_error, point_errors
from hemline.recipe import Recipe, read_recipe, recipe_path
from hemline.report.ablation import Effect
from hemline.report.speed import relative_speed
from hemline.study import BASE, Study, Switch

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
    recipes = {
        (switch.name, seed): read_recipe(base_recipe, overrides=(*study.set, *switch.set, f"train.seed={seed}"))
        for switch, seed in _variants(study)
    }

    def network(name: str, seed: int) -> Path:
        if trained and (name, seed) == (BASE, 0):
            return trained
        run = out / RUNS / f"{Switch(name=name).file_name}-{seed}"
        return fit(recipes[name, seed], data, validation=validation, out=run, resume=True)

    digest = fingerprint(data, validation)
    measured: dict[tuple[str, int], Measured] = {}
    for switch, seed in _variants(study):
        recipe = recipes[switch.name, seed]
        file = out / RESULTS / f"{switch.file_name}-{seed}.json"
        if file.is_file():
            result = _read(file, recipe, data=digest)
        else:
            result = _measure(switch, seed, recipe, network, validation, digest)
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
    network: Callable[[str, int], Path],
    validation: AnnotationTable,
    data: int,
) -> Measured:
    """Predict the validation data, and time it beside the base; `network` trains what is not trained yet."""
    if switch.ensemble:
        first, *others = (network(name, seed) for name in switch.ensemble)
        finder = load_predictor(first, others=[(other, 1.0) for other in others])
    else:
        run = network(switch.name if switch.trains else BASE, seed)
        finder = load_predictor(run, predict=recipe.predict.model_dump(), decode=recipe.decode.model_dump())
    rows = validation.of_categories(recipe.categories)
    predicted = predict_table(finder, rows)
    return Measured(
        name=switch.name,
        seed=seed,
        recipe=recipe.model_dump(mode="json", exclude_defaults=True),
        data=data,
        errors=_to_the_front(point_errors(predicted.points[:, :, :2], rows.points, categories=rows.categories)),
        speed=None if switch.trains else _speed(finder, load_predictor(network(BASE, seed)), rows),
    )


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


def _read(file: Path, recipe: Recipe, *, data: int) -> Measured:
    content = json.loads(file.read_text(encoding="utf-8"))
    same_keys = content["recipe"] == recipe.model_dump(mode="json", exclude_defaults=True)
    if not same_keys or content["data"] != data:
        raise RecipeError(
            f"{file} was measured {'on other data' if same_keys else 'with other keys'} than the study has now; remove "
            f"it, its run folder in {file.parent.parent / RUNS} and the others that changed, or give another --out"
        )
    errors = np.full((len(content["errors"]), NUM_KEYPOINTS), np.nan)
    for row, found in enumerate(content["errors"]):
        errors[row, : len(found)] = found
    return Measured(**content | {"errors": errors})
