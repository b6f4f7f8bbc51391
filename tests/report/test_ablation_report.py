"""A study's table and plot."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from hemline.report.ablation import Effect, effect_table, write_effect_plot

EFFECTS = [
    Effect("flip", 7.5, -0.5, (-0.8, -0.2), (-0.6, -0.4), 0.51, "It helps."),
    Effect("blur", 8.1, 0.1, (-0.1, 0.3), (0.1, 0.1), None, ""),
]


BASE = Effect("base", 8.0, 0.0, (0.0, 0.0), (0.0, 0.0), 1.02, "")


def test_table_says_where_the_interval_includes_zero():
    assert effect_table(BASE, EFFECTS).splitlines()[2:] == [
        "| base | 8.00 % | | | | 1.02 | |",
        "| flip | 7.50 % | -0.50 | -0.80 to -0.20 | -0.60, -0.40 | 0.51 | It helps. |",
        "| blur | 8.10 % | +0.10 | -0.10 to +0.30, includes zero | +0.10, +0.10 |  |  |",
        "",
        "Another seed changes a difference by 0.10 points (standard deviation, all switches pooled).",
    ]


def test_table_of_one_seed_says_nothing_of_others():
    effect = Effect("flip", 7.5, -0.5, (-0.8, -0.2), (-0.5,), None, "")
    assert effect_table(BASE, [effect]).endswith("| -0.50 |  |  |\n")


def test_plot_has_the_name_of_every_switch(tmp_path):
    write_effect_plot(tmp_path / "effects.svg", EFFECTS)
    drawn = (tmp_path / "effects.svg").read_text()
    assert "<svg" in drawn
    assert all(f"<!-- {effect.name} -->" in drawn for effect in EFFECTS)


def test_plot_shows_each_difference_interval_and_seed(monkeypatch, tmp_path):
    lines = []
    own = Axes.plot

    def note(axes, x, y, *style, **options):
        lines.append((np.atleast_1d(x).tolist(), np.atleast_1d(y).tolist()))
        return own(axes, x, y, *style, **options)

    monkeypatch.setattr(Axes, "plot", note)
    write_effect_plot(tmp_path / "effects.svg", EFFECTS)
    assert lines == [
        ([-0.1, 0.3], [0, 0]),  # the worse one below
        ([0.1], [0]),
        ([0.1, 0.1], [0, 0]),
        ([-0.8, -0.2], [1, 1]),
        ([-0.5], [1]),
        ([-0.6, -0.4], [1, 1]),
    ]
