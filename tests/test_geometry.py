"""The pixel rule: draw a dot, warp it, find it again where the map says, between the pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hemline.geometry import (
    PAD_VALUE,
    apply_affine,
    clip_box,
    crop_affine,
    fit_similarity,
    invert_affine,
    overlaps,
    photo_box,
    points_box,
    shrink,
    warp,
    warp_maps,
)

CROP_WH = (160, 128)


def draw_dot(size_wh: tuple[int, int], centre: np.ndarray, sigma: float) -> np.ndarray:
    """Draw a Gaussian dot; pixel i is sampled at its centre, i + 0.5."""
    across = np.exp(-0.5 * ((np.arange(size_wh[0]) + 0.5 - centre[0]) / sigma) ** 2)
    down = np.exp(-0.5 * ((np.arange(size_wh[1]) + 0.5 - centre[1]) / sigma) ** 2)
    return np.round(255 * down[:, None] * across[None]).astype(np.uint8)  # (H, W)


def find_dot(image: np.ndarray) -> np.ndarray:
    """Find the dot's centre of mass; pixel i weighs at i + 0.5."""
    weights = image.astype(np.float64)
    x = (weights.sum(0) * (np.arange(image.shape[1]) + 0.5)).sum()
    y = (weights.sum(1) * (np.arange(image.shape[0]) + 0.5)).sum()
    return np.array([x, y]) / weights.sum()


def _uniform(low: float, high: float) -> Callable[[np.random.Generator], float]:
    return lambda rng: float(rng.uniform(low, high))


MOVES: dict[str, dict[str, Callable[[np.random.Generator], object]]] = {
    "crop": {},
    "flip": {"flip": lambda rng: True},
    "up": {"scale": _uniform(1, 4)},
    "down": {"scale": _uniform(0.4, 1)},
    "aspect": {"aspect": _uniform(0.5, 2)},
    "rotation": {"rotation": _uniform(-180, 180)},
    "shift": {"shift": lambda rng: tuple(rng.uniform(-0.25, 0.25, 2))},
    "together": {
        "scale": _uniform(0.6, 2),
        "aspect": _uniform(0.7, 1.4),
        "rotation": _uniform(-45, 45),
        "shift": lambda rng: tuple(rng.uniform(-0.2, 0.2, 2)),
        "flip": lambda rng: bool(rng.integers(2)),
    },
}


@pytest.mark.parametrize("move", MOVES)
def test_dot_is_found_where_the_map_says(move: str) -> None:
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(60):
        size_wh = tuple(int(side) for side in rng.integers(250, 400, 2))
        left, top = rng.uniform(-5, 20, 2)
        box = (left, top, size_wh[0] - rng.uniform(-5, 20), size_wh[1] - rng.uniform(-5, 20))
        matrix = crop_affine(box, CROP_WH, **{name: draw(rng) for name, draw in MOVES[move].items()})
        zoom = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
        sigma = 3 / min(zoom, 1)  # 3 pixels wide in the smaller of the two pictures
        at_crop = rng.uniform(0.4, 0.6, 2) * CROP_WH
        at_photo = apply_affine(invert_affine(matrix), at_crop)
        if (at_photo < 5 * sigma).any() or (at_photo > np.subtract(size_wh, 5 * sigma)).any():
            continue  # part of the dot would lie outside the photo
        found = find_dot(warp(draw_dot(size_wh, at_photo, sigma), matrix, CROP_WH, pad_value=0))
        errors.append(found - at_crop)
    assert len(errors) >= 20
    assert np.abs(errors).max() < 0.05
    assert np.abs(np.mean(errors, axis=0)).max() < 0.01  # no bias: half a pixel, or half a pixel of the photo, is seen


@pytest.mark.parametrize("shrink", [2, 2.5, 3, 3.99, 5, 8, 8.3])
@pytest.mark.parametrize("rotation", [0, 30])
def test_dot_is_found_after_strong_shrinking(shrink: float, rotation: float) -> None:
    # Sides that no whole factor divides: the averaged photo then ends within its last pixel.
    size_wh = (1021, 1283)
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(6):
        matrix = crop_affine(photo_box(size_wh), CROP_WH, scale=max(size_wh) / (CROP_WH[1] * shrink), rotation=rotation)
        assert np.sqrt(np.linalg.det(matrix[:, :2])) == pytest.approx(1 / shrink)
        at_crop = rng.uniform(0.42, 0.58, 2) * CROP_WH
        at_photo = apply_affine(invert_affine(matrix), at_crop)
        found = find_dot(warp(draw_dot(size_wh, at_photo, 3 * shrink), matrix, CROP_WH, pad_value=0))
        errors.append(found - at_crop)
    assert np.abs(errors).max() < 0.05
    assert np.abs(np.mean(errors, axis=0)).max() < 0.02


