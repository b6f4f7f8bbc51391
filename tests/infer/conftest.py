"""A predictor that needs no training."""

from __future__ import annotations

import pytest
from squares import NAMES, SIGMA, SIZE, STRIDE, find_squares

from hemline.infer.predictor import Predictor
from hemline.infer.schema import Schema


@pytest.fixture
def schema() -> Schema:
    """The schema of a network for skirts alone."""
    layout: list[list[float] | None] = [None] * 24
    layout[15:19] = [[0.4, 0.1], [0.6, 0.1], [0.3, 0.9], [0.7, 0.9]]
    return Schema(
        categories=("skirt",),
        model={},
        codec={"name": "belief", "size_wh": [SIZE, SIZE], "stride": STRIDE, "sigma": SIGMA},
        keypoints=NAMES,
        limbs=((0, 1), (0, 2), (1, 3), (2, 3)),
        size=SIZE,
        predict={},
        layouts={"skirt": layout},
        shapes={"skirt": [place and list(place) for place in layout]},
    )


@pytest.fixture
def predictor(schema: Schema) -> Predictor:
    """A predictor that finds the squares of `draw_skirt`, three photos at a time."""
    return Predictor(find_squares, schema, batch_size=3)
