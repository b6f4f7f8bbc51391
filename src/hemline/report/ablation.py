"""A study's effects as one table and one plot."""

from __future__ import annotations

import io
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hemline.files import write_atomic

TABLE, PLOT = "effects.md", "effects.svg"
"""Names of a study's table and plot in its folder."""


@dataclass(frozen=True)
class Effect:
    """What a switch does, over all seeds.

    Attributes:
        name: the switch's.
        ne: percent, the mean over the seeds.
        difference: NE minus the base's, in points; below 0 is better.
        interval: 95 % bootstrap interval of the difference over garments, the seeds averaged.
        by_seed: the difference of each seed.
        speed: photos per second of predicting as a share of the base's, the median over the seeds; the base, timed
            beside itself, shows how far off that is. None for what predicts as the base does.
        verdict: the study's sentence.
    """

    name: str
    ne: float
    difference: float
    interval: tuple[float, float]
    by_seed: tuple[float, ...]
    speed: float | None
    verdict: str

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.interval[0] > 0 or self.interval[1] < 0


def effect_table(base: Effect, effects: Sequence[Effect]) -> str:
    """Write the effects as a Markdown table, the base first, and below it what the seed alone changes.

    Args:
        base: itself.
        effects: of the switches, in the order of the rows.
    """
    lines = [
        "| switch | NE | difference | 95 % interval | by seed | photos/s | verdict |",
        "|---|---|---|---|---|---|---|",
        f"| {base.name} | {base.ne:.2f} % | | | | {_speed(base)} | |",
    ]
    for effect in effects:
        low, high = effect.interval
        seeds = ", ".join(f"{each:+.2f}" for each in effect.by_seed)
        zero = "" if effect.is_clear else ", includes zero"
        lines.append(
            f"| {effect.name} | {effect.ne:.2f} % | {effect.difference:+.2f} | {low:+.2f} to {high:+.2f}{zero} "
            f"| {seeds} | {_speed(effect)} | {effect.verdict} |"
        )
    spreads = [statistics.variance(effect.by_seed) for effect in effects if len(effect.by_seed) > 1]
    if spreads:
        spread = math.sqrt(statistics.fmean(spreads))
        pooled = f"{spread:.2f} points (standard deviation, all switches pooled)"
        lines += ["", f"Another seed changes a difference by {pooled}."]
    return "\n".join(lines) + "\n"


def _speed(effect: Effect) -> str:
    return "" if effect.speed is None else f"{effect.speed:.2f}"


def write_effect_plot(path: Path, effects: Sequence[Effect]) -> None:
    """Draw each switch's difference in NE with its interval, the best on top.

    Args:
        path: .svg, .png or .pdf.
        effects: of the switches.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ordered = sorted(effects, key=lambda effect: effect.difference, reverse=True)
    figure = Figure(figsize=(8, 1.2 + 0.28 * len(ordered)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for row, effect in enumerate(ordered):
        color = "0.6" if not effect.is_clear else "tab:green" if effect.difference < 0 else "tab:red"
        axes.plot(effect.interval, (row, row), color=color, linewidth=2)
        axes.plot(effect.difference, row, "o", color=color)
        axes.plot(effect.by_seed, [row] * len(effect.by_seed), "|", color="black", markersize=5)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(ordered)), [effect.name for effect in ordered])
    axes.set_xlabel("NE minus the base's, points (left is better); bar: 95 % interval, strokes: seeds")
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix.removeprefix("."), dpi=120)
    write_atomic(path, content.getvalue())
