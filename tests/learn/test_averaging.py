"""Averages over steps and over networks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hemline.errors import WeightsError
from hemline.learn.averaging import average_weights, build_average, refresh_norm


def follow(values: list[float], **options) -> list[float]:
    """Average a network of one weight over its values step by step."""
    network = nn.Linear(1, 1, bias=False)
    average = build_average(network, **options)
    seen = []
    for value in values:
        with torch.no_grad():
            network.weight.fill_(value)
        average.update_parameters(network)
        seen.append(pytest.approx(average.module.weight.item(), rel=1e-6))
    return seen


def test_without_decay_it_is_the_network():
    assert follow([1.0, 5.0, 2.0], decay=0.0) == [1.0, 5.0, 2.0]


def test_moving_average_remembers_more_and_more():
    # The first step copies; then the memory is min(decay, (1 + n) / (10 + n)) = 2/11, then 3/12.
    second = 0 * 2 / 11 + 11 * 9 / 11
    assert follow([0.0, 11.0, 1.0], decay=0.9) == [0.0, second, second * 0.25 + 0.75]
    assert follow([0.0, 11.0, 1.0], decay=0.1) == [0.0, 9.9, 9.9 * 0.1 + 0.9]


def test_equal_average_forgets_what_was_before():
    assert follow([7.0, 9.0, 1.0, 2.0, 6.0], decay=0.0, equal_from=2) == [7.0, 9.0, 1.0, 1.5, 3.0]


def test_buffers_are_averaged_and_counters_copied():
    network = nn.BatchNorm1d(1)
    average = build_average(network, decay=0.0, equal_from=0)
    for value in (1.0, 3.0):
        network.running_mean.fill_(value)
        network.num_batches_tracked.fill_(int(value))
        average.update_parameters(network)
    assert average.module.running_mean.item() == 2.0
    assert average.module.num_batches_tracked.item() == 3


def test_refreshed_norm_has_the_statistics_of_the_data():
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(1))
    network.eval()
    batches = [torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [7.0]])]
    refresh_norm(network, batches)
    assert network[1].running_mean.item() == pytest.approx(4.0)  # the mean of 2 and 6
    assert network[1].running_var.item() == pytest.approx(2.0)  # each batch's own, unbiased
    assert not network.training


def test_statistics_that_were_fixed_in_training_stay():
    network = nn.Sequential(nn.BatchNorm1d(1), nn.BatchNorm1d(1))
    network[0].running_mean.fill_(7.0)
    refresh_norm(network.eval(), [torch.tensor([[1.0], [3.0]])], fixed=network[0])
    assert network[0].running_mean.item() == 7.0
    assert network[1].running_mean.item() == pytest.approx(-5.0, rel=1e-4)  # of 1 - 7 and 3 - 7, as in training
    assert not any(module.training for module in network.modules())


def test_soup_is_the_mean():
    soup = average_weights(
        [{"w": torch.tensor([1.0, 2.0]), "n": torch.tensor(3)}, {"w": torch.tensor([3.0, 6.0]), "n": torch.tensor(5)}]
    )
    assert soup["w"].tolist() == [2.0, 4.0]
    assert soup["n"].item() == 3


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"w": torch.zeros(3)}, r"'w' is \(2,\) and \(3,\)"),
        ({"v": torch.zeros(2)}, r"'w' is \(2,\) and None"),
        ({"w": torch.zeros(2), "v": torch.zeros(2)}, r"'v' is None and \(2,\)"),
    ],
)
def test_soup_needs_one_kind_of_network(other, message):
    with pytest.raises(WeightsError, match=message):
        average_weights([{"w": torch.zeros(2)}, other])
