"""Training samples: the points lie where the pixels are, and nothing but (seed, epoch, photo) matters."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from hemline.annotation import ABSENT, OCCLUDED, VISIBLE, AnnotationTable
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


@pytest.mark.parametrize(
    "switches",
    [
        {"rotation": 30, "scale": (0.7, 1.2), "shift": 0.1},
        {"aspect": 1.4, "rotation": 30},
        {"crop": 1.0, "crop_margin": 0.1},
        {"crop": 0.5, "half": 0.5, "crop_margin": 0.1, "aspect": 1.2, "rotation": 20},
        {"blur": 1.0, "noise": 1.0},
    ],
)
def test_targets_lie_on_the_discs_whatever_the_augmentation(skirts, switches):
    augmenter = Augmenter(flip=0.5, **switches)
    dataset = build(skirts, augmenter)
    distances, mirrored = [], set()
    for epoch, row in itertools.product(range(10), range(4)):
        sample = dataset[epoch, row]
        points, _ = dataset.codec.decode({"heatmaps": sample["target"]["heatmaps"][None]})
        for channel, index in enumerate(SKIRT):
            if not sample["weight"][channel]:
                continue
            close = np.abs(sample["image"].astype(int) - COLORS[index]).sum(2) < 60
            if sample["weight"][:2].all():
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


def test_crop_keeps_all_points_and_half_loses_some(skirts):
    cropped, halved = (build(skirts, Augmenter(crop_margin=0.05, **switch)) for switch in ({"crop": 1}, {"half": 1}))
    plain, counts = build(skirts)[0, 0]["image"], set()
    for epoch in range(20):
        crop = cropped.cut((epoch, 0))
        assert (crop.visibility != ABSENT).all()
        assert (crop.image != plain).any()
        pixel = crop.width / np.hypot(80, 10)
        assert np.minimum(crop.points, 128 - crop.points).min() >= 0.05 * 200 * pixel - 1e-6
        half = halved.cut((epoch, 0))
        counts.add(int((half.visibility != ABSENT).sum()))
        outside = ((half.points < 0) | (half.points > 128)).any(1)
        assert ((half.visibility == ABSENT) == outside).all()
    assert 2 in counts
    assert min(counts) >= 2


@pytest.fixture
def skirt_and_wall(skirts: AnnotationTable) -> AnnotationTable:
    """The first skirt, and a photo of nothing but one colour."""
    write_image(skirts.paths[1], np.full((90, 150, 3), (90, 60, 120), np.uint8))
    return skirts.select([0, 1])


def test_points_under_a_pasted_piece_are_occluded(skirt_and_wall):
    dataset = build(skirt_and_wall, Augmenter(paste=1.0), occluded_weight=0.5)
    hidden = 0
    for epoch in range(40):
        sample = dataset[epoch, 0]
        for channel, index in enumerate(SKIRT):
            x, y = (np.array(POINTS[index]) * 0.64).astype(int)
            is_seen = np.abs(sample["image"][y, x].astype(int) - COLORS[index]).sum() < 190  # of 300 and more
            assert sample["weight"][channel] == (1.0 if is_seen and index != 17 else 0.5)
            hidden += not is_seen
        assert (sample["target"]["heatmaps"].max((1, 2)) > 0.5).all()  # still a target
    assert 10 < hidden < 80


def test_points_under_an_erased_rectangle_are_occluded(skirts):
    dataset = build(skirts, Augmenter(erase=1.0))
    hidden = 0
    for epoch in range(40):
        crop = dataset.cut((epoch, 0))
        for channel, index in enumerate(SKIRT):
            x, y = crop.points[channel].astype(int)
            is_seen = np.abs(crop.image[y, x].astype(int) - COLORS[index]).sum() < 30
            assert crop.visibility[channel] == (VISIBLE if is_seen and index != 17 else OCCLUDED)
            hidden += not is_seen
    assert hidden > 10


def test_an_absent_point_stays_absent_under_a_pasted_piece(skirt_and_wall):
    skirt_and_wall.points[:] = -1
    switches = dict.fromkeys(("flip", "crop", "half", "blur", "noise", "paste", "erase"), 0.5)
    dataset = build(skirt_and_wall, Augmenter(**switches, aspect=1.3, rotation=20, crop_margin=0.05))
    for epoch in range(20):
        sample = dataset[epoch, 0]
        assert not sample["weight"].any()
        assert not sample["target"]["heatmaps"].any()


def test_the_piece_is_of_another_photo_and_an_unreadable_one_reaches_the_loop_by_name(skirt_and_wall):
    augmenter = Augmenter(paste=1.0)
    assert (build(skirt_and_wall, augmenter)[0, 0]["image"] == (90, 60, 120)).all(2).any()
    alone = build(skirt_and_wall.select([0]), augmenter)[0, 0]["image"]  # its own photo, since there is no other
    assert (alone != build(skirt_and_wall)[0, 0]["image"]).any()
    skirt_and_wall.paths[1].write_bytes(b"no photo")
    error = build(skirt_and_wall, augmenter)[0, 0]
    assert isinstance(error, ImageError)
    assert str(skirt_and_wall.paths[1]) in str(error)
    assert isinstance(build(skirt_and_wall)[0, 0], dict)


def test_every_other_photo_is_pasted(skirts):
    for row, color in enumerate([(10, 0, 0), (20, 0, 0), (30, 0, 0), (40, 0, 0)]):
        write_image(skirts.paths[row], np.full((128, 128, 3), color, np.uint8))
    dataset = build(skirts, Augmenter(paste=1.0))
    seen = set()
    for epoch in range(40):
        levels = set(np.unique(dataset.cut((epoch, 1)).image[:, :, 0]).tolist())
        assert len(levels) > 1  # its own photo is never pasted: it would not be seen
        seen |= levels
    assert {10, 20, 30, 40} <= seen


def test_sample_depends_on_seed_epoch_and_photo_only(skirts):
    augmenter = Augmenter(rotation=30, hue=0.1, erase=0.5, aspect=1.2, crop=0.3, half=0.3, blur=0.5, noise=1.0)
    image = build(skirts, augmenter)[3, 2]["image"]
    other = build(skirts.select([2, 0]), augmenter)
    other[0, 1]
    assert (other[3, 0]["image"] == image).all()
    assert (build(skirts, augmenter)[4, 2]["image"] != image).any()
    assert (build(skirts, augmenter, seed=1)[3, 2]["image"] != image).any()


def test_a_pasted_sample_depends_on_nothing_drawn_before(skirts):
    augmenter = Augmenter(paste=1.0, noise=1.0)
    expected = build(skirts, augmenter)[3, 2]["image"]
    other = build(skirts, augmenter)
    other[0, 1]
    cv2.setRNGSeed(5)
    assert (other[3, 2]["image"] == expected).all()


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


def test_distance_weight_makes_a_distance_in_the_crop_count_as_ne_does(skirts):
    # The waistband is 80.62 photo pixels wide; a 200-pixel photo in a crop of 128 at two zooms.
    width = np.hypot(80, 10)
    for zoom in (1.0, 1.5):
        augmenter = Augmenter(scale=(zoom, zoom))
        assert build(skirts, augmenter)[0, 0]["distance_weight"] == pytest.approx(60 / (width * 0.64 * zoom + 1))
    hidden = np.array(skirts.points)
    hidden[1, 15:17] = -1  # without a width it is a quarter of the crop wide
    unknown = AnnotationTable(skirts.image_ids, skirts.categories, hidden, skirts.paths)
    assert build(unknown)[0, 1]["distance_weight"] == pytest.approx(60 / (32 + 1))


def test_each_garment_says_how_many_of_its_keypoints_ohkm_keeps(skirts):
    assert build(skirts, ohkm={"skirt": 0.5, "dress": 6})[0, 0]["ohkm"] == 0.5
    assert build(skirts, ohkm={"dress": 6})[0, 0]["ohkm"] == 0


def test_drawn_garments_take_the_place_of_a_share_of_the_photos(skirts):
    drawn = [row for row in range(4) for epoch in range(50) if is_drawn(build(skirts, synthetic=0.3)[epoch, row])]
    assert 40 <= len(drawn) <= 80
    assert set(drawn) == {0, 1, 2, 3}
    assert not any(is_drawn(build(skirts)[epoch, 0]) for epoch in range(5))


def is_drawn(sample) -> bool:
    return sample["image"][40, 64].any()  # the photos are black between the discs


def test_a_drawn_garment_is_another_in_each_epoch_and_the_same_again(skirts):
    first, again, other = (build(skirts, synthetic=1.0)[epoch, 0] for epoch in (0, 0, 1))
    assert (first["image"] == again["image"]).all()
    assert (first["target"]["coordinates"] == again["target"]["coordinates"]).all()
    assert (first["image"] != other["image"]).any()
    assert (first["weight"] > 0).any()
