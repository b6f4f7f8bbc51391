"""The page of all keys is what the recipes are."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemline.recipe import DetectorRecipe, Recipe
from hemline.report.recipe_keys import key_tables

PAGE = Path(__file__).resolve().parents[2] / "docs" / "recipe.md"


def test_the_page_is_what_the_verb_prints(hemline):
    code, text, problems = hemline("recipes", "--keys")
    assert (code, problems) == (0, "")
    assert PAGE.read_text(encoding="utf-8").endswith("Written by `hemline recipes --keys`:\n\n" + text)
    assert key_tables(Recipe) in text
    assert key_tables(DetectorRecipe) in text


@pytest.mark.parametrize("kind", [Recipe, DetectorRecipe])
def test_every_key_says_what_it_does(kind):
    rows = [line.split(" | ") for line in key_tables(kind).splitlines() if line.startswith("| `")]
    assert len(rows) > 60
    assert [row[0] for row in rows if not row[2].strip(" |")] == []


def test_defaults_choices_and_entries_of_lists():
    lines = key_tables(Recipe).splitlines()
    assert '| `terms` | `[{ name = "softmax_cross_entropy" }]` | what is added up |' in lines
    assert "| `.name` | needed | of a loss, see docs/losses.md |" in lines
    assert '| `optimizer` | `"adamw"` | what takes the steps; one of `adamw`, `sgd` |' in lines
    assert "| `views` | `[[0.5, 0.5, 1.0]]` | [x, y, zoom], x and y as shares of the photo, or a zoom alone |" in lines
    assert lines[0] == "### [model]"
