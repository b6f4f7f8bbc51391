"""From a recipe to the schema that a trained network remembers."""

from __future__ import annotations

import json

import pytest

from hemline.annotation import AnnotationTable
from hemline.errors import RecipeError
from hemline.formats.roots import read_roots
from hemline.infer.schema import Schema
from hemline.learn.build import build_network
from hemline.recipe import Recipe, parse_recipe
from hemline.synth.stream import write_drawn_set


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> AnnotationTable:
    root = tmp_path_factory.mktemp("drawn")
    list(write_drawn_set(root, count=2, seed=0, size=64))
    return read_roots([str(root)])[0]


def recipe(codec: dict, decode: dict) -> Recipe:
    model = {"name": "simple", "backbone": "test_resnet", "options": {"channels": 8}}
    return parse_recipe({"name": "small", "model": model, "input": {"size": 32}, "codec": codec, "decode": decode})


def test_a_trained_network_remembers_how_its_maps_are_decoded(table):
    chosen = recipe({"options": {"sigma": 1.0}}, {"method": "top_mean", "cells": 5, "blur": 0.5})
    _, schema = build_network(chosen, table)
    saved = Schema.from_json(json.loads(json.dumps(schema.to_json())), source="test")
    assert saved.build_codec().decoding == {
        "method": "top_mean",
        "cells": 5,
        "blur": 0.5,
        "upsample": 1,
        "window": 7,
    }


def test_a_codec_without_peaks_remembers_nothing_of_it(table):
    _, schema = build_network(recipe({"name": "disc"}, {}), table)
    assert "method" not in schema.codec
    schema.build_codec()


def test_decoding_that_the_codec_cannot_do_is_an_error(table):
    with pytest.raises(RecipeError, match=r"decode\.upsample = 8 cannot be used with codec 'disc'"):
        build_network(recipe({"name": "disc"}, {"upsample": 8}), table)


def test_decoding_has_one_place_in_the_recipe(table):
    with pytest.raises(RecipeError, match=r"codec\.options must not set method"):
        build_network(recipe({"options": {"method": "taylor"}}, {}), table)
