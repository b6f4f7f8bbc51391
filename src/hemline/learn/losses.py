"""Losses: how far one stage's output is from its target, point by point.

Every loss is a function (output, target, weight) -> (values, weights), both (B, N): N is K for keypoints, L for
limbs, or 1 for the whole map. A value whose weight is 0 gets no gradient. `total_loss` sums them up.

Adding a loss: one function, one line in each of the three tables below, and a hand-computed table in
tests/learn/.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from hemline.errors import RecipeError, ShapeError, unknown_name
from hemline.learn.selection import garment_means, hardest_garments, hardest_keypoints, hardest_of_batch, weighted

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
    return _divergence(logits.flatten(2), belief.flatten(2)), weight


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
    predicted, foreground = _precise(output["background"]), _precise(target["heatmaps"]).amax(1, keepdim=True)
    error = (predicted + foreground - 1).square().sum((2, 3))  # (B, 1)
    energy = foreground.square().sum((2, 3)).clamp_min(1e-6)
    return error / energy, (weight > 0).any(1, keepdim=True).to(weight.dtype)


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
    predicted, truth = _paired("paf", output, target)
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
    Source: G-RMI (arXiv 1701.01779). Differs: its sum over all cells is divided by the disc's, so that the value
        depends neither on the map's size nor on the disc's.
    """
    logits, near = _paired("near", output, target)
    cells = near.sum((2, 3)).clamp_min(1)  # (B, K)
    return F.binary_cross_entropy_with_logits(logits, near, reduction="none").sum((2, 3)) / cells, weight


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
    predicted, truth = _paired("offsets", output, target)
    near = _precise(target["near"])
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
    return _divergence(*_paired("simcc_x", output, target)) + _divergence(*_paired("simcc_y", output, target)), weight


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
    predicted, truth = _paired("coordinates", output, target)
    return F.smooth_l1_loss(predicted, truth, beta=0.01, reduction="none").sum(2), weight


LOSSES: dict[str, Loss] = {
    "heatmap_mse": heatmap_mse,
    "softmax_cross_entropy": softmax_cross_entropy,
    "background_mse": background_mse,
    "paf_mse": paf_mse,
    "near_bce": near_bce,
    "offset_huber": offset_huber,
    "simcc_kl": simcc_kl,
    "coordinate_l1": coordinate_l1,
}

LOSS_OUTPUT: dict[str, str] = {
    "heatmap_mse": "heatmaps",
    "softmax_cross_entropy": "heatmaps",
    "background_mse": "background",
    "paf_mse": "paf",
    "near_bce": "near",
    "offset_huber": "offsets",
    "simcc_kl": "simcc_x",
    "coordinate_l1": "coordinates",
}
"""The named output of a stage that each loss judges; stages without it are left out."""

LOSS_CODECS: dict[str, tuple[str, ...]] = {
    "heatmap_mse": ("heatmap", "paf"),
    "softmax_cross_entropy": ("belief",),
    "background_mse": ("heatmap", "paf"),
    "paf_mse": ("paf",),
    "near_bce": ("offsets",),
    "offset_huber": ("offsets",),
    "simcc_kl": ("simcc",),
    "coordinate_l1": ("coordinates",),
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


def total_loss(
    stages: Sequence[Output],
    target: Output,
    weight: Tensor,
    *,
    terms: Sequence[tuple[str, float]],
    ohkm: Tensor | float = 0.0,
    ohkm_batch: float = 0.0,
    ohem: float = 1.0,
    stage_weights: Sequence[float] = (),
) -> tuple[Tensor, Tensor]:
    """Sum the weighted terms, each averaged over the stages that have its output.

    Args:
        stages: raw outputs of each stage, the final one last.
        target: what the data set made, batched.
        weight: (B, K): 1 for visible points, the recipe's weight for occluded ones, 0 for absent ones.
        terms: names of LOSSES and their weights.
        ohkm: how many (from 1) or which share (below 1) of each garment's keypoints to keep on each term's final
            stage, for all garments or (B,) for each; 0 keeps all. Limbs and background are not keypoints and stay.
        ohkm_batch: keep this many times B of the batch's keypoints on the final stage; 0 keeps all.
        ohem: share of the garments to keep, those with the highest losses on the final stage.
        stage_weights: of each of a term's stages, the final one last; empty counts all the same.
    Returns:
        the loss (), averaged over the weighted points of the batch, and each garment's own loss (B,), detached: the
        same average over its points alone.
    Raises:
        RecipeError: a term whose output no stage has, or stage weights that do not fit the number of stages.
    Edge cases: a batch without any weighted point has loss 0 and no gradient.
    """
    loss = weight.new_zeros(())
    garments = weight.new_zeros(len(weight))
    for name, factor in terms:
        judged = [output for output in stages if LOSS_OUTPUT[name] in output]
        if not judged:
            raise RecipeError(
                f"loss '{name}' judges the output '{LOSS_OUTPUT[name]}', which this network does not have; "
                f"it has {', '.join(dict.fromkeys(key for output in stages for key in output))}"
            )
        shares = _stage_shares(stage_weights, len(judged), loss=name)
        for number, (output, share) in enumerate(zip(judged, shares, strict=True)):
            values, weights = LOSSES[name](output, _of_stage(target, number), weight)
            is_last, is_keypoints = number == len(judged) - 1, weights is weight  # not of limbs or maps
            garments = garments + factor * share * garment_means(values.detach(), weights)
            if is_last and is_keypoints:
                weights = hardest_keypoints(values, weights, amount=ohkm)
                weights = hardest_of_batch(values, weights, count=round(ohkm_batch * len(weights)))
            if is_last:
                weights = hardest_garments(values, weights, share=ohem)
            mean = weighted(values, weights).sum() / weights.sum().clamp_min(1e-6)
            loss = loss + factor * share * mean
    return loss, garments


def _stage_shares(stage_weights: Sequence[float], count: int, *, loss: str) -> list[float]:
    if not stage_weights:
        return [1 / count] * count
    if len(stage_weights) != count:
        raise RecipeError(
            f"loss.stage_weights has {len(stage_weights)} values, but '{loss}' judges {count} stages of this network"
        )
    return [weight / sum(stage_weights) for weight in stage_weights]


def _of_stage(target: Output, number: int) -> Output:
    """Put what the codec made for one stage alone, named "heatmaps.0" and so on, in the place of the common target."""
    suffix = f".{number}"
    return target | {key.removesuffix(suffix): value for key, value in target.items() if key.endswith(suffix)}


def _paired(name: str, output: Output, target: Output) -> tuple[Tensor, Tensor]:
    """Take one named output and its target in float32 or finer, whatever the network's precision.

    Raises:
        ShapeError: they differ in shape, because options of the network and of the codec do not agree.
    """
    if output[name].shape != target[name].shape:
        raise ShapeError(
            f"the network's output '{name}' is {tuple(output[name].shape)}, the codec's target is "
            f"{tuple(target[name].shape)}; make model.options and codec.options agree"
        )
    return _precise(output[name]), _precise(target[name])


def _precise(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _divergence(logits: Tensor, belief: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence (B, K) of softmax(logits) from a belief, both (B, K, cells)."""
    return (torch.xlogy(belief, belief) - belief * logits.log_softmax(2)).sum(2)
