"""Train every recipe on the same photos for the same number of photos seen, and write one table.

    python benchmarks/compare_networks.py train --data ROOT:train.csv --val ROOT:val.csv [--only NAME ...]
    python benchmarks/compare_networks.py time --data ROOT:train.csv [--only NAME ...]
    python benchmarks/compare_networks.py table

`train` goes network by network and keeps each result as benchmarks/results/networks/DEVICE/NAME.json; what has one is
not trained again, and a run that was killed is resumed, so that it may be stopped at any time. `time` adds the speeds,
on a machine that does nothing else. `table` writes docs/networks.md from the results.

Equal terms: the same rows of --data, size, batch, precision, seed, augmentation, learning rate, decoding and random
starting weights. Loss, codec and the network's own options are the recipe's. On a GPU the size is the recipe's and
every photo is seen for 60 epochs; on a CPU 400 photos are seen five times at 192 px: that shows how fast each network
learns, not how good it gets.

Speeds are measured against cpn_mobilenetv2 in alternating rounds of one process, and given as ratios.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from overfit_networks import LEFT_OUT, constant_ne
from page import put_table

from hemline.annotation import AnnotationTable
from hemline.files import write_atomic
from hemline.formats.roots import read_roots
from hemline.learn.build import build_network
from hemline.learn.checkpoint import read_weights
from hemline.learn.fit import fit
from hemline.learn.losses import total_loss
from hemline.models.count import count_flops, count_parameters
from hemline.recipe import Recipe, parse_recipe, read_recipe, shipped_recipes
from hemline.report.speed import relative_speed

REPOSITORY = Path(__file__).resolve().parent.parent
RESULTS = REPOSITORY / "benchmarks" / "results" / "networks"
REFERENCE = "cpn_mobilenetv2"
CPU_TERMS = {"size": 192, "photos": 400, "epochs": 5}
GPU_EPOCHS = 60
RANDOM_START = {"lr": 1e-3, "backbone_lr": 1.0, "freeze_backbone_norm": False}
"""Random weights have no features and no statistics to keep, so a backbone learns as fast as the rest."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    train = verbs.add_parser("train")
    train.add_argument("--data", required=True, action="append")
    train.add_argument("--val", required=True, action="append")
    train.add_argument("--runs", type=Path, default=REPOSITORY / "runs" / "networks")
    timed = verbs.add_parser("time")
    timed.add_argument("--data", required=True, action="append")
    for verb in (train, timed):
        verb.add_argument("--only", nargs="*", help="names of recipes; all by default")
    verbs.add_parser("table")
    chosen = parser.parse_args()
    if chosen.verb == "table":
        write_table()
        return
    (RESULTS / device()).mkdir(parents=True, exist_ok=True)
    data, _ = read_roots(chosen.data)
    validation = read_roots(chosen.val)[0] if chosen.verb == "train" else None
    for name, path in shipped_recipes(task="keypoints").items():
        if name in LEFT_OUT or (chosen.only is not None and name not in chosen.only):
            continue
        file, recipe = RESULTS / device() / f"{name}.json", on_equal_terms(read_recipe(path))
        result = json.loads(file.read_text()) if file.is_file() else {}
        if validation and not result:
            result = learn(recipe, data, validation, out=chosen.runs / name)
            print(f"{name}: NE {result['ne']:.2f} %", flush=True)
        elif not validation and result and "training_speed" not in result:
            result["training_speed"], result["predicting_speed"] = relative_speeds(recipe, data)
            print(f"{name}: {result['training_speed']:.2f}, {result['predicting_speed']:.2f}", flush=True)
        else:
            continue
        write_atomic(file, json.dumps(result, indent=1) + "\n")


def on_equal_terms(recipe: Recipe) -> Recipe:
    """Give a recipe the size, batch, precision and length of the comparison."""
    content = recipe.model_dump(exclude_none=True, exclude={"decode"})
    content["train"] |= {"batch_size": 16, "seed": 0, "precision": "bf16-mixed", "checkpoint_steps": 0}
    content["train"] |= RANDOM_START
    content["augment"] = read_recipe(shipped_recipes()[REFERENCE]).augment.model_dump()
    content["model"]["backbone_weights"] = "random"
    content["predict"]["second_pass"] = False
    if torch.cuda.is_available():
        content["train"] |= {"epochs": GPU_EPOCHS, "validate_every": GPU_EPOCHS, "workers": 8}
    else:
        content["input"]["size"] = CPU_TERMS["size"]
        content["train"] |= {"epochs": CPU_TERMS["epochs"], "validate_every": CPU_TERMS["epochs"], "workers": 1}
    return parse_recipe(content)


