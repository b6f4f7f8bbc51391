"""Weights on disk: one safetensors file, written in one step, that carries its own description.

safetensors holds tensors and a string table and nothing that could run when it is read. The description is
JSON in that table, so that tensors and description can never be of different moments; a copy beside the
file is for people.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from hemline.errors import WeightsError, name_eight
from hemline.files import write_atomic

BEST, LAST = "best.safetensors", "last.safetensors"
"""The weights files of a run folder: of the best epoch by validation, and of the last checkpoint."""

_KEY = "hemline"


def write_weights(path: Path, tensors: dict[str, Tensor], description: dict[str, Any]) -> None:
    """Write tensors and their description, and the description again as readable JSON beside them.

    Args:
        path: ends in .safetensors; the JSON goes to the same name with .json.
        tensors: on any device.
        description: plain JSON values.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomic(path, save(plain, metadata={_KEY: json.dumps(description)}))
    write_atomic(path.with_suffix(".json"), json.dumps(description, indent=1) + "\n")


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and their description.

    Raises:
        WeightsError: missing, not safetensors, or not written by hemline.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: cannot be read as a safetensors file ({error})") from error
    if _KEY not in metadata:
        raise WeightsError(f"{path}: these weights were not written by hemline (no description inside)")
    return tensors, json.loads(metadata[_KEY])


def load_strictly(module: nn.Module, tensors: dict[str, Tensor], *, source: str) -> None:
    """Load a state dict; every tensor must fit and none may be left over.

    Raises:
        WeightsError: lists the keys that do not fit.
    """
    expected = module.state_dict()
    problems = [
        *(f"missing {name}" for name in expected.keys() - tensors.keys()),
        *(f"unexpected {name}" for name in tensors.keys() - expected.keys()),
        *(
            f"{name} is {tuple(tensors[name].shape)}, the network's is {tuple(expected[name].shape)}"
            for name in expected.keys() & tensors.keys()
            if tensors[name].shape != expected[name].shape
        ),
    ]
    if problems:
        raise WeightsError(f"{source} does not fit the network: {name_eight(sorted(problems), separator='; ')}")
    module.load_state_dict(tensors)
