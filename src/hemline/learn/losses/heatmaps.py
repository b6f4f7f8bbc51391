"""Losses of heatmaps, one map per keypoint, and of the background beside them.

Every loss is a function (output, target, weight) -> (values, weights), both (B, K); see the package.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hemline.learn.losses.pairs import Output, belief_divergence, mask_divergence, paired, precise


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
    predicted, truth = paired("heatmaps", output, target)
    return _relative_error(predicted, truth, 1.0), weight


def heatmap_weighted(output: Output, target: Output, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Measure the squared error with cells that count 1 + 10 times their target, relative to the peak's energy.

    The top of a peak counts 11 times as much as an empty cell, its flanks less and less. The peak still counts
    less than all empty cells together (some 250 against 4096 on a map of 64 x 64 with sigma 2), so that a second
    peak elsewhere stays dear; `heatmap_posneg` goes all the way. An all-zero map costs 1.

    Args:
        output: {"heatmaps": (B, K, h, w)}.
        target: {"heatmaps": (B, K, h, w)} with peaks of height 1; zero maps for absent points.
        weight: (B, K).
    Returns:
        values (B, K) and the weights.
    Source: the factor is that of the weighted loss map of Wang et al. 2019 (arXiv 1904.07399). Differs: it follows
        the target's height, where theirs is the same on the whole of a widened peak.
    """
    predicted, truth = paired("heatmaps", output, target)
    return _relative_error(predicted, truth, 1 + 10 * truth), weight


