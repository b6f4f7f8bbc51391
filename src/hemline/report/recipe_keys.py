"""Every key of a recipe as Markdown tables: what it is called, its default, and what it does."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import tomli_w
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hemline.toml_file import Section, section_in


def key_tables(kind: type[Section]) -> str:
    """Describe all keys of a kind of recipe, a table for each section.

    Args:
        kind: Recipe or DetectorRecipe.
    Returns:
        Markdown. Keys of the entries of a list have a dot in front.
    """
    parts = []
    for name, field in kind.model_fields.items():
        section = section_in(field.annotation)
        if section is None:
            continue
        about = (section.__doc__ or "").split(": ", 1)[-1].strip()
        parts += [f"### [{name}]", about[:1].upper() + about[1:], "\n".join(_rows(section))]
    return "\n\n".join(parts) + "\n"


def _rows(section: type[BaseModel]) -> list[str]:
    lines = ["| key | default | what it does |", "|---|---|---|"]
    for name, field in section.model_fields.items():
        lines.append(_row(name, field))
        if entry := section_in(field.annotation):
            lines += [_row(f".{key}", its) for key, its in entry.model_fields.items()]
    return lines


def _row(name: str, field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True) if not field.is_required() else ...
    shown = "needed" if default is ... else f"`{_as_toml(default)}`" if default is not None else "none"
    about = field.description or ""
    if get_origin(field.annotation) is Literal:
        about += f"; one of {', '.join(f'`{choice}`' for choice in get_args(field.annotation))}"
    return f"| `{name}` | {shown} | {about} |"


def _as_toml(value: Any) -> str:
    """Write a value as it stands behind a key."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(_as_toml(each) for each in value)}]"
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_defaults=True)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_as_toml(each)}" for key, each in value.items()) + " }" if value else "{}"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").strip()
