"""The shape prior: its layouts are garments, as varied as real ones, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from hemline.errors import DataError
from hemline.formats.fashionai import read_annotations
from hemline.garments import CATEGORIES, CATEGORY_KEYPOINTS, FLIP_PAIRS, INDEX, KEYPOINTS, NORMALIZER
from hemline.synth.prior import PRIOR, are_sound, build, limbs, load_prior, measure, mirror, sample, sample_many

MANY = 3000


@pytest.fixture(scope="module")
def drawn():
    return {category: sample_many(np.random.default_rng([5, 0]), category, MANY) for category in CATEGORIES}


def layout(**points):
    """One layout of the points given by name: keypoints (1, 24, 2), presence (24,)."""
    keypoints, presence = np.full((1, 24, 2), -1.0), np.zeros(24, bool)
    for name, point in points.items():
        keypoints[0, INDEX[name]], presence[INDEX[name]] = point, True
    return keypoints, presence


BLOUSE = {
    "neckline_left": (0.4, 0.2),
    "neckline_right": (0.6, 0.2),
    "center_front": (0.5, 0.3),
    "shoulder_left": (0.3, 0.3),
    "shoulder_right": (0.7, 0.3),
    "armpit_left": (0.4, 0.4),
    "armpit_right": (0.6, 0.4),
    "cuff_left_out": (0.1, 0.3),
    "cuff_left_in": (0.1, 0.4),
    "cuff_right_out": (0.75, 0.6),
    "cuff_right_in": (0.65, 0.6),
    "top_hem_left": (0.4, 0.8),
    "top_hem_right": (0.6, 0.8),
}


def cross(first, second):
    """Tell which pairs of segments (N, 2, 2) meet, by solving for the place of the crossing on both."""
    (a, b), (c, d) = first.transpose(1, 0, 2), second.transpose(1, 0, 2)
    system = np.stack([b - a, c - d], axis=-1)  # a + s (b - a) = c + t (d - c)
    apart = np.abs(np.linalg.det(system)) > 1e-12
    place = np.linalg.solve(np.where(apart[:, None, None], system, np.eye(2)), (c - a)[..., None])[..., 0]
    return apart & ((place >= 0) & (place <= 1)).all(1)


def crossings(polygons):
    """Count in (N, V, 2) how many polygons have two edges that are no neighbours and meet."""
    edges = np.stack([polygons, np.roll(polygons, -1, axis=1)], axis=2)
    count = edges.shape[1]
    pairs = [(i, j) for i in range(count) for j in range(i + 2, count) if (i, j) != (0, count - 1)]
    return int(np.any([cross(edges[:, i], edges[:, j]) for i, j in pairs], axis=0).sum())


@pytest.mark.parametrize("category", CATEGORIES)
def test_points_are_the_categorys_and_inside(category, drawn):
    keypoints, visibility = drawn[category]
    assert keypoints.shape == (MANY, 24, 2)
    assert visibility.dtype == np.int8
    assert set(np.unique(visibility)) == ({-1, 0, 1})
    other = np.setdiff1d(np.arange(24), CATEGORY_KEYPOINTS[category])
    assert (visibility[:, other] == -1).all()
    absent = visibility == -1
    assert (keypoints[absent] == -1).all()
    assert keypoints[~absent].min() >= -1e-9
    assert keypoints[~absent].max() <= 1 + 1e-9


@pytest.mark.parametrize("category", CATEGORIES)
def test_no_garment_crosses_itself(category, drawn):
    """Checked kind by kind with a second way of finding crossings."""
    around = ["waistline", "armpit", "shoulder", "neckline"]
    outlines = {
        "blouse": ["top_hem", *around],
        "outwear": ["top_hem", *around],
        "dress": ["hemline", *around],
        "skirt": ["hemline", "waistband"],
        "trousers": ["waistband"],
    }
    keypoints, visibility = drawn[category]
    presence = visibility != -1
    for pattern in np.unique(presence, axis=0):
        own = keypoints[(presence == pattern).all(1)]
        stems = [stem for stem in outlines[category] if pattern[INDEX[f"{stem}_left"]]]
        outline = [f"{stem}_left" for stem in stems]
        outline += ["center_front"] if pattern[INDEX["center_front"]] else []
        outline += [f"{stem}_right" for stem in reversed(stems)]
        outline += ["crotch"] if category == "trousers" else []
        assert crossings(own[:, [INDEX[name] for name in outline]]) == 0
        for corners in limbs(pattern).values():
            assert crossings(own[:, corners]) == 0
        assert are_sound(own, pattern).all()


@pytest.mark.parametrize("category", CATEGORIES)
def test_left_is_left_and_the_neck_is_between_the_shoulders(category, drawn):
    keypoints, visibility = drawn[category]
    for left, right in FLIP_PAIRS:
        if left >= INDEX["bottom_left_in"] or "cuff" in KEYPOINTS[left]:
            continue  # arms and legs may cross
        both = (visibility[:, [left, right]] != -1).all(1)
        swapped = keypoints[both, left, 0] >= keypoints[both, right, 0]
        assert swapped.sum() <= 0.001 * MANY  # of real ones 0.1 %, garments that lie on their side
    neck = [INDEX[name] for name in ("shoulder_left", "neckline_left", "neckline_right", "shoulder_right")]
    present = (visibility[:, neck] != -1).all(1)
    across = keypoints[present][:, neck, :]
    along = across[:, 3] - across[:, 0]
    places = np.einsum("nkd,nd->nk", across, along)
    assert (np.diff(places, axis=1)[:, [0, 2]] > 0).all()


@pytest.mark.parametrize("category", CATEGORIES)
def test_no_side_is_favoured(category, drawn):
    keypoints, visibility = drawn[category]
    present = visibility != -1
    for left, right in FLIP_PAIRS:
        for rates in (present, visibility == 0):
            gap = rates[:, left].mean() - rates[:, right].mean()
            assert abs(gap) < 4 * np.sqrt(0.5 / MANY)
        both = present[:, left] & present[:, right]
        if both.any():
            middle = keypoints[both][:, [left, right], 0].mean(1)
            assert middle.mean() == pytest.approx(0.5, abs=4 * middle.std() / np.sqrt(both.sum()))


def test_layouts_are_as_on_real_garments(drawn):
    """Against figures of another real set, FashionAI's test B: medians and rates that its users published."""
    normaliser = {"blouse": 155, "outwear": 140, "dress": 116, "skirt": 116, "trousers": 114}
    for category, pixels in normaliser.items():
        first, second = NORMALIZER[category]
        width = 512 * np.linalg.norm(drawn[category][0][:, first] - drawn[category][0][:, second], axis=-1)
        assert np.median(width) == pytest.approx(pixels, rel=0.1)

    def rate(category, value, *names):
        return (drawn[category][1][:, [INDEX[name] for name in names]] == value).mean()

    waist, armpits, waistband = ((f"{stem}_left", f"{stem}_right") for stem in ("waistline", "armpit", "waistband"))
    assert rate("outwear", -1, *waist) == pytest.approx(0.75, abs=0.08)
    assert rate("dress", -1, *waist) == pytest.approx(0.27, abs=0.08)
    assert rate("blouse", 0, *armpits) == pytest.approx(0.575, abs=0.08)
    assert rate("outwear", 0, *armpits) == pytest.approx(0.575, abs=0.08)
    assert rate("skirt", 0, *waistband) == pytest.approx(0.26, abs=0.08)
    assert rate("trousers", 0, *waistband) == pytest.approx(0.26, abs=0.08)


