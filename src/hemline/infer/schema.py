"""The schema of a trained network: all that predicting needs to know besides the weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hemline.annotation import AnnotationTable
from hemline.codecs import Codec, build_codec
from hemline.errors import WeightsError
from hemline.garments import INDEX, KEYPOINTS, NUM_KEYPOINTS, keypoints_of, limbs_of
from hemline.geometry import apply_affine, fit_similarity

FORMAT = 3
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Schema:
    """What a network predicts and how its input and output are made; plain values, ready for JSON.

    Attributes:
        categories: that it was trained for.
        model: keyword arguments of `models.build_model`, with "keypoints" and "limbs" as counts.
        codec: keyword arguments of `codecs.build_codec`, with its "name", "size_wh" and "stride".
        keypoints: names of the network's K keypoints in channel order.
        limbs: pairs of positions among the K.
        size: side of the square crop, pixels.
        predict: how to ask the network unless told otherwise, keyword arguments of `build.build_predictor`.
        layouts: for each category the mean place of all 24 points, (24, 2) as shares of the photo's width and
            height, null where the category has no such point: what to answer when a photo cannot be read.
        shapes: for each category the mean shape of its garments, (24, 2) in lengths of their own, null where the
            category has no such point: where the other points say that one lies. See `mean_shapes`.
        format: version of this structure.
    """

    categories: tuple[str, ...]
    model: dict[str, Any]
    codec: dict[str, Any]
    keypoints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    size: int
    predict: dict[str, Any]
    layouts: dict[str, list[list[float] | None]]
    shapes: dict[str, list[list[float] | None]] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def indices(self) -> tuple[int, ...]:
        """The K keypoints as indices into garments.KEYPOINTS."""
        return tuple(INDEX[name] for name in self.keypoints)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any], *, source: str) -> Schema:
        """Build a schema from JSON values.

        Args:
            content: what `to_json` returned, perhaps through a file.
            source: where it came from, for the error message.
        Raises:
            WeightsError: written by a newer hemline, or not a schema.
        Edge cases: format 1 knew no test-time option but the flip, and no format before 3 knew shapes: there are none
            then.
        """
        if content.get("format", FORMAT) > FORMAT:
            raise WeightsError(f"{source}: written by a newer hemline (format {content['format']}); upgrade hemline")
        if "detector" in content:
            raise WeightsError(f"{source}: a garment detector, which has no keypoints; give it as --detect")
        if "flip" in content:  # format 1
            rest = {key: value for key, value in content.items() if key != "flip"}
            content = {**rest, "predict": {"flip": content["flip"]}, "format": FORMAT}
        if content.get("format", FORMAT) < 3:
            content = {**content, "shapes": {}, "format": FORMAT}
        try:
            schema = cls(**content)
            return dataclasses.replace(
                schema,
                categories=tuple(schema.categories),
                keypoints=tuple(schema.keypoints),
                limbs=tuple((first, second) for first, second in schema.limbs),
            )
        except (TypeError, ValueError) as error:
            raise WeightsError(f"{source}: not a hemline schema ({error})") from error

    def build_codec(self) -> Codec:
        """Build the codec that made the training targets."""
        return build_codec(**{**self.codec, "size_wh": tuple(self.codec["size_wh"])})


def channels_of(categories: tuple[str, ...]) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    """List a network's keypoints and limbs.

    Returns:
        indices into garments.KEYPOINTS in channel order, and limbs as pairs of positions among them.
    """
    keypoints = keypoints_of(categories)
    position = {index: at for at, index in enumerate(keypoints)}
    return keypoints, tuple((position[first], position[second]) for first, second in limbs_of(categories))


def mean_layouts(table: AnnotationTable, sizes_wh: np.ndarray) -> dict[str, list[list[float] | None]]:
    """Average where each category's points lie in its photos.

    Args:
        table: annotated garments.
        sizes_wh: (N, 2) width and height of each row's photo.
    Returns:
        as `Schema.layouts`; a point of the category that no row has lies at the centre.
    """
    shares = table.points[:, :, :2] / np.asarray(sizes_wh, float)[:, None]  # (N, 24, 2)
    return _by_category(table, shares, average=lambda places: np.nan_to_num(_mean_of_present(places), nan=0.5))


def mean_shapes(table: AnnotationTable) -> dict[str, list[list[float] | None]]:
    """Average the shapes of each category's garments, whatever their place, size and turn on the photos.

    The generalised Procrustes mean: garments are brought by similarities as near as possible to the mean, which is then
    taken anew. x and y have one unit, so that a similarity brings the shape back onto a photo of any aspect.

    Args:
        table: annotated garments.
    Returns:
        as `Schema.shapes`: centred, with a mean squared distance of 1 from the centre; a point of the category that no
        row has lies at the centre.
    Source: Gower 1975. Differs: points may be absent.
    """
    return _by_category(table, table.points[:, :, :2], average=_procrustes_mean)


def as_array(layout: Sequence[Sequence[float] | None]) -> np.ndarray:
    """Bring a layout or shape of the schema into an array (24, 2), NaN outside the category."""
    return np.array([place or (np.nan, np.nan) for place in layout])


def _by_category(
    table: AnnotationTable, places: np.ndarray, *, average: Callable[[np.ndarray], np.ndarray]
) -> dict[str, list[list[float] | None]]:
    """Average places (N, 24, 2); `average` maps a category's (R, K, 2), NaN for absent points, to (K, 2)."""
    places = np.where(table.points[:, :, 2:] >= 0, places, np.nan)
    averages: dict[str, list[list[float] | None]] = {}
    for category in sorted(set(table.categories)):
        keypoints = keypoints_of([category])
        rows = [row for row, name in enumerate(table.categories) if name == category]
        averages[category] = [None] * NUM_KEYPOINTS
        for index, place in zip(keypoints, average(places[np.ix_(rows, keypoints)]), strict=True):
            averages[category][index] = [round(float(value), 4) for value in place]
    return averages


def _mean_of_present(places: np.ndarray) -> np.ndarray:
    """Average (R, K, 2) over what is not NaN; NaN for points that are absent everywhere."""
    counts = np.isfinite(places[..., 0]).sum(0)[:, None]  # (K, 1)
    return np.where(counts, np.nansum(places, 0) / np.maximum(counts, 1), np.nan)


def _procrustes_mean(garments: np.ndarray) -> np.ndarray:
    """Average (R, K, 2) up to similarity; NaN for absent points. The one with the most points is the first mean."""
    mean = _standard(garments[np.isfinite(garments[..., 0]).sum(1).argmax()])
    for _ in range(_ROUNDS):
        laid = []
        for garment in garments:
            both = np.isfinite(garment[:, 0]) & np.isfinite(mean[:, 0])
            if both.sum() >= 2:
                laid.append(apply_affine(fit_similarity(garment[both], mean[both]), garment))
        if not laid:
            break
        mean = _standard(_mean_of_present(np.stack(laid)))
    return np.nan_to_num(mean)


def _standard(shape: np.ndarray) -> np.ndarray:
    """Centre a shape (K, 2), and give it a mean squared distance of 1 from the centre."""
    centred = shape - np.nanmean(shape, 0)
    return centred / max(np.sqrt(np.nanmean((centred**2).sum(1))), 1e-9)


def keypoint_names(indices: tuple[int, ...]) -> tuple[str, ...]:
    """Name keypoints by index."""
    return tuple(KEYPOINTS[index] for index in indices)
