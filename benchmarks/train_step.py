"""Time a training step through the whole system against the bare step on a batch in memory.

    python benchmarks/train_step.py [--photos ROOT:FILE.csv] [--recipe cpn_mobilenetv2] [--rounds 5]

The system: `hemline.learn.fit.fit` with one loader process, from JPEG files to averaged weights. The bare step:
forward, loss, backward and optimizer of the same network in the same precision, on one batch, with the same
number of threads. Rounds alternate within one run; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from lightning.fabric import Fabric

from hemline.annotation import AnnotationTable
from hemline.formats.roots import read_roots
from hemline.learn.build import build_network
from hemline.learn.dataset import EpochBatches, PhotoDataset, build_loader
from hemline.learn.fit import fit
from hemline.learn.losses import total_loss
from hemline.recipe import Recipe, read_recipe, recipe_path
from hemline.synth.stream import write_drawn_set

STEPS = 10


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--photos", help="ROOT:FILE.csv of labelled photos; drawn garments without it")
    arguments.add_argument("--recipe", default="cpn_mobilenetv2")
    arguments.add_argument("--rounds", type=int, default=5)
    chosen = arguments.parse_args()
    overrides = ["model.backbone_weights=random", "train.workers=1", "train.accelerator=cpu"]
    overrides += ["train.freeze_backbone_norm=false", f"train.epochs={chosen.rounds + 1}"]
    recipe = read_recipe(recipe_path(chosen.recipe), overrides=overrides)
    with tempfile.TemporaryDirectory() as folder:
        if chosen.photos is None:
            for _ in write_drawn_set(Path(folder), count=STEPS * recipe.train.batch_size, seed=0, size=512):
                pass
        table, _ = read_roots([chosen.photos or folder])
        rows = itertools.islice(itertools.cycle(range(len(table))), STEPS * recipe.train.batch_size)
        system, bare = time_both(recipe, table.select(list(rows)), Path(folder) / "run")
    print(
        f"{recipe.name}, batch {recipe.train.batch_size}, {recipe.train.precision}, {torch.get_num_threads()} threads: "
        f"system {system * 1e3:.0f} ms, bare {bare * 1e3:.0f} ms, ratio {system / bare:.3f}"
    )


def time_both(recipe: Recipe, table: AnnotationTable, out: Path) -> tuple[float, float]:
    """Return the median seconds per step of the system and of the bare step; the first round is left out."""
    step = bare_step(recipe, table)
    system: list[float] = []
    bare: list[float] = []

    def after_epoch(progress) -> None:
        system.append(progress.seconds / STEPS)
        began = time.perf_counter()
        for _ in range(STEPS):
            step()
        bare.append((time.perf_counter() - began) / STEPS)

    fit(recipe, table, out=out, on_epoch=after_epoch)
    return statistics.median(system[1:]), statistics.median(bare[1:])


def bare_step(recipe: Recipe, table: AnnotationTable) -> Callable[[], None]:
    """Build the network and one batch, and return a function that takes one step."""
    network, schema = build_network(recipe, table)
    network.to(memory_format=torch.channels_last).train()
    dataset = PhotoDataset(
        table, codec=schema.build_codec(), keypoints=schema.indices, size=recipe.input.size, augmenter=None
    )
    fabric = Fabric(accelerator="cpu", precision=recipe.train.precision)
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.train.lr)
    model, optimizer = fabric.setup(network, optimizer)
    batches = EpochBatches(len(table), batch_size=recipe.train.batch_size, seed=0)
    batch = next(iter(build_loader(dataset, batches, workers=0)))
    images = batch["image"].permute(0, 3, 1, 2)  # (B, S, S, 3) -> (B, 3, S, S)

    def step() -> None:
        loss, _ = total_loss(model(images), batch["target"], batch["weight"], terms=recipe.loss.pairs)
        fabric.backward(loss)
        optimizer.step()
        optimizer.zero_grad()

    return step


if __name__ == "__main__":
    main()
