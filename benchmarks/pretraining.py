"""Does synthetic pretraining pay? The same training from three starts, on few, some and all real photos.

    python benchmarks/pretraining.py train --data ROOT:train.csv --val ROOT:val.csv --imagenet FILE.safetensors
    python benchmarks/pretraining.py table

Starts: "random", "imagenet" (the backbone alone, MobileNetV2's weights) and "synthetic" (the whole network, trained
before on drawn garments from random weights). From each, cpn_mobilenetv2 learns at 128 px for the same number of steps
on the same real photos, once with the recipe's learning rate and once with a fifth of it: the one suits weights that
know nothing, the other weights that know something. `train` keeps each result as
benchmarks/results/pretraining/START-PHOTOS-RATE.json; what has one is not trained again, and a run that was killed
goes on. `table` writes docs/synthetic.md and docs/images/pretraining.svg, which shows each start at its better rate.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from page import DOCS, put_table

from hemline.annotation import AnnotationTable
from hemline.files import write_atomic
from hemline.formats.roots import read_roots
from hemline.learn.fit import fit
from hemline.learn.run_folder import LOG
from hemline.recipe import Recipe, parse_recipe, read_recipe, recipe_path
from hemline.synth.stream import write_drawn_set

REPOSITORY = Path(__file__).resolve().parent.parent
RESULTS = REPOSITORY / "benchmarks" / "results" / "pretraining"
STARTS = ("random", "imagenet", "synthetic")
PHOTOS = {"25": 25, "100": 100, "all": None}
RATES = (1e-3, 2e-4)
STEPS, MEASURED = 600, 6
DRAWN, DRAWN_STEPS = 4000, 3000
SIZE = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    train = verbs.add_parser("train")
    train.add_argument("--data", required=True, action="append")
    train.add_argument("--val", required=True, action="append")
    train.add_argument("--imagenet", required=True, help="safetensors of timm's mobilenetv2_100")
    train.add_argument("--runs", type=Path, default=REPOSITORY / "runs" / "pretraining")
    train.add_argument("--starts", nargs="*", choices=STARTS, default=STARTS)
    train.add_argument("--photos", nargs="*", choices=tuple(PHOTOS), default=tuple(PHOTOS))
    train.add_argument("--rates", nargs="*", type=float, choices=RATES, default=RATES)
    verbs.add_parser("table")
    chosen = parser.parse_args()
    if chosen.verb == "table":
        write_page()
        return
    data, validation = read_roots(chosen.data)[0], read_roots(chosen.val)[0]
    for photos, rate, start in itertools.product(chosen.photos, chosen.rates, chosen.starts):
        file = RESULTS / f"{start}-{photos}-{rate:g}.json"
        if not file.is_file():
            rows = few(data, PHOTOS[photos])
            result = learn(start, rows, validation, rate=rate, imagenet=chosen.imagenet, runs=chosen.runs)
            write_atomic(file, json.dumps(result, indent=1) + "\n")
            print(f"{file.stem}: NE {result['curve'][-1][1]:.2f} %", flush=True)


def few(data: AnnotationTable, count: int | None) -> AnnotationTable:
    """Take the same photos for all starts, in turn from each category; None takes all."""
    if count is None:
        return data
    order = np.random.default_rng(0).permutation(len(data))
    rows = [[row for row in order if data.categories[row] == name] for name in sorted(set(data.categories))]
    turns = [row for turn in zip(*rows, strict=False) for row in turn]
    return data.select(sorted(turns[:count]))


def learn(
    start: str, data: AnnotationTable, validation: AnnotationTable, *, rate: float, imagenet: str, runs: Path
) -> dict[str, Any]:
    """Train from one start and describe the outcome in plain JSON values."""
    model: dict[str, str] = {"backbone_weights": imagenet if start == "imagenet" else "random"}
    if start == "synthetic":
        model["weights"] = str(pretrain(runs))
    epochs = STEPS // max(1, len(data) // 16)
    recipe = at_128(model, epochs=epochs, validate_every=max(1, epochs // MEASURED), rate=rate)
    out = runs / f"{start}-{len(data)}-{rate:g}"
    fit(recipe, data, validation=validation, out=out, resume=True)
    with (out / LOG).open(newline="", encoding="utf-8") as stream:
        curve = [(int(row["step"]), round(float(row["ne"]), 3)) for row in csv.DictReader(stream) if row["ne"]]
    return {"start": start, "photos": len(data), "rate": rate, "curve": curve, "seed": recipe.train.seed}


def pretrain(runs: Path) -> Path:
    """Draw garments and learn from them, from random weights."""
    drawn = runs / "drawn"
    if not (drawn / "Annotations" / "train.csv").is_file():
        for _ in write_drawn_set(drawn, count=DRAWN, seed=0, size=2 * SIZE, workers=2):
            pass
    data = read_roots([str(drawn)])[0]
    epochs = DRAWN_STEPS // (len(data) // 16)
    recipe = at_128({"backbone_weights": "random"}, epochs=epochs, validate_every=epochs, rate=RATES[0])
    return fit(recipe, data, out=runs / "synthetic", resume=True)


def at_128(model: dict[str, str], *, epochs: int, validate_every: int, rate: float) -> Recipe:
    """Change the recipe's start and length, and ask it once per photo and mirror image."""
    content = read_recipe(recipe_path("cpn_mobilenetv2")).model_dump(exclude_none=True)
    content["model"] |= model
    content["input"]["size"] = SIZE
    content["predict"]["second_pass"] = False
    content["codec"] = {"name": "belief", "options": {"sigma": 2.0}}  # as the recipe was when its results were measured
    content["loss"] = {"terms": [{"name": "softmax_cross_entropy"}]}
    content["train"] |= {"epochs": epochs, "validate_every": validate_every, "batch_size": 16, "workers": 1}
    content["train"] |= {"lr": rate, "backbone_lr": 1.0, "freeze_backbone_norm": False}
    if torch.cuda.is_available():
        content["train"]["workers"] = 8
    return parse_recipe(content)


