"""Losses of the outputs beyond heatmaps: part affinity fields, near masks, offsets, beliefs along axes, coordinates.

Every loss is a function (output, target, weight) -> (values, weights); see the package.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from hemline.learn.losses.pairs import Output, belief_divergence, mask_divergence, paired, precise


def paf_mse(output: Output, target: Output, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Measure the squared error of each part affinity field, relative to the energy of the target field.

    Args:
        output: {"paf": (B, 2L, h, w) or (B, L, h, w)}.
        target: {"paf": as the output, "limb_weight": (B, L)}, see `PartFieldCodec`.
        weight: (B, K), not used: a limb counts where the codec drew it.
    Returns:
        values (B, L) and the limbs' weights (B, L).
    Source: Cao et al. 2016 (arXiv 1611.08050). Differs: an all-zero field costs 1, see `heatmap_mse`.
    """
    predicted, truth = paired("paf", output, target)
    limbs = target["limb_weight"].shape[1]
    error = (predicted - truth).square().unflatten(1, (limbs, -1)).sum((2, 3, 4))  # (B, L)
    energy = truth.square().unflatten(1, (limbs, -1)).sum((2, 3, 4)).clamp_min(1e-6)  # (B, L)
    return error / energy, target["limb_weight"].to(weight.dtype)


def near_bce(output: Output, target: Output, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Measure the binary cross entropy of each near mask, per cell of its disc.

    Args:
        output: {"near": (B, K, h, w)}, logits.
        target: {"near": (B, K, h, w)} of 0 and 1, see `OffsetCodec`; zero maps for absent points.
        weight: (B, K).
    Returns:
        values (B, K) in nats, and the weights.
    Source: G-RMI (arXiv 1701.01779). Differs: its sum over all cells is divided by the disc's, see `mask_divergence`.
    """
    return mask_divergence(*paired("near", output, target)), weight


def offset_huber(output: Output, target: Output, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Measure how far the offset vectors inside each disc are off, along x plus along y, smooth below a tenth.

    Args:
        output: {"offsets": (B, 2K, h, w)} in radii, x of all points, then y.
        target: {"offsets": the same, "near": (B, K, h, w)}, see `OffsetCodec`.
        weight: (B, K).
    Returns:
        values (B, K): radii, averaged over the disc's cells; and the weights.
    Source: G-RMI (arXiv 1701.01779). Differs: the mean over the disc instead of the sum.
    """
    predicted, truth = paired("offsets", output, target)
    near = precise(target["near"])
    error = F.smooth_l1_loss(predicted, truth, beta=0.1, reduction="none").unflatten(1, (2, -1)).sum(1)  # (B, K, h, w)
    return (error * near).sum((2, 3)) / near.sum((2, 3)).clamp_min(1), weight


def simcc_kl(output: Output, target: Output, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Measure the Kullback-Leibler divergence of the beliefs along x and along y, added up.

    Args:
        output: {"simcc_x": (B, K, W * bins), "simcc_y": (B, K, H * bins)}, logits.
        target: the same, beliefs that sum to 1; zero for absent points.
        weight: (B, K).
    Returns:
        values (B, K) in nats, and the weights.
    Source: SimCC (arXiv 2107.03332). Differs: no temperature.
    """
    x, y = (belief_divergence(*paired(name, output, target)) for name in ("simcc_x", "simcc_y"))  # (B, K)
    return x + y, weight


def coordinate_l1(output: Output, target: Output, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Measure the distance along x plus that along y, smooth below 1 % of the crop.

    Unlike a squared distance it pulls as hard on small errors as on gross ones, so that it does not settle
    for the mean layout.

    Args:
        output: {"coordinates": (B, K, 2)}, shares of the crop.
        target: the same.
        weight: (B, K).
    Returns:
        values (B, K) in shares of the crop, and the weights.
    """
    predicted, truth = paired("coordinates", output, target)
    return F.smooth_l1_loss(predicted, truth, beta=0.01, reduction="none").sum(2), weight
