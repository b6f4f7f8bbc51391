"""Compare layouts drawn from the shape prior with real ones that it has not seen.

    python benchmarks/compare_prior.py --layouts LAYOUTS.csv

Half of the real layouts, chosen by chance, fit a prior; the sound ones of the other half are compared with as many
layouts drawn from it, kind by kind. The shipped prior is fitted to all (fit_prior.py). Writes the tables of
docs/synthetic.md and docs/images/shapes.png; takes a minute on one core.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from fit_prior import FEWEST, PICTURE, Layouts, fit_category, layouts_of, split_kinds
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from page import DOCS, put_table

from hemline.annotation import ABSENT, OCCLUDED
from hemline.files import write_atomic
from hemline.formats.fashionai import read_annotations
from hemline.garments import CATEGORIES, CATEGORY_KEYPOINTS, KEYPOINTS, NORMALIZER
from hemline.synth.prior import Measures, are_sound, draw_kind, draw_layouts, measure, mirror

SEED = 1
SPLITS = 10
RIDGE = 1000.0
"""Penalty of the classifier, for features of unit variance."""


class Compared(NamedTuple):
    """Layouts of one category, each as a pair: real, drawn.

    Attributes:
        figures: what was measured -> (N,) each.
        features: all measures and occlusions, (N, F) each, 0 where a kind lacks one.
        occlusion: how often each of the category's points is occluded, (P,) each.
        presence: how often each exists, (P,) each; of all layouts held out, sound or not.
        left_out: shares of the layouts held out that are of a rare kind, and that are not sound.
    """

    figures: dict[str, tuple[np.ndarray, np.ndarray]]
    features: tuple[np.ndarray, np.ndarray]
    occlusion: tuple[np.ndarray, np.ndarray]
    presence: tuple[np.ndarray, np.ndarray]
    left_out: tuple[float, float]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--layouts", type=Path, required=True)
    table = read_annotations(arguments.parse_args().layouts)
    compared = {category: compare(category, layouts_of(table, category)) for category in CATEGORIES}
    put_table("synthetic.md", "shape-figures", figures_table(compared))
    put_table("synthetic.md", "shape-tests", tests_table(compared))
    draw_page(compared, DOCS / "images" / "shapes.png")


def compare(category: str, layouts: Layouts) -> Compared:
    """Fit one half, draw as many as the other half has, and measure both."""
    rng = np.random.default_rng(SEED)
    turned = rng.random(len(layouts[0])) < 0.5  # drawn layouts know no side either
    for original, image in zip(layouts, mirror(*layouts), strict=True):
        original[turned] = image[turned]
    fitted, held = ([part[half] for part in layouts] for half in np.array_split(rng.permutation(len(turned)), 2))
    kinds = fit_category((fitted[0], fitted[1]), fewest=FEWEST // 2)
    kind_of = {kind.presence.tobytes(): kind for kind in kinds}

    rows: tuple[list[Measures], list[Measures]] = [], []
    crossed = rare = 0
    for presence, (keypoints, visibility) in split_kinds((held[0], held[1]), fewest=1):
        kind = kind_of.get(presence.tobytes())
        if kind is None:
            rare += len(keypoints)
            continue
        sound = are_sound(keypoints, presence)
        crossed += len(sound) - sound.sum()
        both = (keypoints[sound], visibility[sound]), draw_kind(rng, kind, sound.sum())
        for found, (points, seen) in zip(rows, both, strict=True):
            found.append(describe(category, points, seen, presence))
    real, drawn = (_stack(found) for found in rows)
    own = list(CATEGORY_KEYPOINTS[category])
    everything = held[1], draw_layouts(rng, kinds, len(held[1]))[1]
    hidden = [f"occluded {KEYPOINTS[point]}" for point in own]
    asked = [name for name in real if ", " in name or " / " in name]
    return Compared(
        figures={name: (real[name][~np.isnan(real[name])], drawn[name][~np.isnan(drawn[name])]) for name in asked},
        features=tuple(
            np.nan_to_num(np.column_stack([numbers[name] for name in real if name not in asked]))
            for numbers in (real, drawn)
        ),
        occlusion=tuple(np.array([np.nanmean(numbers[name]) for name in hidden]) for numbers in (real, drawn)),
        presence=tuple((visibility[:, own] != ABSENT).mean(0) for visibility in everything),
        left_out=(rare / len(held[0]), crossed / len(held[0])),
    )


def describe(category: str, keypoints: np.ndarray, visibility: np.ndarray, presence: np.ndarray) -> Measures:
    """Compute all features of layouts of one kind, and the figures that people ask for, whose names have units.

    Of limbs the figures take the left one, since the sides are alike. NaN where the kind lacks a point.
    """
    found = measure(keypoints, presence)
    for point in CATEGORY_KEYPOINTS[category]:
        nowhere = np.full(len(keypoints), np.nan)
        found[f"occluded {KEYPOINTS[point]}"] = visibility[:, point] == OCCLUDED if presence[point] else nowhere
    first, second = NORMALIZER[category]
    width, height = np.ptp(keypoints[:, presence], axis=1).T
    figures = {
        "normaliser, px of 512": PICTURE * np.linalg.norm(keypoints[:, first] - keypoints[:, second], axis=-1),
        "box, height / width": height / width,
    }
    if category == "trousers":
        figures["leg / normaliser"] = np.exp(found["left_reach"])
        figures["between legs, degrees"] = np.rad2deg(found["left_swing"] + found["right_swing"])
    elif category == "skirt":
        figures["length / normaliser"] = np.exp(found["length"])
        figures["hem / normaliser"] = np.exp(found["hemline_width"])
    elif "left_reach" in found:
        figures["sleeve / normaliser"] = np.exp(found["left_reach"])
        figures["sleeve from body, degrees"] = np.rad2deg(found["left_swing"])
    return figures | found


def _stack(kinds: list[Measures]) -> Measures:
    """Join the numbers of several kinds; NaN where one lacks a number."""
    counts = [len(found["size"]) for found in kinds]
    names = dict.fromkeys(name for found in kinds for name in found)
    return {
        name: np.concatenate(
            [found.get(name, np.full(count, np.nan)) for found, count in zip(kinds, counts, strict=True)]
        )
        for name in names
    }


def kolmogorov_smirnov(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return the greatest distance between two distribution functions, and its 5 % critical value."""
    places = np.concatenate([first, second])
    below = [np.searchsorted(np.sort(sample), places, side="right") / len(sample) for sample in (first, second)]
    critical = 1.358 * np.sqrt(1 / len(first) + 1 / len(second))
    return float(np.abs(below[0] - below[1]).max()), float(critical)


