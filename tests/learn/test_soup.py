"""Model soup: averaged weights as a network that predicts, with or without statistics measured anew."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hemline.annotation import AnnotationTable
from hemline.errors import DataError, WeightsError
from hemline.formats.roots import read_roots
from hemline.infer.torch_backend import load_predictor
from hemline.learn.checkpoint import read_weights
from hemline.learn.fit import fit
from hemline.learn.soup import cook_soup
from hemline.recipe import parse_recipe
from hemline.synth.stream import write_drawn_set

SMALL = {
    "name": "small",
    "model": {"name": "simple", "backbone": "test_resnet", "options": {"channels": 8}},
    "input": {"size": 32},
    "codec": {"options": {"sigma": 1.0}},
    "train": {"epochs": 1, "batch_size": 4, "workers": 0, "accelerator": "cpu", "lr": 1e-2},
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn")
    list(write_drawn_set(root, count=10, seed=0, size=48))
    return root


@pytest.fixture(scope="module")
def table(drawn: Path) -> AnnotationTable:
    return read_roots([str(drawn)])[0]


@pytest.fixture(scope="module")
def runs(table: AnnotationTable, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two trainings with different seeds, and one of skirts alone."""
    folder = tmp_path_factory.mktemp("runs")
    for name, change in {
        "a": {},
        "b": {"train": {**SMALL["train"], "seed": 1}},
        "skirts": {"categories": ["skirt"]},
    }.items():
        fit(parse_recipe({**SMALL, **change}), table, out=folder / name)
    return [folder / name for name in ("a", "b", "skirts")]


def test_a_soup_is_the_mean_and_predicts(runs, tmp_path):
    out = tmp_path / "soup.safetensors"
    cook_soup(runs[:2], out)
    first, second, soup = (read_weights(path)[0] for path in (*(run / "last.safetensors" for run in runs[:2]), out))
    for name in soup:
        if soup[name].is_floating_point():
            torch.testing.assert_close(soup[name], (first[name] + second[name]) / 2)
    description = read_weights(out)[1]
    assert description["soup"] == [str(run / "last.safetensors") for run in runs[:2]]
    assert load_predictor(out, device="cpu").schema == load_predictor(runs[0], device="cpu").schema


def test_statistics_are_measured_anew_and_weights_stay(runs, table, tmp_path):
    cook_soup(runs[:2], tmp_path / "plain.safetensors")
    cook_soup(runs[:2], tmp_path / "fresh.safetensors", data=table)
    plain, fresh = (read_weights(tmp_path / f"{name}.safetensors")[0] for name in ("plain", "fresh"))
    moved = {name for name in plain if not torch.equal(plain[name], fresh[name])}
    assert moved
    assert all("running" in name or "num_batches" in name for name in moved)


def test_networks_of_different_kinds_are_refused(runs, tmp_path):
    with pytest.raises(WeightsError, match=r"networks of different kinds: categories, model, codec, .* differ"):
        cook_soup([runs[0], runs[2]], tmp_path / "soup.safetensors")
    with pytest.raises(WeightsError, match="a training state, not a network"):
        cook_soup([runs[0] / "state.safetensors"], tmp_path / "soup.safetensors")
    with pytest.raises(WeightsError, match=r"ends in \.safetensors"):
        cook_soup(runs[:2], tmp_path / "soup.bin")
    assert not list(tmp_path.iterdir())


def test_data_without_a_garment_of_theirs_is_refused(runs, table, tmp_path):
    blouses = table.of_categories(["blouse"])
    with pytest.raises(DataError, match=r"no garment of the networks' categories \(skirt\)"):
        cook_soup([runs[2], runs[2]], tmp_path / "soup.safetensors", data=blouses)


def test_the_verb(hemline, runs, drawn, tmp_path):
    out = tmp_path / "soup.safetensors"
    code, text, problems = hemline("soup", *runs[:2], "--out", out, "--data", drawn)
    assert (code, text, problems) == (0, f"2 networks in {out}\n", "")
    assert out.is_file()
