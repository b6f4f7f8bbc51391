"""Scores of predicted points as a CSV, beside the CSV of the points."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from hemline.annotation import Prediction
from hemline.files import open_atomic
from hemline.formats.fashionai import COLUMNS


@contextlib.contextmanager
def open_score_writer(path: Path) -> Iterator[Callable[[Prediction], None]]:
    """Write scores row by row; the file appears under its name when the block ends without an error.

    The columns are those of a FashionAI CSV; a cell is a score from 0 to 1, empty outside the category, and 0
    for a point that was filled in without a look at the photo. A point that was repaired keeps the low score of
    the place where it was.
    """
    with open_atomic(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)

        def write(prediction: Prediction) -> None:
            cells = ("" if np.isnan(score) else f"{score:.4f}" for score in prediction.scores)
            writer.writerow((prediction.image_id, prediction.category, *cells))

        yield write
