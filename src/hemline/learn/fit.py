"""The training loop, top to bottom."""

from __future__ import annotations

import contextlib
import json
import math
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from hemline.annotation import AnnotationTable, fingerprint
from hemline.errors import DataError, RecipeError, TrainingError
from hemline.learn.averaging import build_average, refresh_norm
from hemline.learn.build import build_fabric
from hemline.learn.checkpoint import BEST, LAST, write_weights
from hemline.learn.dataset import EpochBatches, build_loader, load_batches
from hemline.learn.detection_task import DetectionTask
from hemline.learn.keypoint_task import KeypointTask
from hemline.learn.optimizers import build_optimizer
from hemline.learn.run_folder import (
    RECIPE,
    SCHEMA,
    STATE,
    Place,
    Progress,
    RunLog,
    Trained,
    read_state,
    write_description,
    write_state,
)
from hemline.learn.sampling import hard_weights, row_weights
from hemline.learn.schedules import build_schedule
from hemline.learn.task import Task
from hemline.recipe import DetectorRecipe, Recipe, TrainingRecipe, read_any_recipe, write_recipe

_TASKS: dict[str, Callable[..., Task]] = {"keypoints": KeypointTask, "detection": DetectionTask}

FREE_ON_RESUME = ("workers", "accelerator", "devices", "strategy", "num_nodes", "checkpoint_steps")
"""Keys of [train] that may change between a run and its resumption, as long as the number of processes stays."""


def fit(
    recipe: Recipe | DetectorRecipe,
    data: AnnotationTable,
    *,
    out: Path,
    validation: AnnotationTable | None = None,
    resume: bool = False,
    on_step: Callable[[int, int, float], None] = lambda step, steps, loss: None,
    on_epoch: Callable[[Progress], None] = lambda progress: None,
) -> Path:
    """Train one network.

    Args:
        recipe: how.
        data: labelled garments with paths; rows of categories that the recipe does not name are left out.
        out: the run folder, see run_folder.py.
        validation: labelled garments to measure each epoch on and to choose the best one by: its NE, or a detector's
            AP.
        resume: go on from the folder's last checkpoint; start where there is none yet.
        on_step: called after each step with its number in the epoch, the steps per epoch, and the loss.
        on_epoch: called after each epoch.
    Returns:
        the weights file to use: the best epoch's, or the last one's without validation.
    Raises:
        TrainingError: the folder holds another run, a loss is not finite, or resuming does not fit.
        DataError, RecipeError, WeightsError: the data, a photo, the recipe or weights are at fault.
    """
    data = _rows_for(recipe, data, "training")
    if validation is not None:
        validation = _rows_for(recipe, validation, "validation")
        untrained = set(validation.categories) - set(data.categories)
        if untrained:
            raise DataError(f"the validation data has {', '.join(sorted(untrained))}, the training data has none")
    elif recipe.train.schedule == "plateau" or recipe.train.early_stop:
        raise RecipeError("train.schedule = 'plateau' and train.early_stop need validation data (--val)")
    _check_folder(out, recipe, resume=resume)
    run = _Run(recipe, data, validation, out, resume=resume)
    with contextlib.ExitStack() as closing:
        log = (
            closing.enter_context(RunLog(out, epochs_done=run.place.epoch, metrics=run.task.metrics))
            if run.leads
            else None
        )
        while not run.is_over:
            began = time.perf_counter()
            photos, loss = run.train_epoch(on_step)
            seconds = time.perf_counter() - began
            scores = run.validate()
            progress = Progress(
                epoch=run.place.epoch,
                epochs=recipe.train.epochs,
                step=run.place.epoch * len(run.batches),
                lr=float(run.trained.scheduler.get_last_lr()[-1]),
                loss=loss,
                scores=scores,
                best=run.place.best,
                seconds=seconds,
                photos_per_second=photos / seconds,
            )
            if log:  # before the checkpoint: a row too many is dropped when the run is resumed, a missing one is lost
                log.write(progress)
            run.checkpoint(scores)
            if log:
                on_epoch(progress)
    return out / (LAST if run.place.best is None else BEST)


