"""Augmentation: every switch does something, and nothing does more than it says."""

from __future__ import annotations

import numpy as np
import pytest

from hemline.geometry import apply_affine, crop_affine, photo_box, warp
from hemline.learn.augment import Augmenter

PHOTO = (300, 400)
BOX, SIZE = photo_box(PHOTO), (128, 128)
POINTS = np.array([[100.0, 80], [190, 90], [80, 300], [200, 310], [140, 200]])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_without_switches_the_crop_is_the_plain_one():
    matrix, flipped = Augmenter().draw_affine(rng(), BOX, SIZE)
    assert not flipped
    assert matrix == pytest.approx(crop_affine(BOX, SIZE))
    crop = rng().integers(0, 256, (8, 8, 3), dtype=np.uint8)
    assert (Augmenter().paint(rng(), crop)[0] == crop).all()


def test_recipes_from_before_the_newer_switches_train_on_the_same_crops():
    """What the code without `aspect`, `box`, `crop`, `half`, `blur`, `noise`, `paste` gave; where it left the rng."""
    y, x = np.mgrid[0:400, 0:300]
    photo = np.stack([x * 3 + y, y * 2 - x, x * y // 50], 2).astype(np.uint8)
    switches = {"flip": 0.5, "rotation": 30.0, "scale": (0.75, 1.3), "shift": 0.08, "erase": 0.5}
    colors = {"brightness": 0.3, "contrast": 0.3, "saturation": 0.3, "hue": 0.05, "gray": 0.05}
    recorded = [
        ([0.246844316711195, 0.128726832092314, -8.67352794951768], [148.7324, 148.1451, 140.4338], 12629102946133036),
        ([0.377035977475022, 0.147382565677764, -12.8435690794353], [117.8595] * 3, 2481747993483536169),
        ([-0.267649324574397, 0.091394463971057, 94.226067397021], [136.5511, 135.8454, 131.3627], 692040041578788192),
    ]
    for seed, (first_row, mean_color, drawn_next) in enumerate(recorded):
        source, augmenter = rng(seed), Augmenter(**switches, **colors)
        box = augmenter.draw_box(source, PHOTO, POINTS)
        matrix, _ = augmenter.draw_affine(source, box, SIZE)
        assert not augmenter.draw_paste(source)
        crop, _ = augmenter.paint(source, warp(photo, matrix, SIZE))
        assert matrix[0] == pytest.approx(first_row, abs=1e-12)
        assert crop.mean((0, 1)) == pytest.approx(mean_color, abs=0.05)
        assert source.integers(2**62) == drawn_next


MOVES = [{"rotation": 20.0}, {"scale": (0.5, 2.0)}, {"shift": 0.2}, {"flip": 1.0}, {"aspect": 1.5}]


@pytest.mark.parametrize("switch", MOVES)
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


def test_aspect_stretches_either_way_within_its_range():
    stretches = []
    for seed in range(300):
        matrix, _ = Augmenter(aspect=1.5).draw_affine(rng(seed), BOX, SIZE)
        assert matrix[0, 1] == matrix[1, 0] == 0
        stretches.append(np.log(matrix[0, 0] / matrix[1, 1]) / np.log(1.5))
        inside = apply_affine(matrix, np.array([[0.0, 0.0], PHOTO]))
        assert abs(inside - 64).max() <= 64 + 1e-9  # still fitted whole
    assert np.histogram(stretches, bins=4, range=(-1, 1))[0] == pytest.approx([75] * 4, abs=30)  # log-uniform


def draw_boxes(augmenter: Augmenter, points: np.ndarray, *, count: int = 300) -> np.ndarray:
    boxes = np.array([augmenter.draw_box(rng(seed), PHOTO, points) for seed in range(count)])
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= PHOTO).all()
    assert (boxes[:, 2:] - boxes[:, :2] >= 50 - 1e-9).all()  # an eighth of 400, where the photo ends beside a point
    return boxes


def test_crop_keeps_all_points_and_the_margin():
    boxes = draw_boxes(Augmenter(crop=1.0, crop_margin=0.05), POINTS)
    # Points span 80 to 200 and 80 to 310; the margin is 5 % of 400.
    assert (boxes <= [60, 60, 300, 400]).all()
    assert (boxes >= [0, 0, 220, 330]).all()
    assert boxes.mean(0) == pytest.approx([30, 30, 260, 365], abs=4)  # each side uniform
    assert np.abs(np.corrcoef(boxes.T) - np.eye(4)).max() < 0.2  # and on its own


def test_crop_happens_as_often_as_it_says():
    boxes = draw_boxes(Augmenter(crop=0.25), POINTS)
    assert 50 <= (boxes != BOX).any(1).sum() <= 100


def test_crop_leaves_no_room_where_there_is_none():
    corners = np.array([[1.0, 2.0], [299.0, 399.0]])
    assert (draw_boxes(Augmenter(crop=1.0, crop_margin=0.05), corners, count=5) == BOX).all()


def test_box_is_a_detectors_box_about_the_points():
    exact = Augmenter(box=1.0, box_margin=0.1)
    assert exact.draw_box(rng(), PHOTO, POINTS) == pytest.approx((57, 57, 223, 333))  # 23 of 230 pixels on each side
    errors = (0.02, 0.05, 0.0, 0.1)
    jittered = Augmenter(box=1.0, box_margin=0.1, box_errors=errors)
    boxes = np.array([jittered.draw_box(rng(seed), PHOTO, POINTS) for seed in range(2000)])
    off = (boxes - (57, 57, 223, 333)) / np.tile([223 - 57, 333 - 57], 2)
    assert off.mean(0) == pytest.approx(np.zeros(4), abs=0.005)
    assert (off.std(0) <= np.array(errors) * 1.02).all()
    assert (off.std(0) >= np.array(errors) * 0.85).all()  # the tails beyond twice of it are cut
    assert ((boxes >= 0) & (boxes <= np.tile(PHOTO, 2))).all()
    wildest = Augmenter(box=1.0, box_errors=(0.2, 0.2, 0.2, 0.2))
    for points in (POINTS[:1], POINTS[[0, 0]], np.array([[-50.0, -50], [-40, 900]])):
        boxes = np.array([wildest.draw_box(rng(seed), PHOTO, points) for seed in range(300)])
        assert (boxes[:, 2:] > boxes[:, :2]).all()
    sometimes = Augmenter(box=0.3, box_margin=0.1)
    happened = [sometimes.draw_box(rng(seed), PHOTO, POINTS) != BOX for seed in range(1000)]
    assert np.mean(happened) == pytest.approx(0.3, abs=0.05)


def test_half_is_one_of_four_boxes():
    # The middle is (140, 195): 3 points left, 3 right (the fifth is on the line), 2 above, 3 below.
    # A box is at least a quarter of 400 wide and high; the upper points are only 10 apart.
    expected = {
        (60, 60, 160, 320),  # left: 80 to 140 by 80 to 300
        (120, 70, 220, 330),  # right: 140 to 200 by 90 to 310
        (80, 35, 210, 135),  # above: 100 to 190 by 80 to 90
        (60, 180, 220, 330),  # below: 80 to 200 by 200 to 310
    }
    boxes = draw_boxes(Augmenter(half=1.0, crop=1.0, crop_margin=0.05), POINTS)
    found, counts = np.unique(boxes.round(6), axis=0, return_counts=True)
    assert {tuple(box) for box in found.tolist()} == expected
    assert counts.min() > 50


@pytest.mark.parametrize("switch", [{"half": 1.0}, {"crop": 1.0}, {"box": 1.0}])
def test_any_number_of_points_gives_a_box(switch):
    for points in (np.zeros((0, 2)), POINTS[:1], POINTS[[0, 0]], np.array([[-50.0, -50], [-40, 900]])):
        draw_boxes(Augmenter(**switch), points, count=20)
    assert (draw_boxes(Augmenter(**switch), np.zeros((0, 2)), count=5) == BOX).all()


def test_half_of_fewer_than_two_points_changes_nothing():
    assert (draw_boxes(Augmenter(half=1.0), POINTS[:1], count=20) == BOX).all()
    assert (draw_boxes(Augmenter(half=1.0), POINTS[[0, 3]], count=20) == BOX).all()  # one on each side


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


@pytest.mark.parametrize("seed", range(4))
def test_contrast_spreads_about_the_middle_and_saturation_about_the_grey(seed):
    tones = np.full((1, 2, 3), [[[107], [148]]], np.uint8)
    dark, light = Augmenter(contrast=0.5).paint(rng(seed), tones)[0][0, :, 0].astype(float)
    assert dark + light == pytest.approx(255, abs=1)
    assert 0.5 - 0.05 <= (light - dark) / 41 <= 1.5 + 0.05
    assert abs((light - dark) / 41 - 1) > 0.02
    patch = np.full((1, 1, 3), (150, 120, 100), np.uint8)
    luma = 0.299 * 150 + 0.587 * 120 + 0.114 * 100
    factors = (Augmenter(saturation=0.5).paint(rng(seed), patch)[0][0, 0] - luma) / (patch[0, 0] - luma)
    assert factors[[0, 2]] == pytest.approx([factors[0]] * 2, abs=0.05)  # green is all but grey here
    assert 0.5 - 0.05 <= factors[0] <= 1.5 + 0.05
    assert abs(factors[0] - 1) > 0.02


def test_erase_paints_one_rectangle():
    crop = np.full((100, 100, 3), 7, np.uint8)
    share = [(Augmenter(erase=1.0).paint(rng(seed), crop)[0] != 7).any(2).mean() for seed in range(50)]
    assert max(share) <= 0.21
    assert np.mean(share) > 0.02


def test_erased_pixels_are_told():
    crop = np.full((100, 100, 3), 7, np.uint8)
    for seed in range(20):
        painted, covered = Augmenter(erase=1.0).paint(rng(seed), crop)
        assert (covered == (painted != 7).any(2)).all()


def test_blur_keeps_the_light_and_spreads_it_by_up_to_two_pixels():
    dot = np.zeros((65, 65, 3), np.uint8)
    dot[32, 32] = 255
    column = np.arange(65) - 32
    sigmas = []
    for seed in range(50):
        blurred = Augmenter(blur=1.0).paint(rng(seed), dot)[0][:, :, 0].astype(float)
        sigmas.append(np.sqrt((blurred.sum(0) * column**2).sum() / blurred.sum()))
        assert (blurred.sum(0) * column).sum() / blurred.sum() == pytest.approx(0, abs=1e-6)
    assert max(sigmas) == pytest.approx(2, abs=0.3)
    assert min(sigmas) < 0.6
    flat = np.full((16, 16, 3), 90, np.uint8)
    assert (Augmenter(blur=1.0).paint(rng(), flat)[0] == 90).all()


def test_noise_is_gaussian_with_up_to_sixteen_levels_on_each_channel():
    flat = np.full((64, 64, 3), 128, np.uint8)
    sigmas = []
    for seed in range(50):
        noisy = Augmenter(noise=1.0).paint(rng(seed), flat)[0].astype(float) - 128
        spread = noisy.std((0, 1))
        assert spread == pytest.approx([spread[0]] * 3, rel=0.1)
        assert noisy.mean((0, 1)) == pytest.approx([0] * 3, abs=1.2)
        assert (np.abs(noisy) < spread[0]).mean() == pytest.approx(0.683, abs=0.25)  # whole levels: rough where few
        assert np.abs(np.corrcoef(noisy.reshape(-1, 3).T) - np.eye(3)).max() < 0.1  # (H, W, 3) -> (H * W, 3)
        sigmas.append(spread[0])
    assert 15 < max(sigmas) < 16.5
    assert min(sigmas) < 2.5
    again = [Augmenter(noise=1.0).paint(rng(3), flat)[0] for _ in range(2)]
    assert (again[0] == again[1]).all()


def test_a_pasted_piece_is_a_part_of_the_other_photo():
    crop = np.zeros((100, 100, 3), np.uint8)
    # Half as large in the crop as it is: two levels per pixel across, one down.
    y, x = np.mgrid[0:200, 0:200]
    other = np.stack([x, y // 2, np.full_like(x, 250)], 2).astype(np.uint8)
    shares, fills, edges, starts = [], [], [], []
    for seed in range(200):
        painted, covered = Augmenter().paint(rng(seed), crop, other=other)
        opacity = painted[:, :, 2] / 250.0
        assert opacity[~covered].max() <= 0.5 + 1 / 250  # a whole level
        assert opacity[covered].min(initial=1) >= 0.5 - 1 / 250
        shares.append(covered.mean())
        edges.append(((opacity > 0.05) & (opacity < 0.95)).sum() / max(covered.sum(), 1))
        rows, columns = np.nonzero(covered)
        if not covered[[0, -1]].any() and not covered[:, [0, -1]].any() and covered.any():  # wholly in the crop
            fills.append(covered.sum() / ((np.ptp(rows) + 1) * (np.ptp(columns) + 1)))
            inner = painted[(rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2 + np.array([0, 4])]
            assert (inner[1].astype(int) - inner[0]).tolist() == pytest.approx([8, 0, 0], abs=1)
            starts.append(inner[0, 0] - 2.0 * columns.mean())
    assert max(shares) <= 0.26  # some of it may lie beside the crop
    assert np.mean(shares) > 0.08
    assert any(fill > 0.97 for fill in fills)
    assert any(fill == pytest.approx(np.pi / 4, abs=0.03) for fill in fills)
    assert {edge > 0.1 for edge in edges} == {True, False}  # soft and hard ones
    assert np.std(starts) > 10  # from anywhere in the other photo


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 900, 3), (900, 3, 3), (64, 64, 3)])
def test_a_piece_of_any_photo_can_be_pasted(shape):
    crop, other = np.zeros((64, 64, 3), np.uint8), np.full(shape, 200, np.uint8)
    for seed in range(20):
        painted, covered = Augmenter().paint(rng(seed), crop, other=other)
        assert (painted[covered] >= 114 // 2).all()  # enlarged, its last pixel fades to the padding
    assert not crop.any()  # the input is left alone


def test_paste_happens_as_often_as_it_says():
    assert 70 <= sum(Augmenter(paste=0.25).draw_paste(rng(seed)) for seed in range(400)) <= 130
