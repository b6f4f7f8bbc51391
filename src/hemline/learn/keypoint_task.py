"""Learning keypoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hemline.annotation import AnnotationTable
from hemline.infer.build import build_predictor
from hemline.infer.stream import predict_table
from hemline.infer.torch_backend import Autocast, torch_runner
from hemline.learn.build import build_dataset, build_network, load_start
from hemline.learn.losses import check_losses, total_loss
from hemline.learn.task import Task
from hemline.metrics import ne
from hemline.recipe import Recipe


class KeypointTask(Task):
    """Learn keypoints; NE decides.

    Args:
        recipe: how.
        data: labelled garments with paths.
        resume: the network's weights come from a state file, so that none are loaded here.
    """

    metrics = ("ne",)

    def __init__(self, recipe: Recipe, data: AnnotationTable, *, resume: bool) -> None:
        check_losses([term.name for term in recipe.loss.terms], recipe.codec.name)
        self.recipe = recipe
        weights = "random" if resume or recipe.model.weights else recipe.model.backbone_weights
        network, schema = build_network(recipe, data, backbone_weights=weights)
        if recipe.model.weights and not resume:
            load_start(network, schema, Path(recipe.model.weights), same="keypoints")
        self.network, self.schema = network, schema
        self.dataset = build_dataset(recipe, data, schema)

    def loss(self, model: nn.Module, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        options = self.recipe.loss
        return total_loss(
            model(batch["image"]),
            batch["target"],
            batch["weight"],
            terms=options.pairs,
            ohkm=batch["ohkm"],
            ohkm_batch=options.ohkm_batch,
            ohem=options.ohem,
            stage_weights=options.stage_weights,
            scales=dict.fromkeys(options.distance_weighted, batch["distance_weight"]),
        )

    def measure(
        self, network: nn.Module, validation: AnnotationTable, *, device: torch.device, autocast: Autocast
    ) -> dict[str, float]:
        runner = torch_runner(network, device=device, autocast=autocast)
        predictor = build_predictor(runner, self.schema, batch_size=self.recipe.predict.batch_size)
        predicted = predict_table(predictor, validation).points[:, :, :2]
        return {"ne": ne(predicted, validation.points, categories=validation.categories)}

    def is_better(self, score: float, than: float) -> bool:
        return score < than
