"""Size and cost of a network."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


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
