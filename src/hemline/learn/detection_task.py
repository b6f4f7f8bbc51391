"""Learning to find garments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hemline.annotation import AnnotationTable
from hemline.errors import RecipeError
from hemline.infer.detector import Detector, DetectorSchema
from hemline.infer.torch_backend import Autocast, detector_runner
from hemline.learn.augment import Augmenter
from hemline.learn.build import check_options, load_start
from hemline.learn.detection_dataset import DetectionDataset
from hemline.learn.task import Task
from hemline.models.detectors import build_detector
from hemline.recipe import DetectorRecipe
from hemline.report.detection import judge_detector, label_photos

_RESERVED = ("name", "categories", "size", "mean", "std", "backbone", "weights")


class DetectionTask(Task):
    """Learn garments' boxes; COCO's AP decides.

    Args:
        recipe: how.
        data: labelled garments with paths.
        resume: the network's weights come from a state file, so that none are loaded here.
    Raises:
        RecipeError: model.options holds what other keys say; or a key that detectors cannot have.
    """

    metrics = ("ap", "ap50", "keypoint_recall")

    def __init__(self, recipe: DetectorRecipe, data: AnnotationTable, *, resume: bool) -> None:
        check_options("model", recipe.model.options, reserved=_RESERVED)
        if recipe.train.swa:
            raise RecipeError("train.swa is not for detectors, whose batch norm it cannot refresh; use train.ema")
        if recipe.augment.paste:
            raise RecipeError("augment.paste is not for detectors: the piece may show a garment without a box")
        if recipe.sampling.hard:
            raise RecipeError("sampling.hard is not for detectors, whose losses are not known photo by photo")
        self.recipe = recipe
        arguments: dict[str, Any] = {
            "name": recipe.model.name,
            "categories": len(recipe.categories),
            "size": recipe.input.size,
            "mean": recipe.input.mean,
            "std": recipe.input.std,
            **recipe.model.options,
        }
        if recipe.model.backbone is not None:
            arguments["backbone"] = recipe.model.backbone
        known = resume or recipe.model.weights  # all weights come from elsewhere
        self.network = build_detector(**arguments, weights="random" if known else recipe.model.backbone_weights)
        detect = recipe.detect.model_dump(exclude={"batch_size"})
        self.schema = DetectorSchema(recipe.categories, arguments, recipe.input.size, detect)
        if recipe.model.weights and not resume:
            load_start(self.network, self.schema, Path(recipe.model.weights), same="categories")
        self.dataset = DetectionDataset(
            data,
            categories=recipe.categories,
            size=recipe.input.size,
            augmenter=Augmenter(**recipe.augment.model_dump()),
            margin=recipe.detect.margin,
            masks=recipe.model.name == "maskrcnn",
            seed=recipe.train.seed,
            scenes=recipe.scenes.share,
            **recipe.scenes.model_dump(exclude={"share"}),
        )

    def loss(self, model: nn.Module, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        losses = model(batch["image"], batch["garments"])
        loss: Tensor = sum(losses.values(), start=batch["image"].new_zeros((), dtype=torch.float32))
        return loss, loss.detach().expand(len(batch["row"]))  # torchvision gives no losses of single photos

    def measure(
        self, network: nn.Module, validation: AnnotationTable, *, device: torch.device, autocast: Autocast
    ) -> dict[str, float]:
        runner = detector_runner(network, device=device, autocast=autocast)
        detector = Detector(runner, self.schema, batch_size=self.recipe.detect.batch_size)
        scores = judge_detector(detector, label_photos(validation, margin=detector.margin))
        return {"ap": scores.ap, "ap50": scores.ap50, "keypoint_recall": scores.keypoint_recall}

    def is_better(self, score: float, than: float) -> bool:
        return score > than
