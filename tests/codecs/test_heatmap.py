"""Gaussian maps: hand-computed cells, and where their peaks are found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemline.codecs.heatmap import BeliefCodec, HeatmapCodec, SigmoidCodec

SIZE_WH = (64, 48)
RAW = {
    HeatmapCodec: lambda target: target,
    BeliefCodec: lambda target: np.log(np.maximum(target, 1e-30)),
    SigmoidCodec: lambda target: np.log(np.maximum(target, 1e-30) / np.maximum(1 - target.astype(float), 1e-9)),
}
"""What a network that knows the target puts out."""
EACH = pytest.mark.parametrize("kind", RAW)


def decode_target(codec: HeatmapCodec, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    target = codec.encode(points, np.ones(len(points)))["heatmaps"]
    keypoints, scores = codec.decode(codec.activate({"heatmaps": RAW[type(codec)](target)[None]}))
    return keypoints[0], scores[0]


def test_cells_by_hand() -> None:
    # Stride 4: the point (10, 6) is the centre of cell column 2, row 1. Sigma of one cell.
    codec = HeatmapCodec(size_wh=SIZE_WH, stride=4, sigma=1)
    heatmap = codec.encode(np.array([[10.0, 6.0]]), np.ones(1))["heatmaps"][0]
    assert heatmap.shape == (12, 16)
    assert heatmap[1, 2] == 1
    assert heatmap[1, 3] == heatmap[1, 1] == heatmap[0, 2] == pytest.approx(0.60653, abs=1e-5)  # exp(-1 / 2)
    assert heatmap[2, 3] == pytest.approx(0.36788, abs=1e-5)  # exp(-2 / 2)
    assert heatmap[3, 2] == pytest.approx(0.13534, abs=1e-5)  # exp(-4 / 2)


def test_a_point_between_four_cells_by_hand() -> None:
    # (8, 8) is the corner that cells (1, 1), (1, 2), (2, 1), (2, 2) share: half a cell from each, both ways.
    codec = HeatmapCodec(size_wh=SIZE_WH, stride=4, sigma=1)
    heatmap = codec.encode(np.array([[8.0, 8.0]]), np.ones(1))["heatmaps"][0]
    assert heatmap[1:3, 1:3] == pytest.approx(np.full((2, 2), 0.77880), abs=1e-5)  # exp(-(1/4 + 1/4) / 2)


def test_beliefs_sum_to_one_even_in_the_corner() -> None:
    codec = BeliefCodec(size_wh=SIZE_WH, stride=4)
    points = np.array([[0.0, 0.0], [64.0, 48.0], [31.3, 20.7]])
    assert codec.encode(points, np.ones(3))["heatmaps"].sum((1, 2)) == pytest.approx(np.ones(3), abs=1e-6)


def test_all_forms_have_one_shape() -> None:
    points = np.array([[31.3, 20.7]])
    maps = [kind(size_wh=SIZE_WH, stride=4).encode(points, np.ones(1))["heatmaps"] for kind in RAW]
    assert maps[1] / maps[1].max() == pytest.approx(maps[0] / maps[0].max(), abs=1e-6)
    assert np.array_equal(maps[2], maps[0])


@EACH
def test_absent_points_have_empty_maps(kind: type[HeatmapCodec]) -> None:
    codec = kind(size_wh=SIZE_WH, stride=4)
    heatmaps = codec.encode(np.array([[20.0, 20.0], [-1.0, -1.0], [20.0, 20.0]]), np.array([1, -1, 0]))["heatmaps"]
    assert not heatmaps[1].any()
    assert np.array_equal(heatmaps[0], heatmaps[2])
    assert codec.encode(np.zeros((0, 2)), np.zeros(0))["heatmaps"].shape == (0, 12, 16)


@EACH
@settings(max_examples=150, deadline=None)
@given(
    stride=st.sampled_from([1, 2, 4, 8, 16]),
    cells=st.tuples(st.integers(3, 24), st.integers(3, 24)),
    sigma=st.floats(0.6, 8),
    shares=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=5),
)
def test_points_come_back_at_any_sigma(
    kind: type[HeatmapCodec], stride: int, cells: tuple[int, int], sigma: float, shares: list[tuple[float, float]]
) -> None:
    size_wh = (cells[0] * stride, cells[1] * stride)
    points = np.array(shares) * size_wh
    keypoints, _ = decode_target(kind(size_wh=size_wh, stride=stride, sigma=sigma), points)
    assert np.abs(keypoints - points).max() < 0.05


@EACH
@pytest.mark.parametrize("corner", [(0, 0), (64, 0), (0, 48), (64, 48), (32, 0), (0, 24)])
def test_points_on_the_border_come_back(kind: type[HeatmapCodec], corner: tuple[float, float]) -> None:
    keypoints, _ = decode_target(kind(size_wh=SIZE_WH, stride=8), np.array([corner], float))
    assert keypoints[0] == pytest.approx(corner, abs=0.001)


@EACH
@pytest.mark.parametrize("stride", [2, 4, 8])
def test_there_is_no_half_cell_bias(kind: type[HeatmapCodec], stride: int) -> None:
    points = np.random.default_rng(0).uniform(0, 1, (500, 2)) * SIZE_WH
    keypoints, _ = decode_target(kind(size_wh=SIZE_WH, stride=stride), points)
    assert np.abs((keypoints - points).mean(0)).max() < 0.001


@pytest.mark.parametrize("constant", [-40.0, 0.0, 40.0])
def test_logits_are_beliefs_up_to_a_constant(constant: float) -> None:
    codec = BeliefCodec(size_wh=SIZE_WH, stride=4)
    target = codec.encode(np.array([[31.3, 20.7], [60.0, 2.0]]), np.ones(2))["heatmaps"]
    logits = np.log(np.maximum(target, 1e-30)) + constant
    beliefs = codec.activate({"heatmaps": logits[None]})["heatmaps"]
    assert beliefs.dtype == np.float32
    assert beliefs[0] == pytest.approx(target, abs=1e-6)
    assert beliefs.sum((2, 3)) == pytest.approx(np.ones((1, 2)), abs=1e-5)


def test_values_below_zero_are_no_beliefs() -> None:
    codec = HeatmapCodec(size_wh=SIZE_WH, stride=4)
    maps = np.array([[[[-1.0, 0.5], [np.nan, np.inf]]]])
    assert codec.activate({"heatmaps": maps})["heatmaps"].tolist() == [[[[0, 0.5], [0, 0]]]]


def test_masked_logits_are_beliefs_of_zero() -> None:
    codec = BeliefCodec(size_wh=SIZE_WH, stride=4)
    logits = np.array([[[[0.0, 0.0], [-np.inf, -np.inf]]]])
    assert codec.activate({"heatmaps": logits})["heatmaps"].tolist() == [[[[0.5, 0.5], [0, 0]]]]


@EACH
def test_a_perfect_peak_on_a_cell_scores_one(kind: type[HeatmapCodec]) -> None:
    codec = kind(size_wh=SIZE_WH, stride=4, sigma=1.5)
    _, scores = decode_target(codec, np.array([[34.0, 22.0]]))
    assert scores[0] == pytest.approx(1, abs=1e-3)


@EACH
def test_a_doubtful_map_scores_half(kind: type[HeatmapCodec]) -> None:
    # Two equal peaks, each half as likely, or a single peak of half the height.
    codec = kind(size_wh=SIZE_WH, stride=4, sigma=1.5)
    maps = codec.encode(np.array([[14.0, 22.0], [50.0, 22.0]]), np.ones(2))["heatmaps"]
    keypoints, scores = codec.decode({"heatmaps": ((maps[0] + maps[1]) / 2)[None, None]})
    assert scores[0, 0] == pytest.approx(0.5, abs=0.01)  # the crop's border cuts a little off
    assert keypoints[0, 0] == pytest.approx([14, 22], abs=0.05)


@pytest.mark.parametrize("value", [0.0, 1 / 192, 3.0])
def test_a_constant_map_gives_the_centre_and_score_zero(value: float) -> None:
    codec = HeatmapCodec(size_wh=SIZE_WH, stride=4)
    keypoints, scores = codec.decode({"heatmaps": np.full((2, 3, 12, 16), value, np.float32)})
    assert (keypoints == [32, 24]).all()
    assert (scores == 0).all()


@EACH
def test_a_peak_outside_the_crop_is_brought_to_its_border(kind: type[HeatmapCodec]) -> None:
    keypoints, _ = decode_target(kind(size_wh=SIZE_WH, stride=4), np.array([[-4.0, 50.0]]))
    assert keypoints[0] == pytest.approx([0, 48])


def test_a_single_cell_of_light_is_found_in_its_middle() -> None:
    maps = np.zeros((1, 1, 12, 16), np.float32)
    maps[0, 0, 5, 7] = 0.8
    keypoints, scores = HeatmapCodec(size_wh=SIZE_WH, stride=4).decode({"heatmaps": maps})
    assert keypoints[0, 0].tolist() == [30, 22]
    assert scores[0, 0] == pytest.approx(0.8)


@EACH
def test_unflip_gives_the_maps_of_the_unmirrored_crop(kind: type[HeatmapCodec]) -> None:
    codec = kind(size_wh=SIZE_WH, stride=4)
    points = np.array([[10.3, 5.0], [50.9, 7.7], [33.0, 40.2]])  # left, right, middle
    mirrored = np.array([[64 - 50.9, 7.7], [64 - 10.3, 5.0], [64 - 33.0, 40.2]])
    maps = codec.encode(mirrored, np.ones(3))["heatmaps"]
    unflipped = codec.unflip({"heatmaps": maps[None]}, (1, 0, 2))["heatmaps"]
    assert unflipped[0] == pytest.approx(codec.encode(points, np.ones(3))["heatmaps"], abs=1e-6)


@pytest.mark.parametrize("size_wh", [(8, 8), (4, 8), (8, 4), (4, 4)])
def test_maps_too_small_for_a_parabola_give_cell_centres(size_wh: tuple[int, int]) -> None:
    codec = HeatmapCodec(size_wh=size_wh, stride=4)
    keypoints, _ = decode_target(codec, np.array([[1.0, 1.0]]))
    assert keypoints[0].tolist() == [2, 2]


@EACH
def test_stages_before_the_final_one_have_targets_of_their_own_width(kind: type[HeatmapCodec]) -> None:
    points = np.array([[31.3, 20.7], [10.0, 6.0], [-1.0, -1.0]])
    visibility = np.array([1, 0, -1])
    target = kind(size_wh=SIZE_WH, stride=4, sigma=1, stage_sigmas=[2.4, 1.37]).encode(points, visibility)
    assert list(target) == ["heatmaps", "heatmaps.0", "heatmaps.1"]
    for name, sigma in (("heatmaps", 1), ("heatmaps.0", 2.4), ("heatmaps.1", 1.37)):
        alone = kind(size_wh=SIZE_WH, stride=4, sigma=sigma).encode(points, visibility)
        assert list(alone) == ["heatmaps"]
        assert np.array_equal(target[name], alone["heatmaps"])


@EACH
def test_the_stages_targets_do_not_matter_for_decoding(kind: type[HeatmapCodec]) -> None:
    codec = kind(size_wh=SIZE_WH, stride=4, stage_sigmas=[4.0])
    points = np.array([[31.3, 20.7]])
    output = {name: RAW[kind](maps)[None] for name, maps in codec.encode(points, np.ones(1)).items()}
    activated = codec.activate(output)
    assert list(activated) == list(codec.unflip(activated, (0,))) == ["heatmaps"]
    assert codec.decode(activated)[0][0] == pytest.approx(points, abs=0.01)


def test_sigmoid_outputs_are_probabilities() -> None:
    codec = SigmoidCodec(size_wh=(5, 1), stride=1)
    logits = np.array([0.0, np.log(3), -np.inf, 1000, np.nan]).reshape(1, 1, 1, 5)
    with np.errstate(all="raise"):
        maps = codec.activate({"heatmaps": logits})["heatmaps"]
    assert maps.dtype == np.float32
    assert maps.ravel().tolist() == pytest.approx([0.5, 0.75, 0, 1, 0])
