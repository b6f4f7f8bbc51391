"""Training samples of detectors: photos and scenes of garments, with their boxes."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from hemline.annotation import Annotation, AnnotationTable
from hemline.errors import ImageError
from hemline.geometry import LEAST_BOX, Box, apply_affine, clip_box, points_box, warp
from hemline.images import read_image
from hemline.learn.augment import Augmenter
from hemline.learn.dataset import Key
from hemline.synth.scene import Cutout, compose, cut_out, hull_mask, spare_strip
from hemline.synth.stream import draw

_LEAST_SEEN = 0.3
"""A garment of whose box less than this share is in the crop is no garment to be found."""


class DetectionDataset(Dataset[Any]):
    """Read photos or compose scenes, augment them, and box the garments.

    A sample is a dict: "image" (S, S, 3) uint8 RGB; "garments": "boxes" (N, 4) float32 left, top, right, bottom in
    crop pixels, "labels" (N,) int64, 1 for the first of `categories`, and with `masks` also "masks" (N, S, S) uint8;
    "row", the row of the table. A box is `geometry.points_box` of the points in the crop's coordinates, cut at its
    edge; rotations and stretches move the points before they are boxed.

    A sample depends on (seed, epoch, row) and, as far as a scene shows garments of other rows, on the table. A photo
    that cannot be read gives its ImageError as the sample.

    Args:
        table: annotated garments with paths, each with a present point; rows with the same path are garments of one
            photo.
        categories: in the order of the labels.
        size: side of the square crop.
        augmenter: of photos and scenes.
        margin: of the boxes.
        masks: give masks, too: the hull of the points, or what is known of drawn garments.
        seed: of all choices.
        scenes: share of the samples that are scenes; of those `empty` show no garment, the others as many as
            `garments` allows, of which the share `synthetic` is drawn.
    """

    def __init__(
        self,
        table: AnnotationTable,
        *,
        categories: Sequence[str],
        size: int,
        augmenter: Augmenter,
        margin: float,
        masks: bool = False,
        seed: int = 0,
        scenes: float = 0.0,
        garments: tuple[int, int] = (1, 4),
        empty: float = 0.0,
        synthetic: float = 0.0,
    ) -> None:
        self.table = table
        self.labels = {name: at for at, name in enumerate(categories, start=1)}
        self.size = size
        self.augmenter = augmenter
        self.margin = margin
        self.masks = masks
        self.seed = seed
        self.scenes = scenes
        self.garments = garments
        self.empty = empty
        self.synthetic = synthetic
        self._rows_of: dict[Path, list[int]] = {}
        for row, path in enumerate(table.paths):
            self._rows_of.setdefault(path, []).append(row)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, key: Key) -> dict[str, Any] | ImageError:
        epoch, row = key
        rng = np.random.default_rng([self.seed, epoch, zlib.crc32(self.table.image_ids[row].encode())])
        try:
            photo, garments, masks = self._show(rng, row)
        except ImageError as error:
            return error
        size_wh, photo_wh = (self.size, self.size), (photo.shape[1], photo.shape[0])
        points = [garment.present for garment in garments]
        box = self.augmenter.draw_box(rng, photo_wh, np.concatenate([np.empty((0, 2)), *points]))
        matrix, _ = self.augmenter.draw_affine(rng, box, size_wh)
        image, _ = self.augmenter.paint(rng, warp(photo, matrix, size_wh))
        kept = []
        for garment, own, mask in zip(garments, points, masks, strict=True):
            seen = self._box(apply_affine(matrix, own))
            if seen is not None:
                kept.append((seen, self.labels[garment.category], mask))
        target = {
            "boxes": torch.tensor([box for box, *_ in kept], dtype=torch.float32).reshape(-1, 4),
            "labels": torch.tensor([label for _, label, _ in kept], dtype=torch.int64),
        }
        if self.masks:
            target["masks"] = self._masks([mask for *_, mask in kept], matrix)
        return {"image": image, "garments": target, "row": row}

    def _box(self, points_crop: np.ndarray) -> Box | None:
        whole = points_box(points_crop, margin=self.margin, least=LEAST_BOX)
        seen = clip_box(whole, (self.size, self.size))
        return seen if _area(seen) >= _LEAST_SEEN * _area(whole) else None

    def _masks(self, masks: Sequence[np.ndarray], matrix: np.ndarray) -> Tensor:
        size_wh = (self.size, self.size)
        warped = [warp(mask, matrix, size_wh, pad_value=0) >= 128 for mask in masks]
        return torch.from_numpy(np.array(warped, np.uint8).reshape(-1, self.size, self.size))

    def _show(self, rng: np.random.Generator, row: int) -> tuple[np.ndarray, list[Annotation], list[np.ndarray]]:
        """Read the photo of a row or compose a scene about its garment: the picture, its garments and their masks."""
        if rng.random() >= self.scenes:
            photo = read_image(self.table.paths[row])
            garments = [self.table[other] for other in self._rows_of[self.table.paths[row]]]
            masks = [hull_mask(each.present, photo.shape[:2]) for each in garments] if self.masks else []
            return photo, garments, masks or [np.empty((0, 0), np.uint8)] * len(garments)
        is_empty = rng.random() < self.empty
        count = 0 if is_empty else int(rng.integers(self.garments[0], self.garments[1] + 1))
        cutouts = [self._cut_out(rng, row if at == 0 else int(rng.integers(len(self.table)))) for at in range(count)]
        scene = compose(rng, cutouts, size=3 * self.size // 2, backdrop=self._backdrop(rng))
        return scene.image, list(scene.garments), [mask.astype(np.uint8) * 255 for mask in scene.masks]

    def _cut_out(self, rng: np.random.Generator, row: int) -> Cutout:
        annotation = self.table[row]
        if rng.random() < self.synthetic:
            drawn = draw(rng, annotation.category, size=self.size)
            return cut_out(rng, drawn.image, drawn.annotation, mask=drawn.mask)
        return cut_out(rng, read_image(self.table.paths[row]), annotation)

    def _backdrop(self, rng: np.random.Generator) -> np.ndarray | None:
        """Take a real background half of the time; None draws one."""
        if rng.random() < 0.5:
            return None
        row = int(rng.integers(len(self.table)))
        return spare_strip(rng, read_image(self.table.paths[row]), self.table[row])


def _area(box: Box) -> float:
    left, top, right, bottom = box
    return (right - left) * (bottom - top)
