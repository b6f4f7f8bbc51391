"""Labels that are exact, visibility that follows what lies on top, the same bytes from the same seed, no crash."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from hemline.errors import DataError, ShapeError
from hemline.garments import CATEGORIES, CATEGORY_KEYPOINTS, INDEX, KEYPOINTS, NUM_KEYPOINTS
from hemline.synth.prior import sample
from hemline.synth.render import Rendered, render

SIZE = 256
SHARP = ("cuff", "top_hem", "hemline", "bottom", "waistband")
"""Points at corners of the silhouette; the others lie on smooth outlines or inside."""

UPRIGHT = {
    "waistband_left": (90, 60),
    "waistband_right": (160, 60),
    "hemline_left": (70, 200),
    "hemline_right": (180, 200),
    "crotch": (125, 120),
    "bottom_left_in": (118, 220),
    "bottom_left_out": (80, 220),
    "bottom_right_in": (132, 220),
    "bottom_right_out": (170, 220),
    "neckline_left": (105, 40),
    "neckline_right": (150, 40),
    "center_front": (128, 60),
    "shoulder_left": (75, 50),
    "shoulder_right": (180, 50),
    "armpit_left": (82, 95),
    "armpit_right": (173, 95),
    "cuff_left_in": (45, 160),
    "cuff_left_out": (25, 150),
    "cuff_right_in": (210, 160),
    "cuff_right_out": (230, 150),
    "top_hem_left": (80, 190),
    "top_hem_right": (175, 190),
}


def upright(category: str) -> tuple[np.ndarray, np.ndarray]:
    """Lay out a garment by hand: arms and legs apart, nothing crossed, without a waistline."""
    keypoints, present = np.full((NUM_KEYPOINTS, 2), -1.0), np.zeros(NUM_KEYPOINTS, bool)
    for index in CATEGORY_KEYPOINTS[category]:
        if KEYPOINTS[index] in UPRIGHT:
            keypoints[index], present[index] = UPRIGHT[KEYPOINTS[index]], True
    return keypoints, present


def find_corner(mask: np.ndarray, near: np.ndarray, *, reach: float = 8.0) -> np.ndarray | None:
    """Find the corner of a silhouette near a point: the crossing of lines fitted to the outline on both sides."""
    zoom, half = 8, 16
    corner = np.maximum(near.astype(int) - half, 0)
    window = mask[corner[1] : corner[1] + 2 * half, corner[0] : corner[0] + 2 * half]
    fine = cv2.resize(window, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    contours, _ = cv2.findContours((fine > 127).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    outlines = [(contour[:, 0] + 0.5) / zoom + corner for contour in contours]  # (N, 2) each
    outline = min(outlines, key=lambda points: np.hypot(*(points - near).T).min())
    distance = np.hypot(*(outline - near).T)
    at = int(distance.argmin())
    if distance[at] > 3:
        return None
    lines = []
    for side in (-1, 1):
        arm = np.array([outline[(at + side * step) % len(outline)] for step in range(int(reach * zoom))])
        away = np.hypot(*(arm - near).T)
        arm = arm[(away > 2) & (away < reach)]
        if len(arm) < 10:
            return None
        middle = arm.mean(0)
        way = np.linalg.svd(arm - middle)[2][0]
        lines.append((middle, way))
    (first, along), (second, across) = lines
    if abs(along[0] * across[1] - along[1] * across[0]) < 0.5:  # no corner here: another piece lies on it
        return None
    shares = np.linalg.solve(np.column_stack([along, -across]), second - first)
    return first + shares[0] * along


def corner_errors(rendered: Rendered) -> list[float]:
    """Measure how far labelled corners are from those found in the mask, pixels."""
    errors = []
    for index in np.flatnonzero(rendered.visibility == 1):
        label = rendered.keypoints[index]
        inside = (label > 10).all() and (label < SIZE - 10).all()
        found = find_corner(rendered.mask, label) if inside and KEYPOINTS[index].startswith(SHARP) else None
        if found is not None:
            errors.append(float(np.hypot(*(found - label))))
    return errors


def test_find_corner_finds_the_corner_of_a_square() -> None:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[50:120, 60:140] = 255  # covers x from 60 to 140, y from 50 to 120
    found = find_corner(mask, np.array([61.0, 51.0]))
    assert found == pytest.approx([60, 50], abs=0.1)


@pytest.mark.parametrize("category", CATEGORIES)
def test_labels_are_where_the_corners_are(category: str) -> None:
    errors: list[float] = []
    for seed in range(12):
        layout = upright(category) if seed < 3 else _drawn_layout(seed, category)
        errors += corner_errors(render(np.random.default_rng(seed), category, *layout, size=SIZE, noise_free=True))
    assert len(errors) >= 20
    assert np.median(errors) < 0.5
    assert np.percentile(errors, 80) < 1.0


@pytest.mark.parametrize("category", CATEGORIES)
def test_mask_is_the_garment_in_the_picture(category: str) -> None:
    """Noise-free, the garment is what differs from the plain background, which is nearly black or white."""
    rendered = render(np.random.default_rng(4), category, *upright(category), size=SIZE, noise_free=True)
    differs = np.abs(rendered.image.astype(int) - rendered.image[0, 0]).max(2) > 60
    # A piece's soft shadow reaches out of it; its dark seams may equal the background.
    share = (differs & (rendered.mask > 200)).sum() / (rendered.mask > 200).sum()
    assert share > 0.7
    left, top, right, bottom = rendered.box
    ys, xs = np.nonzero(rendered.mask)
    assert (left, top, right, bottom) == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)


def test_points_out_of_the_picture_and_of_other_categories_are_absent() -> None:
    keypoints, present = upright("skirt")
    keypoints[INDEX["hemline_left"]] = -40, 300
    rendered = render(np.random.default_rng(0), "skirt", keypoints, present, size=SIZE)
    assert rendered.visibility[INDEX["hemline_left"]] == -1
    assert rendered.keypoints[INDEX["hemline_left"]].tolist() == [-1, -1]
    assert rendered.visibility[INDEX["hemline_right"]] != -1
    assert (rendered.visibility[[INDEX["crotch"], INDEX["cuff_left_in"]]] == -1).all()


def test_every_present_point_in_the_picture_is_labelled() -> None:
    for category in CATEGORIES:
        for seed in range(8):
            keypoints, present = _drawn_layout(seed, category)
            rendered = render(np.random.default_rng(seed), category, keypoints, present, size=SIZE)
            inside = present & ((keypoints > 15) & (keypoints < SIZE - 15)).all(1)  # perspective moves points a little
            assert (rendered.visibility[inside] >= 0).all()
            assert np.abs(rendered.keypoints - keypoints)[inside].max() < 15


def test_a_leg_behind_the_other_one_hides_its_corner() -> None:
    """The left leg's inner corner lies on the right leg: hidden just when the right leg is drawn over the left one."""
    keypoints, present = upright("trousers")
    keypoints[INDEX["bottom_left_in"]] = 150, 215
    keypoints[INDEX["bottom_left_out"]] = 115, 215
    seen = {
        int(
            render(np.random.default_rng(seed), "trousers", keypoints, present, size=SIZE, noise_free=True).visibility[
                INDEX["bottom_left_in"]
            ]
        )
        for seed in range(8)
    }
    assert seen == {0, 1}


