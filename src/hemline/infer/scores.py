"""Scores of predicted points as a CSV, beside the CSV of the points."""

from __future__ import annotations

import contextlib
import csv
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from hemline.annotation import Prediction
from hemline.files import open_atomic
from hemline.formats.fashionai import COLUMNS, INSTANCE_COLUMNS


@contextlib.contextmanager
def open_score_writer(path: Path, *, instances: bool = False) -> Iterator[Callable[[Prediction], None]]:
    """Write scores row by row; the file appears under its name when the block ends without an error.

    The columns are those of a FashionAI CSV; a cell is a score from 0 to 1, empty outside the category, and 0
    for a point that was filled in without a look at the photo. A point that was repaired keeps the low score of
    the place where it was. With `instances` a photo may have several garments, numbered as `open_writer` does.
    """
    written: Counter[str] = Counter()
    with open_atomic(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(INSTANCE_COLUMNS if instances else COLUMNS)

        def write(prediction: Prediction) -> None:
            cells = ("" if np.isnan(score) else f"{score:.4f}" for score in prediction.scores)
            number = (written[prediction.image_id],) if instances else ()
            written[prediction.image_id] += 1
            writer.writerow((prediction.image_id, prediction.category, *number, *cells))

        yield write
