"""TOML files whose keys are the fields of a `Section`, with errors in the words of their author."""

from __future__ import annotations

import contextlib
import difflib
import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from hemline.errors import RecipeError, unknown_name

Key = tuple[str, ...]
"""A key of a file, part by part: ("train", "epochs")."""


class Section(BaseModel):
    """A section of a TOML file: its keys are the fields, and no other."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


AnySection = TypeVar("AnySection", bound=Section)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        RecipeError: missing, or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from error


def parse_section(
    kind: type[AnySection], content: dict[str, Any], *, source: str, overridden: dict[Key, str] | None = None
) -> AnySection:
    """Validate the content of a TOML file.

    Args:
        kind: the section that the whole file is.
        content: what its TOML says.
        source: names it in errors.
        overridden: the keys that came from elsewhere, and the override that set each.
    Raises:
        RecipeError: one line for each mistake.
    """
    try:
        return kind.model_validate_json(json.dumps(content, default=str))  # JSON's strict rules are those of TOML
    except ValidationError as error:
        lines = [
            f"{_blame(problem['loc'], overridden or {}) or source}: {_describe(problem, kind)}"
            for problem in _roots(error.errors())
        ]
        raise RecipeError("\n".join(lines)) from error


def apply_override(content: dict[str, Any], override: str) -> Key:
    """Set one key of a recipe's content; returns that key, part by part."""
    key, separator, text = override.partition("=")
    if not separator or not key.strip() or len(override.splitlines()) > 1:
        raise RecipeError(f"--set {override}: expected KEY=VALUE on one line, for example train.epochs=5")
    *sections, last = parts = tuple(key.strip().split("."))
    for section in sections:
        content = content.setdefault(section, {})
        if not isinstance(content, dict):
            raise RecipeError(f"--set {override}: '{section}' is a value, not a section")
    content[last] = _parse_value(text.strip())
    return parts


def _parse_value(text: str) -> Any:
    for spelled in (text, text.replace("(", "[").replace(")", "]")):  # system 3 of 2018 wrote (0.5, 0.25, 1.5)
        with contextlib.suppress(tomllib.TOMLDecodeError):
            return tomllib.loads(f"value = {spelled}")["value"]
    return text


def _blame(location: tuple[int | str, ...], overridden: dict[Key, str]) -> str | None:
    """Name the override that set what is wrong at a location: the key itself, what it is in, or what is in it."""
    for key, override in reversed(overridden.items()):
        if all(part == other for part, other in zip(key, location, strict=False)):
            return f"--set {override}"
    return None


_EXPECTED = {
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "bool_type": "expected true or false",
    "string_type": "expected a text in quotes",
    "tuple_type": "expected a list in brackets",
    "too_long": "expected {max_length} values",
    "too_short": "expected at least {min_length} value",
    "dict_type": "expected a section with keys of its own",
    "model_type": "expected a section with keys of its own",
    "literal_error": "expected {expected}",
    "string_pattern_mismatch": "expected small letters, digits and underscores",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
}
"""pydantic's types of problems in a recipe's own words."""


def _describe(problem: Any, kind: type[Section]) -> str:
    """Turn one pydantic problem with a file of some kind into one sentence that names the key."""
    location = [part for part in problem["loc"] if part not in ("int", "str")]  # the branches of `int | str`
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)[1:]
    context = problem.get("ctx", {})
    match problem["type"]:
        case "extra_forbidden":
            return _unknown_key([part for part in location if isinstance(part, str)], kind)
        case "missing":
            return f"'{key}' is missing"
        case "value_error":  # raised by a validator above
            return f"'{key}': {context['error']}"
        case other:
            expected = _EXPECTED.get(other, problem["msg"]).format(**context)
            return f"'{key}': {expected}, got {json.dumps(problem['input'])}"


def _roots(problems: list[Any]) -> list[Any]:
    """Leave out that a list is too short where that is so because an entry of it is wrong."""
    places = [problem["loc"] for problem in problems]
    return [
        problem
        for problem in problems
        if problem["type"] != "too_short"
        or not any(
            len(place) > len(problem["loc"]) and place[: len(problem["loc"])] == problem["loc"] for place in places
        )
    ]


def _unknown_key(parts: list[str], kind: type[Section]) -> str:
    """Name the nearest key of the same section, else of the whole file."""
    known = _known_keys(kind)
    beside = [key for key in known if key.split(".")[:-1] == parts[:-1]]
    key = ".".join(parts)
    return unknown_name("key", key, beside if difflib.get_close_matches(key, beside) else known)


def section_in(annotation: Any) -> type[BaseModel] | None:
    """Find the section that a key holds, or a list of which it holds; None for plain values."""
    kinds = (annotation, *get_args(annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _known_keys(section: type[BaseModel], prefix: str = "") -> list[str]:
    """List all keys of a section, those of the sections inside with their dots."""
    keys = []
    for name, field in section.model_fields.items():
        keys.append(prefix + name)
        if inner := section_in(field.annotation):
            keys += _known_keys(inner, f"{prefix}{name}.")
    return keys
