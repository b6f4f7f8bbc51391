"""How a recipe's [decode] reaches the codecs that find peaks in maps, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from hemline.codecs import CODECS, DECODE_OPTIONS, build_codec, decode_options
from hemline.errors import RecipeError

GIVEN = {"size_wh": (64, 64), "stride": 4, "keypoints": (15, 16), "limbs": ((0, 1),)}
TAKERS = ("heatmap", "belief", "sigmoid", "paf")
OTHERS = tuple(name for name in CODECS if name not in TAKERS)


@pytest.mark.parametrize("name", TAKERS)
@pytest.mark.parametrize(
    "changed",
    [
        {"method": "argmax"},
        {"method": "quarter"},
        {"method": "top_mean"},
        {"method": "top_mean", "cells": 40},
        {"method": "soft_argmax"},
        {"method": "soft_argmax", "window": 3},
        {"blur": 1.5},
        {"upsample": 8},
    ],
    ids=str,
)
def test_every_option_changes_what_is_found(name, changed):
    maps = build_codec("heatmap", **GIVEN).encode(np.array([[22.7, 30.9], [30.1, 9.4]]), np.ones(2))["heatmaps"]
    maps[:, 6:, 3:] *= 0.8  # a network's peak is no perfect one
    before = {"method": changed["method"]} if len(changed) > 1 else {}
    found = [build_codec(name, **GIVEN, **options).decode({"heatmaps": maps[None]})[0] for options in (before, changed)]
    assert not np.array_equal(*found)
    assert np.abs(found[0] - found[1]).max() < 6


@pytest.mark.parametrize("name", TAKERS)
def test_taylor_sees_the_slant_that_vertex_does_not(name):
    maps = np.zeros((1, 1, 16, 16), np.float32)
    maps[0, 0, 4:7, 4:7] = np.array([[4, 4, 1], [3, 5, 3], [1, 3, 2]]) / 5
    vertex, taylor = (
        build_codec(name, **GIVEN, method=method).decode({"heatmaps": maps})[0][0, 0] for method in ("vertex", "taylor")
    )
    assert vertex[0] == 22
    assert taylor[0] < 21.8  # up is where the map is higher, and the ridge goes up to the left


@pytest.mark.parametrize("name", TAKERS)
@pytest.mark.parametrize("blur", [1.0, 2.5])
def test_a_perfect_peak_scores_one_however_much_it_is_smoothed(name, blur):
    codec = build_codec(name, **GIVEN, blur=blur)
    target = codec.encode(np.array([[30.0, 34.0], [26.0, 38.0]]), np.ones(2))["heatmaps"]
    assert codec.decode({"heatmaps": target[None]})[1] == pytest.approx(np.ones((1, 2)), abs=0.02)


@pytest.mark.parametrize("options", [{"blur": 1.0}, {"upsample": 3}, {"method": "top_mean"}], ids=str)
@pytest.mark.parametrize("value", [0.0, 0.3])
def test_a_constant_map_gives_the_centre_whatever_the_options(options, value):
    keypoints, scores = build_codec("heatmap", **GIVEN, **options).decode({"heatmaps": np.full((1, 2, 16, 16), value)})
    assert (keypoints == 32).all()
    assert (scores == 0).all()


def test_options_of_a_trained_network_may_be_set_anew():
    remembered = {"name": "belief", **GIVEN, **DECODE_OPTIONS, "sigma": 1.5, "stage_sigmas": [2.0]}
    codec = build_codec(**{**remembered, "method": "argmax", "blur": 0})
    assert codec.decoding["method"] == "argmax"
    assert codec.sigmas == {"heatmaps": 1.5, "heatmaps.0": 2.0}


def test_a_network_trained_before_there_were_options_decodes_as_it_did():
    assert build_codec("belief", **GIVEN).decoding == DECODE_OPTIONS


@pytest.mark.parametrize("name", TAKERS)
def test_the_section_is_handed_to_codecs_with_peaks(name):
    section = DECODE_OPTIONS | {"method": "taylor", "blur": 1.0}
    assert decode_options(name, **section) == section
    build_codec(name, **GIVEN, **decode_options(name, **section))


@pytest.mark.parametrize("name", OTHERS)
def test_the_section_is_left_out_for_others_while_it_says_nothing(name):
    assert decode_options(name, **DECODE_OPTIONS) == {}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(("key", "value"), [("method", "taylor"), ("blur", 1.0), ("window", 9)])
def test_a_changed_key_that_others_cannot_use_is_an_error(name, key, value):
    with pytest.raises(RecipeError) as caught:
        decode_options(name, **DECODE_OPTIONS | {key: value})
    assert str(caught.value) == (
        f"decode.{key} = {value!r} cannot be used with codec '{name}', which decodes in its own way; "
        "leave it out, or use codec heatmap or belief or sigmoid or paf"
    )


def test_an_unknown_codec_is_named():
    with pytest.raises(RecipeError, match="unknown codec 'heat'"):
        decode_options("heat", **DECODE_OPTIONS)


@pytest.mark.parametrize("name", ["heatmap", "simcc"])
def test_an_unknown_key_is_named(name):
    with pytest.raises(RecipeError, match=r"unknown key 'decode\.blurr'\. Did you mean 'decode\.blur'\?"):
        decode_options(name, blurr=1.0)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("method", 3, "option 'method' must be a text, got 3"),
        ("blur", -1, "option 'blur' must be a number from 0 on, got -1"),
        ("blur", False, "option 'blur' must be a number from 0 on, got False"),
        ("upsample", 0, "option 'upsample' must be a whole number above 0, got 0"),
        ("upsample", 1.5, "option 'upsample' must be a whole number above 0, got 1.5"),
        ("stage_sigmas", 2.0, "option 'stage_sigmas' must be a list of numbers above 0, got 2.0"),
        ("stage_sigmas", [1.0, 0], r"option 'stage_sigmas' must be a list of numbers above 0, got \[1.0, 0\]"),
    ],
)
def test_value_that_an_option_cannot_take(option, value, message):
    with pytest.raises(RecipeError, match=f"codec 'belief': {message}$"):
        build_codec("belief", **GIVEN, **{option: value})


@pytest.mark.parametrize("name", TAKERS)
def test_an_unknown_method_is_an_error_when_the_codec_is_built(name):
    with pytest.raises(RecipeError, match=r"unknown decode\.method 'dark'"):
        build_codec(name, **GIVEN, method="dark")


@pytest.mark.parametrize("name", OTHERS)
def test_codecs_without_peaks_do_not_take_the_options(name):
    with pytest.raises(RecipeError, match=f"codec '{name}': unknown option 'method'"):
        build_codec(name, **GIVEN, method="argmax")
