"""One garment detector: photos in, boxes out. numpy and geometry only: the network is a function on arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hemline.errors import WeightsError
from hemline.geometry import Box, apply_affine, crop_affine, invert_affine, overlaps, photo_box, warp
from hemline.infer.finder import Size

FORMAT = 1

RunDetector = Callable[[np.ndarray], list[dict[str, np.ndarray]]]
"""A network: (B, 3, S, S) uint8 RGB to, for each photo, "boxes" (M, 4) in its pixels, "labels" (M,) from 1 on and
"scores" (M,)."""


@dataclass(frozen=True, slots=True)
class DetectorSchema:
    """What a detector answers and how its input is made; plain values, ready for JSON.

    Attributes:
        categories: of its labels 1, 2 ...
        detector: keyword arguments of `models.detectors.build_detector`.
        size: side of the square input, pixels.
        detect: margin of the boxes that it was trained on; score, overlap and most of what it answers, see `Detector`.
        format: version of this structure.
    """

    categories: tuple[str, ...]
    detector: dict[str, Any]
    size: int
    detect: dict[str, Any]
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any], *, source: str) -> DetectorSchema:
        """Build a schema from JSON values; `source` is where they came from.

        Raises:
            WeightsError: not a detector's, or written by a newer hemline.
        """
        if content.get("format", FORMAT) > FORMAT and "detector" in content:
            raise WeightsError(f"{source}: written by a newer hemline (format {content['format']}); upgrade hemline")
        try:
            schema = cls(**content)
        except TypeError as error:
            raise WeightsError(
                f"{source}: not a garment detector ({error}); train one with a detect_* recipe"
            ) from error
        return dataclasses.replace(schema, categories=tuple(schema.categories))


@dataclass(frozen=True, slots=True)
class Detection:
    """One garment that a detector found.

    Attributes:
        category: one of garments.CATEGORIES.
        box: left, top, right and bottom, photo pixels, inside the photo.
        score: how sure the detector is, 0 to 1.
    """

    category: str
    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class Shown:
    """What a detector needs of a photo: its input (S, S, 3), and the photo's size."""

    pixels: np.ndarray
    size_wh: Size


class Detector:
    """Find garments on photos. Keeps nothing between calls.

    Args:
        run: the network.
        schema: what goes into it and what its labels mean.
        score: lowest score of an answer; by default the schema's, as the others.
        overlap: of two boxes whose intersection over union is larger, whatever their categories, the surer stays.
        most: answers per photo.
        batch_size: most photos per call of `run`.
    """

    def __init__(
        self,
        run: RunDetector,
        schema: DetectorSchema,
        *,
        score: float | None = None,
        overlap: float | None = None,
        most: int | None = None,
        batch_size: int = 8,
    ) -> None:
        self.run = run
        self.schema = schema
        self.categories = schema.categories
        self.size = schema.size
        self.margin: float = schema.detect["margin"]
        self.score: float = schema.detect["score"] if score is None else score
        self.overlap: float = schema.detect["overlap"] if overlap is None else overlap
        self.most: int = schema.detect["most"] if most is None else most
        self.batch_size = batch_size

    def prepare(self, photo: np.ndarray) -> Shown:
        """Fit a photo (H, W, 3) whole into the network's input."""
        size_wh = (photo.shape[1], photo.shape[0])
        return Shown(warp(photo, self._affine(size_wh), (self.size, self.size)), size_wh)

    def detect_prepared(self, prepared: Sequence[Shown]) -> list[list[Detection]]:
        """Find the garments of one batch, the surest first."""
        return [self.select(candidates) for candidates in self.list_candidates(prepared)]

    def detect(self, photos: Sequence[np.ndarray]) -> list[list[Detection]]:
        """Find the garments on photos (H, W, 3) uint8 RGB, the surest of each first; none where there is none."""
        found: list[list[Detection]] = []
        for start in range(0, len(photos), self.batch_size):
            found += self.detect_prepared([self.prepare(photo) for photo in photos[start : start + self.batch_size]])
        return found

    def list_candidates(self, prepared: Sequence[Shown]) -> list[list[Detection]]:
        """List all that the network thinks of for one batch, however unsure or alike, the surest first."""
        batch = np.ascontiguousarray(np.stack([shown.pixels for shown in prepared]).transpose(0, 3, 1, 2))
        return [self._to_photo(found, shown.size_wh) for found, shown in zip(self.run(batch), prepared, strict=True)]

    def select(self, candidates: Sequence[Detection]) -> list[Detection]:
        """Choose from the candidates of one photo, the surest first, those that are answered."""
        kept: list[Detection] = []
        for each in candidates:
            if each.score < self.score or len(kept) == self.most:
                break
            others = np.array([other.box for other in kept]).reshape(-1, 4)
            if not kept or overlaps(np.array(each.box)[None], others).max() <= self.overlap:
                kept.append(each)
        return kept

    def _to_photo(self, found: dict[str, np.ndarray], size_wh: Size) -> list[Detection]:
        """Bring the network's boxes to the photo; those beside it are nothing."""
        back = invert_affine(self._affine(size_wh))
        corners = apply_affine(back, found["boxes"].reshape(-1, 2, 2).astype(float))  # (M, 2, 2)
        boxes = corners.clip(0, size_wh).reshape(-1, 4)
        has_area = np.all(boxes[:, 2:] > boxes[:, :2], axis=1)
        order = np.argsort(-found["scores"], kind="stable")
        return [
            Detection(
                self.categories[int(found["labels"][row]) - 1], tuple(boxes[row].tolist()), float(found["scores"][row])
            )
            for row in order[has_area[order]].tolist()
        ]

    def _affine(self, size_wh: Size) -> np.ndarray:
        return crop_affine(photo_box(size_wh), (self.size, self.size))
