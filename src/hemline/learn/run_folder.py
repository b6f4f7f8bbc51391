"""The folder of one training run: what lies in it, written so that a kill at any moment loses nothing.

recipe.toml                the recipe with every default filled in; can be trained from again
schema.json                what the network predicts (infer/schema.py, infer/detector.py)
log.csv, tensorboard/      one row per epoch
best.safetensors, .json    weights of the epoch with the lowest NE, or highest AP, on the validation data
last.safetensors, .json    weights of the last checkpoint
state.safetensors, .json   all that --resume needs: weights raw and averaged, optimizer, place in the epoch
"""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.tensorboard import SummaryWriter

from hemline.errors import TrainingError
from hemline.files import open_atomic, write_atomic
from hemline.learn.checkpoint import load_strictly, read_weights, write_weights

RECIPE, SCHEMA, LOG = "recipe.toml", "schema.json", "log.csv"
STATE = "state.safetensors"


@dataclass
class Place:
    """Where a run stands.

    Attributes:
        data: fingerprint of the training and validation data; a run can only be resumed on the same.
        world: number of processes, likewise.
        epoch: epochs finished.
        step: steps done in the epoch under way.
        loss_sum: sum of the losses of these steps.
        best: lowest validation NE so far; of a detector, highest AP.
        stale: validations since then.
        rate: factor on the learning rate that the plateau schedule has come to.
    """

    data: int
    world: int = 1
    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    best: float | None = None
    stale: int = 0
    rate: float = 1.0


@dataclass(frozen=True)
class Progress:
    """One finished epoch: one row of log.csv.

    Attributes:
        scores: what validation measured, by the task's metrics; {} where it did not.
        best: lowest NE so far, or highest AP; None before the first.
    """

    epoch: int
    epochs: int
    step: int
    lr: float
    loss: float
    scores: dict[str, float]
    best: float | None
    seconds: float
    photos_per_second: float


@dataclass(frozen=True)
class Trained:
    """The parts of a run that change while it trains, and that its state file holds.

    Attributes:
        hardness: (2, N) float32, each training garment's running loss, 0 before it was seen: as it was when the epoch
            began, and as it is.
    """

    model: nn.Module
    averaged: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler
    hardness: Tensor


def write_state(folder: Path, place: Place, trained: Trained, *, scaler: dict[str, Any]) -> None:
    """Write everything that resuming needs, in one step.

    Args:
        folder: the run folder.
        place: where the run stands.
        trained: what has been learned so far.
        scaler: state of the gradient scaler of mixed precision; empty without one.
    """
    optimizer = trained.optimizer.state_dict()
    tensors = {f"model.{name}": tensor for name, tensor in trained.model.state_dict().items()}
    tensors |= {f"averaged.{name}": tensor for name, tensor in trained.averaged.state_dict().items()}
    tensors["hardness"] = trained.hardness
    for number, entries in optimizer["state"].items():
        tensors |= {f"optimizer.{number}.{name}": tensor for name, tensor in entries.items()}
    description = {
        "place": dataclasses.asdict(place),
        "groups": optimizer["param_groups"],
        "scheduler": {key: value for key, value in trained.scheduler.state_dict().items() if key != "lr_lambdas"},
        "scaler": scaler,
    }
    write_weights(folder / STATE, tensors, description)


def read_state(folder: Path, trained: Trained, *, now: Place) -> tuple[Place, dict[str, Any]]:
    """Read what `write_state` wrote, into the same parts.

    Args:
        folder: the run folder.
        trained: filled in place; already on the device where it is to train.
        now: the data and the number of processes at hand.
    Returns:
        the place, and the state of the gradient scaler.
    Raises:
        TrainingError: the run was trained on other data or on another number of processes.
        WeightsError: the file is damaged or does not fit.
    """
    path = folder / STATE
    tensors, description = read_weights(path)
    place = Place(**description["place"])
    if place.data != now.data:
        raise TrainingError(
            f"{folder} was trained on other data (photos, labels or their order differ); "
            "give the same --data and --val as before, or start a new run with another --out"
        )
    if place.world != now.world:
        raise TrainingError(
            f"{folder} was trained by {place.world} processes, not {now.world}: batches and schedule would differ; "
            f"set train.devices and train.num_nodes so that there are {place.world}"
        )
    load_strictly(trained.model, _under("model.", tensors), source=str(path))
    load_strictly(trained.averaged, _under("averaged.", tensors), source=str(path))
    trained.hardness.copy_(tensors["hardness"])
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in _under("optimizer.", tensors).items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = tensor
    trained.optimizer.load_state_dict({"state": state, "param_groups": description["groups"]})
    trained.scheduler.load_state_dict({**trained.scheduler.state_dict(), **description["scheduler"]})
    return place, description["scaler"]


class RunLog:
    """log.csv and TensorBoard, one row per epoch; a context that closes the event file.

    Args:
        folder: the run folder.
        epochs_done: rows of later epochs, left by a killed run, are dropped.
        metrics: what validation measures.
    """

    def __init__(self, folder: Path, *, epochs_done: int, metrics: Sequence[str]) -> None:
        self.path = folder / LOG
        self.metrics = metrics
        self.rows: list[dict[str, Any]] = []
        if epochs_done and self.path.is_file():
            with self.path.open(newline="", encoding="utf-8") as stream:
                self.rows = [row for row in csv.DictReader(stream) if int(row["epoch"]) <= epochs_done]
        self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=epochs_done + 1)

    def write(self, progress: Progress) -> None:
        """Add one epoch."""
        row: dict[str, Any] = {}
        for key, value in dataclasses.asdict(progress).items():
            if key == "scores":
                row |= {metric: value.get(metric) for metric in self.metrics}
            elif key != "epochs":
                row[key] = value
        self.rows.append({key: "" if value is None else value for key, value in row.items()})
        with open_atomic(self.path) as stream:
            writer = csv.DictWriter(stream, row, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        for name in ("lr", "loss", *self.metrics, "photos_per_second"):
            if row[name] is not None:
                self.board.add_scalar(name, row[name], progress.epoch)
        self.board.flush()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *error: object) -> None:
        self.board.close()


def write_description(folder: Path, name: str, content: dict[str, Any]) -> None:
    """Write one of the run's JSON files."""
    write_atomic(folder / name, json.dumps(content, indent=1) + "\n")


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
