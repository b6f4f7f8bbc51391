"""From a recipe to objects: the network with its schema, the data set, the devices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning.fabric import Fabric
from lightning.fabric.plugins import MixedPrecision
from torch import nn

from hemline.annotation import AnnotationTable
from hemline.codecs import DECODE_OPTIONS, decode_options
from hemline.errors import RecipeError, WeightsError
from hemline.images import image_size
from hemline.infer.detector import DetectorSchema
from hemline.infer.schema import Schema, channels_of, keypoint_names, mean_layouts, mean_shapes
from hemline.infer.torch_backend import find_weights
from hemline.learn.augment import Augmenter
from hemline.learn.checkpoint import load_strictly, read_weights
from hemline.learn.dataset import PhotoDataset
from hemline.models import build_model
from hemline.models.network import Network
from hemline.recipe import Recipe, TrainingRecipe


def model_arguments(recipe: Recipe) -> dict[str, Any]:
    """Return the arguments of `build_model` that a recipe stands for, but for the backbone's weights.

    Raises:
        RecipeError: model.options holds what other keys of the recipe say.
    """
    reserved = ("name", "keypoints", "size", "mean", "std", "backbone", "backbone_weights")
    check_options("model", recipe.model.options, reserved=reserved)
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


def build_network(
    recipe: Recipe, data: AnnotationTable, *, backbone_weights: str | None = None
) -> tuple[Network, Schema]:
    """Build the network and describe it.

    Args:
        recipe: names it.
        data: whose mean layouts and shapes go into the schema.
        backbone_weights: instead of the recipe's.
    """
    reserved = ("name", "size_wh", "stride", "keypoints", *DECODE_OPTIONS)
    check_options("codec", recipe.codec.options, reserved=reserved)
    decode = decode_options(recipe.codec.name, **recipe.decode.model_dump())
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
            **decode,
        },
        keypoints=keypoint_names(keypoints),
        limbs=limbs,
        size=recipe.input.size,
        predict=recipe.predict.model_dump(exclude={"batch_size"}),
        layouts=mean_layouts(data, sizes_wh),
        shapes=mean_shapes(data),
    )
    return network, schema


def load_start(network: nn.Module, schema: Schema | DetectorSchema, path: Path, *, same: str) -> None:
    """Fill a network with the weights of a trained one of the same kind.

    Args:
        network: filled in place.
        schema: what it predicts.
        path: a run folder, of which the best weights are taken, else the last; or a weights file.
        same: what of the schemas must agree, "keypoints" or "categories".
    Raises:
        WeightsError: no such weights, or those of another network.
    """
    file = find_weights(path)
    tensors, description = read_weights(file)
    known = description.get("schema", {}).get(same)
    if known != list(getattr(schema, same)):
        raise WeightsError(
            f"{file} cannot be a start: {'a training state' if known is None else f'its {same} are others'}; give a "
            f"network of {', '.join(schema.categories)}"
        )
    load_strictly(network, tensors, source=str(file))


def build_dataset(recipe: Recipe, data: AnnotationTable, schema: Schema) -> PhotoDataset:
    """Build the training data set."""
    return PhotoDataset(
        data,
        codec=schema.build_codec(),
        keypoints=schema.indices,
        size=recipe.input.size,
        augmenter=Augmenter(**recipe.augment.model_dump()),
        seed=recipe.train.seed,
        occluded_weight=recipe.loss.occluded_weight,
        ohkm=dict.fromkeys(recipe.categories, recipe.loss.ohkm) | recipe.loss.ohkm_of,
        synthetic=recipe.data.synthetic,
    )


def build_fabric(recipe: TrainingRecipe) -> Fabric:
    """Choose the devices and start the processes.

    Raises:
        RecipeError: no such accelerator, strategy or number of devices here.
    """
    options = recipe.train
    keys = ("accelerator", "devices", "strategy", "num_nodes", "precision")
    try:
        fabric = Fabric(**{key: getattr(options, key) for key in keys})
        mixed = fabric.strategy.precision
        if isinstance(mixed, MixedPrecision) and options.precision != "32-true":
            fabric.strategy.precision = _ExactInputs(options.precision, mixed.device, mixed.scaler)
        fabric.launch()
    except (RuntimeError, TypeError, ValueError) as error:
        got = ", ".join(f"train.{key} = {getattr(options, key)!r}" for key in keys)
        raise RecipeError(f"{got}: this machine cannot do that ({error})") from error
    return fabric


class _ExactInputs(MixedPrecision):
    """Mixed precision that leaves what a network is given as it is: a box in bfloat16 is a pixel off."""

    def convert_input(self, data: Any) -> Any:
        return data


def check_options(section: str, options: dict[str, Any], *, reserved: Sequence[str]) -> None:
    """Make sure that a section's options leave alone what other keys say.

    Raises:
        RecipeError: they do not; names them.
    """
    taken = [name for name in reserved if name in options]
    if taken:
        raise RecipeError(f"{section}.options must not set {', '.join(taken)}: hemline does, from other keys")
