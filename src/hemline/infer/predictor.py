"""Photos in, Predictions out. numpy and geometry only: the network is a function from arrays to arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hemline.annotation import Prediction
from hemline.errors import DataError
from hemline.garments import CATEGORY_KEYPOINTS, flip_permutation
from hemline.geometry import apply_affine, crop_affine, invert_affine, photo_box, warp
from hemline.infer.schema import Schema

Run = Callable[[np.ndarray], dict[str, np.ndarray]]
"""A network: (B, 3, S, S) uint8 RGB crops to the raw outputs of its final stage."""

Size = tuple[int, int]


class Predictor:
    """Find the keypoints of garments. Keeps nothing between calls and may be shared by threads if `run` may.

    Args:
        run: the network.
        schema: what goes into it and what its outputs mean.
        flip: average with the mirrored crop; None leaves it to the schema.
        batch_size: most crops per call of `run`.
    """

    def __init__(self, run: Run, schema: Schema, *, flip: bool | None = None, batch_size: int = 16) -> None:
        self.run = run
        self.schema = schema
        self.flip = schema.flip if flip is None else flip
        self.batch_size = batch_size
        self._codec = schema.build_codec()
        self._permutation = flip_permutation(schema.indices)

    def predict(
        self, images: Sequence[np.ndarray], categories: Sequence[str], *, image_ids: Sequence[str] | None = None
    ) -> list[Prediction]:
        """Find the keypoints of one garment per photo.

        Args:
            images: (H, W, 3) uint8 RGB photos; their sizes may differ.
            categories: the category of each.
            image_ids: the id of each; their positions by default.
        Returns:
            one Prediction per photo, in order, inside the photo.
        Raises:
            DataError: a category that the network was not trained for.
        """
        for category in categories:
            self.check_category(category)
        image_ids = [str(at) for at in range(len(images))] if image_ids is None else image_ids
        predictions = []
        for start in range(0, len(images), self.batch_size):
            batch = slice(start, start + self.batch_size)
            crops = np.stack([self.crop(image) for image in images[batch]])
            sizes_wh = [(image.shape[1], image.shape[0]) for image in images[batch]]
            predictions += self.predict_crops(crops, sizes_wh, categories[batch], image_ids=image_ids[batch])
        return predictions

    def crop(self, image: np.ndarray) -> np.ndarray:
        """Cut a photo (H, W, 3) to the network's input (S, S, 3), as training does without augmentation."""
        size = self.schema.size
        return warp(image, self._affine((image.shape[1], image.shape[0])), (size, size))

    def predict_crops(
        self, crops: np.ndarray, sizes_wh: Sequence[Size], categories: Sequence[str], *, image_ids: Sequence[str]
    ) -> list[Prediction]:
        """Find the keypoints of one batch that is cropped already.

        Args:
            crops: (B, S, S, 3) uint8 RGB, what `crop` returned.
            sizes_wh: width and height of the photo that each was cut from.
            categories: the category of each; checked by the caller.
            image_ids: the id of each.
        Returns:
            B Predictions in photo coordinates. A point that the network does not see at all lies where the
            category's mean layout has it, with score 0.
        """
        maps = self._activate(crops)
        if self.flip:
            mirrored = self._codec.unflip(self._activate(crops[:, :, ::-1]), self._permutation)
            maps = {name: (values + mirrored[name]) / 2 for name, values in maps.items()}
        points, scores = self._codec.decode(maps)  # (B, K, 2), (B, K)
        found = (scores > 0) & np.isfinite(points).all(2)
        indices = np.array(self.schema.indices)
        predictions = []
        for row, (size_wh, category, image_id) in enumerate(zip(sizes_wh, categories, image_ids, strict=True)):
            prediction = self.guess(image_id, category, size_wh)
            channels = np.flatnonzero(found[row] & np.isin(indices, CATEGORY_KEYPOINTS[category]))
            on_photo = apply_affine(invert_affine(self._affine(size_wh)), points[row, channels])
            prediction.keypoints[indices[channels]] = np.clip(on_photo, 0, size_wh)
            prediction.scores[indices[channels]] = scores[row, channels]
            predictions.append(prediction)
        return predictions

    def guess(self, image_id: str, category: str, size_wh: Size) -> Prediction:
        """Answer without a look at the photo: the category's mean layout with scores of 0.

        Raises:
            DataError: a category that the network was not trained for.
        """
        self.check_category(category)
        shares = np.array([share or (np.nan, np.nan) for share in self.schema.layouts[category]])  # (24, 2)
        return Prediction(image_id, category, shares * size_wh, np.where(np.isnan(shares[:, 0]), np.nan, 0.0))

    def check_category(self, category: str) -> None:
        """Make sure that the network knows a category.

        Raises:
            DataError: it does not; lists those that it knows.
        """
        if category not in self.schema.layouts:
            raise DataError(f"this network was trained for {', '.join(self.schema.layouts)}, not for '{category}'")

    def _activate(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        batch = np.ascontiguousarray(crops).transpose(0, 3, 1, 2)  # (B, S, S, 3) -> (B, 3, S, S)
        return self._codec.activate(self.run(batch))

    def _affine(self, size_wh: Size) -> np.ndarray:
        return crop_affine(photo_box(size_wh), (self.schema.size, self.schema.size))
