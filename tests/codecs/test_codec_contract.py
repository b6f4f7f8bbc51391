"""What every codec promises, whatever its target looks like: loops over CODECS.

A new codec needs one entry here: in `PERFECT`, how a network that knows the target would answer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemline.codecs import CODECS, Codec, build_codec
from hemline.errors import RecipeError

Arrays = dict[str, np.ndarray]

# A skirt: two pairs, four limbs.
KEYPOINTS = (15, 16, 17, 18)
LIMBS = ((0, 1), (0, 2), (1, 3), (2, 3))
MIRROR = (1, 0, 3, 2)
VISIBLE = np.ones(4)


def values(target: Arrays) -> Arrays:
    """The answer of a network that puts out the target itself."""
    return {name: array[None] for name, array in target.items()}


def logits(target: Arrays) -> Arrays:
    """The answer of a network whose softmax is the target; a constant changes nothing."""
    return {name: np.log(np.maximum(array, 1e-30))[None] + 7 for name, array in target.items()}


def log_odds(target: Arrays) -> Arrays:
    """The answer of a network whose sigmoid is the target."""
    shares = {name: np.clip(array.astype(np.float64), 1e-30, 1 - 1e-9) for name, array in target.items()}
    return {name: np.log(share / (1 - share))[None] for name, share in shares.items()}


def discs(target: Arrays) -> Arrays:
    """The answer of a network whose mask is certain and whose offsets are the target."""
    return {"near": (80 * target["near"] - 40)[None], "offsets": target["offsets"][None]}


PERFECT: dict[str, Callable[[Arrays], Arrays]] = {
    "heatmap": values,
    "belief": logits,
    "sigmoid": log_odds,
    "disc": log_odds,
    "paf": values,
    "offsets": discs,
    "simcc": logits,
    "coordinates": values,
}

WITHOUT_SCORES = {"coordinates"}
"""Codecs whose output does not say how sure it is."""


def build(name: str, *, size_wh: tuple[int, int] = (64, 96), stride: int = 4, **options: object) -> Codec:
    return build_codec(name, size_wh=size_wh, stride=stride, keypoints=KEYPOINTS, limbs=LIMBS, **options)


def answer(codec: Codec, name: str, points: np.ndarray, visibility: np.ndarray = VISIBLE) -> Arrays:
    """What a perfect network's activated output is for these points, as a batch of one."""
    return codec.activate(PERFECT[name](codec.encode(points, visibility)))


def random_points(size_wh: tuple[int, int], count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (count, 4, 2)) * size_wh


def test_every_codec_is_tested_here() -> None:
    assert PERFECT.keys() == CODECS.keys()


SHARES = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
SIDES = st.sampled_from([32, 64, 96, 160])


@pytest.mark.parametrize("name", CODECS)
@settings(max_examples=80, deadline=None)
@given(
    size_wh=st.tuples(SIDES, SIDES),
    stride=st.sampled_from([2, 4, 8]),
    shares=st.lists(st.tuples(SHARES, SHARES), min_size=4, max_size=4),
)
def test_points_come_back(name: str, size_wh: tuple[int, int], stride: int, shares: list[tuple[float, float]]) -> None:
    codec = build(name, size_wh=size_wh, stride=stride)
    points = np.array(shares) * size_wh
    keypoints, scores = codec.decode(answer(codec, name, points))
    assert np.abs(keypoints[0] - points).max() < 0.05
    assert ((scores > 0) & (scores <= 1)).all()


@pytest.mark.parametrize("name", CODECS)
def test_there_is_no_bias(name: str) -> None:
    codec = build(name)
    errors = [codec.decode(answer(codec, name, points))[0][0] - points for points in random_points((64, 96), 100)]
    assert np.abs(np.mean(errors, axis=(0, 1))).max() < 0.001


@pytest.mark.parametrize("name", CODECS)
def test_targets_are_finite_float32(name: str) -> None:
    for array in build(name).encode(random_points((64, 96), 1)[0], np.array([1, 0, -1, 1])).values():
        assert array.dtype == np.float32
        assert np.isfinite(array).all()


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("nowhere", [-1.0, 1e6, np.nan])
def test_absent_points_are_all_zero_wherever_they_are(name: str, nowhere: float) -> None:
    target = build(name).encode(np.full((4, 2), nowhere), np.full(4, -1))
    assert target
    for array in target.values():
        assert not array.any()


@pytest.mark.parametrize("name", CODECS)
def test_an_absent_point_leaves_the_others_alone(name: str) -> None:
    codec, points = build(name), random_points((64, 96), 1)[0]
    without = points.copy()
    without[1] = np.nan
    keypoints, _ = codec.decode(answer(codec, name, without, np.array([1, -1, 1, 1])))
    assert np.abs(keypoints[0] - points)[[0, 2, 3]].max() < 0.05


@pytest.mark.parametrize("name", CODECS)
def test_occluded_points_are_encoded_like_visible_ones(name: str) -> None:
    codec, points = build(name), random_points((64, 96), 1)[0]
    visible, occluded = codec.encode(points, VISIBLE), codec.encode(points, np.zeros(4))
    for array in visible:
        assert np.array_equal(visible[array], occluded[array])


