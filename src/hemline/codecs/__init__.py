"""Codecs: keypoints to training targets and network outputs back to keypoints. numpy only.

Every codec has the same four methods (see `HeatmapCodec`): encode, activate, unflip, decode.

Adding a codec: one file here, one line in CODECS, and it is covered by tests/codecs/test_contract.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np

from hemline.codecs.heatmap import HeatmapCodec
from hemline.errors import RecipeError, unknown_name


class Codec(Protocol):
    """What every codec does; shapes and units are in `HeatmapCodec`."""

    def encode(self, keypoints_crop: np.ndarray, visibility: np.ndarray) -> dict[str, np.ndarray]: ...

    def activate(self, output: dict[str, np.ndarray]) -> dict[str, np.ndarray]: ...

    def unflip(self, activated: dict[str, np.ndarray], permutation: tuple[int, ...]) -> dict[str, np.ndarray]: ...

    def decode(self, activated: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]: ...


CODECS: dict[str, Callable[..., Codec]] = {
    "heatmap": partial(HeatmapCodec, belief=False),
    "belief": partial(HeatmapCodec, belief=True),
}


def build_codec(name: str, *, size_wh: tuple[int, int], stride: int, **options: Any) -> Codec:
    """Build a codec by name.

    Raises:
        RecipeError: unknown name or option.
    """
    if name not in CODECS:
        raise RecipeError(unknown_name("codec", name, CODECS))
    try:
        return CODECS[name](size_wh=size_wh, stride=stride, **options)
    except TypeError as error:
        raise RecipeError(f"codec '{name}': {error}") from error
