"""The training loop, top to bottom, and the one place that turns a recipe into objects."""

from __future__ import annotations

import contextlib
import json
import math
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from hemline.annotation import ABSENT, AnnotationTable
from hemline.errors import DataError, ImageError, RecipeError, TrainingError
from hemline.images import image_size
from hemline.infer.predictor import Predictor
from hemline.infer.schema import Schema, channels_of, keypoint_names, mean_layouts
from hemline.infer.stream import predict_table
from hemline.infer.torch_backend import torch_runner
from hemline.learn.augment import Augmenter
from hemline.learn.checkpoint import BEST, LAST, write_weights
from hemline.learn.dataset import EpochBatches, PhotoDataset, build_loader
from hemline.learn.losses import check_losses, total_loss
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
from hemline.metrics import ne
from hemline.models import build_model
from hemline.models.network import Network
from hemline.recipe import Recipe, read_recipe, write_recipe

FREE_ON_RESUME = ("workers", "accelerator", "devices", "strategy", "num_nodes", "checkpoint_steps")
"""Keys of [train] that may change between a run and its resumption, as long as the number of processes stays."""


def fit(
    recipe: Recipe,
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
        validation: labelled garments for NE after each epoch and for choosing the best one.
        resume: go on from the folder's last checkpoint; start where there is none yet.
        on_step: called after each step with its number in the epoch, the steps per epoch, and the loss.
        on_epoch: called after each epoch.
    Returns:
        the weights file to use: the best epoch's, or the last one's without validation.
    Raises:
        TrainingError: the folder holds another run, a loss is not finite, or resuming does not fit.
        DataError, ImageError, RecipeError, WeightsError: the data, a photo, the recipe or weights are at fault.
    """
    data = _rows_for(recipe, data, "training")
    if validation is not None:
        validation = _rows_for(recipe, validation, "validation")
        untrained = set(validation.categories) - set(data.categories)
        if untrained:
            raise DataError(f"the validation data has {', '.join(sorted(untrained))}, the training data has none")
    _check_folder(out, recipe, resume=resume)
    run = _Run(recipe, data, validation, out, resume=resume)
    with contextlib.ExitStack() as closing:
        log = closing.enter_context(RunLog(out, epochs_done=run.place.epoch)) if run.leads else None
        while run.place.epoch < recipe.train.epochs:
            began = time.perf_counter()
            photos, loss = run.train_epoch(on_step)
            seconds = time.perf_counter() - began
            error = run.validate()
            progress = Progress(
                epoch=run.place.epoch,
                epochs=recipe.train.epochs,
                step=run.place.epoch * len(run.batches),
                lr=float(run.trained.scheduler.get_last_lr()[-1]),
                loss=loss,
                ne=error,
                best=run.place.best,
                seconds=seconds,
                photos_per_second=photos / seconds,
            )
            if log:  # before the checkpoint: a row too many is dropped when the run is resumed, a missing one is lost
                log.write(progress)
            run.checkpoint(error)
            if log:
                on_epoch(progress)
    return out / (LAST if run.place.best is None else BEST)


class _Run:
    """The parts of a run, assembled from its recipe.

    Attributes:
        leads: whether this process is the one that validates and writes.
        place: where the run stands.
        batches: of the epoch under way.
        trained: what changes while it trains.
    """

    def __init__(
        self, recipe: Recipe, data: AnnotationTable, validation: AnnotationTable | None, out: Path, *, resume: bool
    ) -> None:
        options = recipe.train
        check_losses([term.name for term in recipe.loss.terms], recipe.codec.name)
        self.recipe, self.data, self.validation, self.out = recipe, data, validation, out
        self.fabric = fabric = _build_fabric(recipe)
        self.leads = fabric.is_global_zero
        if len(data) < fabric.world_size:
            raise DataError(f"{len(data)} training garments for {fabric.world_size} processes; lower train.devices")
        torch.manual_seed(options.seed)

        resume = resume and (out / STATE).is_file()
        weights = "random" if resume else recipe.model.backbone_weights  # the state holds them already
        self.network, self.schema = build_network(recipe, data, backbone_weights=weights)
        self.network.to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(_parameter_groups(self.network, recipe), lr=options.lr)
        self.model, self.optimizer = fabric.setup(self.network, optimizer)
        self.averaged = AveragedModel(self.network, multi_avg_fn=_moving_average(options.ema), use_buffers=True)
        self.batches = EpochBatches(
            len(data),
            batch_size=options.batch_size,
            seed=options.seed,
            rank=fabric.global_rank,
            world=fabric.world_size,
        )
        scheduler = LambdaLR(self.optimizer, _warmup_cosine(len(self.batches) * options.epochs, options.warmup))
        self.trained = Trained(self.network, self.averaged, self.optimizer, scheduler)
        self.loader = build_loader(_dataset(recipe, data, self.schema), self.batches, workers=options.workers)
        runner = torch_runner(self.averaged.module, device=fabric.device, autocast=fabric.autocast)
        self.predictor = Predictor(runner, self.schema, batch_size=recipe.predict.batch_size)

        self.place = Place(data=_fingerprint(data, validation), world=fabric.world_size)
        if resume:
            self.place, scaler = read_state(out, self.trained, now=self.place)
            fabric.strategy.precision.load_state_dict(scaler)
        elif self.leads:
            out.mkdir(parents=True, exist_ok=True)
            write_description(out, SCHEMA, self.schema.to_json())
            write_recipe(recipe, out / RECIPE)

    def train_epoch(self, on_step: Callable[[int, int, float], None]) -> tuple[int, float]:
        """Train the epoch under way to its end.

        Returns:
            how many photos were seen since the start or the resumption, and the epoch's mean loss.
        """
        place, options = self.place, self.recipe.train
        self.batches.epoch, self.batches.start = place.epoch, place.step
        first_step = place.step
        self.model.train()
        if options.freeze_backbone_norm:
            self.network.freeze_backbone_norm()
        for batch in self.loader:
            if isinstance(batch, ImageError):
                raise batch
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
        return photos, mean_loss.item()

    def _step(self, batch: dict[str, Any]) -> float:
        """Learn from one batch, and return its loss."""
        recipe = self.recipe
        images = batch["image"].permute(0, 3, 1, 2)  # (B, S, S, 3) -> (B, 3, S, S), channels last in memory
        loss, shares = total_loss(
            self.model(images), batch["target"], batch["weight"], terms=recipe.loss.pairs, ohkm=recipe.loss.ohkm
        )
        self.fabric.backward(loss)
        norm = self.fabric.clip_gradients(
            self.model, self.optimizer, max_norm=recipe.train.clip or math.inf, error_if_nonfinite=False
        )
        assert isinstance(norm, Tensor)
        # A gradient scaler meets overflows by itself; without one a gradient that is not finite is an end.
        if not torch.isfinite(loss) or not (torch.isfinite(norm) or recipe.train.precision == "16-mixed"):
            raise TrainingError(_explain_not_finite(self.place, loss, norm, shares, batch["row"], self.data))
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.trained.scheduler.step()
        self.averaged.update_parameters(self.network)
        return loss.item()

    def validate(self) -> float | None:
        """Measure NE of the averaged weights, and keep them if they are the best so far.

        Returns:
            percent; None where there is no validation data, or it is not due.
        """
        options = self.recipe.train
        due = self.place.epoch % options.validate_every == 0 or self.place.epoch == options.epochs
        if self.validation is None or not (due and self.leads):
            return None
        predicted = predict_table(self.predictor, self.validation).points[:, :, :2]
        error = ne(predicted, self.validation.points, categories=self.validation.categories)
        if math.isfinite(error) and (self.place.best is None or error < self.place.best):
            self.place.best = error
            self._write_weights(BEST, error)
        return error

    def checkpoint(self, error: float | None = None) -> None:
        """Write the last weights and the state; `error` is their validation NE, where it is known."""
        if self.leads:
            self._write_weights(LAST, error)
            write_state(self.out, self.place, self.trained, scaler=self.fabric.strategy.precision.state_dict())
        self.fabric.barrier()

    def _write_weights(self, name: str, error: float | None) -> None:
        description = {
            "schema": self.schema.to_json(),
            "recipe": self.recipe.model_dump(mode="json"),
            "epoch": self.place.epoch,
            "ne": error,
        }
        write_weights(self.out / name, self.averaged.module.state_dict(), description)


def _rows_for(recipe: Recipe, table: AnnotationTable, purpose: str) -> AnnotationTable:
    """Keep the rows of the recipe's categories."""
    rows = table.of_categories(recipe.categories)
    if not len(rows):
        raise DataError(
            f"the {purpose} data has no garment of the recipe's categories ({', '.join(recipe.categories)}); "
            f"it has {', '.join(sorted(set(table.categories))) or 'none at all'}"
        )
    if not (rows.points[:, :, 2] != ABSENT).any():
        raise DataError(f"the {purpose} data has no labelled point: is it a test file without labels?")
    return rows


def model_arguments(recipe: Recipe) -> dict[str, Any]:
    """Return the arguments of `build_model` that a recipe stands for, but for the backbone's weights.

    Raises:
        RecipeError: model.options holds what other keys of the recipe say.
    """
    reserved = ("name", "keypoints", "size", "mean", "std", "backbone", "backbone_weights")
    _check_options("model", recipe.model.options, reserved=reserved)
    keypoints, limbs = channels_of(recipe.categories)
    arguments: dict[str, Any] = {
        "name": recipe.model.name,
        "keypoints": len(keypoints),
        "limbs": len(limbs),
        "size": recipe.input.size,
        "mean": recipe.input.mean,
        "std": recipe.input.std,
        **recipe.model.options,
    }
    if recipe.model.backbone is not None:
        arguments["backbone"] = recipe.model.backbone
    return arguments


def _check_options(section: str, options: dict[str, Any], *, reserved: Sequence[str]) -> None:
    taken = [name for name in reserved if name in options]
    if taken:
        raise RecipeError(f"{section}.options must not set {', '.join(taken)}: hemline does, from other keys")


def _build_fabric(recipe: Recipe) -> Fabric:
    """Choose the devices and start the processes.

    Raises:
        RecipeError: no such accelerator, strategy or number of devices here.
    """
    options = recipe.train
    keys = ("accelerator", "devices", "strategy", "num_nodes", "precision")
    try:
        fabric = Fabric(**{key: getattr(options, key) for key in keys})
        fabric.launch()
    except (RuntimeError, TypeError, ValueError) as error:
        got = ", ".join(f"train.{key} = {getattr(options, key)!r}" for key in keys)
        raise RecipeError(f"{got}: this machine cannot do that ({error})") from error
    return fabric


def build_network(
    recipe: Recipe, data: AnnotationTable, *, backbone_weights: str | None = None
) -> tuple[Network, Schema]:
    """Build the network and describe it.

    Args:
        recipe: names it.
        data: whose mean layouts go into the schema.
        backbone_weights: instead of the recipe's.
    """
    _check_options("codec", recipe.codec.options, reserved=("name", "size_wh", "stride", "keypoints"))
    keypoints, limbs = channels_of(recipe.categories)
    arguments = model_arguments(recipe)
    network = build_model(**arguments, backbone_weights=backbone_weights or recipe.model.backbone_weights)
    sizes_wh = np.array([image_size(path) for path in data.paths])
    schema = Schema(
        categories=recipe.categories,
        model=arguments,
        codec={
            "name": recipe.codec.name,
            "size_wh": (recipe.input.size, recipe.input.size),
            "stride": network.output_stride,
            "keypoints": keypoints,
            "limbs": limbs,
            **recipe.codec.options,
        },
        keypoints=keypoint_names(keypoints),
        limbs=limbs,
        size=recipe.input.size,
        flip=recipe.predict.flip,
        layouts=mean_layouts(data, sizes_wh),
    )
    return network, schema


def _dataset(recipe: Recipe, data: AnnotationTable, schema: Schema) -> PhotoDataset:
    return PhotoDataset(
        data,
        codec=schema.build_codec(),
        keypoints=schema.indices,
        size=recipe.input.size,
        augmenter=Augmenter(**recipe.augment.model_dump()),
        seed=recipe.train.seed,
        occluded_weight=recipe.loss.occluded_weight,
    )


def _parameter_groups(network: Network, recipe: Recipe) -> list[dict[str, Any]]:
    """Split the parameters: the backbone learns at a rate of its own, biases and norms do not decay."""
    backbone = {id(parameter) for parameter in network.backbone_parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        groups.setdefault((id(parameter) in backbone, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": recipe.train.lr * (recipe.train.backbone_lr if is_backbone else 1.0),
            "weight_decay": recipe.train.weight_decay if decays else 0.0,
        }
        for (is_backbone, decays), parameters in sorted(groups.items(), key=lambda group: group[0], reverse=True)
    ]


def _warmup_cosine(steps: int, warmup: float) -> Callable[[int], float]:
    """Build the factor on the learning rate: a linear rise, then half a cosine down to zero."""
    rising = max(1, round(steps * warmup))

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1, steps - rising))))

    return factor


