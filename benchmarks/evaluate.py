"""How long `hemline evaluate` takes on two CSVs of 10,000 garments, beside what pandas needs to read them.

    python benchmarks/evaluate.py [--rounds 15]

Both read the same two files, by turns in one process; reading, matching, all metrics and the bootstrap
interval count for hemline. The predictions have three decimals, the truth has integers.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas

from hemline.annotation import AnnotationTable, category_mask
from hemline.formats.fashionai import read_annotations, write_annotations
from hemline.garments import CATEGORIES
from hemline.report.evaluation import evaluate

GARMENTS = 10_000


def make_files(folder: Path) -> tuple[Path, Path]:
    """Write random predictions and truth; a tenth of the category's true points are absent, a third occluded."""
    random = np.random.default_rng(0)
    categories = tuple(random.choice(CATEGORIES, GARMENTS).tolist())
    ids = tuple(f"Images/{category}/{random.bytes(16).hex()}.jpg" for category in categories)
    visibility = np.where(category_mask(categories), 1, -1)
    places = random.uniform(0, 512, (GARMENTS, 24, 2))
    guesses = np.dstack([places + random.normal(0, 5, places.shape), visibility])
    visibility = np.where(visibility == 1, random.choice([-1, *3 * [0], *6 * [1]], visibility.shape), -1)
    truth = np.dstack([places.round(), visibility])
    write_annotations(folder / "pred.csv", AnnotationTable(ids, categories, guesses))
    write_annotations(
        folder / "truth.csv", AnnotationTable(ids, categories, truth).select(random.permutation(GARMENTS))
    )
    return folder / "pred.csv", folder / "truth.csv"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=15)
    rounds = arguments.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        prediction, truth = make_files(Path(folder))
        pandas_times, hemline_times = [], []
        for _ in range(rounds):
            start = time.perf_counter()
            pandas.read_csv(prediction)
            pandas.read_csv(truth)
            middle = time.perf_counter()
            evaluate(read_annotations(prediction), read_annotations(truth))
            pandas_times.append(middle - start)
            hemline_times.append(time.perf_counter() - middle)
    ratios = [ours / theirs for ours, theirs in zip(hemline_times, pandas_times, strict=True)]
    print(f"two CSVs of {GARMENTS:,} garments, median of {rounds} rounds")
    print(f"  pandas.read_csv, both files   {1000 * statistics.median(pandas_times):6.1f} ms")
    print(f"  hemline evaluate              {1000 * statistics.median(hemline_times):6.1f} ms")
    print(f"  ratio                         {statistics.median(ratios):6.2f}  (at most 2)")


if __name__ == "__main__":
    main()