def learn(recipe: Recipe, data: AnnotationTable, validation: AnnotationTable, *, out: Path) -> dict[str, Any]:
    """Train one network and describe the outcome in plain JSON values."""
    if not torch.cuda.is_available():
        rows = np.random.default_rng(0).permutation(len(data))[: CPU_TERMS["photos"]]
        data = data.select(sorted(rows.tolist()))
    weights = fit(recipe, data, validation=validation, out=out, resume=out.exists())
    network, _ = build_network(recipe, data)
    return {
        "recipe": recipe.name,
        "ne": read_weights(weights)[1]["ne"],
        "constant": constant_ne(validation, seen=data),
        "parameters": count_parameters(network),
        "gflops": count_flops(network, recipe.input.size) / 1e9,
        "size": recipe.input.size,
        "photos_seen": recipe.train.epochs * (len(data) // recipe.train.batch_size) * recipe.train.batch_size,
        "seed": recipe.train.seed,
        "hardware": hardware(),
    }


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def hardware() -> str:
    """Name what the networks ran on."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.machine()} CPU, {torch.backends.cpu.get_cpu_capability()}"


def relative_speeds(recipe: Recipe, data: AnnotationTable, *, rounds: int = 3) -> tuple[float, float]:
    """Measure photos per second of training steps and of forward passes, as shares of the reference's."""
    reference = on_equal_terms(read_recipe(shipped_recipes()[REFERENCE]))
    functions = zip(_steps(recipe, data), _steps(reference, data), strict=True)  # training, predicting
    training, predicting = (relative_speed(own, other, rounds=rounds) for own, other in functions)
    return training, predicting


def _steps(recipe: Recipe, data: AnnotationTable) -> tuple[Callable[[], None], Callable[[], None]]:
    """Build functions that train and predict one batch of noise."""
    network, schema = build_network(recipe, data)
    network.to(device(), memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters())
    size = recipe.input.size
    images = torch.randint(0, 256, (16, size, size, 3), dtype=torch.uint8, device=device()).permute(0, 3, 1, 2)
    points = np.random.default_rng(0).uniform(0, size, (16, len(schema.keypoints), 2))
    encoded = [schema.build_codec().encode(row, np.ones(len(row))) for row in points]
    target = {key: torch.tensor(np.stack([row[key] for row in encoded]), device=device()) for key in encoded[0]}
    weight = torch.ones(points.shape[:2], device=device())

    def train() -> None:
        network.train()
        with torch.autocast(device(), torch.bfloat16):
            stages = network(images)
        total_loss(stages, target, weight, terms=recipe.loss.pairs)[0].backward()
        optimizer.step()
        optimizer.zero_grad()
        wait()

    def predict() -> None:
        network.eval()
        with torch.inference_mode(), torch.autocast(device(), torch.bfloat16):
            network(images)
        wait()

    def wait() -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return train, predict


def speed(result: dict[str, Any], kind: str) -> str:
    """Write a measured speed, and nothing for what was not timed yet."""
    return f"{result[f'{kind}_speed']:.2f}" if f"{kind}_speed" in result else ""


def write_table() -> None:
    """Write the results into docs/networks.md, best first."""
    results = [json.loads(file.read_text()) for file in RESULTS.glob("*/*.json")]
    results.sort(key=lambda result: result["ne"])
    rows = [
        f"| {result['recipe']} | {result['ne']:.2f} % | {result['parameters'] / 1e6:.1f} M "
        f"| {result['gflops']:.2f} | {speed(result, 'training')} | {speed(result, 'predicting')} "
        f"| {result['size']} | {result['photos_seen']:,} | {result['hardware']} |"
        for result in results
    ]
    head = "| recipe | NE val | params | GFLOPs | training speed | predicting speed | size | photos seen | hardware |"
    table = "\n".join([head, "|---" * 9 + "|", *rows])
    constants = {f"{result['constant']:.2f} %" for result in results}
    note = f"The mean layout of each category, which looks at no photo: NE {', '.join(sorted(constants))}."
    put_table("networks.md", "comparison", f"{table}\n\n{note}")
    missing = [
        name for name in shipped_recipes(task="keypoints") if name not in {r["recipe"] for r in results} | set(LEFT_OUT)
    ]
    print(f"{len(results)} networks in docs/networks.md; not yet trained: {', '.join(missing) or 'none'}")


if __name__ == "__main__":
    main()
