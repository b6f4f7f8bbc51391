"""Run a study: train and ask each variant of a recipe, and compare it with the base on the same garments."""

from __future__ import annotations

import dataclasses
import functools
import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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
from hemline.learn.checkpoint import LAST, read_weights
from hemline.learn.fit import fit, fixed_keys
from hemline.learn.run_folder import RECIPE, STATE
from hemline.learn.soup import cook_soup
from hemline.metrics import bootstrap_interval, mean_error, point_errors
from hemline.recipe import Recipe, read_recipe, recipe_path
from hemline.report.ablation import Effect
from hemline.report.speed import relative_speed
from hemline.study import BASE, NO_TRAINING, Study, Switch

RESULTS, RUNS = "results", "runs"
"""Folders of a study: what was measured, as small JSON files, and the run folders of what was trained."""

_TIMED_PHOTOS = 16


@dataclass(frozen=True)
class Measured:
    """One variant with one seed.

    Attributes:
        name: the switch's, or "base".
        seed: of its training.
        recipe: those of its keys that are not at their defaults.
        networks: how it is made of other variants: the fields of its Switch that say so.
        data: `annotation.fingerprint` of the training and validation data.
        errors: (N, 24) percent to two decimals: `metrics.point_errors` on the validation data, the points that count in
            front, NaN after them. Which points count depends on the data alone: a place is the same point everywhere.
        speed: photos per second of predicting, as a share of the base's, of the base itself, too; None for what was
            trained otherwise and predicts as the base does.
    """

    name: str
    seed: int
    recipe: dict[str, Any]
    data: int
    errors: np.ndarray
    speed: float | None
    networks: dict[str, Any] = field(default_factory=dict)


def run_study(
    study: Study,
    data: AnnotationTable,
    validation: AnnotationTable,
    *,
    out: Path,
    trained: Path | None = None,
    on_measured: Callable[[Measured], None] = lambda measured: None,
) -> tuple[Effect, list[Effect]]:
    """Measure all variants of a study with all seeds; what was measured before is read.

    Of what is trained, the weights of the last epoch are compared, also where validation liked another epoch better: a
    variant that looks more often must not choose among more. Only where nothing is trained, and `trained` asked in
    several ways, are its best weights taken.

    Args:
        study: what to vary.
        data: labelled garments to train on.
        validation: labelled garments to compare on.
        out: the study's folder. A training that was killed goes on from its last checkpoint.
        trained: run folder of the base with seed 0, which is then not trained; its recipe is the base's.
        on_measured: called after each variant and seed, read or new.
    Returns:
        the base itself, with differences of 0; and the effect of each switch in the study's order.
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

    @functools.cache
    def network(name: str, seed: int) -> Path:
        if trained and (name, seed) == (BASE, 0):
            return trained / LAST if any(switch.trains for switch in study.switch) else trained
        run = out / RUNS / f"{Switch(name=name).file_name}-{seed}"
        fit(recipes[name, seed], data, validation=validation, out=run, resume=True)
        return run / LAST

    def loaded(switch: Switch, seed: int) -> Finder:
        recipe = recipes[switch.name, seed]
        if switch.soup:
            soup = out / RUNS / f"{switch.file_name}-{seed}.safetensors"
            cook_soup([network(name, seed) for name in switch.soup], soup, data=data)
            return _load(soup, recipe)
        if switch.ensemble:
            first, *others = (network(name, seed) for name in switch.ensemble)
            weight, *weights = switch.weights or [1.0] * len(switch.ensemble)
            shares = [each / weight for each in weights]  # the first network of an ensemble has 1
            return _load(first, recipe, others=list(zip(others, shares, strict=True)))
        if switch.refine:
            return _load(network(BASE, seed), recipe, refiner=network(switch.refine, seed))
        return _load(network(switch.name if switch.trains else BASE, seed), recipe)

    measured: dict[tuple[str, int], Measured] = {}
    for switch, seed in _variants(study):
        recipe = recipes[switch.name, seed]
        file = out / RESULTS / f"{switch.file_name}-{seed}.json"
        if file.is_file():
            result = _read(file, switch, recipe, data=digest)
        else:
            rows, finder = validation.of_categories(recipe.categories), loaded(switch, seed)
            found = predict_table(finder, rows).points[:, :, :2]
            errors = _to_the_front(point_errors(found, rows.points, categories=rows.categories)).round(2)
            alike = switch.trains and _asked(recipe) == _asked(recipes[BASE, seed])
            speed = None if alike else _speed(finder, loaded(Switch(name=BASE), seed), rows)
            result = Measured(switch.name, seed, _keys(recipe), digest, errors, speed, _networks(switch))
            _write(file, result)
        measured[switch.name, seed] = result
        on_measured(result)
    base = [measured[BASE, seed] for seed in range(study.seeds)]
    effects = [
        _effect(switch, [measured[switch.name, seed] for seed in range(study.seeds)], base) for switch in study.switch
    ]
    return _effect(Switch(name=BASE), base, base), effects


def _variants(study: Study) -> Iterator[tuple[Switch, int]]:
    """Go through the variants so that those that others are made of come first."""
    switches = [Switch(name=BASE), *sorted(study.switch, key=lambda switch: bool(switch.others))]
    for seed in range(study.seeds):
        for switch in switches:
            yield switch, seed


def _load(run: Path, recipe: Recipe, **more: Any) -> Finder:
    """Load a network to be asked as a recipe says, whatever it was trained with."""
    return load_predictor(run, predict=recipe.predict.model_dump(), decode=recipe.decode.model_dump(), **more)


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
    return relative_speed(*(functools.partial(predict_table, each, few) for each in (finder, base)))


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
    errors = [row[~np.isnan(row)].tolist() for row in measured.errors]
    write_atomic(file, json.dumps(dataclasses.asdict(measured) | {"errors": errors}) + "\n")


def _asked(recipe: Recipe) -> tuple[Any, ...]:
    """Take the sections on which the time of predicting depends."""
    return recipe.model, recipe.input, recipe.codec, recipe.decode, recipe.predict


def _keys(recipe: Recipe) -> dict[str, Any]:
    """List the keys of a recipe that are not at their defaults; of the files that they name, the name alone."""
    keys = recipe.model_dump(mode="json", exclude_defaults=True)
    for key in {"backbone_weights", "weights"} & keys.get("model", {}).keys():
        keys["model"][key] = Path(keys["model"][key]).name
    return keys


def _networks(switch: Switch) -> dict[str, Any]:
    return switch.model_dump(mode="json", include={"ensemble", "weights", "soup", "refine"}, exclude_defaults=True)


def _read(file: Path, switch: Switch, recipe: Recipe, *, data: int) -> Measured:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        errors = np.full((len(content["errors"]), NUM_KEYPOINTS), np.nan)
        for row, found in enumerate(content["errors"]):
            errors[row, : len(found)] = found
        measured = Measured(**content | {"errors": errors})
    except (ValueError, KeyError, TypeError) as error:
        raise RecipeError(f"{file} is no result of a study ({error!r}); remove it to measure it again") from error
    same_keys = measured.recipe == _keys(recipe) and measured.networks == _networks(switch)
    if not same_keys or measured.data != data:
        raise RecipeError(
            f"{file} was measured {'on other data' if same_keys else 'with other keys'} than the study has now; remove "
            f"it, its run folder in {file.parent.parent / RUNS} and the others that changed, or give another --out"
        )
    return measured