def neighbour_accuracy(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return how often the nearest neighbour of one of a sample, among all others, is of that sample, too."""
    both, label = _standardise(first, second)
    norm = np.square(both).sum(1)
    distance = norm[:, None] + norm - 2 * both @ both.T
    np.fill_diagonal(distance, np.inf)
    alike = label[distance.argmin(1)] == label
    return float(alike[: len(first)].mean()), float(alike[len(first) :].mean())


def classifier_accuracy(first: np.ndarray, second: np.ndarray) -> float:
    """Tell two samples apart by ridge regression on all features and products of two, on halves held out."""
    both, label = _standardise(first, second)
    one, other = np.triu_indices(both.shape[1])
    both = np.column_stack([both, np.clip(both[:, one] * both[:, other], -9, 9)])
    rng = np.random.default_rng(SEED)
    right = []
    for _ in range(SPLITS):
        train, test = np.array_split(rng.permutation(len(label)), 2)
        gram = both[train] @ both[train].T + RIDGE * np.eye(len(train))
        score = both[test] @ (both[train].T @ np.linalg.solve(gram, label[train]))
        right.append((np.sign(score) == label[test]).mean())
    return float(np.mean(right))


def _standardise(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    both = np.concatenate([first, second])
    return (both - both.mean(0)) / np.maximum(both.std(0), 1e-9), np.repeat([-1.0, 1.0], [len(first), len(second)])


def figures_table(compared: dict[str, Compared]) -> str:
    lines = [
        "| category | figure | real: 5, 50, 95 % | drawn: 5, 50, 95 % | KS | 5 % critical |",
        "|---|---|---|---|---|---|",
    ]
    for category, found in compared.items():
        for name, (real, drawn) in found.figures.items():
            decimals = 0 if ", " in name and "/" not in name else 2
            spread = [
                " ".join(f"{value:.{decimals}f}" for value in np.percentile(numbers, [5, 50, 95]))
                for numbers in (real, drawn)
            ]
            distance, critical = kolmogorov_smirnov(real, drawn)
            shown = f"**{distance:.3f}**" if distance > critical else f"{distance:.3f}"
            lines.append(f"| {category} | {name} | {spread[0]} | {spread[1]} | {shown} | {critical:.3f} |")
    return "\n".join(lines)


def tests_table(compared: dict[str, Compared]) -> str:
    head = (
        "| category | layouts | left out: rare, crossed % | presence, greatest gap % | occlusion real, drawn % | "
        "greatest gap % | nearest neighbour: of real, of drawn % | classifier % | classifier, real from real % |"
    )
    lines = [head, "|---" * 9 + "|"]
    for category, found in compared.items():
        real, drawn = found.features
        halves = np.array_split(np.random.default_rng(SEED).permutation(len(real)), 2)
        occlusion = [100 * rate for rate in found.occlusion]
        cells = [
            category,
            str(len(real)),
            ", ".join(f"{100 * share:.1f}" for share in found.left_out),
            f"{100 * np.abs(found.presence[0] - found.presence[1]).max():.1f}",
            ", ".join(f"{rate.mean():.1f}" for rate in occlusion),
            f"{np.abs(occlusion[0] - occlusion[1]).max():.1f}",
            ", ".join(f"{100 * share:.1f}" for share in neighbour_accuracy(real, drawn)),
            f"{100 * classifier_accuracy(real, drawn):.1f}",
            f"{100 * classifier_accuracy(real[halves[0]], real[halves[1]]):.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw_page(compared: dict[str, Compared], path: Path) -> None:
    """Draw histograms of the figures and the rates of each point, one row per category."""
    figure = Figure(figsize=(15, 11), dpi=72, layout="constrained")
    axes = figure.subplots(len(compared), 6, width_ratios=[1, 1, 1, 1, 1.5, 1.5])
    for row, (category, found) in zip(axes, compared.items(), strict=True):
        for axis, (name, both) in zip(row, found.figures.items(), strict=False):
            bins = np.linspace(*np.percentile(np.concatenate(both), [0.5, 99.5]), 31)
            axis.hist(both[0], bins, color="0.75", label="real, held out")
            axis.hist(both[1], bins, histtype="step", color="C3", label="drawn")
            axis.set_title(name, fontsize=9)
            axis.set_yticks([])
        row[0].set_ylabel(category, fontsize=12, fontweight="bold")
        points = CATEGORY_KEYPOINTS[category]
        for axis, name, rates in ((row[4], "exist", found.presence), (row[5], "are occluded", found.occlusion)):
            places = np.arange(len(points))
            axis.bar(places, rates[0], color="0.75")
            axis.plot(places, rates[1], "_", color="C3", markersize=9, markeredgewidth=2)
            axis.set_xticks(places, [KEYPOINTS[point] for point in points], rotation=90, fontsize=6)
            axis.set_title(f"share of points that {name}", fontsize=9)
            axis.set_ylim(0, 1)
    axes[0, 0].legend(fontsize=7)
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)
    write_atomic(path, stream.getvalue())


if __name__ == "__main__":
    main()
