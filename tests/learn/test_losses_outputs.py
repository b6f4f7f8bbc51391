"""Losses of the outputs beyond heatmaps: background, part affinity fields, SimCC, coordinates.

Expected values are worked out by hand in the comments.
"""

from __future__ import annotations

import math

import pytest
import torch

from hemline.errors import RecipeError, ShapeError
from hemline.learn.losses import background_mse, coordinate_l1, paf_mse, simcc_kl, total_loss


def test_background_of_ones_costs_one_and_the_true_one_nothing():
    heatmaps = torch.zeros(1, 2, 2, 2)
    heatmaps[0, 0, 0, 0] = 1.0
    heatmaps[0, 1, 1, 1] = 0.5
    target, weight = {"heatmaps": heatmaps}, torch.ones(1, 2)
    true = torch.tensor([[[[0.0, 1.0], [1.0, 0.5]]]])
    assert background_mse({"background": true}, target, weight)[0].tolist() == [[0.0]]
    # Foreground 1 and 0.5: energy 1.25. Ones miss by 1 and 0.5: 1.25 / 1.25.
    assert background_mse({"background": torch.ones(1, 1, 2, 2)}, target, weight)[0].tolist() == [[1.0]]
    # Zeros miss by 0, 1, 1, 0.5: 2.25 / 1.25.
    values, weights = background_mse({"background": torch.zeros(1, 1, 2, 2)}, target, weight)
    assert values.tolist() == [[pytest.approx(1.8)]]
    assert weights.tolist() == [[1.0]]


def test_background_of_a_garment_without_points_has_no_weight():
    _, weights = background_mse(
        {"background": torch.zeros(1, 1, 2, 2)}, {"heatmaps": torch.zeros(1, 3, 2, 2)}, torch.zeros(1, 3)
    )
    assert weights.tolist() == [[0.0]]


def test_paf_of_zeros_costs_one_per_limb():
    truth = torch.zeros(1, 4, 1, 2)
    truth[0, 0, 0, 0] = 1.0  # limb 0 points along x in one cell
    truth[0, 2, 0, :], truth[0, 3, 0, :] = 0.6, 0.8  # limb 1 is slanted in two cells
    target = {"paf": truth, "limb_weight": torch.ones(1, 2)}
    assert paf_mse({"paf": truth}, target, torch.ones(1, 3))[0].tolist() == [[0.0, 0.0]]
    values, weights = paf_mse({"paf": torch.zeros_like(truth)}, target, torch.ones(1, 3))
    assert values.tolist() == [[1.0, pytest.approx(1.0)]]
    assert weights.tolist() == [[1.0, 1.0]]
    # Turned about: twice the length, four times the square.
    assert paf_mse({"paf": -truth}, target, torch.ones(1, 3))[0].tolist() == [[4.0, pytest.approx(4.0)]]


def test_paf_magnitudes_have_one_channel_per_limb():
    target = {"paf": torch.tensor([[[[1.0, 1.0]], [[0.0, 1.0]]]]), "limb_weight": torch.tensor([[1.0, 0.0]])}
    values, weights = paf_mse({"paf": torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])}, target, torch.ones(1, 2))
    assert values.tolist() == [[0.5, 0.0]]
    assert weights.tolist() == [[1.0, 0.0]]


def test_simcc_adds_the_divergences_of_both_axes():
    target = {"simcc_x": torch.tensor([[[0.5, 0.5, 0.0, 0.0]]]), "simcc_y": torch.tensor([[[0.0, 1.0]]])}
    flat = {"simcc_x": torch.zeros(1, 1, 4), "simcc_y": torch.zeros(1, 1, 2)}
    # x: 2 * 0.5 * log(0.5 / 0.25) = log 2; y: 1 * log(1 / 0.5) = log 2.
    values, weights = simcc_kl(flat, target, torch.ones(1, 1))
    assert values.item() == pytest.approx(2 * math.log(2))
    assert weights.tolist() == [[1.0]]
    known = {name: torch.log(belief.clamp_min(1e-30)) for name, belief in target.items()}
    assert simcc_kl(known, target, torch.ones(1, 1))[0].item() == pytest.approx(0, abs=1e-6)


