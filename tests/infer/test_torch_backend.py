"""load_predictor and torch_runner: from a weights file to the same answers as the network itself."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from hemline.errors import HemlineError, WeightsError
from hemline.infer.predictor import Predictor
from hemline.infer.torch_backend import load_predictor, torch_runner
from hemline.learn.checkpoint import write_weights
from hemline.models import build_model

pytestmark = pytest.mark.usefixtures("one_thread")

MODEL = {"name": "cpn", "backbone": "mobilenetv2_035", "keypoints": 4, "channels": 16}


@pytest.fixture
def network(schema):
    torch.manual_seed(0)
    return build_model(**MODEL).eval()


@pytest.fixture
def description(schema):
    schema = dataclasses.replace(schema, model=MODEL)
    recipe = {"predict": {"batch_size": 5, "flip": False}}
    return {"schema": schema.to_json(), "recipe": recipe, "epoch": 3, "ne": None}


@pytest.fixture
def crops():
    return np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64), dtype=np.uint8)


def test_runs_the_final_stage_without_gradients_and_keeps_the_mode(network, crops):
    run = torch_runner(network, device=torch.device("cpu"))
    with torch.no_grad():
        expected = network(torch.from_numpy(crops))[-1]["heatmaps"].numpy()
    network.train()
    output = run(crops)
    assert network.training
    assert output["heatmaps"].dtype == np.float32
    assert output["heatmaps"] == pytest.approx(expected, abs=1e-5)
    network.eval()
    run(crops)
    assert not network.training


def test_runs_under_the_callers_autocast_and_gives_float32(network, crops):
    def autocast():
        return torch.autocast("cpu", torch.bfloat16)

    full = torch_runner(network, device=torch.device("cpu"))(crops)["heatmaps"]
    half = torch_runner(network, device=torch.device("cpu"), autocast=autocast)(crops)["heatmaps"]
    assert half.dtype == np.float32
    assert not np.array_equal(half, full)
    assert np.abs(half - full).max() < 0.1 * np.abs(full).max()


@pytest.mark.parametrize("names", [["last"], ["best", "last"]])
def test_a_run_folder_means_its_best_weights_else_its_last(tmp_path, schema, network, description, crops, names):
    write_weights(tmp_path / f"{names[0]}.safetensors", network.state_dict(), description)
    for other in names[1:]:
        zeros = {name: torch.zeros_like(tensor) for name, tensor in network.state_dict().items()}
        write_weights(tmp_path / f"{other}.safetensors", zeros, description)
    expected = Predictor(torch_runner(network, device=torch.device("cpu")), schema)
    photo = crops[0].transpose(1, 2, 0)
    for path in (tmp_path, tmp_path / f"{names[0]}.safetensors"):
        predictor = load_predictor(path, device="cpu")
        assert predictor.batch_size == 5
        [got], [want] = predictor.predict([photo], ["skirt"]), expected.predict([photo], ["skirt"])
        assert got.keypoints == pytest.approx(want.keypoints, nan_ok=True)
        assert got.scores == pytest.approx(want.scores, nan_ok=True)
    assert load_predictor(tmp_path, batch_size=2).batch_size == 2
    assert load_predictor(tmp_path, flip=True).flip


def test_what_holds_no_weights_is_an_error(tmp_path, network, description):
    with pytest.raises(WeightsError, match="no such run folder or weights file"):
        load_predictor(tmp_path / "nothing")
    with pytest.raises(WeightsError, match=r"no best\.safetensors or last\.safetensors"):
        load_predictor(tmp_path)
    text = tmp_path / "text.safetensors"
    text.write_text("no tensors")
    with pytest.raises(WeightsError, match=r"text\.safetensors"):
        load_predictor(text)
    write_weights(tmp_path / "part.safetensors", {"mean": torch.zeros(1)}, description)
    with pytest.raises(WeightsError, match="does not fit the network"):
        load_predictor(tmp_path / "part.safetensors")


def test_a_device_that_is_not_there_is_an_error(tmp_path, network, description):
    write_weights(tmp_path / "last.safetensors", network.state_dict(), description)
    with pytest.raises(HemlineError, match="device 'gpu7' cannot be used"):
        load_predictor(tmp_path, device="gpu7")
