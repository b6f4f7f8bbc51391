"""A trained network as the Predictor's `run` function, with PyTorch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hemline.errors import HemlineError, RecipeError, WeightsError
from hemline.infer.build import build_predictor
from hemline.infer.detector import Detector, DetectorSchema, RunDetector
from hemline.infer.finder import Finder
from hemline.infer.predictor import Run
from hemline.infer.schema import Schema
from hemline.learn.checkpoint import BEST, LAST, load_strictly, read_weights
from hemline.models import build_model
from hemline.models.detectors import build_detector

Autocast = Callable[[], contextlib.AbstractContextManager[Any]]


def load_predictor(
    path: Path,
    *,
    device: str = "auto",
    flip: bool | None = None,
    batch_size: int | None = None,
    others: Sequence[tuple[Path, float]] = (),
    refiner: Path | None = None,
    detector: Path | None = None,
    predict: Mapping[str, Any] | None = None,
    decode: Mapping[str, Any] | None = None,
    detect: Mapping[str, Any] | None = None,
) -> Finder:
    """Load a trained network, or several that answer together, for prediction.

    Args:
        path: a run folder, of which the best weights are taken, else the last; or a weights file.
        device: "auto" for a GPU where there is one, or PyTorch's name of a device.
        flip: average with the mirrored crop; None does as the recipe says.
        batch_size: photos per step of the network; None does as the recipe says.
        others: further networks of an ensemble, and their weights where the first has 1.
        refiner: a network for the second pass.
        detector: a garment detector in front of all that.
        predict: keys of the recipe's [predict] to change, see `build_predictor`.
        decode: keys of the recipe's [decode] to change.
        detect: keys of the detector's [detect] to change, see `load_detector`.
    Returns:
        a Predictor, unless options call for more.
    Raises:
        WeightsError: no such folder or file, no weights in it, a training state, or weights that do not fit.
        RecipeError: options that do not go together, or of which a codec makes no use.
        HemlineError: a device that cannot be used, or networks without a category in common.
    """
    place = choose_device(device)
    run, schema, recipe = _load_network(path, place)
    options = {"batch_size": recipe["predict"]["batch_size"], **(predict or {})}
    options |= {key: value for key, value in (("flip", flip), ("batch_size", batch_size)) if value is not None}
    asked = {"batch_size": batch_size, **(detect or {})}
    return build_predictor(
        run,
        schema,
        others=[(*_load_network(other, place)[:2], weight) for other, weight in others],
        refiner=_load_network(refiner, place)[:2] if refiner else None,
        detector=load_detector(detector, device=device, **asked) if detector else None,
        decode=decode,
        **options,
    )


def _load_network(path: Path, device: torch.device) -> tuple[Run, Schema, dict[str, Any]]:
    """Load one network: what runs it, its schema, and the recipe that it was trained with."""
    weights, tensors, description = _read_network(path)
    schema = Schema.from_json(description["schema"], source=str(weights))
    model = build_model(**schema.model)
    load_strictly(model, tensors, source=str(weights))
    return torch_runner(model, device=device), schema, description["recipe"]


def torch_runner(model: nn.Module, *, device: torch.device, autocast: Autocast = contextlib.nullcontext) -> Run:
    """Make the function that a Predictor calls.

    Args:
        model: a `models.network.Network`, moved to `device`; each call leaves it in the mode in which it was.
        device: where to run it.
        autocast: makes the context in which it runs, for mixed precision.
    Returns:
        (B, 3, S, S) uint8 to the outputs of the final stage, float32.
    """
    model.to(device).to(memory_format=torch.channels_last)

    def run(crops: np.ndarray) -> dict[str, np.ndarray]:
        with _asking(model), autocast():
            final = model(torch.from_numpy(crops).to(device))[-1]
        return {name: values.float().cpu().numpy() for name, values in final.items()}

    return run


@contextlib.contextmanager
def _asking(network: nn.Module) -> Iterator[None]:
    """Let a network answer, without gradients, and leave it in the mode in which it was."""
    training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        network.train(training)


def _read_network(path: Path) -> tuple[Path, dict[str, Tensor], dict[str, Any]]:
    """Read the weights of a run folder or a file, and their description, which has a schema."""
    weights = find_weights(path)
    tensors, description = read_weights(weights)
    if "schema" not in description:
        raise WeightsError(f"{weights}: a training state, not a network; give the run folder, or its {LAST}")
    return weights, tensors, description


def load_detector(path: Path, *, device: str = "auto", batch_size: int | None = None, **options: Any) -> Detector:
    """Load a trained garment detector.

    Args:
        path, device, batch_size: as for `load_predictor`.
        options: score, overlap and most, instead of the recipe's.
    Raises:
        RecipeError: `margin`, which the detector has learned and which cannot change.
        WeightsError: no such folder or file, or it holds no detector, or weights that do not fit.
        HemlineError: a device that cannot be used.
    """
    if "margin" in options:
        raise RecipeError("detect.margin is what the detector has learned; predict.margin gives its boxes more room")
    place = choose_device(device)
    weights, tensors, description = _read_network(path)
    schema = DetectorSchema.from_json(description["schema"], source=str(weights))
    network = build_detector(**schema.detector)
    load_strictly(network, tensors, source=str(weights))
    runner = detector_runner(network, device=place)
    return Detector(runner, schema, batch_size=batch_size or description["recipe"]["detect"]["batch_size"], **options)


def detector_runner(
    network: nn.Module, *, device: torch.device, autocast: Autocast = contextlib.nullcontext
) -> RunDetector:
    """Make the function that a Detector calls; arguments as of `torch_runner`."""
    network.to(device).to(memory_format=torch.channels_last)

    def run(photos: np.ndarray) -> list[dict[str, np.ndarray]]:
        with _asking(network), autocast():
            found = network(torch.from_numpy(photos).to(device))
        names = ("boxes", "labels", "scores")
        return [{name: each[name].float().cpu().numpy() for name in names} for each in found]

    return run


def find_weights(path: Path) -> Path:
    """Find the weights file that a run folder or a file name means.

    Raises:
        WeightsError: there is none.
    """
    if path.is_dir():
        for name in (BEST, LAST):
            if (path / name).is_file():
                return path / name
        raise WeightsError(f"{path}: no {BEST} or {LAST} in this folder; is it a run folder of `hemline train`?")
    if not path.is_file():
        raise WeightsError(f"{path}: no such run folder or weights file")
    return path


def choose_device(name: str) -> torch.device:
    """Choose a device by PyTorch's name; "auto" takes a GPU where there is one.

    Raises:
        HemlineError: unknown, or not on this machine.
    """
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:  # PyTorch raises either for a device that is not there
        reason = str(error).splitlines()[0]
        raise HemlineError(f"device '{name}' cannot be used ({reason}); use auto, cpu or cuda") from error