class _Run:
    """The parts of a run, assembled from its recipe.

    Attributes:
        leads: whether this process is the one that validates and writes.
        task: what is learned.
        place: where the run stands.
        batches: of the epoch under way.
        trained: what changes while it trains.
    """

    def __init__(
        self,
        recipe: Recipe | DetectorRecipe,
        data: AnnotationTable,
        validation: AnnotationTable | None,
        out: Path,
        *,
        resume: bool,
    ) -> None:
        options = recipe.train
        self.recipe, self.data, self.validation, self.out = recipe, data, validation, out
        self.fabric = fabric = build_fabric(recipe)
        self.leads = fabric.is_global_zero
        if len(data) < fabric.world_size:
            raise DataError(f"{len(data)} training garments for {fabric.world_size} processes; lower train.devices")
        torch.manual_seed(options.seed)
        self.place = Place(data=fingerprint(data, validation), world=fabric.world_size)

        resume = resume and (out / STATE).is_file()
        self.task: Task = _TASKS[recipe.task](recipe, data, resume=resume)
        self.network = self.task.network
        if (options.freeze_backbone or options.freeze_backbone_norm) and not self.network.backbone_parameters():
            key = "freeze_backbone" if options.freeze_backbone else "freeze_backbone_norm"
            raise RecipeError(f"train.{key} needs a backbone, and the network '{recipe.model.name}' has none")
        self.network.to(memory_format=torch.channels_last)
        optimizer = build_optimizer(
            options.optimizer,
            self.network,
            **{key: getattr(options, key) for key in ("lr", "backbone_lr", "weight_decay", "momentum")},
        )
        self.model, self.optimizer = fabric.setup(self.network, optimizer)
        self.batches = EpochBatches(
            len(data),
            batch_size=options.batch_size,
            seed=options.seed,
            rank=fabric.global_rank,
            world=fabric.world_size,
        )
        self.row_weights = row_weights(data, balance=recipe.sampling.balance, repeat=recipe.sampling.repeat)
        steps = len(self.batches) * options.epochs
        self.equal_from = round(steps * (1 - options.swa)) if options.swa else None
        self.averaged = build_average(self.network, decay=options.ema, equal_from=self.equal_from)
        scheduler = LambdaLR(self.optimizer, self._rates(steps))
        hardness = torch.zeros(2, len(data))
        self.trained = Trained(self.network, self.averaged, self.optimizer, scheduler, hardness)
        self.loader = build_loader(self.task.dataset, self.batches, workers=options.workers)

        if resume:
            self.place, scaler = read_state(out, self.trained, now=self.place)
            fabric.strategy.precision.load_state_dict(scaler)
        elif self.leads:
            out.mkdir(parents=True, exist_ok=True)
            write_description(out, SCHEMA, self.task.schema.to_json())
            write_recipe(recipe, out / RECIPE)

    @property
    def frozen_epochs(self) -> int:
        """How many epochs the backbone stays fixed."""
        return math.ceil(round(self.recipe.train.epochs * self.recipe.train.freeze_backbone, 6))

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or validation has shown no progress for long enough."""
        options = self.recipe.train
        return self.place.epoch >= options.epochs or 0 < options.early_stop <= self.place.stale

    def _rates(self, steps: int) -> list[Callable[[int], float]]:
        """Build the factor on the learning rate for each of the optimizer's groups."""
        options = self.recipe.train
        schedule = build_schedule(
            options.schedule,
            steps=steps,
            **{key: getattr(options, key) for key in ("warmup", "milestones", "gamma", "cycles")},
        )

        def rate(step: int) -> float:
            return schedule(step) * self.place.rate

        def backbone_rate(step: int) -> float:
            return rate(step) if step >= self.frozen_epochs * len(self.batches) else 0.0

        return [backbone_rate if group["backbone"] else rate for group in self.optimizer.param_groups]

    def train_epoch(self, on_step: Callable[[int, int, float], None]) -> tuple[int, float]:
        """Train the epoch under way to its end.

        Returns:
            how many photos were seen since the start or the resumption, and the epoch's mean loss.
        """
        place, options = self.place, self.recipe.train
        self._choose_photos(place.step)
        first_step = place.step
        self.model.train()
        if options.freeze_backbone_norm or place.epoch < self.frozen_epochs:
            self.network.freeze_backbone_norm()
        for batch in load_batches(self.loader):
            torch.manual_seed(zlib.crc32(f"{options.seed} {place.epoch} {place.step}".encode()))
            loss = self._step(self.fabric.to_device(batch))
            place.step += 1
            place.loss_sum += loss
            if self.leads:
                on_step(place.step, len(self.batches), loss)
            if (
                options.checkpoint_steps
                and place.step % options.checkpoint_steps == 0
                and place.step < len(self.batches)
            ):
                self.checkpoint()
        photos = (place.step - first_step) * options.batch_size * self.fabric.world_size
        mean_loss = self.fabric.all_reduce(torch.tensor(place.loss_sum / place.step), reduce_op="mean")
        assert isinstance(mean_loss, Tensor)
        place.epoch, place.step, place.loss_sum = place.epoch + 1, 0, 0.0
        self._share_hardness()
        return photos, mean_loss.item()

    def _choose_photos(self, start: int) -> None:
        """Set the order of the epoch under way, from one of its steps on."""
        sampling, weights = self.recipe.sampling, self.row_weights
        if sampling.hard:
            losses = self.trained.hardness[0].numpy()
            weights = weights * hard_weights(losses, share=sampling.hard, factor=sampling.hard_repeat)
        self.batches.epoch, self.batches.start = self.place.epoch, start
        self.batches.weights = None if (weights == weights[0]).all() else weights

    def _share_hardness(self) -> None:
        """Bring the running losses of all processes together; the next epoch starts from them."""
        before, now = self.trained.hardness
        change = self.fabric.all_reduce(now - before, reduce_op="sum")
        assert isinstance(change, Tensor)
        change = change.to(before.device)  # Fabric moves what it sums to its own device
        self.trained.hardness.copy_((before + change).expand(2, -1))

    def _step(self, batch: dict[str, Any]) -> float:
        """Learn from one batch, and return its loss."""
        loss, garments = self.task.loss(self.model, batch)
        self.fabric.backward(loss)
        norm = self.fabric.clip_gradients(
            self.model, self.optimizer, max_norm=self.recipe.train.clip or math.inf, error_if_nonfinite=False
        )
        assert isinstance(norm, Tensor)
        # A gradient scaler meets overflows by itself; without one a gradient that is not finite is an end.
        if not torch.isfinite(loss) or not (torch.isfinite(norm) or self.recipe.train.precision == "16-mixed"):
            raise TrainingError(_explain_not_finite(self.place, loss, norm, garments, batch["row"], self.data))
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.trained.scheduler.step()
        self.averaged.update_parameters(self.network)
        running, rows = self.trained.hardness[1], batch["row"].cpu()
        running[rows] = torch.where(running[rows] > 0, running[rows].lerp(garments.cpu(), 0.5), garments.cpu())
        return loss.item()

    def validate(self) -> dict[str, float]:
        """Measure the averaged weights, and keep them if they are the best so far.

        The rate falls, or training ends, where that has brought nothing better for long enough.

        Returns:
            the task's metrics; {} where there is no validation data, or it is not due.
        """
        place, options, task = self.place, self.recipe.train, self.task
        due = place.epoch % options.validate_every == 0 or place.epoch == options.epochs
        if due and self.leads and self.equal_from is not None and place.epoch * len(self.batches) > self.equal_from:
            self._choose_photos(0)
            images = (self.fabric.to_device(batch["image"]) for batch in load_batches(self.loader))
            fixed = getattr(self.averaged.module, "backbone", None) if options.freeze_backbone_norm else None
            refresh_norm(self.averaged, images, fixed=fixed)
        if self.validation is None or not due:
            return {}
        scores = self.fabric.broadcast(self._measure(self.validation) if self.leads else None)
        assert isinstance(scores, dict)
        score = scores[task.metrics[0]]
        if math.isfinite(score) and (place.best is None or task.is_better(score, place.best)):
            place.best, place.stale = score, 0
            if self.leads:
                self._write_weights(BEST, scores)
        else:
            place.stale += 1
            if options.schedule == "plateau" and place.stale % options.patience == 0:
                place.rate *= options.gamma
        return scores

    def _measure(self, validation: AnnotationTable) -> dict[str, float]:
        return self.task.measure(
            self.averaged.module, validation, device=self.fabric.device, autocast=self.fabric.autocast
        )

    def checkpoint(self, scores: dict[str, float] | None = None) -> None:
        """Write the last weights and the state; `scores` are what validation measured, where it did."""
        if self.leads:
            self._write_weights(LAST, scores or {})
            write_state(self.out, self.place, self.trained, scaler=self.fabric.strategy.precision.state_dict())
        self.fabric.barrier()

    def _write_weights(self, name: str, scores: dict[str, float]) -> None:
        description = {
            "schema": self.task.schema.to_json(),
            "recipe": self.recipe.model_dump(mode="json"),
            "epoch": self.place.epoch,
            **{metric: scores.get(metric) for metric in self.task.metrics},
        }
        write_weights(self.out / name, self.averaged.module.state_dict(), description)


