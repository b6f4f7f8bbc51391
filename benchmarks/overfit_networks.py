"""Let every network learn eight real photos by heart: NE below 1 % shows that nothing in it is cut off.

    python benchmarks/overfit_networks.py --data ROOT:train.csv [--only NAME ...] [--precision bf16-mixed] [--size 128]

    python benchmarks/overfit_networks.py --table

Network by network, each result kept as benchmarks/results/overfit/NAME.json; what has one is not trained again.
--table writes docs/networks.md from the results.
No augmentation, random starting weights, no test-time flip; it stops as soon as NE is below 1 %, or after
MOST_STEPS. "constant" is the NE of the best answer that does not look at the photo, the mean layout.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from page import put_table

from hemline.annotation import AnnotationTable
from hemline.files import write_atomic
from hemline.formats.roots import read_roots
from hemline.images import image_size
from hemline.infer.schema import as_array, mean_layouts
from hemline.learn.fit import fit
from hemline.learn.run_folder import Progress
from hemline.metrics import ne
from hemline.recipe import DetectorRecipe, Recipe, parse_recipe, read_recipe, shipped_recipes

RESULTS = Path(__file__).resolve().parent / "results" / "overfit"
LEFT_OUT = ("demo",)
PHOTOS = 8
GOAL = 1.0
SIZE = 192
MOST_STEPS = 1000


class GoalReached(Exception):  # noqa: N818 (no error)
    """Raised to end a training that has learned enough."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append")
    parser.add_argument("--only", nargs="*", help="names of recipes; all by default")
    parser.add_argument("--precision", default="32-true", help="as train.precision of a recipe")
    parser.add_argument("--size", type=int, default=SIZE, help="side of the crops on a CPU, pixels")
    parser.add_argument("--table", action="store_true", help="train nothing; write the results into the page")
    chosen = parser.parse_args()
    if chosen.table:
        write_table()
        return
    if not chosen.data:
        parser.error("--data is needed")
    photos = eight_photos(read_roots(chosen.data)[0])
    for name, path in shipped_recipes(task="keypoints").items():
        wanted = name not in LEFT_OUT if chosen.only is None else name in chosen.only
        if wanted and not (RESULTS / f"{name}.json").is_file():
            result = overfit(read_recipe(path), photos, precision=chosen.precision, size=chosen.size)
            write_atomic(RESULTS / f"{name}.json", json.dumps(result, indent=1) + "\n")
            print(f"{name}: NE {result['ne']:.2f} % after {result['steps']} steps", flush=True)


def eight_photos(table: AnnotationTable) -> AnnotationTable:
    """Take photos of all categories, two of the first three."""
    by_category = [
        [row for row, name in enumerate(table.categories) if name == category]
        for category in dict.fromkeys(table.categories)
    ]
    rows = [rows[turn] for turn in range(2) for rows in by_category]
    return table.select(rows[:PHOTOS])


def overfit(recipe: Recipe, photos: AnnotationTable, *, precision: str = "32-true", size: int = SIZE) -> dict[str, Any]:
    """Train on the photos alone until the goal is reached, and describe the outcome in plain JSON values."""
    content = recipe.model_dump(exclude_none=True)
    content["augment"] = {"flip": 0.0, "rotation": 0.0, "scale": (1.0, 1.0), "shift": 0.0}
    content["augment"] |= {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0, "gray": 0.0}
    content["input"]["size"] = recipe.input.size if torch.cuda.is_available() else size
    content["model"]["backbone_weights"] = "random"
    content["predict"] |= {"flip": False, "second_pass": False}
    content["train"] |= {"epochs": MOST_STEPS, "batch_size": PHOTOS, "validate_every": 25, "workers": 0}
    content["train"] |= {"ema": 0.9, "precision": precision, "checkpoint_steps": 0, "freeze_backbone_norm": False}
    seen = learn_by_heart(parse_recipe(content), photos, metric="ne", is_enough=lambda error: error < GOAL)
    best = min(seen, key=lambda progress: progress.scores["ne"])
    return {
        "recipe": recipe.name,
        "ne": best.scores["ne"],
        "steps": best.step,
        "precision": precision,
        "size": content["input"]["size"],
        "constant": constant_ne(photos, seen=photos),
    }


def learn_by_heart(
    recipe: Recipe | DetectorRecipe, photos: AnnotationTable, *, metric: str, is_enough: Callable[[float], bool]
) -> list[Progress]:
    """Train and validate on the same photos until a metric is good enough; returns the epochs that were validated."""
    seen: list[Progress] = []

    def after_epoch(progress: Progress) -> None:
        if progress.scores:
            seen.append(progress)
            print(f"{recipe.name}: step {progress.step}, {metric} {progress.scores[metric]:.3f}", flush=True)
            if is_enough(progress.scores[metric]):
                raise GoalReached

    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(GoalReached):
        fit(recipe, photos, validation=photos, out=Path(folder) / "run", on_epoch=after_epoch)
    return seen


def constant_ne(photos: AnnotationTable, *, seen: AnnotationTable) -> float:
    """Measure an answer that does not look at the photos: the mean layout of each category in `seen`."""
    layouts = mean_layouts(seen, _sizes(seen))
    answer = np.array([as_array(layouts[category]) for category in photos.categories])
    return ne(answer * _sizes(photos)[:, None], photos.points, categories=photos.categories)


def _sizes(photos: AnnotationTable) -> np.ndarray:
    return np.array([image_size(path) for path in photos.paths], float)


def write_table() -> None:
    """Write the results into docs/networks.md."""
    results = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    rows = [
        f"| {result['recipe']} | {result['ne']:.3f} % | {result['steps']} | {result['constant'] / result['ne']:.0f}x "
        f"| {result['precision']} | {result['size']} |"
        for result in results
    ]
    head = ["| recipe | NE | after steps | better than the mean layout | precision | size |", "|---" * 6 + "|"]
    put_table("networks.md", "overfit", "\n".join([*head, *rows]))
    missing = shipped_recipes(task="keypoints").keys() - {result["recipe"] for result in results} - set(LEFT_OUT)
    print(f"{len(results)} networks in docs/networks.md; not yet trained: {', '.join(sorted(missing)) or 'none'}")


if __name__ == "__main__":
    main()
