"""Codecs: keypoints to training targets and network outputs back to keypoints. numpy only.

Every codec has the same four methods (see `HeatmapCodec`): encode, activate, unflip, decode.

Adding a codec: one file here, one line in CODECS, and it is covered by tests/codecs/test_codec_contract.py.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from hemline.codecs.coordinates import CoordinateCodec
from hemline.codecs.decoders import DECODE_OPTIONS
from hemline.codecs.disc import DiscCodec
from hemline.codecs.heatmap import BeliefCodec, HeatmapCodec, SigmoidCodec
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
    "heatmap": HeatmapCodec,
    "belief": BeliefCodec,
    "sigmoid": SigmoidCodec,
    "disc": DiscCodec,
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
    _check_name(name)
    given = {"size_wh": size_wh, "stride": stride, "keypoints": tuple(keypoints), "limbs": tuple(limbs)}
    parameters = _parameters(name)
    defaults = {key: default for key, default in parameters.items() if key not in given}
    for option, value in options.items():
        if option not in defaults:
            raise RecipeError(f"codec '{name}': {unknown_name('option', option, defaults)}")
        _check_option(f"codec '{name}': option '{option}'", value, defaults[option])
    return CODECS[name](**{key: value for key, value in given.items() if key in parameters}, **options)


def decode_options(name: str, **section: Any) -> dict[str, Any]:
    """Return the options that a recipe's [decode] section gives to a codec.

    Args:
        name: a key of CODECS.
        section: all or some of the section's keys, which are those of DECODE_OPTIONS.
    Returns:
        the section for codecs that find peaks in maps, nothing for others.
    Raises:
        RecipeError: unknown codec or key, or a key that was changed though the codec has no use for it.
    """
    _check_name(name)
    takers = [codec for codec in CODECS if DECODE_OPTIONS.keys() <= _parameters(codec).keys()]
    for key, value in section.items():
        if key not in DECODE_OPTIONS:
            raise RecipeError(unknown_name("key", f"decode.{key}", [f"decode.{known}" for known in DECODE_OPTIONS]))
        if name not in takers and value != DECODE_OPTIONS[key]:
            raise RecipeError(
                f"decode.{key} = {value!r} cannot be used with codec '{name}', which decodes in its own way; "
                f"leave it out, or use codec {' or '.join(takers)}"
            )
    return section if name in takers else {}


def _check_name(name: str) -> None:
    if name not in CODECS:
        raise RecipeError(unknown_name("codec", name, CODECS))


def _parameters(name: str) -> dict[str, Any]:
    """List the keyword arguments of a codec and their defaults; `**decode` stands for DECODE_OPTIONS."""
    parameters: dict[str, Any] = {}
    for key, parameter in inspect.signature(CODECS[name]).parameters.items():
        parameters |= DECODE_OPTIONS if parameter.kind is parameter.VAR_KEYWORD else {key: parameter.default}
    return parameters


def _check_option(what: str, value: object, default: object) -> None:
    """Raise a RecipeError unless a value is of its default's kind; 0 fits only where it is the default."""
    match default:
        case bool():
            fits, kind = isinstance(value, bool), "true or false"
        case str():
            fits, kind = isinstance(value, str), "a text"
        case tuple():
            fits = isinstance(value, list | tuple) and all(_is_positive(each) for each in value)
            kind = "a list of numbers above 0"
        case int():
            fits, kind = _is_positive(value) and isinstance(value, int), "a whole number above 0"
        case 0.0:
            fits, kind = _is_positive(value) or (value == 0 and not isinstance(value, bool)), "a number from 0 on"
        case _:
            fits, kind = _is_positive(value), "a number above 0"
    if not fits:
        raise RecipeError(f"{what} must be {kind}, got {value!r}")


def _is_positive(value: object) -> bool:
    """Tell whether a value is a finite number above 0; true is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
