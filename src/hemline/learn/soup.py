"""Model soup: the averaged weights of several trained networks as one network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hemline.annotation import AnnotationTable
from hemline.errors import DataError, WeightsError
from hemline.infer.schema import Schema
from hemline.infer.torch_backend import choose_device, find_weights
from hemline.learn.averaging import average_weights, refresh_norm
from hemline.learn.build import build_dataset
from hemline.learn.checkpoint import load_strictly, read_weights, write_weights
from hemline.learn.dataset import EpochBatches, build_loader, load_batches
from hemline.models import build_model
from hemline.recipe import parse_recipe

_SAME = ("categories", "model", "codec", "keypoints", "limbs", "size")
"""Fields of the schema in which the networks must agree."""


def cook_soup(paths: Sequence[Path], out: Path, *, data: AnnotationTable | None = None) -> None:
    """Average networks and write the result.

    Args:
        paths: run folders or weights files; networks with a common start, such as checkpoints of one run or
            trainings from the same weights, are worth averaging, others are not.
        out: ends in .safetensors.
        data: training garments on which batch norm's statistics are measured anew, as the first network's recipe
            augments them; without it they are averaged, too.
    Raises:
        WeightsError: the networks are of different kinds, or detectors, or `out` has another ending.
        DataError: no garment of the networks' categories in `data`.
    """
    if out.suffix != ".safetensors":
        raise WeightsError(f"{out}: the name of a weights file ends in .safetensors")
    files = [find_weights(path) for path in paths]
    weights, descriptions = zip(*(read_weights(file) for file in files), strict=True)
    for file, description in zip(files, descriptions, strict=True):
        if "schema" not in description:
            raise WeightsError(f"{file}: a training state, not a network; give the run folder")
        Schema.from_json(description["schema"], source=str(file))
        different = [key for key in _SAME if description["schema"][key] != descriptions[0]["schema"][key]]
        if different:
            raise WeightsError(f"{files[0]} and {file} are networks of different kinds: {', '.join(different)} differ")
    tensors = average_weights(weights)
    first = descriptions[0]
    if data is not None:
        recipe = parse_recipe(first["recipe"], source=str(files[0]))
        schema = Schema.from_json(first["schema"], source=str(files[0]))
        network = build_model(**schema.model)
        load_strictly(network, tensors, source=str(out))
        device = choose_device("auto")
        rows = data.of_categories(recipe.categories)
        if not len(rows):
            raise DataError(f"--data has no garment of the networks' categories ({', '.join(recipe.categories)})")
        dataset = build_dataset(recipe, rows, schema)
        batches = EpochBatches(len(dataset), batch_size=recipe.train.batch_size, seed=recipe.train.seed)
        loader = build_loader(dataset, batches, workers=recipe.train.workers)
        images = (batch["image"].to(device) for batch in load_batches(loader))
        fixed = getattr(network, "backbone", None) if recipe.train.freeze_backbone_norm else None
        refresh_norm(network.to(device), images, fixed=fixed)
        tensors = network.state_dict()
    write_weights(out, tensors, {**first, "epoch": None, "ne": None, "soup": [str(file) for file in files]})
