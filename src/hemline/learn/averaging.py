"""Averaged weights: over the steps of a training, and over several trained networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel

from hemline.errors import WeightsError

_Update = Callable[[Any, Any, Tensor | int], None]


def build_average(model: nn.Module, *, decay: float, equal_from: int | None = None) -> AveragedModel:
    """Build a copy of a network that follows its weights; call `update_parameters` after each step.

    Args:
        model: the network that learns.
        decay: of the exponential moving average; 0 copies the weights. Its memory grows from nothing to `decay`:
            without the growth a short run would end with weights that still remember the random start.
        equal_from: from this step on, counted from 0, all steps count equally (SWA, arXiv 1803.05407), and what
            was before does not count.
    """
    return AveragedModel(model, multi_avg_fn=_update(decay, equal_from), use_buffers=True)


def _update(decay: float, equal_from: int | None) -> _Update:
    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
        done = int(count)
        if equal_from is not None and done >= equal_from:
            share = 1 / (done - equal_from + 1)
        else:
            share = 1 - min(decay, (1 + done) / (10 + done)) if decay else 1.0
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, share)
        else:  # batch norm's step counters
            torch._foreach_copy_(averaged, current)

    return update


def refresh_norm(model: nn.Module, batches: Iterable[Tensor], *, fixed: nn.Module | None = None) -> None:
    """Measure anew the statistics that batch norm keeps, for weights that no training step has seen.

    The averages of statistics are not the statistics of averaged weights. As torch.optim.swa_utils.update_bn, which
    knows no part that stays.

    Args:
        model: a `Network`; its weights stay.
        batches: images (B, 3, S, S) on the network's device, in the colours and sizes of training.
        fixed: the part of the network that was trained with statistics that stay, which stay here, too.
    """
    steady = set() if fixed is None else {id(module) for module in fixed.modules()}
    norms = [each for each in model.modules() if isinstance(each, _BatchNorm) and id(each) not in steady]
    momenta, training = [norm.momentum for norm in norms], model.training
    model.train()
    if fixed is not None:
        fixed.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # all batches count equally
    with torch.no_grad():
        for images in batches:
            model(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(training)


def average_weights(weights: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Average the weights of several networks of one kind: a uniform model soup (arXiv 2203.05482).

    Args:
        weights: names and tensors of each network.
    Returns:
        the means; of whole numbers the first network's.
    Raises:
        WeightsError: the networks differ in names or shapes; names the first that does.
    """
    first = weights[0]
    for other in weights[1:]:
        for name in (*first, *other):
            shapes = [tuple(each[name].shape) if name in each else None for each in (first, other)]
            if shapes[0] != shapes[1]:
                raise WeightsError(
                    f"networks of different kinds cannot be averaged: '{name}' is {shapes[0]} and {shapes[1]}"
                )
    return {
        name: torch.stack([each[name] for each in weights]).mean(0) if tensor.is_floating_point() else tensor
        for name, tensor in first.items()
    }
