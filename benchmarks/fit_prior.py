"""Fit the shape prior of synthetic garments to real layouts, and write src/hemline/synth/prior.npz.

    python benchmarks/fit_prior.py --layouts LAYOUTS.csv

LAYOUTS.csv is a FashionAI annotation file; photos are not needed. hemline/synth/prior.py explains the model. The same
file gives the same prior, up to the last digits of the linear algebra library.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import fields, replace
from pathlib import Path
from statistics import NormalDist

import numpy as np

from hemline.annotation import ABSENT, OCCLUDED, AnnotationTable
from hemline.files import write_atomic
from hemline.formats.fashionai import read_annotations
from hemline.garments import CATEGORIES
from hemline.synth.prior import PRIOR, Kind, are_sound, build, draw_scores, measure, mirror, to_scores, to_values

Layouts = tuple[np.ndarray, np.ndarray]
"""Keypoints (N, 24, 2) in shares of the picture, and visibility (N, 24)."""

SEED = 0
PICTURE = 512
"""Longer side of FashionAI's photos. Their own sizes are not in the file, so that all are taken for square."""
FEWEST = 40
"""Layouts that a kind needs."""
PER_GAUSSIAN, MOST_GAUSSIANS = 180, 8
"""Layouts for each Gaussian; with twice as many Gaussians, layouts held out became less likely."""
SHRINKAGE = 1
"""Layouts' worth of independent measures that are mixed into each covariance."""
PENALTY = 3.0
"""Ridge of the logistic regressions."""
QUANTILES = np.concatenate([[0.005, 0.01], np.linspace(0.02, 0.98, 49), [0.99, 0.995]])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--layouts", type=Path, required=True)
    arguments.add_argument("--out", type=Path, default=PRIOR)
    chosen = arguments.parse_args()
    table = read_annotations(chosen.layouts)
    write_prior(chosen.out, {category: fit_category(layouts_of(table, category)) for category in CATEGORIES})
    print(f"{chosen.out}: {chosen.out.stat().st_size / 1024:.0f} KiB")


def layouts_of(table: AnnotationTable, category: str) -> Layouts:
    """Collect the layouts of a category.

    Whole pixels get a fraction, by chance, so that equal coordinates do not become a shape of their own.
    """
    points = table.of_categories([category]).points
    jitter = np.random.default_rng(SEED).uniform(-0.5, 0.5, points[:, :, :2].shape)
    visibility = points[:, :, 2].astype(np.int8)
    keypoints = np.clip((points[:, :, :2] + jitter) / PICTURE, 0, 1)
    return np.where(visibility[:, :, None] == ABSENT, -1, keypoints), visibility


def split_kinds(layouts: Layouts, fewest: int = FEWEST) -> list[tuple[np.ndarray, Layouts]]:
    """Split layouts by which points they have, the most frequent kind first, without rare ones.

    Returns:
        presence (24,) bool and its layouts, for each kind. Rare kinds are garments with a corner outside the photo,
        mostly.
    """
    keypoints, visibility = layouts
    patterns, pattern_of, count = np.unique(visibility != ABSENT, axis=0, return_inverse=True, return_counts=True)
    frequent = [number for number in np.argsort(-count, kind="stable") if count[number] >= fewest]
    return [(patterns[n], (keypoints[pattern_of == n], visibility[pattern_of == n])) for n in frequent]


def fit_category(layouts: Layouts, fewest: int = FEWEST) -> tuple[Kind, ...]:
    """Fit all kinds of one category; their shares count layouts that are not sound, too."""
    kinds = split_kinds(layouts, fewest)
    total = sum(len(own[0]) for _, own in kinds)
    return tuple(fit_kind(presence, own, share=len(own[0]) / total) for presence, own in kinds)


