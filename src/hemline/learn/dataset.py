"""Training samples: one photo to one augmented crop, its targets and weights.

A sample depends on (seed, epoch, photo) and nothing else: not on the worker, the order, or what was drawn
before. That is what makes a killed run resumable to the bit. Where a piece of another photo is pasted over, it depends
on the table too, since that photo is drawn from it.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from hemline.annotation import ABSENT, OCCLUDED, VISIBLE, Annotation, AnnotationTable
from hemline.codecs import Codec
from hemline.codecs.coordinates import CoordinateCodec
from hemline.errors import ImageError
from hemline.garments import flip_permutation
from hemline.geometry import apply_affine, warp
from hemline.images import read_image
from hemline.learn.augment import Augmenter
from hemline.learn.sampling import draw_rows
from hemline.metrics import normalizer_lengths
from hemline.synth.stream import draw

Key = tuple[int, int]
"""Epoch and row."""


class Crop(NamedTuple):
    """One augmented crop and its points.

    Attributes:
        image: (S, S, 3) uint8 RGB.
        points: (K, 2) float64, crop pixels, in the order of the network's keypoints.
        visibility: (K,) int; absent where the point has left the crop, occluded where `paste` or `erase` covers it.
        width: of the garment, crop pixels; NaN where it is not known.
    """

    image: np.ndarray
    points: np.ndarray
    visibility: np.ndarray
    width: float


class PhotoDataset(Dataset[Any]):
    """Read, crop, augment and encode photos.

    A sample is a dict: "image" (S, S, 3) uint8 RGB; "target", what the codec encodes, and "coordinates" (K, 2) float32
    in shares of the crop whatever the codec; "weight" (K,) float32, 1 for visible points, `occluded_weight` for
    occluded ones and 0 for absent ones; "distance_weight", 120 over twice the garment's width + 1 in crop pixels, so
    that distances in the crop count as NE does (the "distance weight" of a FashionAI finalist; a garment whose width is
    not known is taken to be a quarter of the crop wide, as most are); "ohkm", how many or which share of its keypoints
    OHKM keeps; "row", the row of the table.
    Points that leave the crop become absent; visible points under a pasted or erased piece become occluded. A photo
    that cannot be read, the one pasted over included, gives its ImageError as the sample, so that it travels from a
    worker to the loop as it is.

    Args:
        table: annotated garments with paths.
        codec: encodes the targets.
        keypoints: indices into garments.KEYPOINTS of the network's K channels.
        size: side of the square crop.
        augmenter: None for plain crops.
        seed: see the module.
        occluded_weight: weight of occluded points.
        ohkm: for each category how many (from 1) or which share (below 1) of a garment's keypoints OHKM keeps; 0, and
            a category that is not named, keeps all.
        synthetic: share of the samples for which a garment of the row's category is drawn instead of its photo, another
            in each epoch.
    """

    def __init__(
        self,
        table: AnnotationTable,
        *,
        codec: Codec,
        keypoints: Sequence[int],
        size: int,
        augmenter: Augmenter | None,
        seed: int = 0,
        occluded_weight: float = 1.0,
        ohkm: Mapping[str, float] | None = None,
        synthetic: float = 0.0,
    ) -> None:
        self.table = table
        self.codec = codec
        self._coordinates = CoordinateCodec(size_wh=(size, size))
        self.keypoints = np.asarray(keypoints)
        self.mirrored = self.keypoints[list(flip_permutation(keypoints))]
        self.size = size
        self.augmenter = augmenter or Augmenter()
        self.seed = seed
        self.occluded_weight = occluded_weight
        self.ohkm = ohkm or {}
        self.synthetic = synthetic

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, key: Key) -> dict[str, Any] | ImageError:
        _, row = key
        try:
            image, points, visibility, width = self.cut(key)
        except ImageError as error:
            return error
        weight = np.where(visibility == OCCLUDED, self.occluded_weight, 1.0) * (visibility != ABSENT)
        return {
            "image": image,
            "target": self._coordinates.encode(points, visibility) | self.codec.encode(points, visibility),
            "weight": weight.astype(np.float32),
            "distance_weight": np.float32(120 / (2 * ((self.size / 4 if np.isnan(width) else width) + 1))),
            "ohkm": np.float32(self.ohkm.get(self.table.categories[row], 0)),
            "row": row,
        }

    def cut(self, key: Key) -> Crop:
        """Read a photo and cut its augmented crop.

        Raises:
            ImageError: it, or the photo that is pasted over, cannot be read.
        """
        epoch, row = key
        rng = np.random.default_rng([self.seed, epoch, zlib.crc32(self.table.image_ids[row].encode())])
        photo, annotation = self._look_up(rng, row)
        size_wh, photo_wh = (self.size, self.size), (photo.shape[1], photo.shape[0])
        box = self.augmenter.draw_box(rng, photo_wh, annotation.present)
        matrix, flipped = self.augmenter.draw_affine(rng, box, size_wh)
        other = self._read_other(rng, row) if self.augmenter.draw_paste(rng) else None
        image, covered = self.augmenter.paint(rng, warp(photo, matrix, size_wh), other=other)
        channels = self.mirrored if flipped else self.keypoints
        points = apply_affine(matrix, annotation.keypoints[channels])  # (K, 2)
        outside = ((points < 0) | (points > self.size)).any(1)
        column, line = points.astype(int).clip(0, self.size - 1).T  # of the pixel that each point is in
        visibility = np.minimum(annotation.visibility[channels], np.where(covered[line, column], OCCLUDED, VISIBLE))
        (width,) = normalizer_lengths(annotation.points[None], categories=[annotation.category])
        zoom = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
        return Crop(image, points, np.where(outside, ABSENT, visibility), float(width * zoom))

    def _look_up(self, rng: np.random.Generator, row: int) -> tuple[np.ndarray, Annotation]:
        """Read the photo of a row, or draw one in its place; about as large as the crop, for speed."""
        if self.synthetic and rng.random() < self.synthetic:
            drawn = draw(rng, self.table.categories[row], size=self.size)
            return drawn.image, drawn.annotation
        return read_image(self.table.paths[row]), self.table[row]

    def _read_other(self, rng: np.random.Generator, row: int) -> np.ndarray:
        """Read a photo of another row; a table of one has none but its own."""
        count = len(self.table)
        return read_image(self.table.paths[(row + rng.integers(1, max(count, 2))) % count])


class EpochBatches(Sampler[list[Key]]):
    """Batches of one epoch in an order that depends on (seed, epoch) only; may start anywhere inside it.

    The last, smaller batch is left out unless it is the only one: batch norm would see too few photos, and
    the next epoch brings them in another order.

    Args:
        rows: number of rows of the data set.
        batch_size: rows per batch and device.
        seed: of the shuffling.
        rank, world: this process's share of a distributed run.

    Attributes:
        epoch, start: of the next iteration: its number, and its first step.
        weights: (rows,) how often each row is seen in it, relative to the others; None for once.
    """

    def __init__(self, rows: int, *, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world = world
        self.epoch = 0
        self.start = 0
        self.weights: np.ndarray | None = None

    def __len__(self) -> int:
        """Count the steps of a whole epoch."""
        return max(1, self.rows // (self.batch_size * self.world))

    def __iter__(self) -> Iterator[list[Key]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        order = rng.permutation(self.rows if self.weights is None else draw_rows(self.weights, rng))
        own = order[self.rank :: self.world]
        for step in range(self.start, len(self)):
            yield [(self.epoch, int(row)) for row in own[step * self.batch_size : (step + 1) * self.batch_size]]


def build_loader(dataset: Dataset[Any], batches: EpochBatches, *, workers: int) -> DataLoader[Any]:
    """Build the loader; a batch is a dict as a sample is, or the first ImageError among its photos.

    What is in the samples is stacked, but for "garments", which differ in number: a list of those of each photo.

    Workers come from a fork server where there is one: a plain fork of a process that has threads (TensorBoard's,
    OpenCV's, those that read photos) can hang on a lock that one of them held. They end with the training, also when it
    is killed.
    """
    forkserver = "forkserver" in multiprocessing.get_all_start_methods()
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_collate,
        persistent_workers=workers > 0,
        multiprocessing_context="forkserver" if workers and forkserver else None,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_start_worker,
    )


def load_batches(loader: DataLoader[Any]) -> Iterator[dict[str, Any]]:
    """Go through a loader's batches; "image" is (B, 3, S, S), channels last in memory.

    Raises:
        ImageError: a photo could not be read.
    """
    for batch in loader:
        if isinstance(batch, ImageError):
            raise batch
        yield batch | {"image": batch["image"].permute(0, 3, 1, 2)}  # (B, S, S, 3) -> (B, 3, S, S)


def _collate(samples: list[Any]) -> Any:
    errors = [sample for sample in samples if isinstance(sample, ImageError)]
    if errors:
        return errors[0]
    lists = {"garments": [sample.pop("garments") for sample in samples]} if "garments" in samples[0] else {}
    return default_collate(samples) | lists


def _start_worker(worker: int) -> None:
    """Keep a worker to one core, and to the life of its training: PyTorch watches the fork server's instead."""
    cv2.setNumThreads(1)
    training = multiprocessing.parent_process()
    if training:
        threading.Thread(target=_end_with, args=(training,), daemon=True).start()


def _end_with(process: BaseProcess) -> None:
    process.join()
    os._exit(1)
