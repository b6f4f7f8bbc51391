"""Augmentation: every switch does something, and nothing does more than it says."""

from __future__ import annotations

import numpy as np
import pytest

from hemline.geometry import apply_affine, crop_affine, photo_box
from hemline.learn.augment import Augmenter

BOX, SIZE = photo_box((300, 400)), (128, 128)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_without_switches_the_crop_is_the_plain_one():
    matrix, flipped = Augmenter().draw_affine(rng(), BOX, SIZE)
    assert not flipped
    assert matrix == pytest.approx(crop_affine(BOX, SIZE))
    crop = rng().integers(0, 256, (8, 8, 3), dtype=np.uint8)
    assert (Augmenter().paint(rng(), crop)[0] == crop).all()


@pytest.mark.parametrize("switch", [{"rotation": 20.0}, {"scale": (0.5, 2.0)}, {"shift": 0.2}, {"flip": 1.0}])
def test_each_switch_moves_the_points(switch):
    matrix, _ = Augmenter(**switch).draw_affine(rng(), BOX, SIZE)
    assert abs(matrix - crop_affine(BOX, SIZE)).max() > 0.01


def test_ranges_hold():
    augmenter = Augmenter(rotation=20.0, scale=(0.8, 1.25), shift=0.1)
    fit = 128 / 400
    for seed in range(200):
        matrix, _ = augmenter.draw_affine(rng(seed), BOX, SIZE)
        zoom = np.sqrt(np.linalg.det(matrix[:, :2])) / fit
        assert 0.8 <= zoom <= 1.25
        assert abs(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))) <= 20
        centre = apply_affine(matrix, np.array([150.0, 200.0]))
        assert abs(centre - 64).max() <= 12.8 + 1e-9


def test_flip_happens_as_often_as_it_says_and_mirrors():
    draws = [Augmenter(flip=0.25).draw_affine(rng(seed), BOX, SIZE) for seed in range(400)]
    assert 70 <= sum(flipped for _, flipped in draws) <= 130
    for matrix, flipped in draws:
        assert (np.linalg.det(matrix[:, :2]) < 0) == flipped


def test_colours():
    patch = np.full((4, 4, 3), (200, 100, 50), np.uint8)
    luma = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    assert Augmenter(gray=1.0).paint(rng(), patch)[0][0, 0] == pytest.approx([luma] * 3, abs=1)
    bright = Augmenter(brightness=0.5).paint(rng(), patch)[0][0, 0].astype(float)
    assert bright / bright[2] == pytest.approx([4, 2, 1], rel=0.05)
    assert bright[2] != 50
    grey = np.full((4, 4, 3), 90, np.uint8)
    assert (Augmenter(hue=0.5).paint(rng(), grey)[0] == 90).all()  # a turn of the hue keeps greys
    assert (Augmenter(saturation=0.9).paint(rng(), grey)[0] == 90).all()
    assert (Augmenter(hue=0.5).paint(rng(), patch)[0] != patch).any()
    middle = np.full((4, 4, 3), 127, np.uint8)
    assert Augmenter(contrast=0.9).paint(rng(), middle)[0][0, 0] == pytest.approx([127] * 3, abs=1)


def test_erase_paints_one_rectangle():
    crop = np.full((100, 100, 3), 7, np.uint8)
    share = [(Augmenter(erase=1.0).paint(rng(seed), crop)[0] != 7).any(2).mean() for seed in range(50)]
    assert max(share) <= 0.21
    assert np.mean(share) > 0.02
