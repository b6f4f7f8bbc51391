"""Losses: how far one stage's output is from its target, point by point.

Every loss is a function (output, target, weight) -> (values, weights), both (B, N): N is K for keypoints, L for
limbs, or 1 for the whole map. A value whose weight is 0 gets no gradient. `total_loss` sums them up.

Adding a loss: one function in heatmaps.py or outputs.py, one line in each of the three tables below, and a
hand-computed table in tests/learn/.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from hemline.errors import RecipeError, unknown_name
from hemline.learn.losses.heatmaps import (
    background_mse,
    heatmap_bce,
    heatmap_focal,
    heatmap_mse,
    heatmap_posneg,
    heatmap_weighted,
    integral_l1,
    softmax_cross_entropy,
)
from hemline.learn.losses.outputs import coordinate_l1, near_bce, offset_huber, paf_mse, simcc_kl
from hemline.learn.losses.pairs import Output
from hemline.learn.selection import garment_means, hardest_garments, hardest_keypoints, hardest_of_batch, weighted

Loss = Callable[[Output, Output, Tensor], tuple[Tensor, Tensor]]


LOSSES: dict[str, Loss] = {
    "heatmap_mse": heatmap_mse,
    "heatmap_weighted": heatmap_weighted,
    "heatmap_posneg": heatmap_posneg,
    "softmax_cross_entropy": softmax_cross_entropy,
    "heatmap_bce": heatmap_bce,
    "heatmap_focal": heatmap_focal,
    "integral_l1": integral_l1,
    "background_mse": background_mse,
    "paf_mse": paf_mse,
    "near_bce": near_bce,
    "offset_huber": offset_huber,
    "simcc_kl": simcc_kl,
    "coordinate_l1": coordinate_l1,
}

LOSS_OUTPUT: dict[str, str] = {
    "heatmap_mse": "heatmaps",
    "heatmap_weighted": "heatmaps",
    "heatmap_posneg": "heatmaps",
    "softmax_cross_entropy": "heatmaps",
    "heatmap_bce": "heatmaps",
    "heatmap_focal": "heatmaps",
    "integral_l1": "heatmaps",
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
    "heatmap_weighted": ("heatmap", "paf"),
    "heatmap_posneg": ("heatmap", "paf"),
    "softmax_cross_entropy": ("belief",),
    "heatmap_bce": ("sigmoid", "disc"),
    "heatmap_focal": ("sigmoid",),
    "integral_l1": ("belief",),
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
    scales: Mapping[str, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Sum the weighted terms, each averaged over the stages that have its output.

    Args:
        stages: raw outputs of each stage, the final one last.
        target: what the data set made, batched.
        weight: (B, K): 1 for visible points, the recipe's weight for occluded ones, 0 for absent ones.
        terms: names of LOSSES and their weights.
        ohkm: how many (from 1) or which share (below 1) of each garment's keypoints to keep on each term's final
            stage, for all garments or (B,) for each; 0 keeps all. Limbs and background are not keypoints and stay.
        ohkm_batch: keep this many times B of the batch's keypoints on the final stage, one at least; 0 keeps all.
        ohem: share of the garments to keep, those with the highest losses on the final stage.
        stage_weights: of each of a term's stages, the final one last; empty counts all the same.
        scales: (B,) of a term, by its name: what each garment's values are multiplied by. Unlike a weight it does not
            enter the number that they are divided by.
    Returns:
        the loss (), averaged over the weighted points of the batch, and each garment's own loss (B,), detached: the
        same average over its points alone.
    Raises:
        RecipeError: a term whose output no stage has, or stage weights or targets that do not fit their number.
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
        if f"{LOSS_OUTPUT[name]}.{len(judged) - 1}" in target:
            raise RecipeError(
                f"codec.options.stage_sigmas is for the stages before the final one; '{name}' judges {len(judged)} of "
                f"this network, so give at most {len(judged) - 1}"
            )
        for number, (output, share) in enumerate(zip(judged, shares, strict=True)):
            values, weights = LOSSES[name](output, _of_stage(target, number), weight)
            if scales and name in scales:
                values = values * scales[name][:, None]
            is_last, is_keypoints = number == len(judged) - 1, weights is weight  # not of limbs or maps
            garments = garments + factor * share * garment_means(values.detach(), weights)
            if is_last and is_keypoints:
                weights = hardest_keypoints(values, weights, amount=ohkm)
                weights = hardest_of_batch(
                    values, weights, count=max(round(ohkm_batch * len(weights)), int(ohkm_batch > 0))
                )
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