def test_sides_are_occluded_together(drawn):
    visibility = drawn["skirt"][1][:, [INDEX["waistband_left"], INDEX["waistband_right"]]]
    assert np.corrcoef(visibility[:, 0], visibility[:, 1])[0, 1] > 0.5


def test_sleeves_shoulders_and_waists_come_in_pairs(drawn):
    for category in CATEGORIES:
        absent = drawn[category][1] == -1
        for left, right in FLIP_PAIRS:
            assert np.array_equal(absent[:, left], absent[:, right])
        assert np.array_equal(absent[:, INDEX["cuff_left_in"]], absent[:, INDEX["cuff_left_out"]])


def test_the_generator_decides_everything():
    first, second = (sample(np.random.default_rng(3), "dress") for _ in range(2))
    other = sample(np.random.default_rng(4), "dress")
    assert first[0].shape == (24, 2)
    assert first[1].shape == (24,)
    assert all(np.array_equal(one, two) for one, two in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_an_unknown_category_is_an_error():
    with pytest.raises(DataError, match="Did you mean 'skirt'"):
        sample(np.random.default_rng(0), "skrit")


def test_measures_of_a_blouse_by_hand():
    found = {name: value.item() for name, value in measure(*layout(**BLOUSE)).items()}
    expected = {
        "size": 0.65,  # x from 0.1 to 0.75; y from 0.2 to 0.8
        "left": 0.1 / 0.35,
        "top": 0.2 / 0.4,
        "roll": 0,
        "length": np.log(3),  # 0.6 over the width 0.2
        "neckline_width": 0,
        "shoulder_width": np.log(2),
        "shoulder_drop": 1 / 6,
        "armpit_drop": 1 / 5,
        "front_shift": 0.5,
        "front_drop": 0.5,
        "top_hem_width": 0,
        "left_reach": np.log(0.25 / 0.2),  # from (0.35, 0.35) to (0.1, 0.35)
        "left_swing": np.pi / 2,  # straight out
        "left_opening": np.log(0.5),
        "left_turn": 0,
        "right_reach": np.log(np.hypot(0.05, 0.25) / 0.2),  # from (0.65, 0.35) to (0.7, 0.6)
        "right_swing": np.arctan(0.2),
        "right_opening": np.log(0.5),
        "right_turn": -np.arctan(0.2),  # the cuff is level, the sleeve is not
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert {name for name in found if name not in expected} == {
        *(f"{stem}_tilt" for stem in ("neckline", "shoulder", "armpit", "top_hem")),
        *(f"{stem}_shift" for stem in ("shoulder", "armpit")),
    }
    assert all(found[name] == pytest.approx(0) for name in found if name not in expected)


def test_roll_turns_clockwise():
    skirt = layout(
        waistband_left=(0.6, 0.4), waistband_right=(0.6, 0.6), hemline_left=(0.2, 0.3), hemline_right=(0.2, 0.7)
    )
    found = measure(*skirt)  # the hem points left: a quarter turn clockwise from straight down
    assert found["roll"] == pytest.approx(np.pi / 2)
    assert found["length"] == pytest.approx(np.log(2))
    assert found["hemline_width"] == pytest.approx(np.log(2))


def test_build_undoes_measure_on_real_garments(garments):
    table = read_annotations(garments / "Annotations" / "train.csv")
    tried = 0
    for category in CATEGORIES:
        points = table.of_categories([category]).points
        for kind in load_prior()[category]:
            own = points[((points[:, :, 2] >= 0) == kind.presence).all(1), :, :2] / 512
            if len(own):
                built = build(measure(own, kind.presence), kind.presence)
                assert built[:, kind.presence] == pytest.approx(own[:, kind.presence], abs=1e-9)
                tried += len(own)
    assert tried > 0.8 * len(table)


def test_mirroring_swaps_sides_and_mirroring_twice_changes_nothing(drawn):
    keypoints, visibility = drawn["trousers"]
    once = mirror(keypoints, visibility)
    mirrored = keypoints[:, INDEX["waistband_right"]] * [-1, 1] + [1, 0]
    assert np.allclose(once[0][:, INDEX["waistband_left"]], mirrored)
    assert np.array_equal(once[1][:, INDEX["waistband_left"]], visibility[:, INDEX["waistband_right"]])
    twice = mirror(*once)
    assert np.allclose(twice[0], keypoints)
    assert np.array_equal(twice[1], visibility)


@pytest.mark.parametrize(
    "change",
    [
        {"cuff_left_in": (0.1, 0.3), "cuff_left_out": (0.1, 0.4)},
        {"cuff_right_in": (0.75, 0.6), "cuff_right_out": (0.65, 0.6)},
        {"armpit_left": (0.6, 0.4), "armpit_right": (0.4, 0.4)},
        {"top_hem_left": (0.6, 0.8), "top_hem_right": (0.4, 0.8)},
        {"neckline_left": (0.25, 0.2)},
        {"center_front": (0.5, 0.9)},
    ],
    ids=lambda change: " ".join(change),
)
def test_swapped_and_crossed_points_are_not_sound(change):
    assert are_sound(*layout(**BLOUSE)).tolist() == [True]
    assert are_sound(*layout(**(BLOUSE | change))).tolist() == [False]


def test_legs_may_cross_but_not_themselves():
    trousers = {
        "waistband_left": (0.4, 0.1),
        "waistband_right": (0.6, 0.1),
        "crotch": (0.5, 0.4),
        "bottom_left_out": (0.5, 0.9),
        "bottom_left_in": (0.6, 0.9),
        "bottom_right_in": (0.4, 0.9),
        "bottom_right_out": (0.5, 0.9),
    }
    assert are_sound(*layout(**trousers)).tolist() == [True]
    swapped = {"bottom_left_out": (0.6, 0.9), "bottom_left_in": (0.5, 0.9)}
    assert are_sound(*layout(**(trousers | swapped))).tolist() == [False]


def test_the_file_is_small_and_its_shares_add_up():
    assert PRIOR.stat().st_size < 200_000
    for kinds in load_prior().values():
        assert sum(float(kind.share) for kind in kinds) == pytest.approx(1)
        for kind in kinds:
            assert kind.weights.sum() == pytest.approx(1)
            assert (np.diff(kind.values.astype(float), axis=1) >= 0).all()
