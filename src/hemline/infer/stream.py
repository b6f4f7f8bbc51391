"""Any number of photos through a Finder: reading ahead in threads, answering in order, in bounded memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from hemline.annotation import AnnotationTable, Prediction
from hemline.errors import ImageError
from hemline.images import image_size, read_image
from hemline.infer.detect_then_find import DetectThenFind, Garment
from hemline.infer.detector import Detection, Detector
from hemline.infer.finder import Finder, Prepared, Size

ASSUMED_SIZE: Size = (512, 512)
"""Width and height of a photo whose header cannot be read; FashionAI's own."""

_WORKERS = min(8, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Source:
    """A photo to predict.

    Attributes:
        image_id: its id in the output.
        category: one of garments.CATEGORIES; None where a detector is to say.
        path: where it lies.
    """

    image_id: str
    category: str | None
    path: Path


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer for one photo.

    Attributes:
        source: the photo.
        size_wh: its width and height; what its header says or ASSUMED_SIZE when it could not be read.
        garments: the surest first; of a photo that could not be read a guess, or none where a detector looks first.
        error: why it could not be read, and what the guess is; None when all went well.
    """

    source: Source
    size_wh: Size
    garments: Sequence[Garment]
    error: ImageError | None

    @property
    def prediction(self) -> Prediction:
        """The points of the only garment, for photos that show one."""
        (garment,) = self.garments
        return garment.prediction


@dataclass(frozen=True, slots=True)
class _Read:
    """A photo that was read, its size, and what the Finder keeps of it."""

    source: Source
    size_wh: Size
    prepared: Prepared


_Answer = TypeVar("_Answer")


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
    load, answer = partial(_load_or_guess, finder), partial(_predict_batch, finder)
    return _read_ahead(load, answer, sources, batch_size=finder.batch_size, workers=workers)


def find_stream(finder: DetectThenFind, sources: Iterable[Source], *, workers: int = _WORKERS) -> Iterator[Outcome]:
    """Find all garments of photos one after the other; otherwise as `predict_stream`.

    Yields:
        one Outcome per source, in order, with any number of garments; of a source with a category those of that one
        alone.
    """
    load, answer = partial(_load_or_fail, finder), partial(_find_batch, finder)
    return _read_ahead(load, answer, sources, batch_size=finder.batch_size, workers=workers)


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


def list_candidates(detector: Detector, paths: Iterable[Path], *, workers: int = _WORKERS) -> list[list[Detection]]:
    """List a detector's candidates on photos, see `Detector.list_candidates`.

    Raises:
        ImageError: a photo cannot be read.
    """

    def answer(batch: list[_Read]) -> Iterator[list[Detection]]:
        yield from detector.list_candidates([photo.prepared for photo in batch])

    sources = (Source(path.as_posix(), None, path) for path in paths)
    load = partial(_read, detector)
    return list(_read_ahead(load, answer, sources, batch_size=detector.batch_size, workers=workers))


def _read_ahead(
    load: Callable[[Source], _Read | _Answer],
    answer: Callable[[list[_Read]], Iterator[_Answer]],
    sources: Iterable[Source],
    *,
    batch_size: int,
    workers: int,
) -> Iterator[_Answer]:
    """Read photos in threads and answer them in batches, in order.

    Args:
        load: reads one photo, or gives its answer at once.
        answer: gives those of a batch.
        sources: read lazily.
        batch_size: most photos in a batch.
        workers: threads.
    """
    with ThreadPoolExecutor(workers) as pool:
        sources = iter(sources)
        reading: deque[Future[_Read | _Answer]] = deque()
        try:
            while True:
                ahead = 2 * batch_size + workers - len(reading)
                reading.extend(pool.submit(load, source) for source in islice(sources, ahead))
                if not reading:
                    return
                batch = [reading.popleft().result() for _ in range(min(batch_size, len(reading)))]
                read = [photo for photo in batch if isinstance(photo, _Read)]
                answers = answer(read) if read else iter(())
                for photo in batch:
                    yield next(answers) if isinstance(photo, _Read) else photo
        finally:
            for future in reading:
                future.cancel()


def _read(finder: Finder | Detector, source: Source) -> _Read:
    """Read and prepare one photo, so that its pixels need not be kept."""
    photo = read_image(source.path)
    return _Read(source, (photo.shape[1], photo.shape[0]), finder.prepare(photo))


def _load_or_guess(finder: Finder, source: Source) -> _Read | Outcome:
    """Read one photo; or guess, where it cannot be read."""
    category = source.category or "unknown"
    finder.check_category(category)
    try:
        return _read(finder, source)
    except ImageError as error:
        size_wh, origin = _size_of_unreadable(source.path)
        garment = Garment.of_points(finder.guess(source.image_id, category, size_wh))
        guess = f"guessed the mean {category} on {size_wh[0]} x {size_wh[1]} pixels ({origin})"
        return Outcome(source, size_wh, (garment,), ImageError(f"{error}; {guess}"))


def _load_or_fail(finder: Finder, source: Source) -> _Read | Outcome:
    try:
        return _read(finder, source)
    except ImageError as error:
        return Outcome(source, _size_of_unreadable(source.path)[0], (), error)


def _size_of_unreadable(path: Path) -> tuple[Size, str]:
    try:
        return image_size(path), "the size in its header"
    except ImageError:
        return ASSUMED_SIZE, "assumed"


def _predict_batch(finder: Finder, batch: list[_Read]) -> Iterator[Outcome]:
    predictions = finder.predict_prepared(
        [photo.prepared for photo in batch],
        [photo.source.category or "unknown" for photo in batch],
        image_ids=[photo.source.image_id for photo in batch],
    )
    for photo, prediction in zip(batch, predictions, strict=True):
        yield Outcome(photo.source, photo.size_wh, (Garment.of_points(prediction),), None)


def _find_batch(finder: DetectThenFind, batch: list[_Read]) -> Iterator[Outcome]:
    found = finder.find_prepared(
        [photo.prepared for photo in batch],
        image_ids=[photo.source.image_id for photo in batch],
        categories=[photo.source.category for photo in batch],
    )
    for photo, garments in zip(batch, found, strict=True):
        yield Outcome(photo.source, photo.size_wh, garments, None)
