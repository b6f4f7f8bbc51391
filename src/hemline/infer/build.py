"""One Finder from networks and the options of a recipe's [predict] section."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from hemline.codecs import decode_options
from hemline.infer.coarse_to_fine import CoarseToFine
from hemline.infer.detect_then_find import DetectThenFind
from hemline.infer.detector import Detector
from hemline.infer.ensemble import Ensemble
from hemline.infer.finder import Finder
from hemline.infer.predictor import Predictor, Run
from hemline.infer.repair import Repaired
from hemline.infer.schema import Schema

_OF_THE_WHOLE = {"second_pass": False, "margin": 0.25, "repair": 0.0}
"""Options that concern what all networks answered together; the others, how each one is asked."""


def build_predictor(
    run: Run,
    schema: Schema,
    *,
    batch_size: int = 16,
    others: Sequence[tuple[Run, Schema, float]] = (),
    refiner: tuple[Run, Schema] | None = None,
    detector: Detector | None = None,
    decode: Mapping[str, Any] | None = None,
    **overrides: Any,
) -> Finder:
    """Build what answers for photos.

    Args:
        run, schema: the network, which counts 1.
        batch_size: most photos at a time.
        others: networks that answer with it, and how much each counts.
        refiner: another network for the second pass, which then always is; by default the same ones look again.
        detector: finds garments first, each of which the networks then look at.
        decode: options of [decode] for all codecs, instead of the schemas'.
        overrides: options of [predict], instead of the schemas': flip, views, rotations, merge, combine for every
            network; second_pass, margin and repair, which without overrides are `schema`'s.
    Raises:
        RecipeError: options that do not go together, or of which a codec makes no use.
        DataError: the networks have no category in common.
    """

    def build(run: Run, schema: Schema) -> Predictor:
        options = {name: value for name, value in {**schema.predict, **overrides}.items() if name not in _OF_THE_WHOLE}
        codec = {**schema.codec, **decode_options(schema.codec["name"], **(decode or {}))}
        return Predictor(run, dataclasses.replace(schema, codec=codec), batch_size=batch_size, **options)

    options = {**_OF_THE_WHOLE, **schema.predict, **overrides}
    finder: Finder = build(run, schema)
    if others:
        members = [build(run, schema), *(build(other, its_schema) for other, its_schema, _ in others)]
        finder = Ensemble(members, [1.0, *(weight for *_, weight in others)])
    if refiner or options["second_pass"]:
        finder = CoarseToFine(finder, build(*refiner) if refiner else finder, margin=options["margin"])
    if options["repair"]:
        shapes = {name: shape for _, its, _ in others for name, shape in its.shapes.items()} | schema.shapes
        finder = Repaired(finder, shapes=shapes, below=options["repair"])
    return DetectThenFind(detector, finder, margin=options["margin"]) if detector else finder
