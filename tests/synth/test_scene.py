"""Scenes: every garment is there with its points, apart from the others."""

from __future__ import annotations

import numpy as np
import pytest

from hemline.annotation import ABSENT, OCCLUDED, VISIBLE, Annotation
from hemline.geometry import overlaps, points_box
from hemline.synth.scene import Cutout, compose, cut_out, hull_mask, spare_strip
from hemline.synth.stream import draw


def skirt(corners: np.ndarray, *, size: tuple[int, int] = (100, 100)) -> tuple[np.ndarray, Annotation]:
    """A photo of noise with a skirt whose four corners are black dots of 5 x 5 pixels."""
    photo = np.full((size[1], size[0], 3), 200, np.uint8)
    keypoints, visibility = np.full((24, 2), -1.0), np.full(24, ABSENT, np.int8)
    keypoints[15:19], visibility[15:19] = corners, VISIBLE
    for x, y in corners.astype(int):
        photo[y - 2 : y + 3, x - 2 : x + 3] = 0
    return photo, Annotation("a.jpg", "skirt", keypoints, visibility)


CORNERS = np.array([[30.5, 20.5], [70.5, 20.5], [20.5, 80.5], [80.5, 80.5]])


def test_points_move_with_their_garment():
    photo, annotation = skirt(CORNERS)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        [cutout] = [cut_out(rng, photo, annotation)]
        scene = compose(rng, [cutout], size=300, backdrop=np.full((50, 50, 3), 200, np.uint8))
        [found] = scene.garments
        assert scene.image.shape == (300, 300, 3)
        for x, y in found.keypoints[15:19]:
            assert scene.image[int(y), int(x)].max() < 80  # the dot
        assert (found.visibility[15:19] == VISIBLE).all()
        assert (found.keypoints[:15] == -1).all()
        inside = scene.masks[0]
        assert 0.8 < inside.sum() / np.prod(np.ptp(found.keypoints[15:19], axis=0)) < 1.0  # a trapezium of 83 %


def test_garments_lie_apart_and_wholly_on_the_picture():
    photo, annotation = skirt(CORNERS)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        scene = compose(rng, [cut_out(rng, photo, annotation) for _ in range(4)], size=256)
        assert 2 <= len(scene.garments) <= 4
        boxes = np.array([points_box(each.present, margin=0.05) for each in scene.garments])
        assert ((boxes >= -1e-6) & (boxes <= 256 + 1e-6)).all()
        shared = overlaps(boxes, boxes) - np.eye(len(boxes))
        assert shared.max() <= 0.1 + 1e-6


def test_points_under_another_garment_are_occluded():
    photo, annotation = skirt(CORNERS)
    everything = np.full((100, 100), 255, np.uint8)
    hidden = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        cutouts = [Cutout(photo, everything, everything, annotation) for _ in range(3)]  # whole photos are pasted
        scene = compose(rng, cutouts, size=200)
        for garment, mask in zip(scene.garments, scene.masks, strict=True):
            for index in range(15, 19):
                x, y = garment.keypoints[index]
                seen = mask[int(y), int(x)]
                assert garment.visibility[index] == (VISIBLE if seen else OCCLUDED)
                hidden += not seen
        assert (scene.garments[-1].visibility[15:19] == VISIBLE).all()
    assert hidden > 0


def test_a_known_mask_is_what_is_pasted():
    drawn = draw(np.random.default_rng(3), "dress", size=128)
    rng = np.random.default_rng(0)
    cutout = cut_out(rng, drawn.image, drawn.annotation, mask=drawn.mask)
    blue = np.zeros((10, 10, 3), np.uint8)
    blue[:, :, 2] = 255
    scene = compose(rng, [cutout], size=256, backdrop=blue)
    others = scene.image[~scene.masks[0]]
    assert (others == (0, 0, 255)).all(1).mean() > 0.95  # but for the soft edge


def test_nothing_is_a_scene_too():
    scene = compose(np.random.default_rng(0), [], size=64)
    assert (scene.garments, scene.masks) == ((), ())
    assert scene.image.std() > 0


def test_a_strip_beside_the_garment_holds_nothing_of_it():
    photo, annotation = skirt(CORNERS, size=(400, 100))
    photo[:, 100:] = 77
    for seed in range(5):
        strip = spare_strip(np.random.default_rng(seed), photo, annotation)
        assert (strip == 77).all()
        assert strip.shape[0] == strip.shape[1] == 100
    assert spare_strip(np.random.default_rng(0), *skirt(CORNERS)) is None


def test_the_hull_holds_its_points():
    mask = hull_mask(np.array([[10.2, 10.2], [30.9, 12.0], [20.0, 40.0]]), (50, 50))
    assert mask[10, 10] == mask[12, 30] == mask[40, 20] == mask[20, 20] == 255
    assert mask[40, 10] == 0
    assert not hull_mask(np.empty((0, 2)), (9, 9)).any()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_same_seed_gives_the_same_scene(count):
    photo, annotation = skirt(CORNERS)

    def make() -> np.ndarray:
        rng = np.random.default_rng(7)
        return compose(rng, [cut_out(rng, photo, annotation) for _ in range(count)], size=96).image

    assert (make() == make()).all()
