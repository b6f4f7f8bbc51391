"""Training samples: one photo to one augmented crop, its targets and weights.

A sample depends on (seed, epoch, photo) and nothing else: not on the worker, the order, or what was drawn
before. That is what makes a killed run resumable to the bit.
"""

from __future__ import annotations

import multiprocessing
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from hemline.annotation import ABSENT, OCCLUDED, AnnotationTable
from hemline.codecs import Codec
from hemline.errors import ImageError
from hemline.garments import flip_permutation
from hemline.geometry import apply_affine, photo_box, warp
from hemline.images import read_image
from hemline.learn.augment import Augmenter

Key = tuple[int, int]
"""Epoch and row."""


class PhotoDataset(Dataset[Any]):
    """Read, crop, augment and encode photos.

    A sample is a dict: "image" (S, S, 3) uint8 RGB; "target", what the codec encodes; "weight" (K,) float32,
    1 for visible points, `occluded_weight` for occluded ones and 0 for absent ones; "row", the row of the table.
    Points that leave the crop become absent. A photo that cannot be read gives its ImageError as the sample,
    so that it travels from a worker to the loop as it is.

    Args:
        table: annotated garments with paths.
        codec: encodes the targets.
        keypoints: indices into garments.KEYPOINTS of the network's K channels.
        size: side of the square crop.
        augmenter: None for plain crops.
        seed: see the module.
        occluded_weight: weight of occluded points.
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
    ) -> None:
        self.table = table
        self.codec = codec
        self.keypoints = np.asarray(keypoints)
        self.mirrored = self.keypoints[list(flip_permutation(keypoints))]
        self.size = size
        self.augmenter = augmenter or Augmenter()
        self.seed = seed
        self.occluded_weight = occluded_weight

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, key: Key) -> dict[str, Any] | ImageError:
        epoch, row = key
        annotation = self.table[row]
        assert annotation.path is not None
        rng = np.random.default_rng([self.seed, epoch, zlib.crc32(annotation.image_id.encode())])
        try:
            photo = read_image(annotation.path)
        except ImageError as error:
            return error
        size_wh = (self.size, self.size)
        matrix, flipped = self.augmenter.draw_affine(rng, photo_box((photo.shape[1], photo.shape[0])), size_wh)
        crop = self.augmenter.paint(rng, warp(photo, matrix, size_wh))
        channels = self.mirrored if flipped else self.keypoints
        points = apply_affine(matrix, annotation.keypoints[channels])  # (K, 2)
        outside = ((points < 0) | (points > self.size)).any(1)
        visibility = np.where(outside, ABSENT, annotation.visibility[channels])
        weight = np.where(visibility == OCCLUDED, self.occluded_weight, 1.0) * (visibility != ABSENT)
        return {
            "image": crop,
            "target": self.codec.encode(points, visibility),
            "weight": weight.astype(np.float32),
            "row": row,
        }


class EpochBatches(Sampler[list[Key]]):
    """Batches of one epoch in an order that depends on (seed, epoch) only; may start anywhere inside it.

    The last, smaller batch is left out unless it is the only one: batch norm would see too few photos, and
    the next epoch brings them in another order.

    Args:
        rows: number of rows of the data set.
        batch_size: rows per batch and device.
        seed: of the shuffling.
        rank, world: this process's share of a distributed run.
    """

    def __init__(self, rows: int, *, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world = world
        self.epoch = 0
        self.start = 0

    def __len__(self) -> int:
        """Count the steps of a whole epoch."""
        return max(1, self.rows // (self.batch_size * self.world))

    def __iter__(self) -> Iterator[list[Key]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.rows)
        own = order[self.rank :: self.world]
        for step in range(self.start, len(self)):
            yield [(self.epoch, int(row)) for row in own[step * self.batch_size : (step + 1) * self.batch_size]]


def build_loader(dataset: PhotoDataset, batches: EpochBatches, *, workers: int) -> DataLoader[Any]:
    """Build the loader; a batch is a dict as a sample is, stacked, or the first ImageError among its photos.

    Workers come from a fork server where there is one: a plain fork of a process that has threads (TensorBoard's,
    OpenCV's, those that read photos) can hang on a lock that one of them held.
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
        worker_init_fn=_keep_to_one_core,
    )


def _collate(samples: list[Any]) -> Any:
    errors = [sample for sample in samples if isinstance(sample, ImageError)]
    return errors[0] if errors else default_collate(samples)


def _keep_to_one_core(worker: int) -> None:
    cv2.setNumThreads(1)
