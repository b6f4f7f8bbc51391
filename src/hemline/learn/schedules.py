"""Learning rates over a training: a linear rise, the warm-up, then one of several schedules.

A schedule maps the share of the training that is done, counted from the end of the warm-up, from 0 to 1, to a factor
on the peak learning rate.

Adding a schedule: one function here, one line in `build_schedule`, its name in the recipe's [train], and a table of
values in tests/learn/test_schedules.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial


def constant(share: float) -> float:
    """Stay at the peak."""
    return 1.0


def cosine(share: float) -> float:
    """Fall to zero along half a cosine.

    Source: SGDR (arXiv 1608.03983). Differs: no restarts.
    """
    return 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


def one_cycle(share: float) -> float:
    """Rise from a 25th of the peak for 30 % of the way, then fall to zero, both along half a cosine.

    Source: Smith and Topin 2017 (arXiv 1708.07120), with the shares of torch's OneCycleLR. Differs: the momentum stays.
    """
    if share < 0.3:
        return 1 / 25 + (1 - 1 / 25) * (1 - cosine(share / 0.3))
    return cosine((share - 0.3) / 0.7)


def step(share: float, *, milestones: Sequence[float], gamma: float) -> float:
    """Fall to `gamma` of the rate at each of the milestones, which are shares."""
    return gamma ** sum(share >= milestone for milestone in milestones)


def sawtooth(share: float, *, cycles: int) -> float:
    """Fall to an eightieth of the peak in a straight line, several times over.

    Source: HiKapok's rates for weight averaging, 8e-5 to 1e-6 in each epoch.
    """
    within = share * cycles % 1.0 if share < 1 else 1.0
    return 1 - (1 - 1 / 80) * within


def build_schedule(
    name: str, *, steps: int, warmup: float, milestones: Sequence[float], gamma: float, cycles: int
) -> Callable[[int], float]:
    """Build the factor on the learning rate for each step.

    Args:
        name: "constant", "cosine", "step", "onecycle", "sawtooth", or "plateau", which is constant here: its falls
            depend on the validation and are up to the caller.
        steps: of the whole training.
        warmup: share of them with a linear rise to the peak, at least one step.
        milestones, gamma: of "step".
        cycles: of "sawtooth".
    Returns:
        a function of the step, from 0.
    """
    schedules: dict[str, Callable[[float], float]] = {
        "constant": constant,
        "cosine": cosine,
        "step": partial(step, milestones=milestones, gamma=gamma),
        "plateau": constant,
        "onecycle": one_cycle,
        "sawtooth": partial(sawtooth, cycles=cycles),
    }
    schedule = schedules[name]
    rising = max(1, round(steps * warmup))

    def factor(done: int) -> float:
        if done < rising:
            return (done + 1) / rising
        return schedule((done - rising) / max(1, steps - rising))

    return factor
