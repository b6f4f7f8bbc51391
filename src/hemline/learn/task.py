"""What a training learns: the part of it that differs between keypoints and boxes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from hemline.annotation import AnnotationTable
from hemline.infer.torch_backend import Autocast


class Task(ABC):
    """A network, what it learns from, and how well it has learned.

    Attributes:
        metrics: what `measure` measures; the first decides which epoch is the best.
        network: a models.network.Network, or a models.detectors.DetectorNetwork.
        schema: what predicting needs to know besides the weights, with `to_json`.
        dataset: of training samples by (epoch, row), dicts with "image" (S, S, 3) uint8 and "row".
    """

    metrics: ClassVar[tuple[str, ...]]
    network: Any
    schema: Any
    dataset: Dataset[Any]

    @abstractmethod
    def loss(self, model: nn.Module, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Measure the loss of a batch on its device.

        Args:
            model: the network, perhaps wrapped.
            batch: what the loader stacked.
        Returns:
            a scalar, and the losses of the single photos (B,), detached.
        """

    @abstractmethod
    def measure(
        self, network: nn.Module, validation: AnnotationTable, *, device: torch.device, autocast: Autocast
    ) -> dict[str, float]:
        """Predict validation data, and return the metrics."""

    @abstractmethod
    def is_better(self, score: float, than: float) -> bool:
        """Compare two values of the first metric."""
