"""Codecs: keypoints to training targets and network outputs back to keypoints. numpy only.

Every codec has the same four methods (see `HeatmapCodec`): encode, activate, unflip, decode.

Adding a codec: one file here, one line in CODECS, and it is covered by tests/codecs/test_codec_contract.py.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from hemline.codecs.coordinates import CoordinateCodec
from hemline.codecs.heatmap import HeatmapCodec
from hemline.codecs.offsets import OffsetCodec
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
    "offsets": OffsetCodec,
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
        RecipeError: unknown name or option, or a value that the option cannot take.
    """
    if name not in CODECS:
        raise RecipeError(unknown_name("codec", name, CODECS))
    given = {"size_wh": size_wh, "stride": stride, "keypoints": tuple(keypoints), "limbs": tuple(limbs)}
    parameters = inspect.signature(CODECS[name]).parameters
    defaults = {key: parameter.default for key, parameter in parameters.items() if key not in given}
    for option, value in options.items():
        if option not in defaults:
            raise RecipeError(f"codec '{name}': {unknown_name('option', option, defaults)}")
        _check_option(f"codec '{name}': option '{option}'", value, defaults[option])
    return CODECS[name](**{key: value for key, value in given.items() if key in parameters}, **options)


def _check_option(what: str, value: object, default: object) -> None:
    """Raise a RecipeError unless a value is of its default's kind; numbers must be above 0."""
    if isinstance(default, bool):
        fits, kind = isinstance(value, bool), "true or false"
    else:
        whole = isinstance(default, int)
        kind = "a whole number above 0" if whole else "a number above 0"
        fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool) and 0 < value < math.inf
    if not fits:
        raise RecipeError(f"{what} must be {kind}, got {value!r}")