def test_a_garment_alone_shows_all_its_points() -> None:
    for category in CATEGORIES:
        rendered = render(np.random.default_rng(1), category, *upright(category), size=SIZE, noise_free=True)
        assert (rendered.visibility[upright(category)[1]] == 1).all()


def test_worn_garments_are_hidden_sometimes_and_their_mask_has_the_hole() -> None:
    """Where a waistband's corner is hidden, the mask shows nothing of the garment there."""
    hidden = 0
    for seed in range(30):
        rendered = render(np.random.default_rng(seed), "trousers", *upright("trousers"), size=SIZE)
        corner = INDEX["waistband_left"]
        x, y = rendered.keypoints[corner].astype(int)
        inside = rendered.mask[y + 1 : y + 4, x + 2 : x + 5]  # to the right of and below an upper left corner
        if rendered.visibility[corner] == 0:
            hidden += 1
            assert inside.min() < 128
    assert 2 <= hidden <= 25


def test_same_seed_same_bytes_for_any_number_of_threads() -> None:
    threads = cv2.getNumThreads()
    try:
        for category in CATEGORIES:
            drawn = []
            for count in (1, 4):
                cv2.setNumThreads(count)
                drawn.append(render(np.random.default_rng([3, 5]), category, *upright(category), size=SIZE))
            first, second = drawn
            assert first.image.tobytes() == second.image.tobytes()
            assert first.mask.tobytes() == second.mask.tobytes()
            assert first.keypoints.tobytes() == second.keypoints.tobytes()
            assert (first.visibility == second.visibility).all()
    finally:
        cv2.setNumThreads(threads)


