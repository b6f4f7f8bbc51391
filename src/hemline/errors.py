"""Every error that hemline raises for a mistake that a user can mend.

HemlineError
├── DataError      a data file says something that cannot be right (names file, row and column)
├── ImageError     a photo cannot be read (names the file)
├── RecipeError    a recipe, or two of its keys together, cannot be used
├── ShapeError     arrays that should describe the same thing do not
├── WeightsError   a weights file does not fit the network, or is no weights file
├── TrainingError  a training run cannot go on (non-finite loss, a run folder that is taken)
└── MissingExtraError   an optional part of hemline is not installed

The command line prints the message of a HemlineError and exits with 2; anything else is a bug and
keeps its traceback.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Iterable, Sequence

EXTRAS: dict[str, tuple[str, ...]] = {
    "train": (
        "lightning",
        "matplotlib",
        "pycocotools",
        "safetensors",
        "tensorboard",
        "timm",
        "torch",
        "torchvision",
    ),
}
"""The packages that each optional part of hemline brings, as in pyproject.toml; all are imported by these names."""


class HemlineError(Exception):
    """Base of all errors that a user can mend."""


class DataError(HemlineError):
    """A data file says something that cannot be right."""


class ImageError(HemlineError):
    """A photo cannot be read."""


class RecipeError(HemlineError):
    """A recipe, or two of its keys together, cannot be used."""


class ShapeError(HemlineError):
    """Arrays that should describe the same thing do not."""


class WeightsError(HemlineError):
    """A weights file does not fit the network, or is no weights file."""


class TrainingError(HemlineError):
    """A training run cannot go on."""


class MissingExtraError(HemlineError):
    """An optional part of hemline is not installed."""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """Say that a name is unknown, which one was probably meant, and which ones exist.

    Args:
        kind: what the name is a name of, e.g. "model".
        name: what was got.
        known: the names that exist, in the order to print them.
    Returns:
        one sentence for an error message.
    """
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=1)
    meant = f" Did you mean '{near[0]}'?" if near else ""
    return f"unknown {kind} '{name}'.{meant} Known: {', '.join(known)}."


def name_three(names: Sequence[str]) -> str:
    """Name the first three of many, for an error message that gives their number."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def name_eight(names: Sequence[str], *, separator: str = ", ") -> str:
    """Name the first eight of many and say how many more there are."""
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return separator.join(names[:8]) + more


def require_extra(extra: str) -> None:
    """Make sure that an optional part of hemline is installed whole; imports nothing.

    Args:
        extra: a key of EXTRAS.
    Raises:
        MissingExtraError: names the packages that are missing and says how to install them.
    """
    missing = [package for package in EXTRAS[extra] if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingExtraError(f"not installed: {', '.join(missing)}. Run: pip install 'hemline[{extra}]'")