def heatmap_posneg(output: Output, target: Output, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Measure the squared error, half of the weight on the cells above 10 % of the peak and half on the rest.

    An all-zero map costs 1, a map with the right peak and no other nothing.

    Args:
        output: {"heatmaps": (B, K, h, w)}.
        target: {"heatmaps": (B, K, h, w)} with one peak each; zero maps for absent points.
        weight: (B, K).
    Returns:
        values (B, K) and the weights.
    Source: gathierry, 17th of FashionAI 2018. Differs: squared instead of absolute errors. Where the network is in
        doubt between two places, these ask for the mean of the maps, absolute ones for the median: an empty map.
    """
    predicted, truth = paired("heatmaps", output, target)
    peak = truth > 0.1 * truth.amax((2, 3), keepdim=True)
    positives, negatives = (
        cells.sum((2, 3), keepdim=True, dtype=truth.dtype).clamp_min(1) for cells in (peak, ~peak)
    )  # (B, K, 1, 1)
    return _relative_error(predicted, truth, torch.where(peak, 1 / positives, 1 / negatives)), weight


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
    logits, belief = paired("heatmaps", output, target)
    return belief_divergence(logits.flatten(2), belief.flatten(2)), weight


def heatmap_bce(output: Output, target: Output, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Measure the binary cross entropy of each map, less the target's entropy, per cell of the disc or peak.

    Args:
        output: {"heatmaps": (B, K, h, w)}, logits.
        target: {"heatmaps": (B, K, h, w)} in [0, 1]: filled discs, or peaks of height 1; zero maps for absent points.
        weight: (B, K).
    Returns:
        values (B, K) in nats, 0 where the sigmoid is the target; and the weights. See `mask_divergence`.
    Source: yd8534976, 32nd of FashionAI 2018, on discs. Differs: divided by the disc, so that a finer map with the
        same disc on it costs the same.
    """
    logits, truth = paired("heatmaps", output, target)
    return mask_divergence(logits, truth), weight


def heatmap_focal(output: Output, target: Output, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Measure the binary cross entropy of each map times the squared error, per cell of the peak.

    Cells that are nearly right count little, so that the few wrong ones are not drowned by the empty map. The
    entropy of the target stays in: on the flanks, which tell the place between the cells, it keeps the loss
    quadratic about the optimum.

    The focal loss of CornerNet (arXiv 1808.01244) does not fit: its only positive cell is one whose target is
    exactly 1, which a peak between the cells does not have, and its optimum is a single cell instead of the peak
    that the codec decodes.

    Args:
        output: {"heatmaps": (B, K, h, w)}, logits.
        target: {"heatmaps": (B, K, h, w)} with peaks of height 1; zero maps for absent points.
        weight: (B, K).
    Returns:
        values (B, K), 0 where the sigmoid is the target; and the weights. A flat map of zeros costs about 0.17 times
        the number of cells over the peak's sum.
    Edge cases: a peak that sums to less than a cell counts as one.
    Source: quality focal loss (arXiv 2006.04388), beta = 2. Differs: it is of heatmaps instead of classes.
    """
    logits, truth = paired("heatmaps", output, target)
    error = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    error = error * (logits.sigmoid() - truth).square()
    return error.sum((2, 3)) / truth.sum((2, 3)).clamp_min(1), weight


def integral_l1(output: Output, target: Output, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Measure how far the mean place of each map's belief is off, along x plus along y.

    It looks at coordinates alone, so that it may stand beside a loss of the maps or without one. Without one the
    belief may take any shape about its mean, and a decoder that looks for a peak is not at home there.

    Logits alone have a sound mean: map values may be negative, and divided by their sum a map that is nearly
    empty, as every network's is at the start, has its mean anywhere.

    Args:
        output: {"heatmaps": (B, K, h, w)}, logits.
        target: {"coordinates": (B, K, 2)}, shares of the crop.
        weight: (B, K).
    Returns:
        values (B, K) in shares of the crop, and the weights. A flat map costs the distance to the centre.
    Edge cases: a mean lies between the centres of the outermost cells; of a point beyond them up to half a cell
        remains along each axis.
    Source: Sun et al. 2018 (arXiv 1711.08229). NE's distance is the Euclidean one, at most as long and at least 0.7
        times as long; like theirs this one pulls both axes with full force, however far the other is off.
    """
    logits, truth = precise(output["heatmaps"]), precise(target["coordinates"])
    belief = logits.flatten(2).softmax(2).view_as(logits)
    x, y = (_mean_place(belief.sum(axis)) for axis in (2, 3))  # (B, K)
    return (torch.stack([x, y], 2) - truth).abs().sum(2), weight


def background_mse(output: Output, target: Output, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Measure the squared error of the map of "no keypoint here", relative to the energy of what it lacks.

    Its target is 1 minus the highest of the keypoints' maps. A map of ones costs 1, as an all-zero map of a
    keypoint does.

    Args:
        output: {"background": (B, 1, h, w)}.
        target: {"heatmaps": (B, K, h, w)} with peaks of height 1; zero maps for absent points.
        weight: (B, K).
    Returns:
        values (B, 1), and weights (B, 1): 1 for a garment with any weighted point.
    """
    predicted, foreground = precise(output["background"]), precise(target["heatmaps"]).amax(1, keepdim=True)
    error = (predicted + foreground - 1).square().sum((2, 3))  # (B, 1)
    energy = foreground.square().sum((2, 3)).clamp_min(1e-6)
    return error / energy, (weight > 0).any(1, keepdim=True).to(weight.dtype)


def _relative_error(predicted: Tensor, truth: Tensor, emphasis: Tensor | float) -> Tensor:
    """Return the squared error of each map over that of an all-zero map (B, K), with cells weighted by `emphasis`."""
    error, energy = ((values.square() * emphasis).sum((2, 3)) for values in (predicted - truth, truth))
    return error / energy.clamp_min(1e-6)


def _mean_place(belief: Tensor) -> Tensor:
    """Return the mean (B, K) of beliefs (B, K, cells) along one axis, as a share of its length."""
    cells = belief.shape[2]
    centres = (torch.arange(cells, dtype=belief.dtype, device=belief.device) + 0.5) / cells
    return (belief * centres).sum(2)
