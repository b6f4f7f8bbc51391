"""The training loop, top to bottom, and the one place that turns a recipe into objects."""

from __future__ import annotations

import json
import math
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from hemline.annotation import ABSENT, AnnotationTable
from hemline.errors import DataError, ImageError, TrainingError
from hemline.images import image_size
from hemline.infer.predictor import Predictor
from hemline.infer.schema import Schema, channels_of, keypoint_names, mean_layouts
from hemline.infer.stream import predict_table
from hemline.infer.torch_backend import torch_runner
from hemline.learn.augment import Augmenter
from hemline.learn.checkpoint import write_weights
from hemline.learn.dataset import EpochBatches, PhotoDataset, build_loader
from hemline.learn.losses import check_losses, total_loss
from hemline.learn.run_folder import (
    BEST,
    LAST,
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
"""Keys of [train] that may change between a run and its resumption: they do not change what is learned."""


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
    options = recipe.train
    data = _rows_for(recipe, data, "training")
    validation = None if validation is None else _rows_for(recipe, validation, "validation")
    check_losses([term.name for term in recipe.loss.terms], recipe.codec.name)
    fabric = Fabric(
        accelerator=options.accelerator,
        devices=options.devices,
        strategy=options.strategy,
        num_nodes=options.num_nodes,
        precision=options.precision,
    )
    fabric.launch()
    torch.manual_seed(options.seed)

    network, schema = build_network(recipe, data)
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(_parameter_groups(network, recipe), lr=options.lr)
    model, optimizer = fabric.setup(network, optimizer)
    averaged = AveragedModel(network, multi_avg_fn=_moving_average(options.ema), use_buffers=True)
    batches = EpochBatches(
        len(data), batch_size=options.batch_size, seed=options.seed, rank=fabric.global_rank, world=fabric.world_size
    )
    scheduler = LambdaLR(optimizer, _warmup_cosine(len(batches) * options.epochs, options.warmup))
    loader = build_loader(_dataset(recipe, data, schema), batches, workers=options.workers)
    trained = Trained(network, averaged, optimizer, scheduler)
    runner = torch_runner(averaged.module, device=fabric.device, autocast=fabric.autocast)
    predictor = Predictor(runner, schema, batch_size=recipe.predict.batch_size)

    place = Place(data=_fingerprint(data))
    if fabric.is_global_zero:
        _open_folder(out, recipe, schema, resume=resume)
    fabric.barrier()
    if resume and (out / STATE).is_file():
        place, scaler = read_state(out, trained, data=place.data)
        fabric.strategy.precision.load_state_dict(scaler)
    log = RunLog(out, epochs_done=place.epoch) if fabric.is_global_zero else None

    def save_weights(name: str, error: float | None) -> None:
        description = {
            "schema": schema.to_json(),
            "recipe": recipe.model_dump(mode="json"),
            "epoch": place.epoch,
            "ne": error,
        }
        write_weights(out / name, averaged.module.state_dict(), description)

    def checkpoint(error: float | None = None) -> None:
        if fabric.is_global_zero:
            save_weights(LAST, error)
            write_state(out, place, trained, scaler=fabric.strategy.precision.state_dict())

    while place.epoch < options.epochs:
        batches.epoch, batches.start = place.epoch, place.step
        began, first_step = time.perf_counter(), place.step
        model.train()
        if options.freeze_backbone_norm:
            network.freeze_backbone_norm()
        for batch in loader:
            if isinstance(batch, ImageError):
                raise batch
            torch.manual_seed(zlib.crc32(f"{options.seed} {place.epoch} {place.step}".encode()))
            batch = fabric.to_device(batch)
            images = batch["image"].permute(0, 3, 1, 2)  # (B, S, S, 3) to (B, 3, S, S), channels last in memory
            loss, shares = total_loss(
                model(images), batch["target"], batch["weight"], terms=recipe.loss.pairs, ohkm=recipe.loss.ohkm
            )
            fabric.backward(loss)
            norm = fabric.clip_gradients(model, optimizer, max_norm=options.clip or math.inf, error_if_nonfinite=False)
            # A gradient scaler meets overflows by itself; without one a gradient that is not finite is an end.
            if not torch.isfinite(loss) or not (torch.isfinite(norm) or options.precision == "16-mixed"):
                raise TrainingError(_explain_not_finite(place, loss, norm, shares, batch["row"], data))
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
            averaged.update_parameters(network)
            place.step += 1
            place.loss_sum += loss.item()
            on_step(place.step, len(batches), loss.item())
            if options.checkpoint_steps and place.step % options.checkpoint_steps == 0 and place.step < len(batches):
                checkpoint()
        seconds = time.perf_counter() - began
        photos = (place.step - first_step) * options.batch_size * fabric.world_size
        mean_loss = place.loss_sum / place.step
        place.epoch, place.step, place.loss_sum = place.epoch + 1, 0, 0.0

        error = None
        due = place.epoch % options.validate_every == 0 or place.epoch == options.epochs
        if validation is not None and due and fabric.is_global_zero:
            predicted = predict_table(predictor, validation).points[:, :, :2]
            error = ne(predicted, validation.points, categories=validation.categories)
            if math.isfinite(error) and (place.best is None or error < place.best):
                place.best = error
                save_weights(BEST, error)
        checkpoint(error)
        if log is not None:
            progress = Progress(
                epoch=place.epoch,
                epochs=options.epochs,
                step=place.epoch * len(batches),
                lr=scheduler.get_last_lr()[-1],
                loss=mean_loss,
                ne=error,
                best=place.best,
                seconds=seconds,
                photos_per_second=photos / seconds,
            )
            log.write(progress)
            on_epoch(progress)
        fabric.barrier()
    if log is not None:
        log.close()
    return out / (BEST if (out / BEST).is_file() else LAST)


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


def build_network(recipe: Recipe, data: AnnotationTable) -> tuple[Network, Schema]:
    """Build the network and describe it."""
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
    network = build_model(**arguments, backbone_weights=recipe.model.backbone_weights)
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


def _moving_average(decay: float) -> Callable[[list[Tensor], list[Tensor], Tensor], None]:
    """Build the exponential moving average of weights whose memory grows from nothing to `decay`.

    Without the growth a short run would end with weights that still remember the random start.
    """

    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        share = 1 - min(decay, (1 + count.item()) / (10 + count.item())) if decay else 1.0
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, share)
        else:  # batch norm's step counters
            torch._foreach_copy_(averaged, current)

    return update


