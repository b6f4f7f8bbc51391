"""The schema of a trained network: all that predicting needs to know besides the weights."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from hemline.annotation import AnnotationTable
from hemline.codecs import Codec, build_codec
from hemline.errors import WeightsError
from hemline.garments import INDEX, KEYPOINTS, NUM_KEYPOINTS, keypoints_of, limbs_of

FORMAT = 2


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
        Edge cases: format 1 knew no test-time option but the flip.
        """
        if content.get("format", FORMAT) > FORMAT:
            raise WeightsError(f"{source}: written by a newer hemline (format {content['format']}); upgrade hemline")
        if "detector" in content:
            raise WeightsError(f"{source}: a garment detector, which has no keypoints; give it as --detect")
        if "flip" in content:  # format 1
            rest = {key: value for key, value in content.items() if key != "flip"}
            content = {**rest, "predict": {"flip": content["flip"]}, "format": FORMAT}
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
    present = table.points[:, :, 2] >= 0
    layouts: dict[str, list[list[float] | None]] = {}
    for category in sorted(set(table.categories)):
        rows = np.array([name == category for name in table.categories])
        layout: list[list[float] | None] = [None] * NUM_KEYPOINTS
        for index in keypoints_of([category]):
            seen = shares[rows & present[:, index], index]
            layout[index] = [round(float(share), 4) for share in seen.mean(0)] if len(seen) else [0.5, 0.5]
        layouts[category] = layout
    return layouts


def keypoint_names(indices: tuple[int, ...]) -> tuple[str, ...]:
    """Name keypoints by index."""
    return tuple(KEYPOINTS[index] for index in indices)
