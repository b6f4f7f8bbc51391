"""Let every detector learn twenty real photos by heart: AP50 of 0.95 shows that nothing in it is cut off.

    python benchmarks/overfit_detectors.py --data ROOT:train.csv [--only NAME ...]
    python benchmarks/overfit_detectors.py --table

Detector by detector, each result kept as benchmarks/results/overfit_detectors/NAME.json; what has one is not trained
again. No augmentation, no scenes, random starting weights, 128 px, few samples of the second stage; it stops as soon as
AP50 is 0.95, or after MOST_STEPS. --table writes docs/detection.md from the results.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from overfit_networks import learn_by_heart
from page import put_table

from hemline.annotation import AnnotationTable
from hemline.files import write_atomic
from hemline.formats.roots import read_roots
from hemline.recipe import DetectorRecipe, read_any_recipe, shipped_recipes
from hemline.toml_file import parse_section

RESULTS = Path(__file__).resolve().parent / "results" / "overfit_detectors"
PHOTOS, BATCH, SIZE, GOAL, MOST_STEPS = 20, 10, 128, 0.95, 600
OPTIONS = {"samples": 32, "proposals": 60}
"""Of the detectors of two stages: enough for one garment a photo."""

STILL = {
    **{"flip": 0.0, "rotation": 0.0, "scale": (1.0, 1.0), "shift": 0.0, "aspect": 1.0, "brightness": 0.0},
    **{"contrast": 0.0, "saturation": 0.0, "hue": 0.0, "gray": 0.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append")
    parser.add_argument("--only", nargs="*", help="names of recipes; all by default")
    parser.add_argument("--table", action="store_true", help="train nothing; write the results into the page")
    chosen = parser.parse_args()
    if chosen.table:
        write_table()
        return
    if not chosen.data:
        parser.error("--data is needed")
    photos = twenty_photos(read_roots(chosen.data)[0])
    for name in chosen.only or shipped_recipes(task="detection"):
        if not (RESULTS / f"{name}.json").is_file():
            result = overfit(name, photos)
            write_atomic(RESULTS / f"{name}.json", json.dumps(result, indent=1) + "\n")
            print(f"{name}: AP50 {result['ap50']:.3f} after {result['steps']} steps", flush=True)


def twenty_photos(table: AnnotationTable) -> AnnotationTable:
    """Take photos from all over a table."""
    return table.select(range(0, len(table), max(1, len(table) // PHOTOS))[:PHOTOS])


def overfit(name: str, photos: AnnotationTable) -> dict[str, Any]:
    """Train on the photos alone until the goal is reached, and describe the outcome in plain JSON values."""
    recipe = read_any_recipe(shipped_recipes()[name])
    content = recipe.model_dump(exclude_none=True)
    content["augment"] |= STILL
    content["scenes"]["share"] = 0.0
    content["input"]["size"] = SIZE
    content["model"]["backbone_weights"] = "random"
    if recipe.model.name in ("fasterrcnn", "maskrcnn"):
        content["model"]["options"] |= OPTIONS
    content["train"] |= {"epochs": MOST_STEPS * BATCH // PHOTOS, "batch_size": BATCH, "validate_every": 15}
    content["train"] |= {"workers": 0, "ema": 0.9, "lr": 1e-3, "backbone_lr": 1.0, "weight_decay": 0.0}
    changed = parse_section(DetectorRecipe, content, source=name)
    seen = learn_by_heart(changed, photos, metric="ap50", is_enough=lambda ap50: ap50 >= GOAL)
    best = max(seen, key=lambda progress: progress.scores["ap50"])
    return {"recipe": name, **best.scores, "steps": best.step, "size": SIZE, "precision": changed.train.precision}


def write_table() -> None:
    """Write the results into docs/detection.md."""
    results = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    rows = [
        f"| {result['recipe']} | {result['ap50']:.3f} | {result['ap']:.3f} | {result['keypoint_recall']:.3f} "
        f"| {result['steps']} | {result['precision']} | {result['size']} |"
        for result in results
    ]
    head = ["| recipe | AP50 | AP | keypoint recall | after steps | precision | size |", "|---" * 7 + "|"]
    put_table("detection.md", "overfit", "\n".join([*head, *rows]))
    missing = shipped_recipes(task="detection").keys() - {result["recipe"] for result in results}
    print(f"{len(results)} detectors in docs/detection.md; not yet trained: {', '.join(sorted(missing)) or 'none'}")


if __name__ == "__main__":
    main()