def _moving_average(decay: float) -> Callable[[Any, Any, Tensor | int], None]:
    """Build the exponential moving average of weights whose memory grows from nothing to `decay`.

    Without the growth a short run would end with weights that still remember the random start.
    """

    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
        share = 1 - min(decay, (1 + int(count)) / (10 + int(count))) if decay else 1.0
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, share)
        else:  # batch norm's step counters
            torch._foreach_copy_(averaged, current)

    return update


def _check_folder(out: Path, recipe: Recipe, *, resume: bool) -> None:
    """Make sure that a run folder is free, or holds the run to resume.

    A folder without weights is free: a run that failed before its first checkpoint left nothing to keep.
    """
    if not resume and ((out / STATE).is_file() or (out / LAST).is_file()):
        raise TrainingError(f"{out} already holds a run; add --resume to go on with it, or give another --out")
    if not (out / STATE).is_file():
        return
    before, now = (_fixed(kept) for kept in (read_recipe(out / RECIPE), recipe))
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if changed:
        raise TrainingError(
            f"{out} was started with another recipe; these keys differ: {', '.join(changed)}. "
            "Resume with the same recipe, or start a new run with another --out"
        )


def _fixed(recipe: Recipe) -> dict[str, Any]:
    """Flatten a recipe to the dotted keys that a resumed run must not change."""
    content = recipe.model_dump(mode="json")
    flat = {key: value for key, value in content.items() if not isinstance(value, dict)}
    for section, values in content.items():
        if isinstance(values, dict):
            flat |= {f"{section}.{key}": json.dumps(value) for key, value in values.items()}
    return {key: value for key, value in flat.items() if key not in {f"train.{free}" for free in FREE_ON_RESUME}}


def _fingerprint(*tables: AnnotationTable | None) -> int:
    """Digest the ids and labels of several tables in their order."""
    digest = 0
    for table in tables:
        names = [] if table is None else [*table.image_ids, *table.categories]
        digest = zlib.crc32("\n".join(names).encode(), digest)
        digest = digest if table is None else zlib.crc32(table.points.tobytes(), digest)
    return digest


def _explain_not_finite(
    place: Place, loss: Tensor, norm: Tensor, shares: Tensor, rows: Tensor, data: AnnotationTable
) -> str:
    guilty = ~torch.isfinite(shares).cpu()
    if not guilty.any():
        guilty[:] = True
    names = [data.image_ids[row] for row in rows.cpu()[guilty].tolist()]
    return (
        f"epoch {place.epoch + 1}, step {place.step + 1}: the loss is {loss.item():.4g} and the gradient's norm "
        f"{norm.item():.4g}; a run cannot go on from there. Photos: {', '.join(names)}. Look at their labels, lower "
        "train.lr, or set train.precision to '32-true'; the last checkpoint is as it was"
    )
