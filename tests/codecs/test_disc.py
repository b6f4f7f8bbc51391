"""Soft discs by hand; what every codec promises is in test_codec_contract.py."""

from __future__ import annotations

import numpy as np
import pytest

from hemline.codecs.disc import DiscCodec
from hemline.errors import RecipeError

SIZE_WH = (128, 96)


def test_cells_by_hand():
    # The point is the centre of cell (4, 3); the radius is 2 cells, so that the odds are exp(4 - d^2).
    disc = DiscCodec(size_wh=SIZE_WH, stride=4, radius=2).encode(np.array([[18.0, 14.0]]), np.ones(1))["heatmaps"][0]
    assert disc.shape == (24, 32)
    assert disc[3, 4] == pytest.approx(0.98201, abs=1e-5)  # odds exp(4)
    assert disc[3, 5] == disc[2, 4] == pytest.approx(0.95257, abs=1e-5)  # odds exp(3)
    assert disc[3, 6] == disc[1, 4] == pytest.approx(0.5, abs=1e-6)  # on the radius
    assert disc[3, 7] == pytest.approx(0.00669, abs=1e-5)  # odds exp(-5)


def test_the_radius_is_in_cells():
    points = np.array([[66.0, 46.0]])
    for radius in (2.0, 5.0):
        disc = DiscCodec(size_wh=SIZE_WH, stride=4, radius=radius).encode(points, np.ones(1))["heatmaps"]
        assert disc.sum() == pytest.approx(np.pi * radius**2, rel=0.02)


@pytest.mark.parametrize("radius", [1.0, 2.0, 5.0, 8.0])
def test_discs_of_any_radius_come_back_even_when_the_border_cuts_them(radius):
    codec = DiscCodec(size_wh=SIZE_WH, stride=4, radius=radius)
    points = np.random.default_rng(0).uniform(0, 1, (60, 2)) * SIZE_WH
    points[:20, 0], points[10:30, 1] = 0, 96
    keypoints, scores = codec.decode({"heatmaps": codec.encode(points, np.ones(60))["heatmaps"][None]})
    assert np.abs(keypoints[0] - points).max() < 0.01
    assert scores == pytest.approx(np.ones((1, 60)), abs=1e-3)


def test_a_hard_disc_is_found_by_its_area():
    """A network that is certain everywhere: the disc's middle is that of the cells that it covers."""
    maps = np.zeros((1, 1, 24, 32), np.float32)
    maps[0, 0, 8:14, 9:15] = 1
    maps[0, 0, [8, 8, 13, 13], [9, 14, 9, 14]] = 0
    keypoints, scores = DiscCodec(size_wh=SIZE_WH, stride=4).decode({"heatmaps": maps})
    assert keypoints[0, 0] == pytest.approx([12 * 4, 11 * 4], abs=0.01)
    assert scores[0, 0] > 0.95


def test_noise_moves_the_centre_by_a_fraction_of_a_cell_without_bias():
    codec, rng = DiscCodec(size_wh=SIZE_WH, stride=4), np.random.default_rng(0)
    points = rng.uniform(16, 80, (200, 2))
    maps = codec.encode(points, np.ones(200))["heatmaps"]
    keypoints, _ = codec.decode({"heatmaps": np.clip(maps + rng.normal(0, 0.1, maps.shape), 0, 1)[None].astype("f4")})
    errors = keypoints[0] - points
    assert np.abs(errors).max() < 2
    assert np.abs(errors.mean(0)).max() < 0.1


def test_a_whole_disc_beats_a_higher_lone_cell_and_does_not_feel_it():
    codec = DiscCodec(size_wh=SIZE_WH, stride=4)
    maps = 0.8 * codec.encode(np.array([[80.3, 50.9]]), np.ones(1))["heatmaps"]
    maps[0, 3, 3] = 1
    keypoints, scores = codec.decode({"heatmaps": maps[None]})
    assert keypoints[0, 0] == pytest.approx([80.3, 50.9], abs=0.5)
    assert scores[0, 0] == pytest.approx(0.8, abs=0.01)


def test_activation_is_a_sigmoid_and_nan_is_outside():
    logits = np.array([0.0, np.log(3), -np.inf, np.inf, np.nan]).reshape(1, 1, 1, 5)
    maps = DiscCodec(size_wh=(5, 1), stride=1).activate({"heatmaps": logits})["heatmaps"]
    assert maps.ravel().tolist() == pytest.approx([0.5, 0.75, 0, 1, 0])


def test_a_disc_smaller_than_a_cell_is_refused():
    with pytest.raises(RecipeError, match=r"at least 1 cell, got 0\.5"):
        DiscCodec(size_wh=(16, 16), stride=4, radius=0.5)
