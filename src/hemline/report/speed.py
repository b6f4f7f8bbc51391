"""How fast one thing is beside another, on a machine whose own speed varies."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def relative_speed(own: Callable[[], object], base: Callable[[], object], *, rounds: int = 3) -> float:
    """Run two functions in turns, and compare their median times; each runs once before that, to warm up.

    Returns:
        times per second that `own` runs, as a share of the times that `base` does: above 1 where it is faster.
    """
    times: tuple[list[float], list[float]] = ([], [])
    own(), base()
    for _ in range(rounds):
        for function, taken in zip((own, base), times, strict=True):
            began = time.perf_counter()
            function()
            taken.append(time.perf_counter() - began)
    return statistics.median(times[1]) / statistics.median(times[0])
