"""Speeds in turns, by a clock that the test winds."""

from __future__ import annotations

import pytest

from hemline.report import speed


def test_median_times_are_compared(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(speed.time, "perf_counter", lambda: clock[0])
    order = []

    def take(name: str, *seconds: float):
        left = list(seconds)

        def run() -> None:
            order.append(name)
            clock[0] += left.pop(0)

        return run

    own, base = take("own", 90.0, 2.0, 50.0, 2.0), take("base", 1.0, 6.0, 6.0, 0.1)  # the first to warm up
    assert speed.relative_speed(own, base, rounds=3) == pytest.approx(3.0)
    assert order == ["own", "base"] * 4