def test_shrinking_by_a_whole_factor_averages_blocks() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    small = warp(noise, crop_affine(photo_box((512, 512)), (64, 64)), (64, 64))
    expected = noise.reshape(64, 8, 64, 8, 3).mean((1, 3))  # (64, 64, 3)
    assert np.abs(small - expected).max() <= 0.5


def test_map_of_a_plain_crop_by_hand() -> None:
    # A box of 200 x 100 into a square of 50: zoom 1/4, 25 pixels high, 12.5 of padding above.
    matrix = crop_affine((10, 20, 210, 120), (50, 50))
    assert matrix == pytest.approx(np.array([[0.25, 0, -2.5], [0, 0.25, 7.5]]))
    assert apply_affine(matrix, np.array([[10, 20], [210, 120], [110, 70]])) == pytest.approx(
        np.array([[0, 12.5], [50, 37.5], [25, 25]])
    )


def test_map_with_everything_by_hand() -> None:
    # Box centre (110, 70), zoom 0.25 * 2 = 0.5, a quarter turn clockwise: (x, y) goes to (-y, x).
    # Centre of the crop (25, 25) and a shift of (5, -10): (30, 15). Mirrored: x becomes 50 - x.
    matrix = crop_affine((10, 20, 210, 120), (50, 50), scale=2, rotation=90, shift=(0.1, -0.2), flip=True)
    assert matrix == pytest.approx(np.array([[0, 0.5, 50 - (30 + 35)], [0.5, 0, 15 - 55]]))
    assert apply_affine(matrix, np.array([110, 70])) == pytest.approx([20, 15])
    assert apply_affine(matrix, np.array([120, 70])) == pytest.approx([20, 20])


def test_stretched_box_is_fitted_whole_by_hand() -> None:
    # Aspect 4 makes the box of 100 x 100 200 wide and 50 high; 200 into 50 is a zoom of 1/4: 50 x 12.5 pixels.
    matrix = crop_affine((0, 0, 100, 100), (50, 50), aspect=4)
    assert matrix == pytest.approx(np.array([[0.5, 0, 0], [0, 0.125, 18.75]]))
    # It is the photo that is stretched, before it turns: its width now lies upright.
    turned = crop_affine((0, 0, 100, 100), (50, 50), aspect=4, rotation=90)
    assert apply_affine(turned, np.array([[0, 50], [100, 50]])) == pytest.approx(np.array([[25, 0], [25, 50]]))


def test_rotation_is_clockwise_on_the_image() -> None:
    matrix = crop_affine((0, 0, 100, 100), (100, 100), rotation=90)
    assert apply_affine(matrix, np.array([50, 0])) == pytest.approx([100, 50])  # the top goes to the right


def test_flip_alone_mirrors_the_crop() -> None:
    matrix = crop_affine((0, 0, 100, 50), (100, 50), flip=True)
    assert matrix == pytest.approx(np.array([[-1, 0, 100], [0, 1, 0]]))
    photo = np.random.default_rng(0).integers(0, 256, (50, 100, 3), np.uint8)
    assert np.array_equal(warp(photo, matrix, (100, 50)), photo[:, ::-1])


def test_identity_changes_nothing() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
    matrix = crop_affine(photo_box((53, 37)), (53, 37))
    assert matrix == pytest.approx(np.array([[1, 0, 0], [0, 1, 0]]))
    assert np.array_equal(warp(photo, matrix, (53, 37)), photo)


def test_halving_averages_whole_pixels() -> None:
    photo = np.arange(16, dtype=np.uint8).reshape(4, 4) * 10
    half = warp(photo, crop_affine(photo_box((4, 4)), (2, 2)), (2, 2))
    assert half.tolist() == [[25, 45], [105, 125]]


