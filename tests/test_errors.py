"""The error tree and the sentences in it."""

from __future__ import annotations

import inspect

import pytest

from hemline import errors
from hemline.errors import HemlineError, MissingExtraError, name_three, require_extra, unknown_name


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


def test_require_extra_gives_the_module() -> None:
    assert require_extra("json", "train").loads("1") == 1


def test_require_extra_says_what_to_install() -> None:
    with pytest.raises(MissingExtraError) as caught:
        require_extra("no_such_package.part", "train")
    assert str(caught.value) == (
        "this needs the package 'no_such_package', which is not installed. Run: pip install 'hemline[train]'"
    )


def test_name_three() -> None:
    assert name_three(["a", "b", "c"]) == "a, b, c"
    assert name_three(["a", "b", "c", "d"]) == "a, b, c, ..."
    assert name_three([]) == ""
