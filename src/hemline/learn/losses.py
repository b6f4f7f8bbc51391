"""Losses: how far one stage's output is from its target, point by point.

Every loss is a function (output, target, weight) -> (values, weights), both (B, N): N is K for keypoints or
L for limbs. A value whose weight is 0 gets no gradient. `total_loss` sums them up.

Adding a loss: one function, one line in LOSSES, one hand-computed table in tests/learn/test_losses.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hemline.errors import RecipeError, unknown_name

Output = dict[str, Tensor]
Loss = Callable[[Output, Output, Tensor], tuple[Tensor, Tensor]]


def heatmap_mse(output: Output, target: Output, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Measure the squared error of each map, relative to the energy of a target peak.

    An all-zero map costs 1 whatever the map's size and the peak's width. (The plain mean over cells shrinks
    with the map and starts at about 0.003: with weight decay, and with gradient clipping beside other terms,
    small data sets then stay at the all-zero map.)

    Args:
        output: {"heatmaps": (B, K, h, w)}.
        target: {"heatmaps": (B, K, h, w)} with peaks of height 1; zero maps for absent points.
        weight: (B, K).
    Returns:
        values (B, K) and the weights.
    """
    predicted, truth = _paired("heatmaps", output, target)
    error = (predicted - truth).square().sum((2, 3))  # (B, K)
    energy = truth.square().sum((2, 3)).clamp_min(1e-6)
    return error / energy, weight


def softmax_cross_entropy(output: Output, target: Output, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Measure the divergence of each map's spatial softmax from the target belief.

    The entropy of the target is taken off, so that the optimum is 0 (Kullback-Leibler divergence; the
    gradient is that of the cross entropy). The softmax ties all cells of a map together, so that a map
    cannot stay at zero everywhere.

    Args:
        output: {"heatmaps": (B, K, h, w)}, logits.
        target: {"heatmaps": (B, K, h, w)}, beliefs that sum to 1; zero maps for absent points.
        weight: (B, K).
    Returns:
        values (B, K) in nats, and the weights.
    """
    logits, belief = _paired("heatmaps", output, target)
    log_probability = logits.flatten(2).log_softmax(2)  # (B, K, h*w)
    belief = belief.flatten(2)  # (B, K, h*w)
    return (torch.xlogy(belief, belief) - belief * log_probability).sum(2), weight


LOSSES: dict[str, Loss] = {
    "heatmap_mse": heatmap_mse,
    "softmax_cross_entropy": softmax_cross_entropy,
}

LOSS_CODECS: dict[str, tuple[str, ...]] = {
    "heatmap_mse": ("heatmap",),
    "softmax_cross_entropy": ("belief",),
}
"""The codecs whose targets each loss is made for."""


def check_losses(names: Sequence[str], codec: str) -> None:
    """Make sure that losses exist and fit the codec.

    Raises:
        RecipeError: unknown loss, or a codec that it cannot be used with.
    """
    for name in names:
        if name not in LOSSES:
            raise RecipeError(unknown_name("loss", name, LOSSES))
        if codec not in LOSS_CODECS[name]:
            raise RecipeError(
                f"loss '{name}' cannot be used with codec '{codec}'; it needs codec {' or '.join(LOSS_CODECS[name])}"
            )


def hardest(values: Tensor, weights: Tensor, *, count: int) -> Tensor:
    """Keep the weights of each garment's hardest keypoints and zero the others (OHKM).

    Args:
        values, weights: (B, N).
        count: how many to keep per garment; all where fewer are weighted.
    Returns:
        (B, N) weights.
    Source: CPN (arXiv 1711.07319), k = 8 of 17. Differs: garments have between 4 and 15 points, so the mean
        runs over the kept points of the batch instead of a fixed k.
    """
    if count >= values.shape[1]:
        return weights
    hardness = (values.detach() * weights).masked_fill(weights <= 0, -1.0)
    kept = torch.zeros_like(weights).scatter_(1, hardness.topk(count, 1).indices, 1.0)
    return weights * kept


def total_loss(
    stages: Sequence[Output], target: Output, weight: Tensor, *, terms: Sequence[tuple[str, float]], ohkm: int = 0
) -> tuple[Tensor, Tensor]:
    """Sum the weighted terms and average them over the stages.

    Args:
        stages: raw outputs of each stage, the final one last.
        target: what the codec encoded, batched.
        weight: (B, K): 1 for visible points, the recipe's weight for occluded ones, 0 for absent ones.
        terms: names of LOSSES and their weights.
        ohkm: keep this many keypoints per garment on the final stage; 0 keeps all.
    Returns:
        the loss (), averaged over the weighted points of the batch, and each garment's share (B,), detached.
    Edge cases: a batch without any weighted point has loss 0 and no gradient.
    """
    loss = weight.new_zeros(())
    shares = weight.new_zeros(len(weight))
    for number, output in enumerate(stages, start=1):
        for name, factor in terms:
            values, weights = LOSSES[name](output, target, weight)
            if ohkm and number == len(stages) and values.shape == weight.shape:
                weights = hardest(values, weights, count=ohkm)
            # A masked value may be infinite; 0 * inf must not reach the sum.
            weighted = torch.where(weights > 0, values * weights, 0.0)
            scale = factor / len(stages) / weights.sum().clamp_min(1e-6)
            loss = loss + weighted.sum() * scale
            shares = shares + weighted.detach().sum(1) * scale
    return loss, shares


def _paired(name: str, output: Output, target: Output) -> tuple[Tensor, Tensor]:
    """Take one named output and its target in float32, whatever the network's precision."""
    return output[name].float(), target[name].float()