@pytest.mark.parametrize("size_wh", [(512, 300), (300, 512), (512, 512), (31, 512)])
def test_photo_of_any_aspect_fits_whole(size_wh: tuple[int, int]) -> None:
    matrix = crop_affine(photo_box(size_wh), (256, 256))
    corners = apply_affine(matrix, np.array([[0, 0], [size_wh[0], size_wh[1]]]))
    assert corners.min() >= -1e-9
    assert corners.max() <= 256 + 1e-9
    assert corners.mean(0) == pytest.approx([128, 128])
    assert (corners[1] - corners[0]).max() == pytest.approx(256)
    assert matrix[0, 0] == matrix[1, 1] == pytest.approx(256 / max(size_wh))


def test_box_that_leaves_the_photo_is_padded() -> None:
    photo = np.full((100, 100, 3), 200, np.uint8)
    crop = warp(photo, crop_affine((50, 50, 150, 150), (100, 100)), (100, 100))
    # The photo ends at x = 100, crop x = 50. A bilinear sample mixes in the padding only within half a pixel of it.
    assert (crop[:50, :50] == 200).all()
    assert (crop[50:] == PAD_VALUE).all()
    assert (crop[:, 50:] == PAD_VALUE).all()


def test_box_quite_outside_is_all_padding() -> None:
    photo = np.full((100, 100, 3), 200, np.uint8)
    assert (warp(photo, crop_affine((300, 300, 400, 400), (64, 64)), (64, 64)) == PAD_VALUE).all()


def test_pad_value_of_grey_and_colour() -> None:
    matrix = crop_affine((10, 0, 20, 10), (10, 10))
    assert (warp(np.zeros((10, 10), np.uint8), matrix, (10, 10), pad_value=7) == 7).all()
    assert (warp(np.zeros((10, 10, 3), np.uint8), matrix, (10, 10), pad_value=7) == 7).all()


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 700, 3), (700, 1, 3), (2000, 5, 3), (5, 5)])
def test_photo_of_any_size_can_be_warped(shape: tuple[int, ...]) -> None:
    crop = warp(np.full(shape, 90, np.uint8), crop_affine(photo_box((shape[1], shape[0])), (64, 64)), (64, 64))
    assert crop.shape == (64, 64, *shape[2:])
    assert crop.dtype == np.uint8


def test_warp_leaves_its_input_alone() -> None:
    photo, matrix = np.full((512, 512, 3), 9, np.uint8), crop_affine(photo_box((512, 512)), (64, 64))
    before = matrix.copy()
    warp(photo, matrix, (64, 64))
    assert np.array_equal(matrix, before)
    assert (photo == 9).all()


def test_inverse_undoes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        matrix = crop_affine(
            (*rng.uniform(-50, 50, 2), *rng.uniform(100, 600, 2)),
            (256, 192),
            scale=rng.uniform(0.3, 3),
            rotation=rng.uniform(-180, 180),
            shift=tuple(rng.uniform(-0.5, 0.5, 2)),
            flip=bool(rng.integers(2)),
        )
        points = rng.uniform(-100, 600, (24, 2))
        assert apply_affine(invert_affine(matrix), apply_affine(matrix, points)) == pytest.approx(points)


def test_inverse_by_hand() -> None:
    # x' = 2x + 10, y' = 4y - 20.
    inverse = invert_affine(np.array([[2.0, 0, 10], [0, 4.0, -20]]))
    assert inverse == pytest.approx(np.array([[0.5, 0, -5], [0, 0.25, 5]]))


@pytest.mark.parametrize("shape", [(2,), (24, 2), (3, 24, 2), (0, 2)])
def test_apply_keeps_leading_axes(shape: tuple[int, ...]) -> None:
    points = np.ones(shape, np.float32)
    moved = apply_affine(np.array([[1.0, 2, 3], [4, 5, 6]]), points)
    assert moved.shape == shape
    assert moved.dtype == np.float64
    assert (moved.reshape(-1, 2) == [6, 15]).all()


def test_photo_box() -> None:
    assert photo_box((512, 384)) == (0.0, 0.0, 512.0, 384.0)


