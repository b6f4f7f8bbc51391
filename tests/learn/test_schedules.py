"""Learning rates: tables of values, in shares of the peak."""

from __future__ import annotations

import pytest
import torch

from hemline.learn.schedules import build_schedule

OPTIONS = {"steps": 101, "warmup": 0.0, "milestones": (0.5, 0.75), "gamma": 0.1, "cycles": 4}


def rates(name: str, *steps: int, **options) -> list[float]:
    schedule = build_schedule(name, **(OPTIONS | options))
    return [pytest.approx(schedule(step), abs=1e-9) for step in steps]


@pytest.mark.parametrize(
    ("name", "expected"),
    [  # the first step is the warm-up's only one; step 1 + n of 101 has share n / 100
        ("constant", [1, 1, 1, 1, 1]),
        ("plateau", [1, 1, 1, 1, 1]),
        ("cosine", [1, 0.8535533906, 0.5, 0.1464466094, 0]),  # (1 + cos(share * pi)) / 2
        ("step", [1, 1, 0.1, 0.01, 0.01]),
        ("sawtooth", [1, 1, 1, 1, 1 / 80]),
    ],
)
def test_rate_at_each_quarter(name, expected):
    assert rates(name, 1, 26, 51, 76, 101) == expected


def test_teeth_fall_in_a_straight_line():
    assert rates("sawtooth", 1, 11, 21, 31, 41, cycles=2) == [1, 0.8025, 0.605, 0.4075, 0.21]  # 1 - 79/80 * share * 2


def test_one_cycle_is_torchs():
    parameter = torch.nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=1001, pct_start=0.3, cycle_momentum=False, final_div_factor=1e8
    )
    ours = build_schedule("onecycle", **(OPTIONS | {"steps": 1001}))
    for step in range(1, 1000):  # theirs counts from the first step, ours from the second; it peaks a step earlier
        optimizer.step()
        theirs.step()
        assert ours(step + 1) == pytest.approx(theirs.get_last_lr()[0], abs=0.006)


@pytest.mark.parametrize("name", ["constant", "cosine", "step", "sawtooth"])
def test_warmup_rises_in_a_straight_line_to_the_peak(name):
    assert rates(name, 0, 1, 2, 3, 4, 5, warmup=0.0495) == [0.2, 0.4, 0.6, 0.8, 1, 1]


def test_a_training_of_one_step_has_a_rate():
    assert rates("cosine", 0, steps=1) == [1]