def test_other_seed_other_picture() -> None:
    layout = upright("dress")
    first, second = (render(np.random.default_rng(seed), "dress", *layout, size=SIZE) for seed in (0, 1))
    assert np.abs(first.image.astype(int) - second.image).mean() > 5


def test_noise_free_is_plain() -> None:
    """The background has one colour away from the garment."""
    rendered = render(np.random.default_rng(2), "skirt", *upright("skirt"), size=SIZE, noise_free=True)
    assert np.ptp(rendered.image[:20].reshape(-1, 3), axis=0).max() == 0  # (20 * 256, 3)


def test_real_backgrounds_and_fabrics_are_used() -> None:
    """A pure green photo must show around some garments, and a pure red cloth on some."""
    green, red = np.zeros((64, 80, 3), np.uint8), np.zeros((50, 50, 3), np.uint8)
    green[:, :, 1], red[:, :, 0] = 200, 200
    around, on = [], []
    for seed in range(12):
        rendered = render(
            np.random.default_rng(seed), "skirt", *upright("skirt"), size=128, backgrounds=[green], fabrics=[red]
        )
        border = rendered.image[:4].reshape(-1, 3).mean(0)  # (4 * 128, 3)
        around.append(border[1] > 2 * border[[0, 2]].max())
        cloth = rendered.image[rendered.mask > 250]
        on.append(len(cloth) > 50 and np.median(cloth[:, 0]) > 2 * np.median(cloth[:, 1:]))
    assert 2 <= sum(around) <= 11
    assert 2 <= sum(on) <= 11


@pytest.mark.parametrize("category", CATEGORIES)
def test_odd_layouts_are_drawn(category: str) -> None:
    """Random, coinciding, tiny, huge and missing points: a picture of the right shape, labels inside or absent."""
    rng = np.random.default_rng(0)
    for number in range(25):
        keypoints = rng.uniform(-100, 400, (NUM_KEYPOINTS, 2))
        present = rng.random(NUM_KEYPOINTS) < rng.random()
        if number % 5 == 1:
            keypoints[:] = 60.0
        elif number % 5 == 2:
            keypoints = 128 + rng.normal(0, 0.5, keypoints.shape)
        elif number % 5 == 3:
            keypoints = rng.normal(0, 5e4, keypoints.shape)
        elif number % 5 == 4:
            keypoints[rng.random(NUM_KEYPOINTS) < 0.3] = np.nan
        rendered = render(np.random.default_rng(number), category, keypoints, present, size=64)
        assert rendered.image.shape == (64, 64, 3)
        assert rendered.image.dtype == np.uint8
        labelled = rendered.visibility >= 0
        assert (rendered.keypoints[labelled] >= 0).all()
        assert (rendered.keypoints[labelled] <= 64).all()
        assert not labelled[~present].any()


def test_bad_input_says_what_was_expected() -> None:
    keypoints, present = upright("skirt")
    with pytest.raises(DataError, match="skrit"):
        render(np.random.default_rng(0), "skrit", keypoints, present)
    with pytest.raises(ShapeError, match=r"\(24, 2\)"):
        render(np.random.default_rng(0), "skirt", keypoints[:5], present)


def _drawn_layout(seed: int, category: str) -> tuple[np.ndarray, np.ndarray]:
    keypoints, visibility = sample(np.random.default_rng(seed), category)
    return keypoints * SIZE, visibility >= 0
