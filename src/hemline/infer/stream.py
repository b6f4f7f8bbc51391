"""Any number of photos through a Finder: reading ahead in threads, answering in order, in bounded memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from hemline.annotation import AnnotationTable, Prediction
from hemline.errors import ImageError
from hemline.images import image_size, read_image
from hemline.infer.finder import Finder, Prepared, Size

ASSUMED_SIZE: Size = (512, 512)
"""Width and height of a photo whose header cannot be read; FashionAI's own."""

_WORKERS = min(8, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Source:
    """A photo to predict.

    Attributes:
        image_id: its id in the output.
        category: one of garments.CATEGORIES.
        path: where it lies.
    """

    image_id: str
    category: str
    path: Path


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer for one photo.

    Attributes:
        source: the photo.
        prediction: its points; a guess when it could not be read.
        error: why it could not be read, and what the guess is; None when all went well.
    """

    source: Source
    prediction: Prediction
    error: ImageError | None


@dataclass(frozen=True, slots=True)
class _Read:
    """A photo that was read, and what the Finder keeps of it."""

    source: Source
    prepared: Prepared


def predict_stream(finder: Finder, sources: Iterable[Source], *, workers: int = _WORKERS) -> Iterator[Outcome]:
    """Predict photos one after the other; at most a few batches of them are in memory.

    Args:
        finder: asked one batch at a time.
        sources: read lazily, a little ahead of the answers.
        workers: threads that read, decode and crop while the network runs.
    Yields:
        one Outcome per source, in order. A photo that cannot be read is answered with `Finder.guess`, for
        the size in its header or, where that is unreadable too, ASSUMED_SIZE.
    Raises:
        DataError: a category that the network was not trained for.
    """
    with ThreadPoolExecutor(workers) as pool:
        sources = iter(sources)
        reading: deque[Future[_Read | Outcome]] = deque()
        try:
            while True:
                ahead = 2 * finder.batch_size + workers - len(reading)
                reading.extend(pool.submit(_load, finder, source) for source in islice(sources, ahead))
                if not reading:
                    return
                count = min(finder.batch_size, len(reading))
                yield from _predict_batch(finder, [reading.popleft().result() for _ in range(count)])
        finally:
            for future in reading:
                future.cancel()


def predict_table(finder: Finder, table: AnnotationTable) -> AnnotationTable:
    """Predict the photos of a table.

    Args:
        finder: knows the categories of the table.
        table: with paths.
    Returns:
        the same rows with the predicted points: visible within the category, absent outside.
    Raises:
        ImageError: a photo cannot be read.
    """
    points = np.empty_like(table.points)
    sources = (
        Source(image_id, category, path)
        for image_id, category, path in zip(table.image_ids, table.categories, table.paths, strict=True)
    )
    for row, outcome in enumerate(predict_stream(finder, sources)):
        if outcome.error:
            raise outcome.error
        points[row] = outcome.prediction.points
    return AnnotationTable(table.image_ids, table.categories, points, table.paths)


def _load(finder: Finder, source: Source) -> _Read | Outcome:
    """Read and prepare one photo, so that its pixels need not be kept; or guess, where it cannot be read."""
    finder.check_category(source.category)
    try:
        photo = read_image(source.path)
    except ImageError as error:
        size_wh, origin = _size_of_unreadable(source.path)
        prediction = finder.guess(source.image_id, source.category, size_wh)
        guess = f"guessed the mean {source.category} on {size_wh[0]} x {size_wh[1]} pixels ({origin})"
        return Outcome(source, prediction, ImageError(f"{error}; {guess}"))
    return _Read(source, finder.prepare(photo))


def _size_of_unreadable(path: Path) -> tuple[Size, str]:
    try:
        return image_size(path), "the size in its header"
    except ImageError:
        return ASSUMED_SIZE, "assumed"


def _predict_batch(finder: Finder, batch: list[_Read | Outcome]) -> Iterator[Outcome]:
    read = [photo for photo in batch if isinstance(photo, _Read)]
    predictions: list[Prediction] = []
    if read:
        predictions = finder.predict_prepared(
            [photo.prepared for photo in read],
            [photo.source.category for photo in read],
            image_ids=[photo.source.image_id for photo in read],
        )
    answers = iter(predictions)
    for photo in batch:
        yield photo if isinstance(photo, Outcome) else Outcome(photo.source, next(answers), None)