@pytest.mark.parametrize("name", CODECS)
def test_unflip_undoes_a_mirrored_crop(name: str) -> None:
    codec = build(name)
    for points in random_points((64, 96), 10):
        mirrored = (points * [-1, 1] + [64, 0])[list(MIRROR)]
        unflipped = codec.unflip(answer(codec, name, mirrored), MIRROR)
        assert np.abs(codec.decode(unflipped)[0][0] - points).max() < 0.05
        for array, expected in answer(codec, name, points).items():
            if array in unflipped:
                assert np.abs(unflipped[array] - expected).max() < 1e-5


@pytest.mark.parametrize("name", CODECS)
def test_unflip_twice_changes_nothing(name: str) -> None:
    codec = build(name)
    once = codec.unflip(answer(codec, name, random_points((64, 96), 1)[0]), MIRROR)
    for array, expected in codec.unflip(codec.unflip(once, MIRROR), MIRROR).items():
        assert np.abs(once[array] - expected).max() < 1e-6


@pytest.mark.parametrize("name", CODECS)
def test_any_output_gives_points_inside_the_crop(name: str) -> None:
    codec, rng = build(name), np.random.default_rng(0)
    target = codec.encode(random_points((64, 96), 1)[0], VISIBLE)
    for spread in (0.01, 1.0, 50.0):
        output = {array: rng.normal(0, spread, (3, *value.shape)) for array, value in target.items()}
        keypoints, scores = codec.decode(codec.activate(output))
        assert keypoints.shape == (3, 4, 2)
        assert scores.shape == (3, 4)
        assert keypoints.dtype == scores.dtype == np.float64
        assert ((keypoints >= 0) & (keypoints <= [64, 96])).all()
        assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("name", CODECS)
def test_a_batch_is_its_singles(name: str) -> None:
    codec = build(name)
    singles = [answer(codec, name, points) for points in random_points((64, 96), 3)]
    batch = {array: np.concatenate([single[array] for single in singles]) for array in singles[0]}
    keypoints, scores = codec.decode(batch)
    for row, single in enumerate(singles):
        assert np.array_equal(codec.decode(single)[0][0], keypoints[row])
        assert np.array_equal(codec.decode(single)[1][0], scores[row])


@pytest.mark.parametrize("name", [name for name in CODECS if name not in WITHOUT_SCORES])
@pytest.mark.parametrize("constant", [-3.0, 0.0, 0.25])
def test_an_output_that_says_nothing_gives_the_centre_and_score_zero(name: str, constant: float) -> None:
    codec = build(name)
    target = codec.encode(random_points((64, 96), 1)[0], VISIBLE)
    keypoints, scores = codec.decode(codec.activate({a: np.full((1, *v.shape), constant) for a, v in target.items()}))
    assert (keypoints == [32, 48]).all()
    assert (scores == 0).all()


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_broken_output_spoils_its_own_point_only(name: str, broken: float) -> None:
    codec, points = build(name), random_points((64, 96), 1)[0]
    output = PERFECT[name](codec.encode(points, VISIBLE))
    for array in output.values():
        array[0, 2] = broken
    keypoints, scores = codec.decode(codec.activate(output))
    assert np.abs(keypoints[0] - points)[[0, 1, 3]].max() < 0.05
    assert (scores[0, [0, 1, 3]] > 0).all()
    assert keypoints[0, 2].tolist() == [32, 48]
    assert scores[0, 2] == 0


def test_unknown_codec_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"unknown codec 'heatmaps'\. Did you mean 'heatmap'\? Known: heatmap, "):
        build_codec("heatmaps", size_wh=(64, 64), stride=4)


@pytest.mark.parametrize("name", CODECS)
def test_unknown_option_is_an_error(name: str) -> None:
    with pytest.raises(RecipeError, match=rf"codec '{name}': unknown option 'sharpness'"):
        build(name, sharpness=3)


@pytest.mark.parametrize(
    ("name", "option", "value", "message"),
    [
        ("heatmap", "sigma", 0, "a number above 0, got 0"),
        ("belief", "sigma", -1.5, "a number above 0, got -1.5"),
        ("heatmap", "sigma", float("nan"), "a number above 0, got nan"),
        ("heatmap", "sigma", "2", "a number above 0, got '2'"),
        ("heatmap", "sigma", True, "a number above 0, got True"),
        ("simcc", "bins", 1.5, "a whole number above 0, got 1.5"),
        ("paf", "magnitude", 1, "true or false, got 1"),
    ],
)
def test_value_that_an_option_cannot_take(name: str, option: str, value: object, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        build(name, **{option: value})
    assert str(caught.value) == f"codec '{name}': option '{option}' must be {message}"


def test_options_arrive() -> None:
    # One cell from the peak a Gaussian of sigma 1 has exp(-1/2) of its height.
    heatmap = build("heatmap", sigma=1).encode(np.full((4, 2), 18.0), VISIBLE)["heatmaps"][0]  # cell (4, 4)
    assert heatmap[4, 4:6] == pytest.approx([1, 0.6065], abs=1e-4)
