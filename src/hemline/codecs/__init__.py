"""Codecs: keypoints to training targets and network outputs back to keypoints. numpy only.

Every codec has the same four methods (see `HeatmapCodec`): encode, activate, unflip, decode.

Adding a codec: one file here, one line in CODECS, and it is covered by tests/codecs/test_contract.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from hemline.codecs.coordinates import CoordinateCodec
from hemline.codecs.heatmap import HeatmapCodec
from hemline.codecs.paf import PartFieldCodec
from hemline.codecs.simcc import SimCCCodec
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
    "paf": PartFieldCodec,
    "simcc": SimCCCodec,
    "coordinates": CoordinateCodec,
}


def build_codec(
    name: str,
    *,
    size_wh: tuple[int, int],
    stride: int,
    keypoints: Sequence[int] = (),
    limbs: Sequence[tuple[int, int]] = (),
    **options: Any,
) -> Codec:
    """Build a codec by name.

    Args:
        name: a key of CODECS.
        size_wh: width and height of the crop, pixels.
        stride: crop pixels per cell of the network's output.
        keypoints: indices into garments.KEYPOINTS of the K channels; for codecs that ask for them.
        limbs: pairs of positions among the K; for codecs that ask for them.
        options: further keyword arguments of the codec.
    Raises:
        RecipeError: unknown name or option.
    """
    if name not in CODECS:
        raise RecipeError(unknown_name("codec", name, CODECS))
    accepted = list(inspect.signature(CODECS[name]).parameters)
    for option in options:
        if option not in accepted:
            raise RecipeError(f"codec '{name}': {unknown_name('option', option, accepted)}")
    given = {"size_wh": size_wh, "stride": stride, "keypoints": tuple(keypoints), "limbs": tuple(limbs)}
    return CODECS[name](**{key: value for key, value in given.items() if key in accepted}, **options)
