"""Measure how well and how fast every decode method finds drawn peaks, and write docs/decoding.md.

    python benchmarks/decoders.py [--centres 500] [--seed 0]

Peaks are Gaussians at random places between the cells of a 32 x 32 map, 7 cells or more from its border; for the mean
error at places spread evenly over one cell in each quarter of a 48 x 48 map, so that chance leaves no mean error of its
own and a pull to the middle does not cancel out. Errors are along one axis, in crop pixels at stride 4: a cell is 4.
The noise is Gaussian, a twentieth of the peak's height, drawn anew for each cell. Times are for the 384 maps of 16
garments, 64 x 64 cells each, in rounds that alternate with argmax.
"""

from __future__ import annotations

import argparse
import itertools
from functools import partial
from typing import Any

import numpy as np
from page import put_table

from hemline.codecs import CODECS, build_codec
from hemline.codecs.decoders import DECODERS, find_peaks
from hemline.codecs.peak import gaussian
from hemline.report.speed import relative_speed

SIDE, STRIDE = 32, 4
SIGMAS = (1, 1.5, 2, 3)
NOISE = 0.05
QUARTERS = (16, 31)
"""Cells in the four quarters of a map of 48 x 48."""
BEFORE: tuple[dict[str, Any], ...] = ({}, {"blur": 1.0}, {"upsample": 8})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--centres", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    rng = np.random.default_rng(chosen.seed)
    said = f"{2 * chosen.centres} places, seed {chosen.seed}, noise {NOISE:g} of the peak's height."
    tables = "\n\n".join([said, table_of_methods(rng, chosen.centres), table_of_codecs(rng, chosen.centres)])
    print(tables)
    put_table("decoding.md", "tables", tables)


def table_of_methods(rng: np.random.Generator, count: int) -> str:
    """Measure every method, as it is and after smoothing or enlarging."""
    inside = mirrored(rng.uniform(7, SIDE - 8, (count, 2)), SIDE - 1)
    edge = np.stack([rng.uniform(-0.5, 0.5, 2 * count), rng.uniform(7, SIDE - 8, 2 * count)], 1)
    clean = {sigma: draw(inside, sigma) for sigma in SIGMAS}
    noisy = {sigma: np.maximum(maps + rng.normal(0, NOISE, maps.shape), 0) for sigma, maps in clean.items()}
    noisy = {sigma: maps.astype(np.float32) for sigma, maps in noisy.items()}
    batch = np.maximum(rng.normal(0, NOISE, (384, 64, 64)) + draw(rng.uniform(0, 63, (384, 2)), 2, side=64), 0)
    batch = batch.astype(np.float32)
    rows = []
    for before in BEFORE:
        for method in DECODERS:
            options = {"method": method, **before}
            errors = [errors_px(maps, inside, options) for maps in clean.values()]
            at_edge = errors_px(draw(edge, 2), edge, options)[:, 0]
            with_noise = [errors_px(maps, inside, options) for maps in noisy.values()]
            rows.append(
                [
                    f"`{method}`",
                    " ".join(f"{key} {value:g}" for key, value in before.items()) or "-",
                    f"{mean_error_px(options):.4f}",
                    *(f"{np.abs(error).mean():.3f}" for error in errors + with_noise),
                    f"{np.abs(at_edge).mean():.2f} ({at_edge.mean():+.2f})",
                    f"{relative_time(batch, options):,.0f}",
                ]
            )
    head = ["method", "before", "mean error", *(f"sigma {sigma:g}" for sigma in SIGMAS)]
    return as_table([*head, *(f"sigma {sigma:g}, noise" for sigma in SIGMAS), "at the border", "time"], rows)


def mean_error_px(options: dict[str, Any]) -> float:
    """Return the largest mean error of any quarter of a map, axis and width."""
    steps = (np.arange(6) + 0.5) / 6 - 0.5
    offsets = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    worst = 0.0
    for sigma, *cell in itertools.product(SIGMAS, QUARTERS, QUARTERS):
        places = np.array(cell) + offsets
        worst = max(worst, np.abs(errors_px(draw(places, sigma, side=48), places, options).mean(0)).max())
    return worst


def table_of_codecs(rng: np.random.Generator, count: int) -> str:
    """Measure every codec as it comes: what a perfect network answers for points anywhere in the crop."""
    points = mirrored(rng.uniform(0, 256, (count, 2)), 256)
    rows = []
    for name in CODECS:
        codec = build_codec(name, size_wh=(256, 256), stride=STRIDE, keypoints=range(len(points)), limbs=((0, 1),))
        perfect = codec.encode(points, np.ones(len(points)))
        errors = codec.decode({output: values[None] for output, values in perfect.items()})[0][0] - points
        rows.append([f"`{name}`", f"{np.abs(errors.mean(0)).max():.4f}", f"{np.abs(errors).mean():.4f}"])
    return as_table(["codec", "mean error", "mean absolute error"], rows)


def mirrored(places: np.ndarray, length: float) -> np.ndarray:
    """Add the mirror image of each place (N, 2) about the centre of a square of this length: (2N, 2)."""
    return np.concatenate([places, length - places])


def draw(centres: np.ndarray, sigma: float, *, side: int = SIDE) -> np.ndarray:
    """Draw Gaussians of height 1 about cell indices (N, 2): (N, side, side) float32."""
    across, down = (gaussian(side, centres[:, axis], sigma).astype(np.float32) for axis in (0, 1))
    return down[:, :, None] * across[:, None, :]  # (N, h, 1) * (N, 1, w) -> (N, h, w)


def errors_px(maps: np.ndarray, centres: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    """Return how far (N, 2) what is found is from the truth, to the right and down, in crop pixels."""
    return (find_peaks(maps, **options)[0] - centres) * STRIDE


def relative_time(maps: np.ndarray, options: dict[str, Any]) -> float:
    """Return the median time of a method over that of argmax."""
    return 1 / relative_speed(partial(find_peaks, maps, **options), partial(find_peaks, maps, method="argmax"))


def as_table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in [head, *rows]]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


if __name__ == "__main__":
    main()
