"""The study file: what it may say, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemline.errors import RecipeError
from hemline.study import Study, read_study

GOOD = """
base = "cpn_mobilenetv2"
set = ["train.epochs=5"]

[[switch]]
name = "OHKM 6"
set = ["loss.ohkm=6"]

[[switch]]
name = "no flip"
set = ["predict.flip=false", "decode.method=taylor"]
verdict = "Flip helps."

[[switch]]
name = "both"
ensemble = ["base", "OHKM 6"]
"""


def read(tmp_path: Path, text: str) -> Study:
    path = tmp_path / "study.toml"
    path.write_text(text)
    return read_study(path)


def test_a_study(tmp_path):
    study = read(tmp_path, GOOD)
    assert study.seeds == 2
    assert [switch.name for switch in study.switch] == ["OHKM 6", "no flip", "both"]
    assert [switch.file_name for switch in study.switch] == ["ohkm_6", "no_flip", "both"]
    assert [switch.trains for switch in study.switch] == [True, False, False]
    assert study.switch[1].verdict == "Flip helps."


def test_further_changes_come_last(tmp_path):
    (tmp_path / "study.toml").write_text(GOOD)
    study = read_study(tmp_path / "study.toml", changes=["train.epochs=7"])
    assert study.set == ("train.epochs=5", "train.epochs=7")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('base = "cpn_mobilenetv2"', "", "'base' is missing"),
        ("[[switch]]", "[[swich]]", "unknown key 'swich'. Did you mean 'switch'?"),
        ("verdict", "verdikt", "unknown key 'switch.verdikt'. Did you mean 'switch.verdict'?"),
        ('"no flip"', '"OHKM: 6"', "names that differ in letters or digits, from 'base', too; got 'OHKM: 6'"),
        ('"no flip"', '"Base"', "names that differ in letters or digits, from 'base', too; got 'Base'"),
        ('"no flip"', '"+"', "names that differ in letters or digits, from 'base', too; got '+'"),
        ('set = ["loss.ohkm=6"]', "", "'OHKM 6' needs keys to set, or an ensemble, a soup or a refiner of variants"),
        (
            'ensemble = ["base", "OHKM 6"]',
            'soup = ["base", "OHKM 7"]',
            "'both' is made of trained variants: base, OHKM 6;",
        ),
        ('ensemble = ["base", "OHKM 6"]', 'refine = "OHKM 7"', "of trained variants: base, OHKM 6; got 'OHKM 7'"),
        (
            'ensemble = ["base", "OHKM 6"]',
            'ensemble = ["base", "OHKM 6"]\nset = ["train.epochs=7"]',
            "'both' is made of trained variants; it may set only predict.* and decode.*",
        ),
        (
            'ensemble = ["base", "OHKM 6"]',
            'ensemble = ["base", "OHKM 6"]\nrefine = "base"',
            "'both' needs keys to set, or an ensemble, a soup or a refiner of variants",
        ),
        (
            'ensemble = ["base", "OHKM 6"]',
            'ensemble = ["base", "OHKM 6"]\nweights = [1.0]',
            "'both' has 1 weights for an ensemble of 2",
        ),
        (
            '"base", "OHKM 6"',
            '"base", "no flip"',
            "'both' is made of trained variants: base, OHKM 6; got 'no flip'",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path, old, new, message):
    with pytest.raises(RecipeError) as caught:
        read(tmp_path, GOOD.replace(old, new))
    assert str(caught.value).startswith(f"{tmp_path}/study.toml: ")
    assert message in str(caught.value)


def test_a_study_needs_a_switch(tmp_path):
    with pytest.raises(RecipeError, match="'switch': expected at least 1 value"):
        read(tmp_path, 'base = "x"\nswitch = []')


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"nothing\.toml: No such file"):
        read_study(tmp_path / "nothing.toml")