def _rows_for(recipe: TrainingRecipe, table: AnnotationTable, purpose: str) -> AnnotationTable:
    """Keep the rows of the recipe's categories that have a labelled point."""
    rows = table.of_categories(recipe.categories)
    if not len(rows):
        raise DataError(
            f"the {purpose} data has no garment of the recipe's categories ({', '.join(recipe.categories)}); "
            f"it has {', '.join(sorted(set(table.categories))) or 'none at all'}"
        )
    labelled = rows.labelled()
    if not len(labelled):
        raise DataError(f"the {purpose} data has no labelled point: is it a test file without labels?")
    return labelled


def _check_folder(out: Path, recipe: TrainingRecipe, *, resume: bool) -> None:
    """Make sure that a run folder is free, or holds the run to resume.

    A folder without weights is free: a run that failed before its first checkpoint left nothing to keep.
    """
    if not resume and ((out / STATE).is_file() or (out / LAST).is_file()):
        raise TrainingError(f"{out} already holds a run; add --resume to go on with it, or give another --out")
    if not (out / STATE).is_file():
        return
    before, now = (fixed_keys(kept) for kept in (read_any_recipe(out / RECIPE), recipe))
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if changed:
        raise TrainingError(
            f"{out} was started with another recipe; these keys differ: {', '.join(changed)}. "
            "Resume with the same recipe, or start a new run with another --out"
        )


def fixed_keys(recipe: TrainingRecipe) -> dict[str, Any]:
    """Flatten a recipe to the dotted keys that a resumed run must not change."""
    content = recipe.model_dump(mode="json")
    flat = {key: value for key, value in content.items() if not isinstance(value, dict)}
    for section, values in content.items():
        if isinstance(values, dict):
            flat |= {f"{section}.{key}": json.dumps(value) for key, value in values.items()}
    return {key: value for key, value in flat.items() if key not in {f"train.{free}" for free in FREE_ON_RESUME}}


def _explain_not_finite(
    place: Place, loss: Tensor, norm: Tensor, garments: Tensor, rows: Tensor, data: AnnotationTable
) -> str:
    guilty = ~torch.isfinite(garments).cpu()
    if not guilty.any():
        guilty[:] = True
    names = [data.image_ids[row] for row in rows.cpu()[guilty].tolist()]
    return (
        f"epoch {place.epoch + 1}, step {place.step + 1}: the loss is {loss.item():.4g} and the gradient's norm "
        f"{norm.item():.4g}; a run cannot go on from there. Photos: {', '.join(names)}. Look at their labels, lower "
        "train.lr, or set train.precision to '32-true'; the last checkpoint is as it was"
    )