def test_maps_move_with_their_peaks_and_keep_their_heights() -> None:
    """The centre of mass of what is left of a Gaussian, and its height, at scales and angles that views use."""
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(100):
        centres = rng.uniform(24, 40, (3, 2))
        maps = np.stack([draw_dot((64, 64), centre, 2.0) for centre in centres]).astype(np.float32) / 255
        matrix = crop_affine((0, 0, 64, 64), (64, 64), scale=rng.uniform(0.6, 1.3), rotation=rng.uniform(-30, 30))
        warped, _ = warp_maps(maps, matrix, (64, 64))
        assert warped.dtype == np.float32
        assert warped.max((1, 2)) == pytest.approx(maps.max((1, 2)), abs=0.1)
        found = np.array([find_dot(np.maximum(each, 0)) for each in warped])
        errors.append(found - apply_affine(matrix, centres))
    assert np.abs(errors).max() < 0.05
    assert np.abs(np.mean(errors, (0, 1))).max() < 0.005


def test_maps_cover_the_cells_whose_centre_they_hold() -> None:
    """Two cells of 2 to the right: the first two columns of the result have nothing."""
    maps = np.arange(8, dtype=np.float32).reshape(1, 2, 4)
    warped, covered = warp_maps(maps, np.array([[1.0, 0, 2], [0, 1, 0]]), (5, 3))
    assert covered.tolist() == [[False, False, True, True, True]] * 2 + [[False] * 5]
    assert warped[0, :2, 2:] == pytest.approx(maps[0, :, :3])


def test_shrink_averages_down_to_the_longer_side() -> None:
    photo = np.zeros((40, 80, 3), np.uint8)
    photo[:, ::2] = 100
    small = shrink(photo, 40)
    assert small.shape == (20, 40, 3)
    assert (small == 50).all()
    assert shrink(photo, 20).shape == (10, 20, 3)
    assert shrink(photo, 80) is photo
    assert shrink(np.zeros((1000, 2, 3), np.uint8), 100).shape == (100, 1, 3)


def test_similarity_undoes_itself() -> None:
    rng = np.random.default_rng(0)
    for count in (2, 3, 10):
        source = rng.uniform(0, 100, (count, 2))
        matrix = crop_affine((0, 0, 50, 80), (64, 64), scale=rng.uniform(0.5, 2), rotation=rng.uniform(-180, 180))
        assert fit_similarity(source, apply_affine(matrix, source)) == pytest.approx(matrix)


def test_similarity_by_hand() -> None:
    # A square of side 2 onto one of side 4 with one corner astray, which moves its centre to (11, 23).
    source = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]])
    target = 2 * source + [10, 20] + np.array([[0.0, 0], [0, 0], [0, 0], [-4, 4]])
    matrix = fit_similarity(source, target)
    # In complex numbers about the centres: slope = sum(t conj(s)) / sum(|s|^2) = (16 + (-4 + 4i)(-1 - i)) / 8 = 3.
    assert matrix == pytest.approx(np.array([[3.0, 0, 11 - 3], [0, 3.0, 23 - 3]]))


def test_similarity_does_not_mirror() -> None:
    source = np.array([[-1.0, 0], [1, 0], [0, 3]])
    matrix = fit_similarity(source, source * [-1, 1])
    assert np.linalg.det(matrix[:, :2]) > 0


def test_similarity_of_coinciding_points_is_a_shift() -> None:
    assert fit_similarity(np.array([[3.0, 4]]), np.array([[5.0, 1]])) == pytest.approx(
        np.array([[1.0, 0, 2], [0, 1, -3]])
    )


def test_points_box_has_room_by_its_longer_side() -> None:
    points = np.array([[10.0, 20.0], [50.0, 40.0], [30.0, 100.0]])
    assert points_box(points, margin=0.0) == (10, 20, 50, 100)
    assert points_box(points, margin=0.1) == pytest.approx((2, 12, 58, 108))
    assert points_box(points[:1], margin=0.1, least=10) == pytest.approx((4, 14, 16, 26))
    assert points_box(points[:1], margin=0.1) == (10, 20, 10, 20)


def test_clip_box_keeps_what_is_on_the_photo() -> None:
    assert clip_box((-5, 3, 50, 200), (40, 100)) == (0, 3, 40, 100)
    for beside in ((50, 0, 60, 10), (-20, 0, -10, 10), (0, 200, 10, 300)):
        left, top, right, bottom = clip_box(beside, (40, 100))
        assert (right - left) * (bottom - top) == 0


def test_overlaps_of_boxes() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [3, 3, 3, 9]])
    assert overlaps(boxes[:1], boxes) == pytest.approx(np.array([[1, 1 / 3, 0, 0]]))
    assert overlaps(boxes[3:], boxes[3:]) == 0  # no area
    assert overlaps(boxes, boxes[:0]).shape == (4, 0)
