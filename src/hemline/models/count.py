"""Size and cost of networks."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hemline.models import MODELS, build_model


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """One line of the table of networks.

    Attributes:
        paper: arXiv number that the head of the architecture's file names first after "Paper:"; empty without one.
        parameters: see `count_parameters`.
        flops: see `count_flops`, at the size asked for.
        outputs: names of the outputs of all stages (models/network.py).
    """

    paper: str
    parameters: int
    flops: int
    outputs: tuple[str, ...]


def measure_network(name: str, *, size: int, **options: Any) -> NetworkSize:
    """Build a network without memory for its weights, and measure it.

    Args:
        name, options: of `build_model`.
        size: side of the square input.
    Raises:
        RecipeError: see `build_model`.
    """
    with torch.device("meta"):
        network = build_model(name, size=size, **options)
        outputs = [output for stage in network.eval()(torch.zeros(1, 3, size, size)) for output in stage]
    head = inspect.getdoc(inspect.getmodule(MODELS[name])) or ""
    paper = re.search(r"^Papers?:.*?(\d{4}\.\d{4,5})", head, re.MULTILINE | re.DOTALL)
    return NetworkSize(
        paper=paper[1] if paper else "",
        parameters=count_parameters(network),
        flops=count_flops(network, size),
        outputs=tuple(dict.fromkeys(outputs)),
    )


def count_parameters(model: nn.Module) -> int:
    """Count the weights that training changes."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_flops(model: nn.Module, size: int | tuple[int, int]) -> int:
    """Count the multiply-adds of one photo through the network, a multiplication and an addition as one.

    That is the unit of nearly all papers of this field, which call it FLOPs; torch counts two for each.
    Convolutions, matrix products and attention count; normalisation, activations and resizing do not.

    Args:
        model: any module that takes images (B, 3, H, W).
        size: height and width of the photo, or both.
    """
    height, width = (size, size) if isinstance(size, int) else size
    parameter = next(model.parameters())
    images = torch.zeros(1, 3, height, width, device=parameter.device, dtype=parameter.dtype)
    training = model.training
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(images)
    model.train(training)
    return counter.get_total_flops() // 2
