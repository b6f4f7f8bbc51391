"""Synthetic garments one after the other: layout from the prior, photo from the renderer; in memory or on disk."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hemline.annotation import ABSENT, Annotation, AnnotationTable
from hemline.errors import DataError
from hemline.formats import coco, fashionai
from hemline.garments import CATEGORIES
from hemline.geometry import shrink
from hemline.images import find_images, read_image, write_image
from hemline.synth.prior import sample
from hemline.synth.render import SETTINGS, render

LABELS, COCO = "Annotations/train.csv", "Annotations/coco.json"


@dataclass(frozen=True, eq=False)
class Drawn:
    """One synthetic photo and what is known of it.

    Attributes:
        annotation: its category and exact points; the id is "Images/<category>/<32 hex digits>.jpg".
        image: (S, S, 3) uint8 RGB.
        mask: (S, S) uint8, 255 times the share of each pixel where the garment is seen.
        box: left, top, right and bottom of the mask, pixels.
    """

    annotation: Annotation
    image: np.ndarray
    mask: np.ndarray
    box: tuple[float, float, float, float]


def read_backgrounds(folder: Path | None, *, size: int) -> list[np.ndarray]:
    """Read the photos of a folder to draw on, shrunk to twice the size of what is drawn; none without a folder.

    Raises:
        ImageError: no photo in the folder, or one that cannot be read.
    """
    return [shrink(read_image(path), 2 * size) for path in find_images(folder)[0]] if folder else []


def draw(
    rng: np.random.Generator,
    category: str,
    *,
    size: int = 512,
    settings: Sequence[str] = tuple(SETTINGS),
    backgrounds: Sequence[np.ndarray] = (),
) -> Drawn:
    """Draw one garment.

    Args:
        rng: decides everything.
        category: one of garments.CATEGORIES.
        size: side of the square photo, pixels.
        settings: how garments are shown, keys of render.SETTINGS.
        backgrounds: (H, W, 3) uint8 RGB, real photos to use as backgrounds now and then.
    """
    image_id = f"Images/{category}/{rng.bytes(16).hex()}.jpg"
    keypoints, visibility = sample(rng, category)
    present = visibility != ABSENT
    rendered = render(rng, category, keypoints * size, present, size=size, settings=settings, backgrounds=backgrounds)
    annotation = Annotation(image_id, category, rendered.keypoints, rendered.visibility)
    return Drawn(annotation, rendered.image, rendered.mask, rendered.box)


def stream(
    seed: int,
    *,
    categories: Sequence[str] = CATEGORIES,
    size: int = 512,
    settings: Sequence[str] = tuple(SETTINGS),
    backgrounds: Sequence[np.ndarray] = (),
    start: int = 0,
) -> Iterator[Drawn]:
    """Draw garments without end.

    Args:
        seed: the n-th garment depends on it, n and the other arguments only.
        categories: take turns.
        size, settings, backgrounds: see `draw`.
        start: the number of the first garment.
    """
    for number in itertools.count(start):
        category = categories[number % len(categories)]
        rng = np.random.default_rng([seed, number])
        yield draw(rng, category, size=size, settings=settings, backgrounds=backgrounds)


def write_drawn_set(
    out: Path,
    *,
    count: int,
    seed: int,
    size: int = 512,
    settings: Sequence[str] = tuple(SETTINGS),
    backgrounds: Path | None = None,
    workers: int = 1,
) -> Iterator[Annotation]:
    """Write garments as a FashionAI root, with masks and COCO annotations beside it.

    Images/<category>/*.jpg, Masks/<category>/*.png, Annotations/train.csv and coco.json, whose boxes are the masks'.
    What is written depends neither on the workers nor on their order. The CSV is written last, so that a root that
    has one is complete.

    Args:
        out: the root; made where it is missing.
        count: number of garments.
        seed, size, settings: see `stream`.
        backgrounds: a folder of real photos, used as backgrounds now and then.
        workers: processes that draw.
    Yields:
        each garment, once its photo is written.
    Raises:
        DataError: the root has an Annotations/train.csv already.
        ImageError: no photo in `backgrounds`, or one that cannot be read.
    """
    if (out / LABELS).exists():
        raise DataError(f"{out / LABELS} is there already; give another --out, or delete {out} first")
    garment = partial(stream, seed, size=size, settings=settings, backgrounds=read_backgrounds(backgrounds, size=size))
    write = partial(_write_one, out=out, garments=garment)
    annotations, boxes = [], []
    with _map(workers) as run:
        for annotation, box in run(write, range(count)):
            annotations.append(annotation)
            boxes.append(box)
            yield annotation
    ids = tuple(each.image_id for each in annotations)
    table = AnnotationTable(
        ids, tuple(each.category for each in annotations), np.stack([a.points for a in annotations])
    )
    coco.write_annotations(out / COCO, table, sizes_wh=[(size, size)] * count, boxes=boxes)
    fashionai.write_annotations(out / LABELS, table)


def _write_one(
    number: int, *, out: Path, garments: Callable[..., Iterator[Drawn]]
) -> tuple[Annotation, tuple[float, float, float, float]]:
    drawn = next(garments(start=number))
    image_id = Path(drawn.annotation.image_id)
    write_image(out / image_id, drawn.image)
    write_image(out / "Masks" / image_id.relative_to("Images").with_suffix(".png"), drawn.mask)
    return drawn.annotation, drawn.box


@contextlib.contextmanager
def _map(workers: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """Yield `map`, or what maps with several processes and keeps the order."""
    if workers <= 1:
        yield map
        return
    context = multiprocessing.get_context(
        "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else None
    )
    with context.Pool(workers, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        yield partial(pool.imap, chunksize=4)
