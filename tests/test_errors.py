"""The error tree and the sentences in it."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import pytest

from hemline import errors
from hemline.errors import EXTRAS, HemlineError, MissingExtraError, name_three, require_extra, unknown_name


def test_every_error_is_a_hemline_error_and_drawn_in_the_docstring() -> None:
    tree = errors.__doc__ or ""
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if kind.__module__ == errors.__name__:
            assert issubclass(kind, HemlineError)
            assert name in tree
            assert kind.__doc__


def test_unknown_name_says_what_was_meant_and_what_there_is() -> None:
    assert unknown_name("model", "cnp", ["hourglass", "cpn"]) == (
        "unknown model 'cnp'. Did you mean 'cpn'? Known: hourglass, cpn."
    )


def test_unknown_name_does_not_guess_wildly() -> None:
    assert unknown_name("model", "xyz", ["hourglass", "cpn"]) == "unknown model 'xyz'. Known: hourglass, cpn."


def test_unknown_name_of_a_generator_and_of_no_text() -> None:
    assert unknown_name("category", 7, (name for name in ("skirt",))) == "unknown category '7'. Known: skirt."


def test_extras_are_those_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text())["project"]
    for extra, packages in EXTRAS.items():
        required = [re.match(r"[\w-]+", line)[0] for line in project["optional-dependencies"][extra]]
        assert list(packages) == required


def test_require_extra_is_content_with_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "text", ("json", "csv"))
    require_extra("text")


def test_require_extra_names_all_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "text", ("no_such_package", "json", "nor_this"))
    with pytest.raises(MissingExtraError) as caught:
        require_extra("text")
    assert str(caught.value) == "not installed: no_such_package, nor_this. Run: pip install 'hemline[text]'"


def test_name_three() -> None:
    assert name_three(["a", "b", "c"]) == "a, b, c"
    assert name_three(["a", "b", "c", "d"]) == "a, b, c, ..."
    assert name_three([]) == ""
