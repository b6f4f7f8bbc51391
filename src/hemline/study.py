"""A study: one TOML file that names a base recipe and what to change about it, one switch at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, PositiveFloat, field_validator

from hemline.toml_file import Section, parse_section, read_toml

BASE = "base"
"""The name of the base recipe among the switches."""

NO_TRAINING = ("predict.", "decode.")
"""What the keys begin with that change nothing about training."""


class Switch(Section):
    """One [[switch]]: a variant of the base."""

    name: str = Field(min_length=1, description="what the tables call it")
    set: tuple[str, ...] = Field((), description="keys to change, as --set of `hemline train`: 'loss.ohkm=6'")
    ensemble: tuple[str, ...] = Field(
        (), description="ask these variants together, by name, 'base' among them, as `hemline predict --with` does"
    )
    weights: tuple[PositiveFloat, ...] = Field((), description="of the variants of `ensemble`; empty: all 1")
    soup: tuple[str, ...] = Field((), description="average the weights of these variants, as `hemline soup` does")
    refine: str = Field("", description="this variant's network looks again where the base's has looked first")
    verdict: str = Field("", description="one sentence for the table, once the numbers are known")

    @property
    def trains(self) -> bool:
        """Whether it needs a training of its own."""
        return not self.others and not self.only_asks

    @property
    def only_asks(self) -> bool:
        """Whether what it sets changes nothing about training."""
        return all(change.strip().startswith(NO_TRAINING) for change in self.set)

    @property
    def others(self) -> tuple[str, ...]:
        """The variants whose networks it is made of, other than the base's own."""
        return self.ensemble + self.soup + ((self.refine,) if self.refine else ())

    @property
    def file_name(self) -> str:
        """What its files are called."""
        return re.sub(r"[^a-z0-9]+", "_", self.name.lower()).strip("_")


class Study(Section):
    """One complete study."""

    base: str = Field(description="a recipe file, or the name of a shipped recipe")
    set: tuple[str, ...] = Field((), description="keys to change for the base and all switches")
    seeds: int = Field(2, ge=1, description="trainings of each variant, with seeds 0, 1, ...")
    switch: tuple[Switch, ...] = Field(min_length=1)

    @field_validator("switch")
    @classmethod
    def _consistent(cls, value: tuple[Switch, ...]) -> tuple[Switch, ...]:
        files = [BASE]
        trained = [BASE, *(switch.name for switch in value if switch.trains)]
        for switch in value:
            if switch.file_name in files or not switch.file_name:
                raise ValueError(f"needs names that differ in letters or digits, from 'base', too; got '{switch.name}'")
            files.append(switch.file_name)
            kinds = [bool(kind) for kind in (switch.ensemble, switch.soup, switch.refine)]
            if sum(kinds) > 1 or not (any(kinds) or switch.set):
                raise ValueError(f"'{switch.name}' needs keys to set, or an ensemble, a soup or a refiner of variants")
            if any(kinds) and not switch.only_asks:
                raise ValueError(
                    f"'{switch.name}' is made of trained variants; it may set only {'* and '.join(NO_TRAINING)}*"
                )
            strangers = [name for name in switch.others if name not in trained]
            if strangers:
                raise ValueError(
                    f"'{switch.name}' is made of trained variants: {', '.join(trained)}; got '{strangers[0]}'"
                )
            if switch.weights and len(switch.weights) != len(switch.ensemble):
                raise ValueError(
                    f"'{switch.name}' has {len(switch.weights)} weights for an ensemble of {len(switch.ensemble)}"
                )
        return value


def read_study(path: Path, *, changes: Sequence[str] = ()) -> Study:
    """Read a study file.

    Args:
        path: the TOML file.
        changes: further keys to change for the base and all switches.
    Raises:
        RecipeError: missing file, broken TOML, unknown key, or a value that makes no sense; names the key.
    """
    study = parse_section(Study, read_toml(path), source=str(path))
    return study.model_copy(update={"set": (*study.set, *changes)})
