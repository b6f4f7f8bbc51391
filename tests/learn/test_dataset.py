"""Training samples: the points lie where the pixels are, and nothing but (seed, epoch, photo) matters."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from hemline.annotation import AnnotationTable
from hemline.codecs import build_codec
from hemline.errors import ImageError
from hemline.images import write_image
from hemline.learn.augment import Augmenter
from hemline.learn.dataset import EpochBatches, PhotoDataset, build_loader

SKIRT = (15, 16, 17, 18)
COLORS = {15: (255, 0, 0), 16: (0, 255, 0), 17: (0, 0, 255), 18: (255, 255, 255)}
POINTS = {15: (60.0, 40.0), 16: (140.0, 50.0), 17: (40.0, 160.0), 18: (150.0, 150.0)}


@pytest.fixture
def skirts(tmp_path: Path) -> AnnotationTable:
    """Four photos of 200 x 200 with a coloured disc on each point."""
    paths = []
    for number in range(4):
        photo = np.zeros((200, 200, 3), np.uint8)
        for index, (x, y) in POINTS.items():
            # OpenCV counts from pixel centres: continuous c is index c - 0.5, here in 1/16 of a pixel.
            centre = (round((x - 0.5) * 16), round((y - 0.5) * 16))
            cv2.circle(photo, centre, 6 * 16, COLORS[index], -1, cv2.LINE_AA, shift=4)
        paths.append(tmp_path / f"{number}.png")
        write_image(paths[-1], photo)
    points = np.full((4, 24, 3), -1.0)
    for index, (x, y) in POINTS.items():
        points[:, index] = x, y, 1
    points[:, 17, 2] = 0
    return AnnotationTable(tuple(f"Images/skirt/{n}.png" for n in range(4)), ("skirt",) * 4, points, tuple(paths))


def build(table: AnnotationTable, augmenter: Augmenter | None = None, **options) -> PhotoDataset:
    codec = build_codec("heatmap", size_wh=(128, 128), stride=4)
    return PhotoDataset(table, codec=codec, keypoints=SKIRT, size=128, augmenter=augmenter, **options)


def test_targets_lie_on_the_discs_whatever_the_augmentation(skirts):
    augmenter = Augmenter(flip=0.5, rotation=30, scale=(0.7, 1.2), shift=0.1)
    dataset = build(skirts, augmenter)
    distances, mirrored = [], set()
    for epoch, row in itertools.product(range(10), range(4)):
        sample = dataset[epoch, row]
        points, _ = dataset.codec.decode({"heatmaps": sample["target"]["heatmaps"][None]})
        for channel, index in enumerate(SKIRT):
            if not sample["weight"][channel]:
                continue
            close = np.abs(sample["image"].astype(int) - COLORS[index]).sum(2) < 60
            if index == 18:
                mirrored.add(bool(points[0, 1, 0] < points[0, 0, 0]))
            rows, columns = np.nonzero(close)
            if len(rows) < 20:
                continue  # this colour belongs to the mirrored partner
            distances.append((np.array([columns.mean() + 0.5, rows.mean() + 0.5]), points[0], index, channel))
    # Each disc has a decoded point of its own pair on it; swapped names would be 50 px off.
    partner = {0: 1, 1: 0, 2: 3, 3: 2}
    errors = [
        min(np.hypot(*(disc - decoded[c])) for c in (channel, partner[channel]))
        for disc, decoded, _, channel in distances
    ]
    assert len(errors) > 60
    assert np.median(errors) < 0.3
    assert mirrored == {False}  # "left" stays on the left of the image


def test_left_stays_left_when_mirrored(skirts):
    dataset = build(skirts, Augmenter(flip=1.0))
    sample = dataset[0, 0]
    points, _ = dataset.codec.decode({"heatmaps": sample["target"]["heatmaps"][None]})
    # 200 px fit 128: scale 0.64; waistband_left is now where waistband_right was, mirrored.
    assert points[0, 0] == pytest.approx([(200 - 140) * 0.64, 50 * 0.64], abs=0.01)
    assert points[0, 3] == pytest.approx([(200 - 40) * 0.64, 160 * 0.64], abs=0.01)


def test_weights_follow_visibility_and_the_frame(skirts):
    assert build(skirts, occluded_weight=0.5)[0, 0]["weight"].tolist() == [1.0, 1.0, 0.5, 1.0]
    skirts.points[:, 18, :2] = 230, 100  # outside the photo
    skirts.points[:, 16] = -1
    sample = build(skirts)[0, 0]
    assert sample["weight"].tolist() == [1.0, 0.0, 1.0, 0.0]
    assert [bool(m.any()) for m in sample["target"]["heatmaps"]] == [True, False, True, False]


def test_sample_depends_on_seed_epoch_and_photo_only(skirts):
    augmenter = Augmenter(rotation=30, hue=0.1, erase=0.5)
    image = build(skirts, augmenter)[3, 2]["image"]
    other = build(skirts.select([2, 0]), augmenter)
    other[0, 1]
    assert (other[3, 0]["image"] == image).all()
    assert (build(skirts, augmenter)[4, 2]["image"] != image).any()
    assert (build(skirts, augmenter, seed=1)[3, 2]["image"] != image).any()


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_photo_reaches_the_loop_by_name(skirts, workers):
    skirts.paths[2].write_bytes(b"no photo")
    batches = EpochBatches(4, batch_size=4, seed=0)
    (batch,) = build_loader(build(skirts), batches, workers=workers)
    assert isinstance(batch, ImageError)
    assert str(skirts.paths[2]) in str(batch)


def test_batches_cover_an_epoch_once_and_can_start_inside_it():
    batches = EpochBatches(23, batch_size=5, seed=1)
    epochs = []
    for batches.epoch in (0, 1):
        epochs.append(list(batches))
        rows = [row for batch in epochs[-1] for _, row in batch]
        assert len(batches) == len(epochs[-1]) == 4
        assert len(rows) == len(set(rows)) == 20
    assert [row for batch in epochs[0] for _, row in batch] != [row for batch in epochs[1] for _, row in batch]
    batches.start = 3
    assert list(batches) == epochs[1][3:]


def test_few_photos_are_one_batch():
    batches = EpochBatches(3, batch_size=16, seed=0)
    (batch,) = batches
    assert sorted(row for _, row in batch) == [0, 1, 2]


def test_devices_share_an_epoch():
    shares = [
        [row for batch in EpochBatches(20, batch_size=5, seed=0, rank=rank, world=2) for _, row in batch]
        for rank in (0, 1)
    ]
    assert len(shares[0]) == len(shares[1]) == 10
    assert not set(shares[0]) & set(shares[1])