def fit_kind(presence: np.ndarray, layouts: Layouts, *, share: float) -> Kind:
    """Fit the statistics of one kind to its sound layouts and their mirror images."""
    sound = are_sound(layouts[0], presence)
    originals = layouts[0][sound], layouts[1][sound]
    keypoints, visibility = (np.concatenate(both) for both in zip(originals, mirror(*originals), strict=True))
    found = measure(keypoints, presence)
    values = np.stack(list(found.values()), axis=1)  # (N, M)

    rng = np.random.default_rng(SEED)
    gaussians = max(1, min(MOST_GAUSSIANS, sound.sum() // PER_GAUSSIAN))
    weights, means, roots = fit_mixture(rng, _to_normal(values), gaussians)
    kind = Kind(
        presence=presence,
        share=np.array(share),
        measures=np.array(list(found)),
        weights=weights,
        means=means,
        roots=roots,
        scores=np.empty(0),
        values=np.quantile(values, QUANTILES, axis=0).T,  # (M, Q)
        occlusion=np.empty(0),
    )
    drawn = draw_scores(rng, kind, 50_000)
    kept = np.ones(len(drawn), bool)
    for _ in range(3):  # the tables make up for what leaving out crossed garments does to each measure
        kind = replace(kind, scores=np.quantile(drawn[kept], QUANTILES, axis=0).T)  # (M, Q)
        kept = are_sound(build(dict(zip(kind.measures, to_values(kind, drawn).T, strict=True)), presence), presence)
    occluded = (visibility[:, presence] == OCCLUDED).astype(float)  # (N, P)
    return replace(kind, occlusion=fit_occlusion(to_scores(kind, values), occluded))


def fit_mixture(rng: np.random.Generator, samples: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit Gaussians to samples (N, M) by expectation-maximisation, begun with k-means.

    Returns:
        weights (C,), means (C, M), lower Cholesky factors of the covariances (C, M, M).
    """
    centres = samples[rng.choice(len(samples), count, replace=False)]
    for _ in range(10):
        nearest = np.square(samples[:, None] - centres).sum(-1).argmin(1)
        centres = np.stack(
            [samples[nearest == c].mean(0) if (nearest == c).any() else centres[c] for c in range(count)]
        )
    belonging = np.eye(count)[nearest]  # (N, C)
    variance = np.diag(samples.var(0))
    for _ in range(60):
        mass = belonging.sum(0)  # (C,)
        means = belonging.T @ samples / mass[:, None]
        around = samples - means[:, None]  # (C, N, M)
        scatter = np.einsum("nc,cni,cnj->cij", belonging, around, around, optimize=True)
        # Mirror images come in pairs: SHRINKAGE layouts are two rows each.
        covariance = (scatter + 2 * SHRINKAGE * variance) / (mass + 2 * SHRINKAGE)[:, None, None]
        roots = np.linalg.cholesky(covariance)
        whitened = np.linalg.solve(roots, around.transpose(0, 2, 1))  # (C, M, N)
        log_density = -0.5 * np.square(whitened).sum(1).T - np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(1)
        log_density += np.log(mass)
        belonging = np.exp(log_density - log_density.max(1, keepdims=True))
        belonging /= belonging.sum(1, keepdims=True)
    return mass / mass.sum(), means, roots


def fit_occlusion(scores: np.ndarray, occluded: np.ndarray) -> np.ndarray:
    """Fit a logistic regression for each point, by Newton's method.

    Args:
        scores: (N, M) of the measures.
        occluded: (N, P) of 0 and 1.
    Returns:
        (P, M + P + 1) weights of the scores, the points before, and a constant.
    """
    points, shape = occluded.shape[1], scores.shape[1]
    weights = np.zeros((points, shape + points + 1))
    for point in range(points):
        known = np.column_stack([scores, occluded[:, :point], np.ones(len(scores))])
        ridge = np.full(known.shape[1], 2 * PENALTY)
        ridge[-1] = 1e-3  # the constant is free, as far as a point that is never occluded allows
        beta = np.zeros(known.shape[1])
        for _ in range(30):
            chance = 1 / (1 + np.exp(-known @ beta))
            slope = known.T @ (occluded[:, point] - chance) - ridge * beta
            curvature = (known * (chance * (1 - chance))[:, None]).T @ known + np.diag(ridge)
            beta += np.linalg.solve(curvature, slope)
        weights[point, : shape + point], weights[point, -1] = beta[:-1], beta[-1]
    return weights


def write_prior(path: Path, prior: dict[str, tuple[Kind, ...]]) -> None:
    """Write prior.npz, in half precision but for the shares."""
    arrays = {}
    for category, kinds in prior.items():
        for number, kind in enumerate(kinds):
            for field in fields(Kind):
                array = getattr(kind, field.name)
                arrays[f"{category}/{number}/{field.name}"] = array.astype(np.float16) if array.ndim > 1 else array
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    write_atomic(path, stream.getvalue())


def _to_normal(values: np.ndarray) -> np.ndarray:
    """Replace each measure by the normal quantile of its rank, (N, M)."""
    ranks = values.argsort(0).argsort(0)
    normal = np.array([NormalDist().inv_cdf((rank + 0.5) / len(values)) for rank in range(len(values))])
    return normal[ranks]


if __name__ == "__main__":
    main()