def write_page() -> None:
    """Write the table and the learning curves."""
    results = [json.loads(path.read_text()) for path in RESULTS.glob("*.json")]
    found = {(result["start"], result["rate"], result["photos"]): result["curve"] for result in results}
    counts = sorted({photos for *_, photos in found})
    titles = " | ".join(f"{count} photos" for count in counts)
    rows = [f"| start | learning rate | {titles} |", "|---" * (len(counts) + 2) + "|"]
    for start, rate in itertools.product(STARTS, RATES):
        curves = [found.get((start, rate, count)) for count in counts]
        cells = [f"{curve[-1][1]:.2f} %" if curve else "" for curve in curves]
        rows.append(f"| {start} | {rate:g} | {' | '.join(cells)} |")
    put_table("synthetic.md", "pretraining", "\n".join(rows))
    draw_curves(found, counts)
    print(f"{len(results)} of {len(STARTS) * len(RATES) * len(PHOTOS)} results in docs/synthetic.md")


def draw_curves(found: dict[tuple[str, float, int], list[tuple[int, float]]], counts: list[int]) -> None:
    """Draw NE over steps, one panel per number of photos, each start at the rate with which it ends best."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(counts), 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(counts), sharey=True, squeeze=False)[0]
    for axes, count in zip(panels, counts, strict=True):
        for start in STARTS:
            curves = [(found[start, rate, count], rate) for rate in RATES if (start, rate, count) in found]
            if curves:
                curve, rate = min(curves, key=lambda each: each[0][-1][1])
                axes.plot(*zip(*curve, strict=True), marker="o", label=f"{start}, {rate:g}")
        axes.set(title=f"{count} photos", xlabel="steps on real photos", yscale="log")
        axes.legend(fontsize="small")
    panels[0].set_ylabel("NE on val, %")
    content = io.BytesIO()
    figure.savefig(content, format="svg")
    write_atomic(DOCS / "images" / "pretraining.svg", content.getvalue())


if __name__ == "__main__":
    main()
