"""One network: photos in, Predictions out. numpy and geometry only: the network is a function from arrays to arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hemline.annotation import Prediction
from hemline.codecs.disc import DiscCodec
from hemline.codecs.heatmap import HeatmapCodec
from hemline.errors import RecipeError
from hemline.garments import CATEGORY_KEYPOINTS, flip_permutation
from hemline.geometry import Box, apply_affine, invert_affine, photo_box, warp
from hemline.infer.finder import Finder, Size
from hemline.infer.schema import Schema, as_array
from hemline.infer.views import WHOLE, View, merge_maps, merge_points, view_affine, view_weights

Run = Callable[[np.ndarray], dict[str, np.ndarray]]
"""A network: (B, 3, S, S) uint8 RGB crops to the raw outputs of its final stage."""

_MAP_CODECS = (HeatmapCodec, DiscCodec)
"""The codecs whose activated output is one map of places per keypoint, which can be warped, and nothing else."""


@dataclass(frozen=True, slots=True)
class Crops:
    """What one network needs of a photo: its views (V, S, S, 3), its size, and the box that they are of."""

    pixels: np.ndarray
    size_wh: Size
    box: Box


class Predictor(Finder):
    """Find keypoints with one network. May be shared by threads if `run` may.

    Each view at each rotation is one crop of the photo. What the network says of them becomes one answer in one of
    two ways: their maps are brought into one grid, combined and decoded once; or each is decoded, and the points are
    averaged on the photo.

    Args:
        run: the network.
        schema: what goes into it and what its outputs mean.
        flip: average each crop with its mirror image.
        views: places and zooms of the crops, as shares of the photo.
        rotations: of each view, degrees, clockwise as seen on the image.
        merge: "maps" or "coordinates". Points count as their score, but those that cannot lie in their view do not
            count, see `view_weights`.
        combine: "mean", or "max": of maps, cell by cell; of coordinates, the point with the highest score.
        batch_size: most crops per call of `run`.
    Raises:
        RecipeError: maps of several views are to be merged, but the codec's outputs are no maps of places.
    """

    def __init__(
        self,
        run: Run,
        schema: Schema,
        *,
        flip: bool = False,
        views: Sequence[View] = (WHOLE,),
        rotations: Sequence[float] = (0.0,),
        merge: str = "maps",
        combine: str = "mean",
        batch_size: int = 16,
    ) -> None:
        self.run = run
        self.schema = schema
        self.flip = flip
        self.views = [(view, rotation) for view in views for rotation in rotations]
        self.merge = merge
        self.combine = combine
        self.batch_size = batch_size
        self.size = schema.size
        self.categories = tuple(name for name in schema.categories if name in schema.layouts)
        self.codec = schema.build_codec()
        self._permutation = flip_permutation(schema.indices)
        if merge == "maps" and len(self.views) > 1 and not isinstance(self.codec, _MAP_CODECS):
            raise RecipeError(
                f"{len(self.views)} views cannot be averaged as maps, since the codec '{schema.codec['name']}' makes "
                "none; set predict.merge = 'coordinates'"
            )

    @property
    def grid(self) -> tuple[View, float]:
        """The view and rotation in whose grid the merged maps are: the whole photo's where there are several."""
        return self.views[0] if len(self.views) == 1 else (WHOLE, 0.0)

    def prepare(self, photo: np.ndarray, box: Box | None = None) -> Crops:
        """Cut the views from a photo (H, W, 3); the whole view is cropped as training does without augmentation."""
        size_wh = (photo.shape[1], photo.shape[0])
        box = photo_box(size_wh) if box is None else box
        pixels = np.stack([warp(photo, self._affine(box, *view), (self.size, self.size)) for view in self.views])
        return Crops(pixels, size_wh, box)

    def predict_prepared(
        self, prepared: Sequence[Crops], categories: Sequence[str], *, image_ids: Sequence[str]
    ) -> list[Prediction]:
        if self.merge == "maps":
            return self.locate(self.maps(prepared), prepared, categories, image_ids=image_ids)
        points, scores = self._merge_coordinates(prepared)
        return self._fill_in(points, scores, prepared, categories, image_ids=image_ids)

    def maps(self, prepared: Sequence[Crops]) -> dict[str, np.ndarray]:
        """Run the network on all views and merge what it says in one grid, see `grid`.

        Returns:
            what the codec's `activate` returns, (B, ...) each.
        """
        merged = []
        for at in range(len(self.views)):
            plain, *mirrored = self._activate(np.stack([photo.pixels[at] for photo in prepared]))
            for other in mirrored:
                plain = {name: (values + other[name]) / 2 for name, values in plain.items()}
            merged.append(plain)
        if len(merged) == 1:
            return merged[0]
        by_photo = zip(*(activated["heatmaps"] for activated in merged), strict=True)
        return {
            "heatmaps": np.stack(
                [
                    merge_maps(
                        views,
                        [self._affine(photo.box, *view) for view in self.views],
                        self._affine(photo.box, *self.grid),
                        stride=self.schema.codec["stride"],
                        combine=self.combine,
                    )
                    for views, photo in zip(by_photo, prepared, strict=True)
                ]
            )
        }

    def locate(
        self,
        maps: dict[str, np.ndarray],
        prepared: Sequence[Crops],
        categories: Sequence[str],
        *,
        image_ids: Sequence[str],
    ) -> list[Prediction]:
        """Decode what `maps` returned, and bring the points back to the photos."""
        points_crop, scores = self.codec.decode(maps)  # (B, K, 2), (B, K)
        points = [
            apply_affine(invert_affine(self._affine(photo.box, *self.grid)), row)
            for row, photo in zip(points_crop, prepared, strict=True)
        ]
        return self._fill_in(np.array(points), scores, prepared, categories, image_ids=image_ids)

    def guess(self, image_id: str, category: str, size_wh: Size) -> Prediction:
        self.check_category(category)
        return self._guess_in(photo_box(size_wh), image_id, category)

    def _guess_in(self, box: Box, image_id: str, category: str) -> Prediction:
        """Place the category's mean layout in a part of a photo."""
        shares = as_array(self.schema.layouts[category])
        left, top, right, bottom = box
        keypoints = shares * (right - left, bottom - top) + (left, top)
        return Prediction(image_id, category, keypoints, np.where(np.isnan(shares[:, 0]), np.nan, 0.0))

    def _merge_coordinates(self, prepared: Sequence[Crops]) -> tuple[np.ndarray, np.ndarray]:
        """Decode all views, and average the points (B, K, 2) and scores (B, K) on the photos."""
        answers: list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = [[] for _ in prepared]  # of M crops each
        for at, view in enumerate(self.views):
            for activated in self._activate(np.stack([photo.pixels[at] for photo in prepared])):
                decoded = zip(*self.codec.decode(activated), strict=True)
                for answer, photo, (points_crop, scores) in zip(answers, prepared, decoded, strict=True):
                    affine = self._affine(photo.box, *view)
                    answer.append((apply_affine(invert_affine(affine), points_crop), scores, affine))
        merged = []
        for answer, photo in zip(answers, prepared, strict=True):
            points, scores, affines = (np.array(each) for each in zip(*answer, strict=True))  # (M, K, 2), (M, K)
            weights = view_weights(points, scores, affines, photo.box, size=self.size)
            merged.append(merge_points(points, scores, weights, combine=self.combine))
        return np.array([points for points, _ in merged]), np.array([scores for _, scores in merged])

    def _fill_in(
        self,
        points: np.ndarray,
        scores: np.ndarray,
        prepared: Sequence[Crops],
        categories: Sequence[str],
        *,
        image_ids: Sequence[str],
    ) -> list[Prediction]:
        """Put the points (B, K, 2) that were found in the place of guesses."""
        found = (scores > 0) & np.isfinite(points).all(2)
        indices = np.array(self.schema.indices)
        predictions = []
        for row, (photo, category, image_id) in enumerate(zip(prepared, categories, image_ids, strict=True)):
            prediction = self._guess_in(photo.box, image_id, category)
            channels = np.flatnonzero(found[row] & np.isin(indices, CATEGORY_KEYPOINTS[category]))
            prediction.keypoints[indices[channels]] = np.clip(points[row, channels], 0, photo.size_wh)
            prediction.scores[indices[channels]] = scores[row, channels]
            predictions.append(prediction)
        return predictions

    def _activate(self, crops: np.ndarray) -> list[dict[str, np.ndarray]]:
        """Run the network on crops (B, S, S, 3) and, where `flip` is set, on their mirror images, and undo that."""
        activated = [self._run(crops)]
        if self.flip:
            activated.append(self.codec.unflip(self._run(crops[:, :, ::-1]), self._permutation))
        return activated

    def _run(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        batch = np.ascontiguousarray(crops).transpose(0, 3, 1, 2)  # (B, S, S, 3) -> (B, 3, S, S)
        return self.codec.activate(self.run(batch))

    def _affine(self, box: Box, view: View, rotation: float) -> np.ndarray:
        return view_affine(box, view, rotation, size=self.size)
