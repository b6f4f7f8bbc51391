"""What training sees: plain and augmented crops of some garments, for looking at."""

from __future__ import annotations

import numpy as np

from hemline.annotation import ABSENT, Annotation, AnnotationTable
from hemline.codecs.coordinates import CoordinateCodec
from hemline.errors import DataError
from hemline.garments import NUM_KEYPOINTS
from hemline.infer.schema import channels_of
from hemline.learn.augment import Augmenter
from hemline.learn.dataset import Key, PhotoDataset
from hemline.recipe import Recipe
from hemline.report.contact_sheet import Tile


def cut_preview(recipe: Recipe, data: AnnotationTable, *, garments: int, epochs: int) -> list[list[Tile]]:
    """Cut the crops of some garments, to the pixel those that training sees.

    Args:
        recipe: says how they are augmented, and the seed.
        data: labelled garments with paths; rows of categories that the recipe does not name are left out.
        garments: how many of them, evenly spread over the rows; all if there are fewer.
        epochs: how many of training's first epochs.
    Returns:
        for each garment the plain crop, then that of each epoch.
    Raises:
        DataError: no garment of the recipe's categories.
        ImageError: a photo cannot be read.
    """
    data = data.of_categories(recipe.categories)
    if not len(data):
        raise DataError(f"no garment of the recipe's categories ({', '.join(recipe.categories)})")
    plain, augmented = (
        PhotoDataset(
            data,
            codec=CoordinateCodec(size_wh=(recipe.input.size, recipe.input.size)),  # targets are not looked at
            keypoints=channels_of(recipe.categories)[0],
            size=recipe.input.size,
            augmenter=augmenter,
            seed=recipe.train.seed,
        )
        for augmenter in (None, Augmenter(**recipe.augment.model_dump()))
    )
    rows = np.linspace(0, len(data) - 1, min(garments, len(data))).round().astype(int).tolist()
    return [
        [
            _cut_tile(plain, (0, row), caption=data.categories[row]),
            *(_cut_tile(augmented, (epoch, row), caption=f"epoch {epoch + 1}") for epoch in range(epochs)),
        ]
        for row in rows
    ]


def _cut_tile(dataset: PhotoDataset, key: Key, *, caption: str) -> Tile:
    crop, (_, row) = dataset.cut(key), key
    keypoints, visibility = np.full((NUM_KEYPOINTS, 2), -1.0), np.full(NUM_KEYPOINTS, ABSENT)
    keypoints[dataset.keypoints], visibility[dataset.keypoints] = crop.points, crop.visibility
    garment = dataset.table[row]
    return Tile(crop.image, Annotation(garment.image_id, garment.category, keypoints, visibility), caption)
