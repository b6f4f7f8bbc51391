"""Losses of heatmaps, hard-keypoint mining and the total; expected values are worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from hemline.errors import RecipeError, ShapeError
from hemline.learn.losses import (
    LOSS_CODECS,
    LOSS_OUTPUT,
    LOSSES,
    check_losses,
    heatmap_mse,
    softmax_cross_entropy,
    total_loss,
)


def maps(*rows: list[float]) -> torch.Tensor:
    """One garment whose keypoints have 1 x N maps."""
    return torch.tensor(rows, dtype=torch.float64)[None, :, None, :]


def test_tables_name_the_same_losses():
    assert LOSSES.keys() == LOSS_OUTPUT.keys() == LOSS_CODECS.keys()


def test_docs_list_every_loss_with_its_output_and_codecs():
    page = (Path(__file__).parents[2] / "docs" / "losses.md").read_text(encoding="utf-8").partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in page.splitlines() if line.startswith("| `")]
    assert rows == [[f"`{name}`", LOSS_OUTPUT[name], ", ".join(LOSS_CODECS[name])] for name in LOSSES]


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        ([1.0, 0.5], [1.0, 0.5], 0.0),
        ([0.0, 0.0], [1.0, 0.5], 1.0),  # the all-zero map costs the whole energy
        ([0.0, 1.0], [1.0, 0.0], 2.0),  # a wrong peak costs twice
        ([1.0, 1.0], [1.0, 0.5], 0.2),  # 0.25 / 1.25
    ],
)
def test_heatmap_mse_is_relative_to_the_energy_of_the_peak(predicted, truth, expected):
    values, _ = heatmap_mse({"heatmaps": maps(predicted)}, {"heatmaps": maps(truth)}, torch.ones(1, 1))
    assert values.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("logits", "belief", "expected"),
    [
        ([0.0, 0.0], [0.5, 0.5], 0.0),
        ([7.0, 7.0], [0.5, 0.5], 0.0),  # a constant on all logits changes nothing
        ([0.0, 0.0], [1.0, 0.0], math.log(2)),
        ([math.log(3), 0.0], [1.0, 0.0], math.log(4 / 3)),
        ([math.log(3), 0.0], [0.75, 0.25], 0.0),
        ([0.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0], math.log(2)),
    ],
)
def test_softmax_cross_entropy_is_a_divergence(logits, belief, expected):
    values, _ = softmax_cross_entropy({"heatmaps": maps(logits)}, {"heatmaps": maps(belief)}, torch.ones(1, 1))
    assert values.item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["heatmap_mse", "softmax_cross_entropy"])
def test_gradients_are_right_and_masked_points_have_none(name):
    generator = torch.Generator().manual_seed(0)
    output = torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    target = torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=generator)
    target /= target.sum((2, 3), keepdim=True)
    weight = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.5, 0.0]], dtype=torch.float64)

    def loss(heatmaps: torch.Tensor) -> torch.Tensor:
        return total_loss([{"heatmaps": heatmaps}], {"heatmaps": target}, weight, terms=[(name, 2.0)])[0]

    assert torch.autograd.gradcheck(loss, (output,))
    loss(output).backward()
    moved = output.grad.abs().sum((2, 3)) > 0
    assert moved.tolist() == (weight > 0).tolist()


def test_total_is_the_mean_over_weighted_points_and_stages():
    target = {"heatmaps": maps([1.0, 0.0], [1.0, 0.0], [1.0, 0.0])}
    first = {"heatmaps": maps([0.0, 0.0], [1.0, 0.0], [9.0, 9.0])}  # costs 1, 0, masked
    last = {"heatmaps": maps([0.0, 1.0], [1.0, 0.0], [9.0, 9.0])}  # costs 2, 0, masked
    weight = torch.tensor([[1.0, 1.0, 0.0]])
    loss, shares = total_loss([first, last], target, weight, terms=[("heatmap_mse", 1.0)])
    assert loss.item() == pytest.approx((0.5 + 1.0) / 2)
    assert shares.tolist() == [pytest.approx(0.75)]
    # With the hardest point alone on the last stage its mean is 2.
    assert total_loss([first, last], target, weight, terms=[("heatmap_mse", 1.0)], ohkm=1)[0].item() == pytest.approx(
        (0.5 + 2.0) / 2
    )
    # Half the weight on the bad point: (0.5 * 2 + 0) / 1.5.
    half = torch.tensor([[0.5, 1.0, 0.0]])
    assert total_loss([last], target, half, terms=[("heatmap_mse", 3.0)])[0].item() == pytest.approx(3 * 1.0 / 1.5)


def test_total_selects_on_the_final_stage():
    # Costs on the last stage: garment one 2, 0; garment two 1, 0. On the first stage all cost 1.
    target = {"heatmaps": torch.cat([maps([1.0, 0.0], [1.0, 0.0])] * 2)}
    first = {"heatmaps": torch.zeros(2, 2, 1, 2, dtype=torch.float64)}
    last = {"heatmaps": torch.cat([maps([0.0, 1.0], [1.0, 0.0]), maps([0.0, 0.0], [1.0, 0.0])])}

    def total(**options) -> float:
        terms = [("heatmap_mse", 1.0)]
        return total_loss([first, last], target, torch.ones(2, 2), terms=terms, **options)[0].item()

    assert total() == pytest.approx((1 + 0.75) / 2)
    assert total(ohkm=1.0) == pytest.approx((1 + 1.5) / 2)
    assert total(ohkm=torch.tensor([1.0, 0.0])) == pytest.approx((1 + 1.0) / 2)  # 2 and 1, 0
    assert total(ohkm_batch=0.5) == pytest.approx((1 + 2) / 2)  # one point of the batch of two
    assert total(ohkm_batch=0.01) == pytest.approx((1 + 2) / 2)  # one at least
    assert total(ohem=0.5) == pytest.approx((1 + 1) / 2)  # garment one alone
    assert total(stage_weights=[0.0, 1.0]) == pytest.approx(0.75)
    assert total(stage_weights=[3.0, 1.0]) == pytest.approx((3 + 0.75) / 4)
    with pytest.raises(RecipeError, match=r"loss.stage_weights has 3 values, but 'heatmap_mse' judges 2 stages"):
        total(stage_weights=[1.0, 1.0, 1.0])


def test_total_scales_the_garments_of_one_term():
    # Costs: garment one 2, garment two 1; a weight of all points would cancel out, a scale does not.
    target = {"heatmaps": torch.cat([maps([1.0, 0.0])] * 2)}
    output = {"heatmaps": torch.cat([maps([0.0, 1.0]), maps([0.0, 0.0])])}
    terms = [("heatmap_mse", 1.0), ("heatmap_weighted", 1.0)]

    def total(scales, **options) -> float:
        return total_loss([output], target, torch.ones(2, 1), terms=terms[:1], scales=scales, **options)[0].item()

    assert total(None) == pytest.approx(1.5)
    assert total({"heatmap_mse": torch.tensor([7.0, 7.0])}) == pytest.approx(7 * 1.5)
    assert total({"heatmap_mse": torch.tensor([1.0, 6.0])}) == pytest.approx((2 + 6) / 2)
    assert total({"heatmap_mse": torch.tensor([1.0, 6.0])}, ohem=0.5) == pytest.approx(6)  # now the harder garment
    both = total_loss([output], target, torch.ones(2, 1), terms=terms)[0].item()
    scaled = total_loss(
        [output], target, torch.ones(2, 1), terms=terms, scales={"heatmap_mse": torch.tensor([3.0, 3.0])}
    )[0].item()
    assert scaled - both == pytest.approx(2 * 1.5)  # the other term stays as it is


def test_total_gives_a_stage_the_target_that_was_made_for_it():
    sharp, blurred = maps([1.0, 0.0]), maps([1.0, 0.5])
    stages = [{"heatmaps": blurred}, {"heatmaps": sharp}]
    terms = [("heatmap_mse", 1.0)]
    weight = torch.ones(1, 1)
    assert total_loss(stages, {"heatmaps": sharp, "heatmaps.0": blurred}, weight, terms=terms)[0].item() == 0
    assert total_loss(stages, {"heatmaps": sharp}, weight, terms=terms)[0].item() > 0
    with pytest.raises(RecipeError, match=r"stage_sigmas .* 'heatmap_mse' judges 2 of this network, so give at most 1"):
        total_loss(stages, {"heatmaps": sharp, "heatmaps.0": sharp, "heatmaps.1": sharp}, weight, terms=terms)


def test_total_names_the_garment_whose_loss_is_not_finite():
    target = {"heatmaps": torch.ones(2, 1, 1, 2)}
    output = {"heatmaps": torch.tensor([[[[1.0, 1.0]]], [[[math.nan, 1.0]]]])}
    _, shares = total_loss([output], target, torch.ones(2, 1), terms=[("heatmap_mse", 1.0)])
    assert torch.isfinite(shares).tolist() == [True, False]


def test_batch_without_weighted_points_costs_nothing():
    output = torch.ones(1, 1, 1, 2, requires_grad=True)
    loss, _ = total_loss(
        [{"heatmaps": output}], {"heatmaps": torch.zeros(1, 1, 1, 2)}, torch.zeros(1, 1), terms=[("heatmap_mse", 1.0)]
    )
    loss.backward()
    assert loss.item() == 0
    assert output.grad.abs().max().item() == 0


def test_unknown_losses_and_unfit_codecs_are_named():
    with pytest.raises(RecipeError, match=r"unknown loss 'heatmap_mes'. Did you mean 'heatmap_mse'\?"):
        check_losses(["heatmap_mes"], "heatmap")
    with pytest.raises(RecipeError, match="'softmax_cross_entropy' cannot be used with codec 'heatmap'"):
        check_losses(["softmax_cross_entropy"], "heatmap")


def test_maps_of_another_size_are_named():
    with pytest.raises(ShapeError, match=r"output 'heatmaps' is \(1, 1, 1, 2\), the codec's target is \(1, 1, 1, 3\)"):
        heatmap_mse({"heatmaps": maps([0.0, 0.0])}, {"heatmaps": maps([0.0, 0.0, 0.0])}, torch.ones(1, 1))
