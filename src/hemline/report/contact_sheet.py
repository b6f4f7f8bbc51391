"""A contact sheet: many small pictures with their points, side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hemline.annotation import Annotation
from hemline.report.drawing import draw_annotation, draw_caption

_LEAST_SIDE = 384
"""Smaller tiles are enlarged by a whole factor: points would hide them."""

_GAP = 8


class Tile(NamedTuple):
    """One picture of a contact sheet.

    Attributes:
        image: (S, S, 3) uint8 RGB; all tiles of a sheet have one size.
        annotation: its points, in the picture's coordinates.
        caption: what stands above it.
    """

    image: np.ndarray
    annotation: Annotation
    caption: str


def draw_contact_sheet(rows: Sequence[Sequence[Tile]]) -> np.ndarray:
    """Draw tiles in rows of equal length; visible points filled, occluded ones hollow, absent ones not at all.

    Returns:
        (height, width, 3) uint8 RGB; pixels of small tiles are shown as squares of several pixels.
    """
    drawn = [[_draw_tile(tile) for tile in row] for row in rows]
    height, width = drawn[0][0].shape[:2]
    sheet = np.full((len(rows) * (height + _GAP) + _GAP, len(rows[0]) * (width + _GAP) + _GAP, 3), 255, np.uint8)
    for down, row in enumerate(drawn):
        for across, picture in enumerate(row):
            top, left = down * (height + _GAP) + _GAP, across * (width + _GAP) + _GAP
            sheet[top : top + height, left : left + width] = picture
    return sheet


def _draw_tile(tile: Tile) -> np.ndarray:
    factor = -(-_LEAST_SIDE // tile.image.shape[0])
    image = tile.image.repeat(factor, axis=0).repeat(factor, axis=1)
    annotation = dataclasses.replace(tile.annotation, keypoints=tile.annotation.keypoints * factor)
    return draw_caption(draw_annotation(image, annotation), tile.caption)