def test_coordinate_distance_is_smooth_below_one_percent():
    truth = {"coordinates": torch.tensor([[[0.5, 0.5], [0.2, 0.8]]])}
    assert coordinate_l1(truth, truth, torch.ones(1, 2))[0].tolist() == [[0.0, 0.0]]
    output = {"coordinates": torch.tensor([[[0.61, 0.5], [0.205, 0.8]]])}
    # 0.11 - 0.01 / 2 = 0.105; 0.005 ** 2 / (2 * 0.01) = 0.00125.
    values, _ = coordinate_l1(output, truth, torch.ones(1, 2))
    assert values[0].tolist() == [pytest.approx(0.105, abs=1e-6), pytest.approx(0.00125, abs=1e-6)]


def _case(name: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """A random output in float64 and a target for two garments, two points or limbs each."""
    torch.manual_seed(3)
    maps = torch.rand(2, 2, 3, 3, dtype=torch.float64)
    beliefs = {"simcc_x": torch.rand(2, 2, 4).softmax(2).double(), "simcc_y": torch.rand(2, 2, 6).softmax(2).double()}
    target = {
        "background_mse": {"heatmaps": maps},
        "paf_mse": {
            "paf": torch.randn(2, 4, 3, 3, dtype=torch.float64),
            "limb_weight": torch.tensor([[1.0, 0], [1, 1]]),
        },
        "simcc_kl": beliefs,
        "coordinate_l1": {"coordinates": torch.rand(2, 2, 2, dtype=torch.float64)},
    }[name]
    shapes = (
        {"background": (2, 1, 3, 3)}
        if name == "background_mse"
        else {key: value.shape for key, value in target.items() if key != "limb_weight"}
    )
    return {key: torch.randn(*shape, dtype=torch.float64, requires_grad=True) for key, shape in shapes.items()}, target


@pytest.mark.parametrize("name", ["background_mse", "paf_mse", "simcc_kl", "coordinate_l1"])
def test_gradients_agree_with_differences(name):
    output, target = _case(name)
    weight = torch.tensor([[1.0, 0.0], [0.5, 1.0]], dtype=torch.float64)

    def loss(*values: torch.Tensor) -> torch.Tensor:
        return total_loss([dict(zip(output, values, strict=True))], target, weight, terms=[(name, 1.0)])[0]

    assert torch.autograd.gradcheck(loss, tuple(output.values()))


@pytest.mark.parametrize(
    ("name", "key", "masked"),
    [("paf_mse", "paf", slice(2, 4)), ("simcc_kl", "simcc_x", 1), ("coordinate_l1", "coordinates", 1)],
)
def test_a_masked_point_or_limb_has_no_gradient(name, key, masked):
    output, target = _case(name)
    total_loss([output], target, torch.tensor([[1.0, 0.0], [1.0, 1.0]], dtype=torch.float64), terms=[(name, 1.0)])[
        0
    ].backward()
    assert not output[key].grad[0, masked].any()
    assert output[key].grad[1, masked].any()


def test_hard_keypoints_leave_limbs_alone_even_when_there_are_as_many():
    output, target = _case("paf_mse")
    target["limb_weight"] = torch.ones(2, 2)
    weight, terms = torch.ones(2, 2, dtype=torch.float64), [("paf_mse", 1.0)]
    assert torch.equal(
        total_loss([output], target, weight, terms=terms, ohkm=1)[0],
        total_loss([output], target, weight, terms=terms)[0],
    )


def test_a_stage_without_the_output_is_left_out():
    output, target = _case("coordinate_l1")
    weight, terms = torch.ones(2, 2, dtype=torch.float64), [("coordinate_l1", 1.0)]
    alone, _ = total_loss([output], target, weight, terms=terms)
    beside, _ = total_loss([{"heatmaps": torch.zeros(2, 2, 3, 3)}, output], target, weight, terms=terms)
    assert alone.item() == pytest.approx(beside.item())


def test_a_term_that_no_stage_answers_is_an_error():
    output, target = _case("coordinate_l1")
    with pytest.raises(RecipeError, match=r"'paf_mse' judges the output 'paf'.*coordinates"):
        total_loss([output], target, torch.ones(2, 2), terms=[("paf_mse", 1.0)])


def test_outputs_and_targets_of_different_shape_are_an_error():
    output, target = _case("coordinate_l1")
    with pytest.raises(ShapeError, match="coordinates"):
        coordinate_l1(output, {"coordinates": target["coordinates"][:, :1]}, torch.ones(2, 2))
