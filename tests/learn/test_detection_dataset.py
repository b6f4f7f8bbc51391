"""What detectors learn from: boxes by the rule, scenes, masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hemline.annotation import ABSENT, AnnotationTable
from hemline.errors import ImageError
from hemline.formats.roots import read_roots
from hemline.garments import CATEGORIES
from hemline.geometry import points_box
from hemline.images import image_size
from hemline.learn.augment import Augmenter
from hemline.learn.dataset import EpochBatches, build_loader, load_batches
from hemline.learn.detection_dataset import DetectionDataset
from hemline.synth.stream import write_drawn_set

OPTIONS = {"categories": CATEGORIES, "size": 64, "margin": 0.1}


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> AnnotationTable:
    root = tmp_path_factory.mktemp("drawn")
    list(write_drawn_set(root, count=10, seed=1, size=96))
    return read_roots([str(root)])[0]


def dataset(table: AnnotationTable, *, augmenter: Augmenter | None = None, **options) -> DetectionDataset:
    return DetectionDataset(table, augmenter=augmenter or Augmenter(), **{**OPTIONS, **options})


def test_a_plain_photo_has_the_box_of_its_points(table):
    """min and max over the points that are there, never those of visibility -1, and the margin; in crop pixels."""
    for row in range(len(table)):
        garments = dataset(table)[0, row]["garments"]
        points = table.points[row]
        present = points[points[:, 2] != ABSENT, :2] * 64 / 96
        low, high = present.min(0), present.max(0)
        room = 0.1 * (high - low).max()
        expected = np.concatenate([low - room, high + room]).clip(0, 64)
        assert garments["boxes"].numpy() == pytest.approx(expected[None], abs=1e-4)
        assert garments["labels"].tolist() == [CATEGORIES.index(table.categories[row]) + 1]


def test_boxes_follow_flip_and_rotation_by_their_points(table):
    mirror = dataset(table, augmenter=Augmenter(flip=1.0))[0, 0]["garments"]["boxes"][0].numpy()
    left, top, right, bottom = dataset(table)[0, 0]["garments"]["boxes"][0].numpy()
    assert mirror == pytest.approx((64 - right, top, 64 - left, bottom), abs=1e-4)
    turned = dataset(table, augmenter=Augmenter(rotation=40.0), margin=0.0)
    for epoch in range(5):
        sample = turned[epoch, 2]
        own = table.points[2][table.points[2, :, 2] != ABSENT, :2] * 64 / 96
        box = sample["garments"]["boxes"][0].numpy()
        reach = np.linalg.norm(own - 32, axis=1).max()
        assert (np.abs(box - 32) <= reach + 1e-3).all()  # of turned points, not of a turned box


def test_garments_of_one_photo_are_in_one_sample(table):
    twice = AnnotationTable(
        table.image_ids, table.categories, table.points, (table.paths[0], table.paths[0], *table.paths[2:])
    )
    assert len(dataset(twice)[0, 0]["garments"]["boxes"]) == len(dataset(twice)[0, 1]["garments"]["boxes"]) == 2
    assert len(dataset(twice)[0, 2]["garments"]["boxes"]) == 1


def test_scenes_show_as_many_garments_as_asked(table):
    scenes = dataset(table, scenes=1.0, garments=(2, 3))
    counts = {len(scenes[epoch, row]["garments"]["boxes"]) for epoch in range(2) for row in range(10)}
    assert counts <= {1, 2, 3}
    assert {2, 3} <= counts
    empty = dataset(table, scenes=1.0, empty=1.0)[0, 0]
    assert empty["garments"]["boxes"].shape == (0, 4)
    assert empty["garments"]["labels"].shape == (0,)
    assert empty["image"].std() > 0


def test_drawn_garments_in_scenes_change_with_the_epoch(table):
    one = AnnotationTable(table.image_ids[:1], table.categories[:1], table.points[:1], table.paths[:1])
    drawn = dataset(one, scenes=1.0, garments=(1, 1), synthetic=1.0)
    assert drawn[0, 0]["garments"]["boxes"].shape == (1, 4)
    assert not torch.allclose(drawn[0, 0]["garments"]["boxes"], drawn[1, 0]["garments"]["boxes"])


def test_garments_that_leave_the_crop_are_no_garments_of_it(table):
    """Zoomed 8x about the photo's centre, most of each box is outside."""
    near = dataset(table, augmenter=Augmenter(scale=(8.0, 8.0)))
    assert all(len(near[0, row]["garments"]["boxes"]) == 0 for row in range(10))
    half = dataset(table, augmenter=Augmenter(shift=0.4))
    for row in range(10):
        boxes = half[0, row]["garments"]["boxes"]
        assert ((boxes >= 0) & (boxes <= 64)).all()


def test_masks_are_hulls_on_photos_and_exact_in_scenes(table):
    masks = dataset(table, masks=True, margin=0.0)[0, 4]["garments"]
    left, top, right, bottom = masks["boxes"][0].int().tolist()
    outside = masks["masks"][0].clone()
    outside[top : bottom + 1, left : right + 1] = 0
    assert masks["masks"].dtype == torch.uint8
    assert outside.sum() < 0.02 * masks["masks"].sum()
    assert 0.3 < masks["masks"].sum() / ((right - left) * (bottom - top)) <= 1.01
    scene = dataset(table, masks=True, scenes=1.0, garments=(2, 2), synthetic=1.0)[0, 4]["garments"]
    assert scene["masks"].shape == (len(scene["boxes"]), 64, 64)
    assert scene["masks"].flatten(1).sum(1).min() > 0


def test_samples_depend_on_seed_epoch_and_row_alone(table):
    options = {"augmenter": Augmenter(flip=0.5, rotation=20.0, brightness=0.2), "scenes": 0.5, "synthetic": 0.5}
    first, again = dataset(table, **options)[3, 5], dataset(table, **options)[3, 5]
    assert (first["image"] == again["image"]).all()
    assert torch.equal(first["garments"]["boxes"], again["garments"]["boxes"])
    assert (first["image"] != dataset(table, **options, seed=1)[3, 5]["image"]).any()
    assert (first["image"] != dataset(table, **options)[4, 5]["image"]).any()


def test_batches_hold_a_list_of_garments(table):
    batches = EpochBatches(len(table), batch_size=4, seed=0)
    for batch in load_batches(build_loader(dataset(table, scenes=0.5), batches, workers=0)):
        assert batch["image"].shape == (4, 3, 64, 64)
        assert len(batch["garments"]) == 4
        assert all(garments["boxes"].shape[1] == 4 for garments in batch["garments"])


def test_a_photo_that_cannot_be_read_is_the_sample(table, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    damaged = AnnotationTable(table.image_ids, table.categories, table.points, (broken, *table.paths[1:]))
    assert isinstance(dataset(damaged)[0, 0], ImageError)


def test_the_box_rule_needs_no_area(table):
    """A garment of which one point is known still has a box."""
    points = np.full((1, 24, 3), -1.0)
    points[0, 15] = 48, 48, 1
    single = AnnotationTable(table.image_ids[:1], ("skirt",), points, table.paths[:1])
    assert image_size(table.paths[0]) == (96, 96)
    [box] = dataset(single)[0, 0]["garments"]["boxes"].numpy()
    assert box == pytest.approx(points_box(np.array([[32.0, 32.0]]), margin=0.1, least=2.0))
    assert box[2] - box[0] == pytest.approx(2.4)