def _open_folder(out: Path, recipe: Recipe, schema: Schema, *, resume: bool) -> None:
    """Begin a run folder, or make sure that the one there is the one to resume."""
    if (out / RECIPE).is_file():
        if not resume:
            raise TrainingError(f"{out} already holds a run; add --resume to go on with it, or give another --out")
        before, now = (_fixed(kept) for kept in (read_recipe(out / RECIPE), recipe))
        changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
        if changed:
            raise TrainingError(
                f"{out} was started with another recipe; these keys differ: {', '.join(changed)}. "
                "Resume with the same recipe, or start a new run with another --out"
            )
        return
    out.mkdir(parents=True, exist_ok=True)
    write_description(out, SCHEMA, schema.to_json())
    write_recipe(recipe, out / RECIPE)


def _fixed(recipe: Recipe) -> dict[str, Any]:
    """Flatten a recipe to the dotted keys that a resumed run must not change."""
    content = recipe.model_dump(mode="json")
    flat = {key: value for key, value in content.items() if not isinstance(value, dict)}
    for section, values in content.items():
        if isinstance(values, dict):
            flat |= {f"{section}.{key}": json.dumps(value) for key, value in values.items()}
    return {key: value for key, value in flat.items() if key not in {f"train.{free}" for free in FREE_ON_RESUME}}


def _fingerprint(data: AnnotationTable) -> int:
    """Digest the ids and labels in their order."""
    return zlib.crc32(data.points.tobytes(), zlib.crc32("\n".join([*data.image_ids, *data.categories]).encode()))


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
