"""Outputs and targets side by side: what several losses share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hemline.errors import ShapeError

Output = dict[str, Tensor]


def paired(name: str, output: Output, target: Output) -> tuple[Tensor, Tensor]:
    """Take one named output and its target in float32 or finer, whatever the network's precision.

    Raises:
        ShapeError: they differ in shape, because options of the network and of the codec do not agree.
    """
    if output[name].shape != target[name].shape:
        raise ShapeError(
            f"the network's output '{name}' is {tuple(output[name].shape)}, the codec's target is "
            f"{tuple(target[name].shape)}; make model.options and codec.options agree"
        )
    return precise(output[name]), precise(target[name])


def precise(values: Tensor) -> Tensor:
    """Take values in float32 or finer."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def belief_divergence(logits: Tensor, belief: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence (B, K) of softmax(logits) from a belief, both (B, K, cells)."""
    return (torch.xlogy(belief, belief) - belief * logits.log_softmax(2)).sum(2)


def mask_divergence(logits: Tensor, mask: Tensor) -> Tensor:
    """Return the divergence (B, K) of sigmoid(logits) from a mask in [0, 1], both (B, K, h, w), per cell of the mask.

    It is the binary cross entropy less the mask's own entropy, summed over all cells and divided by the mask's sum:
    0 where the two agree. A flat map of zeros costs log 2 times the number of cells over the mask's sum.

    Edge cases: a mask that sums to less than a cell counts as one.
    """
    entropy = -torch.xlogy(mask, mask) - torch.xlogy(1 - mask, 1 - mask)
    cross_entropy = F.binary_cross_entropy_with_logits(logits, mask, reduction="none")
    return (cross_entropy - entropy).sum((2, 3)) / mask.sum((2, 3)).clamp_min(1)
